"""The emulated line, against times and samples worked out by hand."""

from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given, settings, strategies as st

from pipecat_wavix.phoneline import (
    Cleared,
    LineSettings,
    MarkPlayed,
    PhoneLine,
    Step,
    Underrun,
)

START = 100.0
STEP = 0.02
SAMPLE = 1 / 24_000


def voice(samples, first=1):
    """Samples that all differ, none of them silent: first, first + 1, ..."""
    return b"".join((first + n).to_bytes(2, "little") for n in range(samples))


def line(**changes):
    return PhoneLine(START, LineSettings(**changes))


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def heard(events):
    """What came from the bot, without the line's own silence."""
    return b"".join(step.pcm[: step.heard_samples * 2] for step in of(Step, events))


def positions(events):
    return [p for step in of(Step, events) for run in step.positions for p in run]


# Playing


def test_nothing_is_played_before_the_start():
    phone = line()
    phone.play(START - 1, voice(480))
    assert phone.advance(START - 0.001) == []
    assert phone.next_step_at == START


def test_audio_that_waits_at_the_start_is_heard_in_the_first_step():
    phone = line()
    phone.play(START - 1, voice(480))
    assert phone.advance(START) == [Step(START, voice(480), 480, (range(480),))]


def test_audio_that_arrives_exactly_at_a_step_is_in_time_for_it():
    phone = line()
    phone.play(START + STEP, voice(480))
    first, second = phone.advance(START + STEP)
    assert (first.heard_samples, second.heard_samples) == (0, 480)


def test_audio_that_arrives_just_after_a_step_waits_for_the_next():
    phone = line()
    phone.play(START + 1e-6, voice(480))
    first, second = phone.advance(START + STEP)
    assert (first.heard_samples, second.heard_samples) == (0, 480)


def test_a_step_without_audio_is_silence():
    assert line().advance(START) == [Step(START, bytes(960), 0, ())]


def test_a_step_with_too_little_audio_ends_in_silence():
    phone = line()
    phone.play(START, voice(100))
    (step,) = phone.advance(START)
    assert step == Step(START, voice(100) + bytes(760), 100, (range(100),))


def test_odd_sized_messages_join_without_a_seam():
    phone = line()
    for first in range(0, 960, 7):
        phone.play(START, voice(min(7, 960 - first), first + 1))
    events = phone.advance(START + STEP)
    assert heard(events) == voice(960)
    assert [step.positions for step in events] == [(range(480),), (range(480, 960),)]


def test_a_message_of_many_steps_is_cut_into_steps():
    phone = line()
    phone.play(START, voice(1000))
    assert [step.heard_samples for step in phone.advance(START + 2 * STEP)] == [480, 480, 40]


def test_an_empty_message_plays_nothing():
    phone = line()
    phone.play(START, b"")
    (step,) = phone.advance(START)
    assert step.heard_samples == 0


def test_an_odd_length_is_refused_with_the_way_out():
    with pytest.raises(ValueError, match=r"961 bytes.*2 bytes a sample; drop the message"):
        line().play(START, bytes(961))


def test_the_callers_buffer_may_be_reused_after_play():
    phone = line()
    buffer = bytearray(voice(480))
    phone.play(START, buffer)
    buffer[:] = bytes(960)
    assert heard(phone.advance(START)) == voice(480)


def test_steps_come_every_20_ms_for_hours_without_rounding():
    phone = line()
    phone._next_sample = 480 * 50 * 3600 * 10  # ten hours on
    assert phone.next_step_at == START + 36_000


def test_drift_makes_the_far_ends_steps_longer():
    phone = line(drift_ppm=200)
    steps = phone.advance(START + 100.02)
    assert steps[1].at == pytest.approx(START + 0.020004, abs=1e-9)
    assert len(steps) == 5001
    assert steps[5000].at == pytest.approx(START + 100.02, abs=1e-9)


def test_drift_moves_a_mark_within_a_step_too():
    phone = line(drift_ppm=-10_000)
    phone.play(START, voice(240))
    phone.mark(START, "m")
    (mark,) = of(MarkPlayed, phone.advance(START + STEP))
    assert mark.at == pytest.approx(START + 0.0099, abs=1e-9)


# Time and its order


def test_an_earlier_time_changes_nothing():
    phone = line()
    phone.advance(START + 1)
    assert phone.advance(START) == []


