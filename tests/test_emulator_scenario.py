"""Scripted callers: what is made of a file, and whole calls by it in virtual time."""

import asyncio
import re
from itertools import pairwise

import numpy as np
import pytest
from emulated import wav
from virtual_bots import Exchange
from virtual_time import in_virtual_time

from pipecat_wavix.emulator import Call, CallSettings, NetworkSettings, ScriptedCaller
from pipecat_wavix.emulator.callers import (
    BeginStep,
    ChangeNetwork,
    HangUp,
    Pause,
    Press,
    Say,
    WaitForAnswer,
    WaitForBot,
)
from pipecat_wavix.emulator.events import NetworkChanged
from pipecat_wavix.emulator.scenario import judge, load_scenario

LOUD = np.full(480, 5000, "<i2").tobytes()


@pytest.fixture(autouse=True)
def voice(monkeypatch):
    """A voice that takes 20 ms a character."""
    monkeypatch.setattr("pipecat_wavix.emulator.scenario.speak", lambda text: LOUD * len(text))


@pytest.fixture
def load(tmp_path):
    def loaded(text, settings=None):
        path = tmp_path / "a.yaml"
        path.write_text(text)
        return load_scenario(path, settings)

    return loaded


def actions(load, *steps):
    script = load("caller:\n" + "".join(f"  - {step}\n" for step in steps)).script
    return [action for action in script if not isinstance(action, BeginStep)]


@pytest.mark.parametrize(
    ("step", "made"),
    [
        ("say: Hi", [Say(LOUD * 2)]),
        ("say: 12", [Say(LOUD * 2)]),
        ("{barge in after: 0.6 s, say: Hi}", [WaitForBot("speaking", 0.6, 10.6), Say(LOUD * 2)]),
        ("press: 12#", [Press("12#")]),
        ("silence: 1.5 s", [Pause(1.5)]),
        ("wait for bot to start", [WaitForBot("speaking", 0, 10)]),
        ("wait for bot to start: {at most: 3 s}", [WaitForBot("speaking", 0, 3)]),
        ("wait for bot to stop", [WaitForBot("quiet", 1, 60)]),
        ("wait for bot to stop: {for: 2 s}", [WaitForBot("quiet", 2, 60)]),
        ("network: {jitter: 5 ms}", [ChangeNetwork({"jitter_ms": 5})]),
        ("expect: {heard at most: 1 s}", []),
        ("expect: {answer within: 1 s}", [WaitForAnswer(1, 0)]),
        ("expect: {heard at least: 2 s}", [WaitForAnswer(10, 2)]),
        ("hang up", [HangUp()]),
    ],
)
def test_a_step_is_made_of_actions(load, step, made):
    assert actions(load, step) == made


def test_a_wav_file_is_looked_for_beside_the_script(load, tmp_path):
    (tmp_path / "hello.wav").write_bytes(wav(LOUD * 3))
    assert actions(load, "say: {wav: hello.wav}") == [Say(LOUD * 3)]


def test_every_step_is_told_of_and_where_the_last_one_ends(load):
    script = load("caller: [say: Hi, hang up]").script
    assert script == [BeginStep(1), Say(LOUD * 2), BeginStep(2), HangUp(), BeginStep(3)]


def test_an_expectation_knows_its_line_its_step_and_the_callers_turn_before(load, tmp_path):
    scenario = load(
        "caller:\n- expect: {answer within: 1 s}\n- press: 1\n- silence: 1 s\n"
        "- expect:\n    heard at most: 0 s\nexpect:\n  underruns: 2\n"
    )
    assert [(each.where, each.step, each.turn) for each in scenario.expectations] == [
        (f"{tmp_path}/a.yaml:2", 1, None),
        (f"{tmp_path}/a.yaml:6", 4, 2),
        (f"{tmp_path}/a.yaml:8", None, None),
    ]


def test_a_script_without_a_name_has_its_files(load):
    assert load("caller: [hang up]").name == "a"
    assert load("name: ' greets '\ncaller: [hang up]").name == "greets"


def test_the_network_comes_over_the_settings(load):
    base = CallSettings(leg="clean", network=NetworkSettings(delay_ms=9, loss=0.5, seed=3))
    scenario = load("network: {delay: 50 ms, seed: 7}\ncaller: [hang up]", base)
    assert scenario.settings == CallSettings(
        leg="clean", network=NetworkSettings(delay_ms=50, loss=0.5, seed=7)
    )
    assert scenario.network == ChangeNetwork({"delay_ms": 50})
    assert load("caller: [hang up]").settings == CallSettings()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("caller:\n- hang up\n- say: Hi", ":3: nothing is done after hang up: leave it out"),
        (
            "caller:\n- say: {wav: x.wav}",
            ":2: .*x.wav: No such file or directory: the file is looke",
        ),
        ("caller:\n- say: {wav: a.yaml}", ":2: .*a.yaml: .* give a WAV file of 16-bit PCM"),
        (
            "caller:\n- expect: {silent within: 1 s}",
            ":2: silent within counts from what the caller",
        ),
        ("caller: [hang up]\nexpect: {transcript: 'no:x'}", ":2: no cannot be loaded .*put no.py"),
        ("caller: [dance]", ":1: there is no step 'dance'"),
    ],
)
def test_what_cannot_be_done_is_refused_with_its_line(load, text, message):
    with pytest.raises(ValueError, match=f"a.yaml{message}"):
        load(text)


