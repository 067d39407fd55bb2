"""The telephone leg: what G.711 and a telephone's band leave of 24 kHz audio.

It knows the two laws of ITU-T G.711 and two short filters. It refuses to know directions, calls or
time. Either way a leg narrows the audio to the telephone band, carries it at 8 kHz in 8 bits, and
brings it back to 24 kHz.

The band: flat within 1 dB from 500 Hz to 3.4 kHz, 6 dB down at 300 Hz, 23 dB at 100 Hz, 80 dB from
4.4 kHz on. A real exchange cuts off more sharply at 300 Hz; here that would cost ten times the
delay.
"""

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from pipecat_wavix.protocol import FRAME_BYTES, FRAME_SAMPLES, SAMPLE_RATE

LegKind = Literal["g711u", "g711a", "clean"]
"""G.711 u-law, G.711 A-law, or a leg that changes nothing."""

_RATIO: Final = 3  # 24 kHz to the 8 kHz of G.711
_TAPS: Final = 71  # of each filter; odd, so that the delay is whole samples

DELAY_SECS: Final = (_TAPS - 1) / SAMPLE_RATE
"""By how much a G.711 leg delays the audio: 2.9 ms, 35 samples in each of two filters."""


def _signed(magnitude: NDArray[np.int64], code: NDArray[np.int64]) -> NDArray[np.int64]:
    # In both laws the top bit of a code is 1 for a positive sample.
    return np.where(code < 0x80, -magnitude, magnitude)


def _decode_ulaw(code: NDArray[np.int64]) -> NDArray[np.int64]:
    inverted = ~code & 0xFF
    exponent, mantissa = (inverted >> 4) & 7, inverted & 0x0F
    magnitude = (((mantissa << 3) + 0x84) << exponent) - 0x84
    return _signed(magnitude, code)


def _decode_alaw(code: NDArray[np.int64]) -> NDArray[np.int64]:
    even_bits_restored = code ^ 0x55
    exponent, mantissa = (even_bits_restored >> 4) & 7, even_bits_restored & 0x0F
    linear_part = (mantissa << 4) + 8
    segment = (linear_part + 0x100) << np.maximum(exponent - 1, 0)
    magnitude = np.where(exponent == 0, linear_part, segment)
    return _signed(magnitude, code)


def _encode_ulaw(pcm: NDArray[np.int64]) -> NDArray[np.int64]:
    # 14 bits and a bias of 33, as the ITU's reference does it: ones' complement below zero.
    magnitude = np.minimum((np.where(pcm < 0, ~pcm, pcm) >> 2) + 33, 0x1FFF)
    exponent = np.floor(np.log2(magnitude)).astype(np.int64) - 5
    mantissa = (magnitude >> (exponent + 1)) & 0x0F
    sign = np.where(pcm < 0, 0, 0x80)
    code: NDArray[np.int64] = sign | (~((exponent << 4) | mantissa) & 0x7F)
    return code


def _encode_alaw(pcm: NDArray[np.int64]) -> NDArray[np.int64]:
    magnitude = np.where(pcm < 0, ~pcm, pcm) >> 4
    exponent = np.floor(np.log2(np.maximum(magnitude, 8))).astype(np.int64) - 3
    mantissa = (magnitude >> np.maximum(exponent - 1, 0)) & 0x0F
    sign = np.where(pcm < 0, 0, 0x80)
    code: NDArray[np.int64] = (sign | (exponent << 4) | mantissa) ^ 0x55
    return code


_CODES = np.arange(256, dtype=np.int64)
_SAMPLES = np.arange(65536, dtype=np.int64).astype(np.uint16).view(np.int16).astype(np.int64)

ULAW_TO_PCM: Final = _decode_ulaw(_CODES).astype(np.int16)
"""PCM16 of each of the 256 u-law codes."""

ALAW_TO_PCM: Final = _decode_alaw(_CODES).astype(np.int16)
"""PCM16 of each of the 256 A-law codes."""

PCM_TO_ULAW: Final = _encode_ulaw(_SAMPLES).astype(np.uint8)
"""The u-law code of each PCM16 sample, by the sample's bits as an unsigned number."""

PCM_TO_ALAW: Final = _encode_alaw(_SAMPLES).astype(np.uint8)
"""The A-law code of each PCM16 sample, by the sample's bits as an unsigned number."""


def _lowpass(cutoff_hz: float, beta: float) -> NDArray[np.float64]:
    """A linear-phase low pass at 24 kHz in a Kaiser window: 0 dB at 0 Hz, -6 dB at the cutoff."""
    n = np.arange(_TAPS) - (_TAPS - 1) / 2
    taps: NDArray[np.float64] = np.sinc(2 * cutoff_hz / SAMPLE_RATE * n) * np.kaiser(_TAPS, beta)
    taps /= taps.sum()
    return taps


# Down 50 dB at 4.6 kHz, whose alias would fall on 3.4 kHz.
_BELOW_4_KHZ = _lowpass(3_900, beta=5.0)
# So few taps cannot be sharp this low; a narrower window trades ripple for a steeper edge.
_INTO_THE_LEG = _BELOW_4_KHZ - _lowpass(250, beta=3.0)
_OUT_OF_THE_LEG = _RATIO * _BELOW_4_KHZ


class Leg:
    """One direction of a telephone leg, 20 ms at a time.

    Args:
        kind: Which law, or `clean`.

    Attributes:
        delay_secs: How much later the audio comes out.
    """

    def __init__(self, kind: LegKind) -> None:
        # Down to 8 bits and up again, in one look-up by the sample's bits.
        self._quantised: NDArray[np.int16] | None
        if kind == "g711u":
            self._quantised = ULAW_TO_PCM[PCM_TO_ULAW]
        elif kind == "g711a":
            self._quantised = ALAW_TO_PCM[PCM_TO_ALAW]
        elif kind == "clean":
            self._quantised = None
        else:
            raise ValueError(f"the leg is {kind!r}: give 'g711u', 'g711a' or 'clean'")
        self.delay_secs = 0.0 if self._quantised is None else DELAY_SECS
        self._before_in = np.zeros(_TAPS - 1)
        self._before_out = np.zeros(_TAPS - 1)

    def carry(self, pcm: bytes) -> bytes:
        """Carry 20 ms through the leg.

        Args:
            pcm: 960 bytes of PCM16 at 24 kHz.

        Returns:
            960 bytes of PCM16 at 24 kHz.

        Raises:
            ValueError: It is not 960 bytes long.
        """
        if len(pcm) != FRAME_BYTES:
            raise ValueError(f"{len(pcm)} bytes: a leg carries {FRAME_BYTES} bytes (20 ms) a time")
        if self._quantised is None:
            return pcm
        spoken = np.concatenate([self._before_in, np.frombuffer(pcm, "<i2")])
        self._before_in = spoken[FRAME_SAMPLES:]
        narrow = _to_int16(np.convolve(spoken, _INTO_THE_LEG, "valid")[::_RATIO])

        stuffed = np.zeros(_TAPS - 1 + FRAME_SAMPLES)
        stuffed[: _TAPS - 1] = self._before_out
        stuffed[_TAPS - 1 :: _RATIO] = self._quantised[narrow.view(np.uint16)]
        self._before_out = stuffed[FRAME_SAMPLES:]
        return _to_int16(np.convolve(stuffed, _OUT_OF_THE_LEG, "valid")).astype("<i2").tobytes()


def _to_int16(samples: NDArray[np.float64]) -> NDArray[np.int16]:
    return np.clip(np.rint(samples), -32768, 32767).astype(np.int16)
