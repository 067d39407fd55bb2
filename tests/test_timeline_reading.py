"""Files become a timeline, or an error that says which file and line are to blame."""

import json
import random
import wave
from datetime import datetime, timedelta

import numpy as np
import pytest
from fabricated import BEGAN, STREAM, Fabricated, bots_half, tone
from hypothesis import given, settings, strategies as st

from pipecat_wavix.emulator.events import Notified, Pressed, Received, Requested
from pipecat_wavix.phoneline import LineSettings, Underrun
from pipecat_wavix.protocol import Clear, PlayMedia, PlayPayload
from pipecat_wavix.timeline import merging, read_timeline, reading, traces
from pipecat_wavix.timeline.sound import embedded


def a_call(**changes):
    return Fabricated(8.0, **changes).plays(0.1, 1.0).says(2.0, 3.0).plays(3.6, 1.5)


def spans(*expected):
    return [pytest.approx(span, abs=0.002) for span in expected]


# What was said and heard


def test_speech_is_found_on_both_sides_to_the_sample(tmp_path):
    timeline = read_timeline(a_call().left_in(tmp_path))
    assert timeline.caller_spells == spans((2.0, 3.0))
    assert timeline.heard_spells == spans((0.1, 1.1), (3.6, 5.1))
    assert timeline.secs == 8.0
    assert timeline.ended == "the caller hung up"


def test_pauses_within_speech_do_not_part_it_and_longer_ones_do(tmp_path):
    made = Fabricated(5.0).says(0.5, 1.0).says(1.2, 2.0).says(2.4, 3.0)
    assert read_timeline(made.left_in(tmp_path)).caller_spells == spans((0.5, 2.0), (2.4, 3.0))


def test_speech_across_the_blocks_in_which_a_recording_is_read_stays_whole(tmp_path):
    made = Fabricated(22.0).says(9.5, 10.5).says(19.5, 20.0).plays(20.2, 1)
    assert read_timeline(made.left_in(tmp_path)).caller_spells == spans((9.5, 10.5), (19.5, 20.0))


def test_what_comes_after_a_clear_is_new_speech_however_soon(tmp_path):
    made = Fabricated(8.0).plays(0.1, 4.0).says(2.0, 2.5).clears(2.4).plays(2.6, 1.0)
    assert read_timeline(made.left_in(tmp_path)).heard_spells == spans((0.1, 2.46), (2.6, 3.6))


def test_each_answer_has_its_latency(tmp_path):
    made = a_call().says(5.8, 6.5).plays(7.3, 0.5)
    turns = read_timeline(made.left_in(tmp_path)).turns
    assert [turn.secs for turn in turns] == [
        pytest.approx(0.6, abs=0.01),
        pytest.approx(0.8, abs=0.01),
    ]


def test_a_barge_in_has_its_clear_and_its_end(tmp_path):
    made = Fabricated(8.0).plays(0.1, 4.0).says(2.0, 3.0).clears(2.4).plays(3.6, 1.0)
    ((barge_in,)) = read_timeline(made.left_in(tmp_path)).barge_ins
    assert barge_in.at_secs == pytest.approx(2.0, abs=0.002)
    assert barge_in.cleared == 2.4
    assert barge_in.until == pytest.approx(2.46, abs=0.01)


def test_what_happened_beside_the_line_is_sorted_in(tmp_path):
    made = a_call().clears(6.0)
    made.observes(-0.2, Notified(BEGAN - 0.2, "ringing", "number", 200, 0.1))
    made.observes(-0.1, Requested(BEGAN - 0.1, "POST /v1/calls/{id}/answer", 200, 0.02))
    made.observes(1.5, Pressed(BEGAN + 1.5, "5"))
    timeline = read_timeline(made.left_in(tmp_path))
    assert [message.event for message in timeline.webhooks] == ["ringing"]
    assert [message.event for message in timeline.rest] == ["POST /v1/calls/{id}/answer"]
    assert timeline.keys == [(1.5, "5")]
    assert [clear.samples for clear in timeline.clears] == [0]
    assert [mark.name for mark in timeline.marks][:2] == ["m10", "m21"]
    assert not any(mark.cleared for mark in timeline.marks)
    assert [m.at_secs for m in timeline.messages] == sorted(m.at_secs for m in timeline.messages)


# When the line played what was sent


