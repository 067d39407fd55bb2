"""What a call leaves on disk."""

import json
import os
import signal
import subprocess
import sys
import wave

import numpy as np
import pytest

from pipecat_wavix import __version__
from pipecat_wavix.emulator.events import (
    Began,
    Ended,
    NetworkChanged,
    Notified,
    Pressed,
    Received,
    Requested,
    Sent,
    Sound,
    StepBegan,
)
from pipecat_wavix.emulator.network import NetworkSettings
from pipecat_wavix.emulator.recording import Recording
from pipecat_wavix.phoneline import Cleared, MarkPlayed, Step, Underrun
from pipecat_wavix.protocol import (
    Clear,
    Connected,
    Media,
    MediaPayload,
    PlayMedia,
    PlayPayload,
    Rejected,
    Start,
)

URL = "wss://user:password@bot.example:8443/calls/TOKEN?key=TOKEN"
START = 77.0


def record(folder, *observations):
    with Recording(folder, URL, {"leg": "clean"}) as recording:
        for observation in (Began(START, "c", "s"), *observations):
            recording.observe(observation)
    return recording


def lines(recording):
    return [json.loads(line) for line in recording.trace_path.read_text().splitlines()]


def frame(value):
    return np.full(480, value, "<i2").tobytes()


def sound(number, said, heard):
    at = START + number * 0.02
    return Sound(at, frame(said), frame(heard), Step(at, frame(heard), 480, (range(480),)))


def both_sides(path):
    with wave.open(str(path)) as wav:
        assert wav.getparams()[:3] == (2, 2, 24_000)
        return np.frombuffer(wav.readframes(wav.getnframes()), "<i2").reshape(-1, 2).T


def test_the_caller_is_on_the_left_and_what_the_caller_heard_on_the_right(tmp_path):
    recording = record(tmp_path, *(sound(n, 100 + n, 200 + n) for n in range(120)))
    left, right = both_sides(recording.wav_path)
    np.testing.assert_array_equal(left, np.repeat(np.arange(100, 220), 480))
    np.testing.assert_array_equal(right, np.repeat(np.arange(200, 320), 480))


def test_a_call_without_sound_leaves_a_recording_without_length(tmp_path):
    assert both_sides(record(tmp_path).wav_path).size == 0


def test_the_trace_begins_with_its_format_and_the_calls_settings(tmp_path):
    header = lines(record(tmp_path))[0]
    assert header.pop("started").endswith("+00:00")
    assert header == {
        "trace": 1,
        "version": __version__,
        "url": "wss://bot.example:8443",
        "settings": {"leg": "clean"},
    }


def test_no_secret_of_the_url_is_written(tmp_path):
    text = record(tmp_path).trace_path.read_text()
    assert "TOKEN" not in text
    assert "password" not in text


def test_a_message_to_the_bot_is_traced_without_its_audio(tmp_path):
    payload = MediaPayload(payload=bytes(960), track="inbound", timestamp=160, chunk=1)
    media = Media(media=payload, call_id="c", stream_id="s", sequence_number=2, event_time="T")
    assert lines(record(tmp_path, Sent(START + 1.5, media, "sent")))[1] == {
        "t": 1.5,
        "dir": "to_bot",
        "fate": "sent",
        "message": {
            "event": "media",
            "media": {"payload": 960, "track": "inbound", "timestamp": 160, "chunk": 1},
            "call_id": "c",
            "stream_id": "s",
            "sequence_number": 2,
            "event_time": "T",
        },
    }


def test_a_traced_message_has_the_fields_that_are_their_defaults_too(tmp_path):
    start = Start(call_id="c", stream_id="s", sequence_number=1, event_time="T")
    message = lines(record(tmp_path, Sent(START, start, "sent")))[1]["message"]
    assert (message["stream_type"], message["channel"]) == ("twoway", "inbound")


def test_a_message_from_the_bot_is_traced_with_its_fate(tmp_path):
    payload = bytes(636) + b"\x00\x80\xff\x7f"
    media = PlayMedia(media=PlayPayload(payload=payload), stream_id="other")
    traced = lines(
        record(tmp_path, Received(START, media, "other_stream"), Received(START, Clear(), "used"))
    )
    assert traced[1] == {
        "t": 0,
        "dir": "from_bot",
        "fate": "other_stream",
        "peak": 32768,
        "message": {"event": "media", "media": {"payload": 640}, "stream_id": "other"},
    }
    assert traced[2]["message"] == {"event": "clear"}


def test_a_rejected_message_is_traced_with_what_was_wrong(tmp_path):
    rejected = Received(START, Rejected("bad_audio", "3 bytes"), "rejected")
    assert lines(record(tmp_path, rejected))[1]["message"] == {
        "kind": "bad_audio",
        "reason": "3 bytes",
    }


