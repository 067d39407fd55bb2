"""Prompts, 20 ms at a time."""

import numpy as np
import pytest

from pipecat_wavix.emulator.mixer import Mixer

SILENCE = bytes(960)


def frame(value):
    return np.full(480, value, "<i2").tobytes()


def test_without_a_prompt_nothing_is_changed():
    pcm = frame(7)
    assert Mixer().mixed(pcm) is pcm


def test_a_prompt_is_added_to_what_is_heard():
    mixer = Mixer()
    mixer.play(frame(100) + frame(200))
    assert [mixer.mixed(frame(7)) for _ in range(3)] == [frame(107), frame(207), frame(7)]


def test_prompts_are_played_one_after_another():
    done = []
    mixer = Mixer()
    mixer.play(frame(1), lambda whole: done.append(("first", whole)))
    mixer.play(frame(2), lambda whole: done.append(("second", whole)))
    assert mixer.mixed(SILENCE) == frame(1)
    assert done == []
    assert mixer.mixed(SILENCE) == frame(2)
    assert done == [("first", True)]
    assert mixer.mixed(SILENCE) == SILENCE
    assert done == [("first", True), ("second", True)]


def test_the_last_20_ms_of_a_prompt_are_filled_up_with_silence():
    mixer = Mixer()
    mixer.play(b"\1\0")
    assert mixer.mixed(SILENCE) == b"\1\0" + bytes(958)


def test_an_empty_prompt_is_done_at_once():
    done = []
    mixer = Mixer()
    mixer.play(b"", done.append)
    assert mixer.mixed(SILENCE) == SILENCE
    assert done == [True]


def test_what_is_too_loud_is_cut_off_and_does_not_wrap():
    mixer = Mixer()
    mixer.play(frame(30_000) + frame(-30_000))
    assert mixer.mixed(frame(30_000)) == frame(32_767)
    assert mixer.mixed(frame(-30_000)) == frame(-32_768)


def test_a_stop_forgets_all_prompts_and_tells_each():
    done = []
    mixer = Mixer()
    mixer.play(frame(1) * 10, done.append)
    mixer.play(frame(2), done.append)
    mixer.mixed(SILENCE)
    mixer.stop()
    assert done == [False, False]
    assert mixer.mixed(SILENCE) == SILENCE
    mixer.stop()
    assert len(done) == 2


def test_a_prompt_that_is_played_when_another_is_done_follows_it():
    mixer = Mixer()
    mixer.play(frame(1), lambda _: mixer.play(frame(2)))
    assert [mixer.mixed(SILENCE) for _ in range(3)] == [frame(1), frame(2), SILENCE]


def test_a_prompt_that_is_played_when_another_is_stopped_is_not_stopped():
    mixer = Mixer()
    mixer.play(frame(1), lambda _: mixer.play(frame(2)))
    mixer.stop()
    assert mixer.mixed(SILENCE) == frame(2)


def test_half_a_sample_is_refused():
    with pytest.raises(ValueError, match="3 bytes of audio: PCM16 has 2 bytes a sample"):
        Mixer().play(b"abc")
