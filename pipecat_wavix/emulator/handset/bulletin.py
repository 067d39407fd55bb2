"""What a page is told of its call: the sound at once, the rest ten times a second.

It knows what an observer is told, and the page's messages. It refuses to know sockets and clocks.

The sound is bytes, 20 ms of PCM16 at 24 kHz: what the caller hears. The rest is JSON, times in
seconds since the begin of the call:

    {"kind": "began"}
    {"kind": "news", "t": 1.2, "said": [...], "heard": [...], "events": [...]}

`said` and `heard` are the loudest samples of 10 ms each, from `t` on, as shares of full scale in
255ths. An event has `t`, `dir` (`to_bot`, `from_bot`, `line` or `turn`), `what` and `text`, and what
a picture needs besides: `fate` of a message; `secs` of an underrun, of an answer after the caller's
turn, and of a barge-in from the caller's first sound to the bot's silence.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from pipecat_wavix.emulator.events import (
    Began,
    Ended,
    NetworkChanged,
    Observation,
    Pressed,
    Received,
    Sent,
    Sound,
)
from pipecat_wavix.emulator.summary import Measure
from pipecat_wavix.emulator.wire import event_name
from pipecat_wavix.phoneline import Cleared, MarkPlayed, Underrun
from pipecat_wavix.protocol import (
    SAMPLE_RATE,
    Command,
    Event,
    Mark,
    Media,
    PlaceMark,
    PlayMedia,
    Rejected,
)

STEPS_OF_NEWS: Final = 5
"""How many steps of 20 ms are told at once."""

MAX_TEXT: Final = 80
"""The longest text of an event, in characters: a mark's name is the bot's, and may be a novel."""


class Bulletin:
    """Tells a page of the call that it observes.

    Args:
        tell: Called with each message: bytes, or what JSON is made of.

    Attributes:
        has_begun: Whether the call was answered.
    """

    def __init__(self, tell: Callable[[bytes | dict[str, Any]], None]) -> None:
        self._tell = tell
        self._measure = Measure()
        self._answers = self._clears = 0
        self.has_begun = False
        self._began_at = 0.0
        self._sound: list[Sound] = []
        self._events: list[dict[str, Any]] = []

    def observe(self, observation: Observation) -> None:
        """Take in one observation; give this to a call as an observer."""
        self._measure.observe(observation)
        match observation:
            case Began(at=at):
                self._began_at, self.has_begun = at, True
                self._tell({"kind": "began"})
            case Sound():
                self._tell(observation.heard)
                self._sound.append(observation)
                self._note_turns(observation.at)
                if len(self._sound) == STEPS_OF_NEWS:
                    self._publish()
            case Sent() | Received():
                message = observation.message
                direction = "to_bot" if isinstance(observation, Sent) else "from_bot"
                name = "rejected" if isinstance(message, Rejected) else event_name(message)
                self._note(observation.at, direction, name, _text(message), fate=observation.fate)
            case MarkPlayed(at=at, name=name, cleared=cleared):
                self._note(at, "line", "mark cleared" if cleared else "mark played", name)
            case Cleared(at=at, samples=samples):
                text = f"{samples / SAMPLE_RATE:.2f} s thrown away"
                self._note(at, "line", "cleared", text)
            case Underrun(at=at, secs=secs):
                self._note(at, "line", "underrun", f"{secs * 1000:.0f} ms", secs=secs)
            case Pressed(at=at, key=key):
                self._note(at, "line", "key", key)
            case NetworkChanged(at=at, network=network):
                text = f"{network.delay_ms:g} + {network.jitter_ms:g} ms, {network.loss:.0%} lost"
                self._note(at, "line", "network", text)
            case Ended(at=at, reason=reason):
                self._note(at, "line", "ended", reason)
                self._publish()
            case _:
                pass  # a script's steps, and what only the account's server is told

    def _note_turns(self, at: float) -> None:
        summary = self._measure.summary()
        for secs in summary.answers_secs[self._answers :]:
            self._note(at, "turn", "answer", f"after {secs * 1000:.0f} ms", secs=secs)
        for clear in summary.clears[self._clears :]:
            if (took := clear.barge_in_to_silence_secs) is not None:
                silent_at = self._began_at + clear.arrived_secs + clear.to_silence_secs
                text = f"silent after {took * 1000:.0f} ms"
                self._note(silent_at, "turn", "barge-in", text, secs=took)
        self._answers, self._clears = len(summary.answers_secs), len(summary.clears)

    def _note(self, at: float, direction: str, what: str, text: str, **more: Any) -> None:
        t = round(at - self._began_at, 6)
        short = text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
        self._events.append({"t": t, "dir": direction, "what": what, "text": short, **more})

    def _publish(self) -> None:
        begins_at = self._sound[0].at - self._began_at if self._sound else 0.0
        news = {
            "kind": "news",
            "t": round(begins_at, 6),
            "said": [level for sound in self._sound for level in _levels(sound.said)],
            "heard": [level for sound in self._sound for level in _levels(sound.heard)],
            "events": self._events,
        }
        self._sound, self._events = [], []
        self._tell(news)


def _levels(pcm: bytes) -> list[int]:
    samples = np.abs(np.frombuffer(pcm, "<i2").astype(np.int32)).reshape(2, -1)
    return [int(loudest) for loudest in samples.max(axis=1) * 255 // 32768]


def _text(message: Event | Command | Rejected) -> str:
    match message:
        case Rejected():
            return f"{message.kind}: {message.reason}"
        case Media(media=media) | PlayMedia(media=media):
            return f"{len(media.payload)} bytes"
        case Mark(mark=mark) | PlaceMark(mark=mark):
            return mark.name
    return ""
