"""The figures of a call, from observations made by hand."""

import numpy as np
import pytest

from pipecat_wavix.emulator.events import (
    Began,
    Ended,
    Pressed,
    Received,
    Sent,
    Sound,
    StepBegan,
)
from pipecat_wavix.emulator.summary import Measure, Spell, audible_samples
from pipecat_wavix.phoneline import Cleared, MarkPlayed, Step, Underrun
from pipecat_wavix.protocol import (
    Clear,
    Connected,
    MarkName,
    PlaceMark,
    PlayMedia,
    PlayPayload,
    Rejected,
    Start,
)

START = 50.0


def pcm(*spans, level=5000):
    """20 ms that are audible in the given spans of samples."""
    samples = np.zeros(480, "<i2")
    for first, end in spans:
        samples[first:end] = level
    return samples.tobytes()


LOUD, QUIET = pcm((0, 480)), bytes(960)


def measured(*observations):
    measure = Measure()
    for observation in (Began(START, "call", "stream"), *observations):
        measure.observe(observation)
    return measure.summary()


def sound(number, said=QUIET, heard=QUIET, bot_samples=None):
    samples = 480 * bool(heard.strip(b"\0")) if bot_samples is None else bot_samples
    at = START + number * 0.02
    return Sound(at, said, heard, Step(at, heard, samples, ()))


def sounds(picture):
    """A picture of both sides, 20 ms a column: the caller's line over the bot's."""
    caller, bot = picture
    return [
        sound(n, LOUD if c == "c" else QUIET, LOUD if b == "b" else QUIET)
        for n, (c, b) in enumerate(zip(caller, bot, strict=True))
    ]


def test_a_call_without_anything_has_no_figures():
    summary = measured()
    assert (summary.call_id, summary.stream_id) == ("call", "stream")
    assert (summary.secs, summary.end_reason, summary.first_answer_secs) == (0, "", None)


def test_the_length_and_the_reason_are_those_of_the_end():
    summary = measured(Ended(START + 12.5, "the caller hung up"))
    assert (summary.secs, summary.end_reason) == (12.5, "the caller hung up")


def test_messages_are_counted_by_event_kind_and_fate():
    media = PlayMedia(media=PlayPayload(payload=b"\0\0"))
    summary = measured(
        Sent(START, Connected(), "sent"),
        Sent(START, Connected(), "lost"),
        Sent(START, Connected(), "unread"),
        Received(START, media, "used"),
        Received(START, media, "irregular"),
        Received(START, PlaceMark(mark=MarkName(name="m")), "used"),
        Received(START, Clear(), "other_stream"),
        Received(START, Rejected("not_json", ""), "rejected"),
    )
    assert summary.sent == {"connected": 1}
    assert summary.unsent == {"lost": 1, "unread": 1}
    assert summary.received == {"media": 2, "mark": 1, "clear": 1}
    assert summary.rejected == {"not_json": 1}
    assert summary.fates == {"used": 2, "irregular": 1, "other_stream": 1, "rejected": 1}


def start_of(stream_type):
    return Start(call_id="call", stream_id=stream_type, stream_type=stream_type)


def test_messages_are_counted_of_the_twoway_streams_if_there_are_any():
    observations = [
        Began(START, "call", ""),
        Sent(START, Connected(), "sent", "a"),
        Sent(START, start_of("oneway"), "sent", "a"),
        Received(START, Clear(), "oneway", "a"),
        Sent(START, Connected(), "sent", "b"),
        Sent(START, start_of("twoway"), "sent", "b"),
        Received(START, Clear(), "used", "b"),
        Sent(START, Connected(), "sent", "c"),
        Sent(START, start_of("twoway"), "closed", "c"),
    ]
    measure = Measure()
    for observation in observations:
        measure.observe(observation)
    summary = measure.summary()
    assert summary.stream_id == "b"
    assert summary.sent == {"connected": 2, "start": 1}
    assert summary.unsent == {"closed": 1}
    assert (summary.received, summary.fates) == ({"clear": 1}, {"used": 1})


def test_messages_are_counted_of_all_oneway_streams_if_there_are_no_others():
    summary = measured(
        Sent(START, start_of("oneway"), "sent", "a"),
        Sent(START, start_of("oneway"), "sent", "b"),
        Received(START, Clear(), "oneway", "b"),
        Received(START, Rejected("not_json", ""), "rejected", "b"),
    )
    assert summary.stream_id == "stream"
    assert summary.sent == {"start": 2}
    assert (summary.fates, summary.rejected) == ({"oneway": 1, "rejected": 1}, {"not_json": 1})


def test_what_has_no_figure_changes_none():
    assert measured(Pressed(START, "1")) == measured()


def test_marks_and_underruns_are_counted():
    summary = measured(
        MarkPlayed(START, "a", cleared=False),
        MarkPlayed(START, "b", cleared=False),
        MarkPlayed(START, "c", cleared=True),
        Underrun(START, 0.1),
        Underrun(START, 0.25),
    )
    assert (summary.marks_played, summary.marks_cleared) == (2, 1)
    assert (summary.underruns, summary.underrun_secs) == (2, pytest.approx(0.35))


def test_speech_is_counted_in_whole_steps():
    summary = measured(*sounds(("cc.c.....", ".....bb..")))
    assert summary.caller_secs == pytest.approx(0.06)
    assert summary.bot_secs == pytest.approx(0.04)


# Answers


