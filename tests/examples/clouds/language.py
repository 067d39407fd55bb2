"""What the stand-ins of language models answer, by a script."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Call:
    """A model's wish to call a function."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


Reply = str | Call
"""A text that is said, or a function that is called."""


class RefusedError(Exception):
    """The service would not take such a request; the message tells why."""


class Replies:
    """The replies that a model is going to give, one a request."""

    def __init__(self, replies: Iterable[Reply]) -> None:
        self._replies = list(replies)

    def next(self) -> Reply:
        """The next one.

        Raises:
            RefusedError: If there is none left.
        """
        if not self._replies:
            raise RefusedError("the script has no more replies")
        return self._replies.pop(0)


def tokens(text: str) -> list[str]:
    """A text in pieces as a model streams them: words with the space before them."""
    return re.findall(r"\s*\S+", text)


def refuse_unless(true: object, why: str) -> None:
    """Raise `RefusedError` unless something is true."""
    if not true:
        raise RefusedError(why)
