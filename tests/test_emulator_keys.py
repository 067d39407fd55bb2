"""The sixteen keys and their tones."""

import numpy as np
import pytest

from pipecat_wavix.emulator.keys import TONE_LEVEL, HeldKey, press

# ITU-T Q.23, transcribed: the row's and the column's tone of each key, in Hz.
TONES = {
    **{"1": (697, 1209), "2": (697, 1336), "3": (697, 1477), "A": (697, 1633)},
    **{"4": (770, 1209), "5": (770, 1336), "6": (770, 1477), "B": (770, 1633)},
    **{"7": (852, 1209), "8": (852, 1336), "9": (852, 1477), "C": (852, 1633)},
    **{"*": (941, 1209), "0": (941, 1336), "#": (941, 1477), "D": (941, 1633)},
}


@pytest.mark.parametrize("key", TONES)
def test_a_key_has_its_two_tones_and_no_other(key):
    pcm = b"".join(held.tone() for held in press(key, 1.0))
    spectrum = np.abs(np.fft.rfft(np.frombuffer(pcm, "<i2")))
    assert len(pcm) == 48_000
    # One second, so that each bin is 1 Hz.
    assert tuple(np.sort(np.argsort(spectrum)[-2:])) == TONES[key]
    level = spectrum[list(TONES[key])] / 12_000
    assert level == pytest.approx([TONE_LEVEL] * 2, rel=0.01)
    assert np.sort(spectrum)[-3] < 0.001 * TONE_LEVEL * 12_000


def test_a_press_is_cut_into_20_ms():
    assert press("#", 0.1) == [HeldKey("#", number) for number in range(5)]


@pytest.mark.parametrize("key", ["", "12", "E", "a", "+", " ", "٣"])
def test_there_are_no_other_keys(key):
    with pytest.raises(ValueError, match=r"give one of 0-9, \*, #, A-D"):
        press(key, 0.1)


@pytest.mark.parametrize("secs", [0, -1, 0.019, 61, float("nan")])
def test_a_key_is_held_for_a_sensible_time(secs):
    with pytest.raises(ValueError, match=r"a key is held for .* s: give 0\.02 to 60 seconds"):
        press("1", secs)