def test_what_arrives_in_the_settled_past_is_refused_with_the_way_out():
    phone = line()
    phone.advance(START + 1)
    with pytest.raises(ValueError, match=r"settled up to 101\.000000 s: hand arrivals over before"):
        phone.play(START + 0.999, b"")


def test_an_earlier_time_does_not_unsettle_what_is_settled():
    phone = line()
    phone.advance(START + 1)
    phone.advance(START)
    with pytest.raises(ValueError, match=r"settled up to 101\.000000"):
        phone.play(START + 0.5, b"")


def test_what_arrives_at_the_settled_moment_counts_as_just_after():
    phone = line()
    phone.advance(START)
    phone.play(START, voice(480))
    assert phone.advance(START + STEP)[0].heard_samples == 480


def test_arrivals_are_taken_in_order_of_time_not_of_calls():
    phone = line()
    phone.play(START + 0.002, voice(2, 3))
    phone.play(START + 0.001, voice(2, 1))
    assert heard(phone.advance(START + STEP)) == voice(4)


def test_arrivals_at_one_time_keep_the_order_of_calls():
    phone = line()
    phone.play(START, voice(2, 1))
    phone.play(START, voice(2, 3))
    assert heard(phone.advance(START)) == voice(4)


def test_the_next_event_is_the_next_step_if_nothing_else_is_due():
    phone = line()
    phone.advance(START)
    assert phone.next_event_at == phone.next_step_at == START + STEP


def test_the_next_event_is_a_mark_within_the_step_being_played():
    phone = line()
    phone.play(START, voice(120))
    phone.mark(START, "m")
    phone.advance(START)
    assert phone.next_event_at == START + 0.005
    assert phone.advance(START + 0.005) == [MarkPlayed(START + 0.005, "m", cleared=False)]


def test_the_next_event_is_an_arrival_to_come():
    phone = line()
    phone.advance(START)
    phone.mark(START + 0.013, "m")
    assert phone.next_event_at == START + 0.013


# Marks


def test_a_mark_is_played_when_its_last_sample_has_been():
    phone = line()
    phone.play(START, voice(480 + 7))
    phone.mark(START, "m")
    events = phone.advance(START + 1)
    assert of(MarkPlayed, events) == [MarkPlayed(START + 487 / 24_000, "m", cleared=False)]
    assert phone.stats.marks_played == 1


def test_a_mark_at_the_end_of_a_step_is_played_before_the_next_step():
    phone = line()
    phone.play(START, voice(480))
    phone.mark(START, "m")
    events = phone.advance(START + STEP)
    assert [type(event) for event in events] == [Step, MarkPlayed, Step]
    assert events[1].at == START + STEP


def test_a_mark_is_played_at_once_if_nothing_is_buffered():
    phone = line()
    phone.mark(START + 0.013, "m")
    (mark,) = of(MarkPlayed, phone.advance(START + 0.013))
    assert mark == MarkPlayed(START + 0.013, "m", cleared=False)


def test_a_mark_before_the_start_is_played_at_once_if_nothing_is_buffered():
    phone = line()
    phone.mark(START - 0.5, "m")
    assert phone.advance(START - 0.1) == [MarkPlayed(START - 0.5, "m", cleared=False)]


def test_a_mark_that_arrives_while_the_last_samples_sound_waits_for_them():
    phone = line()
    phone.play(START, voice(240))
    phone.advance(START)
    phone.mark(START + 0.004, "m")
    (mark,) = of(MarkPlayed, phone.advance(START + STEP))
    assert mark.at == START + 0.010


def test_a_mark_that_arrives_after_the_last_samples_sounded_waits_for_nothing():
    phone = line()
    phone.play(START, voice(240))
    phone.advance(START)
    phone.mark(START + 0.015, "m")
    (mark,) = of(MarkPlayed, phone.advance(START + STEP))
    assert mark.at == START + 0.015


def test_marks_come_back_in_order_each_after_its_own_audio():
    phone = line()
    for name in "abc":
        phone.play(START, voice(100))
        phone.mark(START, name)
    phone.mark(START, "d")
    marks = of(MarkPlayed, phone.advance(START + STEP))
    assert [(mark.name, round((mark.at - START) / SAMPLE)) for mark in marks] == [
        ("a", 100),
        ("b", 200),
        ("c", 300),
        ("d", 300),
    ]


