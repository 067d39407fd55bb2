"""The telephone leg, against ITU-T G.711's tables and tones of known frequency."""

import numpy as np
import pytest

from pipecat_wavix.emulator.leg import (
    ALAW_TO_PCM,
    DELAY_SECS,
    PCM_TO_ALAW,
    PCM_TO_ULAW,
    ULAW_TO_PCM,
    Leg,
)

# From the tables of ITU-T G.711 (1988), scaled to 16 bits: the first and last code of either sign,
# the ends of segments, and values between.
ULAW = {
    0x00: -32124,
    0x0F: -16764,
    0x10: -15996,
    0x20: -7932,
    0x40: -1884,
    0x60: -372,
    0x70: -120,
    0x7E: -8,
    0x7F: 0,
    0x80: 32124,
    0x8F: 16764,
    0x90: 15996,
    0xC0: 1884,
    0xE0: 372,
    0xEF: 132,
    0xFE: 8,
    0xFF: 0,
}
ALAW = {
    0x2A: -32256,
    0x25: -16896,
    0x3A: -16128,
    0x00: -5504,
    0x40: -344,
    0x1A: -4032,
    0x54: -24,
    0x55: -8,
    0xAA: 32256,
    0xA5: 16896,
    0xBA: 16128,
    0x80: 5504,
    0xC0: 344,
    0x9A: 4032,
    0xD4: 24,
    0xD5: 8,
}


def tone(hertz, secs=0.5, peak=10_000):
    t = np.arange(round(24_000 * secs)) / 24_000
    return np.rint(peak * np.sin(2 * np.pi * hertz * t)).astype("<i2")


def carried(leg, samples):
    pcm = samples.tobytes()
    steps = [leg.carry(pcm[start : start + 960]) for start in range(0, len(pcm), 960)]
    return np.frombuffer(b"".join(steps), "<i2").astype(float)


def gain_db(kind, hertz):
    """Measured at the tone's own frequency, after the filters have settled."""
    out = carried(Leg(kind), tone(hertz))[2400:]
    t = np.arange(2400, 12_000) / 24_000
    amplitude = 2 * abs(np.mean(out * np.exp(-2j * np.pi * hertz * t)))
    return 20 * np.log10(max(amplitude, 0.1) / 10_000)


@pytest.mark.parametrize(("code", "pcm"), ULAW.items())
def test_a_ulaw_code_has_the_itus_value(code, pcm):
    assert ULAW_TO_PCM[code] == pcm


@pytest.mark.parametrize(("code", "pcm"), ALAW.items())
def test_an_alaw_code_has_the_itus_value(code, pcm):
    assert ALAW_TO_PCM[code] == pcm


def index(pcm):
    return pcm & 0xFFFF


@pytest.mark.parametrize(
    ("pcm", "code"),
    [
        (0, 0xFF),
        (-1, 0x7F),
        (3, 0xFF),
        (4, 0xFE),
        (-4, 0x7F),
        (-5, 0x7E),
        (32_767, 0x80),
        (-32_768, 0x00),
    ],
)
def test_pcm_has_the_itus_ulaw_code(pcm, code):
    assert PCM_TO_ULAW[index(pcm)] == code


@pytest.mark.parametrize(
    ("pcm", "code"),
    [
        (0, 0xD5),
        (-1, 0x55),
        (15, 0xD5),
        (16, 0xD4),
        (-16, 0x55),
        (-17, 0x54),
        (32_767, 0xAA),
        (-32_768, 0x2A),
    ],
)
def test_pcm_has_the_itus_alaw_code(pcm, code):
    assert PCM_TO_ALAW[index(pcm)] == code


@pytest.mark.parametrize(
    ("decode", "encode"), [(ULAW_TO_PCM, PCM_TO_ULAW), (ALAW_TO_PCM, PCM_TO_ALAW)]
)
def test_every_value_of_a_law_keeps_its_value(decode, encode):
    values = decode.astype(int)
    np.testing.assert_array_equal(decode[encode[values & 0xFFFF]], values)


@pytest.mark.parametrize(
    ("decode", "encode"), [(ULAW_TO_PCM, PCM_TO_ULAW), (ALAW_TO_PCM, PCM_TO_ALAW)]
)
def test_a_law_never_turns_the_order_of_two_samples(decode, encode):
    samples = np.arange(-32_768, 32_768)
    assert (np.diff(decode[encode[samples & 0xFFFF]].astype(int)) >= 0).all()


