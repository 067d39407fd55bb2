import asyncio
import contextlib
import json
import time

import aiohttp
import pytest
from fake_wavix import CALL_ID, CALLER, NUMBER, FakeWavix, call
from fastapi import FastAPI
from served import served

from pipecat_wavix.errors import WavixBadRequest, WavixOutcomeUnknown
from pipecat_wavix.server.router import wavix_router
from pipecat_wavix.server.settings import WavixSettings
from pipecat_wavix.tokens import StreamPass, Tokens

SECRET = "canary-secret-that-is-long-enough-to-be-one"
OPERATOR = {"Authorization": "Bearer canary-operator-key-that-is-long-enough"}
SETTINGS = WavixSettings(
    public_url="https://bot.example.com",
    secret=SECRET,
    operator_key=OPERATOR["Authorization"].split()[1],
    max_calls=2,
    start_timeout_secs=0.5,
    max_body_bytes=4096,
)
TOKENS = Tokens(SECRET)
WEBHOOK = f"/wavix/webhook/{TOKENS.webhook_key}"
RINGING = {"id": CALL_ID, "direction": "inbound", "event_type": "ringing"}
START = {
    **{"event": "start", "event_time": "2026-01-01T00:00:00.000Z", "sequence_number": 1},
    **{"call_id": CALL_ID, "stream_id": "s-1", "stream_type": "twoway", "channel": "inbound"},
}


class House:
    """A served router: what the tests do to it, and what its bots were told."""

    def __init__(self):
        self.wavix = FakeWavix()
        self.bots = []
        self.began = asyncio.Event()
        self.go_on = asyncio.Event()
        self.failure = None

    async def bot(self, runner_args):
        self.bots.append(runner_args)
        self.began.set()
        await self.go_on.wait()
        if self.failure:
            raise self.failure

    def post(self, path, body=RINGING, **options):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.http.post(f"http://127.0.0.1:{self.port}{path}", data=data, **options)

    def get(self, path, **options):
        return self.http.get(f"http://127.0.0.1:{self.port}{path}", **options)

    async def status(self, request):
        async with request as response:
            return response.status

    def socket(self, token):
        return self.http.ws_connect(f"ws://127.0.0.1:{self.port}/wavix/media/{token}")

    async def refused(self, token):
        """Whether the socket is refused before it is accepted."""
        try:
            async with self.socket(token):
                return False
        except aiohttp.WSServerHandshakeError as error:
            return error.status == 403

    async def metric(self, sample):
        async with self.get("/metrics", headers=OPERATOR) as response:
            text = await response.text()
        return next(
            (float(x.rpartition(" ")[2]) for x in text.splitlines() if x.startswith(sample)), 0
        )


@contextlib.asynccontextmanager
async def house(settings=SETTINGS, **hooks):
    house = House()
    app = FastAPI()
    app.include_router(wavix_router(house.bot, house.wavix, settings, **hooks))
    async with served(app) as house.port, aiohttp.ClientSession() as house.http:
        assert house.wavix.entered == 1
        try:
            yield house
        finally:
            house.go_on.set()
    assert house.wavix.entered == 0


async def eventually(condition, secs=10):
    async with asyncio.timeout(secs):
        while not condition():
            await asyncio.sleep(0.005)


def token(call_id=CALL_ID, *, age_secs=0, **fields):
    content = StreamPass(
        call_id=call_id, direction="inbound", from_number=CALLER, to_number=NUMBER, **fields
    )
    return TOKENS.issue(content, now=time.time() - age_secs)


# ---- webhooks


async def test_a_webhook_is_replied_to_and_its_call_answered():
    async with house() as h:
        assert await h.status(h.post(WEBHOOK)) == 200
        await eventually(lambda: h.wavix.count("answer") == 1)


async def test_a_webhook_is_replied_to_before_anything_is_done_about_it():
    async with house() as h:
        h.wavix._ask = lambda *_: asyncio.Event().wait()
        assert await h.status(h.post(WEBHOOK)) == 200


