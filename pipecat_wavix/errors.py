"""The errors of this package: one class for each reason on which a caller could act.

    WavixError
    ├── WavixAPIError              Wavix's REST API answered, and the answer was no
    │   ├── WavixBadRequest        400, 422: the request is wrong; `errors` says where
    │   ├── WavixUnauthorized      401: the key is wrong
    │   ├── WavixForbidden         403: the account or the key may not do this
    │   ├── WavixNotFound          404: there is no such call, stream or number
    │   ├── WavixRateLimited       429: later, perhaps
    │   └── WavixServerError       5xx: Wavix failed
    ├── WavixUnreachable           Wavix's REST API gave no answer
    │   ├── WavixNotSent           no connection was made: nothing was done
    │   └── WavixOutcomeUnknown    it may have been done, or not
    └── WavixStreamError           a media socket did not open as Wavix opens one

Wrong arguments are `ValueError`, as everywhere in Python.
"""

from collections.abc import Mapping


class WavixError(Exception):
    """Any failure that this package reports."""


class WavixAPIError(WavixError):
    """Wavix's REST API refused a request, or answered it with what cannot be read.

    Attributes:
        status: The HTTP status. Branch on this one, or on the class: Wavix's texts vary.
        errors: What is wrong with which field, where Wavix said so, fit to be logged.
        retry_after_secs: How long Wavix asks to be left alone, where it said so.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        errors: Mapping[str, str] | None = None,
        retry_after_secs: float | None = None,
    ):
        super().__init__(message)
        self.status = status
        self.errors = dict(errors or {})
        self.retry_after_secs = retry_after_secs


class WavixBadRequest(WavixAPIError):  # noqa: N818 - reads as what it is
    """The request is wrong (400, 422): the same request will be refused again."""


class WavixUnauthorized(WavixAPIError):  # noqa: N818 - reads as what it is
    """The key is not accepted (401)."""


class WavixForbidden(WavixAPIError):  # noqa: N818 - reads as what it is
    """The account or the key may not do this (403)."""


class WavixNotFound(WavixAPIError):  # noqa: N818 - reads as what it is
    """There is no such call, stream or number (404)."""


class WavixRateLimited(WavixAPIError):  # noqa: N818 - reads as what it is
    """Too many requests (429)."""


class WavixServerError(WavixAPIError):
    """Wavix failed (5xx). Whether what was asked has been done is not certain."""


class WavixUnreachable(WavixError):  # noqa: N818 - reads as what it is
    """Wavix's REST API gave no answer in time."""


class WavixNotSent(WavixUnreachable):
    """No connection was made, so the request never left: it may be repeated."""


class WavixOutcomeUnknown(WavixUnreachable):
    """The request was sent, or may have been, and no answer could be read.

    Attributes:
        tag: Of a dial: the tag by which the call, if there is one, can be found.
    """

    def __init__(self, message: str, *, tag: str | None = None):
        super().__init__(message)
        self.tag = tag


class WavixStreamError(WavixError):
    """A media socket did not begin with a `start` in time."""