# Clears


def test_a_clear_takes_effect_at_the_first_step_after_its_latency():
    phone = line()
    phone.play(START, voice(4800))
    phone.clear(START + 0.015)
    events = phone.advance(START + 1)
    assert of(Cleared, events) == [Cleared(START + 0.08, 4800 - 4 * 480, START + 0.015)]
    assert heard(events) == voice(4 * 480)
    assert (phone.stats.clears, phone.stats.cleared_samples) == (1, 4800 - 4 * 480)


def test_a_clear_whose_latency_ends_on_a_step_takes_effect_on_that_step():
    phone = PhoneLine(0.0)
    for step in range(200):
        phone.clear(step * STEP)
    landed = [cleared.at for cleared in of(Cleared, phone.advance(10))]
    assert landed == pytest.approx([(step + 3) * STEP for step in range(200)], abs=1e-9)


def test_a_clear_without_latency_takes_effect_at_the_next_step():
    phone = line(clear_latency_secs=0)
    phone.play(START, voice(4800))
    phone.clear(START + 0.001)
    events = phone.advance(START + 1)
    assert of(Cleared, events)[0].at == START + STEP
    assert heard(events) == voice(480)


def test_a_clear_of_nothing_clears_no_samples():
    phone = line()
    phone.clear(START)
    assert of(Cleared, phone.advance(START + 1)) == [Cleared(START + 0.06, 0, START)]


def test_marks_of_cleared_audio_are_returned_when_the_clear_takes_effect():
    phone = line()
    phone.play(START, voice(480))
    phone.mark(START, "heard")
    phone.play(START, voice(48_000))
    phone.mark(START, "cut")
    phone.clear(START)
    events = phone.advance(START + 1)
    assert of(MarkPlayed, events) == [
        MarkPlayed(START + STEP, "heard", cleared=False),
        MarkPlayed(START + 0.06, "cut", cleared=True),
    ]
    assert (phone.stats.marks_played, phone.stats.marks_cleared) == (1, 1)


def test_marks_of_cleared_audio_are_forgotten_if_so_set():
    phone = line(marks_on_clear="forget")
    phone.play(START, voice(48_000))
    phone.mark(START, "cut")
    phone.clear(START)
    assert of(MarkPlayed, phone.advance(START + 5)) == []
    assert (phone.stats.marks_cleared, phone.stats.marks_forgotten) == (0, 1)


def test_a_mark_whose_audio_ends_as_the_clear_takes_effect_was_played():
    phone = line()
    phone.play(START, voice(3 * 480))
    phone.mark(START, "m")
    phone.clear(START)
    events = phone.advance(START + 0.06)
    assert events[-3:-1] == [
        MarkPlayed(START + 0.06, "m", cleared=False),
        Cleared(START + 0.06, 0, START),
    ]


def test_audio_that_comes_while_a_clear_is_under_way_is_dropped_with_the_rest():
    phone = line()
    phone.play(START, voice(4800))
    phone.clear(START)
    phone.play(START + 0.03, voice(480))
    phone.mark(START + 0.03, "late")
    events = phone.advance(START + 1)
    assert of(Cleared, events)[0].samples == 4800 - 3 * 480 + 480
    assert of(MarkPlayed, events) == [MarkPlayed(START + 0.06, "late", cleared=True)]


def test_audio_that_comes_while_a_clear_is_under_way_is_kept_if_so_set():
    phone = line(media_during_clear="keep")
    phone.play(START, voice(4800))
    phone.mark(START, "old")
    phone.clear(START)
    phone.play(START, voice(480, 9000))
    phone.mark(START, "new")
    events = phone.advance(START + 1)
    assert of(Cleared, events)[0].samples == 4800 - 3 * 480
    assert heard(events) == voice(3 * 480) + voice(480, 9000)
    assert positions(events) == [*range(1440), *range(4800, 5280)]
    assert of(MarkPlayed, events) == [
        MarkPlayed(START + 0.06, "old", cleared=True),
        MarkPlayed(START + 0.08, "new", cleared=False),
    ]


def test_kept_audio_may_sound_before_the_clear_takes_effect():
    phone = line(media_during_clear="keep")
    phone.clear(START)
    phone.play(START + 0.001, voice(480))
    events = phone.advance(START + 1)
    assert of(Step, events)[1].heard_samples == 480
    assert of(Cleared, events)[0].samples == 0


