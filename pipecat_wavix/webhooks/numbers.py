"""Telephone numbers, as Wavix writes them and as they are compared.

Wavix's own examples show one number with `+` and the next without, so both are read.
"""

import re

# ITU-T E.164: a country code, which never begins with 0, and at most 15 digits in all. The least
# is what no number in use is shorter than.
_E164 = re.compile(r"[1-9][0-9]{6,14}")
_DECORATION = str.maketrans("", "", " -.()\N{NO-BREAK SPACE}")


def e164(number: str) -> str | None:
    """Write a number in E.164.

    Args:
        number: International, with or without `+`; spaces, dots, hyphens and parentheses are let
            through.

    Returns:
        `+` and 7 to 15 digits; None if it is no such number, such as of an anonymous caller.
    """
    digits = number.strip().translate(_DECORATION).removeprefix("+")
    return f"+{digits}" if _E164.fullmatch(digits) else None


def last_digits(number: str | None) -> str:
    """What of a number may be logged: its last four digits."""
    return f"...{number[-4:]}" if number and len(number) > 4 else "unknown"
