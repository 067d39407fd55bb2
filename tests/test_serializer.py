import asyncio
import base64
import json
from types import SimpleNamespace

import jsonschema
import numpy as np
import pytest
import wire
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given, settings, strategies as st
from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
    TextFrame,
    TTSAudioRawFrame,
    UserAudioRawFrame,
)
from virtual_time import in_virtual_time

from pipecat_wavix import (
    WavixConnectedFrame,
    WavixFrameSerializer,
    WavixMarkFrame,
    WavixMarkReturnedFrame,
    WavixStreamStartedFrame,
    WavixStreamStoppedFrame,
)

InputParams = WavixFrameSerializer.InputParams


async def ready(params: InputParams | None = None, *, rate: int = 16_000, **kwargs):
    serializer = WavixFrameSerializer("str-456", params, **kwargs)
    await serializer.setup(SimpleNamespace(audio_in_sample_rate=rate))
    return serializer


def speech(secs: float, rate: int, hz: float = 440) -> bytes:
    t = np.arange(round(secs * rate)) / rate
    return (10_000 * np.sin(2 * np.pi * hz * t)).astype("<i2").tobytes()


def media(audio: bytes, track: str = "inbound") -> str:
    payload = base64.b64encode(audio).decode()
    return json.dumps({"event": "media", "media": {"payload": payload, "track": track}})


def played(message: str | bytes | None) -> bytes:
    """The audio of a media command, after a look at the message as a whole."""
    if message is None:
        return b""
    command = json.loads(message)
    jsonschema.validate(command, wire.COMMAND_SCHEMA)
    assert command["stream_id"] == "str-456"
    return base64.b64decode(command["media"]["payload"], validate=True)


async def say(serializer, audio: bytes, rate: int, chunk_ms: int = 20) -> list[bytes]:
    size = rate * chunk_ms // 1000 * 2
    return [
        played(await serializer.serialize(TTSAudioRawFrame(audio[i : i + size], rate, 1)))
        for i in range(0, len(audio), size)
    ]


# The published API, 1.1


async def test_it_is_built_and_used_as_pipecat_wavix_1_1_was():
    serializer = WavixFrameSerializer(
        stream_id="str-456",
        params=WavixFrameSerializer.InputParams(
            wavix_sample_rate=24000, sample_rate=16000, audio_track="inbound"
        ),
    )
    frame = await serializer.deserialize(media(bytes(960)))
    assert isinstance(frame, InputAudioRawFrame)
    assert (frame.sample_rate, frame.num_channels, len(frame.audio)) == (16000, 1, 640)
    assert json.loads(await serializer.serialize(InterruptionFrame())) == json.loads(wire.CLEAR)
    assert await serializer.serialize(EndFrame()) is None


def test_the_constants_of_1_1_are_still_there():
    names = [
        "WAVIX_SAMPLE_RATE",
        "NUM_CHANNELS",
        "BYTES_PER_SAMPLE",
        "FRAME_DURATION_MS",
        "FRAME_BYTES",
    ]
    assert [getattr(WavixFrameSerializer, name) for name in names] == [24000, 1, 2, 20, 960]


def test_the_second_argument_is_the_params_as_in_1_1():
    with pytest.raises(ValueError, match="auto_hang_up"):
        WavixFrameSerializer("str-456", InputParams(auto_hang_up=True))


@pytest.mark.parametrize(
    "bad", [{"wavix_sample_rate": 0}, {"sample_rate": -1}, {"audio_track": "x"}]
)
def test_bad_params_are_refused_at_once(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        InputParams(**bad)


# What the caller says


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000])
async def test_every_message_becomes_one_frame_of_20_ms_at_the_pipelines_rate(rate):
    serializer = await ready(rate=rate)
    audio = speech(0.2, 24_000)
    for start in range(0, len(audio), 960):
        frame = await serializer.deserialize(media(audio[start : start + 960]))
        assert isinstance(frame, InputAudioRawFrame)
        assert not isinstance(frame, UserAudioRawFrame)
        assert frame.sample_rate == rate
        assert frame.num_frames == rate // 50


async def test_the_callers_audio_arrives_unharmed():
    serializer = await ready(rate=24_000)
    frame = await serializer.deserialize(wire.MEDIA)
    assert frame.audio == wire.FOUR_SAMPLES_PCM


