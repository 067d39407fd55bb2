import logging

import pytest

from pipecat_wavix.server.logs import keep_secret_paths_out_of_logs, redact

PATHS = [
    "/wavix/webhook/canary",
    "/wavix/webhook/canary/canary",
    "/voice/wavix/media/canary?x=canary",
]


class Lines(logging.Handler):
    def __init__(self):
        super().__init__(1)
        self.lines = []

    def emit(self, record):
        self.lines.append(self.format(record))


@pytest.fixture
def logger():
    logger = logging.getLogger("uvicorn.access")
    logger.lines = Lines()
    logger.addHandler(logger.lines)
    keep_secret_paths_out_of_logs()
    keep_secret_paths_out_of_logs()
    level = logger.level
    logger.setLevel(1)
    yield logger
    logger.removeHandler(logger.lines)
    logger.setLevel(level)


@pytest.mark.parametrize("path", PATHS[:2])
def test_a_secret_path_is_cut(path):
    assert redact(f'"POST {path} HTTP/1.1" 200') == '"POST /wavix/webhook/... HTTP/1.1" 200'


def test_other_paths_stay():
    assert redact('"GET /wavix/calls HTTP/1.1"') == '"GET /wavix/calls HTTP/1.1"'


@pytest.mark.parametrize("path", PATHS)
def test_no_argument_of_a_log_holds_a_secret_path(logger, path):
    # As uvicorn logs a request, an opened socket, and (when it traces) a whole scope.
    logger.info('%s - "%s %s HTTP/%s" %d', "127.0.0.1:1", "POST", path, "1.1", 200)
    logger.info('%s - "WebSocket %s" [accepted]', ("127.0.0.1", 1), path)
    logger.debug("%s [%d] Started scope=%s", "x", 1, {"path": path, "raw_path": path.encode()})
    logger.debug(f"< GET {path} HTTP/1.1")
    assert len(logger.lines.lines) == 4
    assert "canary" not in "".join(logger.lines.lines)


def test_an_access_log_keeps_its_arguments_apart(logger):
    records = []
    logger.lines.emit = records.append
    logger.info('%s - "%s %s HTTP/%s" %d', "127.0.0.1:1", "POST", PATHS[0], "1.1", 200)
    assert records[0].args == ("127.0.0.1:1", "POST", "/wavix/webhook/...", "1.1", 200)
