"""Each kind of trouble is found on its own, and a good call has none."""

import json

import pytest
from fabricated import BEGAN, STREAM, Fabricated, bots_half, tone
from hypothesis import given, settings, strategies as st

from pipecat_wavix.emulator.events import Received, Sent
from pipecat_wavix.phoneline import LineSettings, Underrun
from pipecat_wavix.protocol import Clear, Media, MediaPayload, Rejected
from pipecat_wavix.timeline import read_timeline
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


@pytest.mark.parametrize("reason", ["the caller hung up", "max_secs are over", "cancelled"])
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
