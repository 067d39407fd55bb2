"""Scripted calls from the command line: to a bot's socket, and through an emulator."""

import asyncio
import json
from pathlib import Path
from xml.etree import ElementTree

import aiohttp
import pytest
from emulated import NUMBER, TONE, an_account, wav
from rich.console import Console
from test_cli import bot, only_greet, run, usage
from test_cli_emulate import Bot, emulating, run as run_beside
from typer.testing import CliRunner

from pipecat_wavix import cli
from pipecat_wavix.cli import scripted
from pipecat_wavix.emulator.scenario import load_scenario
from pipecat_wavix.emulator.scenario_words import schema
from pipecat_wavix.emulator.summary import Measure

GREETED = """
name: hears a greeting
caller:
  - expect: {answer within: 5 s}
  - say: {wav: speech.wav}
  - hang up
expect: {hung up by: caller, transcript: "checks:tone"}
"""
CHECKS = """
def tone(heard, events):
    assert max(heard) > 0
    assert any(event.get("event") == "step" for event in events)
"""
UNMET = """
name: wants more
caller:
  - expect: {answer within: 5 s}
  - say: {wav: speech.wav}
  - expect: {answer within: 200 ms}
  - hang up
expect: {hung up by: bot, underruns: 0}
"""


@pytest.fixture
def scripts(tmp_path):
    """A folder with two scripts and what they need."""
    folder = tmp_path / "scripts"
    folder.mkdir()
    (folder / "speech.wav").write_bytes(wav(TONE * 10))
    (folder / "checks.py").write_text(CHECKS)
    (folder / "greeted.yaml").write_text(GREETED)
    (folder / "unmet.yaml").write_text(UNMET)
    return folder


def test_a_call_as_its_script_expects_is_a_success(tmp_path, scripts):
    script = scripts / "greeted.yaml"
    with bot(only_greet) as url:
        done = run("call", url, "--script", script, "--out", tmp_path / "out")
    assert f"{script}: hears a greeting: as expected (" in done.stdout
    assert {path.name for path in (tmp_path / "out" / "greeted").iterdir()} == {
        *("recording.wav", "trace.jsonl"),
    }


def test_what_is_not_as_expected_is_told_with_its_line_and_leaves_a_report(tmp_path, scripts):
    out, junit = tmp_path / "out", tmp_path / "junit.xml"
    greeted, unmet = scripts / "greeted.yaml", scripts / "unmet.yaml"
    with bot(only_greet) as url:
        both = ("--script", unmet, "--script", greeted)
        done = run("call", url, *both, "--out", out, "--junit", junit, status=1)
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"{unmet}: wants more: 2 expectations not met (")
    assert lines[1].startswith(
        f"  {unmet}:6: expected answer within: 200 ms; the bot did not begin to speak in the 0."
    )
    assert lines[2].startswith(f"  {unmet}:8: expected hung up by: bot; the call ended after ")
    assert lines[3].strip() == str(out / "unmet" / "report.html")
    assert (out / "unmet" / "report.html").stat().st_size > 0
    assert lines[4].startswith(f"{greeted}: hears a greeting: as expected (")
    suite = ElementTree.parse(junit).getroot()
    assert [len(case.findall("failure")) for case in suite] == [2, 0]


def test_a_bot_that_is_not_there_is_an_error(tmp_path, scripts):
    junit = tmp_path / "junit.xml"
    arguments = ("--script", scripts / "unmet.yaml", "--out", tmp_path, "--junit", junit)
    done = run("call", "ws://127.0.0.1:9/x", *arguments, status=1)
    assert "wants more: ws://127.0.0.1:9" in done.stdout
    ((case,),) = [ElementTree.parse(junit).getroot()]
    assert "127.0.0.1:9" in case.find("error").get("message")


def test_a_script_that_cannot_be_read_is_wrong_usage(tmp_path, scripts):
    (scripts / "wrong.yaml").write_text("caller:\n- dnace\n")
    arguments = ("--out", tmp_path, "--script", scripts / "wrong.yaml")
    assert "wrong.yaml:2: there is no step 'dnace'" in usage("call", "ws://bot", *arguments)
    assert "wrong.yaml:2: there is no step 'dnace'" in usage("dial", NUMBER, *arguments[2:])


def test_two_scripts_of_one_name_would_share_a_folder(tmp_path, scripts):
    other = tmp_path / "unmet.yaml"
    other.write_text("caller: [hang up]")
    both = ("--script", other, "--script", scripts / "unmet.yaml")
    assert "two scripts have the same name" in usage("call", "ws://bot", "--out", tmp_path, *both)


