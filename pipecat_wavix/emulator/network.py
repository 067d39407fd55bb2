"""The network between Wavix and a bot, one direction at a time.

It knows by how much a message is late and whether it is lost. It refuses to know what a message
says, or to wait: it only tells times. Seeded: the same settings give the same faults again.
"""

from dataclasses import dataclass
from math import inf
from random import Random
from typing import Final, Literal

MAX_DELAY_MS: Final = 10_000
"""The longest delay and the largest jitter that can be set, in milliseconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkSettings:
    """The faults of both directions.

    Attributes:
        delay_ms: One way, in milliseconds: a round trip has twice that.
        jitter_ms: Up to this much more, evenly distributed, in milliseconds. Order is kept, as on
            one TCP connection: a late message holds up those behind it.
        loss: The share of media messages that never arrive, 0 to 1. TCP itself loses nothing; this
            stands for what is lost on the telephone's side of Wavix.
        mark_loss: The share of mark echoes that the bot never gets, 0 to 1.
        mark_double: The share of mark echoes that the bot gets twice, 0 to 1.
        seed: Other numbers, other accidents.

    Raises:
        ValueError: A value is out of its range.
    """

    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    loss: float = 0.0
    mark_loss: float = 0.0
    mark_double: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("delay_ms", "jitter_ms"):
            if not 0 <= (value := getattr(self, name)) <= MAX_DELAY_MS:
                raise ValueError(f"{name} is {value}: give 0 to {MAX_DELAY_MS} milliseconds")
        for name in ("loss", "mark_loss", "mark_double"):
            if not 0 <= (value := getattr(self, name)) <= 1:
                raise ValueError(f"{name} is {value}: give a share from 0 to 1, so 0.01 for 1 %")


class Link:
    """One direction of the network.

    Args:
        settings: Its faults.
        direction: Sets its accidents apart from those of the other direction.
    """

    def __init__(self, settings: NetworkSettings, direction: Literal["to_bot", "from_bot"]) -> None:
        self._settings = settings
        self._random = Random(f"{settings.seed} {direction}")  # noqa: S311 - to be repeatable
        self._last_arrival = -inf

    def change(self, settings: NetworkSettings) -> None:
        """Have other faults from now on; what is under way keeps its times, and the seed stays."""
        self._settings = settings

    def arrival(self, now: float) -> float:
        """Tell when a message that is sent now arrives: never before one that was sent earlier.

        Args:
            now: The moment of sending, in seconds.
        """
        late_ms = self._settings.delay_ms + self._random.random() * self._settings.jitter_ms
        self._last_arrival = max(self._last_arrival, now + late_ms / 1000)
        return self._last_arrival

    def lost(self) -> bool:
        """Decide whether the next media message is lost."""
        return self._random.random() < self._settings.loss

    def mark_copies(self) -> int:
        """Decide how often the next mark echo is delivered: 0, 1 or 2 times."""
        if self._random.random() < self._settings.mark_loss:
            return 0
        return 2 if self._random.random() < self._settings.mark_double else 1
