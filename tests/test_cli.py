"""The command line: in a process of its own where it makes a call, else by typer's runner."""

import base64
import json
import os
import socket
import subprocess
import sys
import threading
import wave
from contextlib import contextmanager

import numpy as np
import pytest
from typer.testing import CliRunner
from websockets.sync.server import serve

from pipecat_wavix import __version__, cli

COMMAND = [sys.executable, "-c", "from pipecat_wavix.cli import main; main()"]
TONE = np.rint(8000 * np.sin(np.arange(480) * np.pi / 12)).astype("<i2").tobytes()


def run(*arguments, status=0):
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"COLUMNS": "200", "NO_COLOR": "1"},
        check=False,
    )
    assert done.returncode == status, done.stderr
    return done


def usage(*arguments):
    """What is said of a wrong usage, on one line and without the frame around it."""
    answer = CliRunner(env={"COLUMNS": "200"}).invoke(cli._app(), list(map(str, arguments)))
    assert answer.exit_code == 2
    return " ".join(answer.output.replace("│", " ").split())


@contextmanager
def bot(answer):
    """A bot that greets for 0.2 s and does `answer(say, event)` on each event, in a thread."""

    def handle(websocket):
        def say(frames, mark="said"):
            payload = base64.b64encode(TONE * frames).decode()
            websocket.send(json.dumps({"event": "media", "media": {"payload": payload}}))
            websocket.send(json.dumps({"event": "mark", "mark": {"name": mark}}))

        for message in websocket:
            event = json.loads(message)
            if event["event"] == "start":
                say(10)
            answer(websocket, say, event)

    with serve(handle, "127.0.0.1", 0, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}/TOKEN?key=TOKEN"
        finally:
            server.shutdown()
            thread.join()


def only_greet(websocket, say, event):
    pass


@pytest.fixture
def speech(tmp_path):
    path = tmp_path / "speech.wav"
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(24_000)
        wav.writeframes(TONE * 10)
    return path


def test_a_call_is_held_summed_up_and_recorded(tmp_path, speech):
    heard = []

    def answer_speech(websocket, say, event):
        if event["event"] == "media":
            samples = np.frombuffer(base64.b64decode(event["media"]["payload"]), "<i2")
            heard.append(np.abs(samples).max() > 1000)
            if sum(heard) == 8:
                heard.clear()
                say(100)
        if sum(heard) == 3 and len(heard) > 30:
            websocket.send('{"event": "clear"}')

    out = tmp_path / "out"
    with bot(answer_speech) as url:
        arguments = ("--caller", speech, "--barge-in", speech, "--barge-in-after-ms", 300)
        done = run("call", url, *arguments, "--out", out, "--leg", "clean", "--max-secs", 8)
    trace = [json.loads(line) for line in (out / "trace.jsonl").read_text().splitlines()]
    assert trace[0]["settings"]["leg"] == "clean"
    assert "TOKEN" not in done.stdout + done.stderr + json.dumps(trace)
    with wave.open(str(out / "recording.wav")) as wav:
        both = np.frombuffer(wav.readframes(wav.getnframes()), "<i2").reshape(-1, 2)
    frames = np.abs(both.reshape(-1, 480, 2)).max(axis=1) > 1000
    assert frames[:, 0].sum() == 20, "two times 0.2 s of the caller"
    assert frames[:10, 1].any()

    rows = {
        cells[1].strip(): cells[2].strip()
        for line in done.stdout.splitlines()
        if len(cells := line.split("│")) > 3
    }
    assert rows["Length"].endswith("hung up") or "max_secs" in rows["Length"]
    assert rows["Speech"].startswith("caller 0.40 s, bot ")
    assert rows["Messages to the bot"].startswith("1 connected, 1 start, ")
    assert rows["First answer after"].endswith(" ms")
    (clear,) = [value for name, value in rows.items() if name.startswith("Clear at")]
    assert "after the caller cut in" in clear
    assert str(out / "recording.wav") in done.stdout
    assert str(out / "trace.jsonl") in done.stdout
    log = [line.split(": ", 1)[1] for line in done.stderr.splitlines()]
    assert log[:3] == [
        "the bot begins to speak",
        "the caller begins to speak",
        "the bot begins to speak",
    ]


def test_what_is_wrong_with_a_bot_is_in_the_summary(tmp_path):
    def babble(websocket, say, event):
        if event["event"] == "start":
            websocket.send("hello")
            websocket.send('{"event": "clear"}')
            websocket.send('{"event": "media", "media": {"payload": "AAA="}, "stream_id": "x"}')

    with bot(babble) as url:
        done = run("call", url, "--out", tmp_path / "out", "--strict", "--loss", 1)
    assert "1 not_json" in done.stdout
    assert "1 other_stream" in done.stdout
    assert "1 lost" in done.stdout
    assert "silent 0 ms later" in done.stdout
    assert "a message was rejected: not_json" in done.stderr