async def test_the_sample_rate_of_the_params_wins_over_the_pipelines():
    serializer = await ready(InputParams(sample_rate=8_000), rate=16_000)
    assert (await serializer.deserialize(media(bytes(960)))).sample_rate == 8_000


async def test_audio_before_the_pipeline_started_is_dropped_and_counted():
    serializer = WavixFrameSerializer("str-456")
    assert await serializer.deserialize(wire.MEDIA) is None
    assert serializer.rejected == {"not_set_up": 1}


async def test_the_other_track_is_not_heard():
    serializer = await ready()
    assert await serializer.deserialize(media(bytes(960), "outbound")) is None
    assert not serializer.rejected
    serializer = await ready(InputParams(audio_track="outbound"))
    assert await serializer.deserialize(media(bytes(960), "inbound")) is None
    assert await serializer.deserialize(media(bytes(960), "outbound")) is not None


async def test_without_a_filter_both_tracks_are_heard_apart():
    serializer = await ready(InputParams(audio_track=None))
    loud, soft = speech(0.1, 24_000), bytes(4800)
    for start in range(0, 4800, 960):
        inbound = await serializer.deserialize(media(loud[start : start + 960], "inbound"))
        outbound = await serializer.deserialize(media(soft[start : start + 960], "outbound"))
        assert isinstance(inbound, UserAudioRawFrame)
        assert isinstance(outbound, UserAudioRawFrame)
        assert (inbound.user_id, outbound.user_id) == ("inbound", "outbound")
        assert np.any(np.frombuffer(inbound.audio, "<i2"))
        assert not np.any(np.frombuffer(outbound.audio, "<i2"))


async def test_an_empty_payload_is_no_frame():
    assert await (await ready()).deserialize(media(b"")) is None


async def test_the_streams_events_arrive_as_frames():
    serializer = await ready()
    frames = {name: await serializer.deserialize(text) for name, text in wire.EVENTS.items()}
    assert isinstance(frames["connected"], WavixConnectedFrame)
    start = frames["start"]
    assert isinstance(start, WavixStreamStartedFrame)
    assert (start.call_id, start.stream_id) == ("abc-123", "str-456")
    assert (start.stream_type, start.channel) == ("twoway", "both")
    assert isinstance(frames["mark"], WavixMarkReturnedFrame)
    assert frames["mark"].mark == "end-of-greeting"
    assert "end-of-greeting" in str(frames["mark"])
    assert isinstance(frames["stop"], WavixStreamStoppedFrame)


# Hostile input


@pytest.mark.parametrize("name", wire.HOSTILE)
async def test_a_hostile_message_is_a_frame_or_nothing_and_the_next_is_heard(name):
    serializer = await ready(rate=24_000)
    answer = await serializer.deserialize(wire.HOSTILE[name])
    assert answer is None or isinstance(answer, Frame)
    heard = await serializer.deserialize(wire.MEDIA)
    assert isinstance(heard, InputAudioRawFrame)


@settings(max_examples=300)
@given(st.lists(st.one_of(st.text(), st.binary(), st.sampled_from(list(wire.HOSTILE.values())))))
def test_no_sequence_of_messages_raises(messages):
    async def receive():
        serializer = await ready()
        for message in messages:
            answer = await serializer.deserialize(message)
            assert answer is None or isinstance(answer, Frame)

    asyncio.run(receive())


async def test_what_is_rejected_is_counted_each_time_and_logged_once_a_kind(logs):
    serializer = await ready()
    for _ in range(5):
        await serializer.deserialize("{")
        await serializer.deserialize('{"event": "dtmf"}')
    assert serializer.rejected == {"not_json": 5, "unknown_event": 5}
    assert len([line for line in logs if "WARNING" in line]) == 2


async def test_nothing_of_a_rejected_message_is_logged(logs):
    serializer = await ready()
    secrets = ["CANARY", "+15551234567"]
    for secret in secrets:
        await serializer.deserialize(f'{{"event": "{secret}"}}')
        await serializer.deserialize(f"{secret}")
        await serializer.deserialize(f'{{"event": "start", "call_id": ["{secret}"]}}')
        await serializer.deserialize(f'{{"event": "stop", "sequence_number": "{secret}"}}')
        await serializer.deserialize(media(b"").replace('""', f'"{secret}"'))
        await serializer.deserialize(media(bytes(2), track=secret))
    assert serializer.rejected.total() == 12
    assert logs
    assert not [line for line in logs for secret in secrets if secret in line]


