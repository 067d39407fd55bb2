"""The socket of a page, driven as a page drives it, and as no page would."""

import asyncio
import json
from contextlib import asynccontextmanager

import numpy as np
import pytest
from emulated import NUMBER, PATIENCE_SECS, TONE, emulating, until
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from pipecat_wavix.emulator.handset import session


class Page:
    """What came over the socket."""

    def __init__(self, websocket):
        self.websocket = websocket
        self.sound = []
        self.messages = []

    async def read(self):
        try:
            async for message in self.websocket:
                if isinstance(message, bytes):
                    self.sound.append(message)
                else:
                    self.messages.append(json.loads(message))
        except ConnectionClosed:
            pass

    async def say(self, **order):
        await self.websocket.send(json.dumps(order))

    @property
    def has_begun(self):
        return {"kind": "began"} in self.messages

    @property
    def events(self):
        return [event for news in self.messages for event in news.get("events", [])]

    async def over(self):
        """Wait until the socket is closed; answer what was told at last."""
        await until(lambda: self.websocket.close_code is not None)
        return self.messages[-1]


@asynccontextmanager
async def a_page(emulator, to=None, **network):
    url = emulator.handset_url.replace("http", "ws") + "/socket"
    async with connect(url, origin=emulator.base_url) as websocket:
        page = Page(websocket)
        reading = asyncio.create_task(page.read())
        if to:
            await page.say(do="call", to=to, network=network)
        yield page
        await websocket.close()
        await reading


async def test_a_socket_is_called_and_hung_up():
    async with emulating() as (emulator, account), a_page(emulator, account.stream_url) as page:
        await until(lambda: len(page.sound) > 5)
        assert page.has_begun
        await page.say(do="hang_up")
        over = await page.over()
        assert over == {"kind": "over", "problem": None, "text": "the caller hung up"}
        assert page.websocket.close_code == 1000
        assert account.streams[0].got[-1]["event"] == "stop"


async def test_a_number_is_called_and_hung_up():
    async with emulating() as (emulator, _), a_page(emulator, NUMBER, delay_ms=20) as page:
        await until(lambda: emulator.calls)
        (call,) = emulator.calls.values()
        await call.reached("ringing")
        call.answer()
        await until(lambda: page.has_begun)
        await page.say(do="hang_up")
        assert (await page.over())["text"] == "the caller hung up"
        assert call.phases == ["call_setup", "ringing", "answered", "completed"]


async def test_a_number_that_nobody_answers_is_told_of():
    async with emulating(ring_secs=0.1) as (emulator, _), a_page(emulator, NUMBER) as page:
        assert await page.over() == {
            "kind": "over",
            "problem": "unanswered",
            "text": "cancelled",
        }


async def test_what_is_said_reaches_the_bot_whole_although_it_comes_unevenly():
    async with emulating() as (emulator, account), a_page(emulator, account.stream_url) as page:
        await until(lambda: page.has_begun)
        for _ in range(2):
            await page.websocket.send(TONE * 5)
        await until(lambda: TONE * 10 in account.streams[0].heard())


async def test_what_the_bot_says_is_told_bit_for_bit():
    noise = np.random.default_rng(1).integers(-9000, 9000, 4800).astype("<i2").tobytes()
    async with emulating() as (emulator, account), a_page(emulator, account.stream_url) as page:
        await until(lambda: account.streams and account.streams[0].events("start"))
        await account.streams[0].say(noise)
        await until(lambda: noise in b"".join(page.sound))
        assert {len(frame) for frame in page.sound} == {960}


async def test_a_key_is_pressed():
    async with emulating() as (emulator, account), a_page(emulator, account.stream_url) as page:
        await until(lambda: page.has_begun)
        await page.say(do="press", key="5")
        await until(lambda: ("key", "5") in [(e["what"], e["text"]) for e in page.events])


async def test_the_network_changes_in_mid_call_both_ways():
    async with emulating() as (emulator, account), a_page(emulator, account.stream_url) as page:
        await until(lambda: account.streams and account.streams[0].events("start"))
        await page.say(do="network", network={"delay_ms": 300})
        await until(lambda: "network" in [event["what"] for event in page.events])
        sent_at = asyncio.get_running_loop().time()
        mark = {"event": "mark", "mark": {"name": "late"}}
        await account.streams[0].websocket.send(json.dumps(mark))
        await until(lambda: account.streams[0].events("mark"))
        assert asyncio.get_running_loop().time() - sent_at >= 0.6


@pytest.mark.parametrize(
    "order",
    [
        "no JSON",
        "[]",
        '"call"',
        "{}",
        '{"do": "dance"}',
        '{"do": "call", "to": "ws://127.0.0.1:9"}',
        '{"do": "press", "key": "x"}',
        '{"do": "press"}',
        '{"do": "network"}',
        '{"do": "network", "network": 5}',
        '{"do": "network", "network": {"delay_ms": -1}}',
        '{"do": "network", "network": {"loss": NaN}}',
        '{"do": "network", "network": {"loss": "much"}}',
        b"odd",
    ],
)
async def test_what_is_not_understood_does_not_end_a_call(order):
    async with emulating() as (emulator, account), a_page(emulator, account.stream_url) as page:
        await until(lambda: page.has_begun)
        await page.websocket.send(order)
        heard = len(page.sound)
        await until(lambda: len(page.sound) > heard + 5)
        assert page.websocket.close_code is None