@settings(max_examples=40, deadline=None)
@given(data=st.data(), keeps=st.booleans())
def test_what_is_worked_out_to_be_heard_is_what_the_line_has_played(tmp_path_factory, data, keeps):
    seed = data.draw(st.integers(0, 10**6))
    chance = random.Random(seed)
    made = Fabricated(6.0, line=LineSettings(media_during_clear="keep" if keeps else "drop"))
    at, level = 0.1, 1000
    levels = {}
    while at < 5.5:
        frames = chance.randint(1, 40)
        for n in range(frames):
            level += 10
            due = round(at + n * chance.choice([0, 0.01, 0.02]), 3)
            pcm = np.full(480, level, "<i2").tobytes()
            made.sent.append((due, PlayMedia(media=PlayPayload(payload=pcm)), "used"))
            levels[level] = due
        if chance.random() < 0.6:
            made.sent.append((at + chance.random() * 0.6, Clear(), "used"))
        at += chance.random() * 1.2
    timeline = read_timeline(made.left_in(tmp_path_factory.mktemp("call")))
    with wave.open(str(timeline.recording)) as wav:
        heard = np.frombuffer(wav.readframes(wav.getnframes()), "<i2")[1::2]
    for piece in timeline.pieces:
        played = np.flatnonzero(heard == piece.peak)
        assert piece.heard_until - piece.starts == pytest.approx(len(played) / 24_000, abs=1e-6)
        if len(played):
            assert piece.starts == pytest.approx(played[0] / 24_000, abs=1e-6)
        else:
            assert piece.cleared or piece.ends > timeline.secs


def test_the_networks_delay_is_added_as_it_was_at_the_time(tmp_path):
    made = Fabricated(4.0)
    trace = made.plays(0.1, 0.04).plays(1.1, 0.04).left_in(tmp_path, network={"delay_ms": 100})
    with trace.open("a") as file:
        file.write('{"t":1,"dir":"line","event":"network","delay_ms":300}\n')
    starts = [piece.starts for piece in read_timeline(trace).pieces]
    assert starts == pytest.approx([0.2, 0.22, 1.4, 1.42])


def test_a_lost_message_keeps_its_place_and_is_not_played(tmp_path):
    made = Fabricated(3.0).plays(0.1, 0.06)
    at, message, _ = made.sent[1]
    made.sent[1] = (at, message, "lost")
    pieces = read_timeline(made.left_in(tmp_path)).pieces
    assert [piece.position for piece in pieces] == [0, 480, 960]
    assert [round(piece.ends - piece.starts, 3) for piece in pieces] == [0.02, 0, 0.02]


def test_each_stream_counts_its_own_audio(tmp_path):
    made = Fabricated(3.0).plays(0.1, 0.04)
    media = made.sent[0][1]
    made.observes(1.0, Received(BEGAN + 1.0, media, "used", "stream-2"))
    pieces = read_timeline(made.left_in(tmp_path)).pieces
    assert [(piece.stream, piece.position) for piece in pieces] == [
        *((STREAM, 0), (STREAM, 480)),
        ("stream-2", 0),
    ]


# The bot's half


@pytest.mark.parametrize(("there", "back"), [(0.0, 0.0), (0.05, 0.05), (0.2, 0.2)])
def test_both_halves_are_merged_whatever_the_bots_clock_shows(tmp_path, there, back):
    trace = a_call().left_in(tmp_path)
    lines = [(0.12, "started", {}), (1.12, "stopped", {}), (3.62, "started", {})]
    lines += [(0.05, "stopped", {}), (1.2, "interrupted", {"clear": False})]
    bot = bots_half(trace, tmp_path / "b.jsonl", *lines, offset=-4321.5, there=there, back=back)
    timeline = read_timeline(trace, bot_trace=bot)
    assert timeline.believed_spells == spans((0.12, 1.12), (3.62, 8.0))
    assert timeline.merged_within_secs == pytest.approx((there + back) / 2, abs=0.001)


def test_delay_that_differs_by_direction_costs_half_of_the_difference(tmp_path):
    trace = a_call().left_in(tmp_path)
    bot = bots_half(trace, tmp_path / "b.jsonl", (0.12, "started", {}), there=0.1, back=0.02)
    ((start, _),) = read_timeline(trace, bot_trace=bot).believed_spells
    assert start == pytest.approx(0.12 - 0.04, abs=0.001)