# What the bot says


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 48_000])
async def test_20_ms_frames_become_messages_of_exactly_960_bytes_from_the_first_on(rate):
    serializer = await ready()
    assert [len(m) for m in await say(serializer, speech(0.2, rate), rate)] == [960] * 10


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 24_000])
@pytest.mark.parametrize("chunk_ms", [10, 30, 40, 50])
async def test_of_other_frames_every_message_is_a_multiple_and_the_last_is_padded(rate, chunk_ms):
    serializer = await ready()
    audio = speech(0.55, rate)
    messages = await say(serializer, audio, rate, chunk_ms)
    last = played(await serializer.serialize(EndFrame()))
    assert {len(message) % 960 for message in [*messages, last]} == {0}
    wanted = len(audio) // 2 * 24_000 / rate
    sent = len(b"".join(messages) + last) / 2
    assert wanted <= sent < wanted + 480 + 30


async def test_nothing_of_an_utterance_is_lost_at_its_end():
    serializer = await ready()
    audio = speech(0.25, 24_000)
    messages = await say(serializer, audio, 24_000, chunk_ms=30)
    last = played(await serializer.serialize(EndFrame()))
    assert (b"".join(messages) + last)[: len(audio)] == audio
    assert not any((b"".join(messages) + last)[len(audio) :])


async def test_frames_longer_than_20_ms_are_warned_of_once(logs):
    serializer = await ready()
    await say(serializer, speech(0.4, 24_000), 24_000, chunk_ms=40)
    assert len([line for line in logs if "audio_out_10ms_chunks=2" in line]) == 1


async def test_stereo_is_refused_with_a_reason(logs):
    serializer = await ready()
    assert await serializer.serialize(OutputAudioRawFrame(bytes(1920), 24_000, 2)) is None
    assert serializer.rejected == {"not_mono": 1}
    assert "2 channels" in "".join(logs)


async def test_a_mark_is_placed():
    message = json.loads(await (await ready()).serialize(WavixMarkFrame(mark="mark-1")))
    assert message == json.loads(wire.PLACE_MARK)
    jsonschema.validate(message, wire.COMMAND_SCHEMA)


def test_a_mark_is_a_message_that_any_transport_queues_in_order():
    mark = WavixMarkFrame(mark="mark-1")
    assert isinstance(mark, OutputTransportMessageFrame)
    assert mark.message == {"event": "mark", "mark": {"name": "mark-1"}}
    assert "mark-1" in str(mark)


@pytest.mark.parametrize("cls", [OutputTransportMessageFrame, OutputTransportMessageUrgentFrame])
async def test_messages_of_the_bot_are_sent_and_those_of_rtvi_are_not(cls):
    serializer = await ready()
    assert json.loads(await serializer.serialize(cls(message={"event": "x"}))) == {"event": "x"}
    rtvi = cls(message={"label": "rtvi-ai", "type": "bot-ready"})
    assert await serializer.serialize(rtvi) is None
    serializer = await ready(InputParams(ignore_rtvi_messages=False))
    assert json.loads(await serializer.serialize(rtvi))["label"] == "rtvi-ai"


async def test_other_frames_are_no_message():
    assert await (await ready()).serialize(TextFrame("hello")) is None


# Barge-in


async def test_an_interruption_sends_clear():
    message = json.loads(await (await ready()).serialize(InterruptionFrame()))
    assert message == json.loads(wire.CLEAR)
    jsonschema.validate(message, wire.COMMAND_SCHEMA)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 24_000])
async def test_nothing_of_what_was_interrupted_is_said_after_it(rate):
    interrupted, fresh = await ready(), await ready()
    await say(interrupted, speech(0.25, rate), rate, chunk_ms=30)
    await interrupted.serialize(InterruptionFrame())
    after = speech(0.2, rate, hz=1000)
    assert await say(interrupted, after, rate) == await say(fresh, after, rate)


async def test_the_callers_audio_flows_through_a_barge_in_without_a_seam():
    interrupted, undisturbed = await ready(), await ready()
    audio = speech(0.1, 24_000)
    for start in range(0, len(audio), 960):
        message = media(audio[start : start + 960])
        if start == 1920:
            await interrupted.serialize(InterruptionFrame())
        heard = [await s.deserialize(message) for s in (interrupted, undisturbed)]
        assert heard[0].audio == heard[1].audio


