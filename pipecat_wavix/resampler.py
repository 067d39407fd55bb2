"""Low-latency streaming sample-rate conversion of PCM16 mono audio.

This module knows how to turn one rate into another with a short linear-phase filter that delays
audio by 1 ms and holds none of it back: 20 ms in is 20 ms out from the first chunk on. It refuses
to know what the audio is for, when it arrives, or when an utterance ends: the caller says so with
a flush (the utterance is over, give me the rest) or a reset (it was interrupted, drop the rest).
Pipecat's own stream resampler, soxr at quality VHQ, has the better filter but collects its output
and lets it out in bursts: going from 24 to 16 kHz it holds 42 ms of audio on average and 76 ms at
most, which a voice activity detector and a caller both hear as delay. Only for ratios that a short
filter cannot serve (22.05 or 44.1 kHz) does this module fall back on soxr.

What a 1 ms filter gives, measured with sines:

* Every image and alias from beyond the transition band is at least 60 dB down. The transition
  band is 1.8 kHz wide and centred on half the lower rate; the ripple below it is at most 0.1 dB.
* 24 <-> 16 kHz (and 48 <-> 16): passband to 7.1 kHz, stopband from 8.9 kHz.
* 24, 16 or 48 <-> 8 kHz: passband to 3.1 kHz, stopband from 4.9 kHz.
* 48 <-> 24 kHz: passband to 11.1 kHz, stopband from 12.9 kHz.
"""

from functools import cache
from math import gcd

import numpy as np
import soxr
from numpy.typing import NDArray
from pipecat.audio.resamplers.base_audio_resampler import BaseAudioResampler

MAX_FACTOR = 6
"""The largest factor of a reduced ratio (3/2, 1/6, ...) that the 1 ms filter serves."""

MIN_RATE = 8000
"""The lowest rate in Hz that the 1 ms filter serves: its transition band is 1.8 kHz wide."""

_DELAYS_PER_SECOND = 1000  # the filter delays audio by one of these: 1 ms
# 63 dB by Kaiser's formula: 60 dB and what normalising the phases costs. The wider transition band
# that this brings is moved down a little, where the ripple has room: 50 Hz at a delay of 1 ms.
_KAISER_BETA = 6.0
_CUTOFF_SHIFT = 0.05  # in cycles per group delay
_SAMPLE = np.dtype("<i2")  # int16, as it is on the wire
_LOWEST, _HIGHEST = np.float32(-32768), np.float32(32767)

# Soxr's better qualities hold more audio back, for a rejection that a telephone cannot use. From
# 22.05 to 16 kHz: LQ holds 12 ms on average and 22 at most, MQ and HQ 23 and 40, VHQ 46 and 84;
# all four reject more than 110 dB (LQ upwards: 66). The price of LQ is the treble: flat to 70 % of
# the lower half rate, 2 dB down at 80 %. QQ holds nothing and rejects 3 dB: it aliases.
_SOXR_QUALITY = "LQ"


