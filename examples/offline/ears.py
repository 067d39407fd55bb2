"""Pipecat's speech to text with pocketsphinx: offline, on a CPU, for a grammar of its own.

It knows segments and transcripts. It refuses to know the grammar: see `offline.sphinx`, which works
in a process of its own.
"""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import numpy as np
import soxr
from pipecat.frames.frames import Frame, TranscriptionFrame
from pipecat.services.settings import STTSettings
from pipecat.services.stt_service import SegmentedSTTService
from pipecat.utils.time import time_now_iso8601
from pipecat.utils.types import NOT_GIVEN, NotGiven

from offline.worker import Worker

UNCLEAR = "(unclear)"
"""The transcript of what is no sentence of the grammar: whoever reads it should ask again."""

_MODEL_RATE = 16_000


@dataclass
class PocketsphinxSTTSettings(STTSettings):
    """Settings of PocketsphinxSTTService.

    Parameters:
        expected: What the caller is expected to say: a name in `offline.sphinx.EXPECTED`.
    """

    expected: str | NotGiven = field(default_factory=lambda: NOT_GIVEN)


class PocketsphinxSTTService(SegmentedSTTService):
    """Hears what the grammar has, and says `UNCLEAR` for all else.

    Args:
        sphinx: The process of `offline.sphinx`; calls may share it.
    """

    Settings = PocketsphinxSTTSettings
    _settings: PocketsphinxSTTSettings

    def __init__(self, sphinx: Worker) -> None:
        super().__init__(
            # Measured from the end of speech, with a VAD that takes 0.4 s to be sure.
            ttfs_p99_latency=1.0,
            trailing_silence_secs=0.0,
            settings=self.Settings(model=None, language=None, expected="request"),
        )
        self._sphinx = sphinx

    @property
    def wants_wav_segments(self) -> bool:
        """Whether segments come as WAV files: no, as PCM."""
        return False

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame, None]:
        """Transcribe a segment.

        Args:
            audio: PCM16 mono at the pipeline's rate.

        Yields:
            One TranscriptionFrame.
        """
        text = await asyncio.to_thread(self._hear, audio, self._settings.expected)
        yield TranscriptionFrame(text or UNCLEAR, self._user_id, time_now_iso8601())

    def _hear(self, audio: bytes, expected: object) -> str:
        if self.sample_rate != _MODEL_RATE:
            samples = np.frombuffer(audio, "<i2").astype(np.float32)
            samples = soxr.resample(samples, self.sample_rate, _MODEL_RATE)
            audio = np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes()
        text: str
        text, _ = self._sphinx.ask((audio, expected))
        return text
