"""Two kinds of TTS as Pipecat has them: one that times its words and one that does not.

Every word is 300 ms of a tone of its own, so that the far end can tell what was heard.
"""

import re

import numpy as np
from pipecat.frames.frames import TTSAudioRawFrame, TTSStoppedFrame
from pipecat.services.settings import TTSSettings
from pipecat.services.tts_service import TTSService

RATE = 24_000
WORD_SECS = 0.3
_SETTINGS = TTSSettings(model=None, voice=None, language=None)


def words_of(text):
    return [int(number) for number in re.findall(r"w(\d+)", text)]


def word(number):
    """300 ms of a tone that tells the word's number by its first samples' value."""
    t = np.arange(int(WORD_SECS * RATE))
    audio = 4000 * np.sin(2 * np.pi * 440 * t / RATE)
    audio[:4] = 10_000 + number
    return audio.astype("<i2").tobytes()


def silence(secs):
    return bytes(round(secs * RATE) * 2)


def heard_words(far):
    """The numbers of the words that the caller has heard begin."""
    _, values = far.heard()
    starts = np.flatnonzero((values[:-3] >= 10_000) & (values[:-3] == values[3:]))
    return [int(values[at]) - 10_000 for at in starts]


class Voice(TTSService):
    """A TTS without word times."""

    def __init__(self, *, trailing=0.0, **kwargs):
        super().__init__(
            push_start_frame=True,
            push_stop_frames=True,
            sample_rate=RATE,
            settings=_SETTINGS,
            **kwargs,
        )
        self._trailing = trailing

    def _chunks(self, text):
        audio = b"".join(map(word, words_of(text))) + silence(self._trailing)
        return [audio[at : at + 4800] for at in range(0, len(audio), 4800)]

    async def run_tts(self, text, context_id):
        for chunk in self._chunks(text):
            yield TTSAudioRawFrame(chunk, RATE, 1, context_id=context_id)


class TimedVoice(Voice):
    """A TTS with word times, of which some come before their audio."""

    def __init__(self, **kwargs):
        super().__init__(push_text_frames=False, **kwargs)
        self._spoken = {}

    async def run_tts(self, text, context_id):
        at = self._spoken.get(context_id, 0.0)
        for number in words_of(text):
            await self.add_word_timestamps([(f"w{number}", at)], context_id)
            at += WORD_SECS
        self._spoken[context_id] = at + self._trailing
        for chunk in self._chunks(text):
            yield TTSAudioRawFrame(chunk, RATE, 1, context_id=context_id)


__all__ = ["TTSStoppedFrame", "TimedVoice", "Voice", "heard_words", "words_of"]
