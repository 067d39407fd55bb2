"""Measure the 1 ms resampler beside soxr, as Pipecat's own stream resampler uses it.

Run it as `python benchmarks/resampler.py`; it takes a few seconds. Every resampler is driven
through Pipecat's interface with 20 ms chunks of PCM16. Columns:

* delay: how late a 200 Hz tone comes out, by its phase, once all of it is there.
* held: input received minus output returned, in ms of audio, after each chunk: mean and maximum.
* empty: chunks that yield nothing.
* rejection: the strongest alias or image of tones that lie (going down) or whose images lie (going
  up) at least 1 kHz above half the lower rate; to 9 kHz and up between 24 and 16 kHz.
* ripple: highest minus lowest gain of tones up to 1 kHz below half the lower rate.
* CPU: of one chunk, the median over repetitions that interleave the resamplers.
"""

import statistics
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from pipecat.audio.resamplers.base_audio_resampler import BaseAudioResampler
from pipecat.audio.resamplers.soxr_stream_resampler import SOXRStreamAudioResampler

from pipecat_wavix.resampler import StreamResampler

RATES = [(24000, 16000), (24000, 8000), (16000, 24000), (8000, 16000)]
OURS, VHQ = "ours", "soxr VHQ"
RESAMPLERS: dict[str, Callable[[], BaseAudioResampler]] = {
    OURS: StreamResampler,
    VHQ: SOXRStreamAudioResampler,
    "soxr HQ": lambda: SOXRStreamAudioResampler(quality="HQ"),
    "soxr QQ": lambda: SOXRStreamAudioResampler(quality="QQ"),
}
CHUNKS_PER_SECOND = 50
AMPLITUDE = 20000
SPACING = 250  # of the tones, in Hz
REPETITIONS, CHUNKS_PER_REPETITION = 200, 100

T = TypeVar("T")
Signal = NDArray[np.float64]


@dataclass
class Result:
    """What one resampler does between two rates; the module says what each figure means."""

    delay_ms: float
    held_mean_ms: float
    held_max_ms: float
    empty_percent: float
    rejection_db: float
    ripple_db: float
    lost_ms: float
    stale: bool
    cpu_us: float = 0.0


class Stream:
    """One resampler between two rates, called without an event loop: it never suspends."""

    def __init__(self, make: Callable[[], BaseAudioResampler], in_rate: int, out_rate: int):
        self.resampler, self.in_rate, self.out_rate = make(), in_rate, out_rate

    def resample(self, audio: bytes) -> bytes:
        """The next chunk."""
        return finished(self.resampler.resample(audio, self.in_rate, self.out_rate))

    def flush(self) -> bytes:
        """The rest of the stream."""
        return finished(self.resampler.flush())

    def reset(self) -> None:
        """Drop the rest of the stream."""
        finished(self.resampler.reset())

    def run(self, signal: Signal) -> tuple[Signal, list[int]]:
        """The whole output, flushed, and how many samples each chunk yielded."""
        chunks = [self.resample(chunk) for chunk in chunked(signal, self.in_rate)]
        output = np.frombuffer(b"".join([*chunks, self.flush()]), "<i2")
        return output.astype(np.float64), [len(chunk) // 2 for chunk in chunks]


def finished(coroutine: Coroutine[object, object, T]) -> T:
    try:
        coroutine.send(None)
    except StopIteration as done:
        return cast(T, done.value)
    raise RuntimeError("the resampler suspended")


def chunked(signal: Signal, rate: int) -> list[bytes]:
    size = rate // CHUNKS_PER_SECOND
    pcm = np.rint(signal).astype("<i2")
    return [pcm[start : start + size].tobytes() for start in range(0, pcm.size, size)]


def tone(frequency: float, rate: int, seconds: float = 0.6) -> Signal:
    sine: Signal = AMPLITUDE * np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)
    return sine


def component(signal: Signal, frequency: float, rate: int) -> complex:
    """The tone of this frequency in the middle half of the signal; a sine has phase 0."""
    quarter = signal.size // 4
    middle = signal[quarter : 3 * quarter]
    window = np.blackman(middle.size)
    turns = frequency * np.arange(quarter, 3 * quarter) / rate
    return complex(2j * (middle * window) @ np.exp(-2j * np.pi * turns) / window.sum())


def decibels(ratio: float) -> float:
    return float(20 * np.log10(max(ratio, 1e-9)))


