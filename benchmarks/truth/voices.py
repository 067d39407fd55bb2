"""Two text-to-speech services that speak the bench's words, of the two kinds that there are.

They are Pipecat's `TTSService`s: one streams audio and word times from a connection of its own (as
Cartesia's does), one answers a sentence with its audio (as OpenAI's does) and times nothing.
"""

import asyncio
from collections.abc import AsyncGenerator

from pipecat.frames.frames import Frame, StartFrame, TTSAudioRawFrame, TTSStoppedFrame
from pipecat.services.settings import TTSSettings
from pipecat.services.tts_service import TTSService

from . import speech

FIRST_BYTE_SECS = 0.08  # of the TTS
CHUNK_MS = 100
CHUNK_EVERY_SECS = 0.02  # so the TTS is five times faster than speech

_SETTINGS = TTSSettings(model=None, voice=None, language=None)


def chunks(pcm: bytes) -> list[bytes]:
    """Cut audio as a TTS sends it."""
    size = speech.SAMPLE_RATE * CHUNK_MS // 1000 * 2
    return [pcm[at : at + size] for at in range(0, len(pcm), size)]


class RequestTTS(TTSService):
    """A TTS that answers each sentence with its audio, without word times."""

    def __init__(self, trailing_ms: int) -> None:
        super().__init__(
            push_start_frame=True,
            push_stop_frames=True,
            sample_rate=speech.SAMPLE_RATE,
            settings=_SETTINGS,
        )
        self._trailing_ms = trailing_ms

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        """Speak a sentence, and the silence behind it."""
        await asyncio.sleep(FIRST_BYTE_SECS)
        words = b"".join(speech.audio(word) for word in speech.words_in(text))
        for chunk in chunks(words + speech.silence(self._trailing_ms)):
            yield TTSAudioRawFrame(chunk, speech.SAMPLE_RATE, 1, context_id=context_id)
            await asyncio.sleep(CHUNK_EVERY_SECS)


class StreamingTTS(TTSService):
    """A TTS that streams audio and word times over a connection of its own."""

    def __init__(self, trailing_ms: int) -> None:
        super().__init__(
            push_text_frames=False,
            push_start_frame=True,
            sample_rate=speech.SAMPLE_RATE,
            settings=_SETTINGS,
        )
        self._trailing_ms = trailing_ms
        self._requests: asyncio.Queue[tuple[str, str | None]] = asyncio.Queue()
        self._spoken_secs: dict[str, float] = {}
        self._connection: asyncio.Task[None] | None = None

    async def start(self, frame: StartFrame) -> None:
        """Connect."""
        await super().start(frame)
        self._connection = self.create_task(self._stream())

    async def cleanup(self) -> None:
        """Disconnect."""
        await super().cleanup()
        if self._connection:
            connection, self._connection = self._connection, None
            await self.cancel_task(connection)

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        """Ask for a sentence; the audio comes by the connection."""
        self._requests.put_nowait((context_id, text))
        yield None

    async def flush_audio(self, context_id: str | None = None) -> None:
        """Ask for the end of a context."""
        if context_id:
            self._requests.put_nowait((context_id, None))

    async def _stream(self) -> None:
        while True:
            context_id, text = await self._requests.get()
            if text is None:
                trailing = speech.silence(self._trailing_ms)
                if self.audio_context_available(context_id):
                    if trailing:
                        await self._append(context_id, trailing)
                    await self.append_to_audio_context(
                        context_id, TTSStoppedFrame(context_id=context_id)
                    )
                    await self.remove_audio_context(context_id)
                continue
            await asyncio.sleep(FIRST_BYTE_SECS)
            for word in speech.words_in(text):
                spoken_secs = self._spoken_secs.get(context_id, 0.0)
                self._spoken_secs[context_id] = spoken_secs + speech.spoken_ms(word) / 1000
                last = word == speech.words_in(text)[-1]
                spelled = f"w{word:03}." if last else f"w{word:03}"
                await self.add_word_timestamps([(spelled, spoken_secs)], context_id)
                for chunk in chunks(speech.audio(word)):
                    if not self.audio_context_available(context_id):
                        break  # interrupted
                    await self._append(context_id, chunk)
                    await asyncio.sleep(CHUNK_EVERY_SECS)

    async def _append(self, context_id: str, pcm: bytes) -> None:
        frame = TTSAudioRawFrame(pcm, speech.SAMPLE_RATE, 1, context_id=context_id)
        await self.append_to_audio_context(context_id, frame)
