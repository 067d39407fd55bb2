"""The offline voice: not how it sounds, but that it is speech and what it refuses."""

import sys

import numpy as np
import pytest

from pipecat_wavix.emulator import voice
from pipecat_wavix.emulator.voice import speak

TEXT = "I would like to book a table for two."


def test_a_text_becomes_some_seconds_of_audible_speech():
    samples = np.frombuffer(speak(TEXT), "<i2")
    assert 1 < len(samples) / 24_000 < 5
    assert np.abs(samples.astype(int)).max() > 5000


def test_the_speech_is_at_the_lines_rate():
    samples = np.frombuffer(speak(TEXT), "<i2").astype(float)
    spectrum = np.abs(np.fft.rfft(samples)) ** 2
    hertz = np.fft.rfftfreq(len(samples), 1 / 24_000)
    # eSpeak speaks at 22.05 kHz: brought to 24 kHz there is nothing above its band.
    assert spectrum[hertz > 11_100].sum() < 1e-4 * spectrum.sum()
    assert spectrum[(hertz > 80) & (hertz < 400)].sum() > 0.1 * spectrum.sum()


def test_more_words_a_minute_take_less_time():
    assert len(speak(TEXT, words_per_minute=320)) < 0.7 * len(speak(TEXT, words_per_minute=160))


def test_a_longer_text_takes_more_time():
    assert len(speak(TEXT + " " + TEXT)) > 1.7 * len(speak(TEXT))


def test_a_text_in_another_language_is_spoken():
    assert len(speak("Grüß Gott, schöne Müllerin", voice="de")) > 48_000


def test_nothing_to_say_takes_no_time():
    assert len(speak("")) < 4_800


def test_an_unknown_voice_is_refused():
    with pytest.raises(ValueError, match="no voice 'klingon-klingon': give a language"):
        speak(TEXT, voice="klingon-klingon")


@pytest.mark.parametrize("words_per_minute", [79, 451])
def test_a_speed_out_of_range_is_refused(words_per_minute):
    with pytest.raises(ValueError, match=f"{words_per_minute} words a minute: give 80 to 450"):
        speak(TEXT, words_per_minute=words_per_minute)


def test_without_espeak_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    voice._loaded.cache_clear()
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'pipecat-wavix\[demo\]'"):
        speak(TEXT)


class FailingESpeak:
    """The library as it answers when something is wrong with it."""

    def __init__(self, **answers):
        self.answers = answers
        self.espeak_Synth = Function(answers.get("espeak_Synth", 0))

    def __getattr__(self, name):
        return Function(self.answers.get(name, 0))


class Function:
    def __init__(self, answer):
        self.answer = answer

    def __call__(self, *args):
        return self.answer


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({"espeak_Initialize": -1}, "eSpeak could not be started: error -1"),
        ({"espeak_Initialize": 22_050, "espeak_Synth": 1}, "eSpeak could not speak the text"),
    ],
)
def test_a_failure_of_espeak_is_an_error(monkeypatch, answers, message):
    monkeypatch.setattr(voice.ctypes, "CDLL", lambda path: FailingESpeak(**answers))
    voice._loaded.cache_clear()
    try:
        with pytest.raises(RuntimeError, match=message):
            speak(TEXT)
    finally:
        voice._loaded.cache_clear()
