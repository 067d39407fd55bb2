"""Who picks up when the account calls, and how.

It knows outcomes, their times and scripts. It refuses to know calls and webhooks.
"""

from collections import UserDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import pi
from typing import Final, Literal, get_args

import numpy as np

from pipecat_wavix.emulator.callers import Action, Pause, Say, ScriptedCaller
from pipecat_wavix.emulator.numbers import e164
from pipecat_wavix.protocol import SAMPLE_RATE

Outcome = Literal["answers", "busy", "rejects", "no_answer", "machine"]

_GREETING_SECS: Final = 2.0
_BEEP_SECS: Final = 0.4


@dataclass(frozen=True, kw_only=True)
class Callee:
    """What happens when a number is called.

    Attributes:
        outcome: `answers`; `busy`; `rejects`; `no_answer`: it rings until the caller gives up;
            `machine`: a machine answers, and plays its greeting.
        after_secs: When, in seconds after it is called.
        script: What a callee that answers does; a machine, its greeting (one is made up if there is
            none). After that it holds the line.
        early_media: Whether the far end plays something before it answers.
        detected_after_secs: How soon after it answered a machine is found to be one, in seconds, if
            the account has asked for that.

    Raises:
        ValueError: A value is out of its range.
    """

    outcome: Outcome = "answers"
    after_secs: float = 1.0
    script: Sequence[Action] = ()
    early_media: bool = False
    detected_after_secs: float = 2.0

    def __post_init__(self) -> None:
        if self.outcome not in get_args(Outcome):
            outcomes = ", ".join(get_args(Outcome))
            raise ValueError(f"outcome is {self.outcome!r}: give one of {outcomes}")
        for name in ("after_secs", "detected_after_secs"):
            if not 0 <= (value := getattr(self, name)) <= 3600:
                raise ValueError(f"{name} is {value}: give 0 to 3600 seconds")

    def caller(self) -> ScriptedCaller:
        """The person, or the machine, on the phone; a new one for each call."""
        if self.outcome == "machine" and not self.script:
            return ScriptedCaller([Pause(0.2), Say(_greeting())])
        return ScriptedCaller(self.script)


class Callees(UserDict[str, Callee]):
    """Who picks up at which number, in E.164, the `+` left off or not.

    Attributes:
        default: Who picks up at any other number.
    """

    def __init__(self) -> None:
        super().__init__()
        self.default = Callee()

    def __setitem__(self, number: str, callee: Callee) -> None:
        self.data[e164(number)] = callee

    def __missing__(self, number: str) -> Callee:
        return self.default


@cache
def _greeting() -> bytes:
    """A machine's greeting: 2 s of syllables without words, and the beep."""
    seconds = np.arange(round(_GREETING_SECS * SAMPLE_RATE)) / SAMPLE_RATE
    # Four syllables a second, as in speech.
    babble = np.sin(2 * pi * 700 * seconds) * np.sin(pi * 4 * seconds) ** 2
    beep = np.sin(2 * pi * 1000 * np.arange(round(_BEEP_SECS * SAMPLE_RATE)) / SAMPLE_RATE)
    return (8000 * np.concatenate([babble, beep])).astype("<i2").tobytes()