@pytest.mark.parametrize("command", [("call", "ws://bot", "--out", "x"), ("dial", NUMBER)])
def test_a_script_says_all_that_is_said(scripts, command):
    arguments = ("--script", scripts / "unmet.yaml", "--say", "Hi")
    assert "give --script alone" in usage(*command, *arguments)


@pytest.mark.parametrize("command", [("call", "ws://127.0.0.1:9", "--out", "x"), ("dial", NUMBER)])
def test_a_file_that_cannot_be_written_is_named(tmp_path, scripts, command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    monkeypatch.setattr(scripted, "_outcome", lambda *_: pytest.fail("there was a call before"))
    arguments = [*command, "--script", scripts / "unmet.yaml", "--junit", tmp_path / "file" / "x"]
    answer = CliRunner().invoke(cli._app(), list(map(str, arguments)))
    assert answer.exit_code == 1
    said = " ".join(answer.output.split())
    assert said.startswith(f"pipecat-wavix: {tmp_path / 'file' / 'x'} cannot be written: ")
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("error", "told"),
    [(KeyboardInterrupt(), "interrupted"), (RuntimeError("a bug"), "RuntimeError: a bug")],
)
def test_what_came_of_the_scripts_is_written_whatever_happens(
    tmp_path, scripts, capsys, error, told
):
    calls = []

    async def hold(scenario):
        calls.append(scenario)
        if len(calls) == 2:
            raise error
        return Measure().summary(), None

    (scripts / "last.yaml").write_text("caller: [hang up]")
    three = [load_scenario(scripts / f"{name}.yaml") for name in ("unmet", "greeted", "last")]
    junit = tmp_path / "junit.xml"
    with pytest.raises(type(error)):
        scripted.hold_all(three, hold, Console(width=200), junit)
    assert len(calls) == 2
    one, two = ElementTree.parse(junit).getroot()
    assert len(one.findall("failure")) == 3
    assert (two.get("name"), two.find("error").get("message")) == ("hears a greeting", told)
    assert f"hears a greeting: {told}" in capsys.readouterr().out


def test_the_schema_is_printed():
    assert json.loads(run("call", "--script-schema").stdout) == schema()


def test_a_report_that_cannot_be_made_fails_nothing_else(tmp_path, scripts, capsys):
    async def hold(_scenario):
        return Measure().summary(), tmp_path

    scenario = load_scenario(scripts / "unmet.yaml")
    assert not scripted.hold_all([scenario], hold, Console(width=200), None)
    printed = capsys.readouterr().out
    assert printed.startswith("There is no report: ")
    assert "3 expectations not met" in printed


async def test_an_emulator_makes_the_calls_of_scripts(tmp_path, scripts):
    out = tmp_path / "calls"
    text = GREETED.replace("caller:\n", "network: {delay: 40 ms, seed: 7}\ncaller:\n")
    (scripts / "greeted.yaml").write_text(text)
    async with an_account() as account, aiohttp.ClientSession() as http:
        caller = Bot(account, http)
        arguments = ("--webhook", f"{account.url}/hook", "--api-key", "key", "--out", out)
        async with emulating(*arguments) as (url, _):
            caller.base_url = url
            both = ("--script", scripts / "greeted.yaml", "--script", scripts / "unmet.yaml")
            status, printed = await run_beside("dial", NUMBER, "--emulator", url, *both)
    assert status == 1, printed
    assert "hears a greeting: as expected (" in printed
    assert "unmet.yaml:8: expected hung up by: bot; the call ended after" in printed
    (report,) = await asyncio.to_thread(lambda: list(out.glob("*/report.html")))
    assert str(report) in printed
    traces = [path.read_text() for path in out.glob("*/trace.jsonl")]
    assert sum('"event":"network","delay_ms":40.0' in trace for trace in traces) == 1


async def test_without_recordings_a_call_is_judged_all_the_same(scripts):
    async with an_account() as account, aiohttp.ClientSession() as http:
        caller = Bot(account, http)
        arguments = ("--webhook", f"{account.url}/hook", "--api-key", "key")
        async with emulating(*arguments) as (url, _):
            caller.base_url = url
            script = ("--script", scripts / "greeted.yaml")
            status, printed = await run_beside("dial", NUMBER, "--emulator", url, *script)
    assert status == 1
    assert "1 expectation not met" in printed
    assert "greeted.yaml:7: expected transcript: checks:tone; the call was not recorded" in printed
    assert "report" not in printed


def test_every_example_can_be_read():
    examples = sorted((Path(__file__).parent.parent / "examples" / "scripts").glob("*.yaml"))
    assert len(examples) > 1
    for path in examples:
        assert load_scenario(path).expectations
