"""Who picks up, and what a machine says."""

import pytest

from pipecat_wavix.emulator.callees import Callee, Callees
from pipecat_wavix.emulator.callers import SILENCE, HangUp, Pause, Say, ScriptedCaller


def spoken(callee, frames):
    caller = callee.caller()
    return [caller.frame(n * 0.02, False) for n in range(frames)]


def test_who_is_not_known_is_the_default():
    callees = Callees()
    assert callees["+442079460123"] == Callee()
    callees.default = Callee(outcome="busy")
    assert callees["+442079460123"].outcome == "busy"


def test_a_callee_is_found_with_or_without_plus():
    callees = Callees()
    callees["442079460123"] = busy = Callee(outcome="busy")
    assert callees["+442079460123"] is busy


def test_a_callee_at_what_is_no_number_is_refused():
    with pytest.raises(ValueError, match=r"not in E\.164"):
        Callees()["nobody"] = Callee()


def test_each_call_has_a_caller_of_its_own():
    callee = Callee(script=[Say(b"\1\0" * 480), HangUp()])
    assert isinstance(callee.caller(), ScriptedCaller)
    assert spoken(callee, 2) == spoken(callee, 2) == [b"\1\0" * 480, None]


def test_a_machine_without_a_script_greets_beeps_and_waits():
    frames = spoken(Callee(outcome="machine"), 200)
    loud = [any(frame) for frame in frames]
    assert 100 <= sum(loud) <= 120
    assert frames[-1] == SILENCE


def test_a_machine_with_a_script_keeps_to_it():
    assert spoken(Callee(outcome="machine", script=[Pause(0.02)]), 3) == [SILENCE] * 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"outcome": "shy"}, "outcome is 'shy': give one of answers, busy"),
        ({"after_secs": -1}, "after_secs is -1: give 0 to 3600"),
        ({"detected_after_secs": 4000}, "detected_after_secs is 4000"),
    ],
)
def test_a_callee_that_cannot_be_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Callee(**changes)