def test_on_a_terminal_one_line_tells_who_speaks(tmp_path):
    import pty

    with bot(only_greet) as url:
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            [*COMMAND, "call", url, "--out", str(tmp_path / "out")],
            stdout=theirs,
            stderr=subprocess.PIPE,
            env=os.environ | {"COLUMNS": "200", "TERM": "xterm"},
        ) as process:
            os.close(theirs)
            shown = b""
            while True:
                try:
                    shown += os.read(ours, 4096)
                except OSError:  # the process has closed its end
                    break
            assert process.wait() == 0
            assert process.stderr.read() == b""
        os.close(ours)
    assert b"the bot speaking; " in shown
    assert b"nobody speaking; " in shown
    assert b"Messages from the bot" in shown


def test_a_bot_that_cannot_be_reached_is_one_line_and_status_1(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{taken.getsockname()[1]}/TOKEN"
        done = run("call", url, "--out", tmp_path, status=1)
    (line,) = done.stderr.splitlines()
    assert line.startswith("pipecat-wavix: ws://127.0.0.1:")
    assert "cannot be reached" in line
    assert "TOKEN" not in line


def test_a_folder_that_cannot_be_written_is_one_line_and_status_1(tmp_path):
    (tmp_path / "recording.wav").mkdir()
    done = run("call", "ws://127.0.0.1:1", "--out", tmp_path, status=1)
    (line,) = done.stderr.splitlines()
    assert "recording.wav" in line


def test_without_typer_one_line_says_what_to_install():
    block = "import sys; sys.modules['typer'] = None; "
    done = subprocess.run(
        [sys.executable, "-c", block + COMMAND[2]], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "pip install 'pipecat-wavix[emulator]'" in line


def test_another_missing_module_is_not_mistaken_for_typer(monkeypatch):
    def broken():
        raise ModuleNotFoundError("No module named 'click'", name="click")

    monkeypatch.setattr(cli, "_app", broken)
    with pytest.raises(ModuleNotFoundError, match="click"):
        cli.main()


def test_the_version_is_told():
    answer = CliRunner().invoke(cli._app(), ["--version"])
    assert (answer.exit_code, answer.output) == (0, f"pipecat-wavix {__version__}\n")


def test_no_arguments_show_the_help():
    answer = CliRunner().invoke(cli._app())
    assert "Call a bot" in answer.output


def test_a_call_needs_a_folder():
    assert "Missing option '--out'" in usage("call", "ws://bot")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--caller", "gone.wav"], "'gone.wav' does not exist"),
        (["--caller", __file__], "give a WAV file of 16-bit PCM, mono or stereo, 8 to 48 kHz"),
        (["--loss", 2], "loss is 2.0: give a share from 0 to 1"),
        (["--delay-ms", -5], "delay_ms is -5.0: give 0 to 10000 milliseconds"),
        (["--leg", "g722"], "leg is 'g722': give one of g711u, g711a, clean"),
        (["--clear-latency-ms", -1], "clear_latency_secs is -0.001"),
        (["--barge-in", __file__, "--barge-in-say", "stop"], "give --barge-in or --barge-in-say"),
        (["--frequency", 3], "No such option"),
    ],
)
def test_a_wrong_option_is_refused_with_the_way_out(tmp_path, arguments, message):
    assert message in usage("call", "ws://bot", "--out", tmp_path, *arguments)


def test_without_a_voice_what_is_to_be_said_is_refused(tmp_path, monkeypatch):
    def speechless(text):
        raise ModuleNotFoundError("a voice needs eSpeak NG", name="espeakng_loader")

    monkeypatch.setattr("pipecat_wavix.cli.call.speak", speechless)
    assert "a voice needs eSpeak NG" in usage("call", "ws://bot", "--out", tmp_path, "--say", "hi")


def test_turns_are_the_files_then_the_texts_and_the_barge_in_can_be_a_text(
    tmp_path, monkeypatch, speech
):
    seen = {}

    def remember(turns, **options):
        seen.update(turns=turns, **options)
        return []

    async def no_call(url, caller, settings, out, console):
        seen.update(url=url, settings=settings)

    monkeypatch.setattr("pipecat_wavix.cli.call.speak", str.encode)
    monkeypatch.setattr("pipecat_wavix.cli.call.conversation", remember)
    monkeypatch.setattr("pipecat_wavix.cli.call.held", no_call)
    monkeypatch.setattr("pipecat_wavix.cli.call.show", lambda *_: None)
    arguments = ["call", "ws://bot", "--out", str(tmp_path), "--say", "one", "--say", "two"]
    arguments += [
        "--caller",
        str(speech),
        "--barge-in-say",
        "stop",
        "--delay-ms",
        "40",
        "--seed",
        "7",
    ]
    answer = CliRunner().invoke(cli._app(), arguments)
    assert answer.exit_code == 0
    assert seen["turns"] == [TONE * 10, b"one", b"two"]
    assert (seen["barge_in"], seen["barge_in_after_secs"]) == (b"stop", 0.8)
    assert (seen["settings"].network.delay_ms, seen["settings"].network.seed) == (40, 7)