def test_a_mark_left_without_audio_by_a_clear_is_played_at_once():
    phone = line(media_during_clear="keep")
    phone.play(START, voice(4800))
    phone.clear(START)
    phone.mark(START + 0.001, "new")
    marks = of(MarkPlayed, phone.advance(START + 1))
    assert marks == [MarkPlayed(START + 0.06, "new", cleared=False)]


def test_audio_after_a_clear_took_effect_is_heard():
    phone = line()
    phone.clear(START)
    phone.play(START + 0.0601, voice(480))
    assert heard(phone.advance(START + 1)) == voice(480)


def test_each_of_two_clears_takes_effect():
    phone = line()
    phone.play(START, voice(48_000))
    phone.clear(START)
    phone.clear(START + 0.03)
    cleared = of(Cleared, phone.advance(START + 1))
    assert cleared == [
        Cleared(START + 0.06, 48_000 - 3 * 480, START),
        Cleared(START + 0.1, 0, START + 0.03),
    ]


# Underruns


def gapped(gap_steps, **changes):
    """A step and a bit of voice, so many steps of nothing, and voice again."""
    phone = line(**changes)
    phone.play(START, voice(480 + 100))
    phone.play(START + STEP * (1.5 + gap_steps), voice(480))
    return phone, phone.advance(START + 2)


def test_a_gap_in_the_voice_is_an_underrun_to_the_sample():
    phone, events = gapped(3)
    (underrun,) = of(Underrun, events)
    assert underrun.at == START + 5 * STEP
    assert underrun.secs == pytest.approx((380 + 3 * 480) * SAMPLE, abs=1e-9)
    assert phone.stats.underruns == 1
    assert phone.stats.underrun_secs == underrun.secs


def test_an_underrun_is_reported_with_the_step_that_ends_it():
    _, events = gapped(3)
    index = events.index(of(Underrun, events)[0])
    assert events[index + 1].at == events[index].at
    assert events[index + 1].heard_samples == 480


def test_silence_before_the_first_voice_and_after_the_last_is_no_underrun():
    phone = line()
    phone.play(START + 0.1, voice(100))
    assert of(Underrun, phone.advance(START + 5)) == []


def test_a_gap_of_half_a_second_is_a_pause():
    phone = line()
    for at in (START, START + 0.52):
        phone.play(at, voice(480))
    assert of(Underrun, phone.advance(START + 2)) == []


def test_a_gap_of_just_under_half_a_second_is_an_underrun():
    phone = line()
    for at in (START, START + 0.5):
        phone.play(at, voice(480))
    assert of(Underrun, phone.advance(START + 2))[0].secs == pytest.approx(0.48)


def test_the_longest_underrun_can_be_set():
    assert of(Underrun, gapped(3, underrun_limit_secs=0.05)[1]) == []


def test_a_gap_with_a_clear_in_it_is_no_underrun():
    phone = line(clear_latency_secs=0)
    phone.play(START, voice(480))
    phone.clear(START + 0.03)
    phone.play(START + 0.1, voice(480))
    assert of(Underrun, phone.advance(START + 2)) == []


def test_voice_without_a_gap_is_no_underrun():
    phone = line()
    for step in range(50):
        phone.play(START + step * STEP, voice(480))
    assert of(Underrun, phone.advance(START + 2)) == []


def test_zeros_that_prime_the_line_do_not_make_a_gap():
    phone = line()
    phone.play(START, bytes(960))
    phone.play(START + 0.1, voice(480))
    assert of(Underrun, phone.advance(START + 2)) == []


def test_zeros_in_a_gap_are_not_counted_as_the_lines_silence():
    phone = line()
    phone.play(START, voice(480))
    phone.play(START + 2 * STEP, bytes(960))
    phone.play(START + 3 * STEP, voice(480))
    assert of(Underrun, phone.advance(START + 2))[0].secs == pytest.approx(STEP)


def test_zeros_that_fill_a_pause_count_towards_its_length():
    phone = line()
    phone.play(START, voice(480) + bytes(960 * 24))
    phone.play(START + 26 * STEP, voice(480))
    assert of(Underrun, phone.advance(START + 2)) == []


