"""The ledger, at 1,000 samples a second: a sample is a millisecond.

The round trip is 100 ms, a clear takes 50 ms: what is heard within 100 ms is heard before it lands.
"""

import pytest

from pipecat_wavix.playback import Edge, Playback, Sent
from pipecat_wavix.playback.ear import LOST_SECS, OVERDUE_SECS
from pipecat_wavix.playback.ledger import REWIND_SECS

T = 100.0  # when a test begins
END, START = Edge.END, Edge.START
LANDS = 0.1  # how much later than it is sent a clear lands, at the ear
REWIND = int(REWIND_SECS * 1000)


def audio(samples, value=1):
    return value.to_bytes(2, "little") * samples


def new_ledger():
    return Playback[str](
        sample_rate=1000, mark_interval_secs=0.2, round_trip_secs=0.1, clear_latency_secs=0.05
    )


def say(playback, samples, now=T, value=1, **how):
    """Send audio in pieces of 100 samples."""
    for _ in range(0, samples, 100):
        playback.send(now, audio(100, value), **how)


def speaking(*pieces):
    """A ledger of pieces of 100 samples, all sent at once: Unprotected, Protected, Background."""
    playback = new_ledger()
    for value, kind in enumerate("".join(pieces), 1):
        say(playback, 100, value=value, protected=kind == "P", speech=kind != "B")
    return playback


def clear(playback, now=T):
    return playback.clear(now, resume_at=now + 0.1)


def names(held):
    return [each.item for each in held]


def places(playback):
    return {held.item: (held.position, held.edge) for held in playback}


def values(sent):
    return [int.from_bytes(each.audio[:2], "little") for each in sent]


# Send


def test_audio_is_booked_at_the_next_position():
    playback = new_ledger()
    assert [playback.send(T, audio(20)), playback.send(T, audio(30))] == [0, 20]
    assert playback.sent == 50


def test_no_audio_is_nothing():
    playback = speaking("U")
    playback.ear.forget()
    assert playback.send(T + 10, b"") == 100
    assert playback.sent == 100


def test_only_protected_audio_is_kept():
    playback = speaking("UPB")
    assert [bool(sent.audio) for sent in playback._unheard] == [False, True, False]


def test_what_was_heard_is_forgotten():
    playback = speaking("P" * 10)
    playback.send(T + 0.55 + LOST_SECS, audio(20))
    assert playback._unheard[0].start == 500


def test_what_may_yet_prove_to_be_unheard_is_not_forgotten():
    playback = speaking("P" * 10)
    playback.send(T + 1.04 + LOST_SECS, audio(20))
    assert playback._unheard[0].start == 900


def test_what_an_echo_has_proved_to_be_heard_is_forgotten():
    playback = speaking("P" * 10)
    playback.ear.echo(T + 0.01, playback.ear.place_mark(T))
    playback.send(T + 0.01, audio(20))
    assert len(playback._unheard) == 1


# Hold and release


def test_an_item_waits_until_its_place_is_heard():
    playback = speaking("U")
    playback.hold(50, END, "half")
    assert playback.release(T + 0.099) == []
    assert names(playback.release(T + 0.101)) == ["half"]
    assert playback.release(T + 1) == []


def test_an_item_at_the_end_of_what_was_heard_leaves_at_once():
    playback = new_ledger()
    playback.hold(0, END, "nothing before it")
    assert names(playback.release(T)) == ["nothing before it"]


def test_an_item_waits_for_audio_that_is_not_sent_yet():
    playback = new_ledger()
    playback.hold(0, START, "started")
    playback.hold(10, END, "first word")
    assert playback.next_release_at() is None
    assert playback.release(T + 10) == []
    playback.send(T + 10, audio(20))
    assert playback.next_release_at() == pytest.approx(T + 10.05)
    assert names(playback.release(T + 11)) == ["started", "first word"]


def test_items_leave_in_the_order_of_their_places():
    playback = speaking("U")
    playback.hold(100, END, "end")
    playback.hold(50, START, "second half")
    playback.hold(50, END, "first half")
    playback.hold(0, START, "start")
    assert names(playback.release(T + 1)) == ["start", "first half", "second half", "end"]


def test_items_of_one_place_leave_in_the_order_in_which_they_came():
    playback = speaking("U")
    for item in "abcdefgh":
        playback.hold(50, END, item)
    assert "".join(names(playback.release(T + 1))) == "abcdefgh"


def test_between_talkspurts_an_end_leaves_before_the_pause_and_a_start_after_it():
    playback = speaking("U")
    playback.hold(100, START, "started")
    playback.hold(100, END, "stopped")
    say(playback, 100, T + 1)
    assert names(playback.release(T + 0.2)) == ["stopped"]
    assert names(playback.release(T + 1.049)) == []
    assert names(playback.release(T + 1.051)) == ["started"]


