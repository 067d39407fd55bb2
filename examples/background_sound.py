"""An office in the background, so that a caller who waits does not hear a dead line.

The sound is made by numpy: a hum, a breath of air, and keys that somebody types on. A recording of
yours is Pipecat's `SoundfileMixer(sound_files={"office": "office.wav"}, default_sound="office")`,
at the pipeline's rate and mono.

A mixer never ends, so what of it lies ahead at Wavix delays the first word of an answer. Therefore
`background_lead_secs` is short (0.1 s is the default), while speech is sent further ahead; and so a
stall of the bot that lasts longer is a gap in the background, and none in what it says.

Key: `CARTESIA_API_KEY`, in `.env` (see env.example). On the emulator, each in a terminal::

    pip install 'pipecat-wavix[demo]' 'pipecat-ai[cartesia]'
    pipecat-wavix emulate
    python examples/background_sound.py -t wavix
    pipecat-wavix phone +12025550100

On a number of your own: set `WAVIX_API_KEY` as well, and run it with
`-t wavix -x your.host.name --configure-number +1...`.

You hear somebody ask you to wait, the office, and after a while the answer; then the bot hangs up.
"""

import asyncio
import os

import numpy as np
from dotenv import load_dotenv
from pipecat.audio.mixers.base_audio_mixer import BaseAudioMixer
from pipecat.frames.frames import EndFrame, MixerControlFrame, MixerEnableFrame, TTSSpeakFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.runner.types import RunnerArguments
from pipecat.services.cartesia.tts import CartesiaTTSService
from pipecat.transports.base_transport import BaseTransport
from pipecat.workers.runner import WorkerRunner

from pipecat_wavix import WavixParams
from pipecat_wavix.runner import create_transport, main

load_dotenv(override=True)

LOOP_SECS = 8
LOOKING_UP_SECS = 4.0  # what a real bot would spend in a database
WAIT = "One moment please, I am looking for your order."
ANSWER = "Thank you for waiting. It arrives tomorrow. Goodbye!"


def office(sample_rate: int) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """Make the sound of an office that can be repeated without a click, as PCM16 mono."""
    random = np.random.default_rng(1)
    length = LOOP_SECS * sample_rate
    t = np.arange(length) / sample_rate
    # A telephone carries nothing below 300 Hz: the hum is what is above.
    hum = 60 * sum(np.sin(2 * np.pi * hz * t) for hz in (350, 400, 450))
    air = random.normal(0, 60, length)
    click = random.normal(0, 900, sample_rate // 50) * np.linspace(1, 0, sample_rate // 50) ** 2
    typing = np.zeros(length)
    for at in random.choice(length - len(click), 24, replace=False):
        typing[at : at + len(click)] += click
    return np.clip(hum + air + typing, -32768, 32767).astype("<i2")


class Office(BaseAudioMixer):
    """Mixes the office into all that is sent; a `MixerEnableFrame` closes and opens its door."""

    def __init__(self) -> None:
        self._sound = office(8000)
        self._at = 0
        self._open = True

    async def start(self, sample_rate: int) -> None:
        """Make the sound at the rate of the output."""
        self._sound = await asyncio.to_thread(office, sample_rate)

    async def stop(self) -> None:
        """There is nothing to close."""

    async def process_frame(self, frame: MixerControlFrame) -> None:
        """Go on, or be silent."""
        if isinstance(frame, MixerEnableFrame):
            self._open = frame.enable

    async def mix(self, audio: bytes) -> bytes:
        """Add the next of the sound; `audio` is silence while nobody speaks."""
        speech = np.frombuffer(audio, "<i2")
        noise = self._sound.take(range(self._at, self._at + len(speech)), mode="wrap")
        self._at = (self._at + len(speech)) % len(self._sound)
        if not self._open:
            return audio
        return np.clip(speech.astype(int) + noise, -32768, 32767).astype("<i2").tobytes()


transport_params = {
    "wavix": lambda: WavixParams(audio_out_mixer=Office(), background_lead_secs=0.1),
}


async def run_bot(transport: BaseTransport, runner_args: RunnerArguments) -> None:
    """Hold one call."""
    tts = CartesiaTTSService(
        api_key=os.environ["CARTESIA_API_KEY"],
        settings=CartesiaTTSService.Settings(voice="71a7ad14-091c-4e8e-a314-022ece01c121"),
    )
    worker = PipelineWorker(Pipeline([transport.input(), tts, transport.output()]))

    @transport.event_handler("on_client_connected")
    async def on_client_connected(transport: BaseTransport, client: object) -> None:
        await worker.queue_frame(TTSSpeakFrame(WAIT))
        await asyncio.sleep(LOOKING_UP_SECS)
        await worker.queue_frames([TTSSpeakFrame(ANSWER), EndFrame()])

    @transport.event_handler("on_client_disconnected")
    async def on_client_disconnected(transport: BaseTransport, client: object) -> None:
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=runner_args.handle_sigint)
    await runner.add_workers(worker)
    await runner.run()


async def bot(runner_args: RunnerArguments) -> None:
    """Hold the call that the runner hands over."""
    await run_bot(await create_transport(runner_args, transport_params), runner_args)


if __name__ == "__main__":
    main()
