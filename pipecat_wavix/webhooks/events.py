"""The shape of a call, as webhooks and the REST API both show it, read tolerantly.

It knows fields. It refuses to know their order in time, which is the book's. Of a call only the id
has to be there and in order; whatever else is missing, unknown or misshapen is None, so a change
at Wavix costs a field and not the call.

Source: Wavix's OpenAPI specification (2026-06-30), `OnCallEvent` and `PostCallEvent`.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, cast

from pipecat_wavix.webhooks.numbers import e164, last_digits

Direction = Literal["inbound", "outbound"]

# UUIDs, says the specification; its examples show others. What is let through can stand in a URL.
_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_DIGITS = re.compile(r"[0-9A-D*#]{0,128}")


@dataclass(frozen=True, slots=True)
class InCallEvent:
    """What happened in the course of a call (`on_call_event`).

    Attributes:
        type: `audio` or `collect`.
        status: `started`, `completed` or, of `collect`, `failed`.
        digits: What the caller keyed in; `collect` only.
        playback_id: Which prompt; `audio` only.
    """

    type: str
    status: str | None = None
    digits: str | None = None
    playback_id: str | None = None

    def __repr__(self) -> str:
        # Digits may be a PIN.
        return f"InCallEvent(type={self.type!r}, status={self.status!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class WavixCall:
    """A call, at the time of its latest event.

    Attributes:
        id: The call's id.
        direction: Seen from the account; None if Wavix did not say.
        event_type: The latest event: call_setup, ringing, early_media, answered, completed, busy,
            cancelled, rejected, on_call_event, or one that is not known yet.
        event_time: When that was.
        event: What happened, of an `on_call_event`.
        from_number: In E.164; None if it is withheld.
        to_number: In E.164.
        started_at: When the call began.
        answered_at: When it was answered; None: not yet.
        completed_at: When it ended; None: not yet.
        machine_detected: Whether voicemail answered.
        tag: What the account attached to it.
    """

    id: str
    direction: Direction | None = None
    event_type: str = ""
    event_time: datetime | None = None
    event: InCallEvent | None = None
    from_number: str | None = None
    to_number: str | None = None
    started_at: datetime | None = None
    answered_at: datetime | None = None
    completed_at: datetime | None = None
    machine_detected: bool = False
    tag: str | None = None

    def __repr__(self) -> str:
        return (
            f"WavixCall({self.id}, {self.direction}, {self.event_type!r}, "
            f"from {last_digits(self.from_number)}, to {last_digits(self.to_number)})"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PostCall:
    """The account of a call that is over.

    Attributes:
        id: The call's id (`uuid`).
        direction: Seen from the account.
        disposition: answered, noanswer, busy or failed.
        duration_secs: Its length.
        charge_usd: What it cost, as Wavix writes it.
    """

    id: str
    direction: Direction | None = None
    disposition: str | None = None
    duration_secs: int | None = None
    charge_usd: str | None = None


def read_webhook(body: bytes) -> WavixCall | PostCall:
    """Read the body of a webhook.

    Args:
        body: JSON.

    Raises:
        ValueError: If it tells of no call; the message holds nothing of the body.
    """
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("the body is not JSON") from None
    # The post-call body has no `id` and no event, and tells how the call went.
    if isinstance(fields, dict) and "disposition" in fields and "event_type" not in fields:
        duration = fields.get("duration")
        return PostCall(
            id=_id(fields),
            direction=_direction(fields),
            disposition=_text(fields, "disposition"),
            duration_secs=duration if isinstance(duration, int) else None,
            charge_usd=_text(fields, "charge"),
        )
    return read_call(fields)


def read_call(fields: object) -> WavixCall:
    """Read a call.

    Args:
        fields: The JSON object of a call, parsed.

    Raises:
        ValueError: If it is no object or has no usable id; the message holds nothing of it.
    """
    if not isinstance(fields, dict):
        raise ValueError("a call is a JSON object")
    return WavixCall(
        id=_id(fields),
        direction=_direction(fields),
        event_type=_text(fields, "event_type") or "",
        event_time=_time(fields, "event_time"),
        event=_event(fields.get("event_payload")),
        from_number=_number(fields, "from"),
        to_number=_number(fields, "to"),
        started_at=_time(fields, "call_started"),
        answered_at=_time(fields, "call_answered"),
        completed_at=_time(fields, "call_completed"),
        machine_detected=fields.get("machine_detected") is True,
        tag=_text(fields, "tag"),
    )


def _id(fields: Mapping[str, Any]) -> str:
    value = fields.get("id") or fields.get("uuid")  # `uuid` is the deprecated alias
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise ValueError("the id must be 1 to 128 letters, digits, '_' or '-'")
    return value


def _direction(fields: Mapping[str, Any]) -> Direction | None:
    value = fields.get("direction")
    return cast(Direction, value) if value in ("inbound", "outbound") else None


def _event(value: object) -> InCallEvent | None:
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        return None
    payload = value.get("payload")
    if not isinstance(payload, dict):
        return InCallEvent(value["type"])
    digits = _text(payload, "digits")
    return InCallEvent(
        value["type"],
        status=_text(payload, "status"),
        digits=digits if digits is not None and _DIGITS.fullmatch(digits) else None,
        playback_id=_text(payload, "playback_id"),
    )


def _text(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    return value if isinstance(value, str) else None


def _number(fields: Mapping[str, Any], name: str) -> str | None:
    return e164(_text(fields, name) or "")


def _time(fields: Mapping[str, Any], name: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(_text(fields, name) or "")
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
