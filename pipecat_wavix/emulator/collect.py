"""The keys of a caller, collected until there are enough.

It knows attempts, keys and their limits. It refuses to know clocks, prompts and calls. Source:
Wavix's OpenAPI specification (2026-06-30), `collect`, which has the fields and is silent about what
they do; here:

An attempt ends with its `max_digits`th key, or with the termination character, which is not one of
the digits, or when no key came for `timeout` seconds. If there are digits then, they are the
answer. If there are none, the next attempt begins; after the last one the collection has failed.
"""

from dataclasses import dataclass, field
from typing import Final, Literal

DEFAULT_MAX_DIGITS: Final = 20
DEFAULT_TIMEOUT_SECS: Final = 10
"""Wavix states no defaults."""


@dataclass(kw_only=True)
class Collection:
    """One collection.

    Attributes:
        max_digits: How many end it.
        timeout_secs: How long a key may take to come, in seconds.
        termination_character: The key that ends it, or `None`.
        max_attempts: How often a silent caller is asked.
        digits: What was pressed in this attempt.
        attempt: Which attempt this is, from 1 on.
    """

    max_digits: int = DEFAULT_MAX_DIGITS
    timeout_secs: float = DEFAULT_TIMEOUT_SECS
    termination_character: str | None = None
    max_attempts: int = 1
    digits: str = field(default="", init=False)
    attempt: int = field(default=1, init=False)

    def press(self, key: str) -> Literal["completed"] | None:
        """Take in a key.

        Returns:
            `completed` if that ends the collection.
        """
        if key == self.termination_character:
            # With nothing entered it is a choice of its own: "none".
            return "completed"
        self.digits += key
        return "completed" if len(self.digits) >= self.max_digits else None

    def time_out(self) -> Literal["completed", "failed"] | None:
        """Note that no key came in time.

        Returns:
            How that ends the collection, or `None` if the next attempt begins.
        """
        if self.digits:
            return "completed"
        if self.attempt >= self.max_attempts:
            return "failed"
        self.attempt += 1
        return None