def measure(make: Callable[[], BaseAudioResampler], in_rate: int, out_rate: int) -> Result:
    def level(sent: float, heard: float) -> float:
        output, _ = Stream(make, in_rate, out_rate).run(tone(sent, in_rate))
        return decibels(abs(component(output, heard, out_rate)) / AMPLITUDE)

    lower = min(in_rate, out_rate)
    passband, stopband = lower // 2 - 1000, lower // 2 + 1000
    gains = [level(f, f) for f in range(SPACING, passband + 1, SPACING)]
    if in_rate > out_rate:
        aliased = range(stopband, in_rate // 2, SPACING)
        spurs = [level(f, abs(f - out_rate * round(f / out_rate))) for f in aliased]
    else:
        images = range(stopband, min(out_rate // 2, in_rate), SPACING)
        spurs = [level(in_rate - f, f) for f in images]

    slow = 200.0
    output, _ = Stream(make, in_rate, out_rate).run(tone(slow, in_rate))
    delay = -np.angle(component(output, slow, out_rate)) / (2 * np.pi * slow)

    noise = np.random.default_rng(1).normal(0, 3000, 4 * in_rate)
    output, yields = Stream(make, in_rate, out_rate).run(noise)
    received = np.arange(1, len(yields) + 1) / CHUNKS_PER_SECOND
    held = received - np.cumsum(yields) / out_rate

    interrupted = Stream(make, in_rate, out_rate)
    for chunk in chunked(noise[: in_rate // 2], in_rate):
        interrupted.resample(chunk)
    interrupted.reset()
    after, _ = interrupted.run(np.zeros(in_rate))
    return Result(
        delay_ms=1e3 * float(delay),
        held_mean_ms=1e3 * float(held.mean()),
        held_max_ms=1e3 * float(held.max()),
        empty_percent=100 * yields.count(0) / len(yields),
        rejection_db=-max(spurs),
        ripple_db=max(gains) - min(gains),
        lost_ms=1e3 * (4 + float(delay) - output.size / out_rate),
        stale=bool(np.abs(after).max() > 1),  # soxr dithers silence by one LSB
    )


def measure_cpu(in_rate: int, out_rate: int, results: dict[str, Result]) -> None:
    noise = np.random.default_rng(2).normal(0, 3000, CHUNKS_PER_REPETITION * in_rate // 50)
    chunks = chunked(noise, in_rate)
    streams = {name: Stream(make, in_rate, out_rate) for name, make in RESAMPLERS.items()}
    times: dict[str, list[float]] = {name: [] for name in streams}
    for _ in range(REPETITIONS):
        for name, stream in streams.items():
            resample = stream.resample
            start = time.perf_counter()
            for chunk in chunks:
                resample(chunk)
            times[name].append(time.perf_counter() - start)
    for name, result in results.items():
        result.cpu_us = 1e6 * statistics.median(times[name]) / len(chunks)


def main() -> None:
    print(
        f"{'kHz':8} {'resampler':9} {'delay ms':>8} {'held ms, mean / max':>20} {'empty %':>8} "
        f"{'rejection dB':>13} {'ripple dB to':>15} {'CPU us':>7}"
    )
    table: list[dict[str, Result]] = []
    for in_rate, out_rate in RATES:
        results = {name: measure(make, in_rate, out_rate) for name, make in RESAMPLERS.items()}
        measure_cpu(in_rate, out_rate, results)
        table.append(results)
        edge = (min(in_rate, out_rate) // 2 - 1000) // 1000
        for name, r in results.items():
            print(
                f"{f'{in_rate // 1000}->{out_rate // 1000}':8} {name:9} {abs(r.delay_ms):8.2f} "
                f"{r.held_mean_ms:12.1f} / {abs(r.held_max_ms):5.1f} {r.empty_percent:8.0f} "
                f"{r.rejection_db:13.1f} {f'{r.ripple_db:.3f} {edge} kHz':>15} {r.cpu_us:7.1f}"
            )

    ours = [results[OURS] for results in table]
    bars = {
        "delay at most 1.0 ms": all(r.delay_ms < 1.001 for r in ours),
        "no empty chunk": all(r.empty_percent == 0 for r in ours),
        "rejection at least 60 dB": all(r.rejection_db >= 60 for r in ours),
        "ripple at most 0.1 dB": all(r.ripple_db <= 0.1 for r in ours),
        "no more CPU than soxr VHQ": all(r[OURS].cpu_us <= r[VHQ].cpu_us for r in table),
        "nothing lost after a flush": all(abs(r.lost_ms) < 0.001 for r in ours),
        "nothing stale after a reset": not any(r.stale for r in ours),
    }
    print("; ".join(f"{bar}: {'met' if met else 'NOT MET'}" for bar, met in bars.items()))


if __name__ == "__main__":
    main()