def test_the_first_item_tells_when_to_look_again():
    playback = speaking("U")
    assert playback.next_release_at() is None
    playback.hold(80, END, "later")
    playback.hold(50, END, "first")
    assert playback.next_release_at() == pytest.approx(T + 0.1)


def test_an_item_beyond_an_overdue_mark_waits_for_the_answer():
    playback = speaking("U")
    playback.ear.place_mark(T)  # expected at 0.2
    say(playback, 900)
    playback.hold(290, END, "before the cap")
    playback.hold(310, START, "beyond it")
    assert names(playback.release(T + 0.9)) == ["before the cap"]
    playback.ear.echo(T + 0.9, playback.ear.place_mark(T + 0.8))
    assert names(playback.release(T + 0.9)) == ["beyond it"]


def test_an_item_beyond_a_mark_that_is_lost_waits_no_longer_than_that():
    playback = speaking("U")
    playback.ear.place_mark(T)
    say(playback, 900)
    playback.hold(900, END, "beyond it")
    assert playback.release(T + 0.2 + LOST_SECS - 0.01) == []
    assert names(playback.release(T + 0.2 + LOST_SECS + 0.01)) == ["beyond it"]


def test_the_items_that_wait_can_be_counted_and_seen():
    playback = speaking("U")
    playback.hold(10, END, "a")
    playback.hold(20, END, "b")
    assert len(playback) == 2
    assert sorted(names(playback)) == ["a", "b"]


def test_an_item_can_be_withdrawn():
    playback = speaking("U")
    for item in "abc":
        playback.hold(10, END, item)
    (second,) = (held for held in playback if held.item == "b")
    playback.withdraw(second)
    assert names(playback.release(T + 1)) == ["a", "c"]


def test_an_item_can_be_moved():
    playback = speaking("U")
    playback.hold(10, END, "first")
    playback.hold(20, END, "last")
    playback.move(next(held for held in playback if held.item == "first"), 30, START)
    assert names(playback.release(T + 0.071)) == ["last"]
    assert names(playback.release(T + 0.081)) == ["first"]


# Clear, to no end


def test_with_nothing_sent_no_clear_is_sent():
    cut = clear(new_ledger())
    assert (cut.clear, cut.position, cut.again, cut.heard, cut.dropped) == (False, 0, [], [], [])


def test_with_nothing_unheard_when_it_would_land_no_clear_is_sent():
    playback = speaking("UU")
    playback.hold(200, END, "stopped")
    cut = clear(playback, T + 0.25 - LANDS + 0.001)
    assert (cut.clear, cut.position, names(cut.heard)) == (False, 200, ["stopped"])


def test_with_a_moment_unheard_it_is():
    playback = speaking("UU")
    playback.hold(200, END, "stopped")
    cut = clear(playback, T + 0.25 - LANDS - 0.001)
    assert (cut.clear, cut.position, names(cut.dropped)) == (True, 199, ["stopped"])


@pytest.mark.parametrize("unheard", ["BB", "PP", "PBP"])
def test_background_and_protected_audio_alone_are_not_cleared(unheard):
    playback = speaking(unheard)
    cut = clear(playback)
    assert not cut.clear
    assert cut.again == []
    assert playback.ear.floor == 0
    assert playback.ear.ahead_secs(T) == len(unheard) / 10


def test_without_a_clear_items_at_unheard_audio_stay_where_they_are_unless_they_are_unprotected():
    playback = speaking("PPP")
    for protected in (None, True, False):
        playback.hold(200, END, str(protected), protected=protected)
        playback.hold(300, START, f"to come {protected}", protected=protected)
    cut = clear(playback)
    assert names(cut.dropped) == ["False", "to come None", "to come False"]
    assert places(playback) == {
        "None": (200, END),
        "True": (200, END),
        "to come True": (300, START),
    }


def test_without_a_clear_too_what_was_heard_goes_first():
    playback = speaking("PPP")
    playback.hold(99, START, "heard", protected=None)
    playback.hold(101, START, "not yet", protected=None)
    cut = clear(playback, T + 0.05)
    assert (cut.position, names(cut.heard), names(playback)) == (100, ["heard"], ["not yet"])


def test_every_interruption_begins_an_epoch_cleared_or_not():
    playback = new_ledger()
    clear(playback)
    assert playback.epoch == 1
    say(playback, 100)
    clear(playback)
    assert playback.epoch == 2
    playback.void()
    assert playback.epoch == 3


# Clear


def test_a_clear_cuts_where_the_caller_will_be_when_it_lands():
    assert clear(speaking("U" * 10), T + 0.3).position == 300 - 50 + 100


