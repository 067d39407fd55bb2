"""`examples/agent_assist.py` beside a call between two people, on an emulated Wavix."""

import asyncio
from contextlib import asynccontextmanager
from unittest.mock import AsyncMock

import aiohttp
import pytest
from clouds.deepgram import Deepgram
from clouds.openai import OpenAI
from lines import NUMBER, PATIENCE_SECS, listening, served_on, url_of

from pipecat_wavix import WavixClient
from pipecat_wavix.emulator import Say, ScriptedCaller, WaitForBot
from pipecat_wavix.emulator.faults import WebhookFaults
from pipecat_wavix.emulator.voice import speak
from pipecat_wavix.errors import WavixNotFound

GREETING = "Good morning, how can I help you?"
TROUBLE = "I have lost my card."
SUGGESTION = "Offer to block the card at once."
SILENT = [WaitForBot("speaking", 60, 120)]


async def until(condition):
    async with asyncio.timeout(PATIENCE_SECS):
        while not condition():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def assisting(assist, emulate):
    """Serve the example; answers the emulated Wavix, its client, and the server's URL."""
    with listening() as listener:
        async with emulate() as emulator:
            wavix = WavixClient(emulator.settings.api_key, base_url=emulator.base_url)
            app = assist.application(wavix, NUMBER, url_of(listener))
            async with served_on(listener, app):
                yield emulator, wavix, url_of(listener)


async def answered(emulator, wavix, script=SILENT):
    """A call that somebody else has answered."""
    call = await emulator.dial(NUMBER, ScriptedCaller(script))
    await call.reached("ringing")
    assert [*call.streams] == []
    await wavix.answer(call.id)
    return call


async def both_are_heard(deepgram):
    await until(lambda: len(deepgram.streams) == 2)
    await until(lambda: all(stream.secs > 0.2 for stream in deepgram.streams))


class Printed:
    """What the example has printed."""

    def __init__(self, capsys):
        self._capsys = capsys
        self._text = ""

    def __str__(self):
        self._text += self._capsys.readouterr().out
        return self._text


async def test_both_are_written_down_and_the_agent_is_helped(
    example, cloud, wavix_emulator, capsys
):
    assist, printed = example("agent_assist"), Printed(capsys)
    deepgram, openai = Deepgram([GREETING, TROUBLE]), OpenAI([SUGGESTION])
    await cloud(deepgram, openai)
    script = [
        *(WaitForBot("speaking", 0.5, 60), WaitForBot("quiet", 0.8, 60)),
        *(Say(speak("I have lost my card")), *SILENT),
    ]
    async with assisting(assist, wavix_emulator) as (emulator, wavix, _):
        call = await answered(emulator, wavix, script)
        await both_are_heard(deepgram)
        call.play(speak("Good morning, how can I help you"))  # the agent speaks
        lines = f"Agent: {GREETING}\nCustomer: {TROUBLE}\n    → {SUGGESTION}\n"
        await until(lambda: str(printed) == lines)
        assert call.phase == "answered"
        call.hang_up()
        await call.finished()
    assert [(stream.type, stream.channel) for stream in call.streams] == [
        *(("oneway", "inbound"), ("oneway", "outbound"))
    ]
    assert [len(stream.phrases) for stream in deepgram.streams] == [1, 1]
    assert [query["sample_rate"] for query in deepgram.queries] == ["8000", "8000"]
    (request,) = openai.requests
    assert [message["content"] for message in request["messages"]] == [
        *(assist.INSTRUCTION, f"Agent: {GREETING}", f"Customer: {TROUBLE}")
    ]
    assert str(printed) == lines
    assert deepgram.refused == openai.refused == []


async def test_who_is_done_first_is_written_first_when_both_talk(
    example, cloud, wavix_emulator, capsys
):
    assist, printed = example("agent_assist"), Printed(capsys)
    deepgram, openai = Deepgram([GREETING, TROUBLE]), OpenAI([SUGGESTION])
    await cloud(deepgram, openai)
    script = [WaitForBot("speaking", 0.5, 60), Say(speak("I have lost my card")), *SILENT]
    async with assisting(assist, wavix_emulator) as (emulator, wavix, _):
        call = await answered(emulator, wavix, script)
        await both_are_heard(deepgram)
        call.play(speak("Good morning how can I help you " * 3))
        await until(lambda: f"Agent: {GREETING}\n" in str(printed) and "→" in str(printed))
        call.hang_up()
        await call.finished()
    said = [line for line in str(printed).splitlines() if "→" not in line]
    assert said == [f"Customer: {TROUBLE}", f"Agent: {GREETING}"]


async def test_a_call_is_listened_to_once(example, cloud, wavix_emulator, logs):
    assist = example("agent_assist")
    await cloud(deepgram := Deepgram())
    async with (
        assisting(assist, wavix_emulator) as (emulator, wavix, _),
        aiohttp.ClientSession() as http,
    ):
        emulator.faults.webhooks = WebhookFaults(double=1)
        call = await answered(emulator, wavix)
        await both_are_heard(deepgram)
        call.hang_up()
        await call.finished()
        wavix.start_stream = started = AsyncMock()
        webhook = emulator.numbers[NUMBER].call_status_url
        # One connection: what comes of a webhook is over before the next one is read.
        for event in ("completed", "answered", "answered", "ringing"):
            async with http.post(webhook, json={"id": call.id, "event_type": event}) as response:
                assert response.status == 200
        assert not started.called
    assert len([*call.streams]) == 2
    assert not any("Nobody listens" in line for line in logs)


