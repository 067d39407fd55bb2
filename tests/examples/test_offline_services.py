"""The receptionist's services among Pipecat's frames, without models."""

from itertools import pairwise

import numpy as np
import pytest
from pipecat.frames.frames import (
    InputAudioRawFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSTextFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.worker import PipelineParams
from pipecat.tests.utils import run_test

WORD_SECS = 0.4


class Sphinx:
    """Understands all, or nothing."""

    def __init__(self, text):
        self.text = text
        self.asked = []

    def ask(self, request):
        self.asked.append(request)
        return self.text, "raw"


@pytest.mark.parametrize("sample_rate", [8_000, 16_000, 24_000])
@pytest.mark.parametrize(("text", "transcript"), [("yes", "yes"), ("", "(unclear)")])
async def test_a_segment_is_heard_at_the_models_rate(example, sample_rate, text, transcript):
    sphinx = Sphinx(text)
    tone = 8000 * np.sin(2 * np.pi * 400 * np.arange(sample_rate) / sample_rate)
    down, _ = await run_test(
        example("offline.ears").PocketsphinxSTTService(sphinx),
        frames_to_send=[
            VADUserStartedSpeakingFrame(),
            InputAudioRawFrame(tone.astype("<i2").tobytes(), sample_rate, 1),
            VADUserStoppedSpeakingFrame(),
        ],
        pipeline_params=PipelineParams(audio_in_sample_rate=sample_rate),
    )
    assert [each.text for each in down if isinstance(each, TranscriptionFrame)] == [transcript]
    ((audio, expected),) = sphinx.asked
    assert expected == "request"
    samples = np.frombuffer(audio, "<i2").astype(float)
    assert len(samples) == 16_000
    assert np.argmax(np.abs(np.fft.rfft(samples))) == 400


async def test_words_are_timed_across_the_sentences_of_an_answer(example):
    module = example("offline.voice")

    class Voice:
        sample_rate = 24_000

        def speak(self, text):
            words = [(word, WORD_SECS * n) for n, word in enumerate(text.split())]
            secs = WORD_SECS * len(words)
            return module.Speech(bytes(round(secs * 24_000) * 2), secs, words)

    async def times(service, text):
        down, _ = await run_test(
            service,
            frames_to_send=[
                LLMFullResponseStartFrame(),
                LLMTextFrame(text),
                LLMFullResponseEndFrame(),
            ],
            pipeline_params=PipelineParams(audio_out_sample_rate=24_000),
        )
        spoken = [each for each in down if isinstance(each, TTSTextFrame)]
        audio = sum(len(each.audio) for each in down if isinstance(each, TTSAudioRawFrame))
        assert audio == round(WORD_SECS * 24_000) * 2 * len(text.split())
        assert [each.text for each in spoken] == text.split()
        return [(after.pts - before.pts) / 1e9 for before, after in pairwise(spoken)]

    gaps = await times(module.EspeakTTSService(Voice()), "One two three. Four five.")
    assert gaps == pytest.approx([WORD_SECS] * 4, abs=0.001)
