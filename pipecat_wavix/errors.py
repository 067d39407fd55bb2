"""The errors of this package: one class for each reason on which a caller could act.

    WavixError
    ├── WavixAPIError      Wavix's REST API answered, and the answer was no
    ├── WavixUnreachable   Wavix's REST API gave no answer; whether it acted is not known
    └── WavixStreamError   a media socket did not open as Wavix opens one

Wrong arguments are `ValueError`, as everywhere in Python.
"""


class WavixError(Exception):
    """Any failure that this package reports."""


class WavixAPIError(WavixError):
    """Wavix's REST API refused a request.

    Attributes:
        status: The HTTP status. Branch on this one alone: Wavix's texts vary.
    """

    def __init__(self, message: str, *, status: int):
        super().__init__(message)
        self.status = status


class WavixUnreachable(WavixError):  # noqa: N818 - reads as what it is
    """Wavix's REST API gave no answer in time."""


class WavixStreamError(WavixError):
    """A media socket did not begin with a `start` in time."""
