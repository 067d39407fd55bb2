"""Every request of `WavixClient`, and what the specification has it be."""

from rest_server import Answer

from pipecat_wavix.client import Prompt

ID = "5dccb6b0-f35c-488c-867b-86fb012c4415"
STREAM_ID = "123e4567-e89b-12d3-a456-426614174000"
PATH = f"/v1/calls/{ID}"
# Transcribed from the examples of Wavix's OpenAPI specification.
CALL = {
    "uuid": ID,
    "id": ID,
    "direction": "outbound",
    "event_type": "call_setup",
    "event_time": "2025-09-22T12:56:38.547Z",
    "event_payload": None,
    "from": "+18045961058",
    "to": "17653889567",
    "call_started": "2025-09-22T12:56:38.547Z",
    "call_answered": None,
    "call_completed": None,
    "machine_detected": False,
    "tag": "marketing-campaign",
}
HOOK = "https://your-site.com/webhook"
WSS = "wss://examples.com/stream"
SUCCESS = {"success": True}

# Method and path, query, body, as the specification has them.
REQUESTS = {
    "a dial": (
        lambda c: c.dial(
            from_number="+1234567890", to_number="+1987654321", callback_url=HOOK, tag="a"
        ),
        ("POST", "/v1/calls", {}),
        {"from": "+1234567890", "to": "+1987654321", "callback_url": HOOK, "tag": "a"},
        CALL,
    ),
    "a dial with everything": (
        lambda c: c.dial(
            from_number="1 (234) 567-890",
            to_number="1987654321",
            callback_url=HOOK,
            tag="a",
            recording=True,
            voicemail_detection=True,
            ring_timeout_secs=60,
        ),
        ("POST", "/v1/calls", {}),
        {
            "from": "+1234567890",
            "to": "+1987654321",
            "callback_url": HOOK,
            "tag": "a",
            "recording": True,
            "voicemail_detection": True,
            "timeout": 60,
        },
        {key: value for key, value in CALL.items() if key != "id"},  # as its example is
    ),
    "the calls": (
        lambda c: c.list_calls(),
        ("GET", "/v1/calls", {}),
        None,
        {"calls": [], **SUCCESS},
    ),
    "a call": (lambda c: c.get_call(ID), ("GET", PATH, {}), None, {"call": CALL, **SUCCESS}),
    "a tag": (lambda c: c.tag_call(ID, "vip"), ("PATCH", PATH, {}), {"tag": "vip"}, SUCCESS),
    "a hang-up": (lambda c: c.hang_up(ID), ("DELETE", PATH, {}), None, SUCCESS),
    "an answer": (lambda c: c.answer(ID), ("POST", f"{PATH}/answer", {}), {}, SUCCESS),
    "an answer with a stream": (
        lambda c: c.answer(ID, stream_url=WSS),
        ("POST", f"{PATH}/answer", {}),
        {"stream_url": WSS, "stream_type": "twoway", "stream_channel": "inbound"},
        SUCCESS,
    ),
    "an answer with everything": (
        lambda c: c.answer(
            ID,
            stream_url=WSS,
            stream_type="oneway",
            stream_channel="both",
            recording=True,
            transcription=True,
        ),
        ("POST", f"{PATH}/answer", {}),
        {
            "stream_url": WSS,
            "stream_type": "oneway",
            "stream_channel": "both",
            "call_recording": True,
            "call_transcription": True,
        },
        SUCCESS,
    ),
    "a stream": (
        lambda c: c.start_stream(
            ID, stream_url=WSS, stream_type="oneway", stream_channel="outbound"
        ),
        ("POST", f"{PATH}/streams", {}),
        {"stream_url": WSS, "stream_type": "oneway", "stream_channel": "outbound"},
        {"success": True, "stream_id": STREAM_ID},
    ),
    "a stream's stop": (
        lambda c: c.stop_stream(ID, STREAM_ID),
        ("DELETE", f"{PATH}/streams/{STREAM_ID}", {}),
        None,
        SUCCESS,
    ),
    "a file": (
        lambda c: c.play(ID, "https://examples.com/audio.wav"),
        ("POST", f"{PATH}/play", {}),
        {"audio_file": "https://examples.com/audio.wav"},
        SUCCESS,
    ),
    "a file's stop": (lambda c: c.stop_audio(ID), ("DELETE", f"{PATH}/audio", {}), None, SUCCESS),
    "digits": (
        lambda c: c.collect_dtmf(ID, max_digits=5, timeout_secs=10),
        ("POST", f"{PATH}/collect", {}),
        {"max_digits": 5, "timeout": 10, "termination_character": "#", "max_attempts": 1},
        SUCCESS,
    ),
    "digits with a prompt": (
        lambda c: c.collect_dtmf(
            ID,
            max_digits=20,
            timeout_secs=60,
            termination_character="*",
            max_attempts=3,
            prompt=Prompt(say="Please enter your PIN", voice="Joanna", language="en"),
        ),
        ("POST", f"{PATH}/collect", {}),
        {
            "max_digits": 20,
            "timeout": 60,
            "termination_character": "*",
            "max_attempts": 3,
            "prompt": {
                "say": {"text": "Please enter your PIN", "language": "en", "voice": "Joanna"}
            },
        },
        SUCCESS,
    ),
    "the webhooks": (lambda c: c.list_webhooks(), ("GET", "/v1/calls/webhooks", {}), None, []),
    "a webhook": (
        lambda c: c.create_webhook("on-call", HOOK),
        ("POST", "/v1/calls/webhooks", {}),
        {"event_type": "on-call", "url": HOOK},
        Answer({"success": True, "event_type": "on-call", "url": HOOK}, 201),
    ),
    "a webhook's end": (
        lambda c: c.delete_webhook("post-call"),
        ("DELETE", "/v1/calls/webhooks", {"event_type": "post-call"}),
        None,
        SUCCESS,
    ),
    "a number": (
        lambda c: c.find_number("+12565378257"),
        ("GET", "/v1/numbers", {"search": "12565378257", "page": "1"}),
        None,
        {"items": [{"id": 123, "number": "12565378257"}], "pagination": {"total_pages": 1}},
    ),
    "a number's webhook": (
        lambda c: c.set_number_webhook(123, "https://your-site.com/calls"),
        ("PATCH", "/v1/numbers/123", {}),
        {"call_status_url": "https://your-site.com/calls"},
        {"id": 123, "number": "12565378257"},
    ),
}
