"""The resampler, by what comes out of it: lengths, spectra, delays, and never by its own taps."""

import itertools
from math import ceil, gcd

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from pipecat.audio.resamplers.base_audio_resampler import BaseAudioResampler

from pipecat_wavix.resampler import PolyphaseFilter, StreamResampler

TELEPHONY = [
    (24000, 16000),
    (16000, 24000),
    (24000, 8000),
    (8000, 24000),
    (16000, 8000),
    (8000, 16000),
    (48000, 24000),
    (24000, 48000),
    (48000, 16000),
    (16000, 48000),
    (48000, 8000),
    (8000, 48000),
]
OTHER_SMALL_RATIOS = [(32000, 24000), (24000, 32000), (48000, 40000), (10000, 12000)]
ODD_RATES_SMALL_RATIO = [(22050, 44100), (44100, 22050)]
SMALL_RATIOS = TELEPHONY + OTHER_SMALL_RATIOS + ODD_RATES_SMALL_RATIO
SOXR_RATIOS = [(22050, 16000), (16000, 22050), (44100, 8000), (8000, 44100), (11025, 8000)]
SOXR_BY_FACTOR_OR_RATE = [(56000, 8000), (8000, 56000), (4000, 8000), (8000, 4000)]

AMPLITUDE = 20000
MINUS_60_DB = 1e-3

small_ratios = st.sampled_from(SMALL_RATIOS)
all_ratios = st.sampled_from(SMALL_RATIOS + SOXR_RATIOS)


def pcm(samples):
    return np.asarray(np.rint(samples), "<i2").tobytes()


def samples_of(audio):
    return np.frombuffer(audio, "<i2").astype(np.int64)


def noise(count, seed=0):
    return np.random.default_rng(seed).integers(-32768, 32768, count)


def sine(frequency, rate, count, amplitude=AMPLITUDE):
    return amplitude * np.sin(2 * np.pi * frequency * np.arange(count) / rate)


def pushed(resampler, audio, in_rate, out_rate, cuts=()):
    edges = [0, *sorted(cuts), len(audio)]
    chunks = [audio[a:b] for a, b in itertools.pairwise(edges)]
    return b"".join(resampler.push(chunk, in_rate, out_rate) for chunk in chunks)


def resampled(audio, in_rate, out_rate, cuts=()):
    """The whole output of an utterance."""
    resampler = StreamResampler()
    head = pushed(resampler, audio, in_rate, out_rate, cuts)
    return head + resampler.finish()


def level(signal, frequency, rate):
    """The amplitude of a tone in the middle of a signal, relative to the one that was sent."""
    quarter = signal.size // 4
    middle = signal[quarter:-quarter]
    turns = np.exp(-2j * np.pi * frequency * np.arange(middle.size) / rate)
    window = np.blackman(middle.size)
    return 2 * abs((middle * window) @ turns) / window.sum() / AMPLITUDE