@pytest.mark.parametrize(
    "path",
    [
        "/wavix/webhook/wrong",
        f"/wavix/webhook/{TOKENS.webhook_key[:-1]}",
        f"{WEBHOOK}/forged",
        f"{WEBHOOK}/{token()}",
        "/wavix/webhook/",
    ],
    ids=["another key", "most of the key", "no token", "a stream's token", "no key"],
)
async def test_a_webhook_at_any_other_address_is_not_found(path):
    async with house() as h:
        assert await h.status(h.post(path)) == 404
        await asyncio.sleep(0.05)
        assert h.wavix.asked == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        {"event_type": "ringing"},
        {**RINGING, "id": "../numbers/1"},
        {**RINGING, "id": "a/../../x?y=z"},
        {**RINGING, "id": "a\r\nHost: b"},
        {**RINGING, "id": {"$ne": 1}},
        {**RINGING, "id": "x" * 200},
    ],
)
async def test_a_webhook_of_no_usable_call_is_refused_and_asks_wavix_nothing(body):
    async with house() as h:
        assert await h.status(h.post(WEBHOOK, body)) == 400
        await asyncio.sleep(0.05)
        assert h.wavix.asked == []


async def test_a_body_that_is_too_long_is_refused():
    async with house() as h:
        assert await h.status(h.post(WEBHOOK, b" " * 5000)) == 413


async def test_a_body_that_does_not_come_is_given_up(monkeypatch):
    monkeypatch.setattr("pipecat_wavix.server.router._BODY_TIMEOUT_SECS", 0.1)
    async with house() as h:
        reader, writer = await asyncio.open_connection("127.0.0.1", h.port)
        head = f"POST {WEBHOOK} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
        writer.write(head.encode() + b"{")
        async with asyncio.timeout(10):
            assert b" 408 " in await reader.readline()
        writer.close()


async def test_more_webhooks_than_can_be_worked_on_are_refused():
    async with house() as h:
        h.wavix._ask = lambda *_: asyncio.Event().wait()
        statuses = [await h.status(h.post(WEBHOOK, {**RINGING, "id": f"c{n}"})) for n in range(17)]
        assert statuses == [200] * 16 + [503]


# ---- media sockets


async def test_a_socket_with_its_calls_token_gets_a_bot_that_knows_the_call():
    async with house() as h, h.socket(token(tag="t", body={"department": "sales"})) as socket:
        await socket.send_json({"event": "connected", "event_time": START["event_time"]})
        await socket.send_json(START)
        await h.began.wait()
        data = h.bots[0].call_data
        assert (data.call_id, data.stream_id) == (CALL_ID, "s-1")
        assert (data.from_number, data.to_number) == (CALLER, NUMBER)
        assert (data.direction, data.tag) == ("inbound", "t")
        assert data["from"] == CALLER
        assert data.body == h.bots[0].body == {"department": "sales"}
        assert h.bots[0].transport_type == "wavix"


@pytest.mark.parametrize(
    "bad",
    [
        "forged",
        token()[:-1],
        token()[::-1],
        token(age_secs=SETTINGS.token_ttl_secs + 2),
        Tokens(SECRET[::-1]).issue(
            StreamPass(call_id=CALL_ID, direction="inbound"), now=time.time()
        ),
    ],
    ids=["forged", "cut", "altered", "expired", "of another secret"],
)
async def test_a_socket_without_a_good_token_is_refused_before_it_is_accepted(bad):
    async with house() as h:
        assert await h.refused(bad)
        assert await h.metric('wavix_refused_sockets_total{reason="token"}') == 1
        assert h.bots == []


async def test_a_token_is_good_for_one_start():
    async with house() as h:
        once = token()
        async with h.socket(once) as socket, h.socket(once) as second:
            await socket.send_json(START)
            await h.began.wait()
            assert await h.refused(once)
            await second.send_json(START)
            assert (await second.receive()).data == 1008
            assert len(h.bots) == 1


async def test_a_token_that_saw_no_start_is_still_good():
    async with house() as h:
        once = token()
        async with h.socket(once):
            pass
        async with h.socket(once) as socket:
            await socket.send_json(START)
            await h.began.wait()


async def test_a_token_is_good_for_its_own_call_only():
    async with house() as h:
        other = token("another-call")
        async with h.socket(other) as socket:
            await socket.send_json(START)
            assert (await socket.receive()).data == 1008
        assert h.bots == []
        assert await h.metric('wavix_refused_sockets_total{reason="call"}') == 1


@pytest.mark.parametrize(
    "messages",
    [
        [],
        ["{"],
        [json.dumps({"event": "media"})],
        ["x" * 300_000],
        [json.dumps({"event": "connected"})] * 9,
    ],
    ids=["silence", "no JSON", "media", "too long", "no end of connected"],
)
async def test_a_socket_without_a_start_is_closed(messages):
    async with house() as h, h.socket(token()) as socket:
        for message in messages:
            await socket.send_str(message)
        assert (await socket.receive(timeout=10)).data == 1008
        assert h.bots == []


