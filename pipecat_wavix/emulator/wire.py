"""The emulator's own rendering of messages: all the fields that Wavix's specification requires.

It knows the fields of the messages. It refuses to know when they are sent. A bot may leave out of a
message what has a default; Wavix leaves nothing out, so the protocol's `dump` will not do here.
"""

import json
from base64 import b64encode
from typing import Any, Literal

from pipecat_wavix.protocol import Command, Event, MarkName, MediaPayload, PlayPayload

_COUNTERS = ("sequence_number", "chunk", "timestamp")


def event_name(message: Event | Command) -> str:
    """The `event` of a message: the name that the wire has for its type."""
    return str(message.__struct_config__.tag)


def rendered(event: Event, counters: Literal["integers", "strings"]) -> str:
    """The JSON text of an event.

    Args:
        event: With every field set that the specification requires.
        counters: Whether numbers are integers, as in the specification, or strings.
    """
    fields = _fields(event)
    media = fields.get("media", {})
    if media:
        media["payload"] = b64encode(media["payload"]).decode()
    if counters == "strings":
        for part in (fields, media):
            part.update({name: str(part[name]) for name in _COUNTERS if name in part})
    return json.dumps(fields)


def without_audio(message: Event | Command) -> dict[str, Any]:
    """The fields of a message, with the length in bytes in place of audio."""
    fields = _fields(message)
    if "media" in fields:
        fields["media"]["payload"] = len(fields["media"]["payload"])
    return fields


def _fields(message: Event | Command) -> dict[str, Any]:
    return {"event": event_name(message), **_set_fields(message)}


def _set_fields(part: Event | Command | MarkName | MediaPayload | PlayPayload) -> dict[str, Any]:
    fields = {}
    for name in part.__struct_fields__:
        value = getattr(part, name)
        if isinstance(value, MarkName | MediaPayload | PlayPayload):
            fields[name] = _set_fields(value)
        elif value is not None:
            fields[name] = value
    return fields
