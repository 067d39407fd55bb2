"""The wire as Wavix's specification has it, transcribed by hand and never by our own encoder.

Source: Wavix Call Streaming API 1.0.0 (AsyncAPI, 2026-06-30).
"""

import json
from typing import Any

# 0, 1, 2, ... 479 as PCM16 little-endian; its base64 was made by a tool that knows nothing of us.
RAMP = b"".join(n.to_bytes(2, "little") for n in range(480))
FOUR_SAMPLES = "AAABAP//AIA="  # 0, 1, -1, -32768
FOUR_SAMPLES_PCM = b"\x00\x00\x01\x00\xff\xff\x00\x80"

CONNECTED = '{"event": "connected", "event_time": "2024-01-15T10:30:00Z"}'
START = """{
  "event": "start", "event_time": "2024-01-15T10:30:00Z", "call_id": "abc-123",
  "stream_id": "str-456", "stream_type": "twoway", "channel": "both", "sequence_number": 1
}"""
MEDIA = (
    """{
  "event": "media", "event_time": "2024-01-15T10:30:01Z", "call_id": "abc-123",
  "stream_id": "str-456", "sequence_number": 2,
  "media": {"payload": "%s", "track": "inbound", "timestamp": 160, "chunk": 1}
}"""
    % FOUR_SAMPLES
)
MARK = """{
  "event": "mark", "event_time": "2024-01-15T10:30:02Z", "call_id": "abc-123",
  "stream_id": "str-456", "sequence_number": 10, "mark": {"name": "end-of-greeting"}
}"""
STOP = """{
  "event": "stop", "event_time": "2024-01-15T10:30:05Z", "call_id": "abc-123",
  "stream_id": "str-456", "sequence_number": 100
}"""
EVENTS = {"connected": CONNECTED, "start": START, "media": MEDIA, "mark": MARK, "stop": STOP}

PLAY_MEDIA = '{"event": "media", "stream_id": "str-456", "media": {"payload": "%s"}}' % FOUR_SAMPLES
PLACE_MARK = '{"event": "mark", "stream_id": "str-456", "mark": {"name": "mark-1"}}'
CLEAR = '{"event": "clear", "stream_id": "str-456"}'
COMMANDS = {"media": PLAY_MEDIA, "mark": PLACE_MARK, "clear": CLEAR}


def _command(event: str, **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["event", *properties],
        "properties": {"event": {"const": event}, "stream_id": {"type": "string"}, **properties},
        # The specification allows more fields; we have no reason to send any.
        "additionalProperties": False,
    }


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(properties),
        "properties": properties,
        "additionalProperties": False,
    }


BASE64 = r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
COMMAND_SCHEMA = {
    "oneOf": [
        _command("media", media=_object(payload={"type": "string", "pattern": BASE64})),
        _command("mark", mark=_object(name={"type": "string"})),
        _command("clear"),
    ]
}


def hostile() -> dict[str, str | bytes]:
    """Messages that nobody should send, by name."""
    cases: dict[str, str | bytes] = {
        "nothing": "",
        "nothing, in bytes": b"",
        "a space": " ",
        "a word": "hello",
        "half an object": '{"event": "media"',
        "a lone brace": "{",
        "an empty object": "{}",
        "an array": "[]",
        "an array of events": f"[{STOP}]",
        "null": "null",
        "true": "true",
        "a number": "42",
        "a string": '"stop"',
        "two objects": STOP + STOP,
        "an object and a tail": STOP + "x",
        "single quotes": "{'event': 'stop'}",
        "a byte order mark": "\ufeff" + STOP,
        "NaN": '{"event": "start", "sequence_number": NaN}',
        "Infinity": '{"event": "start", "sequence_number": Infinity}',
        "a lone surrogate": '{"event": "stop", "call_id": "\ud800"}',
        "an escaped lone surrogate": '{"event": "mark", "mark": {"name": "\\ud800"}}',
        "a null character": '{"event": "mark", "mark": {"name": "\\u0000"}}',
        "bytes that are no text": b"\xff\xfe\x00",
        "an overlong UTF-8 sequence": b'{"event": "\xc0\xae"}',
        "a WAV header": b"RIFF\x24\x00\x00\x00WAVEfmt ",
        "a thousand arrays": "[" * 1000 + "]" * 1000,
        "a hundred thousand arrays": "[" * 100_000,
        "a hundred thousand objects": '{"media":' * 100_000,
        "a deep unknown field": '{"event": "stop", "x": ' + "[" * 5000 + "]" * 5000 + "}",
        "300 kB of spaces": " " * 300_000,
        "300 kB of a name": '{"event": "mark", "mark": {"name": "' + "x" * 300_000 + '"}}',
        "an unknown event": '{"event": "dtmf", "dtmf": {"digit": "5"}}',
        "an event of another case": '{"event": "MEDIA", "media": {"payload": ""}}',
        "an event with a space": '{"event": "stop "}',
        "Twilio's start": '{"event":"start","start":{"streamSid":"MZ1","callSid":"CA1"}}',
        "Telnyx's media": '{"event":"media","stream_id":"x","media":{"track":"inbound_track"}}',
        "Plivo's audio": '{"event":"playAudio","media":{"contentType":"audio/x-l16"}}',
        "a command instead of an event": CLEAR,
        "the event last of two": '{"event": "stop", "event": "dtmf"}',
        "HTML": "<html><script>alert(1)</script></html>",
        "SQL": "'; DROP TABLE calls; --",
        "a format string": '{"event": "mark", "mark": {"name": "%s%n{0}{name}"}}',
        "a log line break": '{"event": "mark\\nERROR forged", "mark": {"name": "\\r\\n"}}',
        "payload of one byte": '{"event": "media", "media": {"payload": "AA=="}}',
        "payload of three bytes": '{"event": "media", "media": {"payload": "AAAA"}}',
        "payload without padding": '{"event": "media", "media": {"payload": "AAABAP//AIA"}}',
        "payload with a line break": '{"event": "media", "media": {"payload": "AAAB\\nAP//AIA="}}',
        "payload with a space": '{"event": "media", "media": {"payload": "AAAB AP//AIA="}}',
        "payload in the URL alphabet": '{"event": "media", "media": {"payload": "AAABAP__AIA="}}',
        "payload in hexadecimal": '{"event": "media", "media": {"payload": "0x00"}}',
        "payload of the specification": '{"event": "media", "media": {"payload": "AAEC/f7..."}}',
        "payload beyond ASCII": '{"event": "media", "media": {"payload": "ÄÖÜß"}}',
        "an empty payload": '{"event": "media", "media": {"payload": ""}}',
        "a track of another name": '{"event":"media","media":{"payload":"AAA=","track":"both"}}',
    }
    wrong: dict[str, Any] = {
        "null": None,
        "true": True,
        "zero": 0,
        "a fraction": 1.5,
        "a huge number": 10**40,
        "a negative number": -1,
        "a word": "garbage",
        "an empty string": "",
        "an array": [],
        "an object": {},
    }
    for event, text in EVENTS.items():
        message = json.loads(text)
        inner = message.get(event) if isinstance(message.get(event), dict) else {}
        for what, value in wrong.items():
            for key in message:
                cases[f"{event} with {key} being {what}"] = json.dumps({**message, key: value})
            for key in inner:
                cases[f"{event} with {event}.{key} being {what}"] = json.dumps(
                    {**message, event: {**inner, key: value}}
                )
        for key in message:
            cases[f"{event} without {key}"] = json.dumps(
                {k: v for k, v in message.items() if k != key}
            )
    return cases


HOSTILE = hostile()
