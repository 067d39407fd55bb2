"""Each kind of trouble is found on its own, and a good call has none."""

import json
import wave

import numpy as np
import pytest
from fabricated import BEGAN, RATE, STREAM, Fabricated, bots_half, tone
from hypothesis import given, settings, strategies as st

from pipecat_wavix.emulator.events import Pressed, Received, Sent
from pipecat_wavix.phoneline import LineSettings, Underrun
from pipecat_wavix.protocol import Clear, Media, MediaPayload, Rejected
from pipecat_wavix.timeline import read_timeline, reading, verdicts
from pipecat_wavix.timeline.verdicts import KINDS


def a_good_call(secs=8.0, **changes):
    """A greeting, a question, its answer."""
    return Fabricated(secs, **changes).plays(0.1, 1.0).says(2.0, 3.0).plays(3.6, 1.5)


def judged(folder, made, *bot, **half):
    trace = made.left_in(folder)
    path = bots_half(trace, folder / "bot.jsonl", *bot, **half) if bot else None
    return read_timeline(trace, bot_trace=path).verdicts


def only(verdicts, kind):
    """The one verdict there is."""
    assert [verdict.kind for verdict in verdicts] == [kind], verdicts
    return verdicts[0]


def word(at, position, letters=5, heard=True, **fields):
    return at, "words", {"heard": heard, "position": position, "letters": letters, **fields}


def test_a_good_call_has_no_verdict(tmp_path):
    assert judged(tmp_path, a_good_call()) == []


def test_a_good_call_with_its_bots_half_has_no_verdict(tmp_path):
    half = [
        (0.1, "started", {}),
        (1.1, "stopped", {}),
        word(0.5, 7200),
        word(0.9, 100, heard=False),
    ]
    assert judged(tmp_path, a_good_call(), *half) == []


def test_a_good_barge_in_has_no_verdict(tmp_path):
    made = Fabricated(9).plays(0.1, 5.0).says(2.0, 3.2).clears(2.4).plays(3.9, 2.0)
    assert judged(tmp_path, made) == []


@pytest.mark.parametrize("lead", [0.1, 0.5, 10])
def test_how_far_ahead_a_bot_sends_is_no_trouble(tmp_path, lead):
    made = Fabricated(9).plays(0.1, 2.0, lead=lead).says(3.0, 4.0).plays(4.8, 3.0, lead=lead)
    assert judged(tmp_path, made) == []


# The goodbye


@pytest.mark.parametrize("reason", ["hung up by the account", "the bot closed the socket"])
def test_a_cut_goodbye_is_found_with_how_much_of_it_is_missing(tmp_path, reason):
    made = Fabricated(4.0, reason=reason).says(0.5, 1.5).plays(2.24, 2.0)
    verdict = only(judged(tmp_path, made), "cut_goodbye")
    assert verdict.bad
    assert verdict.at_secs == 4.0
    assert verdict.text.startswith("The goodbye was cut by 240 ms")


def test_a_goodbye_that_was_cut_in_a_pause_of_its_speech_is_found_too(tmp_path):
    made = Fabricated(4.0, reason="hung up by the account").says(0.5, 1.5)
    made.plays(2.0, 0, pcm=tone(1.0) + bytes(48_000 * 2) + tone(1.0), lead=10)
    assert "2000 ms" in only(judged(tmp_path, made), "cut_goodbye").text


def test_silence_behind_the_goodbye_may_be_cut(tmp_path):
    made = Fabricated(4.0, reason="hung up by the account").says(0.5, 1.5)
    made.plays(2.0, 0, pcm=tone(1.5) + bytes(48_000 * 2), lead=10)
    assert judged(tmp_path, made) == []


def test_a_goodbye_that_the_bot_itself_has_cleared_was_not_cut(tmp_path):
    made = (
        Fabricated(4.0, reason="hung up by the account")
        .says(0.5, 1.5)
        .plays(2.24, 2.0)
        .says(3.3, 3.9)
    )
    assert judged(tmp_path, made.clears(3.7)) == []


