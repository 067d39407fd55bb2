"""Who sits at the desk of a dentist: text in, text out.

It knows the opening hours, the diary, and what has been said on one call. It refuses to know sound,
frames and clocks.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Literal

from offline.dates import When, say_day, say_time, understand

Question = Literal["request", "when", "name", "number", "confirm"]

GREETING = "Good day, Willow Street Dentists. How can I help you?"
PERSON = "One moment please, I will get a colleague for you. Goodbye."
GOODBYE = "Thank you for calling. Goodbye."
HOURS = "We are open from nine to five, Monday to Friday, and on Saturday until noon."
HELP = "I can tell you our opening hours, book an appointment, or get you a person."

_SLOT = timedelta(minutes=30)
_KEYS = "dtmf: "  # how Pipecat's DTMFAggregator begins
_DIGITS = {word: str(digit) for digit, word in enumerate(
    "zero one two three four five six seven eight nine".split()  # noqa: SIM905
)} | {"oh": "0"}  # fmt: skip
_NATO = set(
    "alfa alpha bravo charlie delta echo foxtrot golf hotel india juliet juliett kilo lima mike "  # noqa: SIM905
    "november oscar papa quebec romeo sierra tango uniform victor whiskey x-ray yankee zulu".split()
)


@dataclass(frozen=True)
class Reply:
    """What the desk says.

    Attributes:
        text: Whole sentences.
        question: What it expects to be told next.
        is_last: Whether it hangs up after that.
    """

    text: str
    question: Question
    is_last: bool = False


@dataclass
class Diary:
    """Who comes when: the one thing that calls share."""

    booked: dict[datetime, str] = field(default_factory=dict)

    def free(self, day: date, at: time) -> time | None:
        """Tell the first time that is free on a day, at or after a time; None if there is none."""
        opens, closes = opening_hours(day)
        slot = datetime.combine(day, max(at, opens))
        while slot.time() < closes and slot.date() == day:
            if slot not in self.booked:
                return slot.time()
            slot += _SLOT
        return None


def opening_hours(day: date) -> tuple[time, time]:
    """From when to when we are open on a day; on Sunday not at all."""
    if day.weekday() == 6:
        return time(0), time(0)
    return time(9), time(12 if day.weekday() == 5 else 17)


class Desk:
    """One call.

    Args:
        diary: Of the practice.
        today: Tells the day.
    """

    def __init__(self, diary: Diary, today: Callable[[], date] = date.today) -> None:
        self._diary = diary
        self._today = today
        self._question: Question = "request"
        self._day: date | None = None
        self._time: time | None = None
        self._name = ""
        self._number: str | None = None
        self._unclear = 0
        self._offers_person = False
        self._text = GREETING

    def reply(self, heard: str) -> Reply:
        """Answer the caller.

        Args:
            heard: What was said; "(unclear)" in it for what was not understood, and "DTMF: 123#" for
                keys.
        """
        text = heard.lower().strip()
        said = self._answer(text)
        if isinstance(said, Reply):
            return said
        self._unclear = 0 if said else self._unclear + 1
        if not said:
            said = self._ask_again()
        self._text = said
        return Reply(said, self._question)

    # ---- what was said

    def _answer(self, text: str) -> str | Reply | None:
        words = set(re.findall(r"[a-z'-]+", text))
        if "unclear" in words:
            return None
        offered, self._offers_person = self._offers_person, False
        if offered and _agrees(words):
            return Reply(PERSON, "request", is_last=True)
        if offered and _declines(words):
            return f"All right. {self._asked()}"
        if words & {"person", "human", "operator", "somebody", "someone"} or (
            "dentist" in words and words & {"speak", "talk"}
        ):
            return Reply(PERSON, "request", is_last=True)
        if words & {"goodbye", "bye"} or "forget it" in text:
            return Reply(GOODBYE, "request", is_last=True)
        if words & {"pardon", "repeat"} or "say that again" in text or "did you say" in text:
            return self._text
        if "help" in words or "can you do" in text:
            return f"{HELP} {self._asked()}"
        if self._wants_hours(words):
            return self._hours(text)
        if "appointment" in words or "have anything" in text:
            return self._note_when(understand(text, self._today())) or self._next()
        answers = {
            "request": self._request,
            "when": self._when,
            "name": self._names,
            "number": self._numbers,
            "confirm": self._confirm,
        }
        return answers[self._question](text, words) or self._small_talk(text, words)

    def _wants_hours(self, words: set[str]) -> bool:
        return bool(words & {"hours", "close", "closed"}) or {"you", "open"} <= words

    def _hours(self, text: str) -> str:
        day = understand(text, self._today()).day
        said = HOURS
        if day:
            opens, closes = opening_hours(day)
            name = say_day(day, self._today())
            said = f"Yes, {name} we are open from {say_time(opens)} to {say_time(closes)}."
            if opens == closes:
                said = f"No, we are closed {name}."
        return f"{said} {self._asked()}"

    def _small_talk(self, text: str, words: set[str]) -> str | None:
        if words & {"thank", "thanks"} and not _declines(words):
            return f"You are welcome. {self._asked()}"
        if words & {"you", "your", "joke", "weather"}:
            return f"I am afraid that I only know our diary and our opening hours. {self._asked()}"
        if words & {"hello", "hi"} or text.startswith("good "):
            return f"Hello. {self._asked()}"
        return None

    # ---- what was asked for

    def _request(self, text: str, words: set[str]) -> str | Reply | None:
        if when := understand(text, self._today()):
            return self._note_when(when) or self._next()
        if _declines(words) or {"that's", "all"} <= words or "that is all" in text:
            return Reply(GOODBYE, "request", is_last=True)
        return "What can I do for you?" if _agrees(words) else None

    def _when(self, text: str, words: set[str]) -> str | None:
        if when := understand(text, self._today()):
            return self._note_when(when) or self._next()
        if _declines(words):
            self._question = "request"
            return "All right. What else can I do for you?"
        return None

    def _note_when(self, when: When) -> str | None:
        """Take note of a day and a time, or say what is wrong with them."""
        self._question = "when"
        self._day = when.day or self._day
        self._time = when.at or self._time
        if self._day and opening_hours(self._day) == (time(0), time(0)):
            self._day = None
            return "We are closed on Sunday. Which other day would suit you?"
        if self._day and self._time:
            opens, closes = opening_hours(self._day)
            if not opens <= self._time < closes:
                self._time = None
                day = say_day(self._day, self._today())
                return (
                    f"We are open {day} from {say_time(opens)} to {say_time(closes)}. "
                    "What time would you like?"
                )
            free = self._diary.free(self._day, self._time)
            if free != self._time:
                taken, self._time = say_time(self._time), None
                if free is None:
                    self._day = None
                    return f"{taken.capitalize()} is taken, and so is the rest of that day. Which other day?"
                return f"{taken.capitalize()} is taken. {say_time(free).capitalize()} is free. What time would you like?"
        if when.part and self._day and not self._time:
            return f"At what time in the {when.part}?"
        return None

    def _names(self, text: str, words: set[str]) -> str | None:
        name = re.sub(
            r"^.*\b(my name is|the name is|name's|it's|it is|this is|i am|i'm) ", "", text
        )
        name = re.sub(r"[^a-z' -]", "", name).strip()
        letters = name.replace("-", " ").replace("x ray", "x-ray").split()
        if len(letters) > 1 and all(len(each) == 1 or each in _NATO for each in letters):
            name = "".join(each[0] for each in letters)
        if not name or len(name.split()) > 3 or _agrees(words) or _declines(words):
            return None
        if words & {"hello", "hi", "thank", "you", "your"}:
            return None
        self._name = name.title()
        return self._next()

    def _numbers(self, text: str, words: set[str]) -> str | None:
        if text.startswith(_KEYS):
            digits = re.sub(r"\D", "", text)
        else:
            spoken = re.findall(r"[a-z]+|\d", text)
            digits = "".join(_DIGITS.get(each, each if each.isdigit() else "") for each in spoken)
        if len(digits) < 3:
            if not _declines(words):
                return None
            digits = ""
        self._number = digits
        return self._next()

    def _confirm(self, text: str, words: set[str]) -> str | None:
        if when := understand(text, self._today()):
            return self._note_when(when) or self._next()
        if _declines(words):
            self._day = self._time = None
            self._question = "when"
            return "Sorry. Which day and what time would you like?"
        if not _agrees(words) or not self._day or not self._time:
            return None
        if problem := self._note_when(When(self._day, self._time)):
            return problem  # somebody else was quicker
        self._diary.booked[datetime.combine(self._day, self._time)] = self._name
        booked = f"{say_day(self._day, self._today())} at {say_time(self._time)}"
        self._day = self._time = None
        self._question = "request"
        return f"Your appointment is booked, {booked}. Is there anything else?"

    # ---- what to ask

    def _next(self) -> str:
        """Ask for what is still missing."""
        if not self._day:
            self._question = "when"
            return "Which day would suit you?"
        if not self._time:
            self._question = "when"
            return "What time would you like?"
        if not self._name:
            self._question = "name"
            return "What is your name? You can spell it with alfa, bravo, charlie."
        if self._number is None:
            self._question = "number"
            return "And your telephone number? Say the digits, or key them in."
        self._question = "confirm"
        day, at = say_day(self._day, self._today()), say_time(self._time)
        ending = (
            f", and a number that ends in {' '.join(self._number[-3:])}" if self._number else ""
        )
        return f"An appointment for {self._name}, {day} at {at}{ending}. Is that right?"

    def _asked(self) -> str:
        """The question that is still to be answered, in short."""
        if self._question == "request":
            return "What can I do for you?"
        return self._next()

    def _ask_again(self) -> str:
        if self._unclear >= 3:
            self._offers_person = True
            return "I am sorry, I do not understand you. Shall I get you a person?"
        if self._unclear == 2:
            hints = {
                "request": HELP,
                "when": "Say a day and a time, such as Friday at half past two.",
                "name": "Say your last name, or spell it with alfa, bravo, charlie.",
                "number": "Say the digits one by one, or key them in and press the hash key.",
                "confirm": "Say yes, or no, or another day or time.",
            }
            return f"I am afraid I did not get that. {hints[self._question]}"
        return f"Sorry, I did not understand. {self._asked()}"


def _agrees(words: set[str]) -> bool:
    return bool(words & {"yes", "yeah", "correct", "sure", "right", "fine", "okay", "yep"})


def _declines(words: set[str]) -> bool:
    return bool(words & {"no", "nope", "wrong", "not", "nothing"})
