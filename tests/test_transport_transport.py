"""The transport as a bot's author meets it: events, questions, marks, tones, mixers, recordings."""

import asyncio
import json
import time
from contextlib import asynccontextmanager

import jsonschema
import numpy as np
import pytest
import soundfile
import wire
from far_end import FarEnd, call, speech
from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.audio.mixers.base_audio_mixer import BaseAudioMixer
from pipecat.audio.mixers.soundfile_mixer import SoundfileMixer
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    EndFrame,
    InputAudioRawFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    OutputDTMFFrame,
    OutputDTMFUrgentFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
    SpeechOutputAudioRawFrame,
)
from pipecat.processors.audio.audio_buffer_processor import AudioBufferProcessor
from pipecat.processors.frame_processor import FrameDirection
from test_transport_output import contains, np_bytes, utterance
from virtual_time import in_virtual_time

from pipecat_wavix import WavixMarkFrame, WavixMarkReturnedFrame, WavixParams, WavixTransport
from pipecat_wavix.protocol import Clear, PlayMedia
from pipecat_wavix.webhooks import WavixCall

DOWN, UP = FrameDirection.DOWNSTREAM, FrameDirection.UPSTREAM


def named(this, name):
    return [event[1:] for event in this.events if event[0] == name]


# Configuration


@in_virtual_time
async def test_a_client_without_a_call_to_hang_up_is_refused():
    far = FarEnd()
    with pytest.raises(ValueError, match="no call_id"):
        WavixTransport(far, stream_id="s", client=far)
    with pytest.raises(TypeError, match="no WebSocket"):
        WavixTransport(object(), stream_id="s")


