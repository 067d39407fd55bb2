"""Keys that are pressed from outside, whoever is on the phone."""

import pytest

from pipecat_wavix.emulator.callers import SILENCE, Say, ScriptedCaller
from pipecat_wavix.emulator.keypad import Keypad
from pipecat_wavix.emulator.keys import HeldKey


def test_the_caller_waits_while_keys_are_pressed():
    word = b"\1\0" * 480
    keypad = Keypad(ScriptedCaller([Say(word * 2)]))
    assert keypad.frame(0.0, False) == word
    keypad.press("1#")
    got = [keypad.frame(0.02 * n, False) for n in range(1, 22)]
    held = [frame.key if isinstance(frame, HeldKey) else "-" for frame in got[:20]]
    assert "".join(held) == "1" * 5 + "-" * 5 + "#" * 5 + "-" * 5
    assert got[5] == SILENCE
    assert got[20] == word


def test_keys_of_which_one_is_none_are_not_pressed():
    keypad = Keypad(ScriptedCaller([]))
    with pytest.raises(ValueError, match="the key is 'x'"):
        keypad.press("1x")
    assert keypad.frame(0.0, False) == SILENCE