def test_what_is_heard_before_it_lands_is_released_and_the_rest_is_dropped():
    playback = speaking("U" * 10)
    for position in (349, 351):
        playback.hold(position, END, f"end {position}")
        playback.hold(position, START, f"start {position}")
    cut = clear(playback, T + 0.3)
    assert names(cut.heard) == ["end 349", "start 349"]
    assert names(cut.dropped) == ["end 351", "start 351"]
    assert len(playback) == 0


def test_after_a_clear_all_that_was_sent_is_settled():
    playback = speaking("U" * 10)
    clear(playback)
    assert playback.ear.confirmed
    assert playback.sent == 1000
    assert not playback._unheard


def test_background_goes_with_the_speech_that_is_cleared():
    cut = clear(speaking("BU"))
    assert cut.clear
    assert cut.again == []


def test_an_overdue_mark_caps_the_cut():
    playback = speaking("U")
    playback.ear.place_mark(T)  # expected at 0.2
    say(playback, 900)
    assert clear(playback, T + 0.6).position == pytest.approx(300, abs=1)


def test_a_mark_that_will_only_be_overdue_when_the_clear_lands_does_not():
    playback = Playback[str](sample_rate=1000, round_trip_secs=0.6)
    say(playback, 100)
    playback.ear.place_mark(T)  # expected at 0.7
    say(playback, 900)
    cut = clear(playback, T + 0.6)  # lands at 0.95
    assert cut.position == pytest.approx(650, abs=1)
    assert OVERDUE_SECS < 0.95 - 0.7


# Clear, with protected audio


def test_protected_audio_is_booked_again_for_the_end_of_the_guard():
    playback = speaking("UPU")
    cut = clear(playback)
    assert cut.clear
    assert cut.again == [Sent(300, 400, audio(100, 2), protected=True, speech=True)]
    assert playback.sent == 400
    assert playback.ear.heard_at(300, START) == pytest.approx(T + 0.15)


def test_protected_background_is_booked_again_as_such():
    playback = new_ledger()
    say(playback, 100)
    say(playback, 100, protected=True, speech=False)
    (again,) = clear(playback).again
    assert again.protected
    assert not again.speech
    say(playback, 100, T + 0.3)
    assert playback.ear.underruns == 0


