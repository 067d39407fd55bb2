"""The telephone numbers of the account.

It knows what Wavix tells of a number, how numbers are found, and what of them can be changed. It
refuses to know HTTP and calls. Source: Wavix's OpenAPI specification (2026-06-30), `Number`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

E164: Final = re.compile(r"\+?[1-9][0-9]{6,14}")
"""A number in E.164, its `+` left off or not: 7 to 15 digits."""

_FIRST_ID: Final = 101


def e164(number: str) -> str:
    """Bring a number into E.164, with its `+`.

    Raises:
        ValueError: It is none.
    """
    if not E164.fullmatch(number):
        raise ValueError(
            f"a number of {len(number)} characters is not in E.164: give 7 to 15 digits with the "
            "country's code first, as in '+12025550100'"
        )
    return "+" + number.removeprefix("+")


def masked(number: str) -> str:
    """As much of a number as a log may show: its last four digits."""
    return "…" + number[-4:]


@dataclass
class Number:
    """One number of the account.

    Attributes:
        id: An integer, as all of Wavix's numbers have.
        number: In E.164, with its `+`.
        call_status_url: Where the events of its calls are sent, or `None`.
        changes: What else of it was changed, by field.
    """

    id: int
    number: str
    call_status_url: str | None
    changes: dict[str, Any]

    def change(self, fields: Mapping[str, Any]) -> None:
        """Change what a PATCH may change; the emulator acts on `call_status_url` alone."""
        for name, value in fields.items():
            if name == "call_status_url":
                self.call_status_url = value
            elif name == "destinations":
                self.changes["destination"] = [
                    {"id": index, "trunk_id": None, "trunk_label": None, **destination}
                    for index, destination in enumerate(value, 1)
                ]
            else:
                self.changes[name] = value

    def as_number(self) -> dict[str, Any]:
        """Wavix's `Number`. It shows no `+`."""
        return {
            "id": self.id,
            "number": self.number.removeprefix("+"),
            "activation_fee": "0.0",
            "monthly_fee": "0.0",
            "per_min": "0.0",
            "city": "EMULATED",
            "state": None,
            "country": "United States",
            "country_short_name": "US",
            "destination": [],
            "channels": 24,
            "require_docs": [],
            "documents": [],
            "domestic_cli": True,
            "free_min": 0,
            "unlimited": False,
            "label": None,
            "status": "active",
            "seconds": "0",
            "added": "2026-01-01T00:00:00.000Z",
            "paid_until": "2099-12-31",
            "sms_enabled": False,
            "sms_relay_url": None,
            "cnam": None,
            "call_recording_enabled": False,
            "transcription_enabled": False,
            "transcription_threshold": 0,
            "call_status_url": self.call_status_url,
            **self.changes,
        }


class Numbers:
    """All numbers of the account.

    Args:
        numbers: In E.164.

    Raises:
        ValueError: One is not in E.164, or is there twice.
    """

    def __init__(self, numbers: Iterable[str]) -> None:
        self._by_number: dict[str, Number] = {}
        for id_, given in enumerate(numbers, _FIRST_ID):
            number = e164(given)
            if number in self._by_number:
                raise ValueError(f"number {masked(number)} is given twice: give it once")
            self._by_number[number] = Number(id_, number, None, {})

    def __iter__(self) -> Iterator[Number]:
        return iter(self._by_number.values())

    def __getitem__(self, number: str) -> Number:
        """Find a number by its digits, with or without `+`; `KeyError` if it is another's."""
        return self._by_number["+" + number.removeprefix("+")]

    def get(self, number: str) -> Number | None:
        """The same, or `None`."""
        return self._by_number.get("+" + number.removeprefix("+"))

    def by_id(self, id_: int) -> Number | None:
        """Find a number by its id."""
        return next((number for number in self if number.id == id_), None)

    def page(self, search: str, page: int, per_page: int) -> dict[str, Any]:
        """One page of Wavix's list of numbers.

        Args:
            search: Digits that must be in the number; empty for all.
            page: Which, from 1 on.
            per_page: How many a page.
        """
        found = [number for number in self if search.removeprefix("+") in number.number]
        start = (page - 1) * per_page
        return {
            "items": [number.as_number() for number in found[start : start + per_page]],
            "doc_types": [],
            "pagination": {
                "current_page": page,
                "per_page": per_page,
                "total": len(found),
                "total_pages": -(-len(found) // per_page),
            },
        }