@pytest.mark.parametrize("kind", ["g711u", "g711a"])
@pytest.mark.parametrize("hertz", [700, 1000, 2000, 3000, 3400])
def test_the_telephone_band_passes(kind, hertz):
    assert gain_db(kind, hertz) == pytest.approx(0, abs=0.6)


@pytest.mark.parametrize("kind", ["g711u", "g711a"])
def test_what_is_above_the_band_neither_passes_nor_comes_back_as_another_tone(kind):
    for hertz in (4600, 6000, 9000, 11_000):
        out = carried(Leg(kind), tone(hertz))[2400:]
        assert np.abs(out).max() < 60  # of 10,000: 44 dB down, mostly of G.711's own noise


@pytest.mark.parametrize("kind", ["g711u", "g711a"])
def test_what_is_below_the_band_fades(kind):
    assert gain_db(kind, 300) == pytest.approx(-6, abs=1)
    assert gain_db(kind, 100) < -20
    assert gain_db(kind, 50) < -30


@pytest.mark.parametrize("kind", ["g711u", "g711a"])
def test_a_tone_comes_out_with_the_noise_of_g711_and_no_image(kind):
    # The ITU's own frequency: 1000 Hz would meet the same few codes in every period.
    out = carried(Leg(kind), tone(1020))[2400:]
    spectrum = np.abs(np.fft.rfft(out * np.hanning(len(out)))) ** 2
    hertz = np.fft.rfftfreq(len(out), 1 / 24_000)
    wanted = spectrum[abs(hertz - 1020) < 20].sum()
    noise = spectrum[abs(hertz - 1020) >= 20].sum()
    image = spectrum[hertz > 4600].sum()
    assert 35 < 10 * np.log10(wanted / noise) < 45
    assert 10 * np.log10(wanted / image) > 55


@pytest.mark.parametrize("kind", ["g711u", "g711a"])
def test_the_delay_is_what_it_says_and_under_3_ms(kind):
    sent = np.zeros(4800, "<i2")
    sent[1000:1500] = tone(1000)[:500]
    out = carried(Leg(kind), sent)
    lag = np.argmax(np.correlate(out, sent.astype(float), "full")) - (len(sent) - 1)
    assert lag / 24_000 == pytest.approx(DELAY_SECS, abs=1 / 24_000)
    assert Leg(kind).delay_secs == DELAY_SECS < 0.003


def test_ulaw_silence_is_silence_and_alaw_silence_is_its_least_value():
    assert set(carried(Leg("g711u"), np.zeros(960, "<i2"))) == {0}
    assert set(carried(Leg("g711a"), np.zeros(960, "<i2"))[480:]) == {8}


@pytest.mark.parametrize("peak", [32_767, -32_768])
def test_the_loudest_samples_are_clipped_and_never_wrap(peak):
    square = np.repeat(np.tile([peak, -peak - 1], 20), 24).astype("<i2")
    out = carried(Leg("g711u"), square)
    assert np.abs(out).max() == 32_767 or np.abs(out).max() == 32_768
    sent = np.concatenate([np.zeros(70), square[:-70]])
    assert np.corrcoef(out, sent)[0, 1] > 0.9


def test_steps_join_without_a_seam():
    whole = tone(1000, secs=0.2)
    joined = carried(Leg("g711u"), whole)
    middle = joined[480 - 48 : 480 + 48]
    assert np.abs(np.diff(middle)).max() < 1.1 * np.abs(np.diff(joined[1440:])).max()
    np.testing.assert_allclose(joined[960:1440], joined[1440:1920], atol=1)


def test_two_legs_share_nothing():
    one, other = Leg("g711u"), Leg("g711u")
    one.carry(tone(1000)[:480].tobytes())
    assert other.carry(bytes(960)) == bytes(960)


def test_a_clean_leg_changes_nothing():
    pcm = tone(9000)[:480].tobytes()
    assert Leg("clean").carry(pcm) == pcm
    assert Leg("clean").delay_secs == 0


@pytest.mark.parametrize("kind", ["g711u", "clean"])
def test_another_length_than_20_ms_is_refused(kind):
    with pytest.raises(ValueError, match=r"958 bytes: a leg carries 960 bytes \(20 ms\)"):
        Leg(kind).carry(bytes(958))


def test_an_unknown_leg_is_refused():
    with pytest.raises(ValueError, match="'g722': give 'g711u', 'g711a' or 'clean'"):
        Leg("g722")