@pytest.mark.parametrize(
    "order",
    [
        {"do": "call", "to": "+12025550111"},
        {"do": "call", "to": "hello"},
        {"do": "call", "to": "http://127.0.0.1/"},
        {"do": "call", "to": 5},
        {"do": "call"},
        {"do": "call", "to": NUMBER, "network": {"delay_ms": 1e9}},
        {"do": "hang_up"},
    ],
    ids=str,
)
async def test_a_request_that_is_wrong_is_told_of_and_makes_no_call(order):
    async with emulating() as (emulator, _), a_page(emulator) as page:
        await page.say(**order)
        assert (await page.over())["problem"] == "wrong"
        assert not emulator.calls


async def test_a_bot_that_cannot_be_reached_is_told_of_without_the_urls_path():
    async with emulating() as (emulator, _), a_page(emulator, "ws://127.0.0.1:9/TOKEN") as page:
        over = await page.over()
        assert over["problem"] == "unreachable"
        assert "TOKEN" not in over["text"]


async def test_a_bot_that_refuses_is_told_of():
    async with emulating() as (emulator, account):
        url = account.url.replace("http", "ws") + "/no/bot/here"
        async with a_page(emulator, url) as page:
            assert (await page.over())["problem"] == "refused"


async def test_a_call_that_nobody_has_picked_up_is_hung_up_at_once():
    async def silent(reader, writer):
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server, emulating() as (emulator, _):
        port = server.sockets[0].getsockname()[1]
        async with a_page(emulator, f"ws://127.0.0.1:{port}/") as page:
            await page.say(do="hang_up")
            async with asyncio.timeout(5):  # half of what a bot may take to accept
                assert (await page.over())["problem"] is None


@pytest.mark.parametrize("is_number", [True, False])
async def test_a_page_that_leaves_hangs_up(is_number):
    async with emulating() as (emulator, account):
        async with a_page(emulator, NUMBER if is_number else account.stream_url):
            if is_number:
                await until(lambda: emulator.calls)
            else:
                await until(lambda: account.streams)
        if is_number:
            (call,) = emulator.calls.values()
            await until(lambda: call.over.is_set())
        else:
            await until(lambda: account.streams[0].is_over)


async def test_a_page_that_does_not_read_is_hung_up(monkeypatch):
    monkeypatch.setattr(session, "UNREAD_LIMIT", 0)
    async with emulating() as (emulator, account), a_page(emulator, account.stream_url) as page:
        await until(lambda: page.websocket.close_code is not None)
        await until(lambda: account.streams[0].is_over)


async def test_an_emulator_that_ends_takes_its_pages_with_it():
    async with emulating() as (emulator, account), a_page(emulator, account.stream_url) as page:
        await until(lambda: page.has_begun)
        async with asyncio.timeout(PATIENCE_SECS):
            await emulator.__aexit__(None, None, None)
        await until(lambda: page.websocket.close_code is not None)
        await until(lambda: account.streams[0].is_over)


async def test_a_bot_that_leaves_ends_the_call():
    async with emulating() as (emulator, account), a_page(emulator, account.stream_url) as page:
        await until(lambda: page.has_begun and account.streams)
        await account.streams[0].websocket.close()
        assert (await page.over())["text"] == "the bot closed the socket"


async def test_a_call_to_a_socket_is_recorded_where_calls_are(tmp_path):
    async with (
        emulating(recordings=tmp_path) as (emulator, account),
        a_page(emulator, account.stream_url) as page,
    ):
        await until(lambda: page.has_begun)
        await page.say(do="hang_up")
        await page.over()
        (trace,) = tmp_path.glob("*/trace.jsonl")
        assert "TOKEN" not in trace.read_text()
        assert '"ended"' in trace.read_text()


async def test_no_token_and_no_number_is_logged(logs):
    async with emulating() as (emulator, account):
        async with a_page(emulator, account.stream_url) as page:
            await until(lambda: page.has_begun)
        async with a_page(emulator, "+12025550111") as page:
            await page.over()
    assert "TOKEN" not in "".join(map(str, logs))
    assert "2025550" not in "".join(map(str, logs))


@pytest.mark.parametrize(
    "origin", [None, "null", "http://evil.example", "http://127.0.0.1:1", "http://localhost"]
)
async def test_a_page_of_another_origin_gets_no_socket(origin):
    async with emulating() as (emulator, _):
        url = emulator.handset_url.replace("http", "ws") + "/socket"
        with pytest.raises(InvalidStatus, match="403"):
            async with connect(url, origin=origin):
                pass


async def test_a_host_that_is_another_gets_no_socket():
    async with emulating() as (emulator, _):
        port = emulator.base_url.rpartition(":")[2]
        url = f"ws://evil.example:{port}/_emulator/phone/socket"
        with pytest.raises(InvalidStatus, match="403"):
            async with connect(url, host="127.0.0.1", port=int(port), origin=url[:-22]):
                pass
