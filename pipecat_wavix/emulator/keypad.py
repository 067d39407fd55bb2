"""A caller whose keys can be pressed from outside, whoever it is.

It knows only whose turn it is: the caller's, or a finger's. It refuses to know what keys are for.
"""

from collections import deque

from pipecat_wavix.emulator.callers import KEY_SECS, SILENCE, Aside, Caller
from pipecat_wavix.emulator.keys import HeldKey, press


class Keypad:
    """A caller, and the keys of its telephone.

    Args:
        caller: Who speaks; it waits while a key is pressed.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._pressed: deque[HeldKey | bytes] = deque()

    def press(self, keys: str) -> None:
        """Press keys, one after another, 0.1 s each and as long between.

        Args:
            keys: Each one of `0` to `9`, `*`, `#`, `A` to `D`.

        Raises:
            ValueError: There is no such key; none is pressed then.
        """
        held = [press(key, KEY_SECS) for key in keys]
        for frames in held:
            self._pressed += [*frames, *[SILENCE] * len(frames)]

    def frame(self, now: float, bot_audible: bool) -> bytes | HeldKey | Aside | None:
        """Say the next 20 ms, or hold a key down for them; see `Caller`."""
        if self._pressed:
            return self._pressed.popleft()
        return self._caller.frame(now, bot_audible)
