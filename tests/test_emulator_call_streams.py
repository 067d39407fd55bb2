"""The streams of a call as the account sees them, on a telephone that only notes what is asked."""

from itertools import count

import pytest

from pipecat_wavix.emulator.call_streams import CallStreams
from pipecat_wavix.emulator.events import Sent
from pipecat_wavix.emulator.refused import RefusedError
from pipecat_wavix.protocol import Connected, Start


class Telephone:
    def __init__(self, over=False):
        self.over = over
        self.started = {}
        self.stopped = []

    def start_stream(self, url, *, stream_id, stream_type, channel, on_over):
        if self.over:
            raise ValueError("the call is over")
        self.started[stream_id] = (url, stream_type, channel, on_over)

    def stop_stream(self, stream_id):
        self.stopped.append(stream_id)


def streams(telephone=None):
    ids = count(1)
    made = CallStreams("CALL", lambda: f"id{next(ids)}")
    if telephone:
        made.open(telephone)
    return made


def test_a_stream_begins_when_it_is_launched():
    telephone = Telephone()
    own = streams(telephone)
    state = own.add("ws://a/TOKEN", "oneway", "both")
    assert not telephone.started
    own.launch(state)
    assert telephone.started[state.id][:3] == ("ws://a/TOKEN", "oneway", "both")
    assert "TOKEN" not in repr(state)


def test_a_stream_has_started_when_its_start_was_sent():
    own = streams(Telephone())
    state = own.add("ws://a", "twoway", "inbound")
    own.observe(Sent(0.0, Connected(event_time="now"), "sent", state.id))
    assert not state.started.is_set()
    start = Start(
        call_id="CALL",
        stream_id=state.id,
        sequence_number=1,
        event_time="now",
        stream_type="twoway",
        channel="inbound",
    )
    own.observe(Sent(0.0, start, "sent", state.id))
    assert state.started.is_set()


def test_a_stream_that_ended_makes_room_and_keeps_its_first_reason():
    telephone = Telephone()
    own = streams(telephone)
    state = own.add("ws://a", "twoway", "inbound")
    with pytest.raises(RefusedError):
        own.add("ws://a", "twoway", "inbound")
    own.launch(state)
    on_over = telephone.started[state.id][3]
    on_over(state.id, "the bot closed the socket")
    on_over(state.id, "again")
    assert state.over == "the bot closed the socket"
    assert state.started.is_set()
    own.add("ws://a", "twoway", "inbound")


def test_a_stream_of_a_telephone_that_is_over_is_over():
    own = streams(Telephone(over=True))
    state = own.add("ws://a", "twoway", "inbound")
    own.launch(state)
    assert state.over == "the call is over"


def test_a_stream_is_stopped_once():
    telephone = Telephone()
    own = streams(telephone)
    state = own.add("ws://a", "twoway", "inbound")
    own.launch(state)
    assert [own.stop(state.id), own.stop(state.id), own.stop("other")] == [True, False, False]
    assert telephone.stopped == [state.id]
    own.launch(state)
    assert len(telephone.started) == 1


def test_all_streams_end_with_the_call():
    own = streams()
    states = [own.add("ws://a", "oneway", "both") for _ in range(3)]
    assert own.stop(states[0].id)
    own.close()
    assert [state.over for state in own] == ["stopped by the account", *["the call is over"] * 2]
