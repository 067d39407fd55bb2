"""Both halves of a call that took place: `WavixTransport` on one end, the emulated line on the other.

In real time, for a few seconds, over a socket; figures have room for a busy machine.
"""

import asyncio
import base64
import json
from dataclasses import asdict

import numpy as np
import pytest
from pipecat.frames.frames import EndFrame, InterruptionFrame, TTSSpeakFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.workers.runner import WorkerRunner
from voices import TimedVoice
from websockets.asyncio.server import serve

from pipecat_wavix import WavixParams, WavixTransport, wait_for_start
from pipecat_wavix.emulator import CallSettings, Say, ScriptedCaller, WaitForBot
from pipecat_wavix.emulator.callers import Pause
from pipecat_wavix.emulator.expectations import _ENDS
from pipecat_wavix.emulator.media import Call
from pipecat_wavix.emulator.network import NetworkSettings
from pipecat_wavix.emulator.recording import Recording
from pipecat_wavix.timeline import read_timeline, verdicts

SPEECH = (9000 * np.sin(np.arange(16_800) / 10)).astype("<i2").tobytes()
WORDS = "w1 w2 w3 w4 w5 w6 w7 w8 w9 w10"


async def test_both_halves_of_a_call_agree_and_a_good_call_is_found_good(tmp_path):
    over = asyncio.Event()

    async def bot(websocket):
        start = await wait_for_start(websocket)
        transport = WavixTransport(
            websocket,
            stream_id=start.stream_id,
            call_id=start.call_id,
            params=WavixParams(trace=tmp_path / "bot", trace_texts=True),
        )
        pipeline = Pipeline([transport.input(), TimedVoice(), transport.output()])
        worker = PipelineWorker(pipeline, enable_rtvi=False, idle_timeout_secs=None)

        @transport.event_handler("on_client_connected")
        async def talk(*_):
            await worker.queue_frame(TTSSpeakFrame(WORDS))
            await transport.wait_until_heard(timeout=1.6)  # which it will not be
            await worker.queue_frame(InterruptionFrame())
            await asyncio.sleep(1.0)
            await worker.queue_frames([TTSSpeakFrame("w11 w12"), EndFrame()])

        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(worker)
        await runner.run()
        over.set()

    async with serve(bot, "127.0.0.1", 0, compression=None) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        settings = CallSettings(network=NetworkSettings(delay_ms=40))
        script = [WaitForBot("speaking", 1.0, 10), Say(SPEECH), Pause(20)]
        with Recording(tmp_path, url, asdict(settings)) as recording:
            await Call(url, ScriptedCaller(script), settings, [recording.observe]).run()
        async with asyncio.timeout(20):
            await over.wait()

    (bots_half,) = (tmp_path / "bot").iterdir()
    timeline = read_timeline(recording.trace_path, bot_trace=bots_half)
    bad = [verdict for verdict in timeline.verdicts if verdict.bad]
    busy = ("burst", "underrun", "fell_silent")  # the machine, perhaps
    assert [verdict.kind for verdict in bad if verdict.kind not in busy] == []
    assert timeline.merged_within_secs < 0.05
    # What the bot let go at the barge-in, the caller hears until the clear has landed.
    believed, heard = timeline.believed_spells, timeline.heard_spells
    assert len(believed) == len(heard) == 2  # and nothing of what was interrupted after that
    assert believed[0] == pytest.approx(heard[0], abs=0.2)
    assert believed[-1][1] == pytest.approx(heard[-1][1], abs=0.2)
    spoken = [word.text for word in timeline.words if word.in_context]
    assert spoken[-2:] == ["w11", "w12"]
    assert 3 <= len(spoken) < len(WORDS.split())
    assert all(word.heard for word in timeline.words if word.in_context)
    assert not all(word.heard for word in timeline.words)
    (clear,) = timeline.clears
    cleared = sum(piece.ends - piece.heard_until for piece in timeline.pieces if piece.cleared)
    assert cleared * 24_000 == pytest.approx(clear.samples, abs=1)


async def test_a_bot_that_leaves_in_mid_sentence_is_found_to_have_cut_its_goodbye(tmp_path):
    async def bot(websocket):
        await wait_for_start(websocket)
        payload = base64.b64encode(SPEECH).decode()
        await websocket.send(json.dumps({"event": "media", "media": {"payload": payload}}))
        await asyncio.sleep(0.4)

    async with serve(bot, "127.0.0.1", 0, compression=None) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        settings = CallSettings()
        with Recording(tmp_path, url, asdict(settings)) as recording:
            await Call(url, ScriptedCaller([Pause(20)]), settings, [recording.observe]).run()
    (verdict,) = read_timeline(recording.trace_path).verdicts
    assert (verdict.kind, verdict.bad) == ("cut_goodbye", True)


def test_whoever_the_emulator_says_has_ended_a_call_is_known_here():
    assert all(reason.startswith(verdicts._ENDED_BY_THE_BOT) for reason in _ENDS["bot"])
