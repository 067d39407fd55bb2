"""The ear, against times worked out by hand; at 1,000 samples a second, a sample is a millisecond."""

from math import inf

import pytest

from pipecat_wavix.playback import Ear, Edge
from pipecat_wavix.playback.ear import (
    ASK_AGAIN_SECS,
    FORGOTTEN_SECS,
    LOST_IN_A_ROW,
    LOST_SECS,
    OVERDUE_SECS,
)

T = 100.0  # when a test begins
ASSUMED = 0.1  # the round trip before the first echo
END, START = Edge.END, Edge.START


def new_ear():
    return Ear(sample_rate=1000, mark_interval_secs=0.2, round_trip_secs=ASSUMED)


def primed(round_trip=0.1, at=T - 10):
    """An ear that has heard the priming: 20 ms of silence and a mark."""
    ear = new_ear()
    ear.send(at, 20, speech=False)
    assert ear.echo(at + 0.02 + round_trip, ear.place_mark(at))
    return ear


def speak(ear, samples, now=T):
    """Send audio all at once."""
    return ear.send(now, samples)


def heard(ear, position, edge=END):
    return round(ear.heard_at(position, edge) - T, 6)


def structures(ear):
    """How much the ear remembers."""
    return sum(len(each) for each in vars(ear).values() if hasattr(each, "__len__"))


# Audio is sent: runs and gaps


def test_positions_count_samples():
    ear = new_ear()
    assert (ear.send(T, 20), ear.send(T, 30), ear.sent) == (0, 20, 50)


def test_the_first_sample_is_heard_half_a_round_trip_after_it_was_sent():
    ear = new_ear()
    speak(ear, 500)
    assert heard(ear, 0, START) == 0.05


def test_the_others_are_heard_in_their_turn_however_early_they_were_sent():
    ear = new_ear()
    speak(ear, 500)
    assert heard(ear, 200, START) == heard(ear, 200, END) == 0.25


def test_what_is_sent_before_the_far_end_ran_dry_is_heard_without_a_gap():
    ear = new_ear()
    speak(ear, 100)
    speak(ear, 100, T + 0.099)
    assert heard(ear, 100, START) == 0.15


def test_what_is_sent_when_the_far_end_has_run_dry_begins_a_new_run():
    ear = new_ear()
    speak(ear, 100)
    speak(ear, 100, T + 0.1)
    speak(ear, 100, T + 0.3)
    assert heard(ear, 100, START) == 0.15
    assert heard(ear, 200, START) == 0.35


def test_between_two_runs_the_end_of_one_is_heard_before_the_start_of_the_other():
    ear = new_ear()
    speak(ear, 100)
    speak(ear, 100, T + 1)
    assert heard(ear, 100, END) == 0.15
    assert heard(ear, 100, START) == 1.05


def test_an_empty_line_has_nothing_to_play():
    assert new_ear().ahead_secs(T) == 0


def test_what_is_on_its_way_is_still_to_be_played():
    ear = new_ear()
    speak(ear, 500)
    assert ear.ahead_secs(T - 0.01) == 0.5
    assert ear.ahead_secs(T + 0.2) == pytest.approx(0.3)
    assert ear.ahead_secs(T + 0.6) == 0


def test_a_short_gap_within_speech_is_an_underrun():
    ear = new_ear()
    speak(ear, 100)
    speak(ear, 100, T + 0.59)
    assert ear.underruns == 1


@pytest.mark.parametrize(
    ("first", "second", "gap"), [(True, True, 0.5), (True, False, 0.1), (False, True, 0.1)]
)
def test_a_pause_or_a_gap_in_the_background_is_no_underrun(first, second, gap):
    ear = new_ear()
    ear.send(T, 100, speech=first)
    ear.send(T + 0.1 + gap, 100, speech=second)
    assert ear.underruns == 0


def test_speech_after_a_clear_is_no_underrun():
    ear = new_ear()
    speak(ear, 100)
    ear.forget()
    speak(ear, 100, T + 0.2)
    assert ear.underruns == 0


# What is heard by when


def test_there_is_no_telling_when_what_was_not_sent_is_heard():
    ear = new_ear()
    speak(ear, 100)
    assert ear.heard_at(100, START) is None
    assert ear.heard_at(101, END) is None
    assert ear.heard_at(100, END) is not None


def test_the_beginning_of_everything_has_been_heard_but_its_first_sample_has_not():
    ear = new_ear()
    assert ear.heard_at(0, END) == -inf
    assert ear.heard_at(0, START) is None


