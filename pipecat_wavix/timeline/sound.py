"""The sound of a call: who was audible when, and how loud, from its recording.

It knows WAV files and levels. It refuses to know what was said.
"""

import wave
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipecat_wavix.timeline.model import SAMPLE_RATE, Side, Spell

AUDIBLE_LEVEL: Final = 328
"""The least PCM16 sample that can be heard: 1 % of full scale, -40 dB."""

SPELL_GAP_SECS: Final = 0.3
"""Who was quiet for this long begins to speak anew."""

PEAK_SECS: Final = 0.005
"""For how long one peak stands."""

_PEAK_SAMPLES = round(PEAK_SECS * SAMPLE_RATE)
_BLOCK_SAMPLES = 2000 * _PEAK_SAMPLES  # 10 s: an hour does not have to fit into memory
_EMBEDDED_RATE = 8_000
_FADE_SECS = 0.005
_LOUD = 0.1  # of the loudest within the last second


def read_sound(path: Path, secs_per_sample: float) -> tuple[Side, Side, float]:
    """Listen to a recording.

    Args:
        path: A stereo WAV file of PCM16 at 24 kHz.
        secs_per_sample: How long one sample was on the line.

    Returns:
        The left side, the right side, and its length in seconds.

    Raises:
        ValueError: It is another kind of file.
        OSError: It cannot be read.
    """
    sides = (_Listener(), _Listener())
    with _opened(path) as wav:
        length = 0
        while data := wav.readframes(_BLOCK_SAMPLES):
            frames = np.abs(_stereo(data).astype(np.int32))
            for side, listener in enumerate(sides):
                listener.listen(length, frames[:, side])
            length += len(frames)
    left, right = (listener.side(secs_per_sample) for listener in sides)
    return left, right, length * secs_per_sample


def audible(peaks: NDArray[np.int32]) -> NDArray[np.intp]:
    """Which peaks of a side can be heard, by number."""
    return np.flatnonzero(peaks >= AUDIBLE_LEVEL)


def audible_within(loud: NDArray[np.intp], begin: float, end: float) -> Spell | None:
    """From when to when somebody was audible in a stretch; `None` if nobody was.

    Args:
        loud: The audible peaks.
        begin: Where the stretch begins, in seconds.
        end: Where it ends.
    """
    first, after = np.searchsorted(loud, [round(begin / PEAK_SECS), round(end / PEAK_SECS)])
    if first >= after:
        return None
    return float(loud[first]) * PEAK_SECS, float(loud[after - 1] + 1) * PEAK_SECS


def breaks_off(path: Path, at: int) -> bool:
    """Whether what was heard is loud up to its end, as in the middle of a word.

    Speech that was said to its end has faded: even a synthetic voice takes 10 ms for it.

    Args:
        path: A recording.
        at: The number of the first sample after.
    """
    with _opened(path) as wav:
        first = max(0, at - SAMPLE_RATE)
        wav.setpos(min(first, wav.getnframes()))
        heard = np.abs(_stereo(wav.readframes(at - first))[:, 1].astype(np.int32))
    last = heard[-round(_FADE_SECS * SAMPLE_RATE) :].max(initial=0)
    return bool(last >= max(AUDIBLE_LEVEL, _LOUD * heard.max(initial=0)))


def embedded(path: Path) -> bytes:
    """The recording as a small WAV file: mu-law at 8 kHz, which a telephone's audio fits into."""
    with _opened(path) as wav:
        frames = _stereo(wav.readframes(wav.getnframes()))
    # A windowed sinc, cut off at 3.6 kHz.
    n = np.arange(-24, 25)
    taps = np.sinc(0.3 * n) * np.hamming(len(n))
    taps /= taps.sum()
    quiet = np.pad(frames, ((24, 24), (0, 0)))  # so that the shortest recording will do
    audio = _mu_law(
        np.column_stack([np.convolve(side, taps, "valid")[::3] for side in quiet.T])
    ).tobytes()
    head = b"fmt " + _le(18, 4) + _le(7, 2) + _le(2, 2) + _le(_EMBEDDED_RATE, 4)
    head += _le(2 * _EMBEDDED_RATE, 4) + _le(2, 2) + _le(8, 2) + _le(0, 2)
    head += b"fact" + _le(4, 4) + _le(len(audio) // 2, 4) + b"data" + _le(len(audio), 4)
    return b"RIFF" + _le(4 + len(head) + len(audio), 4) + b"WAVE" + head + audio


class _Listener:
    def __init__(self) -> None:
        self._peaks: list[NDArray[np.int32]] = []
        self._spells: list[tuple[int, int]] = []

    def listen(self, at: int, levels: NDArray[np.int32]) -> None:
        padded = np.pad(levels, (0, -len(levels) % _PEAK_SAMPLES))
        self._peaks.append(padded.reshape(-1, _PEAK_SAMPLES).max(axis=1))
        loud = np.flatnonzero(levels >= AUDIBLE_LEVEL) + at
        if not loud.size:
            return
        gaps = np.flatnonzero(np.diff(loud) >= SPELL_GAP_SECS * SAMPLE_RATE)
        for first, last in zip(loud[[0, *(gaps + 1)]], loud[[*gaps, -1]], strict=True):
            if self._spells and first - self._spells[-1][1] < SPELL_GAP_SECS * SAMPLE_RATE:
                first = self._spells.pop()[0]
            self._spells.append((int(first), int(last) + 1))

    def side(self, secs: float) -> Side:
        spells: list[Spell] = [(first * secs, end * secs) for first, end in self._spells]
        return Side(spells, np.concatenate(self._peaks or [np.zeros(0, np.int32)]))


def _opened(path: Path) -> wave.Wave_read:
    wanted = "give the stereo recording that lies beside a trace, 16-bit PCM at 24 kHz"
    try:
        wav = wave.open(str(path), "rb")  # noqa: SIM115 - the caller closes it
    except (wave.Error, EOFError) as error:
        raise ValueError(f"{path}: {str(error) or 'it ends too early'}: {wanted}") from error
    if wav.getparams()[:3] != (2, 2, SAMPLE_RATE):
        wav.close()
        raise ValueError(f"{path}: another kind of WAV file: {wanted}")
    return wav


def _stereo(data: bytes) -> NDArray[np.int16]:
    """Both sides of PCM16; a killed process may have left half a frame at the end."""
    return np.frombuffer(data[: len(data) // 4 * 4], "<i2").reshape(-1, 2)


def _mu_law(samples: NDArray[np.floating]) -> NDArray[np.uint8]:
    """G.711's, by its formula, of samples in PCM16's range."""
    levels = np.minimum(np.abs(samples) / 4 + 33, 8191).astype(np.int64)
    segment = np.floor(np.log2(levels)).astype(np.int64) - 5
    code = segment << 4 | (levels >> (segment + 1)) & 0xF
    coded: NDArray[np.uint8] = (~(code | np.where(samples < 0, 0x80, 0)) & 0xFF).astype(np.uint8)
    return coded


def _le(number: int, size: int) -> bytes:
    return number.to_bytes(size, "little")
