"""Defects found in a review of the server: each of these fails until it is mended."""

import asyncio
import contextlib
import logging
import sys
import time

import pytest
from fake_wavix import CALL_ID, CALLER, NUMBER, FakeWavix, answered, call
from fastapi import FastAPI
from starlette.testclient import TestClient
from virtual_time import in_virtual_time

from pipecat_wavix.client import WavixClient
from pipecat_wavix.errors import WavixBadRequest
from pipecat_wavix.server.call import Accept
from pipecat_wavix.server.router import wavix_router
from pipecat_wavix.server.settings import WavixSettings
from pipecat_wavix.server.switchboard import Switchboard
from pipecat_wavix.tokens import DialPass, StreamPass, Tokens

SETTINGS = WavixSettings(public_url="https://bot.example.com", secret="s" * 32, max_calls=2)
START = (
    '{"event": "start", "event_time": "2026-01-01T00:00:00Z", "call_id": "%s", '
    '"stream_id": "s", "stream_type": "twoway", "channel": "inbound", "sequence_number": 1}'
)
DIAL = DialPass(from_number=NUMBER, to_number=CALLER, tag="t")


@contextlib.asynccontextmanager
async def board(wavix, *, settings=SETTINGS, **hooks):
    hooks = {"screen": None, "on_call_ended": None, **hooks}
    switchboard = Switchboard(wavix, settings, **hooks)
    try:
        yield switchboard
    finally:
        await switchboard.close()


async def settle(secs=0.1):
    await asyncio.sleep(secs)


class SlowWavix(FakeWavix):
    """Does what it is asked at once, and replies a second later."""

    async def answer(self, call_id, *, stream_url):
        self.asked.append(("answer", call_id))
        self.calls[call_id] = answered(call_id, "inbound")
        await asyncio.sleep(1)


@pytest.mark.parametrize("secs", [0.5, 1.5], ids=["before the reply", "before the socket"])
@in_virtual_time
async def test_a_call_that_was_answered_is_not_left_in_silence_by_a_server_that_stops(secs):
    wavix = SlowWavix()
    async with board(wavix) as switchboard:
        switchboard.take(call())
        await settle(secs)
        assert wavix.count("answer") == 1
    assert wavix.count("hang_up") == 1


@in_virtual_time
async def test_a_call_that_was_answered_and_whose_socket_never_comes_is_ended():
    wavix = FakeWavix()
    async with board(wavix) as switchboard:
        switchboard.take(call())
        await settle()
        assert wavix.count("answer") == 1
        await settle(SETTINGS.token_ttl_secs + 10)  # by now no socket could be let in any more
        assert wavix.count("hang_up") == 1


@pytest.mark.parametrize("body", [["vip"], "vip", None, 7], ids=repr)
@in_virtual_time
async def test_no_call_is_answered_with_a_token_that_will_be_refused(body):
    async def screen(_call):
        return Accept(body=body)

    wavix = FakeWavix()
    async with board(wavix, screen=screen) as switchboard:
        switchboard.take(call())
        await settle()
        token = wavix.stream_urls.get(CALL_ID, "").rpartition("/")[2]
        assert not wavix.stream_urls or switchboard.admit(token)


def test_a_token_can_be_opened_whatever_the_tag():
    tokens = Tokens("s" * 32)
    content = StreamPass(call_id=CALL_ID, direction="inbound", tag="t" * 4096)
    try:
        token = tokens.issue(content, now=time.time())
    except ValueError:
        return
    assert tokens.open(token, StreamPass, ttl_secs=60, now=time.time())


@in_virtual_time
async def test_a_call_that_wavix_does_not_show_yet_is_answered_when_it_rings():
    wavix = FakeWavix()
    wavix.calls = {}
    async with board(wavix) as switchboard:
        switchboard.take(call("call_setup"))
        await settle()
        wavix.calls = {CALL_ID: call()}
        switchboard.take(call("ringing"))
        await settle()
        assert wavix.count("answer") == 1


@in_virtual_time
async def test_what_another_process_streams_is_not_streamed_again_from_under_its_bot():
    told = []
    wavix = FakeWavix()
    async with board(wavix) as switchboard:
        # `answered` went to another process, the socket came here, and so does what follows.
        content = StreamPass(call_id=CALL_ID, direction="outbound")
        session = switchboard.begin(content, "stream", settle)
        session.listen(told.append)
        switchboard.take(answered(), DIAL)
        await settle()
        assert wavix.count("stream") == 0
        switchboard.take(answered(machine_detected=True), DIAL)
        assert [news.machine_detected for news in told] == [False, True]


@in_virtual_time
async def test_calls_that_are_watched_do_not_keep_webhooks_out_for_good():
    """Many calls that are dialled here, and whose streams are other processes'."""
    wavix = FakeWavix()
    wavix.failures["stream"] = WavixBadRequest("it has a twoway stream", status=400)
    async with board(wavix) as switchboard:
        for _ in range(16):  # 8 * max_calls
            dialled = await switchboard.dial(to_number=CALLER, from_number=NUMBER, body={})
            wavix.calls[dialled.id] = answered(dialled.id)
            await settle(SETTINGS.poll_secs + 1)
        wavix.calls = {CALL_ID: call()}  # all of them are over, and not found any more
        await settle(600)
        switchboard.take(call())
        await settle()
        assert wavix.count("answer") == 1


@in_virtual_time
async def test_a_bot_that_does_not_return_gives_its_line_back_when_its_call_is_over():
    wavix = FakeWavix()
    stuck = []

    async def bot(_arguments):
        stuck.append(1)
        await asyncio.sleep(100_000)

    app = FastAPI()
    app.include_router(wavix_router(bot, wavix, SETTINGS))
    tokens = Tokens("s" * 32)
    token = tokens.issue(StreamPass(call_id=CALL_ID, direction="inbound"), now=time.time())
    inbox = [
        {"type": "websocket.connect"},
        {"type": "websocket.receive", "text": START % CALL_ID},
        {"type": "websocket.disconnect", "code": 1006},
    ]

    async def receive():
        return inbox.pop(0) if inbox else {"type": "websocket.disconnect", "code": 1006}

    async def send(_message):
        pass

    path = f"/wavix/media/{token}"
    scope = {
        **{"type": "websocket", "path": path, "raw_path": path.encode(), "root_path": ""},
        **{"query_string": b"", "headers": [], "scheme": "wss", "subprotocols": []},
        **{"client": ("203.0.113.1", 1), "server": ("bot", 443)},
    }
    running = asyncio.create_task(app(scope, receive, send))
    await settle(1)
    assert stuck
    key = tokens.webhook_key
    body = b'{"id": "%s", "event_type": "completed"}' % CALL_ID.encode()
    posted = {"type": "http.request", "body": body, "more_body": False}

    async def receive_post():
        return posted

    http = {**scope, "type": "http", "method": "POST", "path": f"/wavix/webhook/{key}"}
    await app(http, receive_post, send)
    await settle(120)
    try:
        assert running.done()
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


def test_a_bot_that_exits_does_not_end_the_server():
    async def bot(_arguments):
        sys.exit("no key for the LLM")

    app = FastAPI()
    wavix = FakeWavix()
    app.include_router(wavix_router(bot, wavix, SETTINGS))
    token = Tokens("s" * 32).issue(
        StreamPass(call_id=CALL_ID, direction="inbound"), now=time.time()
    )
    with TestClient(app) as web, web.websocket_connect(f"/wavix/media/{token}") as socket:
        socket.send_text(START % CALL_ID)
        assert socket.receive()["type"] == "websocket.close"
    assert wavix.count("hang_up") == 1
