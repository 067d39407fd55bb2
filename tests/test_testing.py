"""The pytest plugin: bots of all three kinds, and what a test is told. Real sockets, real time."""

import asyncio
import base64
import json
import subprocess
import sys
import textwrap
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from emulated import NUMBER, an_account, wav
from fastapi import FastAPI, WebSocket
from served import served

from pipecat_wavix import testing
from pipecat_wavix.emulator import (
    CallSettings,
    CannotConnectError,
    HangUp,
    Pause,
    Press,
    Say,
    ScriptedCaller,
    WaitForBot,
)
from pipecat_wavix.emulator.events import Pressed
from pipecat_wavix.testing import BotStillRunsError, CallOverError, Heard, NotHeardError, bots

TONE = np.rint(8000 * np.sin(np.arange(480) * np.pi / 12)).astype("<i2").tobytes()
CLEAN = CallSettings(leg="clean", max_secs=60)


async def play(websocket, secs):
    payload = base64.b64encode(TONE * round(secs * 50)).decode()
    await websocket.send_json({"event": "media", "media": {"payload": payload}})


def is_loud(event):
    if event["event"] != "media":
        return False
    return np.abs(np.frombuffer(base64.b64decode(event["media"]["payload"]), "<i2")).max() > 1000


async def chat(websocket):
    """Greet for 0.4 s; answer 0.2 s of speech with 0.6 s."""
    heard = 0
    async for text in websocket.iter_text():
        event = json.loads(text)
        heard += is_loud(event)
        if event["event"] == "start":
            await play(websocket, 0.4)
        elif heard == 10:
            heard = 0
            await play(websocket, 0.6)


def application(talk=chat, path="/ws"):
    app = FastAPI()

    @app.websocket(path)
    async def endpoint(websocket: WebSocket):
        await websocket.accept()
        await talk(websocket)

    return app


async def only_listen(websocket):
    async for _ in websocket.iter_text():
        pass


async def bot(runner_args):
    await chat(runner_args.websocket)


def secs(length):
    return pytest.approx(length, abs=0.06)


@pytest.mark.parametrize("callee", [bot, application()], ids=["bot()", "ASGI"])
async def test_a_bot_is_called_step_by_step(wavix_call, callee):
    async with wavix_call(callee, settings=CLEAN) as call:
        greeting = await call.hear(quiet_secs=0.3)
        await call.say(TONE * 10)
        answer = await call.hear(quiet_secs=0.3)
        await call.press("1#")
    assert isinstance(answer, Heard)
    assert (greeting.secs, answer.secs) == (secs(0.4), secs(0.6))
    assert answer.pcm in TONE * 40
    assert -0.1 < answer.began_after_secs < 2
    assert [event.key for event in call.events if isinstance(event, Pressed)] == ["1", "#"]
    assert call.summary.end_reason == "the caller hung up"
    assert call.summary.bot_secs == secs(1.0)


async def test_a_bot_is_called_by_its_url(wavix_call):
    async with served(application(path="/media")) as port:
        async with wavix_call(f"ws://127.0.0.1:{port}/media") as call:
            assert (await call.hear(quiet_secs=0.3)).secs == secs(0.4)
        assert call.trace.read_text().count(f"ws://127.0.0.1:{port}") == 1


async def test_an_application_may_have_its_socket_elsewhere(wavix_call):
    async with wavix_call(application(path="/a/b"), path="/a/b") as call:
        await call.hear(quiet_secs=0.3)


async def test_a_script_is_let_end(wavix_call):
    script = [WaitForBot("speaking", 0, 5), WaitForBot("quiet", 0.5, 5), Say(TONE * 10), Pause(1.2)]
    async with wavix_call(bot, script, settings=CLEAN) as call:
        pass
    assert call.summary.bot_secs == secs(1.0)


async def test_what_is_heard_during_a_script_can_be_asked(wavix_call):
    script = [WaitForBot("quiet", 0.6, 5), Say(TONE * 10), Pause(1.5), Press("1"), HangUp()]
    async with wavix_call(bot, script, settings=CLEAN) as call:
        assert (await call.hear(quiet_secs=0.3)).secs == secs(0.4)
        summary = await call.finished()
    assert summary == call.summary