async def test_no_more_sockets_than_calls_may_wait_for_their_start():
    async with house() as h, h.socket(token()), h.socket(token("b")):
        assert await h.refused(token("c"))


async def test_when_its_bot_ends_a_call_is_hung_up_and_its_socket_closed():
    async with house() as h, h.socket(token()) as socket:
        await socket.send_json(START)
        await h.began.wait()
        h.go_on.set()
        assert (await socket.receive(timeout=10)).data == 1000
        assert h.wavix.asked == [("hang_up", CALL_ID)]


async def test_a_bot_that_fails_is_logged_without_its_variables_and_its_call_hung_up(logs):
    async with house() as h, h.socket(token(tag="canary-tag")) as socket:
        h.failure = RuntimeError("a bug")
        await socket.send_json(START)
        await h.began.wait()
        h.go_on.set()
        await socket.receive(timeout=10)
        assert h.wavix.asked == [("hang_up", CALL_ID)]
    text = "".join(logs)
    assert "a bug" in text
    assert "canary" not in text


async def test_a_bot_that_does_not_end_with_its_call_is_stopped(monkeypatch, logs):
    monkeypatch.setattr("pipecat_wavix.server.router._AFTER_CALL_SECS", 0.1)
    monkeypatch.setattr("pipecat_wavix.server.router._LOOK_SECS", 0.01)
    async with house() as h:
        async with h.socket(token()) as socket:
            await socket.send_json(START)
            await h.began.wait()
            # Its transport reads the socket, so that the end is known.
            reading = asyncio.create_task(drain(h.bots[0].websocket))
        await reading
        await eventually(lambda: "is stopped" in "".join(logs))
        assert h.wavix.asked == [("hang_up", CALL_ID)]
        assert await h.metric("wavix_active_calls") == 0


async def drain(websocket):
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass


async def test_a_server_that_stops_hangs_up_the_calls_that_are_left():
    async with house() as h:
        async with h.socket(token()) as socket:
            await socket.send_json(START)
            await h.began.wait()
        h.go_on.set()
    assert h.wavix.asked == [("hang_up", CALL_ID)]


# ---- operators


async def dial(h, body, headers=OPERATOR):
    async with h.post("/wavix/calls", body, headers=headers) as response:
        return response.status, await response.json(content_type=None)


async def test_an_operator_has_a_call_dialled():
    async with house() as h:
        wanted = {"to": CALLER, "from": NUMBER, "tag": "t", "body": {"customer": 7}}
        assert await dial(h, wanted) == (201, {"call_id": "dialled-1", "tag": "t"})
        made = h.wavix.dialled[0]
        assert (made["to_number"], made["from_number"]) == (CALLER, NUMBER)
        assert made["callback_url"].startswith(f"https://bot.example.com{WEBHOOK}/")
        path = made["callback_url"].removeprefix("https://bot.example.com")
        body = {"id": "dialled-1", "direction": "outbound", "event_type": "answered"}
        assert await h.status(h.post(path, body)) == 200
        await eventually(lambda: h.wavix.count("stream") == 1)


async def test_the_callers_id_has_a_default():
    async with house(SETTINGS.model_copy(update={"from_number": NUMBER})) as h:
        assert (await dial(h, {"to": CALLER}))[0] == 201
        assert h.wavix.dialled[0]["from_number"] == NUMBER


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Basic x"},
        {"Authorization": OPERATOR["Authorization"].split()[1]},
    ],
)
async def test_nobody_else_dials_or_sees_the_metrics(headers):
    async with house() as h:
        assert (await dial(h, {"to": CALLER, "from": NUMBER}, headers))[0] == 401
        assert await h.status(h.get("/metrics", headers=headers)) == 401
        assert h.wavix.dialled == []


