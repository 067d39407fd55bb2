"""Days and times, as people say them."""

from datetime import date, time

import pytest

MONDAY = date(2026, 3, 2)


@pytest.fixture
def dates(example):
    return example("offline.dates")


@pytest.mark.parametrize(
    ("text", "day", "at"),
    [
        ("tomorrow at ten", date(2026, 3, 3), time(10)),
        ("Tuesday afternoon, half past two.", date(2026, 3, 3), time(14, 30)),
        ("the day after tomorrow", date(2026, 3, 4), None),
        ("tomorrow, no, the day after tomorrow", date(2026, 3, 4), None),
        ("the day after tomorrow, no, tomorrow", date(2026, 3, 3), None),
        ("not tuesday, wednesday", date(2026, 3, 4), None),
        ("today", MONDAY, None),
        ("monday", date(2026, 3, 9), None),
        ("next sunday", date(2026, 3, 8), None),
        ("at noon", None, time(12)),
        ("a quarter to four", None, time(15, 45)),
        ("quarter past twelve", None, time(12, 15)),
        ("at nine in the morning", None, time(9)),
        ("at eleven in the afternoon", None, time(23)),
        ("two thirty", None, time(14, 30)),
        ("ten forty five", None, time(10, 45)),
        ("2:30 p.m.", None, time(14, 30)),
        ("14:05", None, time(14, 5)),
        ("7 am", None, time(7)),
        ("half past 3", None, time(15, 30)),
        ("good morning", None, None),
        ("good afternoon", None, None),
        ("25 o'clock", None, None),
        ("ten 75", None, None),
    ],
)
def test_a_day_and_a_time_are_found_in_what_was_said(dates, text, day, at):
    assert dates.understand(text, MONDAY) == dates.When(day, at)


def test_a_part_of_a_day_counts_as_long_as_there_is_no_time(dates):
    assert dates.understand("friday morning", MONDAY).part == "morning"
    assert dates.understand("in the afternoon", MONDAY) == dates.When(part="afternoon")
    assert dates.understand("in the afternoon at two", MONDAY).part is None
    assert not dates.understand("how are you", MONDAY)


def test_what_it_says_it_understands(dates):
    for hour in range(8, 19):
        for minute in (0, 15, 30, 45):
            said = dates.say_time(time(hour, minute))
            assert dates.understand(said, MONDAY).at == time(hour, minute), said
    for ahead in range(7):
        day = date(2026, 3, 2 + ahead)
        assert dates.understand(dates.say_day(day, MONDAY), MONDAY).day == day
    assert dates.say_time(time(14, 5)) == "14:05"