@pytest.mark.parametrize(
    "bad",
    [
        {"speech_lead_secs": 0},
        {"speech_lead_secs": 60},
        {"mark_interval_secs": 0},
        {"drain_grace_secs": -1},
        {"audio_track": "both"},
        {"audio_in_channels": 3},
        {"audio_out_channels": 2},
        {"audio_out_end_silence_secs": 30},
    ],
    ids=str,
)
def test_bad_params_are_refused_at_once(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        WavixParams(**bad)


# Events


@in_virtual_time
async def test_connected_disconnected_and_ended_are_told_once_each():
    async with call() as this:
        await asyncio.sleep(0.5)
        assert named(this, "on_client_connected") == [(this.far,)]
        this.far.say({"event": "stop"})
        this.far.leave()
        await asyncio.sleep(0.5)
        assert named(this, "on_client_disconnected") == [(this.far,)]
        assert not named(this, "on_call_ended")
        await this.worker.cancel()
        await this.ended()
        ((statistics,),) = named(this, "on_call_ended")
        assert statistics.far_end_left
        assert statistics.duration_secs == pytest.approx(1.0, abs=0.1)
        assert this.far.hung_up_at is not None


@in_virtual_time
async def test_when_the_bot_ends_the_call_nobody_is_told_to_have_left():
    async with call() as this:
        await this.say(EndFrame())
        await this.ended()
        await asyncio.sleep(0.1)
        assert not named(this, "on_client_disconnected")
        assert len(named(this, "on_call_ended")) == 1


class Server:
    """A client that lets the news of a call's end come, and brings it after 0.5 s."""

    def __init__(self, far):
        self.hang_up = far.hang_up
        self.transport = None

    async def wait_until_end_is_told(self):
        await asyncio.sleep(0.5)
        self.transport.on_webhook(WavixCall(id="abc-123", machine_detected=True))


@asynccontextmanager
async def on_a_server():
    far = FarEnd()
    async with call(far=far, client=(server := Server(far))) as this:
        server.transport = this.transport
        this.transport.add_event_handler(
            "on_voicemail_detected", lambda *_: this.events.append(("on_voicemail_detected",))
        )
        this.events.clear()
        yield this


@in_virtual_time
async def test_a_bot_is_told_of_a_machine_before_it_is_told_that_it_has_left():
    async with on_a_server() as this:
        this.far.leave()
        await asyncio.sleep(0.4)
        assert not this.events
        await asyncio.sleep(0.2)
        told = [name for name, *_ in this.events]
        assert told == ["on_voicemail_detected", "on_client_disconnected"]


@pytest.mark.parametrize("cancelled", [True, False], ids=["cancelled", "ended"])
@in_virtual_time
async def test_a_bot_that_ends_meanwhile_is_told_all_the_same(cancelled):
    async with on_a_server() as this:
        this.far.leave()
        await asyncio.sleep(0.1)
        await (this.worker.cancel() if cancelled else this.say(EndFrame()))
        await this.ended()
        await asyncio.sleep(0)
        told = [name for name, *_ in this.events]
        assert told == ["on_voicemail_detected", "on_client_disconnected", "on_call_ended"]


@in_virtual_time
async def test_a_session_times_out():
    async with call(params=WavixParams(session_timeout=2)) as this:
        await asyncio.sleep(1.5)
        assert not named(this, "on_session_timeout")
        await asyncio.sleep(1)
        assert named(this, "on_session_timeout") == [(this.far,)]


@in_virtual_time
async def test_a_hang_up_that_fails_is_reported_and_the_call_still_ends():
    far = FarEnd()
    far.fail_hang_ups = 9
    async with call(far=far) as this:
        await this.say(EndFrame())
        await this.ended()
        ((statistics,),) = named(this, "on_call_ended")
        assert statistics.hung_up is False
        assert "hang-up FAILED" in str(statistics)
        assert far.closed_at is not None


@in_virtual_time
async def test_without_a_client_the_socket_is_closed_and_that_is_all():
    async with call(client=None) as this:
        await this.say(EndFrame())
        await this.ended()
        ((statistics,),) = named(this, "on_call_ended")
        assert statistics.hung_up is None
        assert this.far.hung_up_at is None
        assert this.far.closed_at is not None


# Input that nobody should send


@in_virtual_time
async def test_no_message_ends_the_call():
    async with call(in_rate=24_000) as this:
        for message in wire.HOSTILE.values():
            kind = "bytes" if isinstance(message, bytes) else "text"
            if isinstance(message, str) and '"stop"' in message:
                continue  # those that are a stop, and those that look like one to a reader
            this.far.inbox.put_nowait({"type": "websocket.receive", kind: message})
        await asyncio.sleep(1)
        this.far.inbox.put_nowait({"type": "websocket.receive", "text": wire.MEDIA})
        await asyncio.sleep(0.2)
        assert not named(this, "on_client_disconnected")
        assert this.before.frames(InputAudioRawFrame)[-1].audio == wire.FOUR_SAMPLES_PCM
        await this.say(*utterance(0.5))
        await asyncio.sleep(1)
        assert len(this.far.spans()) == 1
        await this.say(EndFrame())
        await this.ended()
        ((statistics,),) = named(this, "on_call_ended")
        assert sum(statistics.rejected.values()) > 100


@in_virtual_time
async def test_a_peer_that_stops_reading_is_gone_and_the_call_is_hung_up():
    async with call() as this:
        await asyncio.sleep(0.3)
        this.far.reads.clear()
        await this.say(*utterance(3.0))
        await asyncio.sleep(7)
        assert named(this, "on_client_disconnected") == [(this.far,)]
        assert this.transport.output().is_usable  # Pipecat's own limit did not strike
        await this.worker.cancel()
        await this.ended()
        assert this.far.hung_up_at is not None


# Has it been heard?


@in_virtual_time
async def test_what_was_said_is_confirmed_when_it_was_heard():
    async with call(far=FarEnd(0.1)) as this:
        await asyncio.sleep(0.4)
        await this.say(*utterance(1.0))
        heard = await this.transport.wait_until_heard(timeout=5)
        ((_, end),) = this.far.spans()
        assert heard.outcome == "confirmed"
        assert 0 <= time.monotonic() - end <= 0.2
        assert heard.position == pytest.approx(480 + 24_000, abs=480)


@in_virtual_time
async def test_what_no_mark_confirms_is_an_estimate():
    async with call(far=FarEnd(0.1, mark_loss=1.0)) as this:
        await asyncio.sleep(6)
        await this.say(*utterance(1.0))
        heard = await this.transport.wait_until_heard(timeout=9)
        assert heard.outcome == "estimated"


@in_virtual_time
async def test_what_was_interrupted_says_so():
    async with call() as this:
        await asyncio.sleep(0.3)
        await this.say(*utterance(4.0))
        waiting = asyncio.create_task(this.transport.wait_until_heard(timeout=9))
        await asyncio.sleep(1)
        await this.say(InterruptionFrame())
        heard = await waiting
        assert heard.outcome == "interrupted"
        assert heard.position == pytest.approx(24_000, abs=3_000)


@in_virtual_time
async def test_a_wait_may_time_out_and_end_with_the_call():
    async with call() as this:
        await asyncio.sleep(0.3)
        await this.say(*utterance(4.0))
        heard = await this.transport.wait_until_heard(timeout=1)
        assert heard.outcome == "timed_out"
        waiting = asyncio.create_task(this.transport.wait_until_heard(timeout=9))
        await asyncio.sleep(0.5)
        await this.worker.cancel()
        assert (await waiting).outcome == "interrupted"


@in_virtual_time
async def test_uninterruptible_speech_is_confirmed_through_an_interruption():
    async with call() as this:
        await asyncio.sleep(0.3)
        await this.say(*utterance(2.0, interruptible=False))
        waiting = asyncio.create_task(this.transport.wait_until_heard(timeout=9))
        await asyncio.sleep(1)
        await this.say(InterruptionFrame())
        assert (await waiting).outcome == "confirmed"


# Marks


@in_virtual_time
async def test_a_mark_comes_back_both_ways_when_its_place_was_heard():
    async with call(far=FarEnd(0.1)) as this:
        await asyncio.sleep(0.4)
        await this.say(*utterance(0.5), WavixMarkFrame(mark="half"), *utterance(0.5, context="b"))
        await asyncio.sleep(2)
        ((begin, _),) = this.far.spans(pause=0.2)
        for recorder, direction in ((this.after, DOWN), (this.before, UP)):
            (returned,) = recorder.frames(WavixMarkReturnedFrame, direction)
            assert (returned.mark, returned.heard) == ("half", True)
            (at,) = recorder.times(WavixMarkReturnedFrame, direction)
            assert abs(at - (begin + 0.5)) <= 0.03
        assert named(this, "on_mark") == [("half", True)]


@in_virtual_time
async def test_a_mark_that_was_cleared_says_so():
    async with call() as this:
        await asyncio.sleep(0.3)
        await this.say(*utterance(2.0), WavixMarkFrame(mark="end"))
        await asyncio.sleep(1.8)
        await this.say(InterruptionFrame())
        await asyncio.sleep(1)
        assert named(this, "on_mark") == [("end", False)]


@in_virtual_time
async def test_a_mark_that_was_still_queued_when_the_caller_cut_in_was_not_heard():
    async with call(params=WavixParams(speech_lead_secs=0.1)) as this:
        await asyncio.sleep(0.3)
        await this.say(*utterance(2.0), WavixMarkFrame(mark="end"))
        await asyncio.sleep(0.5)
        await this.say(InterruptionFrame())
        await asyncio.sleep(1)
        assert named(this, "on_mark") == [("end", False)]


# Messages and tones


@pytest.mark.parametrize("cls", [OutputTransportMessageFrame, OutputTransportMessageUrgentFrame])
@in_virtual_time
async def test_a_message_goes_out_as_it_is_unless_it_is_for_rtvi(cls):
    async with call() as this:
        texts = []
        this.far.send_text = lambda text: texts.append(text) or asyncio.sleep(0)
        await this.say(cls(message={"event": "x"}), cls(message={"label": "rtvi-ai"}))
        await asyncio.sleep(0.1)
        assert texts == ['{"event": "x"}']


@pytest.fixture
def tones(monkeypatch):
    async def load(button, sample_rate):
        return speech(0.2, rate=sample_rate, hz=700 + 10 * ord(button.value))

    monkeypatch.setattr("pipecat_wavix.transport.output.load_dtmf_audio", load)


@pytest.mark.parametrize("cls", [OutputDTMFFrame, OutputDTMFUrgentFrame])
@in_virtual_time
async def test_keys_are_sent_as_tones(tones, cls):
    async with call() as this:
        await asyncio.sleep(0.3)
        await this.say(cls(buttons=[KeypadEntry.ONE, KeypadEntry.TWO]))
        await asyncio.sleep(1)
        _, values = this.far.heard()
        for key in "12":
            assert contains(values, np_bytes(speech(0.2, hz=700 + 10 * ord(key))))


@in_virtual_time
async def test_tones_do_not_delay_a_clear(tones):
    async with call() as this:
        await asyncio.sleep(0.3)
        await this.say(*utterance(3.0))
        await asyncio.sleep(0.5)
        await this.say(OutputDTMFUrgentFrame(buttons=[KeypadEntry.ONE] * 10))
        await asyncio.sleep(0.1)
        at = time.monotonic()
        await this.say(InterruptionFrame())
        await asyncio.sleep(1)
        ((cleared, _),) = this.far.commands(Clear)
        assert cleared - at <= 0.005
        await asyncio.sleep(2)
        assert not [t for t, _ in this.far.commands(PlayMedia) if t > cleared]


@in_virtual_time
async def test_tones_end_with_the_call(tones):
    async with call() as this:
        await asyncio.sleep(0.3)
        await this.say(OutputDTMFUrgentFrame(buttons=[KeypadEntry.ONE] * 50))
        await asyncio.sleep(0.3)
        await this.worker.cancel()
        await this.ended()
        sent = len(this.far.sent)
        await asyncio.sleep(2)
        assert len(this.far.sent) == sent


# Mixers and speech-to-speech


class Hum(BaseAudioMixer):
    """A background of one constant value, which is heard under everything."""

    async def start(self, sample_rate):
        pass

    async def stop(self):
        pass

    async def process_frame(self, frame):
        pass

    async def mix(self, audio):
        return (np_bytes(audio) + 500).astype("<i2").tobytes()


@in_virtual_time
async def test_speech_over_a_mixer_is_prompt_and_its_frames_are_right():
    async with call(far=FarEnd(0.1), params=WavixParams(audio_out_mixer=Hum())) as this:
        await asyncio.sleep(2)
        at = time.monotonic()
        await this.say(*utterance(1.0))
        await asyncio.sleep(3)
        times, values = this.far.heard()
        loud = times[values > 4000]
        assert loud[0] - at <= 0.1 + 0.1 + 0.06  # the network, the background's lead, a step
        (started,) = this.after.times(BotStartedSpeakingFrame)
        (stopped,) = this.after.times(BotStoppedSpeakingFrame)
        assert abs(started - loud[0]) <= 0.02
        assert abs(stopped - loud[-1]) <= 0.045  # the last chunk is filled up with background
        # The background never stops: the far end is never dry once it has begun.
        gaps = np.diff(times)
        assert gaps.max() < 0.001
        await this.say(EndFrame())
        await this.ended()


@in_virtual_time
async def test_pipecats_soundfile_mixer_plays_under_the_speech(tmp_path):
    hum = (1000 * np.ones(24_000)).astype("<i2")
    soundfile.write(tmp_path / "hum.wav", hum, 24_000)
    mixer = SoundfileMixer(
        sound_files={"hum": str(tmp_path / "hum.wav")}, default_sound="hum", volume=0.5
    )
    async with call(far=FarEnd(0.1), params=WavixParams(audio_out_mixer=mixer)) as this:
        await asyncio.sleep(1)
        await this.say(*utterance(1.0))
        await asyncio.sleep(2.5)
        times, values = this.far.heard()
        assert np.median(values) == pytest.approx(500, abs=5)
        loud = times[values > 4000]
        (started,) = this.after.times(BotStartedSpeakingFrame)
        (stopped,) = this.after.times(BotStoppedSpeakingFrame)
        assert abs(started - loud[0]) <= 0.02
        assert abs(stopped - loud[-1]) <= 0.045
        assert np.diff(times).max() < 0.001
        await this.say(EndFrame())
        await this.ended()


@in_virtual_time
async def test_a_turn_of_the_user_over_mere_background_clears_nothing():
    async with call(params=WavixParams(audio_out_mixer=Hum())) as this:
        await asyncio.sleep(1)
        await this.say(InterruptionFrame())
        await asyncio.sleep(0.5)
        assert not this.far.commands(Clear)
        await this.say(*utterance(3.0))
        await asyncio.sleep(1)
        await this.say(InterruptionFrame())
        await asyncio.sleep(1)
        assert len(this.far.commands(Clear)) == 1
        assert len(this.after.frames(BotStoppedSpeakingFrame)) == 1


@in_virtual_time
async def test_speech_to_speech_starts_promptly_and_stops_when_it_is_heard_to():
    far = FarEnd(0.1)
    async with call(far=far) as this:
        await asyncio.sleep(0.4)

        async def stream():  # in bursts, as these services send; silence when they have said it
            audio = speech(2.0) + bytes(48_000 * 2)
            for start in range(0, len(audio), 9600):
                await this.say(SpeechOutputAudioRawFrame(audio[start : start + 9600], 24_000, 1))
                await asyncio.sleep(0.12)

        at = time.monotonic()
        await stream()
        await asyncio.sleep(3)
        ((begin, end),) = far.spans()
        assert begin - at <= 0.1 + 0.03
        (started,) = this.after.times(BotStartedSpeakingFrame)
        (stopped,) = this.after.times(BotStoppedSpeakingFrame)
        assert abs(started - begin) <= 0.02
        assert 0 <= stopped - end <= 0.35 + 0.6  # Pipecat listens to 0.35 s of silence first


# Recording


@in_virtual_time
async def test_a_recording_holds_what_the_caller_heard():
    recorder = AudioBufferProcessor(sample_rate=24_000, num_channels=2)
    tracks = []

    async def note(_processor, user, bot, rate, channels):
        tracks.append((user, bot))

    recorder.add_event_handler("on_track_audio_data", note)
    far = FarEnd(0.1)
    async with call(recorder, far=far, in_rate=24_000) as this:
        await recorder.start_recording()
        caller = asyncio.create_task(speak_for_ever(far))
        began = time.monotonic()
        await asyncio.sleep(1)
        await this.say(*utterance(3.0))
        await asyncio.sleep(1.6)
        await this.say(InterruptionFrame())
        await asyncio.sleep(1)
        await recorder.stop_recording()
        await asyncio.sleep(0.1)
        caller.cancel()
        ((begin, end),) = far.spans()
        _, bot = tracks[0]
        audible = np.flatnonzero(np.abs(np_bytes(bot).astype(int)) > 100) / 24_000
        assert audible[-1] - audible[0] == pytest.approx(end - begin, abs=0.04)
        assert began + audible[0] == pytest.approx(begin, abs=0.06)


async def speak_for_ever(far):
    while True:
        far.say({"event": "media", "media": {"payload": "AAAA" * 320, "track": "inbound"}})
        await asyncio.sleep(0.02)


# Rates


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 24_000])
@in_virtual_time
async def test_the_bot_may_speak_at_any_rate(rate):
    async with call(out_rate=rate) as this:
        await asyncio.sleep(0.3)
        await this.say(*utterance(1.0, rate=rate))
        await asyncio.sleep(2)
        ((begin, end),) = this.far.spans()
        assert end - begin == pytest.approx(1.0, abs=0.0008)  # the filter's last ms included
        assert abs(this.after.times(BotStartedSpeakingFrame)[0] - begin) <= 0.02
        assert abs(this.after.times(BotStoppedSpeakingFrame)[0] - end) <= 0.02