class PolyphaseFilter:
    """A causal, linear-phase polyphase FIR resampler for int16 samples.

    The output is the input delayed by exactly `delay` output samples. Input is consumed in blocks
    of `down` samples, each of which gives `up` samples; only an incomplete block is held back.
    However the input is cut into chunks, the output is the same to within one LSB.

    Args:
        up: Output samples per block. `up / down` must be in lowest terms.
        down: Input samples per block.
        delay: Group delay in output samples, at least 1. The filter spans twice that.
    """

    def __init__(self, up: int, down: int, delay: int):
        self._up = up
        self._down = down
        self._delay = delay
        self._matrix = _toeplitz(up, down, delay)
        self._history = _history(up, down, delay)
        self._stride = len(self._matrix) - self._history  # new samples in a row
        item = self._matrix.itemsize
        self._row_strides = (self._stride * item, item)
        self._held: NDArray[np.float32]
        self._idle: bool
        self.reset()

    @property
    def delay(self) -> int:
        """The group delay in output samples."""
        return self._delay

    def process(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        """Filter the next samples of the stream.

        Args:
            samples: One dimension, int16, any number of samples.

        Returns:
            `up` samples for each block of `down` completed so far and not yet returned.
        """
        count = samples.size
        if count:
            self._idle = False
        down, history = self._down, self._history
        held = self._held.size
        blocks = (held - history + count) // down
        # A row takes in several blocks, and the last may be incomplete. Its missing samples are
        # zero, and the output they give is cut off.
        rows = -(-blocks * down // self._stride)
        signal = np.zeros(history + rows * self._stride + down, np.float32)
        signal[:held] = self._held
        signal[held : held + count] = samples
        self._held = signal[blocks * down : held + count].copy()
        # The rows overlap by the history, and BLAS takes no rows that overlap: hence the copy.
        overlapping: NDArray[np.float32] = np.ndarray(
            (rows, history + self._stride), np.float32, signal, 0, self._row_strides
        )
        product = overlapping.copy().dot(self._matrix)
        return _to_int16(product.ravel()[: blocks * self._up])

    def flush(self) -> NDArray[np.int16]:
        """End the stream: return what is still inside and start afresh.

        Returns:
            As many samples as make the stream's output `ceil(n * up / down) + delay` samples for
            the `n` that came in: all of the input, without the filter's ringing after its end.
            Empty if nothing came in.
        """
        if self._idle:
            return np.empty(0, np.int16)
        pending = self._held.size - self._history
        owed = -(-pending * self._up // self._down) + self._delay
        blocks = -(-owed // self._up)
        tail = self.process(np.zeros(blocks * self._down - pending, np.int16))[:owed]
        self.reset()
        return tail

    def reset(self) -> None:
        """Drop everything that is still inside: the next output is that of a new filter."""
        self._held = np.zeros(self._history, np.float32)
        self._idle = True


class _SoxrFilter:
    """soxr behind the same two methods.

    It runs on float32: to int16, soxr adds dither of its own.
    """

    def __init__(self, in_rate: int, out_rate: int):
        self._stream = soxr.ResampleStream(in_rate, out_rate, 1, "float32", _SOXR_QUALITY)

    def process(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        return _to_int16(self._stream.resample_chunk(samples.astype(np.float32)))

    def flush(self) -> NDArray[np.int16]:
        return _to_int16(self._stream.resample_chunk(np.empty(0, np.float32), last=True))


class StreamResampler(BaseAudioResampler):
    """Pipecat's resampler interface for one stream of PCM16 mono little-endian audio.

    If both factors of the reduced ratio are at most `MAX_FACTOR` and both rates at least `MIN_RATE`
    (any two of 8, 16, 24, 32 and 48 kHz), the audio is delayed by 1 ms (rounded down to whole
    output samples) and an utterance of n samples gives `ceil(n * out_rate / in_rate)` plus that
    delay. Other ratios go through soxr: no delay, but audio held back in bursts (22.05 to 8 kHz:
    23 ms on average, 8 to 44.1 kHz: 43), and `round(n * out_rate / in_rate)` samples.

    The three synchronous methods `push`, `finish` and `clear` do the work; `resample`, `flush` and
    `reset` are their counterparts in Pipecat's interface and never suspend. There is no time-out
    that clears the stream: a silent pause is for the caller to judge.

    A stream has one pair of rates, as in Pipecat's own resampler: another pair in mid-stream
    raises. After a flush or a reset a new stream begins, at any rates. Audio whose rates are equal
    is returned as it came and is no part of any stream.
    """

    def __init__(self) -> None:
        self._rates: tuple[int, int] | None = None
        self._filter: PolyphaseFilter | _SoxrFilter
        self._odd_byte = b""

    def push(self, audio: bytes, in_rate: int, out_rate: int) -> bytes:
        """Resample the next chunk of the stream.

        Args:
            audio: PCM16 mono, little-endian. The first half of a sample cut in two is kept until
                its second half comes with the next chunk.
            in_rate: Sample rate of `audio` in Hz.
            out_rate: Sample rate of the result in Hz.

        Returns:
            PCM16 mono, little-endian; `audio` itself if the rates are equal.

        Raises:
            ValueError: If a rate is not a positive int, or the rates change in mid-stream.
        """
        rates = (in_rate, out_rate)
        if rates != self._rates:
            _check_rate("in_rate", in_rate)
            _check_rate("out_rate", out_rate)
            if in_rate == out_rate:
                return audio
            if self._rates is not None:
                raise ValueError(
                    f"this stream goes from {self._rates[0]} to {self._rates[1]} Hz and cannot go "
                    f"on from {in_rate} to {out_rate} Hz: flush or reset it first, or use one "
                    "StreamResampler per stream"
                )
            self._filter = _filter_for(in_rate, out_rate)
            self._rates = rates
        audio = self._odd_byte + audio
        whole = len(audio) & ~1
        self._odd_byte = audio[whole:]
        return self._filter.process(np.frombuffer(audio, _SAMPLE, whole // 2)).tobytes()

    def finish(self) -> bytes:
        """End the stream: return all of it that is still inside, and start afresh.

        Returns:
            PCM16 mono, little-endian, at the stream's output rate; empty if nothing was pushed
            since the last start. Half a sample without its other half is dropped.
        """
        tail = b"" if self._rates is None else self._filter.flush().tobytes()
        self.clear()
        return tail

    def clear(self) -> None:
        """Drop all audio that is still inside: what follows sounds as from a new instance."""
        self._rates = None
        self._odd_byte = b""

    async def resample(self, audio: bytes, in_rate: int, out_rate: int) -> bytes:
        """Resample the next chunk of the stream: `push`, which see."""
        return self.push(audio, in_rate, out_rate)

    async def flush(self) -> bytes:
        """End the stream and return the rest of it: `finish`, which see."""
        return self.finish()

    async def reset(self) -> None:
        """Drop the stream, as after an interruption: `clear`, which see."""
        self.clear()


def _check_rate(name: str, rate: int) -> None:
    if not isinstance(rate, int) or rate <= 0:
        raise ValueError(f"{name} is {rate!r}: give a positive int in Hz, such as 16000")


def _filter_for(in_rate: int, out_rate: int) -> PolyphaseFilter | _SoxrFilter:
    divisor = gcd(in_rate, out_rate)
    up, down = out_rate // divisor, in_rate // divisor
    if max(up, down) > MAX_FACTOR or min(in_rate, out_rate) < MIN_RATE:
        return _SoxrFilter(in_rate, out_rate)
    return PolyphaseFilter(up, down, out_rate // _DELAYS_PER_SECOND)


def _history(up: int, down: int, delay: int) -> int:
    """How many samples before a block its output depends on."""
    return 2 * delay * down // up


@cache
def _prototype(up: int, down: int, delay: int) -> NDArray[np.float64]:
    """The taps at `up` times the input rate, whose group delay is `delay * down` taps."""
    centre = delay * down
    bandwidth = 1 / max(up, down) - 2 * _CUTOFF_SHIFT / centre
    time = np.arange(-centre, centre + 1)
    taps: NDArray[np.float64] = np.sinc(bandwidth * time) * np.kaiser(time.size, _KAISER_BETA)
    for phase in range(up):  # gain 1 at DC in each phase: a constant comes out without ripple
        taps[phase::up] /= taps[phase::up].sum()
    return taps


@cache
def _toeplitz(up: int, down: int, delay: int) -> NDArray[np.float32]:
    """The filter as a matrix: a row of input, history first, times this is a row of output.

    A row takes in as many blocks as its history has: half of each product is useful, and 20 ms of
    audio at a delay of 1 ms are 10 rows.
    """
    taps = _prototype(up, down, delay)
    history = _history(up, down, delay)
    blocks = -(-history // down)
    position = np.arange(history + blocks * down)[:, np.newaxis] - history
    tap = np.arange(blocks * up) * down - position * up
    inside = (tap >= 0) & (tap < taps.size)
    return np.where(inside, taps[tap * inside], 0).astype(np.float32)


def _to_int16(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """Round and saturate, in place until the type changes."""
    np.rint(samples, out=samples)
    np.maximum(samples, _LOWEST, out=samples)
    np.minimum(samples, _HIGHEST, out=samples)
    return samples.astype(_SAMPLE)