async def test_without_an_operator_there_is_nothing_to_dial_with():
    async with house(SETTINGS.model_copy(update={"operator_key": None})) as h:
        assert (await dial(h, {"to": CALLER, "from": NUMBER}))[0] == 404
        assert await h.status(h.get("/metrics", headers=OPERATOR)) == 404


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "JSON"),
        ({}, "to"),
        ({"to": "112", "from": NUMBER}, "E.164"),
        ({"to": CALLER}, "WAVIX_FROM_NUMBER"),
        ({"to": CALLER, "from": NUMBER, "colour": "red"}, "colour"),
        ({"to": CALLER, "from": NUMBER, "ring_timeout_secs": 0}, "ring_timeout_secs"),
        ({"to": CALLER, "from": NUMBER, "body": {"x": "y" * 3000}}, "2048"),
    ],
)
async def test_a_call_that_cannot_be_dialled_is_refused_with_its_reason(body, said):
    async with house() as h:
        status, answer = await dial(h, body)
        assert status == 422
        assert said in json.dumps(answer)
        assert CALLER[2:] not in json.dumps(answer)
        assert h.wavix.dialled == []


@pytest.mark.parametrize(
    ("error", "status"),
    [(WavixBadRequest("to: bad", status=400), 502), (WavixOutcomeUnknown("no answer"), 504)],
)
async def test_what_wavix_makes_of_a_dial_is_told(error, status):
    async with house() as h:
        h.wavix.failures["dial"] = error
        assert (await dial(h, {"to": CALLER, "from": NUMBER}))[0] == status


async def test_a_server_that_is_full_says_so():
    async with house() as h:
        assert await h.status(h.get("/live")) == 200
        assert await h.status(h.get("/ready")) == 200
        for _ in range(2):
            assert (await dial(h, {"to": CALLER, "from": NUMBER}))[0] == 201
        assert (await dial(h, {"to": CALLER, "from": NUMBER}))[0] == 503
        assert await h.status(h.get("/ready")) == 503
        assert await h.status(h.get("/live")) == 200


async def test_what_happened_can_be_counted():
    async with house() as h:
        h.wavix.requests["GET", "/v1/calls/{id}", 200] = 3
        await h.status(h.post(WEBHOOK))
        await h.status(h.post(WEBHOOK))
        await h.status(h.post(WEBHOOK, b"{"))
        await h.status(h.post("/wavix/webhook/wrong"))
        for result, count in {"news": 1, "known": 1, "unreadable": 1, "foreign": 1}.items():
            assert await h.metric(f'wavix_webhooks_total{{result="{result}"}}') == count
        async with h.socket(token()) as socket:
            await socket.send_json(START)
            await h.began.wait()
            assert await h.metric("wavix_active_calls") == 1
            assert await h.metric("wavix_setup_seconds_count") == 1
            streamed = 'wavix_calls_total{direction="inbound",outcome="streamed"}'
            assert await h.metric(streamed) == 1
        rest = 'wavix_rest_requests_total{method="GET",route="/v1/calls/{id}",status="200"}'
        assert await h.metric(rest) == 3


async def test_the_router_knows_its_webhook_and_can_stand_behind_a_prefix():
    settings = SETTINGS.model_copy(update={"public_url": "https://bot.example.com/voice"})
    h = House()
    router = wavix_router(h.bot, h.wavix, settings)
    assert router.webhook_url == f"https://bot.example.com/voice{WEBHOOK}"
    app = FastAPI()
    app.include_router(router, prefix="/voice")
    async with served(app) as h.port, aiohttp.ClientSession() as h.http:
        assert await h.status(h.post(f"/voice{WEBHOOK}")) == 200
        await eventually(lambda: CALL_ID in h.wavix.stream_urls)
        url = h.wavix.stream_urls[CALL_ID].removeprefix("wss://bot.example.com")
        async with h.http.ws_connect(f"ws://127.0.0.1:{h.port}{url}") as socket:
            await socket.send_json(START)
            await h.began.wait()
        h.go_on.set()


async def test_the_routes_stay_out_of_the_applications_documentation():
    app = FastAPI()
    app.include_router(wavix_router(House().bot, FakeWavix(), SETTINGS))
    assert app.openapi()["paths"] == {}


async def test_a_call_is_known_by_what_wavix_confirms():
    async with house() as h:
        h.wavix.calls = {CALL_ID: call(tag="t")}
        await h.status(h.post(WEBHOOK, {**RINGING, "from": "+19999999999"}))
        await eventually(lambda: CALL_ID in h.wavix.stream_urls)
        async with h.socket(h.wavix.stream_urls[CALL_ID].rpartition("/")[2]) as socket:
            await socket.send_json(START)
            await h.began.wait()
            assert h.bots[0].call_data.from_number == CALLER
            assert h.bots[0].call_data.tag == "t"
