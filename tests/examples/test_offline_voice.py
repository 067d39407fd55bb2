"""The receptionist's voice, in a process of its own, and the times of its words."""

import numpy as np
import pytest


@pytest.fixture
def module(example):
    return example("offline.voice")


@pytest.fixture
def worker(example):
    worker = example("offline.worker").Worker("offline.espeak")
    yield worker
    worker.close()


@pytest.fixture
def voice(module, worker):
    return module.EspeakVoice(worker, 24_000)


def audible(audio):
    """The seconds of sound, 20 ms each."""
    samples = np.frombuffer(audio, "<i2").astype(float)
    frames = samples[: len(samples) // 480 * 480].reshape(-1, 480)
    return np.flatnonzero(np.sqrt(np.mean(frames**2, axis=1)) > 300) * 0.02


def test_it_speaks_and_tells_when_each_word_begins(voice):
    text = "Good day. How can I help you?"
    speech = voice.speak(text)
    assert [word for word, _ in speech.words] == text.split()
    times = [at for _, at in speech.words]
    assert times == sorted(times)
    assert 1 < speech.secs < 5
    assert len(speech.audio) == 2 * round(speech.secs * 24_000)
    sound = audible(speech.audio)
    assert sound[0] < 0.1
    assert times[-1] < sound[-1] < speech.secs
    # After the full stop it pauses: there the second sentence begins.
    pause = sound[np.argmax(np.diff(sound)) + 1]
    assert times[2] == pytest.approx(pause, abs=0.1)


def test_a_longer_text_takes_longer(voice):
    assert voice.speak("one two three four five").secs > 1.5 * voice.speak("one two").secs


def test_what_was_said_before_is_known_by_heart(voice, worker):
    once = voice.speak("Good day.")
    worker.close()
    assert voice.speak("Good day.") is once


def test_a_voice_whose_process_has_ended_says_so(voice, worker):
    worker.close()
    with pytest.raises(RuntimeError, match="a process of the receptionist has ended"):
        voice.speak("Nobody is there.")


def test_a_process_can_be_ended_twice(worker):
    worker.close()
    worker.close()


@pytest.mark.parametrize(
    ("text", "begins", "words"),
    [
        ("at ten", {0: 0.0, 3: 0.2}, [("at", 0.0), ("ten", 0.2)]),
        ("10:30 - now", {0: 0.0, 3: 0.4, 8: 0.9}, [("10:30", 0.0), ("-", 0.9), ("now", 0.9)]),
        ("see you", {4: 0.3}, [("see", 0.3), ("you", 0.3)]),
        ("now -", {0: 0.1}, [("now", 0.1), ("-", 0.1)]),
        ("", {}, []),
    ],
)
def test_each_word_has_a_time_however_espeak_cuts_the_text(example, text, begins, words):
    assert example("offline.espeak").words_of(text, begins) == words
