"""What is expected of a call, against summaries made by hand."""

import pytest

from pipecat_wavix.emulator.expectations import Expectation, Failure, judge
from pipecat_wavix.emulator.summary import CallSummary, ClearTimes, Measure, Spell


def summary(*, caller=(), bot=(), steps=(), secs=20.0, **fields):
    """A call of 20 s; spells are pairs, and steps begin at the given times."""
    empty = Measure().summary()
    names = set(CallSummary.__slots__)
    figures = {name: getattr(empty, name) for name in names}
    return CallSummary(
        **figures
        | {
            "secs": secs,
            "end_reason": "the caller hung up",
            "caller_spells": tuple(Spell(*spell) for spell in caller),
            "bot_spells": tuple(Spell(*spell) for spell in bot),
            "steps": tuple(enumerate(steps, 1)),
        }
        | fields
    )


def got(word, value, call, step=None, turn=None):
    """What was there instead, or `None` if it was as expected."""
    expectation = Expectation(
        where="a.yaml:3", word=word, given=str(value), value=value, step=step, turn=turn
    )
    failures = judge([expectation], call)
    if not failures:
        return None
    (failure,) = failures
    assert (failure.where, failure.expected) == ("a.yaml:3", f"{word}: {value}")
    return failure.got


# Step 1 is said from 2 s to 4 s, step 2 expects until 10 s.
def spoken(*bot, caller=((2.1, 3.9),)):
    return summary(caller=caller, bot=bot, steps=(2, 4, 10))


def test_a_failure_is_one_line():
    failure = Failure("a.yaml:3", "answer within: 1 s", "the bot began to speak after 2.00 s")
    assert str(failure) == (
        "a.yaml:3: expected answer within: 1 s; the bot began to speak after 2.00 s"
    )


@pytest.mark.parametrize(
    ("who", "reason", "as_expected"),
    [
        ("caller", "the caller hung up", True),
        ("caller", "the bot closed the socket", False),
        ("bot", "the bot closed the socket", True),
        ("bot", "hung up by the account", True),
        ("bot", "max_secs are over", False),
    ],
)
def test_who_hung_up(who, reason, as_expected):
    wrong = f"the call ended after 20.00 s: {reason}"
    assert got("hung up by", who, summary(end_reason=reason)) == (None if as_expected else wrong)


def test_underruns_up_to_a_number():
    stumbled = summary(underruns=2, underrun_secs=0.06)
    assert got("underruns", 2, stumbled) is None
    assert got("underruns", 1, stumbled) == "gaps in the bot's speech: 2, 60 ms in all"


def clears(*secs):
    return summary(clears=tuple(ClearTimes(float(n), each, None, 0) for n, each in enumerate(secs)))


def test_every_clear_brings_silence_in_time():
    assert got("clear within", 0.1, clears(0.08, 0.1 + 1e-9)) is None
    late = got("clear within", 0.1, clears(0.08, 0.25))
    assert late == "the clear at 1.00 s brought silence after 250 ms"


def test_a_clear_that_is_expected_has_to_come():
    assert got("clear within", 0.1, clears()) == "the bot sent no clear that took effect"


def test_an_answer_counts_from_the_callers_last_sample():
    assert got("answer within", 1.1, spoken((5.0, 7.0)), 2, 1) is None
    late = got("answer within", 1.0, spoken((5.0, 7.0)), 2, 1)
    assert late == "the bot began to speak after 1.10 s"


@pytest.mark.parametrize("spell", [None, (0.5, 6.0), (3.0, 4.5), (10.5, 12.0)])
def test_no_answer_is_silence_or_what_was_said_before_or_cut_off_or_comes_after_the_step(spell):
    none = "the bot did not begin to speak in the 6.10 s since the caller's last word"
    call = spoken(*([spell] if spell else []))
    assert got("answer within", 9.0, call, 2, 1) == none


def test_who_talks_over_the_caller_and_goes_on_has_answered():
    assert got("answer within", 0.0, spoken((3.0, 6.0)), 2, 1) is None


def test_a_greeting_is_an_answer_to_the_beginning_of_the_call():
    greeted = summary(bot=[(0.0, 1.0)], steps=(0, 1.5))
    assert got("answer within", 0.1, greeted, 1) is None
    silent = got("answer within", 1.0, summary(steps=(0, 1.5)), 1)
    assert silent == "the bot did not begin to speak in the 1.50 s since the call began"


def test_what_was_heard_is_between_the_callers_last_word_and_the_end_of_the_step():
    call = spoken((3.5, 4.9), (6.0, 7.0), (9.5, 12.0))
    assert got("heard at least", 2.5, call, 2, 1) is None
    assert got("heard at most", 2.5, call, 2, 1) is None
    was = "2.50 s of the bot were heard in the 6.10 s since the caller's last word"
    assert got("heard at least", 2.6, call, 2, 1) == was
    assert got("heard at most", 2.4, call, 2, 1) == was


def test_keys_end_with_their_step():
    call = spoken((4.5, 5.0), caller=())
    assert got("answer within", 0.5, call, 2, 1) is None
    was = "0.50 s of the bot were heard in the 6.00 s since the caller's last key"
    assert got("heard at most", 0.0, call, 2, 1) == was


def test_silence_counts_from_the_callers_first_word_into_the_bots_speech():
    assert got("silent within", 0.5, spoken((1.0, 2.6)), 2, 1) is None
    slow = got("silent within", 0.4, spoken((1.0, 2.6)), 2, 1)
    assert slow == "the bot spoke on until 500 ms after the caller's first word"
    deaf = got("silent within", 0.4, spoken((1.0, 12.0)), 2, 1)
    assert deaf == "the bot still spoke 7900 ms after the caller's first word"


def test_who_is_silent_already_is_so_in_time():
    assert got("silent within", 0.1, spoken((0.5, 1.0), (3.0, 4.0)), 2, 1) is None


def test_the_last_step_lasts_until_the_end_of_the_call():
    call = summary(steps=(0,), bot=[(3.0, 4.0)], secs=5.0)
    assert got("heard at least", 1.0, call, 1) is None


def test_a_step_that_was_not_reached_is_told_with_how_the_call_ended():
    call = summary(steps=(0,), secs=1.5, end_reason="the bot closed the socket")
    was = "step 3 was not reached: the call ended after 1.50 s: the bot closed the socket"
    assert got("answer within", 1.0, call, 3, 2) == was