def test_a_bot_that_only_listened_is_merged_by_what_it_got(tmp_path):
    trace = Fabricated(4.0).says(1.0, 2.0).left_in(tmp_path)
    bot = bots_half(trace, tmp_path / "b.jsonl", (1.5, "stall", {"secs": 0.3}), there=0)
    (stall,) = read_timeline(trace, bot_trace=bot).stalls
    assert (stall.at_secs, stall.secs) == (pytest.approx(1.5, abs=0.001), 0.3)


def test_a_bot_that_got_nothing_is_merged_by_what_it_sent(tmp_path):
    trace = a_call().left_in(tmp_path)
    bot = bots_half(trace, tmp_path / "b.jsonl", (1.5, "stall", {"secs": 0.3}), back=0)
    kept = [line for line in bot.read_text().splitlines() if "to_bot" not in line]
    bot.write_text("\n".join(kept) + "\n")
    (stall,) = read_timeline(trace, bot_trace=bot).stalls
    assert stall.at_secs == pytest.approx(1.5, abs=0.001)


def test_what_never_arrived_and_what_is_no_message_help_no_merging(tmp_path):
    trace = a_call().left_in(tmp_path)
    bot = bots_half(trace, tmp_path / "b.jsonl", (1.5, "stall", {"secs": 0.3}), there=0, back=0)
    lines = trace.read_text().splitlines()
    lost = next(n for n, line in enumerate(lines) if '"to_bot"' in line and '"media"' in line)
    lines[lost] = lines[lost].replace('"sent"', '"lost"')
    wrong = {"kind": "not_json", "reason": "DecodeError"}
    lines.append(json.dumps({"t": 1.0, "dir": "from_bot", "fate": "rejected", "message": wrong}))
    trace.write_text("\n".join(lines) + "\n")
    (stall,) = read_timeline(trace, bot_trace=bot).stalls
    assert stall.at_secs == pytest.approx(1.5, abs=0.001)


def test_words_know_whether_they_were_heard(tmp_path):
    made = Fabricated(8.0).plays(0.1, 4.0, lead=10).says(2.0, 3.0).clears(2.4).plays(3.6, 1.0)
    trace = made.left_in(tmp_path)
    words = [
        (0.2 + at / 100, "words", {"heard": True, "position": round(secs * 24_000), "letters": 1})
        for at, secs in enumerate([0, 2.2, 2.44, 2.7, 4.2, 9])
    ]
    timeline = read_timeline(trace, bot_trace=bots_half(trace, tmp_path / "b.jsonl", *words))
    assert [word.heard for word in timeline.words] == [True, True, True, False, True, False]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"side": "line"}, 'no "side": "bot"'),
        ({"stream": "another"}, "no message in common"),
    ],
)
def test_the_half_of_another_call_is_refused(tmp_path, change, message):
    trace = a_call().left_in(tmp_path)
    bot = bots_half(trace, tmp_path / "b.jsonl", **change)
    with pytest.raises(ValueError, match=rf"b\.jsonl: .*{message}"):
        read_timeline(trace, bot_trace=bot)


def test_the_half_of_a_call_of_another_id_is_refused(tmp_path):
    trace = a_call().left_in(tmp_path)
    bot = bots_half(trace, tmp_path / "b.jsonl", call="call-2")
    with pytest.raises(ValueError, match="it is of call call-2, the line's half of call-1: give"):
        read_timeline(trace, bot_trace=bot)


@pytest.mark.parametrize(("later", "word"), [(-40, "early by 40.0 s"), (7, "late by 7.0 s")])
def test_the_half_of_an_earlier_or_later_call_of_the_same_ids_is_refused(tmp_path, later, word):
    trace = a_call().left_in(tmp_path)
    began = json.loads(trace.read_text().splitlines()[0])["started"]
    started = (datetime.fromisoformat(began) + timedelta(seconds=later - 100)).isoformat()
    bot = bots_half(trace, tmp_path / "b.jsonl", started=started)
    with pytest.raises(ValueError, match=word) as error:
        read_timeline(trace, bot_trace=bot)
    assert f"it began at {started}, and the line's half at {began}" in str(error.value)
    assert "another call's: give the other half of the same call" in str(error.value)


