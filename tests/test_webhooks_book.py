from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pipecat_wavix.webhooks.book import PHASES, CallBook, Change
from pipecat_wavix.webhooks.events import InCallEvent, PostCall, WavixCall

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
BEGINNINGS = {"call_setup", "ringing", "early_media"}
ENDS = {"completed", "busy", "cancelled", "rejected", "failed"}


def call(event_type, call_id="a", **fields):
    return WavixCall(id=call_id, event_type=event_type, **fields)


def collected(digits, secs=0):
    return call(
        "on_call_event",
        event_time=BEGINNING + timedelta(seconds=secs),
        event=InCallEvent("collect", status="completed", digits=digits),
    )


def test_a_call_begins_is_answered_and_ends():
    book = CallBook()
    changes = [book.note(call(e)) for e in ("call_setup", "ringing", "answered", "completed")]
    assert changes == [{Change.BEGAN}, set(), {Change.ANSWERED}, {Change.ENDED}]


@pytest.mark.parametrize("first", sorted(BEGINNINGS))
def test_a_call_begins_with_whatever_comes_first(first):
    assert CallBook().note(call(first)) == {Change.BEGAN}


@pytest.mark.parametrize("end", sorted(ENDS))
def test_a_call_that_ended_neither_begins_nor_is_answered(end):
    book = CallBook()
    assert book.note(call(end)) == {Change.ENDED}
    assert book.is_over("a")
    for late in (*BEGINNINGS, "answered", *ENDS):
        assert book.note(call(late)) == set()


def test_a_call_that_somebody_answered_does_not_begin():
    book = CallBook()
    assert book.note(call("answered")) == {Change.ANSWERED}
    assert book.note(call("ringing")) == set()
    assert not book.is_over("a")


def test_the_account_of_a_call_ends_it_where_its_end_was_lost():
    book = CallBook()
    book.note(call("answered"))
    assert book.note(PostCall(id="a")) == {Change.ENDED}
    assert book.note(call("completed")) == set()


def test_an_unknown_event_changes_nothing():
    book = CallBook()
    assert book.note(call("transfer")) == set()
    assert book.note(call("ringing")) == {Change.BEGAN}


def test_any_other_event_shows_where_its_call_is():
    book = CallBook()
    assert book.note(call("on_call_event", answered_at=BEGINNING)) == {Change.ANSWERED}
    assert book.note(call("transfer", answered_at=BEGINNING, completed_at=BEGINNING)) == {
        Change.ENDED
    }


def test_a_machine_is_told_of_once():
    book = CallBook()
    assert book.note(call("answered", machine_detected=True)) == {Change.ANSWERED, Change.MACHINE}
    assert book.note(call("completed", machine_detected=True)) == {Change.ENDED}


def test_what_happens_in_a_call_is_told_once_and_in_any_order():
    book = CallBook()
    assert book.note(collected("12", secs=1)) == {Change.EVENT}
    assert book.note(collected("12", secs=1)) == set()
    assert book.note(collected("12", secs=2)) == {Change.EVENT}
    assert book.note(collected("3", secs=0)) == {Change.EVENT}


def test_the_events_of_a_call_are_kept_within_bounds():
    book = CallBook()
    for n in range(65):
        book.note(collected("1", secs=n))
    assert book.note(collected("1", secs=64)) == set()
    assert book.note(collected("1", secs=0)) == {Change.EVENT}  # the oldest is forgotten


def test_the_oldest_that_is_over_is_forgotten_first():
    book = CallBook(max_calls=3)
    for call_id, event in (("a", "ringing"), ("b", "completed"), ("c", "completed")):
        book.note(call(event, call_id))
    book.note(call("ringing", "d"))
    assert len(book) == 3
    assert book.note(call("ringing", "a")) == set()
    assert not book.is_over("b")
    assert book.is_over("c")


def test_where_none_is_over_the_oldest_is_forgotten():
    book = CallBook(max_calls=2)
    for call_id in "abc":
        assert book.note(call("ringing", call_id)) == {Change.BEGAN}
    assert len(book) == 2


def test_a_book_of_no_calls_is_refused():
    with pytest.raises(ValueError, match="max_calls is 0"):
        CallBook(max_calls=0)


class AnyOrderOfWebhooks(RuleBasedStateMachine):
    """Events of a few calls come doubled, shuffled and with losses."""

    def __init__(self):
        super().__init__()
        self.book = CallBook()
        self.changes = {}
        self.furthest = Counter()

    @rule(
        call_id=st.sampled_from("abc"),
        event_type=st.sampled_from([*PHASES, "on_call_event", "transfer"]),
        machine=st.booleans(),
    )
    def an_event_comes(self, call_id, event_type, machine):
        was_known = self.furthest[call_id]
        changes = self.book.note(call(event_type, call_id, machine_detected=machine))
        self.furthest[call_id] = max(was_known, PHASES.get(event_type, 0))
        self.changes.setdefault(call_id, Counter()).update(changes)
        if Change.BEGAN in changes:
            assert was_known == 0
            assert event_type in BEGINNINGS
        if Change.ANSWERED in changes:
            assert was_known < PHASES["answered"]

    @rule(call_id=st.sampled_from("abc"))
    def its_account_comes(self, call_id):
        self.furthest[call_id] = max(PHASES.values())
        self.changes.setdefault(call_id, Counter()).update(self.book.note(PostCall(id=call_id)))

    @invariant()
    def each_thing_happens_at_most_once(self):
        for changes in self.changes.values():
            assert max(changes.values(), default=0) <= 1

    @invariant()
    def a_call_is_over_exactly_if_an_end_was_told(self):
        for call_id, furthest in self.furthest.items():
            assert self.book.is_over(call_id) == (furthest == max(PHASES.values()))


TestAnyOrderOfWebhooks = AnyOrderOfWebhooks.TestCase


@given(st.permutations(["call_setup", "ringing", "answered", "completed"] * 2))
def test_every_order_of_doubled_webhooks_has_one_final_state(order):
    book = CallBook()
    changes = Counter(change for event in order for change in book.note(call(event)))
    assert changes[Change.ENDED] == 1
    assert changes[Change.BEGAN] <= 1
    assert book.is_over("a")


def test_a_call_that_is_forgotten_begins_anew():
    book = CallBook()
    book.note(call("ringing"))
    book.note(call("completed", "b"))
    book.forget("a")
    book.forget("b")
    book.forget("c")
    assert len(book) == 0
    assert book.note(call("ringing")) == {Change.BEGAN}
