"""CPU of one 20 ms frame through the serializers, in and out, beside Pipecat's Twilio serializer.

Run it with `python benchmarks/serializer.py`. All are measured in turns within one run, so that a
machine that drifts does so for all alike; the median of the turns is shown.
"""

import asyncio
import base64
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
from loguru import logger
from pipecat.audio.utils import create_stream_resampler
from pipecat.frames.frames import TTSAudioRawFrame
from pipecat.serializers.base_serializer import FrameSerializer
from pipecat.serializers.twilio import TwilioFrameSerializer

from pipecat_wavix import WavixFrameSerializer

FRAMES = 500
TURNS = 15
PIPELINE_RATE = 16_000


def speech(rate: int) -> list[bytes]:
    """Seconds of noise as 20 ms chunks of PCM16 at `rate` Hz."""
    noise = np.random.default_rng(1).normal(0, 3000, FRAMES * rate // 50).astype("<i2").tobytes()
    size = rate // 50 * 2
    return [noise[i : i + size] for i in range(0, len(noise), size)]


def wavix_messages() -> list[str]:
    return [
        json.dumps(
            {
                "event": "media",
                "event_time": "2024-01-15T10:30:01Z",
                "call_id": "2f1b0b3e-6c1c-4f6e-9a86-0f6a8a1c7a55",
                "stream_id": "7d0a7a3e-3a1b-4c39-a0ee-1f2c3d4e5f60",
                "sequence_number": n,
                "media": {
                    "payload": base64.b64encode(chunk).decode(),
                    "track": "inbound",
                    "timestamp": n * 160,
                    "chunk": n,
                },
            }
        )
        for n, chunk in enumerate(speech(24_000), 1)
    ]


def twilio_messages() -> list[str]:
    return [
        json.dumps(
            {
                "event": "media",
                "sequenceNumber": str(n),
                "media": {
                    "track": "inbound",
                    "chunk": str(n),
                    "timestamp": str(n * 20),
                    "payload": base64.b64encode(chunk[:160]).decode(),
                },
                "streamSid": "MZ18ad3ab5a668481ce02b83e7395059f0",
            }
        )
        for n, chunk in enumerate(speech(8_000), 1)
    ]


async def microseconds(work: Callable[[Any], Awaitable[object]], items: list[Any]) -> float:
    begin = time.process_time()
    for item in items:
        await work(item)
    return (time.process_time() - begin) / len(items) * 1e6


async def main() -> None:
    logger.remove()
    setup = cast(Any, SimpleNamespace(audio_in_sample_rate=PIPELINE_RATE))
    ours = WavixFrameSerializer("s")
    # The same wire with Pipecat's resamplers: what the resampler alone changes.
    with_vhq = WavixFrameSerializer("s")
    with_vhq._input_resamplers = {"inbound": create_stream_resampler()}  # type: ignore[dict-item]
    with_vhq._output_resampler = create_stream_resampler()  # type: ignore[assignment]
    twilio = TwilioFrameSerializer(
        "s", params=TwilioFrameSerializer.InputParams(auto_hang_up=False)
    )
    frames = [TTSAudioRawFrame(chunk, PIPELINE_RATE, 1) for chunk in speech(PIPELINE_RATE)]
    rows: dict[str, tuple[FrameSerializer, list[str]]] = {
        "pipecat-wavix": (ours, wavix_messages()),
        "  the same with soxr VHQ": (with_vhq, wavix_messages()),
        "Pipecat's Twilio": (twilio, twilio_messages()),
    }
    spent: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in rows}
    for serializer, _ in rows.values():
        await serializer.setup(setup)
    for _ in range(TURNS):
        for name, (serializer, messages) in rows.items():
            spent[name][0].append(await microseconds(serializer.deserialize, messages))
            spent[name][1].append(await microseconds(serializer.serialize, frames))

    print(f"CPU of one 20 ms frame at a pipeline of {PIPELINE_RATE} Hz, Python {sys.version[:6]}\n")
    print(f"{'serializer':<28}{'in, us':>10}{'out, us':>10}")
    for name, (inbound, outbound) in spent.items():
        print(f"{name:<28}{statistics.median(inbound):>10.1f}{statistics.median(outbound):>10.1f}")


if __name__ == "__main__":
    asyncio.run(main())