def test_a_file_that_is_not_text_is_refused(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_bytes(b"caller: \xff")
    with pytest.raises(ValueError, match=r"a.yaml:1: it is not UTF-8: save it as that"):
        load_scenario(path)


@in_virtual_time
async def test_a_function_of_ones_own_judges_what_was_heard(load, tmp_path, monkeypatch):
    (tmp_path / "checks.py").write_text(
        "def polite(heard, events):\n    assert False, 'no please'\n"
    )
    scenario = load("caller: [hang up]\nexpect: {transcript: 'checks:polite'}")
    assert not scenario.expectations
    summary = await answered_by(lambda bot: None, scenario)
    (failure,) = judge(scenario, summary)
    assert str(failure).endswith(
        "a.yaml:2: expected transcript: checks:polite; the call was not recorded: give a folder"
        " with --out"
    )
    monkeypatch.setattr("pipecat_wavix.emulator.scenario.judge_transcript", lambda *_: None)
    assert judge(scenario, summary) == []


# Whole calls


async def answered_by(behave, scenario, observers=()):
    """Hold a call with a bot that `behave` is given."""
    exchange = Exchange()
    exchange.on_accept = behave
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipecat_wavix.emulator.stream.BotSocket", exchange)
        call = Call("ws://bot/x", ScriptedCaller(scenario.script), scenario.settings, observers)
        return await call.run()


def speaking(*spells):
    """A bot that speaks for so many 20 ms at the given seconds, or clears if there are none."""

    def behave(bot):
        loop = asyncio.get_running_loop()
        for at, frames in spells:
            play = (bot.play, LOUD * frames) if frames else (bot.say, "clear")
            loop.call_later(at, *play)

    return behave


CONVERSATION = """
caller:
  - expect: {answer within: 1 s, heard at least: 0.5 s}
  - wait for bot to stop: {for: 0.6 s}
  - say: 0.4 s of words 012345
  - barge in after: 200 ms
    say: Stop!
  - expect: {silent within: 300 ms, heard at most: 200 ms}
  - press: 1
  - expect: {answer within: 500 ms}
  - hang up
expect:
  hung up by: caller
  clear within: 100 ms
  underruns: 0
"""
AS_EXPECTED = ((0.5, 30), (3.0, 200), (3.4, 0), (4.0, 10))


@in_virtual_time
async def test_a_call_that_is_as_expected(load):
    scenario = load(CONVERSATION, CallSettings(leg="clean"))
    summary = await answered_by(speaking(*AS_EXPECTED), scenario)
    assert judge(scenario, summary) == []
    assert [number for number, _ in summary.steps] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert summary.end_reason == "the caller hung up"


@in_virtual_time
async def test_a_call_that_is_not_goes_on_to_its_end(load):
    scenario = load(CONVERSATION, CallSettings(leg="clean"))
    summary = await answered_by(speaking((1.5, 30), (4.0, 100)), scenario)
    failures = [re.sub(r"\d+\.\d+|\d+ ms", "N", str(each)) for each in judge(scenario, summary)]
    assert [failure.split("a.yaml:")[1] for failure in failures] == [
        "3: expected answer within: 1 s; the bot did not begin to speak in the N s since the call"
        " began",
        "3: expected heard at least: N s; N s of the bot were heard in the N s since the call began",
        "8: expected silent within: N; the bot still spoke N after the caller's first word",
        "8: expected heard at most: N; N s of the bot were heard in the N s since the caller's last"
        " word",
        "10: expected answer within: N; the bot did not begin to speak in the N s since the"
        " caller's last key",
        "14: expected clear within: N; the bot sent no clear that took effect",
    ]
    assert summary.end_reason == "the caller hung up"


@in_virtual_time
async def test_a_wait_for_the_bot_to_stop_waits_for_its_answer(load):
    scenario = load(
        "caller:\n- wait for bot to stop\n- say: Hi there\n- wait for bot to stop\n"
        "- expect: {heard at least: 1 s}\n- hang up\n",
        CallSettings(leg="clean"),
    )
    # It greets late, and thinks for 2 s.
    summary = await answered_by(speaking((3.0, 20), (6.6, 60)), scenario)
    assert judge(scenario, summary) == []
    assert [round(at, 1) for _, at in summary.steps] == [0.0, 4.4, 4.6, 8.8, 8.8]


@in_virtual_time
async def test_the_network_changes_at_its_step(load):
    seen, bots = [], []
    scenario = load(
        "network: {delay: 100 ms, seed: 7}\n"
        "caller: [silence: 1 s, network: {delay: 500 ms, lose marks: 100 %}, silence: 2 s, hang up]",
    )
    await answered_by(bots.append, scenario, [seen.append])
    (bot,) = bots
    media = [at for at, event in zip(bot.times, bot.got, strict=True) if event["event"] == "media"]
    began_at = bot.opened_at
    (pause,) = [b - a for a, b in pairwise(media) if b - a > 0.1]
    assert pause == pytest.approx(0.42, abs=0.001)
    assert media[0] - began_at == pytest.approx(0.12, abs=0.001)
    (changed,) = [each for each in seen if isinstance(each, NetworkChanged)]
    assert changed.at == pytest.approx(began_at + 1.0)
    assert changed.network == NetworkSettings(delay_ms=500, mark_loss=1.0, seed=7)


@in_virtual_time
async def test_a_bot_that_leaves_leaves_the_rest_unreached(load):
    scenario = load(
        "caller: [silence: 5 s, expect: {answer within: 1 s}]\nexpect: {hung up by: bot}"
    )

    def leave(bot):
        asyncio.get_running_loop().call_later(1.0, bot.leave)

    (failure,) = judge(scenario, await answered_by(leave, scenario))
    assert re.search(
        r"a.yaml:1: expected answer within: 1 s; step 2 was not reached: the call ended after"
        r" 1.\d\d s: the bot closed the socket",
        str(failure),
    )
