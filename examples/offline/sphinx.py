"""Speech to text with pocketsphinx, in a process of its own: `python -m offline.sphinx`.

It knows what the receptionist may expect to hear, and when it has heard something else. It refuses
to know calls. The models are those of pocketsphinx's wheel; nothing is downloaded.
"""

import re
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pocketsphinx import Decoder, LogMath, NGramModel, get_model_path

from offline.grammar import Grammar
from offline.language import arpa
from offline.worker import serve

SAMPLE_RATE = 16_000
"""The model's."""

# What is expected, and how much of it is which rule of the grammar.
EXPECTED = {
    "request": {"request": 6, "short": 2, "when": 2, "yes_no": 2},
    "when": {"when": 8, "short": 2, "yes_no": 2, "request": 1},
    "name": {"name": 8, "short": 2, "yes_no": 1},
    "number": {"number": 8, "short": 2, "yes_no": 1},
    "confirm": {"yes_no": 6, "when": 4, "short": 2},
}
SENTENCES = 10_000
# The commonest words of English, for what is not meant for us: with fewer, or less likely ones,
# the receptionist hears appointments everywhere, with more it does not hear them.
FILLERS = 1000
FILLERS_SHARE = 0.1
# The model has learnt from more than the telephone's band. Where there is nothing it sees nothing
# alike, so noise is added, this far below the speech.
NOISE_DB = -28.0
# Silence is not learnt from: the mean of the speech is taken away from it all.
_FRAME = SAMPLE_RATE // 50
_MARGIN_FRAMES = 12
_AUDIBLE = 0.05


class Sphinx:
    """What hears; it takes a second or two to make."""

    def __init__(self) -> None:
        grammar = Grammar(Path(__file__).with_name("desk.gram").read_text())
        words = grammar.words()
        pronounced = _dictionary()
        common = [word for word in _common(pronounced) if word not in words]
        with tempfile.TemporaryDirectory() as folder:
            dictionary = Path(folder) / "words.dict"
            dictionary.write_text("".join(_entries(words.union(common), pronounced)))
            self._decoder = Decoder(
                hmm=get_model_path("en-us/en-us"),
                dict=str(dictionary),  # cut down: to load the whole takes seconds
                lm=None,
                loglevel="FATAL",
            )
            self._gates = {}
            for name, rules in EXPECTED.items():
                model = Path(folder) / f"{name}.lm"
                sentences = [
                    sentence
                    for rule, weight in rules.items()
                    for sentence in grammar.sentences(
                        rule, SENTENCES * weight // sum(rules.values())
                    )
                ]
                model.write_text(arpa(sentences, common, FILLERS_SHARE))
                self._decoder.add_lm_file(name, str(model))
                self._gates[name] = grammar.pattern(list(rules))

    def hear(self, audio: bytes, expected: str) -> tuple[str, str]:
        """Recognise one segment.

        Args:
            audio: PCM16 mono at 16 kHz.
            expected: One of `EXPECTED`.

        Returns:
            What was said, or "" if it is no sentence of the grammar; and what it sounded like.
        """
        samples = trimmed(np.frombuffer(audio, "<i2").astype(float))
        if not len(samples):
            return "", ""
        level = np.sqrt(np.mean(samples**2)) * 10 ** (NOISE_DB / 20)
        samples = samples + np.random.default_rng(0).normal(0, level, len(samples))
        self._decoder.activate_search(expected)
        self._decoder.start_utt()
        pcm = np.clip(samples, -32768, 32767).astype("<i2").tobytes()
        # As a whole: then the telephone's colour is taken away by the mean of all of it.
        self._decoder.process_raw(pcm, full_utt=True)
        self._decoder.end_utt()
        hypothesis = self._decoder.hyp()
        raw = hypothesis.hypstr if hypothesis else ""
        return (raw if self._gates[expected].fullmatch(f"{raw} ") else ""), raw


def trimmed(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cut off the silence before and after."""
    frames = samples[: len(samples) // _FRAME * _FRAME].reshape(-1, _FRAME)
    level = np.sqrt(np.mean(frames**2, axis=1)) if len(frames) else np.zeros(0)
    audible = np.flatnonzero(level > _AUDIBLE * max(level, default=0.0))
    if not len(audible):
        return samples[:0]
    begin = max(0, audible[0] - _MARGIN_FRAMES) * _FRAME
    return samples[begin : (audible[-1] + _MARGIN_FRAMES) * _FRAME]


def _dictionary() -> dict[str, list[str]]:
    pronounced: dict[str, list[str]] = {}
    for line in Path(get_model_path("en-us/cmudict-en-us.dict")).read_text().splitlines():
        word, _, phones = line.partition(" ")
        pronounced.setdefault(re.sub(r"\(\d+\)$", "", word), []).append(phones)
    return pronounced


def _entries(words: set[str], pronounced: dict[str, list[str]]) -> list[str]:
    return [
        f"{word}{f'({number})' if number > 1 else ''} {phones}\n"
        for word in sorted(words)
        for number, phones in enumerate(pronounced[word], start=1)
    ]


def _common(pronounced: dict[str, list[str]]) -> list[str]:
    """The commonest words, by the model of English that comes with pocketsphinx."""
    english = NGramModel(None, LogMath(), get_model_path("en-us/en-us.lm.bin"))
    words = [word for word in pronounced if word.isalpha()]
    return sorted(words, key=lambda word: -int(english.prob([word])))[:FILLERS]


if __name__ == "__main__":
    sphinx = Sphinx()
    serve(lambda request: sphinx.hear(*request))