async def test_half_a_conversation_is_not_listened_to(
    example, cloud, wavix_emulator, logs, monkeypatch
):
    assist = example("agent_assist")
    await cloud(Deepgram())
    async with (
        assisting(assist, wavix_emulator) as (emulator, wavix, _),
        aiohttp.ClientSession() as http,
    ):
        start, refused = wavix.start_stream, []

        async def start_stream(call_id, *, stream_channel, stream_url, **others):
            if stream_channel == "outbound":
                refused.append(stream_url)
                raise WavixNotFound("there is no such call", status=404)
            return await start(
                call_id, stream_channel=stream_channel, stream_url=stream_url, **others
            )

        monkeypatch.setattr(wavix, "start_stream", start_stream)
        call = await answered(emulator, wavix)
        await until(lambda: any(stream.over for stream in call.streams))
        assert [stream.channel for stream in call.streams] == ["inbound"]
        assert any(f"Nobody listens to call {call.id}" in line for line in logs)
        # Its address is no longer one.
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await http.ws_connect(refused[0].replace("ws", "http", 1))
        assert refusal.value.status == 403
        assert call.phase == "answered"
        call.hang_up()
        await call.finished()


async def test_the_numbers_webhook_is_put_back(example, wavix_emulator):
    before = "https://bot.example.com/wavix/webhook/before"
    with listening() as listener:
        async with wavix_emulator() as emulator:
            emulator.numbers[NUMBER].call_status_url = before
            wavix = WavixClient(emulator.settings.api_key, base_url=emulator.base_url)
            app = example("agent_assist").application(wavix, NUMBER, url_of(listener))
            async with served_on(listener, app):
                assert emulator.numbers[NUMBER].call_status_url != before
            assert emulator.numbers[NUMBER].call_status_url == before


class Slow(OpenAI):
    """A model whose first reply comes when it is let go."""

    def __init__(self, replies):
        super().__init__(replies)
        self.free = asyncio.Event()

    async def _complete(self, request):
        if not self.requests:
            response = await super()._complete(request)
            await self.free.wait()
            return response
        return await super()._complete(request)


async def test_a_slow_model_holds_nothing_back_and_what_it_says_late_is_not_shown(
    example, cloud, capsys
):
    assist = example("agent_assist")
    openai = Slow(["Too late.", SUGGESTION])
    await cloud(openai)
    conversation = assist.Conversation()
    conversation.add("Customer", "Hello?")
    await until(lambda: openai.requests)
    conversation.add("Agent", GREETING)
    assert capsys.readouterr().out == f"Customer: Hello?\nAgent: {GREETING}\n"
    late = conversation._suggesting
    conversation.add("Customer", TROUBLE)
    latest = conversation._suggesting
    openai.free.set()
    await asyncio.wait({late, latest}, timeout=PATIENCE_SECS)
    assert late.cancelled()
    assert capsys.readouterr().out == f"Customer: {TROUBLE}\n    → {SUGGESTION}\n"
    assert [message["content"] for message in openai.requests[-1]["messages"]][1:] == [
        *("Customer: Hello?", f"Agent: {GREETING}", f"Customer: {TROUBLE}")
    ]


async def test_a_model_that_fails_or_does_not_answer_costs_the_suggestion_alone(
    example, cloud, capsys, logs, monkeypatch
):
    assist = example("agent_assist")
    monkeypatch.setattr(assist, "SUGGESTION_SECS", 0.2)
    openai = Slow(["Too late."])  # and no more
    await cloud(openai)
    conversation = assist.Conversation()
    for number, reason in enumerate(["TimeoutError", "BadRequestError"]):
        conversation.add("Customer", TROUBLE)
        if number:
            monkeypatch.setattr(assist, "SUGGESTION_SECS", PATIENCE_SECS)
        await conversation._suggesting
        assert any(f"No suggestion: {reason}" in line for line in logs)
    openai.free.set()
    assert capsys.readouterr().out == f"Customer: {TROUBLE}\n" * 2


async def test_strangers_reach_nothing(example, wavix_emulator):
    assist = example("agent_assist")
    async with (
        assisting(assist, wavix_emulator) as (emulator, _, url),
        aiohttp.ClientSession() as http,
    ):
        webhook = emulator.numbers[NUMBER].call_status_url
        for address, body, status in (
            (f"{url}/webhook/guessed", b"{}", 404),
            (webhook, b"no JSON", 400),
            (webhook, b'{"id": "x", "event_type": "ringing"}', 200),
        ):
            async with http.post(address, data=body) as response:
                assert response.status == status
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await http.ws_connect(f"{url}/leg/guessed")
        assert refusal.value.status == 403
