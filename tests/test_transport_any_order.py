"""Whatever a bot and a caller do, in any order: what must hold at the end of every call."""

import asyncio
from itertools import pairwise

import numpy as np
from far_end import FarEnd, call
from hypothesis import HealthCheck, given, settings, strategies as st
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    EndFrame,
    InterruptionFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from test_transport_output import contains, np_bytes, utterance
from test_transport_transport import named
from virtual_time import in_virtual_time

from pipecat_wavix import WavixMarkFrame, WavixMarkReturnedFrame, WavixParams
from pipecat_wavix.phoneline import LineSettings

SPEAKING = BotStartedSpeakingFrame | BotStoppedSpeakingFrame

actions = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.sampled_from([0.04, 0.3, 0.9]), st.booleans()),
        st.tuples(st.just("interrupt")),
        st.tuples(st.just("mark")),
        st.tuples(st.just("wait"), st.sampled_from([0.0, 0.01, 0.05, 0.2, 1.0])),
    ),
    max_size=14,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    actions=actions,
    one_way=st.sampled_from([0.0, 0.1, 0.3]),
    lead=st.sampled_from([0.1, 0.5, 2.0]),
    jitter=st.sampled_from([0.0, 0.06]),
    mark_loss=st.sampled_from([0.0, 0.3, 1.0]),
    marks_on_clear=st.sampled_from(["return", "forget"]),
    how=st.sampled_from(["end", "cancel", "left"]),
)
def test_every_call_ends_and_tells_no_lies(
    actions, one_way, lead, jitter, mark_loss, marks_on_clear, how
):
    hold_call(actions, one_way, lead, jitter, mark_loss, marks_on_clear, how)


@in_virtual_time
async def hold_call(actions, one_way, lead, jitter, mark_loss, marks_on_clear, how):
    far = FarEnd(
        one_way,
        jitter=jitter,
        mark_loss=mark_loss,
        line=LineSettings(marks_on_clear=marks_on_clear),
    )
    async with call(far=far, params=WavixParams(speech_lead_secs=lead)) as this:
        await asyncio.sleep(2 * one_way + 0.1)
        protected, marks = [], 0
        for number, action in enumerate(actions):
            match action:
                case ("say", secs, interruptible):
                    frames = utterance(
                        secs,
                        context=f"c{number}",
                        interruptible=interruptible,
                        hz=300 + 37 * number,
                    )
                    await this.say(*frames)
                    if not interruptible:
                        protected.append(b"".join(frame.audio for frame in frames[1:-1]))
                case ("interrupt",):
                    await this.say(InterruptionFrame())
                case ("mark",):
                    marks += 1
                    await this.say(WavixMarkFrame(mark=f"m{marks}"))
                case ("wait", secs):
                    await asyncio.sleep(secs)
        await asyncio.sleep(0.05)
        if how == "end":
            await this.say(EndFrame())
        elif how == "left":
            far.say({"event": "stop"})
            await asyncio.sleep(0.5)
            await this.worker.cancel()
        else:
            await this.worker.cancel()
        await this.ended()
        await asyncio.sleep(one_way + 0.2)

        for recorder, direction in (
            (this.after, FrameDirection.DOWNSTREAM),
            (this.before, FrameDirection.UPSTREAM),
        ):
            kinds = [
                type(f) for _, f, d in recorder.seen if d is direction and isinstance(f, SPEAKING)
            ]
            assert all(kind is not following for kind, following in pairwise(kinds))
            assert not kinds or kinds[0] is BotStartedSpeakingFrame
            if how != "cancel":
                assert not kinds or kinds[-1] is BotStoppedSpeakingFrame
        returned = [frame.mark for frame in this.after.frames(WavixMarkReturnedFrame)]
        assert len(returned) == len(set(returned)) <= marks
        ((statistics,),) = named(this, "on_call_ended")
        assert far.hung_up_at is not None
        if how == "end":
            assert statistics.fully_heard in ("confirmed", "estimated")
            _, values = far.heard()
            for audio in protected:
                assert heard_whole(values, np_bytes(audio)), "protected speech was cut"
            # Nothing was on its way when the call was hung up.
            assert far.line.buffered_samples == 0


def heard_whole(values, audio):
    """Whether a protected piece was heard in order, if not in one piece: a clear may part it."""
    if contains(values, audio):
        return True
    at = 0
    for start in range(0, len(audio), 480):
        piece = audio[start : start + 480]
        found = [n for n in np.flatnonzero(values == piece[0]) if n >= at]
        at = next((n for n in found if np.array_equal(values[n : n + len(piece)], piece)), -1)
        if at < 0:
            return False
    return True