def test_the_lines_events_are_traced(tmp_path):
    traced = lines(
        record(
            tmp_path,
            MarkPlayed(START + 1, "m", cleared=True),
            Cleared(START + 2.06, 480, START + 2),
            Underrun(START + 3, 1 / 3),
            Ended(START + 4, "the caller hung up"),
        )
    )[1:]
    assert traced == [
        {"t": 1, "dir": "line", "event": "mark_played", "name": "m", "cleared": True},
        {"t": 2.06, "dir": "line", "event": "cleared", "samples": 480, "arrived": 2},
        {"t": 3, "dir": "line", "event": "underrun", "secs": 0.333333},
        {"t": 4, "dir": "line", "event": "ended", "reason": "the caller hung up"},
    ]


def test_a_key_is_traced(tmp_path):
    assert lines(record(tmp_path, Pressed(START + 1, "#")))[1] == {
        "t": 1,
        "dir": "line",
        "event": "pressed",
        "key": "#",
    }


def test_a_step_of_a_script_and_another_network_are_traced(tmp_path):
    network = NetworkSettings(delay_ms=300, mark_loss=0.3, seed=7)
    traced = lines(record(tmp_path, StepBegan(START, 3), NetworkChanged(START + 1, network)))[1:]
    assert traced == [
        {"t": 0, "dir": "line", "event": "step", "number": 3},
        {"t": 1, "dir": "line", "event": "network", "delay_ms": 300, "jitter_ms": 0, "loss": 0}
        | {"mark_loss": 0.3, "mark_double": 0, "seed": 7},
    ]


def test_the_accounts_requests_and_webhooks_are_traced_also_before_the_call(tmp_path):
    answer = "POST /v1/calls/{id}/answer"
    traced = lines(
        record(
            tmp_path,
            Notified(START - 1, "ringing", "number", None, 5),
            Requested(START - 0.5, answer, 200, 0.0123456789),
        )
    )[1:]
    assert traced == [
        {"t": -1, "dir": "webhook", "event": "ringing", "scope": "number"}
        | {"status": None, "secs": 5},
        {"t": -0.5, "dir": "rest", "route": answer, "status": 200, "secs": 0.012346},
    ]


def test_only_the_messages_of_a_calls_later_streams_name_their_stream(tmp_path):
    traced = lines(
        record(
            tmp_path,
            Sent(START, Connected(), "sent", "a"),
            Sent(START, Connected(), "sent", "b"),
            Received(START, Clear(), "used", "a"),
            Received(START, Rejected("not_json", ""), "rejected", "b"),
        )
    )[1:]
    assert [line.get("stream") for line in traced] == [None, "b", None, "b"]


def test_times_have_six_digits(tmp_path):
    text = record(tmp_path, Ended(START + 1 / 3, "")).trace_path.read_text()
    assert text.splitlines()[1].startswith('{"t":0.333333,')


def test_sound_is_not_traced(tmp_path):
    assert len(lines(record(tmp_path, sound(0, 1, 2)))) == 1


def test_an_older_recording_is_written_over(tmp_path):
    record(tmp_path, sound(0, 1, 2), Ended(START, "first"))
    recording = record(tmp_path)
    assert len(lines(recording)) == 1
    assert both_sides(recording.wav_path).size == 0


def test_the_folder_is_made(tmp_path):
    assert record(tmp_path / "calls" / "today").wav_path.exists()


def test_closing_twice_does_nothing(tmp_path):
    recording = record(tmp_path, sound(0, 1, 2))
    recording.close()
    assert both_sides(recording.wav_path).shape == (2, 480)


def test_a_folder_that_cannot_be_written_is_an_os_error(tmp_path):
    (tmp_path / "recording.wav").mkdir()
    with pytest.raises(OSError, match=r"recording\.wav"):
        Recording(tmp_path, URL, {})


def test_a_killed_process_leaves_what_it_recorded_but_for_the_last_second(tmp_path):
    code = f"""
import os, signal, sys
sys.path.insert(0, {os.path.dirname(__file__)!r})
from pathlib import Path
from test_emulator_recording import Began, Ended, Recording, START, sound
recording = Recording(Path({str(tmp_path)!r}), "ws://bot", {{}})
recording.observe(Began(START, "c", "s"))
recording.observe(Ended(START, "early"))
for n in range(130):
    recording.observe(sound(n, n, -n))
os.kill(os.getpid(), signal.SIGKILL)
"""
    run = subprocess.run([sys.executable, "-c", code], check=False)
    assert run.returncode == -signal.SIGKILL
    left, _ = both_sides(tmp_path / "recording.wav")
    assert len(left) >= 80 * 480
    np.testing.assert_array_equal(left, np.repeat(np.arange(len(left) // 480), 480))
    assert '"reason":"early"' in (tmp_path / "trace.jsonl").read_text()
