import pytest
from far_end import speech
from pipecat.frames.frames import (
    AggregatedTextFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.utils.text.base_text_aggregator import TextType

from pipecat_wavix.transport.sentences import Sentences

RATE = 24_000
TEN = "one two three four five six seven eight nine ten"


def announced(text=TEN, *, context="c", interruptible=True):
    frame = AggregatedTextFrame(text, TextType.SENTENCE)
    frame.context_id, frame.will_be_spoken, frame.interruptible = context, True, interruptible
    return frame


def audio(secs, *, silent=False):
    pcm = bytes(int(secs * RATE) * 2) if silent else speech(secs)
    return [TTSAudioRawFrame(pcm[at : at + 960], RATE, 1) for at in range(0, len(pcm), 960)]


def spoken(of):
    return TTSTextFrame(of.text, TextType.SENTENCE, segment_id=of.id)


@pytest.fixture
def sentences():
    return Sentences(RATE)


def speak(sentences, sentence, *frames, complete=True, at=0):
    sentences.note(sentence)
    for frame in frames:
        sentences.note(frame)
    if complete:
        sentences.note(spoken(sentence))
    sentences.begin(sentence, at)
    return sentence


@pytest.mark.parametrize(
    ("heard_secs", "count"), [(0.0, 0), (0.04, 0), (0.3, 3), (0.5, 5), (2, 10)]
)
def test_the_words_that_fit_into_what_was_heard_are_kept(sentences, heard_secs, count):
    sentence = speak(sentences, announced(), *audio(1.0), at=1000)
    texts = sentences.cut(1000 + int(heard_secs * RATE))
    assert [text.text.split() for text in texts] == ([TEN.split()[:count]] if count else [])
    for text in texts:
        assert (text.segment_id, text.context_id) == (sentence.id, "c")
        assert text.will_be_spoken


def test_silence_around_the_words_does_not_count(sentences):
    pause = audio(1.0, silent=True)
    speak(sentences, announced(), *pause, *audio(0.5), *pause, *audio(0.5), *pause)
    (text,) = sentences.cut(int(1.5 * RATE))
    assert len(text.text.split()) == 5
    speak(sentences, announced(), *pause, *audio(0.5), *pause, *audio(0.5), *pause)
    (text,) = sentences.cut(int(2.4 * RATE))
    assert len(text.text.split()) == 5


def test_a_sentence_that_is_still_being_made_is_measured_by_the_voices_pace(sentences):
    done = speak(sentences, announced(), *audio(1.0))
    sentences.heard(spoken(done))
    speak(sentences, announced(), *audio(0.5), complete=False)
    (text,) = sentences.cut(int(0.5 * RATE))
    assert len(text.text.split()) == 5


def test_what_was_heard_whole_is_not_cut(sentences):
    sentence = speak(sentences, announced(), *audio(1.0))
    sentences.heard(spoken(sentence))
    sentences.heard(announced("something else"))
    assert sentences.cut(10**6) == []


def test_what_was_not_begun_is_not_kept(sentences):
    sentences.note(announced())
    assert sentences.cut(10**6) == []


def test_a_cut_forgets_all_but_what_must_not_be_interrupted(sentences):
    speak(sentences, announced(interruptible=False), *audio(1.0))
    speak(sentences, announced(), *audio(1.0), complete=False)
    assert len(sentences.cut(RATE)) == 1
    assert len(sentences._sentences) == 1
    sentences.note(audio(1.0)[0])  # of nobody: the sentence that was being made is gone
    assert sentences.cut(RATE) == []


def test_what_does_not_go_into_the_context_is_not_kept(sentences):
    sentence = announced()
    sentences.note(sentence)
    sentences.note(TTSStartedFrame(context_id="c", append_to_context=False))
    speak(sentences, announced(), *audio(1.0))
    sentences.begin(sentence, 0)
    assert sentences.cut(RATE) == []


def test_a_sentence_that_times_its_words_needs_no_estimate(sentences):
    sentence = announced()
    sentence.pts = 1
    speak(sentences, sentence, *audio(1.0))
    assert sentences.cut(RATE) == []


def test_text_that_is_not_spoken_is_none_of_ours(sentences):
    frame = AggregatedTextFrame("code", "code")
    sentences.note(frame)
    sentences.note(spoken(frame))
    sentences.note(TTSTextFrame("word", TextType.WORD))
    sentences.begin(frame, 0)
    assert sentences.cut(RATE) == []


def test_audio_behind_the_end_of_a_context_belongs_to_no_sentence(sentences):
    speak(sentences, announced(), *audio(1.0), complete=False)
    sentences.note(TTSStoppedFrame(context_id="c"))
    for frame in audio(1.0):
        sentences.note(frame)
    (text,) = sentences.cut(RATE)
    assert len(text.text.split()) >= 3


def test_the_sentences_remembered_are_bounded(sentences):
    for _ in range(1000):
        sentences.note(announced())
    assert len(sentences._sentences) <= 64
