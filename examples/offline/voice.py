"""Pipecat's text to speech with eSpeak NG: offline, and with the time of each word.

It knows sentences, and what of them was said how often. It refuses to know eSpeak: see
`offline.espeak`, which works in a process of its own.
"""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import soxr
from pipecat.frames.frames import Frame, TTSAudioRawFrame
from pipecat.services.settings import TTSSettings
from pipecat.services.tts_service import TTSService

from offline.worker import Worker

VOICE = "en-us+f3"
WORDS_PER_MINUTE = 165
_CHUNK_SECS = 0.1
_KEPT = 256  # sentences; a receptionist says the same all day


@dataclass(frozen=True)
class Speech:
    """A sentence, spoken.

    Attributes:
        audio: PCM16 mono, at the voice's rate.
        secs: How long it is.
        words: Each word, and when it begins, in seconds.
    """

    audio: bytes
    secs: float
    words: list[tuple[str, float]]


class EspeakVoice:
    """What sentences sound like; those that were said before it knows by heart.

    Args:
        espeak: The process of `offline.espeak`.
        sample_rate: Of the audio, in Hz.

    Attributes:
        speak: Speaks a sentence: use it in a thread.
    """

    def __init__(self, espeak: Worker, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self._espeak = espeak
        self.speak = lru_cache(_KEPT)(self._speak)

    def close(self) -> None:
        """End the process; what was said before can still be said."""
        self._espeak.close()

    def _speak(self, text: str) -> Speech:
        audio, sample_rate, words = self._espeak.ask((text, VOICE, WORDS_PER_MINUTE))
        samples = np.frombuffer(audio, "<i2").astype(np.float32)
        samples = soxr.resample(samples, sample_rate, self.sample_rate)
        pcm = np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes()
        return Speech(pcm, len(samples) / self.sample_rate, words)


class EspeakTTSService(TTSService):
    """Speaks, and tells when each word begins: after a barge-in it is known which were heard.

    Args:
        voice: What speaks; calls may share it.
    """

    def __init__(self, voice: EspeakVoice) -> None:
        super().__init__(
            sample_rate=voice.sample_rate,
            push_start_frame=True,
            push_stop_frames=True,
            push_text_frames=False,  # the words are pushed, each at its time
            settings=TTSSettings(model=None, voice=VOICE, language=None),
        )
        self._voice = voice
        self._said: tuple[str, float] = ("", 0.0)

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        """Speak a sentence.

        Args:
            text: The sentence.
            context_id: Its context; word times count from the context's beginning.

        Yields:
            Its audio.
        """
        speech = await asyncio.to_thread(self._voice.speak, text)
        said_context, before = self._said
        if said_context != context_id:
            before = 0.0
        await self.add_word_timestamps(
            [(word, before + at) for word, at in speech.words], context_id
        )
        self._said = context_id, before + speech.secs
        size = 2 * round(_CHUNK_SECS * self.sample_rate)
        for start in range(0, len(speech.audio), size):
            chunk = speech.audio[start : start + size]
            yield TTSAudioRawFrame(chunk, self.sample_rate, 1, context_id=context_id)