async def test_a_script_may_be_yaml_and_what_it_expects_is_asserted(wavix_call, tmp_path):
    path = tmp_path / "greets.yaml"
    path.write_text(
        "name: greets\n"
        "caller:\n"
        "  - wait for bot to start\n"
        "  - expect: {heard at least: 9 s}\n"
        "  - hang up\n"
    )
    with pytest.raises(AssertionError, match=r"greets.yaml:4: expected heard at least: 9 s"):
        async with wavix_call(bot, path):
            pass


async def test_a_barge_in_waits_for_the_bot_and_is_answered(wavix_call):
    async def be_cut(websocket):
        loud = 0
        async for text in websocket.iter_text():
            event = json.loads(text)
            if event["event"] == "start":
                for _ in range(8):
                    await play(websocket, 1)
            elif is_loud(event):
                loud += 1
                if loud == 10:
                    await websocket.send_json({"event": "clear"})
                if loud == 30:
                    await asyncio.sleep(0.5)
                    await play(websocket, 0.4)

    async with wavix_call(application(be_cut), settings=CLEAN) as call:
        await call.barge_in(TONE * 30, after_secs=0.6)
        answer = await call.hear(quiet_secs=0.3)
    assert answer.secs == secs(0.4)
    assert call.summary.caller_spells[0].began_at == pytest.approx(0.6, abs=0.3)


async def test_without_speech_there_is_nothing_to_cut_into(wavix_call):
    async with wavix_call(application(only_listen)) as call:
        with pytest.raises(NotHeardError, match=r"nothing to cut into: within 0.2 s .*: nothing$"):
            await call.barge_in(TONE, after_secs=0.1, within_secs=0.2)


async def test_a_bot_that_never_speaks_is_told_of(wavix_call):
    async with wavix_call(application(only_listen)) as call:
        with pytest.raises(NotHeardError, match=r"within 0.3 s. Heard of it until 0.3. s: nothing"):
            await call.hear(within_secs=0.3)
        with pytest.raises(NotHeardError, match=r"nobody has hung up within 0.1 s"):
            await call.finished(within_secs=0.1)
        await call.hang_up()
        await call.hang_up()
        assert call.summary.end_reason == "the caller hung up"


async def test_a_bot_that_hangs_up_is_told_of(wavix_call):
    async def leave(websocket):
        await play(websocket, 0.2)
        await asyncio.sleep(0.4)

    async with wavix_call(application(leave), settings=CLEAN) as call:
        assert (await call.hear()).secs == secs(0.2)
        with pytest.raises(NotHeardError, match=r"the call is over \(the bot closed the socket\)"):
            await call.hear()
        with pytest.raises(CallOverError, match=r"over \(the bot closed the socket\) before"):
            await call.say(TONE)
        assert (await call.finished()).end_reason == "the bot closed the socket"


async def test_what_can_be_said(wavix_call, tmp_path):
    path = tmp_path / "speech.wav"
    path.write_bytes(wav(TONE * 10))
    async with wavix_call(application(only_listen), settings=CLEAN) as call:
        for speech in ("Hello", path, TONE * 10):
            await call.say(speech)
            await asyncio.sleep(0.5)
    spoken, *tones = (spell.ended_at - spell.began_at for spell in call.summary.caller_spells[-3:])
    assert spoken > 0.2
    assert tones == [secs(0.2)] * 2


async def test_what_a_bot_raises_is_raised_with_its_traceback(wavix_call):
    async def a_function_that_fails(runner_args):
        await play(runner_args.websocket, 0.1)
        raise LookupError("no such menu")

    with pytest.raises(LookupError, match="no such menu") as raised:
        async with wavix_call(a_function_that_fails) as call:
            await call.finished()
    assert "a_function_that_fails" in [entry.name for entry in raised.traceback]


async def test_what_a_bot_raises_tells_more_than_what_a_test_misses(wavix_call):
    async def fail(runner_args):
        raise LookupError("no such menu")

    for miss in (missing_an_answer, missing_a_greeting):
        with pytest.raises(LookupError, match="no such menu"):
            await miss(wavix_call(fail))


async def missing_an_answer(call):
    async with call:
        await call.hear()


async def missing_a_greeting(call):
    async with call:
        await call.finished()
        assert call.summary.bot_secs > 5


