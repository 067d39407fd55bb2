"""The bodies are transcribed from Wavix's OpenAPI specification: OnCallEvent, PostCallEvent."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, strategies as st

from pipecat_wavix.webhooks.events import InCallEvent, PostCall, WavixCall, read_call, read_webhook

CALL_ID = "5dccb6b0-f35c-488c-867b-86fb012c4415"
ON_CALL = {
    "uuid": CALL_ID,
    "id": CALL_ID,
    "direction": "inbound",
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
POST_CALL = {
    "direction": "outbound",
    "uuid": "99df5ffd-962a-410f-bcce-d08f1f7f328c",
    "destination": "France",
    "duration": 6,
    "charge": "0.822",
    "date": "2023-08-21T06:43:36.000Z",
    "disposition": "answered",
    "from": "14302287001",
    "to": "33170363950",
    "per_minute": "0.027",
}


def on_call(**fields):
    return read_webhook(json.dumps({**ON_CALL, **fields}).encode())


def test_an_on_call_event_is_read():
    time = datetime(2025, 9, 22, 12, 56, 38, 547000, UTC)
    assert on_call() == WavixCall(
        id=CALL_ID,
        direction="inbound",
        event_type="call_setup",
        event_time=time,
        from_number="+18045961058",
        to_number="+17653889567",
        started_at=time,
        tag="marketing-campaign",
    )


def test_a_post_call_event_is_read():
    assert read_webhook(json.dumps(POST_CALL).encode()) == PostCall(
        id="99df5ffd-962a-410f-bcce-d08f1f7f328c",
        direction="outbound",
        disposition="answered",
        duration_secs=6,
        charge_usd="0.822",
    )


def test_a_post_call_event_without_a_usable_duration_is_read():
    assert read_webhook(json.dumps({**POST_CALL, "duration": "6"}).encode()).duration_secs is None


def test_collected_digits_are_read():
    payload = {"type": "collect", "payload": {"digits": "12*#", "status": "completed"}}
    call = on_call(event_type="on_call_event", event_payload=payload)
    assert call.event == InCallEvent("collect", status="completed", digits="12*#")


def test_a_prompts_progress_is_read():
    playback_id = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
    payload = {"type": "audio", "payload": {"status": "completed", "playback_id": playback_id}}
    call = on_call(event_type="on_call_event", event_payload=payload)
    assert call.event == InCallEvent("audio", status="completed", playback_id=playback_id)


@pytest.mark.parametrize("payload", [{"type": "collect"}, {"type": "collect", "payload": None}])
def test_an_event_without_data_is_read(payload):
    assert on_call(event_payload=payload).event == InCallEvent("collect")


@pytest.mark.parametrize("payload", ["collect", {}, {"type": 1}])
def test_an_event_without_a_type_is_none(payload):
    assert on_call(event_payload=payload).event is None


def test_digits_that_no_keypad_has_are_dropped():
    payload = {"type": "collect", "payload": {"digits": "12\r\nx", "status": "completed"}}
    assert on_call(event_payload=payload).event.digits is None


@pytest.mark.parametrize(
    "fields",
    [{"id": None, "uuid": CALL_ID}, {"id": CALL_ID, "uuid": "another"}, {"uuid": None}],
)
def test_the_id_is_id_or_its_deprecated_alias(fields):
    assert on_call(**fields).id == CALL_ID


@pytest.mark.parametrize(
    "call_id", ["", "a/b", "../numbers/1", "a?b", "a%2Fb", "a\r\nb", "ä", "x" * 129, 7, None, ["x"]]
)
def test_an_id_that_could_leave_its_place_in_a_url_is_refused(call_id):
    with pytest.raises(ValueError, match="the id must be") as refusal:
        on_call(id=call_id, uuid=call_id)
    assert not call_id or str(call_id) not in str(refusal.value)


def test_what_is_missing_or_misshapen_is_none():
    assert read_call({"id": "x"}) == WavixCall(id="x")
    call = read_call(
        {
            **{"id": "x", "direction": "sideways", "event_type": 5, "event_time": "yesterday"},
            **{"from": "anonymous", "to": 123, "machine_detected": "yes", "tag": []},
        }
    )
    assert call == WavixCall(id="x")


def test_an_unknown_event_type_is_kept():
    assert on_call(event_type="transfer").event_type == "transfer"


def test_a_time_without_a_zone_is_utc():
    call = on_call(call_answered="2025-09-22T12:56:38")
    assert call.answered_at == datetime(2025, 9, 22, 12, 56, 38, tzinfo=UTC)


def test_what_a_log_would_show_holds_neither_numbers_nor_digits():
    payload = {"type": "collect", "payload": {"digits": "4711", "status": "completed"}}
    shown = repr(on_call(event_payload=payload)) + repr(on_call(event_payload=payload).event)
    assert "8045961058"[:6] not in shown
    assert "765388" not in shown
    assert "4711" not in shown
    assert "collect" in shown


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"7", b'"x"', b"\xff\xfe", b"[" * 100_000]
)
def test_a_body_that_tells_of_no_call_is_refused(body):
    with pytest.raises(ValueError, match="JSON"):
        read_webhook(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from([*ON_CALL, *POST_CALL, "other"]),
        json_values | st.sampled_from([*ON_CALL.values(), *POST_CALL.values()]),
    )
)
def test_any_object_is_a_call_or_a_value_error(fields):
    try:
        news = read_webhook(json.dumps(fields).encode())
    except ValueError as error:
        assert "the id must be" in str(error)  # noqa: PT017 - either is right
    else:
        assert news.id in (fields.get("id"), fields.get("uuid"))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_call_or_a_value_error(body):
    try:
        news = read_webhook(body)
    except ValueError:
        return
    assert news.id
