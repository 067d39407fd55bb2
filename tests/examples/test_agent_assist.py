"""`examples/agent_assist.py` beside a call between two people, on an emulated Wavix."""

import asyncio

import aiohttp
import pytest
from clouds.deepgram import Deepgram
from clouds.openai import OpenAI
from lines import NUMBER, PATIENCE_SECS, listening, served_on, url_of

from pipecat_wavix import WavixClient
from pipecat_wavix.emulator import Say, ScriptedCaller, WaitForBot
from pipecat_wavix.emulator.voice import speak

GREETING = "Good morning, how can I help you?"
TROUBLE = "I have lost my card."
SUGGESTION = "Offer to block the card at once."


async def until(condition):
    async with asyncio.timeout(PATIENCE_SECS):
        while not condition():
            await asyncio.sleep(0.02)


async def test_both_are_written_down_and_the_agent_is_helped(
    example, cloud, wavix_emulator, capsys
):
    assist = example("agent_assist")
    deepgram, openai = Deepgram([GREETING, TROUBLE]), OpenAI([SUGGESTION])
    await cloud(deepgram, openai)
    printed = []

    def has_printed(text):
        printed.append(capsys.readouterr().out)
        return text in "".join(printed)

    with listening() as listener:
        async with wavix_emulator() as emulator:
            wavix = WavixClient(emulator.settings.api_key, base_url=emulator.base_url)
            app = assist.application(wavix, NUMBER, url_of(listener))
            async with served_on(listener, app):
                greeted, caller_greeted = speak("Good morning, how can I help you"), 0.8
                script = [
                    WaitForBot("speaking", 0.5, 60),
                    WaitForBot("quiet", caller_greeted, 60),
                    Say(speak("I have lost my card")),
                    WaitForBot("speaking", 0, 120),
                ]
                call = await emulator.dial(NUMBER, ScriptedCaller(script))
                await call.reached("ringing")
                assert [*call.streams] == []  # it does not answer: somebody else does
                await wavix.answer(call.id)
                await until(lambda: len(deepgram.streams) == 2)
                await until(lambda: all(stream.secs > 0.2 for stream in deepgram.streams))
                call.play(greeted)  # the agent speaks
                await until(lambda: has_printed(f"Agent: {GREETING}\n"))
                await until(lambda: has_printed(f"Customer: {TROUBLE}\n    → {SUGGESTION}\n"))
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
    assert "".join(printed).count("Customer:") == 1
    assert deepgram.refused == openai.refused == []


async def test_strangers_reach_nothing(example, wavix_emulator):
    assist = example("agent_assist")
    with listening() as listener:
        async with wavix_emulator() as emulator, aiohttp.ClientSession() as http:
            wavix = WavixClient(emulator.settings.api_key, base_url=emulator.base_url)
            app = assist.application(wavix, NUMBER, url_of(listener))
            async with served_on(listener, app):
                webhook = emulator.numbers[NUMBER].call_status_url
                for url, body, status in (
                    (f"{url_of(listener)}/webhook/guessed", b"{}", 404),
                    (webhook, b"no JSON", 400),
                    (webhook, b'{"id": "x", "event_type": "ringing"}', 200),
                ):
                    async with http.post(url, data=body) as response:
                        assert response.status == status
                with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
                    await http.ws_connect(f"{url_of(listener)}/leg/guessed")
                assert refusal.value.status == 403