def test_an_answer_is_timed_from_sample_to_sample():
    summary = measured(
        sound(0, said=pcm((100, 300))),
        *(sound(n) for n in range(1, 50)),
        sound(50, heard=pcm((240, 480))),
    )
    assert summary.answers_secs == (pytest.approx(1.0 - 60 / 24_000),)
    assert summary.first_answer_secs == summary.answers_secs[0]


def test_each_turn_has_its_answer():
    gap = "." * 20
    summary = measured(
        *sounds(("c" + gap + ".." + gap + "c" + gap, "." + gap + "bb" + gap + "." + gap))
    )
    assert len(summary.answers_secs) == 1
    summary = measured(
        *sounds(
            ("c" + gap + ".." + gap + "c" + ".." + ".", "." + gap + "bb" + gap + "." + ".." + "b")
        )
    )
    assert summary.answers_secs == pytest.approx((0.4, 0.04))


def test_a_bot_that_speaks_again_has_answered_once():
    quiet = "." * 30
    summary = measured(*sounds(("c." + quiet + ".", ".b" + quiet + "b")))
    assert summary.answers_secs == pytest.approx((0.0,))


def test_a_greeting_answers_nobody():
    assert measured(*sounds(("....c", ".bbb."))).answers_secs == ()


def test_a_bot_that_talks_on_while_the_caller_speaks_has_not_answered():
    assert measured(*sounds(("...cc.....", "bbbbbbbbbb"))).answers_secs == ()


def test_a_gap_between_words_is_no_answer():
    quiet = "." * 14
    summary = measured(*sounds((".c." + quiet, "bb" + quiet + "b")))
    assert summary.answers_secs == ()


def test_a_pause_makes_an_answer():
    quiet = "." * 16
    summary = measured(*sounds((".c." + quiet, "bb" + quiet + "b")))
    assert summary.answers_secs == pytest.approx((0.32,))


def test_a_turn_is_timed_from_its_last_word():
    quiet = "." * 30
    summary = measured(*sounds(("c" + quiet + "c" + "...", "." + quiet + "." + "..b")))
    assert summary.answers_secs == pytest.approx((0.04,))


# Clears


def cleared(number, arrived, samples=4800):
    return Cleared(START + number * 0.02, samples, START + arrived)


def test_a_clear_is_timed_to_the_last_sound_before_it_took_effect():
    picture = sounds(("........", "bbbbb..."))
    (times,) = measured(*picture[:5], cleared(5, 0.03), *picture[5:]).clears
    assert times.arrived_secs == pytest.approx(0.03)
    assert times.to_silence_secs == pytest.approx(0.07)
    assert times.barge_in_to_silence_secs is None
    assert times.samples == 4800


def test_a_clear_while_the_bot_is_silent_takes_no_time():
    picture = sounds(("........", "bb......"))
    (times,) = measured(*picture[:6], cleared(6, 0.06), *picture[6:]).clears
    assert times.to_silence_secs == 0


def test_a_clear_before_the_bot_ever_spoke_takes_no_time():
    (times,) = measured(cleared(0, 0.0), sound(0)).clears
    assert times.to_silence_secs == 0


def test_the_legs_echo_of_what_was_cleared_is_still_heard():
    (times,) = measured(
        sound(0, heard=LOUD), cleared(1, 0.0), sound(1, heard=pcm((0, 48)), bot_samples=0)
    ).clears
    assert times.to_silence_secs == pytest.approx(0.022)


def test_new_audio_right_behind_a_clear_is_not_the_old():
    (times,) = measured(sound(0, heard=LOUD), cleared(1, 0.0), sound(1, heard=LOUD)).clears
    assert times.to_silence_secs == pytest.approx(0.02)


def test_a_barge_in_is_timed_from_the_callers_first_sample():
    picture = sounds(("..cccc..", "bbbbbb.."))
    (times,) = measured(*picture[:6], cleared(6, 0.07), *picture[6:]).clears
    assert times.to_silence_secs == pytest.approx(0.05)
    assert times.barge_in_to_silence_secs == pytest.approx(0.08)


def test_a_clear_long_after_the_caller_spoke_is_no_barge_in():
    picture = sounds(("c" + "." * 60, "b" * 61))
    (times,) = measured(*picture[:60], cleared(60, 1.15), picture[60]).clears
    assert times.barge_in_to_silence_secs is None


def test_a_clear_that_arrived_before_the_caller_spoke_is_no_barge_in():
    picture = sounds(("..cc", "bbb."))
    (times,) = measured(*picture[:3], cleared(3, 0.03), picture[3]).clears
    assert times.barge_in_to_silence_secs is None


# Audibility


@pytest.mark.parametrize(("level", "audible"), [(327, None), (328, (7, 9)), (-328, (7, 9))])
def test_a_sample_of_one_hundredth_of_full_scale_is_audible(level, audible):
    assert audible_samples(pcm((7, 9), level=level)) == audible


def test_the_most_negative_sample_is_audible():
    assert audible_samples(pcm((0, 1), level=-32_768)) == (0, 1)


def test_who_spoke_when_counts_from_the_start_and_a_short_pause_is_within():
    pause = " " * 20
    summary = measured(*sounds(("cc" + " " * 28, "  bb  bb" + pause + "bb")))
    assert summary.caller_spells == (Spell(pytest.approx(0), pytest.approx(0.04)),)
    assert summary.bot_spells == (
        Spell(pytest.approx(0.04), pytest.approx(0.16)),
        Spell(pytest.approx(0.56), pytest.approx(0.60)),
    )


def test_the_steps_of_a_script_are_told_with_their_times():
    summary = measured(StepBegan(START, 1), StepBegan(START + 1.5, 2))
    assert summary.steps == ((1, 0.0), (2, 1.5))
