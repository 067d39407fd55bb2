"""What the guides tell to run does what they say: in processes, on real sockets, in real time."""

import asyncio
import base64
import contextlib
import importlib.util
import json
import os
import re
import shlex
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import numpy as np
import pytest
import uvicorn
import wire
from bot_process import free_port
from pipecat.frames.frames import (
    EndFrame,
    InputAudioRawFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    StartFrame,
)
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.workers.runner import WorkerRunner
from test_docs_guides import DOCKERFILE, GUIDES, SERVE, blocks

from pipecat_wavix import WavixFrameSerializer
from pipecat_wavix.emulator import ScriptedCaller
from pipecat_wavix.emulator.callers import conversation
from pipecat_wavix.emulator.voice import speak

ROOT = Path(__file__).parent.parent
NUMBER = "+12025550100"
PATIENCE_SECS = 90
BIN = Path(sys.executable).parent
TONE = np.rint(8000 * np.sin(np.arange(24_000) * np.pi / 24)).astype("<i2").tobytes()
BOT, *_ = blocks(GUIDES["quickstart"], "python")
APP, CONFIGURE = blocks(GUIDES["deployment"], "python")


@contextlib.asynccontextmanager
async def running(command, *, cwd, **environment):
    """Run a command of the docs until the block ends; yields what it has printed."""
    program, *arguments = command if isinstance(command, list) else shlex.split(command)
    env = {name: value for name, value in os.environ.items() if not name.startswith("WAVIX_")}
    process = await asyncio.create_subprocess_exec(
        *(str(BIN / program), *arguments),
        cwd=cwd,
        env={**env, "PYTHONUNBUFFERED": "1", "COLUMNS": "200", **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        limit=1 << 20,
    )
    lines = []

    async def read():
        async for line in process.stdout:
            lines.append(line.decode().rstrip())

    reading = asyncio.create_task(read())
    try:
        yield process, lines
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(PATIENCE_SECS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        await reading


async def answers(url, process, lines):
    async with asyncio.timeout(PATIENCE_SECS), aiohttp.ClientSession() as http:
        while True:
            assert process.returncode is None, "\n".join(lines)
            with contextlib.suppress(aiohttp.ClientError):
                async with http.get(url) as response:
                    if response.status == 200:
                        return
            await asyncio.sleep(0.05)


async def done(command, *, cwd, **environment):
    async with running(command, cwd=cwd, **environment) as (process, lines):
        async with asyncio.timeout(PATIENCE_SECS):
            status = await process.wait()
    return status, "\n".join(lines)


async def test_the_quickstarts_bot_is_called_by_the_quickstarts_three_commands(tmp_path):
    (tmp_path / "bot.py").write_text(BOT)
    (three,) = [block for block in blocks(GUIDES["quickstart"], "sh") if "emulate" in block]
    emulate, start, dial = three.strip().splitlines()
    wavix, bot = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    emulating = running(f"{emulate} --port {wavix.rpartition(':')[2]}", cwd=tmp_path)
    starting = running(
        f"{start} --host 127.0.0.1 --port {bot.rpartition(':')[2]}",
        cwd=tmp_path,
        WAVIX_BASE_URL=wavix,
    )
    async with emulating as (process, lines):
        await answers(f"{wavix}/_emulator/state", process, lines)
        async with starting as (process, lines):
            await answers(f"{bot}/ready", process, lines)
            status, printed = await done(f"{dial} --emulator {wavix}", cwd=tmp_path)
    assert status == 0, printed + "\n".join(lines)
    assert "First answer after" in printed
    ((trace,), (recording,)) = (
        list((tmp_path / "calls").glob(f"*/{name}")) for name in ("trace.jsonl", "recording.wav")
    )
    assert recording.stat().st_size > 24_000
    status, printed = await done(f"pipecat-wavix report {trace}", cwd=tmp_path)
    assert status == 0, printed


async def test_the_application_of_the_deployment_is_configured_serves_and_drains(
    tmp_path, wavix_emulator
):
    for name, text in (("bot", BOT), ("app", APP), ("configure", CONFIGURE)):
        (tmp_path / f"{name}.py").write_text(text)
    port = free_port()
    environment = {
        "WAVIX_API_KEY": "emulator",
        "WAVIX_SECRET": "a secret for this test, long enough",
        "WAVIX_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "WAVIX_DRAIN_SECS": "60",
    }
    async with wavix_emulator(api_key="emulator", numbers=(NUMBER,)) as emulator:
        environment["WAVIX_BASE_URL"] = emulator.base_url
        serving = running(SERVE.replace("7861", str(port)), cwd=tmp_path, **environment)
        async with serving as (process, lines):
            await answers(f"http://127.0.0.1:{port}/ready", process, lines)
            status, printed = await done(
                f"python configure.py {NUMBER}", cwd=tmp_path, **environment
            )
            assert status == 0, printed
            call = await emulator.dial(NUMBER, ScriptedCaller(conversation([speak("Hello")])))
            await printed_by(lines, "its bot begins")
            process.terminate()
            await printed_by(lines, "SIGTERM: no more calls; those in progress may end")
            summary = await call.finished()
            async with asyncio.timeout(PATIENCE_SECS):
                await process.wait()
    assert summary.end_reason == "the caller hung up"
    assert summary.bot_secs > 0.3, "\n".join(lines)


async def printed_by(lines, text):
    async with asyncio.timeout(PATIENCE_SECS):
        while not any(text in line for line in lines):
            await asyncio.sleep(0.02)


# ---- pipecat-wavix 1.1


class Loopback(FrameProcessor):
    """Says what it hears."""

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            frame = OutputAudioRawFrame(frame.audio, frame.sample_rate, 1)
        await self.push_frame(frame, direction)


def an_application_of_1_1():
    """What its users wrote: the handshake by hand, and the transport as its README has it."""
    written = {}
    exec(next(b for b in blocks(GUIDES["migrating"], "python")), written)
    app = written["FastAPI"]()

    async def talk(websocket):
        await websocket.accept()
        await websocket.receive_text()  # connected
        start = json.loads(await websocket.receive_text())
        transport = written["create_transport"](websocket, start["stream_id"])
        pipeline = written["Pipeline"]([transport.input(), Loopback(), transport.output()])
        worker = PipelineWorker(pipeline)

        @transport.event_handler("on_client_disconnected")
        async def on_client_disconnected(_transport, _websocket):
            await worker.cancel()

        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(worker)
        await runner.run()

    talk.__annotations__["websocket"] = written["WebSocket"]
    app.add_api_websocket_route("/ws", talk)
    return app


async def test_code_of_1_1_runs_unchanged(wavix_call):
    async with wavix_call(an_application_of_1_1()) as call:
        await call.say(TONE)
        assert (await call.hear(within_secs=10)).secs > 0.8


async def test_what_the_table_of_1_1_says_of_the_serializer():
    serializer = WavixFrameSerializer("str-456")
    assert await serializer.serialize(StartFrame()) is None
    assert json.loads(await serializer.serialize(InterruptionFrame()))["event"] == "clear"
    await serializer.setup(SimpleNamespace(audio_in_sample_rate=16_000))
    assert await serializer.deserialize("[]") is None
    assert sum(serializer.rejected.values()) == 1
    frames = [await serializer.deserialize(message) for message in wire.EVENTS.values()]
    names = {type(frame).__name__ for frame in frames}
    (row,) = re.findall(r"^\| `deserialize` of .*$", GUIDES["migrating"], re.MULTILINE)
    assert set(re.findall(r"`(Wavix\w+)`", row)) <= names
    short = await serializer.serialize(OutputAudioRawFrame(TONE[:1000], 24_000, 1))
    rest = await serializer.serialize(EndFrame())
    payloads = [json.loads(message)["media"]["payload"] for message in (short, rest)]
    assert [len(base64.b64decode(payload)) for payload in payloads] == [960, 960]


def test_the_module_that_the_table_says_is_gone_is_gone():
    assert importlib.util.find_spec("pipecat_wavix.wavix_serializer") is None


@pytest.mark.parametrize("name", ["WAVIX_SAMPLE_RATE", "FRAME_BYTES", "FRAME_DURATION_MS"])
def test_a_constant_of_1_1_is_in_the_table(name):
    assert f"`{name}`" in GUIDES["migrating"]
    assert hasattr(WavixFrameSerializer, name)


# ---- what is installed


def test_the_extras_that_the_guides_install_exist():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = set(re.findall(r"pip install .*?\[(\w+)\]'", "\n".join(GUIDES.values())))
    assert asked == {"demo", "runner"}
    assert asked <= set(project["optional-dependencies"])
    assert "pipecat-wavix[runner]" in DOCKERFILE


def test_the_options_of_uvicorn_exist():
    known = {name for option in uvicorn.main.params for name in option.opts}
    assert {word for word in SERVE.split() if word.startswith("--")} <= known
