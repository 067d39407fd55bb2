"""What a call is expected to be like, and in which way it was not.

It knows a call's summary alone. It refuses to know scripts: an expectation names steps by number.
Whoever is quiet for less than 0.3 s is still speaking, as in the summary.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from typing import Final

from pipecat_wavix.emulator.ear import CUT_OFF_SECS, SAME_TIME_SECS
from pipecat_wavix.emulator.summary import CallSummary, Spell

_ENDS: Final = {
    "caller": {"the caller hung up"},
    "bot": {"the bot closed the socket", "hung up by the account"},
}


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """One of them.

    Attributes:
        where: File and line.
        word: What is expected: see `scenario_words`.
        given: Its value as it was written.
        value: The same: seconds, a count, or a name.
        step: The number of the step where it is judged; `None` at the end of the call.
        turn: The number of the last step before in which the caller says or presses something;
            `None` if there is none: then times count from the call's beginning.
    """

    where: str
    word: str
    given: str
    value: float | str
    step: int | None = None
    turn: int | None = None


@dataclass(frozen=True)
class Failure:
    """An expectation that was not met.

    Attributes:
        where: File and line.
        expected: In the script's words.
        got: What was there instead, in plain words.
    """

    where: str
    expected: str
    got: str

    def __str__(self) -> str:
        return f"{self.where}: expected {self.expected}; {self.got}"


@dataclass(frozen=True)
class _Turn:
    """A turn of the caller, from the first audible sample to the last, and what to call them."""

    began_at: float
    ended_at: float
    end: str


def judge(expectations: Iterable[Expectation], summary: CallSummary) -> list[Failure]:
    """Tell which expectations were not met; `transcript` is not judged here.

    Args:
        expectations: What was expected.
        summary: Of the call.
    """
    failures = []
    for expectation in expectations:
        if expectation.step is None:
            got = _judge_call(expectation, summary)
        else:
            got = _judge_step(expectation, summary)
        if got:
            expected = f"{expectation.word}: {expectation.given.strip()}"
            failures.append(Failure(expectation.where, expected, got))
    return failures


def _judge_call(expectation: Expectation, summary: CallSummary) -> str | None:
    match expectation.word, expectation.value:
        case "hung up by", str(who) if summary.end_reason not in _ENDS[who]:
            return f"the call ended after {summary.secs:.2f} s: {summary.end_reason}"
        case "underruns", int(most) if summary.underruns > most:
            return (
                f"gaps in the bot's speech: {summary.underruns}, "
                f"{_ms(summary.underrun_secs)} in all"
            )
        case "clear within", float(most):
            if not summary.clears:
                return "the bot sent no clear that took effect"
            worst = max(summary.clears, key=lambda clear: clear.to_silence_secs)
            if worst.to_silence_secs > most + SAME_TIME_SECS:
                return (
                    f"the clear at {worst.arrived_secs:.2f} s brought silence after "
                    f"{_ms(worst.to_silence_secs)}"
                )
    return None


def _judge_step(expectation: Expectation, summary: CallSummary) -> str | None:
    began = dict(summary.steps)
    assert expectation.step is not None and isinstance(expectation.value, float)  # noqa: S101, PT018
    if expectation.step not in began:
        return (
            f"step {expectation.step} was not reached: the call ended after {summary.secs:.2f} s:"
            f" {summary.end_reason}"
        )
    until = began.get(expectation.step + 1, summary.secs)
    turn = _turn(expectation.turn, began, summary)
    most = expectation.value + SAME_TIME_SECS
    if expectation.word == "answer within":
        return _late_answer(turn, until, most, summary.bot_spells)
    if expectation.word == "silent within":
        return _late_silence(turn, until, most, summary.bot_spells)
    heard = sum(
        max(0.0, min(until, spell.ended_at) - max(turn.ended_at, spell.began_at))
        for spell in summary.bot_spells
    )
    least = expectation.value - SAME_TIME_SECS
    if heard < least if expectation.word == "heard at least" else heard > most:
        return (
            f"{heard:.2f} s of the bot were heard in the {until - turn.ended_at:.2f} s {turn.end}"
        )
    return None


def _turn(step: int | None, began: dict[int, float], summary: CallSummary) -> _Turn:
    if step is None:
        return _Turn(-inf, 0.0, "since the call began")
    first_at, last_at = began[step], began[step + 1]
    spells = [
        spell
        for spell in summary.caller_spells
        if spell.began_at < last_at and spell.ended_at > first_at
    ]
    if not spells:  # keys
        return _Turn(first_at, last_at, "since the caller's last key")
    return _Turn(
        max(first_at, spells[0].began_at),
        min(last_at, spells[-1].ended_at),
        "since the caller's last word",
    )


def _late_answer(turn: _Turn, until: float, most: float, spells: Iterable[Spell]) -> str | None:
    # What the bot was saying when the caller began is no answer, nor what it began to say in a pause
    # of the caller's, if it was cut off then.
    answers = (
        spell.began_at
        for spell in spells
        if spell.began_at >= turn.ended_at
        or (spell.began_at > turn.began_at and spell.ended_at >= turn.ended_at + CUT_OFF_SECS)
    )
    began_at = next(answers, inf)
    if began_at >= until:
        return f"the bot did not begin to speak in the {until - turn.ended_at:.2f} s {turn.end}"
    if began_at - turn.ended_at > most:
        return f"the bot began to speak after {began_at - turn.ended_at:.2f} s"
    return None


def _late_silence(turn: _Turn, until: float, most: float, spells: Iterable[Spell]) -> str | None:
    for spell in spells:
        if spell.began_at <= turn.began_at < spell.ended_at:
            secs = min(spell.ended_at, until) - turn.began_at
            if secs > most:
                still = "still spoke" if spell.ended_at >= until else "spoke on until"
                return f"the bot {still} {_ms(secs)} after the caller's first word"
    return None


def _ms(secs: float) -> str:
    return f"{secs * 1000:.0f} ms"
