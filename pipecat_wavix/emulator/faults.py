"""What goes wrong between Wavix's REST API, its webhooks and a bot's server.

It knows shares, counts and chances. It refuses to know HTTP, or to wait: it only decides. Seeded:
the same settings and the same order of events give the same faults again. All can be changed while
the emulator runs; what is already under way is not touched.
"""

from dataclasses import dataclass, field
from math import inf
from random import Random
from typing import Final, Literal, get_args

MAX_SECS: Final = 60.0
"""The longest delay that can be set, in seconds."""

RestFaultKind = Literal["status", "hang", "late", "reply_lost"]


@dataclass(kw_only=True)
class RestFault:
    """One thing that goes wrong with requests.

    Attributes:
        kind: `status` answers an error and does nothing; `hang` does nothing and never answers;
            `late` answers after `secs`; `reply_lost` does what is asked, and never answers.
        route: Which requests, as `METHOD /path` with `{id}` for an id, such as
            `POST /v1/calls/{id}/answer`; `*` for all.
        status: What `status` answers, 400 to 599.
        retry_after_secs: For the header `Retry-After`, in seconds; `None` for no such header.
        secs: By how much `late` is late, in seconds.
        share: How many of these requests, 0 to 1.
        times: How often, and then no more; `None` for ever.

    Raises:
        ValueError: A value is out of its range.
    """

    kind: RestFaultKind
    route: str = "*"
    status: int = 503
    retry_after_secs: int | None = None
    secs: float = 1.0
    share: float = 1.0
    times: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(RestFaultKind):
            kinds = ", ".join(get_args(RestFaultKind))
            raise ValueError(f"kind is {self.kind!r}: give one of {kinds}")
        if not 400 <= self.status <= 599:
            raise ValueError(f"status is {self.status}: give 400 to 599")
        if self.retry_after_secs is not None and not 0 <= self.retry_after_secs <= 3600:
            raise ValueError(
                f"retry_after_secs is {self.retry_after_secs}: give 0 to 3600, or None"
            )
        if not 0 <= self.secs <= MAX_SECS:
            raise ValueError(f"secs is {self.secs}: give 0 to {MAX_SECS:.0f}")
        _check_share("share", self.share)
        if self.times is not None and self.times < 0:
            raise ValueError(f"times is {self.times}: give 0 or more, or None for ever")


@dataclass(kw_only=True)
class WebhookFaults:
    """What goes wrong with webhooks.

    Attributes:
        double: The share that is sent twice, 0 to 1.
        shuffle: The share that is overtaken by the next one to the same URL, 0 to 1.
        shuffle_secs: How long one waits to be overtaken, in seconds.
        late: The share that is late, 0 to 1. Those behind it to the same URL are late as well.
        late_secs: By how much, in seconds.
        loss: The share that is never sent, 0 to 1.

    Raises:
        ValueError: A value is out of its range.
    """

    double: float = 0.0
    shuffle: float = 0.0
    shuffle_secs: float = 1.0
    late: float = 0.0
    late_secs: float = 1.0
    loss: float = 0.0

    def __post_init__(self) -> None:
        for name in ("double", "shuffle", "late", "loss"):
            _check_share(name, getattr(self, name))
        for name in ("shuffle_secs", "late_secs"):
            if not 0 <= (value := getattr(self, name)) <= MAX_SECS:
                raise ValueError(f"{name} is {value}: give 0 to {MAX_SECS:.0f}")


@dataclass(frozen=True, slots=True)
class WebhookFate:
    """What becomes of one webhook.

    Attributes:
        copies: How often it is sent.
        delay_secs: How long it waits first, in seconds.
        overtaken_within_secs: How long it waits for the next one to go first, or `None`.
    """

    copies: int
    delay_secs: float
    overtaken_within_secs: float | None


@dataclass
class Faults:
    """All faults of the emulator but those of the media, which are a call's `NetworkSettings`.

    Attributes:
        webhooks: Of webhooks.
        rest: Of requests; the first one that strikes counts.
        seed: Other numbers, other accidents.
    """

    webhooks: WebhookFaults = field(default_factory=WebhookFaults)
    rest: list[RestFault] = field(default_factory=list)
    seed: int = 0

    def __post_init__(self) -> None:
        self._webhook_chances = Random(f"{self.seed} webhooks")  # noqa: S311 - to be repeatable
        self._rest_chances = Random(f"{self.seed} rest")  # noqa: S311 - to be repeatable

    def webhook_fate(self) -> WebhookFate:
        """Decide what becomes of the next webhook."""
        faults, chance = self.webhooks, self._webhook_chances.random
        # Each chance is taken every time, so that one setting does not change another's accidents.
        lost, doubled, late, shuffled = (chance() for _ in range(4))
        copies = 0 if lost < faults.loss else 2 if doubled < faults.double else 1
        return WebhookFate(
            copies,
            faults.late_secs if late < faults.late else 0.0,
            faults.shuffle_secs if shuffled < faults.shuffle else None,
        )

    def rest_fault(self, route: str) -> RestFault | None:
        """Decide what goes wrong with a request to `route`; it counts as having gone wrong."""
        for fault in self.rest:
            left = inf if fault.times is None else fault.times
            if (
                fault.route in ("*", route)
                and left > 0
                and self._rest_chances.random() < fault.share
            ):
                if fault.times is not None:
                    fault.times -= 1
                return fault
        return None


def _check_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name} is {value}: give a share from 0 to 1, so 0.01 for 1 %")