async def test_what_an_application_raises_before_it_accepts_is_raised(wavix_call):
    async def refuse(scope, receive, send):
        raise LookupError("no such app")

    with pytest.raises(LookupError, match="no such app"):
        async with wavix_call(refuse):
            pass


async def test_an_error_of_the_test_itself_is_not_hidden(wavix_call):
    async def fail(runner_args):
        raise LookupError

    async def err(call):
        async with call:
            await call.finished()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await err(wavix_call(fail))


async def test_a_bot_that_refuses_is_told_of(wavix_call):
    with pytest.raises(CannotConnectError, match=r"HTTP 403: .* start it without `-t`"):
        async with wavix_call(FastAPI()):
            pass


async def test_what_is_no_bot_is_told_of(wavix_call):
    for thing in (7, lambda: None, lambda one, two: None):
        with pytest.raises(TypeError, match="is no bot: give a URL"):
            async with wavix_call(thing):
                pass


async def test_an_application_that_does_not_start_is_told_of(wavix_call):
    @asynccontextmanager
    async def lifespan(app):
        raise LookupError("no model")
        yield

    with pytest.raises(RuntimeError, match="did not start") as raised:
        async with wavix_call(FastAPI(lifespan=lifespan)):
            pass
    assert str(raised.value.__cause__) == "no model"


async def test_a_bot_that_outlives_its_call_is_stopped_and_told_of(wavix_call, monkeypatch):
    monkeypatch.setattr(bots, "BOT_END_SECS", 0.2)
    stopped = []

    async def sleep_on(runner_args):
        try:
            await asyncio.sleep(3600)
        finally:
            stopped.append(True)

    with pytest.raises(BotStillRunsError, match=r"still ran 0.2 s after its call"):
        async with wavix_call(sleep_on):
            pass
    assert stopped == [True]
    for error in (AssertionError, ZeroDivisionError):
        with pytest.raises(error, match="first things first") as raised:
            async with wavix_call(sleep_on):
                raise error("first things first")
        (note,) = raised.value.__notes__
        assert note.startswith("Also: the bot still ran 0.2 s after its call")


async def test_an_application_that_does_not_end_is_left(wavix_call, monkeypatch):
    monkeypatch.setattr(bots, "_STOP_SECS", 0.2)

    @asynccontextmanager
    async def lifespan(app):
        yield
        await asyncio.sleep(3600)

    app = FastAPI(lifespan=lifespan)

    @app.websocket("/ws")
    async def endpoint(websocket: WebSocket):
        await websocket.accept()
        await chat(websocket)

    async with asyncio.timeout(20), wavix_call(app) as call:
        await call.hear(quiet_secs=0.3)


async def test_what_is_said_must_be_something(wavix_call):
    async with wavix_call(application(only_listen)) as call:
        for nothing in ("", " \n", b""):
            with pytest.raises(ValueError, match="there is nothing to say: give a text"):
                await call.say(nothing)
            with pytest.raises(ValueError, match="there is nothing to say"):
                await call.barge_in(nothing)
    assert call.summary.caller_secs == 0


async def test_calls_in_parallel_are_apart(wavix_call):
    async def one():
        async with wavix_call(bot) as call:
            greeting = await call.hear(quiet_secs=0.3)
        return greeting, call.trace

    (one_heard, one_trace), (other_heard, other_trace) = await asyncio.gather(one(), one())
    assert one_heard.secs == other_heard.secs == secs(0.4)
    assert one_trace != other_trace
    assert one_trace.exists()
    assert other_trace.with_name("recording.wav").exists()


async def test_a_call_has_its_report(wavix_call):
    async with wavix_call(bot) as call:
        await call.hear(quiet_secs=0.3)
    assert call.report() == call.trace.with_name("report.html")
    assert "<html" in call.report().read_text()


async def test_a_server_is_called_through_an_emulator(wavix_emulator):
    async with (
        an_account() as account,
        wavix_emulator(call_status_url=f"{account.url}/hook", setup_secs=0.01) as emulator,
    ):
        call = await emulator.dial(NUMBER, ScriptedCaller([]))
        async with asyncio.timeout(20):
            while "ringing" not in account.events():
                await asyncio.sleep(0.01)
        call.hang_up()
        await call.finished()


