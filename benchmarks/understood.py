"""What the offline receptionist understands on the telephone, and how soon she replies.

Run it with `python benchmarks/understood.py`, and `--speech FILE.wav` (more than once) for speech
that is not meant for her. It takes five minutes: each phrase is said on an emulated call in real
time, over G.711, by two voices of eSpeak. A phrase is understood if the desk says the same to what
was heard as to the words themselves.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import date
from pathlib import Path
from statistics import median
from unittest.mock import patch

import numpy as np
from loguru import logger

from pipecat_wavix.emulator.callers import load_wav
from pipecat_wavix.emulator.voice import speak
from pipecat_wavix.testing import PhoneCall

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

import receptionist
from offline.choices import make_stt, make_tts
from offline.clerk import Clerk
from offline.desk import Desk, Diary, Question, Reply

VOICES = ["en-us", "en-us+f3"]
TODAY = date(2026, 3, 2)
# What brings the desk to a question.
BEFORE: dict[Question, list[str]] = {
    "request": [],
    "when": ["book an appointment"],
    "name": ["book an appointment", "friday at ten"],
    "number": ["book an appointment", "friday at ten", "smith"],
    "confirm": ["book an appointment", "friday at ten", "smith", "no"],
}
PHRASES: list[tuple[Question, str]] = [
    ("request", "What are your opening hours?"),
    ("request", "Are you open on Saturday?"),
    ("request", "When do you close?"),
    ("request", "I'd like to book an appointment, please."),
    ("request", "Can I make an appointment tomorrow at ten?"),
    ("request", "How are you?"),
    ("when", "Tomorrow morning at nine o'clock."),
    ("when", "On Friday, at quarter past three."),
    ("when", "Next Monday."),
    ("when", "Half past two."),
    ("when", "The day after tomorrow."),
    ("name", "My name is Brown."),
    ("name", "Golf romeo echo echo november."),
    ("number", "Two zero two, five five five, zero one two three."),
    ("confirm", "Yes, please."),
    ("confirm", "That's right."),
    ("confirm", "No, at three o'clock."),
    ("confirm", "No, on Thursday."),
    ("request", "Can I speak to a person?"),
    ("request", "No, thank you."),
]
OTHER_SPEECH = [
    "Could you bring me a pizza with extra cheese?",
    "My car has broken down on the motorway.",
    "Do you remember the holiday in Portugal?",
    "The rain in Spain stays in the plain.",
]


class Examiner(Desk):
    """A desk that only takes note of what was heard, and tells the ears what comes next."""

    def __init__(self, questions: list[Question]) -> None:
        super().__init__(Diary())
        self._questions = iter([*questions[1:], "request"])
        self.heard: list[str] = []

    def reply(self, heard: str) -> Reply:
        """Take note of what was heard."""
        self.heard.append(heard)
        return Reply("I see.", next(self._questions, "request"))


def answer(question: Question, words: str) -> str:
    """What the desk says to words after a question."""
    desk = Desk(Diary(), lambda: TODAY)
    for before in BEFORE[question]:
        desk.reply(before)
    return desk.reply(words).text


async def examine(turns: list[tuple[Question, bytes]], folder: Path) -> Iterator[tuple[str, float]]:
    """Say it all on one call; answer what was heard each time, and seconds to the reply."""
    examiner = Examiner([question for question, _ in turns])
    heard = []
    async with AsyncExitStack() as stack:
        stack.enter_context(patch("receptionist.make_llm", lambda _, stt: Clerk(examiner, stt)))
        call = await stack.enter_async_context(PhoneCall(receptionist.bot, None, folder=folder))
        await call.hear()
        for _, pcm in turns:
            before = len(examiner.heard)
            await call.say(pcm)
            reply = await call.hear(quiet_secs=0.6)
            heard.append((" ".join(examiner.heard[before:]), reply.began_after_secs))
    return iter(heard)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--speech", type=Path, action="append", default=[], metavar="FILE.wav")
    arguments = parser.parse_args()
    logger.remove()
    make_stt("pocketsphinx"), make_tts("espeak")
    replies: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        heard = {
            voice: await examine(
                [(question, speak(text, voice=voice)) for question, text in PHRASES],
                Path(folder) / voice,
            )
            for voice in VOICES
        }
        print(f"{'said':52}" + "".join(f"{voice:>24}" for voice in VOICES))
        understood = dict.fromkeys(VOICES, 0)
        for question, text in PHRASES:
            cells = []
            for voice in VOICES:
                words, secs = next(heard[voice])
                replies.append(secs)
                right = answer(question, words) == answer(question, text.lower())
                understood[voice] += right
                cells.append(f"{'yes' if right else words[:16]:>18}{secs:5.2f} s".rjust(24))
            print(f"{text:52}" + "".join(cells))
        counts = "".join(f"{f'{count} of {len(PHRASES)}':>24}" for count in understood.values())
        print(f"{'understood':52}{counts}")
        print(f"reply: median {median(replies):.2f} s, p95 {np.quantile(replies, 0.95):.2f} s\n")

        others = {text: speak(text) for text in OTHER_SPEECH}
        others |= {path.name: load_wav(path) for path in arguments.speech}
        turns: list[tuple[Question, bytes]] = [("request", pcm) for pcm in others.values()]
        refused = await examine(turns, Path(folder) / "others")
        for name, (words, _) in zip(others, refused, strict=True):
            print(f"{name:52}{'refused' if 'unclear' in words else f'taken for: {words}':>24}")


if __name__ == "__main__":
    asyncio.run(main())
