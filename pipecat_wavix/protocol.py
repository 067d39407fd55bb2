"""The messages of Wavix Call Media Streaming, both ways, and nothing else.

It knows the JSON of the wire and what may be wrong with it. It refuses to know sockets, clocks,
calls or Pipecat. What Wavix sends is an *event*; what a bot sends is a *command*.

Source: Wavix Call Streaming API 1.0.0 (AsyncAPI, 2026-06-30). Wavix is the WebSocket client, the
bot the server. Audio is PCM16 little-endian, 24 kHz, mono, base64; 20 ms a message each way.
"""

from typing import Final, Literal, TypeVar

import msgspec

SAMPLE_RATE: Final = 24_000
"""Samples a second on the wire, in Hz."""

FRAME_MS: Final = 20
"""Duration of one media message, in milliseconds."""

FRAME_SAMPLES: Final = SAMPLE_RATE * FRAME_MS // 1000
"""Samples of one media message: 480."""

FRAME_BYTES: Final = FRAME_SAMPLES * 2
"""Bytes of PCM16 of one media message: 960."""

MAX_MESSAGE_BYTES: Final = 256 * 1024
"""The longest message that is parsed: about 4 s of audio, 200 times what Wavix sends."""


class _Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", omit_defaults=True):
    """A message of the stream: one flat JSON object, told apart by its `event`."""


# Events: Wavix to the bot. Only what we cannot do without is required; the specification requires
# every field, but a missing one must not end a call.


class Connected(_Message, frozen=True, tag="connected"):
    """The WebSocket is open; `start` follows."""

    event_time: str | None = None


class Start(_Message, frozen=True, tag="start"):
    """The stream begins.

    Attributes:
        call_id: The call, a UUID in the REST API.
        stream_id: The stream; commands carry it back.
        stream_type: `oneway` (we only listen) or `twoway`.
        channel: The leg that is captured: `inbound`, `outbound` or `both`.
        sequence_number: 1; it counts every event after `connected`.
        event_time: ISO 8601.
    """

    call_id: str
    stream_id: str
    stream_type: str = "twoway"
    channel: str = "inbound"
    sequence_number: int | None = None
    event_time: str | None = None


class MediaPayload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The audio of a `media` event.

    Attributes:
        payload: PCM16 little-endian, 24 kHz, mono; base64 on the wire.
        track: `inbound` (the caller) or `outbound` (what the caller hears).
        timestamp: Opaque, and of any type: the sources disagree on its unit, so no time is ever
            computed from it.
        chunk: Counts from 1.
    """

    payload: bytes
    track: str = "inbound"
    timestamp: object = None
    chunk: int | None = None


class Media(_Message, frozen=True, tag="media"):
    """20 ms of the call's audio."""

    media: MediaPayload
    call_id: str | None = None
    stream_id: str | None = None
    sequence_number: int | None = None
    event_time: str | None = None


class MarkName(msgspec.Struct, frozen=True, kw_only=True):
    """The name that a mark was given by the bot."""

    name: str


class Mark(_Message, frozen=True, tag="mark"):
    """The echo of a mark: the audio sent before it was played, or perhaps cleared."""

    mark: MarkName
    call_id: str | None = None
    stream_id: str | None = None
    sequence_number: int | None = None
    event_time: str | None = None


class Stop(_Message, frozen=True, tag="stop"):
    """The stream has ended; Wavix closes the socket."""

    call_id: str | None = None
    stream_id: str | None = None
    sequence_number: int | None = None
    event_time: str | None = None


# Commands: the bot to Wavix, on a twoway stream. `stream_id` is optional, but a wrong one makes
# Wavix drop the command without a word.


class PlayPayload(msgspec.Struct, frozen=True, kw_only=True):
    """The audio of a `media` command: PCM16 little-endian, 24 kHz, mono; base64 on the wire."""

    payload: bytes


class PlayMedia(_Message, frozen=True, tag="media"):
    """Audio for Wavix to append to what the caller will hear."""

    media: PlayPayload
    stream_id: str | None = None


class PlaceMark(_Message, frozen=True, tag="mark"):
    """A name for Wavix to send back when the audio sent before it has been played."""

    mark: MarkName
    stream_id: str | None = None


class Clear(_Message, frozen=True, tag="clear"):
    """Stop the playback and forget what is buffered."""

    stream_id: str | None = None


Event = Connected | Start | Media | Mark | Stop
Command = PlayMedia | PlaceMark | Clear


class Rejected(msgspec.Struct, frozen=True):
    """What `parse` answers to a message that it cannot use.

    Attributes:
        kind: What was wrong, in few enough words to count by.
        reason: For a log: names the place and the limit, never carries audio or a caller's data.
    """

    kind: Literal["too_long", "not_json", "unknown_event", "bad_field", "bad_audio"]
    reason: str


T = TypeVar("T")

_event_decoder = msgspec.json.Decoder(Event, strict=False)
_command_decoder = msgspec.json.Decoder(Command, strict=False)
_encoder = msgspec.json.Encoder()


def parse(data: str | bytes) -> Event | Rejected:
    """Read what Wavix sends. Never raises on any input.

    Counters may be integers or strings of digits (Wavix's sources show both); unknown fields are
    ignored.

    Args:
        data: One WebSocket message, at most `MAX_MESSAGE_BYTES` long.

    Returns:
        The event, or why there is none.
    """
    return _parse(_event_decoder, data)


def parse_command(data: str | bytes) -> Command | Rejected:
    """Read what a bot sends: the far end's `parse`. Never raises on any input.

    Args:
        data: One WebSocket message, at most `MAX_MESSAGE_BYTES` long.

    Returns:
        The command, or why there is none.
    """
    return _parse(_command_decoder, data)


def _parse(decoder: msgspec.json.Decoder[T], data: str | bytes) -> T | Rejected:
    # A character is at least a byte, so a longer text is too long before it is encoded.
    if len(data) > MAX_MESSAGE_BYTES:
        return Rejected("too_long", f"{len(data)} long; at most {MAX_MESSAGE_BYTES} bytes")
    try:
        message = decoder.decode(data)
    except msgspec.ValidationError as error:
        return _explain(str(error))
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        return Rejected("not_json", type(error).__name__)
    if isinstance(message, Media | PlayMedia) and len(message.media.payload) % 2:
        return Rejected("bad_audio", f"{len(message.media.payload)} bytes; PCM16 has two a sample")
    return message


def _explain(error: str) -> Rejected:
    # msgspec ends its messages with the place, "- at `$.media.payload`". It quotes a value only
    # for an unknown tag, which is anybody's text and so stays out.
    if error.endswith("`$.event`") or error.endswith("missing required field `event`"):
        return Rejected("unknown_event", "no `event` of the stream")
    if error.endswith("`$.media.payload`"):
        return Rejected("bad_audio", "payload is not base64")
    return Rejected("bad_field", error)


def dump(command: Command) -> str:
    """Render what we send as the JSON text of one WebSocket message.

    Events are Wavix's to render: what is optional to `parse` is required of them.
    """
    return _encoder.encode(command).decode()