def test_when_a_call_was_begun_is_told_best_by_the_start_of_its_stream(tmp_path):
    trace = a_call().left_in(tmp_path)  # which took 20 s to dial, say
    lines = trace.read_text().splitlines()
    began = json.loads(lines[0])["started"]
    answered = (datetime.fromisoformat(began) + timedelta(seconds=20)).isoformat()
    lines = [
        line.replace('"event":"start"', f'"event":"start","event_time":"{answered}"')
        for line in lines
    ]
    trace.write_text("\n".join(lines) + "\n")
    bot = bots_half(trace, tmp_path / "b.jsonl", started=answered, offset=0.0)
    assert read_timeline(trace, bot_trace=bot).merged_within_secs is not None
    bot = bots_half(trace, tmp_path / "b.jsonl", offset=0.0)
    with pytest.raises(ValueError, match="too early by 20"):
        read_timeline(trace, bot_trace=bot)


@pytest.mark.parametrize("started", [None, 7, "yesterday", "9999-12-31T23:59:59+00:00x"])
def test_a_half_that_does_not_tell_when_it_began_is_believed(tmp_path, started):
    trace = a_call().left_in(tmp_path)
    bot = bots_half(trace, tmp_path / "b.jsonl", started=started, call=None)
    assert read_timeline(trace, bot_trace=bot).merged_within_secs is not None


def test_a_time_without_a_zone_is_in_utc(tmp_path):
    trace = a_call().left_in(tmp_path)
    began = json.loads(trace.read_text().splitlines()[0])["started"]
    bot = bots_half(trace, tmp_path / "b.jsonl", started=began.partition("+")[0], offset=0.0)
    assert read_timeline(trace, bot_trace=bot).merged_within_secs is not None


def test_halves_whose_messages_come_before_they_were_sent_are_of_two_calls(tmp_path):
    trace = a_call().left_in(tmp_path)
    bot = bots_half(trace, tmp_path / "b.jsonl", there=-0.4, back=-0.4)
    with pytest.raises(ValueError, match=r"would have come 0\.8 s before they were sent"):
        read_timeline(trace, bot_trace=bot)


def test_messages_of_which_the_bots_half_misses_some_are_not_told_by_their_order(tmp_path):
    trace = a_call().left_in(tmp_path)
    bot = bots_half(trace, tmp_path / "b.jsonl", (1.5, "stall", {"secs": 0.3}))
    lines = bot.read_text().splitlines()
    sent = [n for n, line in enumerate(lines) if '"from_bot"' in line and "media" in line]
    for n in reversed(sent[:20]):
        del lines[n]
    bot.write_text("\n".join(lines) + "\n")
    (stall,) = read_timeline(trace, bot_trace=bot).stalls
    assert stall.at_secs == pytest.approx(1.5, abs=0.001)


def test_the_bots_half_alone_is_refused(tmp_path):
    bot = bots_half(a_call().left_in(tmp_path), tmp_path / "b.jsonl")
    with pytest.raises(ValueError, match="the bot's half of a trace: give the line's too"):
        read_timeline(bot)


# Broken files

