"""What is an answer: decided from the audio alone, whenever a test asks."""

import numpy as np
import pytest

from pipecat_wavix.emulator.events import Began, Ended, Pressed, Sound, StepBegan
from pipecat_wavix.phoneline import Step
from pipecat_wavix.testing.hearing import Hearing, NotHeardError

LOUD = np.full(480, 3000, "<i2").tobytes()
QUIET = bytes(960)
BEGAN_AT = 100.0


class Line:
    """A call of which one letter tells 20 ms: c the caller, b the bot, x both, - nobody."""

    def __init__(self):
        self.hearing = Hearing()
        self.steps = 0
        self.hearing.observe(Began(BEGAN_AT, "call", "stream"))

    @property
    def at(self):
        return BEGAN_AT + self.steps * 0.02

    def __call__(self, secs, who):
        for _ in range(round(secs * 50)):
            said = LOUD if who in "cx" else QUIET
            heard = LOUD if who in "bx" else QUIET
            step = Step(self.at, heard, 480, ())
            self.hearing.observe(Sound(self.at, said, heard, step))
            self.steps += 1

    def does(self, *stretches):
        self.hearing.begin_step()
        self.hearing.observe(StepBegan(self.at, 1))  # which changes nothing
        for secs, who in stretches:
            self(secs, who)
        self.hearing.end_step()

    def ends(self):
        self.hearing.observe(Ended(self.at, "the bot closed the socket"))

    def answer(self, within=5.0, quiet=1.0, at_most=60.0):
        return self.hearing.answer(within, quiet, at_most)


@pytest.fixture
def line():
    return Line()


def test_a_greeting_is_heard_when_it_is_over(line):
    line(0.4, "-")
    line(0.5, "b")
    line(0.9, "-")
    assert line.answer() is None
    line(0.1, "-")
    greeting = line.answer()
    assert (greeting.began_secs, greeting.began_after_secs, greeting.secs) == (0.4, 0.4, 0.5)
    assert greeting.pcm == LOUD * 25


def test_pauses_within_an_answer_belong_to_it(line):
    line(0.5, "b")
    line(0.8, "-")
    line(0.5, "b")
    line(1.0, "-")
    assert line.answer().secs == pytest.approx(1.8)


def test_a_test_that_asks_late_gets_one_answer_after_the_other(line):
    for secs in (0.5, 0.3):
        line(secs, "b")
        line(1.5, "-")
    assert line.answer().secs == pytest.approx(0.5)
    second = line.answer()
    assert (second.secs, second.began_after_secs) == (pytest.approx(0.3), pytest.approx(1.5))
    assert line.answer() is None


def test_an_answer_counts_from_the_callers_last_audible_sample(line):
    line.does((0.6, "c"), (0.4, "-"))
    line(0.2, "-")
    line(0.5, "b")
    line(1.0, "-")
    assert line.answer().began_after_secs == pytest.approx(0.6)


def test_or_from_the_last_key(line):
    line.hearing.begin_step()
    line.hearing.observe(Pressed(line.at, "1"))
    line(0.2, "-")
    line.hearing.end_step()
    line(0.5, "b")
    line(1.0, "-")
    assert line.answer().began_after_secs == pytest.approx(0.2)


def test_what_was_cut_into_is_no_answer(line):
    line(1.0, "b")
    line.does((0.3, "x"), (0.7, "c"))
    line(0.5, "-")
    line(0.4, "b")
    line(1.0, "-")
    assert line.answer().secs == pytest.approx(0.4)


def test_what_is_over_before_the_caller_is_done_is_no_answer(line):
    line.does((0.5, "c"), (0.2, "x"), (1.0, "c"))
    line(0.5, "-")
    assert line.answer() is None


def test_an_answer_that_begins_before_the_caller_is_done_is_one(line):
    line.does((0.5, "c"), (0.5, "x"))
    line(0.5, "b")
    line(1.0, "-")
    answer = line.answer()
    assert (answer.secs, answer.began_after_secs) == (pytest.approx(1.0), pytest.approx(-0.5))


def test_an_answer_that_does_not_come_is_told_with_what_was_heard(line):
    line(0.5, "b")
    line(1.0, "-")
    line.answer()
    line(4.0, "-")
    assert line.answer() is None
    line(0.1, "-")
    with pytest.raises(NotHeardError, match=r"within 5 s. Heard of it until 5.60 s: 0.00-0.50 s$"):
        line.answer()


def test_an_answer_that_came_too_late_is_none_even_if_the_test_is_later(line):
    line(6.0, "-")
    line(0.5, "b")
    with pytest.raises(NotHeardError, match="did not begin to speak within 5 s"):
        line.answer()


def test_nobody_is_late_while_the_caller_does_something(line):
    line.hearing.begin_step()
    line(9.0, "c")
    assert line.answer() is None
    line.hearing.end_step()
    line(4.0, "-")
    assert line.answer() is None


def test_a_pause_of_the_caller_gives_the_bot_more_time(line):
    line.does((0.5, "c"))
    line.does((9.0, "-"))
    line(4.0, "-")
    assert line.answer() is None
    line(0.5, "b")
    line(1.0, "-")
    assert line.answer().began_after_secs == pytest.approx(13.0)


def test_a_bot_that_does_not_stop_is_told(line):
    line(3.1, "b")
    with pytest.raises(NotHeardError, match="for more than 3 s without a pause of 1 s"):
        line.answer(at_most=3)


def test_the_end_of_the_call_ends_an_answer(line):
    line(0.5, "b")
    line.ends()
    assert line.answer().secs == pytest.approx(0.5)


def test_after_the_end_of_the_call_nothing_comes(line):
    line(0.5, "c")
    line.ends()
    with pytest.raises(NotHeardError, match=r"is over \(the bot closed the socket\).*: nothing$"):
        line.answer()
