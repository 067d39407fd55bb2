"""The traps of the design, each on a whole call in virtual time."""

import asyncio
import time

import numpy as np
import pytest
from far_end import FarEnd, call, speech
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    EndFrame,
    InterruptionFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from virtual_time import in_virtual_time

from pipecat_wavix import WavixParams
from pipecat_wavix.protocol import Clear, PlayMedia

DOWN, UP = FrameDirection.DOWNSTREAM, FrameDirection.UPSTREAM


def utterance(secs, *, context="c1", interruptible=True, rate=24_000, hz=440):
    """What a TTS without text makes of a sentence."""
    audio = speech(secs, rate=rate, hz=hz)
    step = rate // 10 * 2
    frames = [TTSStartedFrame(context_id=context)]
    for start in range(0, len(audio), step):
        frames.append(TTSAudioRawFrame(audio[start : start + step], rate, 1, context_id=context))
    frames.append(TTSStoppedFrame(context_id=context))
    for frame in frames:
        frame.interruptible = interruptible
    return frames


# Started and stopped


@pytest.mark.parametrize("one_way", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("lead", [0.5, 3.0])
@in_virtual_time
async def test_started_and_stopped_come_when_the_caller_hears_it(one_way, lead):
    far = FarEnd(one_way)
    async with call(far=far, params=WavixParams(speech_lead_secs=lead)) as this:
        await asyncio.sleep(2 * one_way + 0.1)  # the round trip cannot be known before
        for secs in (2.0, 0.61, 4.0):
            await this.say(*utterance(secs))
            await asyncio.sleep(secs + 2 * one_way + 1)
        for direction, recorder in ((DOWN, this.after), (UP, this.before)):
            started = recorder.times(BotStartedSpeakingFrame, direction)
            stopped = recorder.times(BotStoppedSpeakingFrame, direction)
            assert len(started) == len(stopped) == len(far.spans()) == 3
            for begin, end, (heard_from, heard_to) in zip(
                started, stopped, far.spans(), strict=True
            ):
                assert abs(begin - heard_from) <= 0.020
                assert abs(end - heard_to) <= 0.020


@in_virtual_time
async def test_two_contexts_back_to_back_are_two_pairs_without_a_gap():
    async with call() as this:
        await asyncio.sleep(0.3)
        await this.say(*utterance(0.5, context="a"), *utterance(0.5, context="b", hz=600))
        await asyncio.sleep(2)
        assert len(this.far.spans(pause=0.03)) == 1
        kinds = [
            type(frame)
            for _, frame, direction in this.after.seen
            if direction is DOWN
            and isinstance(frame, BotStartedSpeakingFrame | BotStoppedSpeakingFrame)
        ]
        assert kinds == [BotStartedSpeakingFrame, BotStoppedSpeakingFrame] * 2


@in_virtual_time
async def test_the_audio_goes_on_when_it_is_heard_and_in_order():
    async with call(far=FarEnd(0.1)) as this:
        await asyncio.sleep(0.4)
        await this.say(*utterance(1.0))
        await asyncio.sleep(3)
        (begin, end), *_ = this.far.spans()
        times = this.after.times(TTSAudioRawFrame)
        audio = b"".join(frame.audio for frame in this.after.frames(TTSAudioRawFrame))
        assert audio[: len(speech(1.0))] == speech(1.0)
        assert times == sorted(times)
        assert abs(times[0] - begin) <= 0.02
        assert abs(times[-1] - (end - 0.04)) <= 0.02


# Barge-in


async def interrupted(this, *, after, secs=5.0, **kwargs):
    """Have the bot speak for `secs`, and the caller cut in `after` seconds of it were sent."""
    await asyncio.sleep(0.4)
    await this.say(*utterance(secs, **kwargs))
    await asyncio.sleep(after)
    at = time.monotonic()
    await this.say(InterruptionFrame())
    return at


@pytest.mark.parametrize("after", [0.05, 0.3, 1.0, 2.7])
@in_virtual_time
async def test_the_clear_goes_out_at_once_and_nothing_follows_it_for_150_ms(after):
    async with call() as this:
        at = await interrupted(this, after=after)
        await asyncio.sleep(0.05)
        await this.say(*utterance(1.0, context="c2"))
        await asyncio.sleep(4)
        ((cleared, _),) = this.far.commands(Clear)
        assert cleared - at <= 0.005
        after_it = [t for t, _ in this.far.commands(PlayMedia) if t > cleared]
        assert min(after_it) >= cleared + 0.15
        assert len(this.far.cleared) == 1
        # What was interrupted is not heard again: after the clear there is the new speech alone.
        heard = this.far.spans(pause=0.02)[-1]
        assert heard[1] - heard[0] == pytest.approx(1.0, abs=0.001)


@in_virtual_time
async def test_every_started_has_its_stopped_when_the_caller_cuts_in():
    for after in (0.0, 0.001, 0.02, 0.1, 0.5, 1.5):
        async with call(far=FarEnd(0.1)) as this:
            await interrupted(this, after=after, secs=1.0)
            await asyncio.sleep(3)
            for direction, recorder in ((DOWN, this.after), (UP, this.before)):
                kinds = [
                    type(frame)
                    for _, frame, d in recorder.seen
                    if d is direction
                    and isinstance(frame, BotStartedSpeakingFrame | BotStoppedSpeakingFrame)
                ]
                spans = this.far.spans()
                pair = [BotStartedSpeakingFrame, BotStoppedSpeakingFrame]
                assert kinds == (pair if spans and spans[0][1] - spans[0][0] > 0.03 else kinds)
                assert kinds in ([], pair)


@in_virtual_time
async def test_a_turn_of_the_user_with_nothing_unheard_sends_no_clear():
    async with call() as this:
        await asyncio.sleep(0.3)
        await this.say(InterruptionFrame())
        await this.say(*utterance(0.5))
        await asyncio.sleep(2)
        await this.say(InterruptionFrame())
        await asyncio.sleep(0.5)
        assert not this.far.commands(Clear)
        assert len(this.after.frames(InterruptionFrame)) == 2


@in_virtual_time
async def test_stopped_comes_with_the_interruption():
    async with call(far=FarEnd(0.1)) as this:
        at = await interrupted(this, after=1.0)
        await asyncio.sleep(1)
        (stopped,) = this.after.times(BotStoppedSpeakingFrame)
        assert at <= stopped <= at + 0.02


@in_virtual_time
async def test_no_unheard_audio_goes_on():
    for after in (0.99, 1.0, 1.01, 1.02, 1.03):
        async with call(far=FarEnd(0.1)) as this:
            await interrupted(this, after=after)
            await asyncio.sleep(2)
            (begin, end), *_ = this.far.spans()
            frames = this.after.frames(TTSAudioRawFrame)
            assert sum(frame.num_frames for frame in frames) * 2 == sum(
                len(frame.audio) for frame in frames
            )
            recorded = sum(frame.num_frames for frame in frames) / 24_000
            assert recorded == pytest.approx(end - begin, abs=0.02)


# Speech that must not be interrupted


@pytest.mark.parametrize("after", [0.02, 0.3, 1.0, 1.9, 2.2])
@in_virtual_time
async def test_uninterruptible_speech_is_heard_to_the_end(after):
    async with call(far=FarEnd(0.1)) as this:
        await interrupted(this, after=after, secs=2.0, interruptible=False)
        await asyncio.sleep(4)
        assert not this.far.commands(Clear)
        ((begin, end),) = this.far.spans()
        assert end - begin == pytest.approx(2.0, abs=0.001)
        assert len(this.after.frames(BotStartedSpeakingFrame)) >= 1
        assert len(this.after.frames(BotStartedSpeakingFrame)) == len(
            this.after.frames(BotStoppedSpeakingFrame)
        )
        assert abs(this.after.times(BotStoppedSpeakingFrame)[-1] - end) <= 0.02


@in_virtual_time
async def test_uninterruptible_speech_behind_interruptible_speech_is_sent_again():
    async with call(far=FarEnd(0.1)) as this:
        await asyncio.sleep(0.4)
        await this.say(
            *utterance(0.3, context="a", hz=300),
            *utterance(1.0, context="b", interruptible=False, hz=1000),
        )
        await asyncio.sleep(0.15)
        await this.say(InterruptionFrame())
        await asyncio.sleep(4)
        assert len(this.far.commands(Clear)) == 1
        _, values = this.far.heard()
        protected = np_bytes(speech(1.0, hz=1000))
        assert contains(values, protected)
        assert len(this.after.frames(BotStartedSpeakingFrame)) == len(
            this.after.frames(BotStoppedSpeakingFrame)
        )
        end = this.far.spans()[-1][1]
        assert abs(this.after.times(BotStoppedSpeakingFrame)[-1] - end) <= 0.02


@in_virtual_time
async def test_a_second_interruption_does_not_send_protected_speech_twice():
    async with call(far=FarEnd(0.1)) as this:
        await asyncio.sleep(0.4)
        await this.say(
            *utterance(0.3, context="a", hz=300),
            *utterance(0.3, context="b", interruptible=False, hz=1000),
        )
        await asyncio.sleep(0.15)
        await this.say(InterruptionFrame())
        await asyncio.sleep(0.03)
        await this.say(InterruptionFrame())
        await asyncio.sleep(3)
        _, values = this.far.heard()
        assert contains(values, np_bytes(speech(0.3, hz=1000)))
        assert sum(to - begin for begin, to in this.far.spans()) < 0.3 + 0.3 + 0.05


# The end of a call


@pytest.mark.parametrize("one_way", [0.0, 0.1, 0.3])
@in_virtual_time
async def test_a_goodbye_is_heard_to_its_end_and_then_the_call_is_hung_up(one_way):
    far = FarEnd(one_way)
    async with call(far=far) as this:
        await asyncio.sleep(2 * one_way + 0.1)
        await this.say(*utterance(3.6), EndFrame())
        await this.ended()
        ((begin, end),) = far.spans()
        assert end - begin == pytest.approx(3.6, abs=0.001)
        assert far.hung_up_at is not None
        assert 0 <= far.hung_up_at - end <= one_way + 0.1
        assert far.closed_at >= far.hung_up_at
        assert len(this.after.frames(EndFrame)) == 1
        (statistics,) = [event[1] for event in this.events if event[0] == "on_call_ended"]
        assert statistics.fully_heard == "confirmed"
        assert statistics.hung_up is True


@pytest.mark.parametrize("one_way", [0.0, 0.3])
@in_virtual_time
async def test_a_goodbye_is_heard_to_its_end_when_no_mark_ever_comes_back(one_way):
    far = FarEnd(one_way, mark_loss=1.0)
    async with call(far=far) as this:
        await asyncio.sleep(2)
        await this.say(*utterance(3.6), EndFrame())
        begin_at = time.monotonic()
        await this.ended()
        ((begin, end),) = far.spans()
        assert end - begin == pytest.approx(3.6, abs=0.001)
        assert far.hung_up_at - end >= 0
        assert time.monotonic() - begin_at < 3.6 + 4
        (statistics,) = [event[1] for event in this.events if event[0] == "on_call_ended"]
        assert statistics.fully_heard == "estimated"
        assert statistics.round_trip_secs is None


@in_virtual_time
async def test_an_interruption_of_the_goodbye_does_not_lose_the_end():
    async with call() as this:
        await asyncio.sleep(0.3)
        await this.say(*utterance(3.0), EndFrame())
        await asyncio.sleep(2.9)
        await this.transport.output().queue_frame(InterruptionFrame())
        await this.ended()
        assert len(this.after.frames(EndFrame)) == 1
        assert this.far.hung_up_at is not None
        (statistics,) = [event[1] for event in this.events if event[0] == "on_call_ended"]
        assert statistics.fully_heard == "cut"


@in_virtual_time
async def test_the_far_end_may_leave_during_the_drain():
    async with call() as this:
        await asyncio.sleep(0.3)
        await this.say(*utterance(3.0), EndFrame())
        await asyncio.sleep(2.8)
        at = time.monotonic()
        this.far.say({"event": "stop"})
        await this.ended()
        assert time.monotonic() - at < 1
        assert len(this.after.frames(BotStoppedSpeakingFrame)) == 1
        assert len(this.after.frames(EndFrame)) == 1


@in_virtual_time
async def test_cancel_hangs_up_at_once():
    async with call() as this:
        await asyncio.sleep(0.3)
        await this.say(*utterance(5.0))
        await asyncio.sleep(1)
        at = time.monotonic()
        await this.worker.cancel()
        await this.ended()
        assert this.far.hung_up_at - at < 0.01


# Marks that misbehave


@pytest.mark.parametrize(
    "faults",
    [
        {"mark_loss": 0.3},
        {"mark_loss": 1.0},
        {"doubled": 1.0},
        {"jitter": 0.06},
        {"mark_loss": 0.3, "jitter": 0.06, "doubled": 0.5},
    ],
    ids=str,
)
@pytest.mark.parametrize("seed", [1, 2, 3])
@in_virtual_time
async def test_marks_that_misbehave_cost_accuracy_and_never_the_call(faults, seed):
    far = FarEnd(0.1, seed=seed, **faults)
    async with call(far=far) as this:
        await asyncio.sleep(0.5)
        for _ in range(4):
            await this.say(*utterance(1.5))
            await asyncio.sleep(3)
        started = this.after.times(BotStartedSpeakingFrame)
        stopped = this.after.times(BotStoppedSpeakingFrame)
        spans = far.spans(pause=0.3)
        assert len(started) == len(stopped) == len(spans) == 4
        for begin, end, (heard_from, heard_to) in zip(started, stopped, spans, strict=True):
            assert abs(begin - heard_from) <= 0.11
            assert abs(end - heard_to) <= 0.35
        await this.say(EndFrame())
        await this.ended()


@in_virtual_time
async def test_when_the_last_marks_are_lost_others_ask_again():
    far = FarEnd(0.1)
    async with call(far=far) as this:
        await asyncio.sleep(0.5)
        await this.say(*utterance(1.5))
        await asyncio.sleep(1.0)
        far.mark_loss = 1.0
        await asyncio.sleep(1.0)
        far.mark_loss = 0.0
        await asyncio.sleep(3)
        ((_, heard_to),) = far.spans()
        (stopped,) = this.after.times(BotStoppedSpeakingFrame)
        assert stopped - heard_to <= 0.9


def np_bytes(audio):
    return np.frombuffer(audio, "<i2")


def contains(haystack, needle):
    """Whether the samples of `needle` stand in `haystack` in one piece."""
    first = np.flatnonzero(haystack[: len(haystack) - len(needle) + 1] == needle[0])
    return any(np.array_equal(haystack[at : at + len(needle)], needle) for at in first)