HEADER = '{"trace": 1}\n'


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("", 1, "no header"),
        ("{}\n", 1, "no header"),
        ('{"trace": 2}\n', 1, "no header"),
        ("hello\n", 1, "not JSON"),
        ("hello", 1, "not JSON"),
        ("[1]\n", 1, "not an object"),
        (HEADER + "{\n" + "{}\n", 2, "not JSON"),
        (HEADER + "[" * 100_000 + "\n", 2, "not JSON"),
        (HEADER + "{}\n", 2, "'t' is missing"),
        (HEADER + '{"t": 1}\n', 2, "'dir' is missing"),
        (HEADER + '{"t": 1, "dir": "up"}\n', 2, "dir is 'up'"),
        (HEADER + '{"t": NaN, "dir": "line", "event": "x"}\n', 2, "nan is more than a call"),
        (HEADER + '{"t": "1", "dir": "line", "event": "x"}\n', 2, "'1' is not a number"),
        (HEADER + '{"t": true, "dir": "line", "event": "x"}\n', 2, "True is not a number"),
        (HEADER + '{"t": 1e12, "dir": "line", "event": "x"}\n', 2, "more than a call can have"),
        (HEADER + '{"t": 1%s, "dir": "line", "event": "x"}\n' % ("0" * 400), 2, "more than a call"),
        (HEADER + '{"t": 1, "dir": "line"}\n', 2, "'event' is missing"),
        (HEADER + '{"t": 1, "dir": "line", "event": "cleared"}\n', 2, "'arrived' is missing"),
        (HEADER + '{"t": 1, "dir": "line", "event": "underrun", "secs": {}}\n', 2, "not a number"),
        (HEADER + '{"t": 1, "dir": "rest", "route": "x", "secs": "y"}\n', 2, "not a number"),
        (HEADER + '{"t": 1, "dir": "to_bot"}\n', 2, "'message' is missing"),
        (HEADER + '{"t": 1, "dir": "to_bot", "message": 7}\n', 2, "no attribute"),
        (HEADER + '{"t": 1, "dir": "to_bot", "message": {"event": "media"}}\n', 2, "'media'"),
        *(
            (
                HEADER
                + json.dumps(
                    {"t": 1, "dir": "from_bot", "message": {"event": "media", "media": media}}
                )
                + "\n",
                2,
                "",
            )
            for media in ({}, [], {"payload": -1}, {"payload": "A"}, {"payload": 2**40})
        ),
    ],
)
def test_a_broken_trace_is_named_with_its_line(tmp_path, text, where, what):
    a_call().left_in(tmp_path)
    trace = tmp_path / "trace.jsonl"
    trace.write_text(text)
    with pytest.raises(ValueError, match=rf"trace\.jsonl:{where}: .*{what}"):
        read_timeline(trace)


def test_a_time_that_no_call_lasts_is_refused(tmp_path):
    trace = a_call().left_in(tmp_path)
    trace.write_text(HEADER + '{"t": 1e7, "dir": "line", "event": "x"}\n')
    with pytest.raises(ValueError, match="no call is so long"):
        read_timeline(trace)


def test_the_trace_of_a_killed_process_is_read_up_to_its_broken_end(tmp_path):
    trace = a_call().left_in(tmp_path)
    text = trace.read_text()
    trace.write_text(text[: text.index('"ended"') + 3])
    timeline = read_timeline(trace)
    assert timeline.ended == ""
    assert timeline.secs == pytest.approx(8.0, abs=0.03)


@pytest.mark.parametrize("params", [(1, 2, 24_000), (2, 1, 24_000), (2, 2, 8_000)])
def test_another_kind_of_recording_is_refused(tmp_path, params):
    trace = a_call().left_in(tmp_path)
    with wave.open(str(tmp_path / "recording.wav"), "wb") as wav:
        wav.setparams((*params, 0, "NONE", ""))
        wav.writeframes(bytes(400))
    with pytest.raises(ValueError, match=r"recording\.wav: another kind of WAV file"):
        read_timeline(trace)


@pytest.mark.parametrize("data", [b"RIFF", b"hello, this is no WAV file at all, is it?"])
def test_what_is_no_recording_is_refused(tmp_path, data):
    trace = a_call().left_in(tmp_path)
    (tmp_path / "recording.wav").write_bytes(data)
    with pytest.raises(ValueError, match=r"recording\.wav: .*give the stereo recording"):
        read_timeline(trace)


def test_a_recording_that_ends_within_a_frame_is_read_up_to_there(tmp_path):
    trace = a_call().left_in(tmp_path)
    recording = tmp_path / "recording.wav"
    recording.write_bytes(recording.read_bytes()[: 44 + 4 * 60_000 + 3])
    assert read_timeline(trace).caller_spells == spans((2.0, 2.5))


def silent(recording):
    with wave.open(str(recording), "wb") as wav:
        wav.setparams((2, 2, 24_000, 0, "NONE", ""))


@pytest.mark.parametrize(
    "lost", [lambda path: path.unlink(), lambda path: path.write_bytes(b""), silent]
)
def test_a_call_without_a_recording_is_read_from_its_trace(tmp_path, lost):
    trace = a_call().left_in(tmp_path)
    lost(tmp_path / "recording.wav")
    timeline = read_timeline(trace)
    assert (timeline.recorded_secs, timeline.known_secs) == (None, 0)
    assert timeline.secs == 8.0
    assert timeline.caller_spells == timeline.heard_spells == []
    assert len(timeline.pieces) == 125


