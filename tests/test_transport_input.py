import asyncio
import base64

import numpy as np
import pytest
from far_end import call, speech
from pipecat.frames.frames import InputAudioRawFrame, UserAudioRawFrame
from virtual_time import in_virtual_time

from pipecat_wavix import WavixParams


def media(audio, track="inbound", **fields):
    payload = base64.b64encode(audio).decode()
    return {"event": "media", "media": {"payload": payload, "track": track}, **fields}


async def spoken(this, audio, track="inbound"):
    for start in range(0, len(audio), 960):
        this.far.say(media(audio[start : start + 960], track))
    await asyncio.sleep(0.2)


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000])
@in_virtual_time
async def test_the_caller_is_heard_at_the_pipelines_rate(rate):
    async with call(in_rate=rate) as this:
        await spoken(this, speech(0.2))
        frames = this.before.frames(InputAudioRawFrame)
        assert [frame.num_frames for frame in frames] == [rate // 50] * 10
        assert {frame.sample_rate for frame in frames} == {rate}
        assert not any(isinstance(frame, UserAudioRawFrame) for frame in frames)
        if rate == 24_000:
            assert b"".join(frame.audio for frame in frames) == speech(0.2)


@in_virtual_time
async def test_the_rate_of_the_params_wins():
    async with call(in_rate=16_000, params=WavixParams(audio_in_sample_rate=8_000)) as this:
        await spoken(this, speech(0.02))
        assert this.before.frames(InputAudioRawFrame)[0].sample_rate == 8_000


@in_virtual_time
async def test_the_other_track_is_not_heard_and_an_unknown_one_is_counted():
    async with call() as this:
        await spoken(this, speech(0.1), "outbound")
        await spoken(this, speech(0.1), "sideways")
        assert not this.before.frames(InputAudioRawFrame)
        await this.worker.cancel()
        await this.ended()
        statistics = this.events[-1][1]
        assert statistics.rejected == {"unknown_track": 5}
        assert statistics.media_in == 10


@in_virtual_time
async def test_without_a_filter_each_track_is_a_user_of_its_own():
    async with call(in_rate=24_000, params=WavixParams(audio_track=None)) as this:
        loud, soft = speech(0.1), speech(0.1, hz=1000)
        for start in range(0, len(loud), 960):
            this.far.say(media(loud[start : start + 960], "inbound"))
            this.far.say(media(soft[start : start + 960], "outbound"))
        await asyncio.sleep(0.2)
        for track, audio in (("inbound", loud), ("outbound", soft)):
            frames = [f for f in this.before.frames(UserAudioRawFrame) if f.user_id == track]
            assert b"".join(frame.audio for frame in frames) == audio


@in_virtual_time
async def test_both_tracks_may_be_one_stereo_stream_with_the_caller_left():
    params = WavixParams(audio_track=None, audio_in_channels=2)
    async with call(in_rate=24_000, params=params) as this:
        left, right = speech(0.1), speech(0.1, hz=1000)
        await spoken(this, left, "inbound")
        assert not this.before.frames(InputAudioRawFrame)
        await spoken(this, right, "outbound")
        frames = this.before.frames(InputAudioRawFrame)
        assert {frame.num_channels for frame in frames} == {2}
        both = np.frombuffer(b"".join(frame.audio for frame in frames), "<i2").reshape(-1, 2)
        assert both[:, 0].astype("<i2").tobytes() == left
        assert both[:, 1].astype("<i2").tobytes() == right


@in_virtual_time
async def test_a_track_that_lags_was_silent():
    params = WavixParams(audio_track=None, audio_in_channels=2)
    async with call(in_rate=24_000, params=params) as this:
        await spoken(this, speech(0.5), "inbound")
        frames = this.before.frames(InputAudioRawFrame)
        both = np.frombuffer(b"".join(frame.audio for frame in frames), "<i2").reshape(-1, 2)
        assert 0.5 - 0.1 <= len(both) / 24_000 <= 0.5
        assert not both[:, 1].any()
        assert both[:, 0].astype("<i2").tobytes() == speech(0.5)[: len(both) * 2]


@in_virtual_time
async def test_gaps_are_counted_over_all_events():
    async with call() as this:
        for number in (2, 3, 5, 9, 10, 4):
            this.far._sequence = number - 1
            message = media(speech(0.02), sequence_number=number)
            if number == 10:
                message = {"event": "mark", "mark": {"name": "x"}, "sequence_number": 10}
            this.far.say(message)
        await asyncio.sleep(0.1)
        await this.worker.cancel()
        await this.ended()
        assert this.events[-1][1].gaps_in == 1 + 3


@in_virtual_time
async def test_nothing_is_heard_once_the_call_ends():
    from pipecat.frames.frames import EndFrame
    from test_transport_output import utterance

    async with call() as this:
        await this.say(*utterance(2.0), EndFrame())
        await asyncio.sleep(0.5)
        heard = len(this.before.frames(InputAudioRawFrame))
        await spoken(this, speech(0.2))
        await this.ended()
        assert len(this.before.frames(InputAudioRawFrame)) == heard
