"""Holds Pipecat's eval scenarios as telephone calls: the same files, judged by what a caller hears.

Pipecat's own harness talks to a bot by messages, and believes what the bot says of itself::

    pip install 'pipecat-wavix[demo]' 'pipecat-ai[cli]'
    pipecat eval suite examples/evals/suite.yaml

Here the user's turns are spoken over an emulated call, and a reply is the words that the line has
played: what a barge-in, a clear or an early hang-up took is not there::

    python examples/evals/on_the_phone.py examples/evals/suite.yaml

Each call leaves its recording, its trace and its report in `calls/evals`. What nobody can hear on a
telephone, such as a function call, is left out, and said to be. Expectations with `eval:` are put to
the scenario's own judge.
"""

import argparse
import asyncio
import importlib.util
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from loguru import logger
from pipecat.evals.judge import EvalJudge
from pipecat.evals.scenario import EvalScriptScenario
from pipecat.evals.script import EvalExpectation, EvalScriptTurn
from pipecat.evals.suite import EvalManifest, EvalRun

from pipecat_wavix.emulator import CallSettings
from pipecat_wavix.emulator.events import Began, Pressed
from pipecat_wavix.testing import PhoneCall
from pipecat_wavix.timeline import Timeline, read_timeline, write_report

REPLIES = ("response", "llm_response", "tts_response")
SPEAKS = "bot_started_speaking"
HEARD = (*REPLIES, SPEAKS, "bot_stopped_speaking")
WITHIN_SECS = 60.0  # as in Pipecat's harness
PATIENCE_SECS = 10.0  # who is late is heard all the same
MAX_SECS = 300.0

Bot = Callable[[Any], Awaitable[None]]


@dataclass
class Turn:
    """A turn that was held, and what was heard between its words and those of the next one.

    Attributes:
        number: Which one, from 0.
        wanted: What the scenario has of it.
        asked_secs: When the caller was done, since the start of the call.
        quiet_secs: From when on the bot was to say nothing more.
        answered_secs: When the bot was first heard after the caller; None if it was not.
        spoke_again: Whether it said more all the same.
        words: What was heard.
    """

    number: int
    wanted: EvalScriptTurn
    asked_secs: float = 0.0
    quiet_secs: float = MAX_SECS
    answered_secs: float | None = None
    spoke_again: bool = False
    words: str = ""


@dataclass
class Outcome:
    """What became of a scenario."""

    folder: Path
    failures: list[str] = field(default_factory=list)
    left_out: set[str] = field(default_factory=set)


async def hold(scenario: EvalScriptScenario, bot: Bot, folder: Path) -> Outcome:
    """Hold a scenario as a call to a bot that writes its half of the trace into `folder`."""
    outcome = Outcome(folder)
    turns: list[Turn] = []
    bots_trace(folder, forget=True)
    call = PhoneCall(bot, None, folder=folder, settings=CallSettings(max_secs=MAX_SECS))
    try:
        async with call:
            for number, wanted in enumerate(scenario.turns):
                turns.append(Turn(number, wanted))
                is_cut = is_cut_in(scenario.turns[number + 1 : number + 2])
                await take_turn(call, turns[-1], is_cut=is_cut)
    except Exception as error:
        outcome.failures.append(f"turn {turns[-1].number if turns else 0}: {error}")
    if not turns:
        return outcome
    timeline = read_timeline(call.trace, bot_trace=bots_trace(folder))
    write_report(timeline, folder / "report.html")
    listen(turns, timeline)
    judge = None
    if any(expected.eval for turn in scenario.turns for expected in turn.expect):
        judge = EvalJudge.from_config(scenario.judge)
    try:
        for turn in turns:
            await judge_turn(turn, outcome, judge)
    finally:
        if judge:
            await judge.close()
    return outcome


def is_cut_in(turns: list[EvalScriptTurn]) -> bool:
    """Whether the first of these turns begins while the bot still speaks."""
    return any(turn.send_after and turn.send_after.event for turn in turns)


def bots_trace(folder: Path, *, forget: bool = False) -> Path | None:
    """Find what the bot has written, or delete what it wrote before."""
    found = list(folder.glob("*.bot.jsonl"))
    for path in found if forget else []:
        path.unlink()
    return found[0] if found else None


async def take_turn(call: PhoneCall, turn: Turn, *, is_cut: bool) -> None:
    """Speak or press keys as the scenario says, and hear the reply out if the caller would."""
    wanted = turn.wanted
    if wanted.user or wanted.audio:
        speech = Path(wanted.audio) if wanted.audio else str(wanted.user)
        if wanted.send_after and is_cut_in([wanted]):
            await call.barge_in(speech, after_secs=wanted.send_after.delay_ms / 1000)
        else:
            await call.say(speech)
        turn.asked_secs = call.summary.caller_spells[-1].ended_at
    elif wanted.dtmf:
        await call.press(wanted.dtmf)
        turn.asked_secs = last_sound(call)
    elif turn.number:
        turn.asked_secs = last_sound(call)
    expected = [item for item in wanted.expect if item.event in HEARD and not item.absent]
    if expected and not is_cut:
        within_secs = max(seconds(item.within_ms) for item in expected)
        await call.hear(within_secs=max(within_secs, PATIENCE_SECS))
    if absent := [seconds(item.within_ms) for item in wanted.expect if item.absent]:
        turn.quiet_secs = max(last_sound(call), turn.asked_secs)
        await asyncio.sleep(max(absent))


