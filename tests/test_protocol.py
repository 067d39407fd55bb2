import base64
import json

import jsonschema
import pytest
import wire
from hypothesis import given, strategies as st

from pipecat_wavix import protocol
from pipecat_wavix.protocol import (
    Clear,
    Connected,
    Mark,
    MarkName,
    Media,
    MediaPayload,
    PlaceMark,
    PlayMedia,
    PlayPayload,
    Rejected,
    Start,
    Stop,
    dump,
    parse,
    parse_command,
)


def test_a_frame_is_20_ms_of_pcm16_at_24_khz():
    assert protocol.FRAME_SAMPLES == 480
    assert protocol.FRAME_BYTES == 960


def test_connected_is_read():
    assert parse(wire.CONNECTED) == Connected(event_time="2024-01-15T10:30:00Z")


def test_start_is_read():
    assert parse(wire.START) == Start(
        call_id="abc-123",
        stream_id="str-456",
        stream_type="twoway",
        channel="both",
        sequence_number=1,
        event_time="2024-01-15T10:30:00Z",
    )


def test_media_is_read_and_its_audio_decoded():
    assert parse(wire.MEDIA) == Media(
        media=MediaPayload(payload=wire.FOUR_SAMPLES_PCM, track="inbound", timestamp=160, chunk=1),
        call_id="abc-123",
        stream_id="str-456",
        sequence_number=2,
        event_time="2024-01-15T10:30:01Z",
    )


def test_mark_is_read():
    event = parse(wire.MARK)
    assert isinstance(event, Mark)
    assert event.mark.name == "end-of-greeting"
    assert event.sequence_number == 10


def test_stop_is_read():
    event = parse(wire.STOP)
    assert isinstance(event, Stop)
    assert event.sequence_number == 100


@pytest.mark.parametrize("name", wire.EVENTS)
def test_an_event_is_read_from_bytes_as_from_text(name):
    assert parse(wire.EVENTS[name].encode()) == parse(wire.EVENTS[name])
    assert not isinstance(parse(wire.EVENTS[name]), Rejected)


@pytest.mark.parametrize("name", wire.EVENTS)
def test_counters_may_be_strings_of_digits(name):
    message = json.loads(wire.EVENTS[name])
    if "sequence_number" in message:
        message["sequence_number"] = str(message["sequence_number"])
    if "media" in message:
        message["media"]["chunk"] = str(message["media"]["chunk"])
    assert parse(json.dumps(message)) == parse(wire.EVENTS[name])


@pytest.mark.parametrize("timestamp", [160, "160", 160.5, "2024-01-15T10:30:01Z", None, {}])
def test_a_timestamp_of_any_type_costs_no_audio(timestamp):
    message = json.loads(wire.MEDIA)
    message["media"]["timestamp"] = timestamp
    event = parse(json.dumps(message))
    assert isinstance(event, Media)
    assert event.media.payload == wire.FOUR_SAMPLES_PCM


@pytest.mark.parametrize("name", wire.EVENTS)
def test_unknown_fields_are_ignored(name):
    message = json.loads(wire.EVENTS[name])
    message["from_the_future"] = {"a": [1, None]}
    assert parse(json.dumps(message)) == parse(wire.EVENTS[name])