async def test_uninterruptible_audio_is_not_cleared_while_it_plays():
    serializer = await ready()
    frame = TTSAudioRawFrame(speech(5, 24_000), 24_000, 1)
    frame.interruptible = False
    await serializer.serialize(frame)
    assert await serializer.serialize(InterruptionFrame()) is None


@in_virtual_time
async def test_uninterruptible_audio_that_has_played_is_no_reason_not_to_clear():
    serializer = await ready()
    frame = TTSAudioRawFrame(speech(0.1, 24_000), 24_000, 1)
    frame.interruptible = False
    await serializer.serialize(frame)
    await asyncio.sleep(0.35)  # it may still be on its way
    assert await serializer.serialize(InterruptionFrame()) is None
    await asyncio.sleep(0.1)
    assert await serializer.serialize(InterruptionFrame()) is not None


# Hang-up


@pytest.fixture
async def api():
    """A stand-in for Wavix's REST API that answers `status` and records what it was asked."""
    api = SimpleNamespace(status=200, requests=[])

    async def delete(request: web.Request) -> web.Response:
        api.requests.append((request.path, request.headers["Authorization"]))
        return web.json_response({"success": api.status == 200}, status=api.status)

    app = web.Application()
    app.router.add_delete("/v1/calls/{id}", delete)
    async with TestServer(app) as server:
        api.url = str(server.make_url("/"))
        yield api


@pytest.mark.parametrize("frame", [EndFrame, CancelFrame])
async def test_the_call_is_hung_up_once(api, frame):
    serializer = await ready(call_id="abc-123", api_key="key", base_url=api.url)
    await serializer.serialize(frame())
    await serializer.serialize(CancelFrame())
    await serializer.serialize(EndFrame())
    assert api.requests == [("/v1/calls/abc-123", "Bearer key")]


async def test_a_call_that_is_gone_is_hung_up(api, logs):
    api.status = 404
    serializer = await ready(call_id="abc-123", api_key="key", base_url=api.url)
    await serializer.serialize(EndFrame())
    assert not [line for line in logs if "ERROR" in line]


async def test_a_hang_up_that_fails_is_reported_not_raised_and_shows_no_key(api, logs):
    api.status = 401
    serializer = await ready(call_id="abc-123", api_key="CANARY", base_url=api.url)
    assert await serializer.serialize(EndFrame()) is None
    assert "401" in "".join(logs)
    assert "CANARY" not in "".join(logs)


async def test_a_hang_up_of_ones_own_is_used_and_may_fail(logs):
    calls = []

    async def hang_up():
        calls.append(1)
        raise RuntimeError("the PBX is down")

    serializer = await ready(hang_up=hang_up)
    await serializer.serialize(EndFrame())
    await serializer.serialize(EndFrame())
    assert calls == [1]
    assert "the PBX is down" in "".join(logs)


async def test_a_hang_up_that_never_ends_is_given_up(monkeypatch, logs):
    monkeypatch.setattr("pipecat_wavix.client.HANG_UP_TIMEOUT_SECS", 0.05)

    async def hang_up():
        await asyncio.sleep(60)

    serializer = await ready(hang_up=hang_up)
    await asyncio.wait_for(serializer.serialize(CancelFrame()), 5)
    assert "TimeoutError" in "".join(logs)


async def test_it_is_not_hung_up_when_that_is_switched_off(api):
    serializer = await ready(
        InputParams(auto_hang_up=False), call_id="abc-123", api_key="key", base_url=api.url
    )
    await serializer.serialize(EndFrame())
    assert api.requests == []


@pytest.mark.parametrize("given", [{}, {"call_id": "abc-123"}, {"api_key": "key"}])
def test_auto_hang_up_without_credentials_refuses_to_be_built(given):
    missing = {"call_id", "api_key"} - set(given)
    with pytest.raises(ValueError, match="auto_hang_up is enabled") as error:
        WavixFrameSerializer("str-456", InputParams(auto_hang_up=True), **given)
    assert all(name in str(error.value) for name in missing)


def test_a_call_id_that_cannot_be_one_is_refused_at_once():
    with pytest.raises(ValueError, match="call_id"):
        WavixFrameSerializer("str-456", call_id="../numbers/1", api_key="key")


async def test_a_call_that_is_cancelled_says_no_last_word():
    serializer = await ready()
    await say(serializer, speech(0.25, 24_000), 24_000, chunk_ms=30)
    assert await serializer.serialize(CancelFrame()) is None
