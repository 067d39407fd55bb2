"""Days and times as people say them: "Tuesday afternoon, half past two".

It knows English. It refuses to know which days and times are to be had.
"""

import re
from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import Literal

Part = Literal["morning", "afternoon"]

WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
HOURS = (
    "one two three four five six seven eight nine ten eleven twelve".split()  # noqa: SIM905 - to be read
)
_MINUTES = {"thirty": 30, "fifteen": 15, "forty five": 45, "forty-five": 45}
_FIRST_HOUR = 8  # an hour before it is one of the afternoon: nobody makes appointments at night

_HOUR = rf"(?P<hour>{'|'.join(HOURS)}|\d{{1,2}})"
_TIMES = [
    re.compile(rf"(?P<shift>half past|quarter past|quarter to) {_HOUR}\b"),
    re.compile(rf"\b{_HOUR}(?::| )(?P<minutes>\d\d|thirty|fifteen|forty[ -]five)\b"),
    re.compile(rf"\b{_HOUR}\b"),
]
_DAYS = re.compile("|".join(["day after tomorrow", "tomorrow", "today", *WEEKDAYS]))
_SHIFTS = {"half past": 30, "quarter past": 15, "quarter to": -15}


@dataclass(frozen=True)
class When:
    """A day and a time, as far as they were said.

    Attributes:
        day: The day.
        at: The time.
        part: The part of the day, if it was said without a time.
    """

    day: date | None = None
    at: time | None = None
    part: Part | None = None

    def __bool__(self) -> bool:
        return (self.day or self.at or self.part) is not None


def understand(text: str, today: date) -> When:
    """Find a day and a time in what was said. What is said last, counts: people correct themselves."""
    text = re.sub(r"[^a-z0-9: -]", "", text.lower().replace(".", "").replace("'", ""))
    part: Part | None = None
    if "morning" in text.replace("good morning", ""):
        part = "morning"
    elif "afternoon" in text.replace("good afternoon", ""):
        part = "afternoon"
    at = _time(text, part)
    return When(_day(text, today), at, None if at else part)


def _day(text: str, today: date) -> date | None:
    days = {word: (number - today.weekday() - 1) % 7 + 1 for number, word in enumerate(WEEKDAYS)}
    days |= {"day after tomorrow": 2, "tomorrow": 1, "today": 0}
    said = _DAYS.findall(text)
    return today + timedelta(days=days[said[-1]]) if said else None


def _time(text: str, part: Part | None) -> time | None:
    if re.search(r"\bnoon\b", text):
        return time(12)
    for pattern in _TIMES:
        if not (found := list(pattern.finditer(text))):
            continue
        said = found[-1].groupdict()
        hour = HOURS.index(said["hour"]) + 1 if said["hour"] in HOURS else int(said["hour"])
        minutes = _SHIFTS.get(said.get("shift") or "", 0)
        if words := said.get("minutes"):
            minutes = _MINUTES[words] if words in _MINUTES else int(words)
        later = part == "afternoon" or "pm" in text
        earlier = part == "morning" or re.search(r"\d ?am\b", text)
        if hour < 12 and (later or (hour < _FIRST_HOUR and not earlier)):
            hour += 12
        total = hour * 60 + minutes
        return time(total // 60, total % 60) if 0 <= total < 24 * 60 and minutes < 60 else None
    return None


def say_day(day: date, today: date) -> str:
    """Say a day, as in "tomorrow" or "on Tuesday"."""
    ahead = (day - today).days
    names = {0: "today", 1: "tomorrow"}
    return names.get(ahead) or f"on {WEEKDAYS[day.weekday()].title()}"


def say_time(at: time) -> str:
    """Say a time, as in "half past two"."""
    hour = HOURS[(at.hour - 1) % 12]
    if at.minute == 0:
        return "noon" if at.hour == 12 else f"{hour} o'clock"
    if at.minute in (15, 30):
        return f"{'quarter' if at.minute == 15 else 'half'} past {hour}"
    if at.minute == 45:
        return f"quarter to {HOURS[at.hour % 12]}"
    return f"{at.hour}:{at.minute:02}"
