"""What an answer of the REST API means: its JSON, and the error that a refusal is.

It knows HTTP's statuses and Wavix's error bodies. It refuses to trust them: the status alone
decides, and of a text only what is fit for a log comes through: no key, no whole telephone number,
no control characters, and not much of it. Pure: it reads no clock.

Source: Wavix's OpenAPI specification (2026-06-30): {success, message, errors {field: text}}; some
of its clients read `error` in place of `message`.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import islice
from typing import Any, Final

from pipecat_wavix.errors import (
    WavixAPIError,
    WavixBadRequest,
    WavixForbidden,
    WavixNotFound,
    WavixRateLimited,
    WavixServerError,
    WavixUnauthorized,
)

TEXT_CHARS: Final = 200
"""How much of a text of Wavix's is shown."""

FIELDS: Final = 20
"""How many fields' errors are kept."""

_CLASSES: Final[Mapping[int, type[WavixAPIError]]] = {
    400: WavixBadRequest,
    401: WavixUnauthorized,
    403: WavixForbidden,
    404: WavixNotFound,
    422: WavixBadRequest,
    429: WavixRateLimited,
}
_ADVICE: Final[Mapping[int, str]] = {
    401: "Check the API key, and whether it may be used from this machine's address",
    403: (
        "Ask Wavix to enable the service for your account (media streaming needs the account "
        "level Flex Pro), and check the scopes of the API key if it is a restricted one"
    ),
}
_REDIRECTED: Final = "Redirects are not followed: check base_url"
_LOOKED_AT: Final = 10 * TEXT_CHARS  # a long text must not hold up a live call
# A telephone number, however it is written. What is no number but looks like one goes as well.
_NUMBER = re.compile(r"\+?\d(?:[ ()./_\u2010-\u2015-]{0,3}\d){6,}")
_SECS = re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII)


def read_json(body: bytes | None) -> Any:
    """The JSON of a body; None if it has none."""
    try:
        return json.loads(body) if body else None
    except (ValueError, RecursionError):
        return None


def refusal(
    asked: str,
    status: int,
    body: bytes | None,
    *,
    retry_after: str | None,
    now: datetime,
    key: str,
) -> WavixAPIError:
    """The error that an answer is.

    Args:
        asked: What was asked for: method and route template.
        status: The answer's HTTP status, any but 2xx.
        body: Its body, or None if there is none that could be read.
        retry_after: The header of this name.
        now: The time now, with its zone.
        key: The API key, which must not be shown.
    """
    fields = read_json(body)
    fields = fields if isinstance(fields, dict) else {}
    errors = _errors(fields.get("errors"), key)
    texts = [_text(fields.get("message"), key) or _text(fields.get("error"), key)]
    texts += [f"{name}: {text}" for name, text in errors.items()]
    details = _cut("; ".join(text for text in texts if text))
    advice = _REDIRECTED if 300 <= status < 400 else _ADVICE.get(status, "")
    wait = read_retry_after(retry_after, now=now)
    message = f"Wavix answered {asked} with {status}" + (f": {details}" if details else "")
    if wait is not None:
        message += f" (asks to wait {wait:.0f} s)"
    default = WavixServerError if status >= 500 else WavixAPIError
    return _CLASSES.get(status, default)(
        f"{message.removesuffix('.')}. {advice}" if advice else message,
        status=status,
        errors=errors,
        retry_after_secs=wait,
    )


def read_retry_after(value: str | None, *, now: datetime) -> float | None:
    """How long to wait, in seconds, by a Retry-After: seconds or an HTTP date.

    Returns:
        None if there is none, or it says nothing that can be understood.
    """
    value = (value or "").strip()
    if _SECS.fullmatch(value):
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (date - now).total_seconds())


def readable(text: str, *, key: str) -> str:
    """What of a text may be shown: at most `TEXT_CHARS`, with nothing in it that is not ours to show.

    Args:
        text: Somebody else's text.
        key: The API key.
    """
    words = "".join(char if char.isprintable() else " " for char in text[:_LOOKED_AT]).split()
    # Where a long text was cut, a part of the key would not be known for one.
    words = words[:-1] if len(text) > _LOOKED_AT else words
    return _cut(_NUMBER.sub(_last_digits, " ".join(words).replace(key, "[key]")))


def _last_digits(number: re.Match[str]) -> str:
    return "..." + "".join(char for char in number[0] if char.isdigit())[-4:]


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_CHARS else text[: TEXT_CHARS - 1] + "…"


def _text(value: object, key: str) -> str:
    return readable(value, key=key) if isinstance(value, str) else ""


def _errors(value: object, key: str) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {
        readable(name, key=key): _text(text, key)
        for name, text in islice(value.items(), FIELDS)
        if isinstance(text, str)
    }