def heard(sent, frequency, in_rate, out_rate):
    """Send a tone, and measure another (or the same) in what comes out."""
    out = samples_of(resampled(pcm(sine(sent, in_rate, in_rate // 4)), in_rate, out_rate))
    return level(out, frequency, out_rate)


def folded(frequency, rate):
    return abs(frequency - rate * round(frequency / rate))


def delay_of(in_rate, out_rate):
    return out_rate // 1000


# Lengths


@pytest.mark.parametrize(("in_rate", "out_rate"), TELEPHONY)
def test_20_ms_in_are_20_ms_out_from_the_first_chunk_on(in_rate, out_rate):
    resampler = StreamResampler()
    audio = noise(in_rate)
    for chunk in np.split(audio, 50):
        assert len(resampler.push(pcm(chunk), in_rate, out_rate)) == 2 * out_rate // 50


def test_only_an_incomplete_block_is_held_back():
    resampler = StreamResampler()
    yields = [len(resampler.push(b"\1\0", 24000, 16000)) // 2 for _ in range(7)]
    assert yields == [0, 0, 2, 0, 0, 2, 0]


@settings(deadline=None)
@given(small_ratios, st.integers(1, 700), st.data())
def test_an_utterance_gives_all_its_samples_and_the_delay_once_flushed(ratio, count, data):
    in_rate, out_rate = ratio
    cuts = data.draw(st.lists(st.integers(0, 2 * count), max_size=4))
    out = resampled(pcm(noise(count)), in_rate, out_rate, cuts)
    assert len(out) == 2 * (ceil(count * out_rate / in_rate) + delay_of(in_rate, out_rate))


@pytest.mark.parametrize(("in_rate", "out_rate"), SMALL_RATIOS)
def test_a_flush_brings_the_last_words_at_their_full_level(in_rate, out_rate):
    frequency = 1000
    audio = sine(frequency, in_rate, in_rate // 20)
    out = samples_of(resampled(pcm(audio), in_rate, out_rate))
    delay = delay_of(in_rate, out_rate)
    time = (np.arange(out.size) - delay) / out_rate
    expected = AMPLITUDE * np.sin(2 * np.pi * frequency * time)
    settled = slice(2 * delay, -delay)  # the rest hears the silence around the utterance
    assert np.abs(out - expected)[settled].max() < 0.01 * AMPLITUDE
    assert np.abs(out - expected)[-delay:].max() < 0.6 * AMPLITUDE
    assert np.abs(out[-delay:]).max() > 0.1 * AMPLITUDE


def test_a_stream_without_audio_flushes_to_nothing():
    resampler = StreamResampler()
    assert resampler.finish() == b""
    assert resampler.push(b"", 24000, 16000) == b""
    assert resampler.finish() == b""


# Chunking


@settings(deadline=None)
@given(all_ratios, st.integers(1, 900), st.data())
def test_any_chunking_gives_the_same_output_within_one_lsb(ratio, count, data):
    audio = pcm(noise(count, seed=count))
    cuts = data.draw(st.lists(st.integers(0, len(audio)), max_size=12))
    whole, cut = samples_of(resampled(audio, *ratio)), samples_of(resampled(audio, *ratio, cuts))
    assert whole.size == cut.size
    assert np.abs(whole - cut).max(initial=0) <= 1


@pytest.mark.parametrize("ratio", [(24000, 16000), (8000, 16000), (22050, 16000)])
def test_chunks_of_one_byte_give_the_same_output_within_one_lsb(ratio):
    audio = pcm(noise(500))
    whole = samples_of(resampled(audio, *ratio))
    bytewise = samples_of(resampled(audio, *ratio, range(1, len(audio))))
    assert whole.size == bytewise.size
    assert np.abs(whole - bytewise).max() <= 1


def test_half_a_sample_waits_for_its_other_half():
    split, whole = StreamResampler(), StreamResampler()
    audio = pcm(noise(480))
    first = split.push(audio[:301], 16000, 8000)
    assert len(first) == 150
    assert first + split.push(audio[301:], 16000, 8000) == whole.push(audio, 16000, 8000)


@pytest.mark.parametrize("ratio", [(16000, 8000), (22050, 16000)])
@pytest.mark.parametrize("end", [StreamResampler.finish, StreamResampler.clear])
def test_half_a_sample_without_its_other_half_ends_with_the_stream(ratio, end):
    resampler = StreamResampler()
    resampler.push(b"\x7f", *ratio)
    assert not end(resampler)
    audio = pcm(noise(480))
    assert resampler.push(audio, *ratio) == StreamResampler().push(audio, *ratio)


# Flush and reset


@settings(deadline=None)
@given(all_ratios, st.integers(0, 300), st.sampled_from(["finish", "clear"]))
def test_after_a_flush_or_a_reset_it_sounds_like_a_new_one_bit_for_bit(ratio, count, end):
    used, new = StreamResampler(), StreamResampler()
    used.push(pcm(noise(count)) + b"\1", *ratio)
    getattr(used, end)()
    audio = pcm(noise(882, seed=1))
    assert used.push(audio, *ratio) == new.push(audio, *ratio)
    assert used.finish() == new.finish()


@settings(deadline=None)
@given(st.sampled_from([(3, 2), (2, 3), (1, 3), (2, 1)]), st.integers(0, 100))
def test_a_filter_after_flush_or_reset_is_a_new_one_bit_for_bit(factors, count):
    flushed, reset, new = (PolyphaseFilter(*factors, delay=8) for _ in range(3))
    for used in (flushed, reset):
        used.process(noise(count).astype(np.int16))
    flushed.flush()
    reset.reset()
    assert flushed.flush().size == reset.flush().size == 0
    audio = noise(300, seed=1).astype(np.int16)
    expected = new.process(audio).tolist()
    assert flushed.process(audio).tolist() == expected
    assert reset.process(audio).tolist() == expected


@pytest.mark.parametrize("ratio", [*TELEPHONY, *SOXR_RATIOS])
def test_nothing_of_an_interrupted_utterance_is_heard_after_a_reset(ratio):
    resampler = StreamResampler()
    resampler.push(pcm(noise(1001)), *ratio)
    resampler.clear()
    assert not any(resampler.push(bytes(2 * 4410), *ratio) + resampler.finish())


async def test_pipecats_interface_gives_what_the_synchronous_one_gives():
    interface: BaseAudioResampler = StreamResampler()
    sync = StreamResampler()
    audio = pcm(noise(500))
    assert await interface.resample(audio, 24000, 16000) == sync.push(audio, 24000, 16000)
    tail = sync.finish()
    assert await interface.flush() == tail
    assert tail
    await interface.resample(audio, 24000, 16000)
    await interface.reset()
    assert await interface.flush() == b""


# Sound


@pytest.mark.parametrize(("in_rate", "out_rate"), TELEPHONY + OTHER_SMALL_RATIOS)
def test_the_passband_is_flat_to_a_tenth_of_a_decibel(in_rate, out_rate):
    edge = min(in_rate, out_rate) // 2 - 900
    tones = [*np.linspace(100, edge, 12), edge - 150, edge - 300]
    gains = [20 * np.log10(heard(f, f, in_rate, out_rate)) for f in tones]
    assert max(gains) - min(gains) <= 0.1
    assert abs(max(gains)) <= 0.05


@pytest.mark.parametrize(
    ("in_rate", "out_rate"), [r for r in TELEPHONY + OTHER_SMALL_RATIOS if r[0] > r[1]]
)
def test_aliases_are_60_db_down(in_rate, out_rate):
    edge = out_rate // 2 + 900
    for f in [*np.arange(edge, edge + 1000, 125), *np.linspace(edge + 1000, in_rate / 2 - 50, 9)]:
        assert heard(f, folded(f, out_rate), in_rate, out_rate) <= MINUS_60_DB


@pytest.mark.parametrize(
    ("in_rate", "out_rate"), [r for r in TELEPHONY + OTHER_SMALL_RATIOS if r[0] < r[1]]
)
def test_images_are_60_db_down(in_rate, out_rate):
    edge = in_rate // 2 - 900
    for f in [*np.arange(edge - 875, edge + 1, 125), *np.linspace(150, edge - 1000, 5)]:
        images = [abs(f + k * in_rate) for k in (-1, 1, -2, 2, -3, 3)]
        inside = [image for image in images if image < out_rate / 2]
        assert inside or out_rate < 2 * in_rate
        for image in inside:
            assert heard(f, image, in_rate, out_rate) <= MINUS_60_DB


@pytest.mark.parametrize(("in_rate", "out_rate"), SMALL_RATIOS)
def test_an_impulse_comes_out_symmetric_around_a_delay_of_at_most_1_ms(in_rate, out_rate):
    divisor = gcd(in_rate, out_rate)
    up, down = out_rate // divisor, in_rate // divisor
    delay = delay_of(in_rate, out_rate)
    assert 0.97e-3 <= delay / out_rate <= 1e-3
    before = 20 * down  # the impulse falls on a sample of both rates
    audio = np.zeros(before + in_rate // 100)
    audio[before] = 30000
    out = samples_of(resampled(pcm(audio), in_rate, out_rate))
    peak = 20 * up + delay
    assert np.argmax(np.abs(out)) == peak
    assert out[peak - delay : peak].tolist() == out[peak + 1 : peak + delay + 1][::-1].tolist()
    assert not out[: peak - delay].any()
    assert not out[peak + delay + 1 :].any()


@pytest.mark.parametrize("factors", [(3, 2), (2, 3), (1, 3), (3, 1), (6, 1), (5, 6)])
def test_a_filter_states_its_delay_in_output_samples(factors):
    assert PolyphaseFilter(*factors, delay=12).delay == 12


@pytest.mark.parametrize(("in_rate", "out_rate"), SMALL_RATIOS)
def test_a_constant_comes_out_constant(in_rate, out_rate):
    out = samples_of(resampled(pcm(np.full(in_rate // 20, 30000)), in_rate, out_rate))
    delay = delay_of(in_rate, out_rate)
    assert set(out[2 * delay : -delay].tolist()) == {30000}


@pytest.mark.parametrize("ratio", [(24000, 16000), (16000, 24000), (22050, 16000)])
def test_what_overshoots_saturates_and_never_wraps_around(ratio):
    square = np.where(np.arange(4800) // 100 % 2, -32768, 32767)
    out = samples_of(resampled(pcm(square), *ratio))
    assert out.max() == 32767
    assert out.min() == -32768
    assert np.abs(np.diff(out)).max() < 60000
    assert np.count_nonzero(np.diff(out[60:-60] >= 0)) == pytest.approx(48, abs=3)


@pytest.mark.parametrize("ratio", [(24000, 16000), (22050, 16000)])
def test_samples_are_rounded_to_the_nearest(ratio):
    dither = sine(40, ratio[0], ratio[0], amplitude=3.4)
    out = samples_of(resampled(pcm(dither + 100), *ratio))[500:-500]
    assert out.mean() == pytest.approx(100, abs=0.1)


# Other ratios, through soxr


@pytest.mark.parametrize(("in_rate", "out_rate"), SOXR_RATIOS + SOXR_BY_FACTOR_OR_RATE)
def test_other_ratios_come_out_in_time_and_complete(in_rate, out_rate):
    count = in_rate // 5 + 7
    frequency = 500
    out = samples_of(resampled(pcm(sine(frequency, in_rate, count)), in_rate, out_rate))
    assert out.size == round(count * out_rate / in_rate)
    middle = slice(out.size // 4, -out.size // 4)
    expected = sine(frequency, out_rate, out.size)
    assert np.abs(out - expected)[middle].max() < 0.01 * AMPLITUDE


@pytest.mark.parametrize(
    ("in_rate", "out_rate", "held_ms"),
    [(22050, 16000, 22), (16000, 22050, 2), (44100, 8000, 45), (8000, 44100, 78)],
)
def test_other_ratios_hold_no_more_back_than_soxr_at_low_quality(in_rate, out_rate, held_ms):
    resampler = StreamResampler()
    chunk = pcm(noise(in_rate // 50))
    received = returned = 0
    for _ in range(50):
        received += len(chunk) // 2
        returned += len(resampler.push(chunk, in_rate, out_rate)) // 2
        assert 1000 * (received / in_rate - returned / out_rate) < held_ms


@pytest.mark.parametrize(("in_rate", "out_rate"), [(22050, 16000), (44100, 8000)])
def test_aliases_of_other_ratios_are_60_db_down(in_rate, out_rate):
    for f in np.linspace(out_rate * 0.55, in_rate * 0.48, 5):
        assert heard(f, folded(f, out_rate), in_rate, out_rate) <= MINUS_60_DB


@pytest.mark.parametrize(("in_rate", "out_rate"), [(16000, 22050), (8000, 44100)])
def test_images_of_other_ratios_are_60_db_down(in_rate, out_rate):
    for f in np.linspace(in_rate - out_rate / 2 if out_rate < 2 * in_rate else 500, 0.44 * in_rate):
        assert heard(f, in_rate - f, in_rate, out_rate) <= MINUS_60_DB


# Rates


@settings(deadline=None)
@given(st.sampled_from([8000, 16000, 22050]), st.binary(max_size=50))
def test_equal_rates_pass_through_untouched(rate, audio):
    assert StreamResampler().push(audio, rate, rate) is audio


def test_audio_at_equal_rates_leaves_a_stream_in_progress_alone():
    disturbed, alone = StreamResampler(), StreamResampler()
    audio = pcm(noise(481))
    assert disturbed.push(audio, 24000, 16000) == alone.push(audio, 24000, 16000)
    assert disturbed.push(b"\1\2\3", 16000, 16000) == b"\1\2\3"
    assert disturbed.push(audio, 24000, 16000) == alone.push(audio, 24000, 16000)


@pytest.mark.parametrize("rate", [0, -8000, 16000.0, "16000", None])
@pytest.mark.parametrize("name", ["in_rate", "out_rate"])
def test_a_bad_rate_is_named_with_the_way_out(name, rate):
    rates = {"in_rate": 8000, "out_rate": 8000} | {name: rate}
    with pytest.raises(ValueError, match=rf"{name} is {rate!r}: give a positive int in Hz"):
        StreamResampler().push(b"\0\0", **rates)


@pytest.mark.parametrize("rates", [(24000, 8000), (16000, 8000), (16000, 24000), (22050, 16000)])
def test_other_rates_in_mid_stream_are_refused_and_harm_nothing(rates):
    resampler, undisturbed = StreamResampler(), StreamResampler()
    audio = pcm(noise(481))
    resampler.push(audio, 24000, 16000)
    undisturbed.push(audio, 24000, 16000)
    with pytest.raises(ValueError, match=rf"24000 to 16000 .* {rates[0]} to {rates[1]} .*flush"):
        resampler.push(audio, *rates)
    assert resampler.push(audio, 24000, 16000) == undisturbed.push(audio, 24000, 16000)


@pytest.mark.parametrize("end", [StreamResampler.finish, StreamResampler.clear])
def test_a_new_stream_may_have_other_rates(end):
    resampler = StreamResampler()
    audio = pcm(noise(480))
    resampler.push(audio, 24000, 16000)
    end(resampler)
    assert resampler.push(audio, 8000, 24000) == StreamResampler().push(audio, 8000, 24000)
