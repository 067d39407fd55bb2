"""The answer to the question whether the caller has heard what was said."""

import asyncio
from dataclasses import dataclass, field
from typing import Literal

from pipecat.frames.frames import ControlFrame

Outcome = Literal["confirmed", "estimated", "interrupted", "timed_out"]


@dataclass(frozen=True)
class Heard:
    """What became of what was said.

    Attributes:
        outcome: `confirmed`: a mark proved that it was heard. `estimated`: it was heard by all we
            know, but no mark has proved it. `interrupted`: the caller spoke up, or has left.
            `timed_out`: it was not heard in time.
        position: Samples at 24 kHz that the caller had heard by then, since the call began.
    """

    outcome: Outcome
    position: int


@dataclass
class UntilHeardFrame(ControlFrame):
    """Goes through the pipeline behind what was said, and waits with it for the ear.

    Parameters:
        position: Where it stands, once it has come to the output.
        answer: Whether it was heard (else it was interrupted), and the position that was heard.
    """

    interruptible: bool = field(default=False, init=False)
    position: int = 0
    answer: asyncio.Future[tuple[bool, int]] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def settle(self, *, heard: bool, position: int) -> None:
        """Answer, unless it is answered."""
        if not self.answer.done():
            self.answer.set_result((heard, position))