@pytest.mark.parametrize("reason", ["the caller hung up", "max_secs are over"])
def test_a_caller_who_hangs_up_on_a_bot_is_not_its_defect(tmp_path, reason):
    made = Fabricated(4.0, reason=reason).says(0.5, 1.5).plays(2.24, 2.0)
    assert not only(judged(tmp_path, made), "cut_goodbye").bad


# Silence


def test_dead_air_is_found_with_how_long_it_was(tmp_path):
    made = Fabricated(8).plays(0.1, 1.0).says(2.0, 3.0).plays(5.4, 1.0)
    verdict = only(judged(tmp_path, made), "dead_air")
    assert verdict.at_secs == pytest.approx(3.0, abs=0.01)
    assert "2.4 s" in verdict.text


def test_dead_air_until_the_caller_asks_again_or_hangs_up_is_found(tmp_path):
    made = Fabricated(9).plays(0.1, 1.0).says(2.0, 3.0).says(5.5, 6.0)
    found = judged(tmp_path, made)
    assert [verdict.kind for verdict in found] == ["dead_air", "dead_air"]
    assert all("no answer came" in verdict.text for verdict in found)


def test_dead_air_after_a_barge_in_counts_from_the_bots_silence(tmp_path):
    made = Fabricated(9).plays(0.1, 5.0).says(2.0, 2.3).clears(2.6).plays(5.5, 1.0)
    verdict = only(judged(tmp_path, made), "dead_air")
    assert verdict.at_secs == pytest.approx(2.67, abs=0.03)


def test_a_callers_own_pause_is_no_dead_air(tmp_path):
    made = Fabricated(20).plays(0.1, 1.0).says(7.0, 8.0).says(8.9, 9.5).plays(10.1, 1.0)
    assert judged(tmp_path, made) == []


def test_who_speaks_along_with_the_bot_was_not_kept_waiting(tmp_path):
    made = Fabricated(9).plays(0.1, 3.0).says(1.0, 1.5)
    assert judged(tmp_path, made) == []


def test_a_slow_answer_is_found(tmp_path):
    made = Fabricated(8).plays(0.1, 1.0).says(2.0, 3.0).plays(4.8, 1.0)
    verdict = only(judged(tmp_path, made), "slow_answer")
    assert "1800 ms" in verdict.text


@pytest.mark.parametrize("made", [Fabricated(8).says(1.0, 2.0), Fabricated(8)])
def test_a_bot_that_is_never_heard_is_found_once(tmp_path, made):
    assert "not heard once" in only(judged(tmp_path, made), "no_answer").text


# Interruptions


def test_a_clear_that_takes_longer_than_promised_is_found(tmp_path):
    made = Fabricated(9, line=LineSettings(clear_latency_secs=0.3))
    made.plays(0.1, 5.0).says(2.0, 3.2).clears(2.4).plays(3.9, 2.0)
    verdict = only(judged(tmp_path, made), "late_clear")
    assert verdict.at_secs == 2.4
    assert "300 ms" in verdict.text


def test_a_clear_that_takes_longer_is_not_late_where_nobody_spoke(tmp_path):
    made = a_good_call(line=LineSettings(clear_latency_secs=0.3)).clears(6.5)
    assert judged(tmp_path, made) == []


def test_a_clear_that_comes_late_after_the_caller_has_cut_in_is_found(tmp_path):
    made = Fabricated(9).plays(0.1, 5.0).says(2.0, 4.0).clears(3.3).plays(4.5, 2.0)
    verdict = only(judged(tmp_path, made), "late_clear")
    assert verdict.at_secs == pytest.approx(2.0, abs=0.01)
    assert "1300 ms after the caller cut in" in verdict.text


def test_a_bot_that_talks_over_the_caller_is_found(tmp_path):
    made = Fabricated(9).plays(0.1, 4.6).says(2.0, 4.4)
    verdict = only(judged(tmp_path, made), "talked_over")
    assert "2.4 s" in verdict.text


# What the bot believes


