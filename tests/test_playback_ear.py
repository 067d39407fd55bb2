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


def place_at(ear, position):
    """Place a mark as if only so much had been sent, and no mark was due since."""
    sent, ear.sent = ear.sent, position
    name = ear.place_mark(T)
    ear.sent = ear._marked = sent
    return name


def delays(ear, secs, first=1):
    """Let marks 100 ms apart in one run return so much later than their audio was sent in turn."""
    if first == 1:
        speak(ear, 1000)
    for number, delay in enumerate(secs, first):
        ear.echo(T + number / 10 + delay, place_at(ear, 20 + number * 100))


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
    speak(ear, 20, T + 0.2)
    assert ear.mark_due(T + 0.2)


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


def test_the_first_echo_of_a_run_shows_how_much_later_than_the_network_it_is_played():
    ear = primed(round_trip=0.1)
    speak(ear, 500)
    assert heard(ear, 520) == 0.55
    ear.echo(T + 0.18 + 0.1 + 0.015, place_at(ear, 200))
    assert heard(ear, 520) == pytest.approx(0.565)
    assert ear.ahead_secs(T + 0.2) == pytest.approx(0.315)


def test_a_shorter_first_echo_shortens_the_round_trip():
    ear = primed(round_trip=0.12)
    speak(ear, 500)
    ear.echo(T + 0.5 + 0.1, ear.place_mark(T))
    assert ear.round_trip_secs == pytest.approx(0.1)


def test_a_shorter_echo_soon_after_it_does_so_too_and_the_audio_is_where_the_echo_has_shown():
    ear = primed(round_trip=0.3)
    delays(ear, [0.2, 0.195])
    assert ear.round_trip_secs == pytest.approx(0.195)
    speak(ear, 100, T + 0.2)  # in the same run
    assert heard(ear, 520) == pytest.approx(0.5 + 0.2 - 0.195 / 2)


def test_an_echo_that_is_shorter_by_drift_does_not_change_the_round_trip():
    ear = primed(round_trip=0.3)
    delays(ear, [0.2] * 5 + [0.1])
    assert ear.round_trip_secs == pytest.approx(0.2)


def test_the_round_trip_is_the_least_of_recent_runs():
    ear = primed(round_trip=0.1)
    for second in range(15):
        speak(ear, 20, T + second)
        ear.echo(T + second + 0.02 + 0.2, ear.place_mark(T + second))
    assert ear.round_trip_secs == pytest.approx(0.1)
    speak(ear, 20, T + 15)
    ear.echo(T + 15 + 0.02 + 0.2, ear.place_mark(T + 15))
    assert ear.round_trip_secs == pytest.approx(0.2)


def test_a_new_run_is_taken_to_wait_as_others_did_mostly():
    ear = primed(round_trip=0.1)
    for second, excess in enumerate([0.02, 0.01, 0.9, 0.01]):
        speak(ear, 20, T + second)
        ear.echo(T + second + 0.02 + 0.1 + excess, ear.place_mark(T + second))
    start = speak(ear, 20, T + 10)
    assert heard(ear, start, START) == 10 + 0.05 + 0.01  # the median with the priming's 0


def test_what_is_less_than_half_a_step_is_noise():
    ear = primed(round_trip=0.1)
    delays(ear, [0.1, 0.109, 0.109, 0.109])
    assert heard(ear, 1000) == pytest.approx(0.98 + 0.05)
    delays(ear, [0.111] * 3, first=5)
    assert heard(ear, 1000) == pytest.approx(0.98 + 0.061)


def test_one_late_echo_was_late_on_its_way_back():
    ear = primed(round_trip=0.1)
    delays(ear, [0.1, 0.3, 0.3])
    assert heard(ear, 1000) == pytest.approx(0.98 + 0.05)


def test_three_late_echoes_in_a_row_are_the_far_ends():
    ear = primed(round_trip=0.1)
    delays(ear, [0.1, 0.3, 0.3, 0.3])
    assert heard(ear, 1000) == pytest.approx(0.98 + 0.25)


def test_a_late_first_echo_is_corrected_by_the_second():
    ear = primed(round_trip=0.1)
    delays(ear, [0.3])
    assert heard(ear, 1000) == pytest.approx(0.98 + 0.25)
    delays(ear, [0.1], first=2)
    assert heard(ear, 1000) == pytest.approx(0.98 + 0.05)


