"""`emulate` and `dial` as they are used: two processes, and a bot in a third place."""

import asyncio
import base64
import json
import os
import signal
import sys
import wave
from contextlib import asynccontextmanager

import aiohttp
import numpy as np
import pytest
from emulated import NUMBER, PATIENCE_SECS, TONE, an_account, settings, wav
from rich.console import Console
from typer.testing import CliRunner
from websockets.exceptions import ConnectionClosed

from pipecat_wavix import cli
from pipecat_wavix.cli import dial as dial_module
from pipecat_wavix.emulator import Emulator

COMMAND = [sys.executable, "-c", "from pipecat_wavix.cli import main; main()"]
ENVIRONMENT = os.environ | {"COLUMNS": "200", "NO_COLOR": "1"}


async def started(*arguments):
    return await asyncio.create_subprocess_exec(
        *COMMAND,
        *map(str, arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=ENVIRONMENT,
    )


async def run(*arguments):
    """Answer the exit status and what was printed."""
    process = await started(*arguments)
    async with asyncio.timeout(60):
        printed, _ = await process.communicate()
    return process.returncode, printed.decode()


@asynccontextmanager
async def emulating(*arguments):
    """Run `emulate` and answer its base URL and the lines that it prints."""
    process = await started("emulate", "--port", 0, *arguments)
    lines = []

    async def read():
        async for line in process.stdout:
            lines.append(line.decode().rstrip())

    async with asyncio.timeout(PATIENCE_SECS):
        first = (await process.stdout.readline()).decode()
    reading = asyncio.create_task(read())
    try:
        assert "emulated at" in first, first
        yield first.split("emulated at ")[1].split(",")[0], lines
    finally:
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_SECS):
            await process.wait()
            await reading
    assert process.returncode == 0, lines


class Bot:
    """Greets with 0.2 s of tone, and after 5 loud frames says that again; as a webhook, answers."""

    def __init__(self, account, http):
        self.account, self.http, self.base_url = account, http, ""
        account.on_stream = self.talk
        account.on_webhook = self.answer

    async def answer(self, body):
        if body["event_type"] == "ringing":
            stream = {"stream_url": self.account.stream_url, "stream_type": "twoway"}
            url = f"{self.base_url}/v1/calls/{body['id']}/answer"
            headers = {"Authorization": "Bearer key"}
            async with self.http.post(url, json=stream, headers=headers) as response:
                assert response.status == 200

    async def talk(self, websocket):
        heard = 0

        async def say():
            payload = base64.b64encode(TONE * 10).decode()
            await websocket.send(json.dumps({"event": "media", "media": {"payload": payload}}))

        try:
            async for message in websocket:
                event = json.loads(message)
                if event["event"] == "start":
                    await say()
                elif event["event"] == "media":
                    pcm = np.frombuffer(base64.b64decode(event["media"]["payload"]), "<i2")
                    heard = heard + 1 if np.abs(pcm).max() > 1000 else 0
                    if heard == 5:
                        await say()
        except ConnectionClosed:
            pass


async def test_a_bot_is_called_through_an_emulator_in_another_process(tmp_path):
    speech = tmp_path / "speech.wav"
    speech.write_bytes(wav(TONE * 10))
    out = tmp_path / "calls"
    async with an_account() as account, aiohttp.ClientSession() as http:
        bot = Bot(account, http)
        arguments = ("--webhook", f"{account.url}/SECRET", "--api-key", "key", "--out", out)
        async with emulating(*arguments, "--leg", "clean", "--seed", 3) as (url, lines):
            bot.base_url = url
            status, printed = await run(
                *("dial", NUMBER, "--emulator", url, "--from", "+12025550177"),
                *("--caller", speech),
            )
            assert status == 0, printed
            assert "call_setup -> ringing -> answered -> completed" in printed
            rows = {
                cells[1].strip(): cells[2].strip()
                for line in printed.splitlines()
                if len(cells := line.split("│")) > 3
            }
            assert rows["Length"].endswith("the caller hung up")
            assert rows["Speech"] == "caller 0.20 s, bot 0.40 s"
            assert rows["First answer after"].endswith(" ms")
            (folder,) = out.iterdir()
            assert str(folder / "recording.wav") in printed
            with wave.open(str(folder / "recording.wav")) as recording:
                assert recording.getnframes() > 24_000
            trace = (folder / "trace.jsonl").read_text()
            assert '"dir":"rest"' in trace

            # Nobody answers on a second call: the bot is gone.
            account.on_webhook = None
            dialling = asyncio.create_task(run("dial", NUMBER, "--emulator", url))
            async with http.get(f"{url}/_emulator/state") as response:
                calls = (await response.json())["calls"]
            while len(calls) < 2:
                await asyncio.sleep(0.05)
                async with http.get(f"{url}/_emulator/state") as response:
                    calls = (await response.json())["calls"]
            hang_up = f"{url}/_emulator/calls/{calls[1]['id']}/hang_up"
            async with http.post(hang_up, json={}) as response:
                assert response.status == 200
            status, printed = await dialling
            assert status == 1
            assert "the call was not answered" in printed
    log = "\n".join(lines)
    assert f"export WAVIX_BASE_URL={url}" in log
    assert "export WAVIX_API_KEY=key" in log
    assert "inbound from …0177 to …0100: answered" in log
    assert "SECRET" not in log + trace + printed
    assert "2025550177" not in log + trace