@pytest.mark.parametrize(("texts", "shown"), [(True, "“cut words”"), (False, "10 letters")])
def test_words_in_the_context_that_were_not_heard_are_found(tmp_path, texts, shown):
    made = Fabricated(9).plays(0.1, 5.0, lead=10).says(2.0, 3.2).clears(2.4).plays(3.9, 2.0)
    half = [
        word(0.2, 12_000, **{"text": "heard"} if texts else {}),
        word(2.41, 70_000, **{"text": "cut"} if texts else {}),
        word(2.42, 90_000, **{"text": "words"} if texts else {}),
    ]
    verdict = only(judged(tmp_path, made, *half), "unheard_words")
    assert shown in verdict.text
    assert verdict.at_secs == pytest.approx(2.41, abs=0.01)


def test_a_word_that_the_bot_has_dropped_was_rightly_not_heard(tmp_path):
    made = Fabricated(9).plays(0.1, 5.0, lead=10).says(2.0, 3.2).clears(2.4).plays(3.9, 2.0)
    assert judged(tmp_path, made, word(2.41, 90_000, heard=False)) == []


def test_a_word_whose_audio_was_never_sent_was_not_heard(tmp_path):
    assert only(judged(tmp_path, a_good_call(), word(5.0, 10**6)), "unheard_words").bad


# Stalls


def test_input_that_comes_in_bursts_is_found(tmp_path):
    made = a_good_call()
    made.silent = [(1.2, 1.61)]
    verdict = only(judged(tmp_path, made), "burst")
    assert verdict.at_secs == pytest.approx(1.18, abs=0.03)
    assert "no audio for 430 ms" in verdict.text or "no audio for 410 ms" in verdict.text


def test_input_that_is_missing_and_does_not_come_later_is_no_burst(tmp_path):
    trace = a_good_call().left_in(tmp_path)
    kept = [
        line
        for line in trace.read_text().splitlines()
        if not ('"to_bot"' in line and 1.2 < json.loads(line)["t"] < 1.6)
    ]
    trace.write_text("\n".join(kept) + "\n")
    assert read_timeline(trace).verdicts == []


def test_bursts_that_come_close_together_are_one_trouble(tmp_path):
    made = a_good_call()
    made.silent = [(1.2, 1.61), (2.0, 2.31), (5.0, 5.4)]
    found = judged(tmp_path, made)
    assert ["2 times" in verdict.text for verdict in found] == [True, False]


def test_an_underrun_is_found_with_its_length_and_its_cause(tmp_path):
    made = Fabricated(8).says(0.2, 1.0).plays(1.5, 3.0, lead=0.2, stalls=[(2.5, 3.02)])
    verdict = only(judged(tmp_path, made), "underrun")
    assert verdict.bad
    assert "a gap in the bot's speech, 320 ms in all: it had sent nothing for" in verdict.text


def test_an_underrun_is_laid_to_the_stall_that_the_bot_has_seen(tmp_path):
    made = Fabricated(8).says(0.2, 1.0).plays(1.5, 3.0, lead=0.2, stalls=[(2.5, 3.02)])
    verdict = only(judged(tmp_path, made, (3.02, "stall", {"secs": 0.52})), "underrun")
    assert verdict.text.endswith("its loop had stood still for 520 ms")


def test_an_underrun_of_a_bot_that_sent_in_time_is_laid_to_nothing(tmp_path):
    made = a_good_call().observes(4.0, Underrun(BEGAN + 4.0, 0.1))
    assert only(judged(tmp_path, made), "underrun").text.endswith("100 ms in all")


def test_a_stall_that_the_lead_covers_is_no_trouble(tmp_path):
    made = Fabricated(8).says(0.2, 1.0).plays(1.5, 3.0, lead=0.6, stalls=[(2.5, 3.02)])
    assert judged(tmp_path, made) == []


def test_a_gap_that_few_notice_is_no_defect(tmp_path):
    made = Fabricated(8).says(0.2, 1.0).plays(1.5, 3.0, lead=0.2, stalls=[(2.5, 2.71)])
    assert not only(judged(tmp_path, made), "underrun").bad


# Silence in mid-speech


def faded(secs):
    """Speech that was said to its end."""
    samples = np.frombuffer(tone(secs, 700), "<i2").astype(float)
    samples[-720:] *= np.linspace(1, 0, 720) ** 2
    return samples.astype("<i2").tobytes()


