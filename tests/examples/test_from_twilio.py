"""`examples/from_twilio`: both bots on calls of their carriers, and what differs between their files."""

import asyncio
import base64
import difflib
from pathlib import Path

import aiohttp
from clouds.cartesia import Cartesia
from clouds.deepgram import Deepgram
from clouds.openai import OpenAI
from clouds.speech import WORD_SECS, words_heard
from pipecat.runner.types import WebSocketRunnerArguments
from served import served
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

FOLDER = Path(__file__).parents[2] / "examples" / "from_twilio"
NAMES = ["twilio_bot.py", "wavix_bot.py"]
GREETING = "Hello, this is the bicycle shop."
QUESTION = "Do you sell tyres?"
ANSWER = "Yes, we have tyres of all sizes."
SILENCE_20_MS = base64.b64encode(b"\xff" * 160).decode()  # of μ-law


def difference():
    """As `diff -U1` writes it, without what differs of the docstrings, which tell how to run them."""
    before, after = [(FOLDER / name).read_text().splitlines(keepends=True) for name in NAMES]
    lines = list(difflib.unified_diff(before, after, *NAMES, n=1))
    hunks = [number for number, line in enumerate(lines) if line.startswith("@@")]
    code = next(at for at in hunks if int(lines[at][4:].split(",")[0]) > before.index('"""\n'))
    return lines[: hunks[0]] + lines[code:]


def statements(lines):
    """Lines of a file without its docstring, which tells how to run it, and without empty ones."""
    docstring_end = [line.strip() for line in lines].index('"""')
    return [line.strip() for line in lines[docstring_end + 1 :] if line.strip()]


def test_the_difference_is_the_one_that_is_shown():
    assert (FOLDER / "twilio_to_wavix.diff").read_text() == "".join(difference())


def test_three_statements_differ():
    before, after = [statements((FOLDER / name).read_text().splitlines()) for name in NAMES]
    assert len(set(before) - set(after)) == len(set(after) - set(before)) == 3
    assert sum(line[0] in "+-" and line.strip() not in "+-" for line in difference()[2:]) == 6


async def test_the_bot_answers_on_a_call_of_wavix(example, cloud, wavix_call):
    deepgram, openai, cartesia = Deepgram([QUESTION]), OpenAI([GREETING, ANSWER]), Cartesia()
    await cloud(deepgram, openai, cartesia)
    async with wavix_call(example("from_twilio.wavix_bot").bot) as call:
        greeting = await call.hear(within_secs=60)
        await call.say(QUESTION)
        answer = await call.hear(within_secs=20)
    assert words_heard(greeting.pcm) == len(GREETING.split())
    assert words_heard(answer.pcm) == len(ANSWER.split())
    spoken = [message["content"] for message in openai.requests[1]["messages"][-2:]]
    assert spoken == [GREETING, QUESTION]
    assert call.summary.rejected == {}
    assert [deepgram.refused, openai.refused, cartesia.refused] == [[], [], []]


async def test_the_bot_that_it_was_greets_on_a_call_of_twilio(example, cloud, monkeypatch):
    for name in ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"):
        monkeypatch.setenv(name, f"canary-{name.lower()}")
    await cloud(Deepgram(), OpenAI([GREETING]), Cartesia())
    twilio_bot = example("from_twilio.twilio_bot")

    async def endpoint(websocket):
        await websocket.accept()
        await twilio_bot.bot(WebSocketRunnerArguments(websocket=websocket))

    app = Starlette(routes=[WebSocketRoute("/ws", endpoint)])
    start = {"streamSid": "MZ1", "callSid": "CA1", "customParameters": {}}
    async with (
        served(app) as port,
        aiohttp.ClientSession() as http,
        http.ws_connect(f"ws://127.0.0.1:{port}/ws") as socket,
        asyncio.timeout(60),
    ):
        await socket.send_json({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        await socket.send_json({"event": "start", "streamSid": "MZ1", "start": start})
        speaking = asyncio.create_task(hold_the_line(socket))
        loud_secs = 0.0
        while loud_secs < len(GREETING.split()) * WORD_SECS / 2:
            message = await socket.receive_json()
            if message["event"] == "media":
                assert message["streamSid"] == "MZ1"
                ulaw = base64.b64decode(message["media"]["payload"])
                # The exponent of a sample: from 4 on it is louder than 600 of 32768.
                loud_secs += sum((~byte & 0x70) >> 4 >= 4 for byte in ulaw) / 8000
        speaking.cancel()
        await socket.send_json({"event": "stop", "streamSid": "MZ1"})


async def hold_the_line(socket):
    """Send Twilio's 20 ms of silence, as long as the call lasts."""
    while True:
        media = {"track": "inbound", "payload": SILENCE_20_MS}
        await socket.send_json({"event": "media", "streamSid": "MZ1", "media": media})
        await asyncio.sleep(0.02)