def test_without_a_recording_and_an_end_the_last_message_on_the_line_is_the_last(tmp_path):
    (tmp_path / "trace.jsonl").write_text(
        HEADER
        + '{"t": 3.5, "dir": "line", "event": "pressed", "key": "5"}\n'
        + '{"t": 9, "dir": "webhook", "event": "completed"}\n'
    )
    assert read_timeline(tmp_path / "trace.jsonl").secs == 3.5


# Too much


def test_a_line_that_is_too_long_is_left_out_and_the_next_one_is_read(tmp_path):
    trace = a_call().left_in(tmp_path)
    lines = trace.read_text().splitlines()
    long = json.dumps({"t": 1, "dir": "line", "event": "pressed", "key": "5" * 3_000_000})
    trace.write_text("\n".join([lines[0], long, *lines[1:]]) + "\n")
    timeline = read_timeline(trace)
    assert timeline.left_out == {"lines of more than 256 KB": 1}
    assert timeline.keys == []
    assert timeline.ended == "the caller hung up"


def test_a_header_that_is_too_long_is_no_header(tmp_path):
    trace = a_call().left_in(tmp_path)
    trace.write_text(json.dumps({"trace": 1, "more": "x" * 3_000_000}) + "\n")
    with pytest.raises(ValueError, match=r"trace\.jsonl:1: not JSON") as error:
        read_timeline(trace)
    assert len(str(error.value)) < 500


def test_lines_beyond_the_last_that_is_read_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(traces, "MAX_LINES", 100)
    timeline = read_timeline(a_call().left_in(tmp_path))
    assert len(timeline.messages) == 99
    assert timeline.left_out["lines after the first 100"] > 100


def test_of_each_kind_of_thing_only_so_many_are_taken_in(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MOST_OF_A_KIND", 3)
    monkeypatch.setattr(merging, "_MOST", 3)
    made = a_call()
    for n in range(5):
        made.observes(1 + n / 10, Underrun(BEGAN + 1 + n / 10, 0.01))
        made.observes(2 + n / 10, Pressed(BEGAN + 2 + n / 10, "5"))
    trace = made.left_in(tmp_path)
    lines = [(1 + n / 10, "stall", {"secs": 0.1}) for n in range(4)]
    word = {"heard": True, "position": 0, "letters": 1}
    lines += [(1 + n / 10, "words", word) for n in range(5)]
    timeline = read_timeline(trace, bot_trace=bots_half(trace, tmp_path / "b.jsonl", *lines))
    assert len(timeline.underruns) == len(timeline.keys) == len(timeline.stalls) == 3
    assert timeline.left_out == {
        "underruns": 2,
        "keys": 2,
        "marks": len(timeline.pieces) // 10 - 3,
        "stalls": 1,
        "words": 2,
    }


# The sound in a report


def test_the_embedded_recording_is_both_sides_as_mu_law(tmp_path):
    timeline = read_timeline(a_call().left_in(tmp_path))
    data = embedded(timeline.recording)
    assert data[:4] == b"RIFF"
    assert data[20:24] == b"\x07\x00\x02\x00"  # mu-law, two channels
    assert int.from_bytes(data[24:28], "little") == 8_000
    assert int.from_bytes(data[4:8], "little") == len(data) - 8
    left, right = np.frombuffer(data[data.index(b"data") + 8 :], np.uint8).reshape(-1, 2).T
    expected = np.frombuffer(tone(1.0), "<i2")[::3]
    # Away from its ends, where the filter rings.
    sounds = _from_mu_law(left[16_000:24_000])[100:-100]
    np.testing.assert_allclose(sounds, expected[100:-100], rtol=0.04, atol=60)
    assert not _from_mu_law(right[16_000:24_000])[100:-100].any()


def _from_mu_law(codes):
    """G.711's decoder, by its table of segments."""
    codes = ~codes.astype(int) & 0xFF
    levels = (((codes & 0xF) << 3) + 0x84 << (codes >> 4 & 7)) - 0x84
    return np.where(codes & 0x80, -levels, levels)


def test_a_recording_without_sound_is_embedded_too(tmp_path):
    trace = Fabricated(0.02).left_in(tmp_path)
    timeline = read_timeline(trace)
    assert timeline.caller_spells == timeline.heard_spells == []
    assert embedded(timeline.recording)[:4] == b"RIFF"