# The line


@in_virtual_time
async def test_a_stall_of_less_than_the_lead_is_not_heard():
    async with call() as this:
        await asyncio.sleep(0.3)
        await this.say(*utterance(6.0))
        loop = asyncio.get_running_loop()
        for _ in range(5):
            await asyncio.sleep(1)
            loop.now += 0.4  # nothing of the bot has run for so long
        await asyncio.sleep(3)
        ((begin, end),) = this.far.spans(pause=0.001)
        assert end - begin == pytest.approx(6.0, abs=0.001)


@in_virtual_time
async def test_what_is_said_is_sent_at_most_the_lead_ahead():
    async with call(params=WavixParams(speech_lead_secs=0.3)) as this:
        await asyncio.sleep(0.3)
        await this.say(*utterance(3.0))
        for _ in range(25):
            await asyncio.sleep(0.1)
            assert this.far.line.buffered_samples / 24_000 <= 0.3 + 0.001


@in_virtual_time
async def test_what_a_silent_bot_sends_is_a_mark_and_20_ms_of_silence():
    async with call() as this:
        await asyncio.sleep(5)
        ((_, primer),) = this.far.commands(PlayMedia)
        assert primer.media.payload == bytes(960)
        assert len(this.far.sent) == 2


@in_virtual_time
async def test_every_message_that_is_sent_keeps_to_the_schema():
    texts = []
    far = FarEnd()
    far.send_text, send = lambda text: (texts.append(text), send(text))[1], far.send_text
    async with call(far=far) as this:
        await asyncio.sleep(0.3)
        await this.say(*utterance(2.0), WavixMarkFrame(mark="m"))
        await asyncio.sleep(1)
        await this.say(InterruptionFrame())
        await asyncio.sleep(0.5)
    assert {json.loads(text)["event"] for text in texts} == {"media", "mark", "clear"}
    for text in texts:
        jsonschema.validate(json.loads(text), wire.COMMAND_SCHEMA)
        assert json.loads(text)["stream_id"] == "str-456"


@in_virtual_time
async def test_oneway_streams_are_not_spoken_to():
    async with call(params=WavixParams(audio_out_enabled=False)) as this:
        await this.say(OutputAudioRawFrame(speech(0.5), 24_000, 1))
        await asyncio.sleep(1)
        assert not this.far.sent