def test_each_gap_is_an_underrun_of_its_own():
    phone = line()
    for step in (0, 2, 5):
        phone.play(START + step * STEP, voice(480))
    secs = [underrun.secs for underrun in of(Underrun, phone.advance(START + 2))]
    assert secs == pytest.approx([STEP, 2 * STEP])


# The limit


def test_the_newest_audio_beyond_the_limit_is_dropped():
    phone = line(buffer_limit_secs=0.05)
    phone.play(START, voice(1000))
    phone.play(START, voice(1000, 5000))
    phone.play(START, voice(10, 9000))
    events = phone.advance(START)
    assert phone.buffered_samples == 1200 - 480
    events += phone.advance(START + 1)
    assert heard(events) == voice(1000) + voice(200, 5000)
    assert phone.stats.overflow_samples == 810
    assert phone.stats.arrived_samples == 2010


def test_a_step_tells_where_dropped_audio_is_missing():
    phone = line(buffer_limit_secs=0.03)
    phone.play(START, voice(800))
    phone.advance(START)
    phone.play(START + 0.01, voice(240))
    (step,) = phone.advance(START + STEP)
    assert step.positions == (range(480, 720), range(800, 1040))


# Settings


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clear_latency_secs": -0.1}, "clear_latency_secs is -0.1: give 0 or more"),
        ({"clear_latency_secs": float("nan")}, "clear_latency_secs is nan"),
        ({"media_during_clear": "hold"}, "'hold': give 'drop' or 'keep'"),
        ({"marks_on_clear": "lose"}, "'lose': give 'return' or 'forget'"),
        ({"buffer_limit_secs": 0}, "buffer_limit_secs is 0: give seconds above 0, or None"),
        ({"underrun_limit_secs": -1}, "underrun_limit_secs is -1: give 0 or more"),
        ({"drift_ppm": 10_001}, "drift_ppm is 10001: give -10000 to 10000"),
    ],
)
def test_a_setting_out_of_range_is_refused_with_the_way_out(changes, message):
    with pytest.raises(ValueError, match=message):
        LineSettings(**changes)


# Whatever a bot does

# A deadline would measure the machine.
wild = settings(deadline=None, max_examples=50)


@dataclass(frozen=True)
class Act:
    after: float
    what: object  # samples to play, "mark" or "clear"


ACTS = st.lists(
    st.builds(
        Act,
        st.sampled_from([0, 0, 0.001, 0.0137, 0.02, 0.06, 0.3]) | st.floats(0, 0.2),
        st.integers(0, 3000) | st.sampled_from(["mark", "mark", "clear"]),
    ),
    max_size=40,
)
SETTINGS = st.builds(
    LineSettings,
    clear_latency_secs=st.sampled_from([0.0, 0.05, 0.06, 0.1]),
    media_during_clear=st.sampled_from(["drop", "keep"]),
    marks_on_clear=st.sampled_from(["return", "forget"]),
    buffer_limit_secs=st.none() | st.floats(0.001, 0.2),
    drift_ppm=st.floats(-10_000, 10_000),
)


@dataclass
class Played:
    events: list
    phone: PhoneLine
    sent: int
    marks: dict  # name: (arrived at, samples sent before)


def perform(acts, line_settings, looks=()):
    """Do it all, looking at the line at `looks` in between; then wait until all is over."""
    phone = PhoneLine(START, line_settings)
    events, sent, marks, at = [], 0, {}, START - 0.1
    looks = sorted(looks)
    for act in acts:
        at += act.after
        while looks and looks[0] < at:
            events += phone.advance(looks.pop(0))
        if act.what == "mark":
            marks[f"m{len(marks)}"] = (at, sent)
            phone.mark(at, f"m{len(marks) - 1}")
        elif act.what == "clear":
            phone.clear(at)
        else:
            phone.play(at, voice(act.what, sent % 9000 + 1))
            sent += act.what
    events += phone.advance(at + 6)
    return Played(events, phone, sent, marks)


@wild
@given(ACTS, SETTINGS, st.lists(st.floats(START - 0.1, START + 3), max_size=30))
def test_it_does_not_matter_when_the_line_is_looked_at(acts, line_settings, looks):
    assert perform(acts, line_settings, looks).events == perform(acts, line_settings).events


