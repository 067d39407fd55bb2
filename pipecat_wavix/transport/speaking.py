"""Whether the bot is heard to speak: every started has its stopped, and neither is a lie.

Pipecat's output tells that the bot has started or stopped speaking when the audio is handed over.
Here these frames wait in the ledger until the ear gets there, and interruptions drop audio, and with
it frames. What may be left is one without the other; this room makes them pairs again.
"""

from dataclasses import dataclass

from pipecat.frames.frames import BotStartedSpeakingFrame, BotStoppedSpeakingFrame, Frame
from pipecat.processors.frame_processor import FrameDirection

from pipecat_wavix.playback import Edge, Held, Playback


@dataclass(slots=True, frozen=True)
class Waiting:
    """A frame that waits to be heard, and where it is headed."""

    frame: Frame
    direction: FrameDirection


class Speaking:
    """The speaking frames of one output, in each direction."""

    def __init__(self, playback: Playback[Waiting]):
        """Begin in silence.

        Args:
            playback: The ledger in which they wait.
        """
        self._playback = playback
        self._audible: set[FrameDirection] = set()
        self._base_stopped: set[FrameDirection] = set()

    def started(self, frame: BotStartedSpeakingFrame, direction: FrameDirection) -> None:
        """Hold a start until the audio that is about to be written is heard."""
        self._base_stopped.discard(direction)
        self._hold(self._playback.sent, Edge.START, frame, direction)

    def stopped(
        self, frame: BotStoppedSpeakingFrame, direction: FrameDirection, *, at: int
    ) -> None:
        """Hold a stop until all that was said is heard, unless nothing began.

        Args:
            frame: The frame.
            direction: Where it is headed.
            at: The position behind what was said.
        """
        self._base_stopped.add(direction)
        waiting = self._waiting(direction)
        last = waiting[-1] if waiting else None
        speaks = _begins(last) if last else direction in self._audible
        if last and speaks and last.position >= self._playback.sent:
            self._playback.withdraw(last)  # its audio was never written: neither happened
        elif speaks:
            self._hold(at, Edge.END, frame, direction)

    def released(self, waiting: Waiting) -> None:
        """Note a frame that goes out."""
        if isinstance(waiting.frame, BotStartedSpeakingFrame):
            self._audible.add(waiting.direction)
        elif isinstance(waiting.frame, BotStoppedSpeakingFrame):
            self._audible.discard(waiting.direction)

    def mend(self, dropped: list[Held[Waiting]]) -> None:
        """Make pairs again of what an interruption has left, once Pipecat's output dealt with it.

        Args:
            dropped: What the ledger has dropped.
        """
        for direction in FrameDirection:
            starts = _frames(dropped, BotStartedSpeakingFrame, direction)
            stops = _frames(dropped, BotStoppedSpeakingFrame, direction)
            speaks = direction in self._audible
            for held in self._waiting(direction):
                if _begins(held) and speaks:  # protected speech comes again, behind a gap
                    stop = stops.pop(0) if stops else BotStoppedSpeakingFrame()
                    self._hold(self._playback.ear.floor, Edge.END, stop, direction)
                speaks = _begins(held)
            if direction in self._base_stopped:
                if speaks:
                    stop = stops.pop() if stops else BotStoppedSpeakingFrame()
                    self._hold(self._playback.sent, Edge.END, stop, direction)
            elif starts and not speaks:  # protected speech goes on, and has not begun to be heard
                self._hold(self._playback.sent, Edge.START, starts.pop(), direction)

    def void(self, held: list[Held[Waiting]]) -> list[Waiting]:
        """What of the ledger still goes out when nobody hears it any more.

        Args:
            held: What waited, in order.

        Returns:
            What must not be lost, and the stops of what was heard to begin.
        """
        kept = [each.item for each in held if not each.item.frame.interruptible]
        stops = [Waiting(BotStoppedSpeakingFrame(), direction) for direction in self._audible]
        return kept + stops

    def _hold(self, position: int, edge: Edge, frame: Frame, direction: FrameDirection) -> None:
        self._playback.hold(position, edge, Waiting(frame, direction), protected=None)

    def _waiting(self, direction: FrameDirection) -> list[Held[Waiting]]:
        """The starts and stops that wait, in order."""
        kinds = BotStartedSpeakingFrame | BotStoppedSpeakingFrame
        return sorted(
            held
            for held in self._playback
            if isinstance(held.item.frame, kinds) and held.item.direction is direction
        )


def _begins(held: Held[Waiting]) -> bool:
    return isinstance(held.item.frame, BotStartedSpeakingFrame)


def _frames(
    dropped: list[Held[Waiting]], kind: type[Frame], direction: FrameDirection
) -> list[Frame]:
    return [
        held.item.frame
        for held in dropped
        if isinstance(held.item.frame, kind) and held.item.direction is direction
    ]