def cut_in_a_word(silent_secs):
    """A call in which the bot breaks off, and goes on; it sends 0.2 s ahead."""
    made = Fabricated(6 + silent_secs).says(0.2, 1.0)
    return made.plays(1.5, 3.0, lead=0.2, stalls=[(2.5, 2.7 + silent_secs)])


def says_twice(silent_secs, **changes):
    """A call in which the bot says one thing, and later another."""
    made = Fabricated(6 + silent_secs, **changes).says(0.2, 1.0)
    made.plays(1.5, 0, pcm=faded(1.5), lead=10)
    return made.plays(3.0 + silent_secs, 0, pcm=faded(1.0), lead=10)


@pytest.mark.parametrize("secs", [0.5, 0.8, 1.9])
def test_a_bot_that_falls_silent_in_the_middle_of_a_word_is_found(tmp_path, secs):
    verdict = only(judged(tmp_path, cut_in_a_word(secs)), "fell_silent")
    assert verdict.bad
    assert verdict.at_secs == pytest.approx(2.7, abs=0.03)
    assert f"fell silent for {secs * 1000:.0f} ms in mid-speech, in the middle of" in verdict.text
    assert "it had sent nothing for" in verdict.text


def test_a_shorter_silence_is_an_underrun_and_only_that(tmp_path):
    only(judged(tmp_path, cut_in_a_word(0.48)), "underrun")


def test_what_is_an_underrun_is_as_the_line_was_set(tmp_path):
    made = cut_in_a_word(0.3)
    made.line = LineSettings(underrun_limit_secs=0.25)
    trace = made.left_in(tmp_path, line={"underrun_limit_secs": 0.25})
    only(read_timeline(trace).verdicts, "fell_silent")


def test_what_was_cut_in_a_word_and_goes_on_much_later_may_be_another_thing(tmp_path):
    verdict = only(judged(tmp_path, cut_in_a_word(3.0)), "fell_silent")
    assert not verdict.bad
    assert "3000 ms" in verdict.text


@pytest.mark.parametrize("secs", [0.6, 1.9])
def test_two_sentences_with_a_pause_are_no_defect(tmp_path, secs):
    verdict = only(judged(tmp_path, says_twice(secs)), "fell_silent")
    assert not verdict.bad
    assert verdict.at_secs == pytest.approx(3.0, abs=0.03)
    assert "in mid-speech: it had sent nothing" in verdict.text


def test_a_bot_that_has_something_else_to_say_after_a_while_is_no_trouble(tmp_path):
    assert judged(tmp_path, says_twice(2.2)) == []


@pytest.mark.parametrize("secs", [0.8, 4.0])
def test_a_silence_in_which_the_bots_loop_stood_still_is_a_defect(tmp_path, secs):
    stall = (3.0 + secs, "stall", {"secs": secs + 0.3})
    verdict = only(judged(tmp_path, says_twice(secs), stall), "fell_silent")
    assert verdict.bad
    assert verdict.text.endswith(f"its loop had stood still for {secs * 1000 + 300:.0f} ms")


def test_a_stall_that_has_not_made_the_silence_is_no_reason(tmp_path):
    stall = (3.5, "stall", {"secs": 0.06})
    assert not only(judged(tmp_path, says_twice(1.0), stall), "fell_silent").bad


def test_with_jitter_or_drift_nobody_knows_whether_a_word_was_cut(tmp_path):
    for name, header in (
        ("jitter", {"network": {"jitter_ms": 20}}),
        ("drift", {"line": {"drift_ppm": 1}}),
    ):
        trace = cut_in_a_word(0.8).left_in(tmp_path / name, **header)
        assert not only(read_timeline(trace).verdicts, "fell_silent").bad


@pytest.mark.parametrize(
    "done",
    [
        lambda made: made.says(3.2, 3.6),
        lambda made: made.says(2.6, 3.1),
        lambda made: made.observes(3.3, Pressed(BEGAN + 3.3, "1")),
        lambda made: made.observes(2.5, Pressed(BEGAN + 2.5, "1")),
    ],
)
def test_a_pause_that_the_caller_may_have_made_is_no_trouble(tmp_path, done):
    assert judged(tmp_path, done(says_twice(0.9))) == []