def test_it_is_sent_again_from_a_little_before_what_was_surely_heard():
    playback = speaking("P" * 8, "U")
    cut = clear(playback, T + 0.45)
    assert cut.position == 500
    assert values(cut.again) == list(range(1 + (500 - REWIND) // 100, 9))


def test_it_is_not_sent_again_where_an_echo_has_proved_that_it_was_heard():
    playback = speaking("P" * 4)
    name = playback.ear.place_mark(T)
    say(playback, 400, value=9, protected=True)
    say(playback, 100)
    playback.ear.echo(T + 0.4, name)
    cut = clear(playback, T + 0.4)
    assert values(cut.again) == [9] * 4


def test_while_a_mark_is_overdue_all_is_sent_again_that_no_echo_has_proved():
    playback = speaking("P" * 2)
    playback.ear.echo(T + 0.3, playback.ear.place_mark(T))
    say(playback, 100, value=8, protected=True)
    playback.ear.place_mark(T)
    say(playback, 700, value=9, protected=True)
    say(playback, 100)
    cut = clear(playback, T + 0.8)
    assert values(cut.again) == [8] + [9] * 7


def test_its_items_move_with_it_and_those_of_the_rest_are_dropped():
    playback = speaking("UUPPUP")
    for protected in (None, True, False):
        playback.hold(250, START, f"start {protected}", protected=protected)
        playback.hold(300, END, f"end {protected}", protected=protected)
        playback.hold(550, START, f"later {protected}", protected=protected)
    cut = clear(playback)
    assert names(cut.dropped) == ["start False", "end False", "later False"]
    assert values(cut.again) == [3, 4, 6]
    assert places(playback) == {
        "start None": (650, START),
        "start True": (650, START),
        "end None": (700, END),
        "end True": (700, END),
        "later None": (850, START),
        "later True": (850, START),
    }


def test_an_item_at_an_edge_goes_with_the_audio_on_its_side():
    playback = speaking("UUPU")
    for position in (200, 300):
        for edge in Edge:
            playback.hold(position, edge, f"{edge.name} {position}", protected=None)
    cut = clear(playback)
    assert names(cut.dropped) == ["END 200", "START 300"]
    assert places(playback) == {"START 200": (400, START), "END 300": (500, END)}


def test_a_protected_item_of_cleared_audio_follows_what_is_kept_of_that_before_it():
    playback = speaking("UUPUP")
    playback.hold(150, START, "before all", protected=True)
    playback.hold(350, START, "between", protected=True)
    playback.hold(400, START, "behind", protected=True)
    clear(playback)
    assert places(playback) == {
        "before all": (500, END),
        "between": (600, END),
        "behind": (600, START),
    }
    assert names(playback.release(T)) == ["before all"]


def test_items_whose_places_become_one_keep_their_order():
    playback = speaking("UUPUUU")
    playback.hold(500, END, "third", protected=True)
    playback.hold(400, START, "second", protected=True)
    playback.hold(300, END, "first", protected=True)
    clear(playback)
    assert set(places(playback).values()) == {(700, END)}
    assert names(playback.release(T + 10)) == ["first", "second", "third"]


def test_items_that_wait_for_audio_to_come_stand_behind_what_is_sent_again():
    playback = speaking("UUPU")
    playback.hold(400, START, "next", protected=True)
    playback.hold(450, END, "word", protected=True)
    playback.hold(450, START, "unprotected")
    cut = clear(playback)
    assert names(cut.dropped) == ["unprotected"]
    assert places(playback) == {"next": (500, START), "word": (550, END)}


def test_a_protected_item_with_all_cleared_leaves_at_once():
    playback = speaking("UUU")
    playback.hold(250, START, "must be delivered", protected=True)
    clear(playback)
    assert names(playback.release(T)) == ["must be delivered"]


def test_marks_while_it_waits_for_the_guard_prove_nothing_of_it():
    playback = speaking("UPU")
    playback.hold(200, END, "said", protected=None)
    clear(playback)
    playback.ear.echo(T + 0.15, playback.ear.place_mark(T + 0.02))
    assert not playback.ear.confirmed
    assert playback.release(T + 0.2) == []


def test_no_mark_is_due_in_the_midst_of_it():
    playback = speaking("UPPPPPU")
    clear(playback)
    assert not playback.ear.mark_due(T + 0.1)


def test_a_second_clear_before_it_has_left_leaves_it_booked():
    playback = speaking("UPU")
    playback.hold(150, START, "first word", protected=None)
    clear(playback)
    cut = clear(playback, T + 0.05)
    assert (cut.clear, cut.again, cut.dropped) == (False, [], [])
    assert playback.ear.booked_for == T + 0.1
    assert places(playback) == {"first word": (350, START)}


def test_a_second_clear_right_before_it_leaves_has_not_heard_any_of_it():
    playback = speaking("UPU")
    clear(playback)
    playback.hold(310, START, "first word", protected=None)
    cut = clear(playback, T + 0.09)
    assert (cut.position, cut.heard) == (300, [])


def test_nor_has_one_when_it_should_have_left_and_no_mark_has_followed_it():
    playback = speaking("UPU")
    clear(playback)
    playback.hold(300, START, "started", protected=None)
    cut = clear(playback, T + 0.3)
    assert (cut.position, cut.heard) == (300, [])


def test_its_items_wait_until_it_has_left():
    playback = speaking("UPU")
    clear(playback)
    playback.hold(300, END, "before it", protected=None)
    playback.hold(300, START, "started", protected=None)
    assert names(playback.release(T + 0.3)) == ["before it"]
    playback.ear.place_mark(T + 0.3)
    assert playback.release(T + 0.349) == []
    assert names(playback.release(T + 0.351)) == ["started"]


def test_a_clear_after_it_was_sent_books_it_a_third_time():
    playback = speaking("UPU")
    playback.hold(150, START, "word", protected=None)
    clear(playback)
    playback.ear.place_mark(T + 0.1)
    say(playback, 100, T + 0.1)
    playback.hold(450, START, "reply")
    cut = clear(playback, T + 0.15)
    assert cut.clear
    assert (names(cut.heard), names(cut.dropped)) == (["word"], ["reply"])
    assert cut.again == [Sent(500, 600, audio(100, 2), protected=True, speech=True)]
    assert playback.ear.booked_for == T + 0.25


# Void


def test_when_the_far_end_is_gone_every_item_is_handed_back_in_order():
    playback = speaking("UP")
    playback.hold(1000, START, "not sent", protected=True)
    playback.hold(150, START, "second")
    playback.hold(50, END, "first", protected=None)
    assert names(playback.void()) == ["first", "second", "not sent"]
    assert len(playback) == 0
    assert not playback._unheard
    assert playback.ear.confirmed
    assert not clear(playback).clear


# Memory


@pytest.mark.parametrize("protected", [False, True])
def test_hours_of_one_run_without_any_mark_returned_leave_no_more_than_what_may_be_unheard(
    protected,
):
    playback = new_ledger()
    for second in range(3600):
        say(playback, 1000, T + second, protected=protected)
        playback.ear.place_mark(T + second)
        playback.hold(playback.sent, END, "")
        playback.release(T + second)
        assert len(playback._unheard) < 60
        assert len(playback) < 5