def test_keys_are_pressed_after_all_that_is_spoken(monkeypatch):
    bodies = []

    async def remember(_emulator, body, _console):
        bodies.append(body)

    monkeypatch.setattr(dial_module, "_dialled", remember)
    monkeypatch.setattr(dial_module, "_show", lambda *_: None)
    monkeypatch.setattr(dial_module, "speak", lambda text: TONE)
    arguments = ("--say", "hello", "--barge-in-say", "stop", "--press", "12", "--press", "#")
    assert invoked("dial", NUMBER, *arguments, "--max-secs", 20)[0] == 0
    (body,) = bodies
    assert body["max_secs"] == 20
    kinds = [next(iter(step)) for step in body["script"]]
    assert kinds.count("wav") == 2
    assert kinds[-7:] == ["press", "wait", "wait", "press", "wait", "wait", "hang_up"]
    assert [step["press"] for step in body["script"] if "press" in step] == ["12", "#"]
    assert "from" not in body


async def test_a_call_in_which_nothing_is_heard_is_a_failure():
    async with Emulator(settings()) as emulator:

        async def answer():
            while not emulator.calls:
                await asyncio.sleep(0.01)
            (call,) = emulator.calls.values()
            call.answer()

        answering = asyncio.create_task(answer())
        body = {"to": NUMBER, "script": [{"pause": 0.1}, {"hang_up": True}]}
        call = await dial_module._dialled(emulator.base_url, body, Console())
        with pytest.raises(dial_module.NoCallError, match="answered, and nothing was heard"):
            dial_module._show(call, Console())
        await answering


async def test_a_dial_that_is_interrupted_hangs_up():
    async with Emulator(settings()) as emulator:
        dialling = asyncio.create_task(
            dial_module._dialled(emulator.base_url, {"to": NUMBER}, Console())
        )
        while not emulator.calls:
            await asyncio.sleep(0.01)
        (call,) = emulator.calls.values()
        await call.reached("ringing")
        dialling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await dialling
        await call.reached("cancelled")


async def test_what_the_emulator_refuses_is_told():
    async with Emulator(settings()) as emulator:
        with pytest.raises(dial_module.NoCallError, match="is not a number of the account"):
            await dial_module._dialled(emulator.base_url, {"to": "+19995550100"}, Console())


def invoked(*arguments):
    answer = CliRunner(env={"COLUMNS": "200"}).invoke(cli._app(), list(map(str, arguments)))
    return answer.exit_code, " ".join(answer.output.replace("│", " ").split())


def test_without_an_emulator_there_is_no_call():
    status, printed = invoked("dial", NUMBER, "--emulator", "http://127.0.0.1:9")
    assert status == 1
    assert "no emulator answers there" in printed
    assert "pipecat-wavix emulate" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("emulate", "--number", "me"), "not in E.164"),
        (("emulate", "--leg", "odd"), "leg is 'odd'"),
        (("emulate", "--api-key", ""), "api_key is empty"),
        (("emulate", "--delay-ms", -1), "delay_ms is -1"),
        (("dial", NUMBER, "--press", "x"), "the key is 'x'"),
    ],
)
def test_wrong_usage_says_what_is_wrong(arguments, message):
    status, printed = invoked(*arguments)
    assert status == 2
    assert message in printed


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    for command in (("emulate", "--port", 0), ("phone", "--port", 0), ("call", "ws://bot")):
        status, printed = invoked(*command, "--out", tmp_path / "file" / "calls")
        assert status == 2
        assert (
            "file/calls: a file is in the way: give a folder in which files can be made" in printed
        )


def test_a_port_that_is_taken_is_named():
    async def take():
        async with Emulator(settings()) as emulator:
            port = emulator.base_url.rpartition(":")[2]
            return await run("emulate", "--port", port), port

    (status, printed), port = asyncio.run(take())
    assert status == 1
    assert f"cannot listen on 127.0.0.1:{port}" in printed


def test_without_a_web_server_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "pipecat_wavix.emulator.app")
    status, printed = invoked("emulate", "--port", 0)
    assert status == 1
    assert "pip install 'pipecat-wavix[emulator]'" in printed