@pytest.mark.parametrize(
    ("text", "event"),
    [
        ('{"event": "connected"}', Connected()),
        ('{"event": "start", "call_id": "c", "stream_id": "s"}', Start(call_id="c", stream_id="s")),
        ('{"event": "media", "media": {"payload": ""}}', Media(media=MediaPayload(payload=b""))),
        ('{"event": "mark", "mark": {"name": "m"}}', Mark(mark=MarkName(name="m"))),
        ('{"event": "stop"}', Stop()),
    ],
)
def test_what_we_can_do_without_may_be_missing(text, event):
    assert parse(text) == event


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (" " * (protocol.MAX_MESSAGE_BYTES + 1), "too_long"),
        (b" " * (protocol.MAX_MESSAGE_BYTES + 1), "too_long"),
        ("", "not_json"),
        ("{", "not_json"),
        ("\ud800", "not_json"),
        (b"\xff", "not_json"),
        ('{"x": ' + "[" * 100_000, "not_json"),
        ("{}", "unknown_event"),
        ('{"event": 7}', "unknown_event"),
        ('{"event": "dtmf"}', "unknown_event"),
        (wire.CLEAR, "unknown_event"),
        ("[]", "bad_field"),
        ('{"event": "start", "stream_id": "s"}', "bad_field"),
        ('{"event": "start", "call_id": 1, "stream_id": "s"}', "bad_field"),
        ('{"event": "stop", "sequence_number": "x"}', "bad_field"),
        ('{"event": "media"}', "bad_field"),
        ('{"event": "media", "media": {"payload": "?"}}', "bad_audio"),
        ('{"event": "media", "media": {"payload": null}}', "bad_audio"),
        ('{"event": "media", "media": {"payload": "AAAA"}}', "bad_audio"),
    ],
)
def test_what_cannot_be_used_is_answered_with_its_kind(text, kind):
    answer = parse(text)
    assert isinstance(answer, Rejected)
    assert answer.kind == kind
    assert answer.reason


def test_a_message_of_the_greatest_length_is_still_read():
    text = wire.STOP + " " * (protocol.MAX_MESSAGE_BYTES - len(wire.STOP))
    assert isinstance(parse(text), Stop)


@pytest.mark.parametrize("name", wire.HOSTILE)
def test_a_hostile_message_is_answered_not_raised(name):
    for reader in (parse, parse_command):
        answer = reader(wire.HOSTILE[name])
        if isinstance(answer, Rejected):
            assert len(answer.reason) < 120
            assert "garbage" not in answer.reason


def test_there_are_enough_hostile_messages():
    assert len(wire.HOSTILE) > 150


@given(st.one_of(st.text(), st.binary()))
def test_any_text_or_bytes_are_answered(data):
    parse(data)
    parse_command(data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


@given(
    st.sampled_from(["connected", "start", "media", "mark", "stop", "clear"]),
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            ("call_id", "stream_id", "sequence_number", "media", "mark", "channel"), json_values
        ),
    ),
)
def test_any_fields_of_a_known_event_are_answered(event, fields):
    text = json.dumps({"event": event, **fields})
    parse(text)
    parse_command(text)


@pytest.mark.parametrize("name", wire.COMMANDS)
def test_a_command_of_the_specification_is_read_and_rendered_the_same(name):
    command = parse_command(wire.COMMANDS[name])
    assert not isinstance(command, Rejected)
    assert json.loads(dump(command)) == json.loads(wire.COMMANDS[name])


@given(audio=st.binary().map(lambda b: b[: len(b) // 2 * 2]), stream_id=st.none() | st.text())
def test_media_that_we_send_keeps_to_the_schema(audio, stream_id):
    message = json.loads(
        dump(PlayMedia(media=PlayPayload(payload=audio), stream_id=stream_id)),
    )
    jsonschema.validate(message, wire.COMMAND_SCHEMA)
    assert base64.b64decode(message["media"]["payload"], validate=True) == audio


@given(name=st.text(st.characters(codec="utf-8")), stream_id=st.none() | st.text())
def test_marks_and_clears_that_we_send_keep_to_the_schema(name, stream_id):
    mark = json.loads(dump(PlaceMark(mark=MarkName(name=name), stream_id=stream_id)))
    jsonschema.validate(mark, wire.COMMAND_SCHEMA)
    assert mark["mark"]["name"] == name
    clear = json.loads(dump(Clear(stream_id=stream_id)))
    jsonschema.validate(clear, wire.COMMAND_SCHEMA)


@pytest.mark.parametrize("name", wire.COMMANDS)
def test_the_schema_holds_for_the_commands_of_the_specification(name):
    jsonschema.validate(json.loads(wire.COMMANDS[name]), wire.COMMAND_SCHEMA)


@pytest.mark.parametrize(
    "message",
    [
        {"event": "media"},
        {"event": "media", "media": {}},
        {"event": "media", "media": {"payload": "AAEC/f7..."}},
        {"event": "mark", "mark": {"name": 1}},
        {"event": "clear", "streamSid": "str-456"},
        {"event": "dtmf"},
    ],
)
def test_the_schema_can_fail(message):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(message, wire.COMMAND_SCHEMA)
