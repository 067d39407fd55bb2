"""What the caller of a test heard of the bot, and which part of it was the answer.

It knows the audio of both sides, 20 ms after 20 ms, and where the caller's steps begin and end. It
refuses to know who waits for it. What is an answer does not depend on when a test asks: a test may
be slow, the line goes on.
"""

from dataclasses import dataclass, field
from math import inf

from pipecat_wavix.emulator.ear import SAME_TIME_SECS
from pipecat_wavix.emulator.events import Began, Ended, Observation, Pressed, Sound
from pipecat_wavix.emulator.summary import Spell, Voice, audible_samples
from pipecat_wavix.protocol import FRAME_MS, SAMPLE_RATE


class NotHeardError(AssertionError):
    """The caller has not heard what the test waits for; the message tells what it heard instead."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What the caller heard of the bot, from the first audible sample to the last.

    Attributes:
        pcm: PCM16 little-endian at 24 kHz, mono, after the telephone leg.
        began_secs: When it began, in seconds since the start of the call.
        began_after_secs: The same since the caller had last been heard or pressed a key, since the
            answer before, or since the start of the call, whichever was last; negative if the bot
            began before the caller was done.
    """

    pcm: bytes = field(repr=False)
    began_secs: float
    began_after_secs: float

    @property
    def secs(self) -> float:
        """How long it is, pauses included."""
        return len(self.pcm) / 2 / SAMPLE_RATE


class Hearing:
    """What was heard on one call."""

    def __init__(self) -> None:
        self._began_at = 0.0
        self._now = 0.0  # like all times here but `_began_at`: since the start of the call
        self._end_reason = ""
        self._heard = bytearray()
        self._bot = Voice()
        self._turn = Spell(0.0, 0.0)
        self._turn_is_new = True
        self._step_ended = 0.0
        self._answered_until = 0.0

    def observe(self, observation: Observation) -> None:
        """Take in one observation; give this to a call as an observer."""
        match observation:
            case Began(at=at):
                self._began_at = at
            case Sound(at=at, said=said, heard=heard):
                at -= self._began_at
                if said_samples := audible_samples(said):
                    first, end = (at + sample / SAMPLE_RATE for sample in said_samples)
                    self._extend_turn(first, end)
                self._bot.hear(at, heard)
                self._heard += heard
                self._now = at + FRAME_MS / 1000
            case Pressed(at=at):
                self._extend_turn(at - self._began_at, at - self._began_at)
            case Ended(reason=reason):
                self._end_reason = reason
            case _:
                pass

    def begin_step(self) -> None:
        """Take note that the caller begins to do something; as long as it does, nobody is late."""
        self._turn_is_new = True
        self._step_ended = inf

    def end_step(self) -> None:
        """Take note that it is done with that."""
        self._step_ended = self._now

    def answer(self, within_secs: float, quiet_secs: float, at_most_secs: float) -> Heard | None:
        """Tell the bot's next answer, once it is over.

        It is what the bot began to say since the caller began its last turn, if it was not over
        before the caller was: what the bot was saying when the caller cut in is no answer. So a
        bot which goes on without a pause of 0.3 s does not answer.

        Args:
            within_secs: How soon it must begin after the caller was done.
            quiet_secs: It is over when the bot was quiet for so long, or the call has ended.
            at_most_secs: How long it may be.

        Returns:
            The answer, each once, or `None` as long as it may still come, or come to its end.

        Raises:
            NotHeardError: It did not come, or does not end.
        """
        __tracebackhide__ = True
        waited_from = max(self._turn.ended_at, self._step_ended, self._answered_until)
        earliest = max(self._turn.began_at, self._answered_until)
        spells = [
            spell
            for spell in self._bot.spells
            if spell.began_at >= earliest and spell.ended_at > self._turn.ended_at
        ]
        began_at = spells[0].began_at if spells else self._now
        if began_at - waited_from > within_secs + SAME_TIME_SECS:
            raise NotHeardError(
                f"the bot did not begin to speak within {within_secs:g} s{self.so_far()}"
            )
        if not spells:
            if self._end_reason:
                raise NotHeardError(
                    f"the call is over ({self._end_reason}), and the bot did not speak"
                    f"{self.so_far()}"
                )
            return None

        ended_at, is_over = began_at, bool(self._end_reason)
        for spell in spells:
            if ended_at > began_at and spell.began_at - ended_at >= quiet_secs:
                is_over = True
                break
            ended_at = spell.ended_at
        if ended_at - began_at > at_most_secs:
            raise NotHeardError(
                f"the bot has been speaking for more than {at_most_secs:g} s without a pause of "
                f"{quiet_secs:g} s{self.so_far()}"
            )
        if not is_over and self._now - ended_at < quiet_secs - SAME_TIME_SECS:
            return None
        done_at = max(self._turn.ended_at, self._answered_until)
        self._answered_until = ended_at
        first, end = (2 * round(at * SAMPLE_RATE) for at in (began_at, ended_at))
        return Heard(
            bytes(self._heard[first:end]), round(began_at, 6), round(began_at - done_at, 6)
        )

    def _extend_turn(self, first: float, end: float) -> None:
        self._turn = Spell(first if self._turn_is_new else self._turn.began_at, end)
        self._turn_is_new = False

    def so_far(self) -> str:
        """What was heard until now, as the end of a message."""
        spells = ", ".join(f"{s.began_at:.2f}-{s.ended_at:.2f} s" for s in self._bot.spells)
        return f". Heard of it until {self._now:.2f} s: {spells or 'nothing'}"