def last_sound(call: PhoneCall) -> float:
    """When somebody was last audible or pressed a key, in seconds since the start of the call."""
    spells = (*call.summary.caller_spells, *call.summary.bot_spells)
    began = next(event.at for event in call.events if isinstance(event, Began))
    pressed = [event.at - began for event in call.events if isinstance(event, Pressed)]
    return max([spell.ended_at for spell in spells] + pressed, default=0.0)


def seconds(within_ms: int | None) -> float:
    """How long to wait, by default as long as Pipecat's harness."""
    return WITHIN_SECS if within_ms is None else within_ms / 1000


def listen(turns: list[Turn], timeline: Timeline) -> None:
    """Take note of what was heard in each turn."""
    for turn, next_turn in zip_longest(turns, turns[1:]):
        until = next_turn.asked_secs if next_turn else MAX_SECS
        for began, _ in timeline.heard.spells:
            if turn.asked_secs <= began < until and turn.answered_secs is None:
                turn.answered_secs = began
            turn.spoke_again |= turn.quiet_secs < began < until
        heard = (
            word.text or ""
            for word in timeline.words
            if word.heard and turn.asked_secs <= word.at_secs < until
        )
        turn.words = " ".join(" ".join(heard).split())


async def judge_turn(turn: Turn, outcome: Outcome, judge: EvalJudge | None) -> None:
    """Hold what was heard against what was expected."""
    if judge:
        judge.add_user_message(turn.wanted.user)
        judge.add_assistant_message(turn.words)
    for expected in turn.wanted.expect:
        if expected.event not in HEARD:
            outcome.left_out.add(expected.event)
            continue
        failure = what_is_wrong(turn, expected)
        if not failure and expected.eval and judge:
            verdict = await judge.evaluate(expected.eval)
            failure = "" if verdict.passed else f"{turn.words!r}: {verdict.reason}"
        if failure:
            outcome.failures.append(f"turn {turn.number}, {expected.event}: {failure}")


def what_is_wrong(turn: Turn, expected: EvalExpectation) -> str:
    """Say in what an expectation is not met; nothing if it is."""
    if expected.absent:
        return f"the bot went on: {turn.words!r}" if turn.spoke_again else ""
    if turn.answered_secs is None:
        return "the bot was not heard"
    late_ms = (turn.answered_secs - turn.asked_secs) * 1000
    if expected.within_ms is not None and late_ms > expected.within_ms:
        return f"heard after {late_ms:.0f} ms, not within {expected.within_ms} ms"
    if expected.text_contains and not holds(turn.words, expected.text_contains):
        return f"{expected.text_contains!r} is not in what was heard: {turn.words!r}"
    if expected.text_excludes and holds(turn.words, expected.text_excludes):
        return f"{expected.text_excludes!r} is in what was heard: {turn.words!r}"
    return ""


def holds(text: str, part: str) -> bool:
    """Whether it is in it, spaces aside: a reply's words come one by one."""
    return "".join(part.split()) in "".join(text.split())


def bot_of(path: Path, folder: Path) -> Bot:
    """Import a bot's file, and have it write what it believes into `folder`."""
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    make_params = module.transport_params["wavix"]
    module.transport_params["wavix"] = lambda: make_params().model_copy(
        update={"trace": folder, "trace_texts": True}
    )
    bot: Bot = module.bot
    return bot


async def main() -> int:
    """Run a suite's scripted scenarios; 1 if one of them failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suite", type=Path, help="a manifest, as of `pipecat eval suite`")
    parser.add_argument("--only", default="", help="scenarios with this in their name")
    parser.add_argument("--out", type=Path, default=Path("calls/evals"))
    arguments = parser.parse_args()
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    failed = 0
    for run in EvalManifest.load(arguments.suite).runs:
        if arguments.only in run.scenario:
            failed += not await ran(run, arguments.out)
    return min(failed, 1)


async def ran(run: EvalRun, out: Path) -> bool:
    """Run one scenario with one bot, and print what became of it."""
    scenario = run.load()
    if not isinstance(scenario, EvalScriptScenario) or run.bot_path is None:
        print(f"LEFT OUT  {run.label} {run.scenario}: not a script")
        return True
    folder = out / run.label.replace("/", "_").removesuffix(".py") / run.scenario.replace("/", "_")
    try:
        bot = bot_of(run.bot_path, folder)
    except ImportError as error:
        print(f"FAILED    {run.label} {run.scenario}\n          it cannot be imported: {error}")
        return False
    outcome = await hold(scenario, bot, folder)
    print(f"{'FAILED' if outcome.failures else 'passed':8}  {run.label} {run.scenario}")
    for failure in outcome.failures:
        print(f"          {failure}")
    if outcome.failures:
        print(f"          {folder / 'report.html'}")
    if outcome.left_out:
        print(f"          not heard on a telephone: {', '.join(sorted(outcome.left_out))}")
    return not outcome.failures


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