def test_what_the_caller_did_before_the_bot_began_is_no_reason_to_fall_silent(tmp_path):
    made = Fabricated(6).says(0.2, 1.0).plays(1.3, 3.0, lead=0.2, stalls=[(1.4, 2.5)])
    assert only(judged(tmp_path, made), "fell_silent").bad


def test_a_pause_after_a_clear_is_no_trouble(tmp_path):
    made = Fabricated(8).says(0.2, 1.0).plays(1.5, 2.0, lead=10).clears(2.5)
    assert judged(tmp_path, made.plays(3.3, 1.0)) == []


def test_silence_that_the_bot_has_sent_is_its_own(tmp_path):
    made = Fabricated(8).says(0.2, 1.0)
    made.plays(1.5, 0, pcm=faded(1.0) + bytes(48_000) + faded(1.0))
    assert judged(tmp_path, made) == []


def test_a_prompt_that_is_played_meanwhile_is_no_silence(tmp_path):
    trace = cut_in_a_word(0.8).left_in(tmp_path)
    with wave.open(str(tmp_path / "recording.wav"), "rb") as wav:
        params, both = wav.getparams(), np.frombuffer(wav.readframes(wav.getnframes()), "<i2")
    both = both.copy()
    both[2 * 3 * RATE + 1 : 2 * 3 * RATE + RATE // 2 : 2] = 9000
    with wave.open(str(tmp_path / "recording.wav"), "wb") as wav:
        wav.setparams(params)
        wav.writeframes(both.tobytes())
    assert read_timeline(trace).verdicts == []


def test_what_another_stream_says_is_no_going_on(tmp_path):
    made = cut_in_a_word(0.8)
    kept = [each for each in made.sent if each[0] < 2.6]
    for at, message, fate in made.sent[len(kept) :]:
        made.observes(at, Received(BEGAN + at, message, fate, "stream-2"))
    trace = made.left_in(tmp_path)
    lines = trace.read_text().splitlines()
    first = [line for line in lines if '"stream":"stream-2"' in line]
    twice = [line for line in lines if '"from_bot"' in line and json.loads(line)["t"] > 2.6]
    trace.write_text("\n".join(x for x in lines if x not in twice or x in first) + "\n")
    assert read_timeline(trace).verdicts == []


def test_only_so_many_silences_are_looked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "_MOST_SILENCES", 1)
    made = cut_in_a_word(0.8).plays(6.1, 0.3)
    assert len(read_timeline(made.left_in(tmp_path)).silences) == 1


# What is not known


def without(trace, kind):
    lines = trace.read_text().splitlines()
    trace.write_text("\n".join(line for line in lines if f'"{kind}"' not in line) + "\n")
    return trace


def test_a_trace_without_an_end_is_not_said_to_be_of_a_good_call(tmp_path):
    timeline = read_timeline(without(a_good_call().left_in(tmp_path), "ended"))
    verdict = only(timeline.verdicts, "incomplete")
    assert verdict.text == "The trace stops at 8.00 s without an end of the call"
    assert not verdict.bad
    assert not timeline.passes


def test_a_trace_that_is_only_a_header_has_no_call(tmp_path):
    trace = a_good_call().left_in(tmp_path)
    trace.write_text(trace.read_text().splitlines()[0] + "\n")
    verdicts = read_timeline(trace).verdicts
    assert verdicts[0].text == "The trace has nothing but its header: there is no call in it"


def test_a_call_that_was_cancelled_has_no_end_of_its_own(tmp_path):
    made = Fabricated(4.0, reason="cancelled").says(0.5, 1.5).plays(2.24, 2.0)
    verdict = only(judged(tmp_path, made), "incomplete")
    assert "was cancelled at 4.00 s" in verdict.text


def cut_recording(folder, secs):
    recording = folder / "recording.wav"
    recording.write_bytes(recording.read_bytes()[: 44 + round(4 * secs * RATE)])


def test_a_recording_that_is_shorter_than_its_call_is_found(tmp_path):
    trace = a_good_call().left_in(tmp_path)
    cut_recording(tmp_path, 1.5)
    verdict = only(read_timeline(trace).verdicts, "incomplete")
    assert verdict.text == "The recording stops at 1.50 s, 6.50 s before the trace"
    assert verdict.at_secs == 1.5


