"""Calls made up from what each side does and when: the line's half on disk, as a call leaves it."""

import json
from datetime import datetime, timedelta
from math import ceil

import numpy as np

from pipecat_wavix.emulator.events import Began, Ended, Received, Sent, Sound
from pipecat_wavix.emulator.recording import Recording
from pipecat_wavix.phoneline import LineSettings, PhoneLine, Step
from pipecat_wavix.protocol import (
    Clear,
    MarkName,
    Media,
    MediaPayload,
    PlaceMark,
    PlayMedia,
    PlayPayload,
    Start,
)

RATE = 24_000
BEGAN = 500.0  # on the clock of the call's loop
STREAM = "stream-1"


def tone(secs, hz=400):
    t = np.arange(round(secs * RATE)) / RATE
    return (9000 * np.cos(2 * np.pi * hz * t)).astype("<i2").tobytes()


class Fabricated:
    """A call of `secs`, in whole steps of 20 ms; all times are seconds since its start.

    Attributes:
        sent: What the bot has sent, by time: `(at, message, fate)`.
    """

    def __init__(self, secs, *, reason="the caller hung up", line=None):
        self.secs = secs = ceil(secs * 50 - 1e-6) / 50
        self.reason = reason
        self.line = line or LineSettings()
        self.caller = bytearray(round(secs * 50) * 960)
        self.sent = []
        self.silent = []  # when nothing is sent to the bot: (from, until)
        self.more = []  # other observations

    def says(self, start, end):
        """The caller speaks."""
        begin = round(start * RATE) * 2
        self.caller[begin : begin + round((end - start) * RATE) * 2] = tone(end - start)
        return self

    def plays(self, at, secs, *, lead=0.5, stalls=(), pcm=None):
        """The bot sends speech, as far ahead as `lead`; stalls are `(from, until)`."""
        pcm = pcm or tone(secs, 700)
        for n, start in enumerate(range(0, len(pcm), 960)):
            due = max(at, at + n * 0.02 - lead)
            for begin, end in stalls:
                due = end if begin <= due < end else due
            media = PlayMedia(media=PlayPayload(payload=pcm[start : start + 960]))
            self.sent.append((due, media, "used"))
            if n % 10 == 9:
                self.marks(due, f"m{len(self.sent)}")
        return self

    def marks(self, at, name):
        self.sent.append((at, PlaceMark(mark=MarkName(name=name)), "used"))
        return self

    def clears(self, at):
        """The bot sends a clear, and nothing more of what it was about to send."""
        self.sent = [each for each in self.sent if each[0] <= at]
        self.sent.append((at, Clear(), "used"))
        return self

    def observes(self, at, observation):
        self.more.append((at, observation))
        return self

    def left_in(self, folder, **settings):
        """Write it; returns the trace."""
        line = PhoneLine(BEGAN, self.line)
        self.sent.sort(key=lambda each: each[0])
        happened = list(self.more)
        for at, message, fate in self.sent:
            happened.append((at, Received(BEGAN + at, message, fate, STREAM)))
            if fate != "used":
                continue
            match message:
                case PlayMedia():
                    line.play(BEGAN + at, message.media.payload)
                case PlaceMark():
                    line.mark(BEGAN + at, message.mark.name)
                case Clear():
                    line.clear(BEGAN + at)
        number = 1
        start = Start(call_id="call-1", stream_id=STREAM, sequence_number=number)
        happened.append((0, Sent(BEGAN, start, "sent", STREAM)))
        for event in line.advance(BEGAN + self.secs - 0.001):
            at = event.at - BEGAN
            if isinstance(event, Step):
                begin = round(at * 50) * 960
                said = bytes(self.caller[begin : begin + 960])
                happened.append((at, Sound(event.at, said, event.pcm, event)))
                number += 1
                payload = MediaPayload(payload=said, chunk=number)
                media = Media(media=payload, stream_id=STREAM, sequence_number=number)
                arrives = at + 0.02
                for begin, end in self.silent:
                    arrives = end if begin <= arrives < end else arrives
                happened.append((arrives, Sent(BEGAN + arrives, media, "sent", STREAM)))
            else:
                happened.append((at, event))
        happened.append((self.secs, Ended(BEGAN + self.secs, self.reason)))
        header = {"line": {"media_during_clear": self.line.media_during_clear}, **settings}
        with Recording(folder, "ws://bot", header) as recording:
            recording.observe(Began(BEGAN, "call-1", STREAM))
            for _, observation in sorted(happened, key=lambda each: each[0]):
                recording.observe(observation)
        return recording.trace_path


def bots_half(trace, path, *lines, offset=100.0, there=0.03, back=0.03, **header):
    """Write the half of a bot with a clock of its own; `lines` are `(at, event, fields)`."""
    written = []
    for text in trace.read_text().splitlines()[1:]:
        line = json.loads(text)
        if line["dir"] in ("to_bot", "from_bot"):
            delay = there if line["dir"] == "to_bot" else -back
            message = line["message"]
            kept = {k: message[k] for k in ("event", "sequence_number", "mark") if k in message}
            if message["event"] == "media":
                kept["media"] = {"payload": message["media"]["payload"]}
            if message["event"] != "start":
                at = line["t"] + delay + offset
                written.append({"t": at, "dir": line["dir"], "message": kept})
    for at, event, fields in lines:
        written.append({"t": at + offset, "dir": "bot", "event": event, **fields})
    written.sort(key=lambda line: line["t"])
    began = json.loads(trace.read_text().splitlines()[0])["started"]
    started = (datetime.fromisoformat(began) - timedelta(seconds=offset)).isoformat()
    first = {"trace": 1, "side": "bot", "call": "call-1", "stream": STREAM, "started": started}
    first |= header
    path.write_text("".join(json.dumps(line) + "\n" for line in [first, *written]))
    return path


__all__ = ["BEGAN", "RATE", "STREAM", "Fabricated", "bots_half", "tone"]
