"""What is kept of a call, also of what was before there was a line."""

import json

from pipecat_wavix.emulator.call_trace import CallTrace
from pipecat_wavix.emulator.events import Began, Ended, Notified, Requested


def lines(folder):
    text = (folder / "trace.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()][1:]


def webhook(at):
    return Notified(at, "ringing", "number", None, 0.5)


def test_what_comes_before_the_line_is_kept_until_there_is_one(tmp_path):
    trace = CallTrace(tmp_path)
    trace.note(webhook(9.0))
    trace.open("CALL", {})
    trace.observe(Began(10.0, "CALL", ""))
    trace.note(Requested(11.0, "DELETE /v1/calls/{id}", 200, 0.25))
    trace.observe(Ended(12.0, "enough"))
    trace.close()
    trace.close()
    first, second, third = lines(tmp_path)
    expected = {"dir": "webhook", "event": "ringing", "scope": "number", "status": None}
    assert first == {"t": -1.0, **expected, "secs": 0.5}
    assert (second["t"], second["dir"], second["route"]) == (1.0, "rest", "DELETE /v1/calls/{id}")
    assert third["event"] == "ended"


def test_what_comes_after_the_end_is_not_kept(tmp_path):
    trace = CallTrace(tmp_path)
    trace.open("CALL", {})
    trace.observe(Began(10.0, "CALL", ""))
    trace.close()
    trace.note(webhook(11.0))
    assert lines(tmp_path) == []


def test_without_a_folder_nothing_is_kept(tmp_path):
    trace = CallTrace(None)
    trace.open("CALL", {})
    trace.observe(Began(10.0, "CALL", ""))
    trace.note(webhook(11.0))
    trace.close()


def test_a_disk_that_is_full_is_logged_once(tmp_path, monkeypatch, logs):
    trace = CallTrace(tmp_path)
    trace.open("CALL", {})
    trace.observe(Began(10.0, "CALL", ""))
    recording = trace._recording

    def full(_observation):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(recording, "observe", full)
    trace.note(webhook(11.0))
    trace.note(webhook(12.0))
    recording.close()
    assert len([line for line in logs if "No space left" in line]) == 1
