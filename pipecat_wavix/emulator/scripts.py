"""A caller's script as JSON, so that it can be sent to an emulator that runs elsewhere.

It knows one spelling of each action. It refuses to know calls. A script is a list of steps, each an
object with one of these:

    {"say": "text"}                                 spoken by the offline voice
    {"wav": "<base64 of a WAV file>"}
    {"wait": "speaking" or "quiet", "secs": 1, "timeout_secs": 60}  see `WaitForBot`
    {"pause": 0.5}                                  in seconds
    {"press": "12#"}
    {"hang_up": true}
    {"answer": 1.5, "timeout_secs": 10}             wait until so much of an answer was heard
    {"network": {"delay_ms": 300}}                  from here on
    {"step": 3}                                     tells the observers where the script is

After its last step the caller holds the line.
"""

import base64
import io
import wave
from binascii import Error as Base64Error
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pipecat_wavix.emulator.callers import (
    ANSWER_TIMEOUT_SECS,
    END_OF_SPEECH_SECS,
    SPEECH_TIMEOUT_SECS,
    Action,
    BeginStep,
    ChangeNetwork,
    HangUp,
    Pause,
    Press,
    Say,
    WaitForAnswer,
    WaitForBot,
)
from pipecat_wavix.emulator.prompts import read_wav
from pipecat_wavix.emulator.voice import speak
from pipecat_wavix.protocol import SAMPLE_RATE

MAX_SECS: Final = 3600.0
"""The longest that a step may wait."""

_OPTIONS: Final = {"wait": {"secs", "timeout_secs"}, "answer": {"timeout_secs"}}
_STEPS: Final = (
    *("say", "wav", "wait", "pause", "press", "hang_up"),
    *("answer", "network", "step"),
)


def read_script(steps: Any) -> list[Action]:
    """Read a script. It speaks, which takes a moment: call it in a thread.

    Args:
        steps: The list, as parsed from JSON.

    Raises:
        ValueError: It is no script; the message tells which step is wrong, from 1 on.
        ModuleNotFoundError: A step is to be spoken, and there is no voice.
    """
    if not isinstance(steps, list):
        raise ValueError("a script is a list of steps")
    script = []
    for number, step in enumerate(steps, 1):
        try:
            script.append(_read_step(step))
        except ValueError as error:
            raise ValueError(f"step {number}: {error}") from None
    return script


def write_script(script: Iterable[Action]) -> list[dict[str, Any]]:
    """Write a script; speech becomes a WAV file.

    Raises:
        TypeError: It has an action of another kind than the above.
    """
    return [_written_step(action) for action in script]


def _read_step(step: Any) -> Action:
    kinds = [kind for kind in _STEPS if isinstance(step, dict) and kind in step]
    if len(kinds) != 1 or set(step) - {kinds[0]} - _OPTIONS.get(kinds[0], set()):
        raise ValueError(f"give an object with one of {', '.join(_STEPS)}")
    (kind,) = kinds
    value = step[kind]
    match kind, value:
        case "say", str():
            return Say(speak(value))
        case "wav", str():
            try:
                return Say(read_wav(base64.b64decode(value, validate=True)))
            except Base64Error:
                raise ValueError("wav is not base64") from None
        case "wait", "speaking":
            return WaitForBot(
                "speaking", _secs(step, "secs", 0), _timeout(step, ANSWER_TIMEOUT_SECS)
            )
        case "wait", "quiet":
            secs = _secs(step, "secs", END_OF_SPEECH_SECS)
            return WaitForBot("quiet", secs, _timeout(step, SPEECH_TIMEOUT_SECS))
        case "pause", _:
            return Pause(_secs(step, "pause", 0))
        case "press", str():
            return Press(value)
        case "hang_up", True:
            return HangUp()
        case "answer", _:
            return WaitForAnswer(_timeout(step, ANSWER_TIMEOUT_SECS), _secs(step, "answer", 0))
        case "network", dict():
            _check_numbers(value)
            return ChangeNetwork(value)
        case "step", int() if not isinstance(value, bool):
            return BeginStep(value)
    raise ValueError(f"{kind} has a value that it cannot have")


def _check_numbers(values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{name} must be a number")


def _secs(step: Mapping[str, Any], name: str, default: float) -> float:
    value = step.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_SECS:
        raise ValueError(f"{name} must be 0 to {MAX_SECS:.0f} seconds")
    return float(value)


def _timeout(step: Mapping[str, Any], default: float) -> float:
    return _secs(step, "timeout_secs", default)


def _written_step(action: Action) -> dict[str, Any]:
    match action:
        case Say(pcm=pcm):
            return {"wav": base64.b64encode(_wav(pcm)).decode()}
        case WaitForBot(state=state, secs=secs, timeout_secs=timeout_secs):
            return {"wait": state, "secs": secs, "timeout_secs": timeout_secs}
        case Pause(secs=secs):
            return {"pause": secs}
        case Press(keys=keys):
            return {"press": keys}
        case HangUp():
            return {"hang_up": True}
        case WaitForAnswer(timeout_secs=timeout_secs, secs=secs):
            return {"answer": secs, "timeout_secs": timeout_secs}
        case ChangeNetwork(changes=changes):
            return {"network": dict(changes)}
        case BeginStep(number=number):
            return {"step": number}
    raise TypeError(f"{type(action).__name__} cannot be written: give one of {', '.join(_STEPS)}")


def _wav(pcm: bytes) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(SAMPLE_RATE)
        wav.writeframes(pcm)
    return file.getvalue()