def test_a_run_that_is_heard_later_pushes_the_next_one_back():
    ear = primed(round_trip=0.1)
    speak(ear, 100)
    name = ear.place_mark(T)
    speak(ear, 100, T)
    start = speak(ear, 100, T + 0.3)
    assert heard(ear, start, START) == 0.35
    ear.echo(T + 0.1 + 0.1 + 0.4, name)
    assert heard(ear, start, END) == heard(ear, start, START) == 0.65
    assert heard(ear, 320) == 0.75


def test_its_own_echo_counts_for_more_than_the_push():
    ear = primed(round_trip=0.1)
    speak(ear, 100)
    late = ear.place_mark(T)
    speak(ear, 100)
    start = speak(ear, 100, T + 0.3)
    in_time = ear.place_mark(T + 0.3)
    speak(ear, 100, T + 0.3)
    ear.echo(T + 0.1 + 0.1 + 0.25, late)
    assert heard(ear, 420) == pytest.approx(0.3 + 0.2 + 0.15 + 0.05)
    ear.echo(T + 0.4 + 0.1, in_time)
    assert heard(ear, start + 200) == pytest.approx(0.3 + 0.2 + 0.05)


def test_a_mark_behind_what_was_played_shows_the_round_trip_alone():
    ear = primed(round_trip=0.12)
    speak(ear, 100)
    ear.echo(T + 5.1, ear.place_mark(T + 5))
    assert ear.round_trip_secs == pytest.approx(0.1)
    assert ear.confirmed


def test_a_mark_behind_what_was_played_tells_nothing_when_it_is_late():
    ear = primed(round_trip=0.1)
    speak(ear, 100)
    ear.echo(T + 5.3, ear.place_mark(T + 5))
    assert ear.round_trip_secs == pytest.approx(0.1)
    start = speak(ear, 100, T + 6)
    assert heard(ear, start, START) == 6.05
    assert ear.ahead_secs(T + 6.101) == 0


def test_however_many_of_them_are_late_the_round_trip_stays():
    ear = primed(round_trip=0.1)
    for second in range(5, 45):
        speak(ear, 1, T + second)
        ear.echo(T + second + 0.9, ear.place_mark(T + second + 0.5))
    assert ear.round_trip_secs == pytest.approx(0.1)


def test_a_mark_that_has_nothing_to_prove_is_not_waited_for():
    ear = new_ear()
    name = ear.place_mark(T)
    assert ear.cap(T + 10) == inf
    assert not ear.echo(T + 0.3, name)
    assert (ear.round_trip_secs, ear.marks_returned, ear.marks_lost) == (ASSUMED, 0, 0)


def test_a_mark_whose_run_is_forgotten_proves_that_it_was_heard_all_the_same():
    ear = new_ear()
    speak(ear, 100)
    speak(ear, 100, T + 10)
    speak(ear, 100, T + 20)
    assert ear.echo(T + 20, place_at(ear, 150))
    assert ear.floor == 150
    assert ear.echo(T + 20, place_at(ear, 200))
    assert ear.round_trip_secs == ASSUMED


# A mark is overdue


def overdue():
    """An ear whose mark behind 100 of 1,000 samples is expected at 0.2 s."""
    ear = primed(round_trip=0.1)
    speak(ear, 100)
    name = ear.place_mark(T)
    speak(ear, 900)
    ear._marked = ear.sent  # no mark is due but for asking again
    return ear, name


LATE = 0.2 + OVERDUE_SECS  # when it is overdue


def test_a_mark_that_is_late_by_jitter_caps_nothing():
    ear, _ = overdue()
    assert ear.cap(T + LATE - 0.001) == inf
    assert not ear.mark_due(T + LATE - 0.001)


def test_from_an_overdue_mark_on_belief_stands_still():
    ear, _ = overdue()
    there = 20 + 300
    assert ear.playhead(T + LATE - 0.01) == there - 10
    assert ear.cap(T + LATE + 0.001) == pytest.approx(there, abs=1)
    assert ear.playhead(T + LATE + 0.5) == pytest.approx(there, abs=1)


def test_an_overdue_mark_is_asked_for_again():
    ear, _ = overdue()
    assert ear.mark_due(T + LATE + 0.001)
    ear.place_mark(T + LATE + 0.001)
    assert not ear.mark_due(T + LATE + ASK_AGAIN_SECS)
    assert ear.mark_due(T + LATE + 0.002 + ASK_AGAIN_SECS)