def test_the_playhead_runs_from_the_first_sample_to_the_last():
    ear = new_ear()
    speak(ear, 100)
    times = [-1, 0, 0.05, 0.051, 0.1, 0.15, 1]
    assert [ear.playhead(T + secs) for secs in times] == [0, 0, 0, 1, 50, 100, 100]


def test_between_two_runs_the_playhead_waits():
    ear = new_ear()
    speak(ear, 100)
    speak(ear, 100, T + 0.3)
    assert [ear.playhead(T + secs) for secs in (0.14, 0.2, 0.35, 0.36)] == [90, 100, 100, 110]


def test_the_playhead_does_not_fall_back_where_an_old_run_is_forgotten():
    ear = new_ear()
    speak(ear, 100)
    speak(ear, 100, T + 10)
    assert ear.playhead(T + 10) == 100


def test_the_playhead_answers_for_another_time_by_what_is_known_now():
    ear = primed()
    speak(ear, 1000)
    ear.place_mark(T)  # expected at 1.1
    assert ear.playhead(T + 0.5, T + 0.8) == 20 + 750
    assert ear.playhead(T + 0.5, T + 5) == 1020  # not overdue yet, whatever it will be then


# A mark is placed


def test_a_mark_is_due_behind_the_first_audio_of_a_run():
    ear = new_ear()
    assert not ear.mark_due(T)
    speak(ear, 20)
    assert ear.mark_due(T)


def test_marks_are_due_once_an_interval():
    ear = new_ear()
    speak(ear, 20)
    ear.place_mark(T)
    speak(ear, 199)
    assert not ear.mark_due(T)
    speak(ear, 1)
    assert ear.mark_due(T)
    ear.place_mark(T)
    assert not ear.mark_due(T)


def test_a_mark_is_due_behind_the_first_audio_after_an_underrun_too():
    ear = new_ear()
    speak(ear, 20)
    ear.place_mark(T)
    speak(ear, 100)  # without a mark at its end
    speak(ear, 20, T + 1)
    assert ear.mark_due(T + 1)


def test_no_two_marks_have_the_same_name():
    ear = new_ear()
    assert len({ear.place_mark(T) for _ in range(100)}) == 100


# An echo comes


def test_priming_shows_the_round_trip():
    assert new_ear().round_trip_secs == ASSUMED
    assert primed(round_trip=0.3).round_trip_secs == pytest.approx(0.3)


def test_an_echo_proves_that_all_before_the_mark_was_heard():
    ear = primed()
    speak(ear, 500)
    name = ear.place_mark(T)
    speak(ear, 100)
    assert ear.echo(T + 0.01, name)  # far sooner than expected
    assert ear.floor == ear.playhead(T + 0.01) == 520
    assert ear.heard_at(520, END) == ear.heard_at(519, START) == -inf
    assert ear.heard_at(520, START) > T
    assert not ear.confirmed


def test_all_is_confirmed_when_the_last_mark_is_back():
    ear = primed()
    speak(ear, 100)
    assert not ear.confirmed
    ear.echo(T + 0.2, ear.place_mark(T))
    assert ear.confirmed
    assert ear.marks_returned == 2


def test_an_echo_settles_the_marks_before_it():
    ear = primed()
    speak(ear, 100)
    first = ear.place_mark(T)
    speak(ear, 100)
    second = ear.place_mark(T)
    assert ear.echo(T + 0.3, second)
    assert ear.marks_lost == 1
    assert not ear.echo(T + 0.3, first)
    assert (ear.marks_lost, ear.marks_returned, ear.floor) == (1, 2, 220)


def test_an_echo_that_comes_twice_tells_nothing():
    ear = primed()
    speak(ear, 100)
    name = ear.place_mark(T)
    assert ear.echo(T + 0.2, name)
    assert not ear.echo(T + 0.2, name)
    assert ear.marks_returned == 2


def test_an_echo_of_a_mark_of_somebody_else_tells_nothing():
    ear = primed()
    assert not ear.echo(T, "theirs")
    assert ear.marks_returned == 1


def test_the_first_echo_of_a_run_shows_how_much_later_than_the_network_it_is_heard():
    ear = primed()
    speak(ear, 500)
    ear.echo(T + 0.07 + 0.1 + 0.015, ear.place_mark(T))
    speak(ear, 20)
    name = ear.place_mark(T)
    ear.echo(T + 0.52 + 0.1 + 0.015, name)
    assert heard(ear, 540) == -inf or True
