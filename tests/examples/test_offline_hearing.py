"""What the receptionist understands: grammar, language model, and pocketsphinx with both."""

import random
import re

import numpy as np
import pytest
import soxr

from pipecat_wavix.emulator.leg import Leg
from pipecat_wavix.emulator.voice import speak
from pipecat_wavix.protocol import FRAME_BYTES

SOURCE = """#JSGF V1.0; grammar toy;
// a comment | with [ all ] kinds of (things
public <order> = [please] (tea | coffee) <extra>+ | the <extra>;
<extra> = with milk | o'clock;
"""


@pytest.fixture
def grammar(example):
    return example("offline.grammar").Grammar(SOURCE)


@pytest.fixture(scope="module")
def sphinx():
    """One for the module: it takes a while to load."""
    loaded = []
    yield loaded
    loaded.clear()


def on_the_telephone(text):
    """PCM16 at 16 kHz, as the bot gets it, with some silence around it."""
    pcm = bytes(24_000) + speak(text) + bytes(12_000)
    pcm += bytes(-len(pcm) % FRAME_BYTES)
    leg = Leg("g711u")
    frames = (pcm[at : at + FRAME_BYTES] for at in range(0, len(pcm), FRAME_BYTES))
    heard = np.frombuffer(b"".join(map(leg.carry, frames)), "<i2").astype(float)
    return np.rint(soxr.resample(heard, 24_000, 16_000)).astype("<i2").tobytes()


def test_a_grammar_knows_its_words(grammar):
    assert grammar.words() == {"please", "tea", "coffee", "with", "milk", "o'clock", "the"}


def test_a_grammar_accepts_each_of_its_sentences_and_nothing_else(grammar):
    pattern = grammar.pattern(["order"])
    drawn = [" ".join(sentence) for sentence in grammar.sentences("order", 2000)]
    assert all(pattern.fullmatch(f"{sentence} ") for sentence in drawn)
    assert {"the o'clock", "tea with milk", "please coffee o'clock with milk"} <= set(drawn)
    for other in ["", "tea", "please", "tea with", "the tea", "the o'clock tea"]:
        assert not pattern.fullmatch(f"{other} " if other else "")


def test_the_same_sentences_are_drawn_again(grammar):
    assert grammar.sentences("order", 20) == grammar.sentences("order", 20)
    assert grammar.sentences("order", 20) != grammar.sentences("order", 20, seed=2)


def test_a_language_model_gives_all_words_together_a_probability_of_one(example):
    arpa = example("offline.language").arpa([["a", "b"], ["a", "c"]], ["x", "y", "a"], 0.1)
    assert "ngram 1=7" in arpa
    unigrams = arpa.split("\\1-grams:")[1].split("\\2-grams:")[0]
    rows = [line.split() for line in unigrams.strip().splitlines()]
    shares = {row[1]: 10 ** float(row[0]) for row in rows}
    assert sum(shares.values()) == pytest.approx(1, abs=0.01)
    assert shares["x"] + shares["y"] == pytest.approx(0.1, abs=0.01)
    assert shares["a"] > shares["b"] == pytest.approx(shares["c"])


def test_what_follows_often_is_likelier_than_what_does_not(example):
    arpa = example("offline.language").arpa([["a", "b"]] * 9 + [["a", "c"]], ["x"], 0.1)
    bigrams = arpa.split("\\2-grams:")[1].split("\\3-grams:")[0]
    found = {tuple(row[1:3]): float(row[0]) for row in map(str.split, bigrams.splitlines()) if row}
    assert found["a", "b"] > found["a", "c"]
    assert ("a", "x") not in found


@pytest.fixture
def hears(example, sphinx):
    """What it makes of a text that is spoken on the telephone."""
    module = example("offline.sphinx")
    if not sphinx:
        sphinx.append(module.Sphinx())

    def hears(text, expected="request"):
        return sphinx[0].hear(on_the_telephone(text), expected)[0]

    return hears


@pytest.mark.parametrize(
    ("expected", "text", "heard"),
    [
        ("request", "I'd like to book an appointment, please.", "book an appointment please"),
        ("request", "Are you open on Saturday?", "are you open on saturday"),
        ("when", "On Friday, at quarter past three.", "friday at a? ?quarter past three"),
        ("when", "Friday at half past two.", "friday at half past two"),
        ("name", "Golf romeo echo echo november", "golf romeo echo echo november"),
        ("confirm", "Yes, please.", "(yes|yeah) please"),
        ("confirm", "No, at three o'clock.", "no at three o'clock"),
    ],
)
def test_it_understands_a_caller_on_the_telephone(hears, expected, text, heard):
    assert re.search(heard, hears(text, expected))


@pytest.mark.parametrize("expected", ["request", "when", "name", "number", "confirm"])
@pytest.mark.parametrize(
    "text",
    ["Could you bring me a pizza with extra cheese?", "The rain in Spain stays in the plain."],
)
def test_it_does_not_understand_what_is_not_meant_for_it(hears, expected, text):
    assert hears(text, expected) == ""


def test_silence_and_noise_are_no_words(hears, sphinx):
    noise = np.array(random.Random(1).choices(range(-3000, 3000), k=16_000), "<i2").tobytes()
    assert sphinx[0].hear(b"", "request") == ("", "")
    assert sphinx[0].hear(bytes(32_000), "request") == ("", "")
    assert sphinx[0].hear(noise, "request")[0] == ""


def test_every_word_of_the_grammar_can_be_heard(hears, sphinx, example):
    module = example("offline.sphinx")
    source = (example("offline.worker").EXAMPLES / "offline" / "desk.gram").read_text()
    known = module._dictionary()
    assert not {word for word in module.Grammar(source).words() if word not in known}