def test_it_is_not_asked_for_right_behind_another_mark():
    ear, _ = overdue()
    ear.place_mark(T + LATE)
    assert not ear.mark_due(T + LATE + 0.001)


def test_the_answer_settles_the_overdue_mark():
    ear, _ = overdue()
    again = ear.place_mark(T + 0.9)
    assert ear.cap(T + 1) < inf
    assert ear.echo(T + 1, again)
    assert ear.cap(T + 1) == inf
    assert ear.confirmed


def test_the_cap_is_never_below_the_floor():
    ear = primed()
    speak(ear, 100)
    ear.echo(T + 0.1, ear.place_mark(T))
    ear.forget()
    ear.place_mark(T)
    assert ear.cap(T + 0.5) >= ear.floor


def test_a_mark_behind_what_was_played_is_overdue_by_the_time_it_was_placed():
    ear = primed(round_trip=0.1)
    speak(ear, 100)
    ear.place_mark(T + 5)
    assert ear.cap(T + 5.1 + OVERDUE_SECS - 0.001) == inf
    assert ear.cap(T + 5.1 + OVERDUE_SECS + 0.001) < inf


# A mark is lost


def test_a_lost_mark_caps_no_more():
    ear, _ = overdue()
    assert ear.cap(T + 0.2 + LOST_SECS - 0.001) < inf
    assert ear.marks_lost == 0
    assert ear.cap(T + 0.2 + LOST_SECS) == inf
    assert ear.marks_lost == 1
    assert ear.marks_reliable


def test_it_is_counted_once():
    ear, _ = overdue()
    for _ in range(3):
        ear.cap(T + 0.2 + LOST_SECS)
    assert ear.marks_lost == 1


def unreliable():
    """An ear that has just lost as many marks as it takes not to trust them."""
    ear = primed(round_trip=0.1)
    speak(ear, 3000)
    names = [place_at(ear, position) for position in (100, 200, 300)[:LOST_IN_A_ROW]]
    return ear, names


def test_three_lost_in_a_row_leave_estimates_only():
    ear, _ = unreliable()
    at = T + 0.28 + 0.1 + LOST_SECS
    ear.cap(at - 0.02)
    assert ear.marks_reliable
    ear.cap(at)
    assert not ear.marks_reliable
    place_at(ear, 400)
    assert ear.cap(T + 2.1) == inf
    assert ear.playhead(T + 2.1) == 20 + 2050
    assert not ear.mark_due(T + 2.1)


def test_with_estimates_only_marks_are_placed_once_an_interval_all_the_same():
    ear, _ = unreliable()
    ear.cap(T + 10)
    ear.place_mark(T + 10)
    speak(ear, 200, T + 10)
    assert ear.mark_due(T + 10)


def test_one_echo_is_enough_to_trust_marks_again():
    ear, _ = unreliable()
    ear.cap(T + 2.5)
    ear.echo(T + 2.7, ear.place_mark(T + 2.6))
    assert ear.marks_reliable
    assert ear.marks_lost == 3


def test_lost_marks_with_an_echo_between_them_are_not_in_a_row():
    ear = primed(round_trip=0.1)
    for second in range(0, 30, 3):
        speak(ear, 100, T + second)
        ear.place_mark(T + second)
        ear.cap(T + second + 2)
        speak(ear, 100, T + second + 2)
        ear.echo(T + second + 2.2, ear.place_mark(T + second + 2))
    assert ear.marks_lost == 10
    assert ear.marks_reliable


def test_an_echo_that_comes_after_its_mark_was_lost_still_counts():
    ear, names = unreliable()
    ear.cap(T + 2.5)
    assert ear.echo(T + 2.5, names[1])
    assert ear.floor == 200
    assert (ear.marks_lost, ear.marks_returned) == (2, 2)
    assert ear.marks_reliable
    assert heard(ear, 3020) == pytest.approx(3 + 2.5 - 0.18 - 0.05)


def test_an_echo_that_comes_long_after_it_tells_nothing():
    ear, names = unreliable()
    ear.cap(T + 5)
    ear.place_mark(T + 0.38 + FORGOTTEN_SECS)  # the last one is not yet forgotten
    assert not ear.echo(T + 11, names[1])
    assert ear.echo(T + 11, names[2])


# Audio is booked


def booked(secs=0.1, samples=500):
    ear = primed(round_trip=0.1)
    speak(ear, 100)
    ear.forget()
    for _ in range(0, samples, 100):
        ear.book(T + secs, 100)
    return ear


