"""The examples, as a newcomer meets them: real processes, real sockets, real time."""

import json
import os
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np

EXAMPLES = Path(__file__).parent.parent / "examples"


def channels(path):
    with wave.open(str(path)) as recording:
        assert recording.getframerate() == 24_000
        assert recording.getnchannels() == 2
        audio = np.frombuffer(recording.readframes(recording.getnframes()), "<i2")
    return audio.reshape(-1, 2).astype(float).T


def first_word(audio):
    """The first half second of sound: short enough for a busy machine to play without a gap."""
    begin = np.flatnonzero(np.abs(audio) > 500)[0]
    return audio[begin : begin + 12_000]


def likeness(phrase, audio):
    """The greatest normalised correlation of a phrase with any stretch of audio: 1 if it is there."""
    size = 1 << (len(audio) + len(phrase)).bit_length()
    product = np.fft.irfft(np.fft.rfft(audio, size) * np.conj(np.fft.rfft(phrase, size)), size)
    power = np.concatenate([[0.0], np.cumsum(audio**2)])
    energy = power[len(phrase) :] - power[: -len(phrase)]
    return np.max(product[: len(energy)] / np.sqrt(energy * np.sum(phrase**2) + 1))


def test_the_demo_holds_a_call_in_which_the_caller_is_repeated_and_cuts_in(tmp_path):
    run = subprocess.run(
        [sys.executable, str(EXAMPLES / "demo.py")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        env=os.environ | {"HEADLESS": "1"},
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Clear at" in run.stdout
    (recording,) = tmp_path.rglob("recording.wav")
    (trace,) = tmp_path.rglob("trace.jsonl")
    assert recording.name in run.stdout
    assert trace.name in run.stdout

    caller, heard = channels(recording)
    assert likeness(first_word(caller), heard) > 0.75
    assert likeness(first_word(caller), heard[::-1]) < 0.6  # so the figure can tell

    lines = [json.loads(line) for line in trace.read_text().splitlines()]
    assert any('"clear"' in json.dumps(line) for line in lines)
