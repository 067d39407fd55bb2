"""Ten thousand sockets that are nobody's: none is let in, none does harm, none costs a bot."""

import base64
import json
import time
from collections import Counter
from random import Random

import pytest
from fake_wavix import FakeWavix
from fastapi import FastAPI

from pipecat_wavix.server.router import wavix_router
from pipecat_wavix.server.settings import WavixSettings
from pipecat_wavix.tokens import DialPass, StreamPass, Tokens

SECRET = "canary-secret-that-is-long-enough-to-be-one"
SETTINGS = WavixSettings(public_url="https://bot.example.com", secret=SECRET)
TOKENS = Tokens(SECRET)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
ATTEMPTS = 2_000  # of each kind


def start_of(call_id):
    start = {"event": "start", "call_id": call_id, "stream_id": "s", "sequence_number": 1}
    start.update(stream_type="twoway", channel="inbound", event_time="2026-01-01T00:00:00Z")
    return json.dumps(start)


class Front:
    """An application with the router, driven as a web server drives it."""

    def __init__(self):
        self.bots = []
        self.app = FastAPI()
        self.app.include_router(wavix_router(self._bot, FakeWavix(), SETTINGS))

    async def _bot(self, runner_args):
        self.bots.append(runner_args)

    async def connect(self, token, messages=()):
        """Open a socket and send; answer what the application did."""
        inbox = [{"type": "websocket.connect"}]
        inbox += [{"type": "websocket.receive", "text": message} for message in messages]
        inbox += [{"type": "websocket.disconnect", "code": 1006}] * 2
        sent = []

        async def receive():
            return inbox.pop(0)

        async def send(message):
            sent.append(message)

        path = f"/wavix/media/{token}"
        scope = {
            **{"type": "websocket", "path": path, "raw_path": path.encode(errors="replace")},
            **{"query_string": b"", "headers": [], "scheme": "wss", "root_path": ""},
            **{"client": ("203.0.113.1", 1), "server": ("bot", 443), "subprotocols": []},
        }
        await self.app(scope, receive, send)
        return [message["type"] for message in sent]


def token(call_id="mine", *, now=None):
    content = StreamPass(call_id=call_id, direction="inbound")
    return TOKENS.issue(content, now=time.time() if now is None else now)


def forged(random, _good):
    return "".join(random.choices(ALPHABET, k=random.randrange(1, 400)))


def altered(random, good):
    raw = bytearray(base64.urlsafe_b64decode(good))
    for _ in range(random.randrange(1, 4)):
        raw[random.randrange(len(raw))] ^= random.randrange(1, 256)
    return base64.urlsafe_b64encode(raw).decode() if raw != base64.urlsafe_b64decode(good) else "x"


def expired(random, _good):
    return token(now=time.time() - SETTINGS.token_ttl_secs - random.randrange(2, 10**6))


def for_another_purpose(random, _good):
    content = DialPass(from_number="+12025550100", to_number="+12025550101", tag=str(random))
    return TOKENS.issue(content, now=time.time())


@pytest.mark.parametrize("kind", [forged, altered, expired, for_another_purpose])
async def test_no_bad_token_is_accepted(kind):
    front, random, good = Front(), Random(4), token()
    done = Counter()
    for _ in range(ATTEMPTS):
        done.update(await front.connect(kind(random, good), [start_of("mine")]))
    assert done == {"websocket.close": ATTEMPTS}
    assert front.bots == []


async def test_no_token_is_accepted_twice():
    front, used = Front(), token()
    assert (await front.connect(used, [start_of("mine")]))[0] == "websocket.accept"
    assert len(front.bots) == 1
    done = Counter()
    for _ in range(ATTEMPTS):
        done.update(await front.connect(used, [start_of("mine")]))
    assert done == {"websocket.close": ATTEMPTS}
    assert len(front.bots) == 1


async def test_no_call_gets_in_with_anothers_token():
    front = Front()
    for n in range(ATTEMPTS):
        sent = await front.connect(token(f"call-{n}"), [start_of("mine")])
        assert sent == ["websocket.accept", "websocket.close"]
    assert front.bots == []


async def test_a_path_of_any_kind_is_refused():
    front = Front()
    for path in ("", "/", "../..", "%00", "\x00", "ä", "a/b", "a" * 100_000, "\udc80"):
        assert await front.connect(path) == ["websocket.close"]
