"""What Wavix accepts in the body of a request.

It knows the fields of each body, their types and limits, and what is wrong with one. It refuses to
know what is done with them. Source: Wavix's OpenAPI specification (2026-06-30); every object there
is closed (`additionalProperties: false`), so a field that it does not have is an error.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from pipecat_wavix.emulator.numbers import E164

Check = Callable[[Any], str | None]
"""Answers what is wrong with a value, or `None`."""


@dataclass(frozen=True)
class Field:
    """One field of a body.

    Attributes:
        check: What is wrong with its value.
        required: Whether it must be there.
    """

    check: Check
    required: bool = False


Body = Mapping[str, Field]


def text(value: Any) -> str | None:
    """Any string that can be sent back."""
    if not isinstance(value, str):
        return "must be a string"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "must be valid Unicode"
    return None


def flag(value: Any) -> str | None:
    """A boolean."""
    return None if isinstance(value, bool) else "must be a boolean"


def whole(least: int, most: int) -> Check:
    """An integer within limits."""

    def check(value: Any) -> str | None:
        # A boolean is an integer to Python, and not to JSON.
        if not isinstance(value, int) or isinstance(value, bool):
            return "must be an integer"
        return None if least <= value <= most else f"must be {least} to {most}"

    return check


def one_of(*choices: str | int) -> Check:
    """One of a few values."""

    def check(value: Any) -> str | None:
        if any(value == choice and type(value) is type(choice) for choice in choices):
            return None
        return f"must be one of {', '.join(map(str, choices))}"

    return check


def url(*schemes: str) -> Check:
    """An absolute URL of one of these schemes."""

    def check(value: Any) -> str | None:
        if wrong := text(value):
            return wrong
        try:
            parts = urlsplit(value)
            valid = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
        except ValueError:
            valid = False
        if valid and not re.search(r"[\s\x00-\x1f]", value):
            return None
        return f"must be a URL with {' or '.join(f'{scheme}://' for scheme in schemes)}"

    return check


def number(value: Any) -> str | None:
    """A telephone number in E.164."""
    if isinstance(value, str) and E164.fullmatch(value):
        return None
    return "must be a number in E.164"


def key(value: Any) -> str | None:
    """A key of a telephone."""
    return None if isinstance(value, str) and re.fullmatch("[0-9A-D*#]", value) else "must be a key"


def many(check_one: Check) -> Check:
    """A list."""

    def check(value: Any) -> str | None:
        if not isinstance(value, list):
            return "must be an array"
        return next((wrong for item in value if (wrong := check_one(item))), None)

    return check


def nullable(check_value: Check) -> Check:
    """The same, or null."""
    return lambda value: None if value is None else check_value(value)


def nested(body: Body) -> Check:
    """An object within a body."""

    def check(value: Any) -> str | None:
        if not isinstance(value, dict):
            return "must be an object"
        return next((f"{name} {wrong}" for name, wrong in errors(body, value).items()), None)

    return check


def errors(body: Body, value: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with a body, by field; empty if nothing is."""
    wrong = {}
    for name, field in body.items():
        if name not in value:
            if field.required:
                wrong[name] = "required"
        elif found := field.check(value[name]):
            wrong[name] = found
    for name in value:
        if name not in body:
            wrong[name.encode(errors="replace").decode()] = "unknown field"
    return wrong


def parsed(data: bytes) -> dict[str, Any] | None:
    """A body's JSON object; `{}` of an empty body, `None` if it is anything else."""
    if not data:
        return {}
    try:
        value = json.loads(data, parse_constant=_refused)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _refused(constant: str) -> None:
    raise ValueError(f"JSON has no {constant}")


_WEBHOOK_URL = url("http", "https")
_STREAM_URL = url("ws", "wss")
_STREAM_TYPE = one_of("oneway", "twoway")
_CHANNEL = one_of("inbound", "outbound", "both")
_VOICES = (
    *("Ivy", "Joanna", "Kendra", "Kimberly", "Salli", "Joey", "Justin", "Matthew"),
    *("Conchita", "Lucia", "Enrique", "Marlene", "Vicki", "Hans", "Tatyana", "Maxim"),
)

# Where Wavix states no limit, there is one here all the same: a wait has an end.
START_CALL: Final[Body] = {
    "from": Field(number, required=True),
    "to": Field(number, required=True),
    "callback_url": Field(_WEBHOOK_URL, required=True),
    "recording": Field(flag),
    "voicemail_detection": Field(flag),
    "tag": Field(text),
    "timeout": Field(whole(1, 3600)),
}
UPDATE_CALL: Final[Body] = {"tag": Field(text, required=True)}
ANSWER: Final[Body] = {
    "call_recording": Field(flag),
    "call_transcription": Field(flag),
    "stream_url": Field(_STREAM_URL),
    "stream_type": Field(_STREAM_TYPE),
    "stream_channel": Field(_CHANNEL),
}
START_STREAM: Final[Body] = {
    "stream_url": Field(_STREAM_URL, required=True),
    "stream_type": Field(_STREAM_TYPE, required=True),
    "stream_channel": Field(_CHANNEL, required=True),
}
PLAY: Final[Body] = {"audio_file": Field(url("http", "https"), required=True)}
COLLECT: Final[Body] = {
    "max_digits": Field(whole(1, 20)),
    "timeout": Field(whole(1, 60)),
    "termination_character": Field(key),
    "max_attempts": Field(whole(1, 100)),
    "prompt": Field(
        nested(
            {
                "play": Field(url("http", "https")),
                "say": Field(
                    nested(
                        {
                            "text": Field(text, required=True),
                            "language": Field(one_of("ru", "en", "sp", "ge")),
                            "voice": Field(one_of(*_VOICES), required=True),
                        }
                    )
                ),
            }
        )
    ),
}
WEBHOOK: Final[Body] = {
    "url": Field(_WEBHOOK_URL, required=True),
    "event_type": Field(one_of("post-call", "on-call"), required=True),
}
UPDATE_NUMBER: Final[Body] = {
    "sms_enabled": Field(flag),
    "destinations": Field(
        many(
            nested(
                {
                    "destination": Field(text, required=True),
                    "priority": Field(whole(0, 2**31 - 1), required=True),
                    "transport": Field(one_of(1, 4, 5), required=True),
                    "trunk_id": Field(nullable(whole(0, 2**31 - 1))),
                }
            )
        )
    ),
    "sms_relay_url": Field(_WEBHOOK_URL),
    "call_recording_enabled": Field(flag),
    "transcription_enabled": Field(flag),
    "transcription_threshold": Field(whole(0, 2**31 - 1)),
    "call_status_url": Field(_WEBHOOK_URL),
}