@pytest.mark.parametrize(("secs", "count"), [(7.2, 1), (6.0, 2)])
def test_a_killed_process_may_not_have_written_its_last_second(tmp_path, secs, count):
    trace = without(a_good_call().left_in(tmp_path), "ended")
    cut_recording(tmp_path, secs)
    assert [v.kind for v in read_timeline(trace).verdicts] == ["incomplete"] * count


def test_a_call_without_a_recording_is_judged_by_its_trace_alone(tmp_path):
    trace = a_good_call().left_in(tmp_path)
    (tmp_path / "recording.wav").unlink()
    timeline = read_timeline(trace)
    verdict = only(timeline.verdicts, "incomplete")
    assert "no recording (recording.wav): what was said and heard is not known" in verdict.text
    assert not timeline.passes


def test_what_was_too_much_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MOST_OF_A_KIND", 3)
    verdict = only(judged(tmp_path, a_good_call()), "incomplete")
    assert verdict.text == "Too much to be looked at was left out: marks (9)"


def test_many_verdicts_of_one_kind_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(verdicts, "MOST_OF_A_KIND", 2)
    made = Fabricated(30)
    for at in range(1, 25, 5):
        made.plays(at, 0.5).says(at + 1.0, at + 2)
    found = judged(tmp_path, made)
    assert [verdict.kind for verdict in found] == ["dead_air"] * 3
    assert (found[2].text, found[2].bad) == ("... and 3 more of this kind", True)


def test_a_text_is_kept_short_and_does_nothing_to_a_terminal(tmp_path):
    words = word(5.0, 10**6, text="\x1b[31mred\u2028" + "x" * 1000)
    text = only(judged(tmp_path, a_good_call(), words), "unheard_words").text
    assert "“ [31mred xxx" in text
    assert len(text) == 300


# Messages


@pytest.mark.parametrize(
    ("message", "fate", "text"),
    [
        (Rejected("bad_audio", "3 bytes"), "rejected", "could not be understood (bad_audio)"),
        (Clear(stream_id="other"), "other_stream", "dropped without a word"),
        (Clear(), "oneway", "takes none"),
    ],
)
def test_messages_that_were_dropped_are_found_and_counted(tmp_path, message, fate, text):
    made = a_good_call()
    for at in (1.5, 5.5):
        made.observes(at, Received(BEGAN + at, message, fate, STREAM))
    verdict = only(judged(tmp_path, made), "dropped")
    assert verdict.text.startswith("2 messages from the bot")
    assert text in verdict.text
    assert verdict.at_secs == 1.5


def test_a_bot_that_has_stopped_reading_is_found(tmp_path):
    media = Media(media=MediaPayload(payload=bytes(960)), stream_id=STREAM, sequence_number=99)
    made = a_good_call().observes(5.0, Sent(BEGAN + 5.0, media, "unread", STREAM))
    assert "1 message for the bot" in only(judged(tmp_path, made), "dropped").text


# All of it


def test_every_kind_of_verdict_is_documented():
    from pathlib import Path

    guide = (Path(__file__).parent.parent / "docs" / "report.md").read_text()
    for kind in KINDS:
        assert f"| `{kind}` |" in guide


@settings(max_examples=30, deadline=None)
@given(
    greeting=st.floats(0.2, 2.0),
    patience=st.floats(0.4, 4.0),
    spoken=st.floats(0.4, 3.0),
    waits=st.floats(0.1, 1.4),
    answer=st.floats(0.3, 3.0),
    lead=st.floats(0.06, 5.0),
)
def test_no_call_in_turns_has_a_verdict(
    tmp_path_factory, greeting, patience, spoken, waits, answer, lead
):
    asked = 0.1 + greeting + patience
    answered = asked + spoken + waits
    made = Fabricated(round(answered + answer + 1.0, 2)).plays(0.1, greeting, lead=lead)
    made.says(asked, asked + spoken).plays(answered, answer, lead=lead)
    assert judged(tmp_path_factory.mktemp("call"), made) == []
