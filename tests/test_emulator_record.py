"""What Wavix knows of a call: what may follow what, and the JSON."""

from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest

from pipecat_wavix.emulator.record import NEXT, CallRecord, EventType, Phase

BEGAN = datetime(2026, 1, 2, 3, 4, 5, 678_900, tzinfo=UTC)


def a_call(**changes):
    values = {
        "id": "5dccb6b0-f35c-488c-867b-86fb012c4415",
        "direction": "inbound",
        "from_number": "+18045961058",
        "to_number": "+17653889567",
        "started_at": BEGAN,
        **changes,
    }
    return CallRecord(**values)


def after(secs):
    return BEGAN + timedelta(seconds=secs)


def test_a_call_is_set_up_rings_is_answered_and_ends():
    call = a_call()
    for secs, phase in enumerate(["ringing", "answered", "completed"]):
        assert not call.over
        call.move(phase, after(secs))
    assert call.over
    assert call.phases == ["call_setup", "ringing", "answered", "completed"]
    assert (call.answered_at, call.completed_at) == (after(1), after(2))


@pytest.mark.parametrize("phase", ["completed", "busy", "cancelled", "rejected"])
def test_a_call_that_is_over_does_not_move(phase):
    call = a_call()
    call.move(phase, after(1))
    assert call.over
    for other in get_args(Phase):
        with pytest.raises(ValueError, match=f"that is '{phase}' cannot become '{other}'"):
            call.move(other, after(2))
    assert call.answered_at is None


def test_an_answered_call_can_only_be_completed():
    assert NEXT["answered"] == {"completed"}


def test_every_phase_has_its_followers_and_only_phases_follow():
    assert set(NEXT) == set(get_args(Phase)) == set(get_args(EventType)) - {"on_call_event"}
    assert set().union(*NEXT.values()) <= set(get_args(Phase)) - {"call_setup"}


def test_the_call_is_as_in_wavix_specification():
    call = a_call(tag="marketing-campaign", to_plus=False)
    assert call.as_call() == {
        "uuid": "5dccb6b0-f35c-488c-867b-86fb012c4415",
        "id": "5dccb6b0-f35c-488c-867b-86fb012c4415",
        "direction": "inbound",
        "event_type": "call_setup",
        "event_time": "2026-01-02T03:04:05.678Z",
        "event_payload": None,
        "from": "+18045961058",
        "to": "17653889567",
        "call_started": "2026-01-02T03:04:05.678Z",
        "call_answered": None,
        "call_completed": None,
        "machine_detected": False,
        "tag": "marketing-campaign",
    }


def test_an_event_in_mid_call_is_the_latest_and_moves_nothing():
    call = a_call()
    call.move("ringing", after(1))
    call.move("answered", after(2))
    call.note("collect", {"digits": "12", "status": "completed"}, after(3))
    assert call.phase == "answered"
    shown = call.as_call()
    assert shown["event_type"] == "on_call_event"
    assert shown["event_payload"] == {
        "type": "collect",
        "payload": {"digits": "12", "status": "completed"},
    }
    assert shown["event_time"] == "2026-01-02T03:04:08.678Z"
    assert shown["call_answered"] == "2026-01-02T03:04:07.678Z"
    call.move("completed", after(4))
    assert call.as_call()["event_payload"] is None
    assert call.as_call()["call_completed"] == "2026-01-02T03:04:09.678Z"


def test_the_report_of_an_answered_call_has_its_length():
    call = a_call(direction="outbound")
    call.move("ringing", after(1))
    call.move("answered", after(2))
    call.move("completed", after(8.4))
    assert call.as_report() == {
        "direction": "outbound",
        "uuid": "5dccb6b0-f35c-488c-867b-86fb012c4415",
        "destination": None,
        "duration": 6,
        "charge": "0.0",
        "date": "2026-01-02T03:04:05.678Z",
        "disposition": "answered",
        "from": "18045961058",
        "to": "17653889567",
        "per_minute": "0.0",
    }


@pytest.mark.parametrize(
    ("phase", "disposition"),
    [
        ("busy", "busy"),
        ("rejected", "failed"),
        ("cancelled", "noanswer"),
        ("completed", "noanswer"),
    ],
)
def test_the_report_of_an_unanswered_call_says_why(phase, disposition):
    call = a_call()
    call.move(phase, after(1))
    assert (call.as_report()["disposition"], call.as_report()["duration"]) == (disposition, 0)
