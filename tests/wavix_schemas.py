"""The shapes of Wavix's answers and webhooks, as facts: names, types, required, enums.

Transcribed from Wavix's OpenAPI specification (2026-06-30), never from what the emulator answers.
"""

from jsonschema import Draft202012Validator


def _closed(required, optional=(), **properties):
    return {
        "type": "object",
        "properties": properties,
        "required": sorted(set(required) - set(optional)),
        "additionalProperties": False,
    }


STRING = {"type": "string"}
BOOLEAN = {"type": "boolean"}
INTEGER = {"type": "integer"}
UUID = {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"}
TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"}
MAYBE_TIME = {"anyOf": [TIME, {"type": "null"}]}
MAYBE_STRING = {"type": ["string", "null"]}

_CALL = {
    "uuid": UUID,
    "id": UUID,
    "direction": {"enum": ["inbound", "outbound"]},
    "event_type": {
        "enum": [
            *("call_setup", "ringing", "early_media", "answered", "completed"),
            *("busy", "cancelled", "rejected", "on_call_event"),
        ]
    },
    "event_time": TIME,
    "event_payload": {
        "oneOf": [
            {"type": "null"},
            {
                "type": "object",
                "required": ["type"],
                "properties": {
                    "type": {"enum": ["audio", "collect"]},
                    "payload": {"type": ["object", "null"]},
                },
            },
        ]
    },
    "from": STRING,
    "to": STRING,
    "call_started": TIME,
    "call_answered": MAYBE_TIME,
    "call_completed": MAYBE_TIME,
    "machine_detected": BOOLEAN,
    "tag": STRING,
}
CALL = _closed(_CALL, optional=["direction"], **_CALL)

_REPORT = {
    "direction": {"enum": ["inbound", "outbound"]},
    "uuid": STRING,
    "destination": MAYBE_STRING,
    "duration": INTEGER,
    "charge": STRING,
    "date": TIME,
    "disposition": {"enum": ["answered", "noanswer", "busy", "failed", "all"]},
    "from": MAYBE_STRING,
    "to": MAYBE_STRING,
    "per_minute": STRING,
}
REPORT = _closed(_REPORT, **_REPORT)

_NUMBER = {
    "id": INTEGER,
    "number": STRING,
    **dict.fromkeys(["activation_fee", "monthly_fee", "per_min", "city"], STRING),
    "state": MAYBE_STRING,
    **dict.fromkeys(["country", "country_short_name"], STRING),
    "destination": {
        "type": "array",
        "items": _closed(
            ["id", "destination", "priority", "transport", "trunk_id", "trunk_label"],
            id=INTEGER,
            destination=STRING,
            priority=INTEGER,
            transport={"enum": [1, 4, 5]},
            trunk_id={"type": ["integer", "null"]},
            srtp=BOOLEAN,
            trunk_label=MAYBE_STRING,
        ),
    },
    "channels": INTEGER,
    "require_docs": {"type": "array", "items": STRING},
    "documents": {"type": "array"},
    "domestic_cli": BOOLEAN,
    "free_min": INTEGER,
    "unlimited": BOOLEAN,
    "label": MAYBE_STRING,
    "status": STRING,
    "seconds": STRING,
    "added": TIME,
    "paid_until": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\d$"},
    "sms_enabled": BOOLEAN,
    "sms_relay_url": MAYBE_STRING,
    "cnam": {"type": ["boolean", "null"]},
    "call_recording_enabled": BOOLEAN,
    "transcription_enabled": BOOLEAN,
    "transcription_threshold": INTEGER,
    "call_status_url": MAYBE_STRING,
}
NUMBER = _closed(_NUMBER, optional=["state", "free_min", "unlimited", "call_status_url"], **_NUMBER)

CALL_ANSWER = {
    "type": "object",
    "required": ["call", "success"],
    "properties": {"call": CALL, "success": {"const": True}},
}
CALLS = {
    "type": "object",
    "required": ["calls", "success"],
    "properties": {"calls": {"type": "array", "items": CALL}, "success": {"const": True}},
}
SUCCESS = {"type": "object", "required": ["success"], "properties": {"success": {"const": True}}}
STREAM = {
    "type": "object",
    "required": ["success", "stream_id"],
    "properties": {"success": {"const": True}, "stream_id": UUID},
}
_WEBHOOK = {"event_type": {"enum": ["post-call", "on-call"]}, "url": STRING}
WEBHOOKS = {"type": "array", "items": _closed(_WEBHOOK, **_WEBHOOK)}
WEBHOOK = _closed([*_WEBHOOK, "success"], success={"const": True}, **_WEBHOOK)
NUMBERS = _closed(
    ["items", "doc_types", "pagination"],
    items={"type": "array", "items": NUMBER},
    doc_types={"type": "array"},
    pagination=_closed(
        ["current_page", "per_page", "total", "total_pages"],
        **dict.fromkeys(["current_page", "per_page", "total", "total_pages"], INTEGER),
    ),
)

ERROR = {
    "type": "object",
    "required": ["success", "message"],
    "properties": {
        "success": {"const": False},
        "message": STRING,
        "errors": {"type": "object", "additionalProperties": STRING},
    },
}
UNAUTHORIZED = {
    "type": "object",
    "required": ["success", "error", "message"],
    "properties": {"success": {"const": False}, "error": {"const": True}, "message": STRING},
}


def check(value, schema):
    """Assert that a value has a shape, and answer the value."""
    errors = [error.message for error in Draft202012Validator(schema).iter_errors(value)]
    assert not errors, errors
    return value
