"""A recorded caller, who calls again: says the same and presses the same keys, at the same times.

It knows what is left of a call that was recorded. It refuses to know the bot: a recorded caller
hears nothing, so it does not wait for a slower bot, and does not stop for one that speaks.
"""

import wave
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np

from pipecat_wavix.emulator.callers import Aside, ChangeNetwork
from pipecat_wavix.emulator.keys import HeldKey, press
from pipecat_wavix.emulator.network import NetworkSettings
from pipecat_wavix.emulator.settings import CallSettings
from pipecat_wavix.phoneline import LineSettings
from pipecat_wavix.protocol import FRAME_BYTES, FRAME_MS
from pipecat_wavix.timeline import Timeline

HOLD_SECS: Final = 10.0
"""How much longer a caller whose bot hung up lets another bot talk."""

_ENDED_BY_THE_BOT: Final = ("the bot closed the socket", "hung up by the account")
_FRAME_SECS: Final = FRAME_MS / 1000
_CHANGING: Final = {field.name for field in fields(NetworkSettings)} - {"seed"}


@dataclass(frozen=True, slots=True)
class RecordedKey(HeldKey):
    """A key that goes down, with what the bot heard of the caller in these 20 ms.

    Attributes:
        said: 960 bytes: a tone, or the caller's last breath before.
    """

    said: bytes

    def tone(self) -> bytes:
        """What these 20 ms sounded like."""
        return self.said


class ReplayCaller:
    """A caller that does what was recorded, and nothing else: see `emulator.Caller`.

    Args:
        said: All that it said from the start of the call on: PCM16 at 24 kHz.
        frames: After how many 20 ms it hangs up.
        keys: The keys that it pressed, by the number of the 20 ms in which they went down.
        network: What changed of the network, by the same.

    Raises:
        ValueError: There is no such key.
    """

    def __init__(
        self,
        said: bytes,
        frames: int,
        *,
        keys: Mapping[int, str] | None = None,
        network: Mapping[int, ChangeNetwork] | None = None,
    ) -> None:
        self._said = said
        self._keys = keys or {}
        for key in self._keys.values():
            press(key, _FRAME_SECS)
        self._network = network or {}
        self._life = self._lived(frames)

    def frame(self, now: float, bot_audible: bool) -> bytes | HeldKey | Aside | None:
        """Say the next 20 ms as they were said."""
        return next(self._life, None)

    def _lived(self, frames: int) -> Iterator[bytes | HeldKey | Aside]:
        for number in range(frames):
            if change := self._network.get(number):
                yield change
            start = number * FRAME_BYTES
            said = self._said[start : start + FRAME_BYTES].ljust(FRAME_BYTES, b"\0")
            # How long it was held is in what was said, if the bot heard it at all.
            key = self._keys.get(number)
            yield RecordedKey(key, 0, said) if key else said


@dataclass(frozen=True)
class Replay:
    """A recorded call, to be made again.

    Attributes:
        caller: Who calls; it calls once.
        settings: How the call was, seeds too; but what the caller said has been through the
            telephone leg already, and what it pressed has its sound.
    """

    caller: ReplayCaller
    settings: CallSettings


def replay_of(recorded: Timeline) -> Replay:
    """Make a recorded call anew.

    A caller that hung up does so again at the same time. If the bot did, the caller holds the line
    in silence for up to `HOLD_SECS` more, for another bot may take longer.

    Args:
        recorded: The call, as `read_timeline` reads it.

    Raises:
        ValueError: Its trace does not tell how it was, or has a key that there is not; or it has no
            recording.
        OSError: The recording cannot be read.
    """
    if recorded.recorded_secs is None:
        raise ValueError(
            f"{recorded.trace}: it cannot be replayed: there is no recording of what the caller "
            f"said ({recorded.recording.name}, beside the trace)"
        )
    try:
        settings = _settings(recorded.header["settings"])
        frame_secs = _FRAME_SECS * (1 + settings.line.drift_ppm * 1e-6)
        secs = recorded.secs + (HOLD_SECS if recorded.ended in _ENDED_BY_THE_BOT else 0)
        caller = ReplayCaller(
            _said(recorded.recording),
            round(secs / frame_secs),
            keys={round(at / frame_secs): key for at, key in recorded.keys},
            network={
                round(message.at_secs / frame_secs): _change(message.fields)
                for message in recorded.messages
                if (message.kind, message.event) == ("line", "network")
            },
        )
    except (KeyError, TypeError, ValueError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else error
        raise ValueError(f"{recorded.trace}: it cannot be replayed: {what}") from error
    return Replay(caller, settings)


def _settings(values: Mapping[str, Any]) -> CallSettings:
    line, network = LineSettings(**values["line"]), NetworkSettings(**values["network"])
    changes = {"line": line, "network": network, "mouth_leg": "clean", "dtmf_in_audio": True}
    return CallSettings(**{**values, **changes})


def _change(values: Mapping[str, Any]) -> ChangeNetwork:
    return ChangeNetwork({name: values[name] for name in _CHANGING if name in values})


def _said(recording: Path) -> bytes:
    with wave.open(str(recording), "rb") as wav:  # which the timeline has been read from
        both = np.frombuffer(wav.readframes(wav.getnframes()), "<i2")
    return both[::2].tobytes()
