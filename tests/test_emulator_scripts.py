"""A caller's script as JSON, both ways."""

import base64
import contextlib

import pytest
from emulated import TONE, wav
from hypothesis import given, strategies as st

from pipecat_wavix.emulator.callers import (
    BeginStep,
    ChangeNetwork,
    HangUp,
    Pause,
    Press,
    Say,
    WaitForAnswer,
    WaitForBot,
)
from pipecat_wavix.emulator.scripts import read_script, write_script

SCRIPT = [
    Say(TONE * 3),
    WaitForBot("speaking", 0.5, 3.0),
    WaitForBot("quiet", 1.0, 60.0),
    Pause(0.5),
    Press("12#"),
    BeginStep(6),
    WaitForAnswer(3.0, 1.5),
    ChangeNetwork({"delay_ms": 300.0, "mark_loss": 0.3}),
    HangUp(),
]


def test_a_script_that_is_written_is_read_again():
    assert read_script(write_script(SCRIPT)) == SCRIPT


def test_a_wait_has_defaults():
    steps = [{"wait": "speaking"}, {"wait": "quiet", "secs": 2}]
    assert read_script(steps) == [WaitForBot("speaking", 0, 10), WaitForBot("quiet", 2, 60)]


def test_a_wav_file_is_spoken():
    step = {"wav": base64.b64encode(wav(TONE)).decode()}
    assert read_script([step]) == [Say(TONE)]


def test_text_is_spoken_by_the_voice(monkeypatch):
    monkeypatch.setattr("pipecat_wavix.emulator.scripts.speak", lambda text: text.encode())
    assert read_script([{"say": "hello"}]) == [Say(b"hello")]


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("say", "give an object with one of say, wav"),
        ({}, "give an object with one of"),
        ({"say": "a", "pause": 1}, "give an object with one of"),
        ({"pause": 1, "secs": 1}, "give an object with one of"),
        ({"wav": "*"}, "wav is not base64"),
        ({"wav": "AAAA"}, "give a WAV file"),
        ({"wav": 1}, "wav has a value that it cannot have"),
        ({"wait": "loud"}, "wait has a value"),
        ({"wait": "quiet", "secs": -1}, "secs must be 0 to 3600 seconds"),
        ({"wait": "quiet", "timeout_secs": "1"}, "timeout_secs must be 0 to 3600 seconds"),
        ({"pause": True}, "pause must be 0 to 3600 seconds"),
        ({"press": "x"}, "the key is 'x'"),
        ({"hang_up": False}, "hang_up has a value"),
        ({"answer": "soon"}, "answer must be 0 to 3600 seconds"),
        ({"network": 1}, "network has a value"),
        ({"network": {"delay_ms": True}}, "delay_ms must be a number"),
        ({"network": {"delay_ms": -1}}, "delay_ms is -1"),
        ({"network": {"x": 1}}, "there is no .'x'. that can change"),
        ({"step": True}, "step has a value"),
    ],
)
def test_a_step_that_cannot_be_is_refused_with_its_number(step, message):
    with pytest.raises(ValueError, match=f"^step 2: .*{message}"):
        read_script([{"pause": 0}, step])


def test_what_is_no_list_is_no_script():
    with pytest.raises(ValueError, match="a script is a list"):
        read_script({"say": "hello"})


def test_an_action_of_another_kind_cannot_be_written():
    class Cough:
        def frames(self, ear):
            yield b""

    with pytest.raises(TypeError, match="Cough cannot be written"):
        write_script([Cough()])


_values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
_kinds = st.sampled_from(
    ["wav", "wait", "pause", "press", "hang_up", "secs", "timeout_secs", "answer", "step", "x"]
)


@given(st.lists(st.dictionaries(_kinds, _values, max_size=3) | _values, max_size=3))
def test_any_json_is_a_script_or_refused(steps):
    with contextlib.suppress(ValueError):
        assert len(read_script(steps)) == len(steps)
