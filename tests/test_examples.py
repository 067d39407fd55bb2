"""The demo, as a newcomer meets it: real processes, real sockets, real time."""

import json
import os
import re
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np

from pipecat_wavix.timeline import read_timeline

EXAMPLES = Path(__file__).parent.parent / "examples"


def voiced_secs(path):
    """For how long each of the two was heard: the caller, and the bot."""
    with wave.open(str(path)) as recording:
        assert recording.getframerate() == 24_000
        assert recording.getnchannels() == 2
        audio = np.frombuffer(recording.readframes(recording.getnframes()), "<i2")
    sides = audio[: len(audio) // 960 * 960].reshape(-1, 480, 2).astype(float)
    return (np.sqrt(np.mean(sides**2, axis=1)) > 250).sum(axis=0) * 0.02


def test_the_demo_holds_a_call_in_which_an_appointment_is_booked(tmp_path):
    run = subprocess.run(
        [sys.executable, str(EXAMPLES / "demo.py")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"HEADLESS": "1"},
    )
    assert run.returncode == 0, run.stdout + run.stderr
    # What is said is shown, and of the answer that was cut only what was heard.
    shown = re.findall(r"^  (?:Caller|Desk): .*", run.stdout, re.MULTILINE)
    assert "  Desk: Good day, Willow Street Dentists. How can I help you?" in shown
    assert any(
        line.startswith("  Desk: Yes, on Saturday we") and line.endswith("...") for line in shown
    )
    assert any("booked, on Friday at three o'clock" in line for line in shown)
    assert shown[-1] == "  Desk: Thank you for calling. Goodbye."
    assert "2025550123" not in run.stdout

    (recording,) = tmp_path.rglob("recording.wav")
    (trace,) = tmp_path.rglob("trace.jsonl")
    (report,) = tmp_path.rglob("report.html")
    assert str(report.relative_to(tmp_path)) in run.stdout
    caller_secs, bot_secs = voiced_secs(recording)
    assert caller_secs > 8
    assert bot_secs > 15
    lines = [json.loads(line) for line in trace.read_text().splitlines()]
    assert any('"clear"' in json.dumps(line) for line in lines)
    found = {verdict.kind for verdict in read_timeline(trace).verdicts}
    assert not found & {"cut_goodbye", "unheard_words", "late_clear", "talked_over", "no_answer"}
