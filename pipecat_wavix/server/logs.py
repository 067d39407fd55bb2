"""Keeps secret paths out of the logs of the web server.

uvicorn logs the path of every request and socket. Ours hold the webhook's secret and the streams'
tokens, so what follows the route's name is cut out before a handler sees it.
"""

import logging
import re
from typing import Final

PREFIX: Final = "/wavix"
"""Where all of the router's secret routes begin."""

# The route's name stays, for the log to be of use.
_SECRET = re.compile(rf"({PREFIX}/(?:webhook|media))/[^\s\"']+")
# uvicorn's own; the others are what it logs through, at their chattiest levels.
_LOGGERS = ("uvicorn.access", "uvicorn.error", "uvicorn.asgi", "websockets.server")


def redact(text: str) -> str:
    """Cut what is secret out of any text that holds a path."""
    return _SECRET.sub(r"\1/...", text)


class _Redaction(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple) and all(
            isinstance(arg, str | int | float) for arg in record.args
        ):
            # uvicorn's formatter of the access log needs the arguments one by one.
            record.args = tuple(redact(arg) if isinstance(arg, str) else arg for arg in record.args)
            record.msg = redact(str(record.msg))
        else:
            record.msg, record.args = redact(record.getMessage()), None
        return True


_redaction = _Redaction()


def keep_secret_paths_out_of_logs() -> None:
    """Redact from now on, in this process. A second time changes nothing.

    It is never undone: a server that crashes still logs, and one that is mounted is not told of
    its beginning.
    """
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_redaction)
