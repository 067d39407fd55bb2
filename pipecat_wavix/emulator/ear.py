"""What a scripted caller remembers of what it heard, and of when it spoke itself.

It knows only whether the bot was audible, 20 ms after 20 ms. It refuses to know what is made of it.
"""

from typing import Final

WORD_GAP_SECS: Final = 0.5
"""A silence of the bot shorter than this is within its speech."""

CUT_OFF_SECS: Final = 1.0
"""Who goes on for so long after the other's last word has not been cut off by it."""

SAME_TIME_SECS: Final = 1e-6
"""Times that are sums of frames must not miss their limit by a rounding."""


class Ear:
    """A scripted caller's memory.

    Attributes:
        now: When the next frame begins, in seconds.
        turn_ended_at: When the caller was last heard, or was done with the keys that it pressed; when
            the call began, if it has done neither.
        heard_secs: For how long the bot was heard since then.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.turn_ended_at = 0.0
        self.heard_secs = 0.0
        self._turn_began_at = 0.0
        self._began_at: float | None = None
        self._spell_began_at: float | None = None
        self._last_heard_at = 0.0

    def listen(self, now: float, bot_audible: bool) -> None:
        """Take in whether the bot was heard in the 20 ms before `now`."""
        if self._began_at is None:
            self.now = self._began_at = self._turn_began_at = self.turn_ended_at = now
        elapsed_secs = now - self.now
        self.now = now
        if bot_audible:
            if self.spoken_secs is None:
                self._spell_began_at = now
            self._last_heard_at = now
            self.heard_secs += elapsed_secs

    def begin_turn(self) -> None:
        """Take note that the caller begins to say or press something."""
        self._turn_began_at = self.now

    def end_turn(self) -> None:
        """Take note that the caller is done with that."""
        self.turn_ended_at, self.heard_secs = self.now, 0.0

    @property
    def answered(self) -> bool:
        """Whether the bot answers: since the caller's turn, or into it and well beyond its end."""
        if self._spell_began_at is None or self._spell_began_at <= self._turn_began_at:
            return False
        goes_on_secs = self._last_heard_at - self.turn_ended_at
        return self._spell_began_at >= self.turn_ended_at or goes_on_secs >= CUT_OFF_SECS

    @property
    def spoken_secs(self) -> float | None:
        """For how long the bot has been speaking, gaps between words included; else `None`."""
        if self._spell_began_at is None or self.quiet_secs >= WORD_GAP_SECS - SAME_TIME_SECS:
            return None
        return self.now - self._spell_began_at

    @property
    def quiet_secs(self) -> float:
        """For how long the bot has not been heard, at most since the call began."""
        began_at = self.now if self._began_at is None else self._began_at
        return self.now - max(self._last_heard_at, began_at)