def test_booked_audio_is_heard_from_its_time_on():
    ear = booked()
    assert ear.booked_for == T + 0.1
    assert heard(ear, 120, START) == 0.15
    assert heard(ear, 620) == 0.65
    assert ear.playhead(T + 0.14) == 120


def test_no_mark_is_due_before_the_one_behind_it():
    ear = booked()
    assert not ear.mark_due(T)
    assert not ear.mark_due(T + 0.1)


def test_a_mark_that_leaves_before_booked_audio_proves_nothing_of_it():
    ear = booked()
    ear.echo(T + 0.15, ear.place_mark(T + 0.05))
    assert ear.floor == 120
    assert ear.booked_for == T + 0.1


def test_none_of_it_is_believed_heard_before_a_mark_has_followed_it():
    ear = booked()
    assert ear.playhead(T + 0.5) == ear.cap(T + 0.5) == 120
    ear.place_mark(T + 0.1)
    assert ear.playhead(T + 0.5) == 120 + 350
    assert ear.cap(T + 0.5) == inf


def test_nor_is_it_unheard_for_ever():
    ear = booked()
    assert ear.playhead(T + 0.09 + LOST_SECS) == 120
    assert ear.playhead(T + 0.11 + LOST_SECS) == 620


def test_the_mark_behind_booked_audio_proves_that_it_was_heard():
    ear = booked()
    name = ear.place_mark(T + 0.1)
    assert ear.booked_for == -inf
    assert ear.echo(T + 0.7, name)
    assert ear.confirmed


def test_the_mark_behind_booked_audio_tells_when_it_has_left():
    ear = booked()
    ear.place_mark(T + 0.4)
    assert heard(ear, 120, START) == 0.45


def test_only_the_first_mark_behind_it_does():
    ear = booked()
    ear.place_mark(T + 0.1)
    ear.place_mark(T + 0.4)
    assert heard(ear, 120, START) == 0.15


# All is cleared


def test_after_a_clear_all_that_was_sent_is_settled():
    ear = primed()
    speak(ear, 500)
    name = ear.place_mark(T)
    ear.forget()
    assert ear.confirmed
    assert ear.floor == ear.playhead(T) == ear.sent == 520
    assert ear.ahead_secs(T) == 0
    assert not ear.echo(T + 0.1, name)
    assert ear.marks_lost == 0


def test_after_a_clear_of_what_was_booked_nothing_is_booked():
    ear = booked()
    ear.forget()
    assert ear.booked_for == -inf


def test_after_a_clear_the_round_trip_is_still_known():
    ear = primed(round_trip=0.3)
    ear.forget()
    assert ear.round_trip_secs == pytest.approx(0.3)


def test_after_a_clear_the_next_audio_is_a_new_run_with_a_mark():
    ear = primed(round_trip=0.1)
    speak(ear, 500)
    ear.forget()
    assert not ear.mark_due(T)
    start = speak(ear, 20, T + 0.1)
    assert start == 520
    assert heard(ear, start, START) == 0.15
    assert ear.mark_due(T + 0.1)


# Drift and memory


@pytest.mark.parametrize("ppm", [-200, 200])
def test_an_hour_of_drift_in_one_run_is_followed(ppm):
    ear = primed(round_trip=0.1)
    waiting = []
    for tenth in range(36_000):
        now = T + tenth / 10
        while waiting and waiting[0][0] <= now:
            ear.echo(*waiting.pop(0))
        while ear.ahead_secs(now) < 0.5:
            speak(ear, 100, now)
            played = T + (ear.sent - 20) / 1000 * (1 + ppm * 1e-6)
            waiting.append((played + 0.1, ear.place_mark(now)))
        # What is noise, and what it drifts by while 3 echoes come.
        assert abs(ear.heard_at(ear.sent) - (played + 0.05)) < 0.01 + 0.0005
    assert structures(ear) < 60
    assert ear.underruns == 0


@pytest.mark.parametrize("pause", [0, 1])
def test_memory_is_bounded_when_no_mark_ever_returns_for_hours(pause):
    ear = new_ear()
    now = T
    for _ in range(3600):
        for _ in range(2):
            speak(ear, 500, now)
            if ear.mark_due(now):
                ear.place_mark(now)
            now += 0.5
        now += pause
    assert ear.playhead(now + 1) == ear.sent
    assert structures(ear) < 60
    assert ear.marks_lost > 7000