@wild
@given(ACTS, SETTINGS)
def test_every_sample_is_played_cleared_or_dropped_and_none_twice(acts, line_settings):
    played = perform(acts, line_settings)
    stats = played.phone.stats
    assert stats.arrived_samples == played.sent
    assert stats.played_samples + stats.cleared_samples + stats.overflow_samples == played.sent
    assert played.phone.buffered_samples == 0
    where = positions(played.events)
    assert len(where) == stats.played_samples
    assert all(before < after for before, after in pairwise(where))


@wild
@given(ACTS, SETTINGS, st.floats(0, 1))
def test_samples_are_accounted_for_at_any_moment(acts, line_settings, after):
    phone = PhoneLine(START, line_settings)
    at, sent = START, 0
    for act in acts:
        at += act.after
        if isinstance(act.what, int):
            phone.play(at, voice(act.what))
            sent += act.what
        elif act.what == "clear":
            phone.clear(at)
    phone.advance(at + after)
    stats = phone.stats
    gone = stats.played_samples + stats.cleared_samples + stats.overflow_samples
    assert gone + phone.buffered_samples == stats.arrived_samples == sent


@wild
@given(ACTS, SETTINGS)
def test_the_caller_hears_at_each_position_what_the_bot_sent_there(acts, line_settings):
    played = perform(acts, line_settings)
    stream = b"".join(
        voice(act.what, sent % 9000 + 1)
        for act, sent in zip(acts, running_total(acts), strict=True)
        if isinstance(act.what, int)
    )
    for step in of(Step, played.events):
        there = b"".join(stream[2 * run.start : 2 * run.stop] for run in step.positions)
        assert step.pcm == there.ljust(960, b"\0")
        assert len(there) == 2 * step.heard_samples


def running_total(acts):
    total = 0
    for act in acts:
        yield total
        total += act.what if isinstance(act.what, int) else 0


@wild
@given(ACTS, SETTINGS)
def test_marks_return_once_in_order_and_never_before_their_audio(acts, line_settings):
    played = perform(acts, line_settings)
    returned = of(MarkPlayed, played.events)
    names = [mark.name for mark in returned]
    assert names == sorted(names, key=list(played.marks).index)
    assert len(names) == len(set(names))
    if line_settings.marks_on_clear == "return":
        assert names == list(played.marks)

    sample = SAMPLE * (1 + line_settings.drift_ppm * 1e-6)
    ends = {p: step.at + n * sample for step in of(Step, played.events) for n, p in numbered(step)}
    for mark in returned:
        arrived_at, before = played.marks[mark.name]
        assert mark.at >= arrived_at
        if not mark.cleared:
            # At once, or as soon as the last of its audio that was heard at all has ended.
            last_end = max((end for p, end in ends.items() if p < before), default=-1)
            assert mark.at >= last_end - 1e-9
            on_a_clear = any(event.at == mark.at for event in of(Cleared, played.events))
            assert on_a_clear or mark.at <= max(arrived_at, last_end) + 1e-9


def numbered(step):
    return enumerate((p for run in step.positions for p in run), 1)


@wild
@given(ACTS, SETTINGS)
def test_events_come_in_order_of_time_and_steps_without_a_gap(acts, line_settings):
    events = perform(acts, line_settings).events
    assert all(before.at <= after.at for before, after in pairwise(events))
    length = STEP * (1 + line_settings.drift_ppm * 1e-6)
    for number, step in enumerate(of(Step, events)):
        assert step.at == pytest.approx(START + number * length, abs=1e-9)
        assert len(step.pcm) == 960


@wild
@given(ACTS, SETTINGS)
def test_a_clear_takes_effect_on_the_first_step_not_before_its_latency(acts, line_settings):
    events = perform(acts, line_settings).events
    length = STEP * (1 + line_settings.drift_ppm * 1e-6)
    for clear in of(Cleared, events):
        earliest = clear.arrived_at + line_settings.clear_latency_secs
        assert clear.at >= earliest - 2e-9
        assert clear.at == START or clear.at < earliest + length + 2e-9
        assert clear.at in {step.at for step in of(Step, events)}


@wild
@given(st.integers(1, 2000))
def test_nothing_accumulates(samples):
    phone = line()
    for second in range(20):
        at = START + second
        phone.play(at, voice(samples))
        phone.mark(at, "m")
        phone.clear(at + 0.5)
        phone.advance(at + 0.999)
    kept = [phone._arrivals, phone._buffer, phone._clears, phone._due]
    assert [len(queue) for queue in kept] == [0, 0, 0, 0]