def test_the_plugins_names_are_there():
    for name in testing._HOME:
        assert getattr(testing, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Telephone'"):
        testing.Telephone  # noqa: B018


def test_the_plugin_loads_nothing_before_a_test_asks_for_it():
    code = (
        "import pytest, sys; before = set(sys.modules); import pipecat_wavix.testing;"
        "print(len(set(sys.modules) - before), 'numpy' in sys.modules, 'pipecat' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["2", "False", "False"]


def test_without_the_extra_a_test_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "pipecat_wavix.testing.call")
    monkeypatch.delitem(sys.modules, "pipecat_wavix.testing.bots")
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'pipecat-wavix\[emulator\]'"):
        testing._loaded("call")
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        testing._loaded("no_such_module")


def run_pytest(folder, source, *arguments):
    (folder / "test_inner.py").write_text(textwrap.dedent(source))
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


FAILING = """
    import pytest

    async def deaf(runner_args):
        async for _ in runner_args.websocket.iter_text():
            pass

    @pytest.mark.asyncio
    async def test_it_speaks(wavix_call):
        async with wavix_call(deaf) as call:
            await call.hear(within_secs=0.2)

    @pytest.mark.asyncio
    async def test_it_does_not_call(wavix_call):
        assert 0
"""


@pytest.mark.parametrize("mode", ["auto", "strict"])
def test_a_failed_test_names_what_its_calls_have_left_behind(tmp_path, mode):
    base = tmp_path / "calls"
    done = run_pytest(tmp_path, FAILING, "-o", f"asyncio_mode={mode}", f"--basetemp={base}")
    assert "2 failed" in done.stdout
    assert "within 0.2 s. Heard of it until" in done.stdout
    assert "none was recorded" in done.stdout
    section = done.stdout.split("Wavix calls -")[1].split("\n____")[0]
    paths = [Path(line) for line in section.splitlines() if line.startswith(str(base))]
    assert [path.name for path in paths] == ["recording.wav", "trace.jsonl", "report.html"]
    assert all(path.stat().st_size for path in paths)


BROKEN = """
    async def bot(runner_args):
        try:
            {}["menu"]
        except KeyError as error:
            raise LookupError("no such menu") from error

    async def deaf(runner_args):
        async for _ in runner_args.websocket.iter_text():
            pass

    async def test_what_the_bot_raises(wavix_call):
        async with wavix_call(bot) as call:
            await call.hear()

    async def test_a_silent_bot(wavix_call):
        async with wavix_call(deaf) as call:
            await call.hear(within_secs=0.2)

    async def test_a_barge_in(wavix_call):
        async with wavix_call(deaf) as call:
            await call.barge_in(b"ab", within_secs=0.2, after_secs=0)

    async def test_a_bot_that_does_not_hang_up(wavix_call):
        async with wavix_call(deaf) as call:
            await call.finished(within_secs=0.2)

    async def test_a_bot_that_is_not_there(wavix_call):
        async with wavix_call("ws://127.0.0.1:9/x"):
            pass

    async def test_a_script(wavix_call, tmp_path):
        (tmp_path / "a.yaml").write_text("caller: [expect: {answer within: 200 ms}, hang up]")
        async with wavix_call(deaf, tmp_path / "a.yaml"):
            pass
"""


def test_a_failure_shows_the_test_and_the_bot_and_nothing_between(tmp_path):
    done = run_pytest(tmp_path, BROKEN, "-o", "asyncio_mode=auto", "--show-capture=no")
    assert "6 failed" in done.stdout
    first, *others = (
        done.stdout.split("= FAILURES =")[1].split("short test summary")[0].split("\n____")[1:]
    )
    assert "The above exception was the direct cause" in first
    assert first.count("raise LookupError") == 1
    for failure in (first, *others):
        assert "site-packages" not in failure
        assert "pipecat_wavix/" not in failure
        assert "During handling" not in failure
    assert all(len(failure.splitlines()) < 25 for failure in others)


def test_a_report_that_cannot_be_written_hides_nothing(tmp_path):
    trace = tmp_path / "trace.jsonl"
    trace.write_text("{}\n")
    *files, excuse = testing._left_behind(trace).splitlines()
    assert files == [str(tmp_path / "recording.wav"), str(trace)]
    assert excuse.startswith("no report: ")
