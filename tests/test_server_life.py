"""The router in the life of an application, and what its bots may do to it."""

import asyncio
import logging
import sys
import time

import pytest
from fake_wavix import CALL_ID, CALLER, NUMBER, FakeWavix
from fastapi import FastAPI
from pydantic import SecretStr
from starlette.testclient import TestClient
from virtual_time import in_virtual_time

from pipecat_wavix.client import WavixClient
from pipecat_wavix.client.answers import readable
from pipecat_wavix.errors import WavixOutcomeUnknown
from pipecat_wavix.server.router import wavix_router
from pipecat_wavix.server.settings import WavixSettings
from pipecat_wavix.tokens import StreamPass, Tokens

SETTINGS = WavixSettings(public_url="https://bot.example.com", secret="s" * 32, max_calls=2)


START = (
    '{"event": "start", "event_time": "2026-01-01T00:00:00Z", "call_id": "%s", '
    '"stream_id": "s", "stream_type": "twoway", "channel": "inbound", "sequence_number": 1}'
)


SCOPE = {
    **{"query_string": b"", "headers": [], "root_path": "", "scheme": "wss", "subprotocols": []},
    **{"client": ("203.0.113.1", 1), "server": ("bot", 443)},
}


async def hold_a_call(app):
    """Open a call's socket, as a web server does, and close it right after `start`."""
    content = StreamPass(call_id=CALL_ID, direction="inbound")
    token = Tokens("s" * 32).issue(content, now=time.time())
    closed = {"type": "websocket.disconnect", "code": 1006}
    inbox = [
        {"type": "websocket.connect"},
        {"type": "websocket.receive", "text": START % CALL_ID},
    ]

    async def receive():
        return inbox.pop(0) if inbox else closed

    async def send(_message):
        pass

    await app({**SCOPE, "type": "websocket", "path": f"/wavix/media/{token}"}, receive, send)


async def post_the_end(app):
    key = Tokens("s" * 32).webhook_key
    body = b'{"id": "%s", "event_type": "completed"}' % CALL_ID.encode()

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(_message):
        pass

    scope = {**SCOPE, "type": "http", "method": "POST", "path": f"/wavix/webhook/{key}"}
    await app(scope, receive, send)


@in_virtual_time
async def test_a_bot_that_does_not_return_gives_its_line_back_when_its_call_is_over():
    wavix = FakeWavix()
    stuck = []

    async def bot(_arguments):
        stuck.append(1)
        await asyncio.sleep(100_000)

    app = FastAPI()
    app.include_router(wavix_router(bot, wavix, SETTINGS))
    running = asyncio.create_task(hold_a_call(app))
    await asyncio.sleep(1)
    assert stuck
    await post_the_end(app)
    await asyncio.sleep(120)
    try:
        assert running.done(), running
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def test_an_application_can_be_started_twice():
    async def bot(_arguments):
        pass

    app = FastAPI()
    app.include_router(wavix_router(bot, FakeWavix(), SETTINGS))
    for _ in range(2):
        with TestClient(app) as web:
            assert web.get("/ready").status_code == 200


def test_two_routers_can_share_an_account():
    async def bot(_arguments):
        pass

    client = WavixClient("key")
    app = FastAPI()
    for prefix in ("/sales", "/support"):
        settings = SETTINGS.model_copy(update={"public_url": f"https://bot.example.com{prefix}"})
        app.include_router(wavix_router(bot, client, settings), prefix=prefix)
    with TestClient(app) as web:
        assert web.get("/sales/ready").status_code == 200


def access_line(path):
    """What uvicorn's access log makes of a request."""
    record = logging.LogRecord("uvicorn.access", 20, "", 0, "%s", (path,), None)
    logging.getLogger("uvicorn.access").filter(record)
    return record.getMessage()


@pytest.mark.parametrize("when", ["mounted", "after its end"])
def test_a_secret_path_stays_out_of_the_log_also(when):
    """A mounted application has no life of its own; and a server that crashes answers to its end."""

    async def bot(_arguments):
        pass

    app = FastAPI()
    app.include_router(wavix_router(bot, FakeWavix(), SETTINGS))
    if when == "mounted":
        outer = FastAPI()
        outer.mount("/voice", app)
        with TestClient(outer):
            assert "canary" not in access_line("/voice/wavix/webhook/canary")
    else:
        with TestClient(app):
            pass
        assert "canary" not in access_line("/wavix/webhook/canary")


async def test_a_bot_that_exits_does_not_end_the_server():
    async def bot(_arguments):
        sys.exit("no key for the LLM")

    app = FastAPI()
    wavix = FakeWavix()
    app.include_router(wavix_router(bot, wavix, SETTINGS))
    try:
        await hold_a_call(app)
    except SystemExit as error:
        raise AssertionError("and all other calls with it") from error
    assert wavix.count("hang_up") == 1


def test_an_operator_who_has_to_look_for_a_call_is_told_its_whole_tag():
    tag = "pipecat-fc4d360e-1234-4416-b1b5-26906f813490"
    wavix = FakeWavix()
    # As the client says it, which takes most such tags for telephone numbers.
    wavix.failures["dial"] = WavixOutcomeUnknown(f"unknown: {readable(tag, key='k')!r}", tag=tag)

    async def bot(_arguments):
        pass

    settings = SETTINGS.model_copy(update={"operator_key": SecretStr("o" * 32)})
    app = FastAPI()
    app.include_router(wavix_router(bot, wavix, settings))
    with TestClient(app, headers={"Authorization": f"Bearer {'o' * 32}"}) as web:
        answer = web.post("/wavix/calls", json={"to": CALLER, "from": NUMBER})
    assert answer.status_code == 504
    assert tag in answer.text
