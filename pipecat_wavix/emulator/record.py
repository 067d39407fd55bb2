"""What Wavix knows of a call, and how it tells it: the phase, the times, the JSON.

It knows which event may follow which, and the fields of Wavix's `Call` and of its post-call report.
It refuses to know clocks, HTTP, and why a call moves on. Source: Wavix's OpenAPI specification
(2026-06-30), `Call`, `OnCallEvent` and `PostCallEvent`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

Direction = Literal["inbound", "outbound"]
EventType = Literal[
    "call_setup",
    "ringing",
    "early_media",
    "answered",
    "completed",
    "busy",
    "cancelled",
    "rejected",
    "on_call_event",
]
Phase = Literal[
    "call_setup",
    "ringing",
    "early_media",
    "answered",
    "completed",
    "busy",
    "cancelled",
    "rejected",
]
"""Where a call is: an `EventType`, but for `on_call_event`, which moves nothing."""

_ENDS: Final[frozenset[Phase]] = frozenset({"completed", "busy", "cancelled", "rejected"})

NEXT: Final[Mapping[Phase, frozenset[Phase]]] = {
    "call_setup": frozenset({"ringing", "answered", *_ENDS}),
    "ringing": frozenset({"early_media", "answered", *_ENDS}),
    "early_media": frozenset({"answered", *_ENDS}),
    "answered": frozenset({"completed"}),
    **dict.fromkeys(_ENDS, frozenset()),
}
"""Which phases may follow which: all that a call can do."""

_DISPOSITIONS: Final = {"busy": "busy", "rejected": "failed"}


def written(number: str, *, plus: bool) -> str:
    """A number as Wavix shows it: with or without the `+` of E.164."""
    return ("+" if plus else "") + number.removeprefix("+")


def instant(at: datetime) -> str:
    """A moment as Wavix writes it: ISO 8601 in UTC, in milliseconds, with a `Z`."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(kw_only=True)
class CallRecord:
    """One call, as Wavix has it on record.

    Attributes:
        id: A UUID.
        direction: `inbound` is a call to a number of the account.
        from_number: Who calls, in E.164.
        to_number: Who is called, in E.164.
        started_at: When it was set up, in UTC.
        from_plus: Whether `from` is shown with its `+`.
        to_plus: Whether `to` is shown with its `+`.
        tag: The account's own label.
        phase: Where the call is.
        phases: Where it was before, and is: in order.
        event_type: The latest event.
        event_time: When that was, in UTC.
        event_payload: Of the latest event, if it was an `on_call_event`.
        answered_at: When it was answered, in UTC.
        completed_at: When it ended, in UTC.
        machine_detected: Whether a machine was found to have answered.
    """

    id: str
    direction: Direction
    from_number: str
    to_number: str
    started_at: datetime
    from_plus: bool = True
    to_plus: bool = True
    tag: str = ""
    phase: Phase = field(default="call_setup", init=False)
    phases: list[Phase] = field(default_factory=lambda: ["call_setup"], init=False)
    event_type: EventType = field(default="call_setup", init=False)
    event_time: datetime = field(init=False)
    event_payload: dict[str, Any] | None = field(default=None, init=False)
    answered_at: datetime | None = field(default=None, init=False)
    completed_at: datetime | None = field(default=None, init=False)
    machine_detected: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.event_time = self.started_at

    @property
    def over(self) -> bool:
        """Whether the call has ended, in whatever way."""
        return self.phase in _ENDS

    def move(self, phase: Phase, at: datetime) -> None:
        """Enter the next phase.

        Args:
            phase: Which.
            at: When, in UTC.

        Raises:
            ValueError: No call moves so.
        """
        if phase not in NEXT[self.phase]:
            raise ValueError(f"a call that is {self.phase!r} cannot become {phase!r}")
        self.phase = self.event_type = phase
        self.phases.append(phase)
        self.event_time, self.event_payload = at, None
        if phase == "answered":
            self.answered_at = at
        if phase in _ENDS:
            self.completed_at = at

    def note(
        self, kind: Literal["audio", "collect"], payload: Mapping[str, str], at: datetime
    ) -> None:
        """Enter an event in mid-call, which leaves the phase as it is.

        Args:
            kind: Of what.
            payload: What Wavix says of it.
            at: When, in UTC.
        """
        self.event_type, self.event_time = "on_call_event", at
        self.event_payload = {"type": kind, "payload": dict(payload)}

    def as_call(self) -> dict[str, Any]:
        """Wavix's `Call`: the body of an on-call webhook, and what the REST API answers."""
        return {
            "uuid": self.id,
            "id": self.id,
            "direction": self.direction,
            "event_type": self.event_type,
            "event_time": instant(self.event_time),
            "event_payload": self.event_payload,
            "from": written(self.from_number, plus=self.from_plus),
            "to": written(self.to_number, plus=self.to_plus),
            "call_started": instant(self.started_at),
            "call_answered": self.answered_at and instant(self.answered_at),
            "call_completed": self.completed_at and instant(self.completed_at),
            "machine_detected": self.machine_detected,
            "tag": self.tag,
        }

    def as_report(self) -> dict[str, Any]:
        """The body of the post-call webhook, of a call that is over. It costs nothing here."""
        secs = 0.0
        if self.answered_at and self.completed_at:
            secs = (self.completed_at - self.answered_at).total_seconds()
        disposition = _DISPOSITIONS.get(self.phase, "noanswer")
        return {
            "direction": self.direction,
            "uuid": self.id,
            "destination": None,
            "duration": round(secs),
            "charge": "0.0",
            "date": instant(self.started_at),
            "disposition": "answered" if self.answered_at else disposition,
            "from": written(self.from_number, plus=False),
            "to": written(self.to_number, plus=False),
            "per_minute": "0.0",
        }
