"""`pipecat-wavix replay`: a call is recorded, made again, and compared."""

import asyncio
import base64
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from fastapi import FastAPI, WebSocket
from served import served
from typer.testing import CliRunner

from pipecat_wavix import cli
from pipecat_wavix.testing.call import PhoneCall

COMMAND = [sys.executable, "-c", "from pipecat_wavix.cli import main; main()"]
TONE = np.rint(8000 * np.sin(np.arange(480) * np.pi / 12)).astype("<i2").tobytes()

app = FastAPI()


@app.websocket("/ws")
async def bot(websocket: WebSocket):
    await websocket.accept()
    async for _ in websocket.iter_text():
        pass


@pytest.fixture
async def trace(tmp_path):
    """What a call has left behind in which the caller said something and pressed a key."""
    async with PhoneCall(app, None, folder=tmp_path / "first") as call:
        await call.say(TONE * 20)
        await call.press("5")
    return call.trace


async def run(*arguments):
    return await asyncio.to_thread(
        subprocess.run,
        [*COMMAND, "replay", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"COLUMNS": "200", "NO_COLOR": "1"},
        check=False,
    )


def usage(*arguments):
    answer = CliRunner(env={"COLUMNS": "200"}).invoke(cli._app(), ["replay", *map(str, arguments)])
    assert answer.exit_code == 2
    return " ".join(answer.output.replace("│", " ").split())


async def test_a_recorded_caller_calls_again_and_both_calls_are_compared(trace, tmp_path):
    out = tmp_path / "again"
    async with served(app) as port:
        url = f"ws://127.0.0.1:{port}/ws"
        done = await run(trace.parent, url, "--out", out, "--delay-ms", 30, "--seed", 4)
    assert done.returncode == 0, done.stderr
    assert "Nothing to report: a good call" in done.stdout
    assert "Recorded" in done.stdout
    assert "The caller spoke" in done.stdout
    assert "the caller hung up" in done.stdout
    assert str(out / "report.html") in done.stdout
    assert "<html" in (out / "report.html").read_text()
    header, *lines = [json.loads(line) for line in (out / "trace.jsonl").read_text().splitlines()]
    network = header["settings"]["network"]
    assert (network["delay_ms"], network["seed"], network["jitter_ms"]) == (30, 4, 0)
    assert [line["key"] for line in lines if line.get("event") == "pressed"] == ["5"]
    recordings = [each.with_name("recording.wav").read_bytes() for each in (trace, out / "x")]
    one, other = (np.frombuffer(data[44:], "<i2")[::2] for data in recordings)
    assert np.array_equal(one, other)


async def test_a_defect_of_the_new_call_fails_a_strict_replay(trace, tmp_path):
    async def hung_up(websocket: WebSocket):
        await websocket.accept()
        payload = base64.b64encode(TONE * 100).decode()
        await websocket.send_json({"event": "media", "media": {"payload": payload}})
        await asyncio.sleep(0.5)

    other = FastAPI()
    other.add_api_websocket_route("/ws", hung_up)
    async with served(other) as port:
        url = f"ws://127.0.0.1:{port}/ws"
        done = await run(trace, url, "--out", tmp_path / "again", "--strict")
    assert done.returncode == 1
    assert "defect  The goodbye was cut" in done.stdout
    assert str(tmp_path / "again" / "report.html") in done.stdout


async def test_a_bot_that_cannot_be_reached_is_one_line_and_status_1(trace, tmp_path):
    done = await run(trace, "ws://127.0.0.1:1/TOKEN", "--out", tmp_path / "again")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "cannot be reached" in line
    assert "TOKEN" not in line


async def test_a_wrong_usage_is_refused_with_the_way_out(trace, tmp_path):
    out = ("--out", tmp_path / "again")
    assert "the recorded call's own folder" in usage(trace, "ws://bot", "--out", trace.parent)
    assert "loss is 2.0: give a share" in usage(trace, "ws://bot", *out, "--loss", 2)
    assert "does not exist" in usage(tmp_path / "gone", "ws://bot", *out)
    assert f"{trace.with_name('recording.wav')}:1" in usage(
        trace.with_name("recording.wav"), "ws://bot", *out
    )
    trace.with_name("recording.wav").unlink()
    assert "there is no recording of what the caller said" in usage(trace.parent, "ws://bot", *out)
