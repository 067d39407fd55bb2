"""The answer of a call to what it cannot do in its state.

It knows words. It refuses to know calls and HTTP.
"""

from collections.abc import Mapping


class RefusedError(Exception):
    """The call is not in a state for what is asked.

    Attributes:
        errors: What is wrong, by field of the request; empty if it is not about one.
    """

    def __init__(self, message: str, errors: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.errors = dict(errors or {})
