"""What may go into a request, checked before anything is sent.

It knows the limits of Wavix's specification and what would change a URL or a header. A `ValueError`
names the argument, the limit and the way out, and never shows a key, a number or a URL.
"""

import ipaddress
import math
import re
from collections.abc import Collection

from yarl import URL

from pipecat_wavix.webhooks import e164

_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_KEY = re.compile(r"[\x21-\x7e]+")


def check_id(value: str, *, name: str) -> str:
    """Answer an id that may enter a URL's path.

    Wavix's ids are UUIDs; its examples show others, so any word of letters, digits, `_` and `-`
    is let through.

    Args:
        value: The id.
        name: What it is the id of, for the error.

    Raises:
        ValueError: If it holds anything else.
    """
    if not _ID.fullmatch(value):
        raise ValueError(
            f"{name} must be 1 to 128 letters, digits, '_' or '-'; got {len(value)} characters. "
            "Pass the id as Wavix's `start` event or webhook gave it."
        )
    return value


def check_key(value: str) -> str:
    """Answer an API key that may enter a header.

    Raises:
        ValueError: If it is empty or holds spaces, line breaks or anything but ASCII.
    """
    if not value:
        raise ValueError("api_key is empty. Pass the key of your Wavix account.")
    if not _KEY.fullmatch(value):
        raise ValueError(
            "api_key holds a space, a line break or another character that no key has. "
            "Pass the key alone; strip what was read from a file."
        )
    return value


def check_base_url(value: str) -> str:
    """Answer where the API lives, without a slash at the end.

    Raises:
        ValueError: If the key would travel unprotected, or the URL holds more than a place.
    """
    url = _parse(value)
    if url is None or url.scheme not in ("http", "https") or not url.host:
        raise ValueError("base_url is no http(s) URL. Pass one such as https://api.wavix.com")
    if url.user is not None or url.password is not None or url.query_string or url.fragment:
        raise ValueError(
            "base_url holds a user, a query or a fragment. Pass scheme, host and path; "
            "the key goes into api_key."
        )
    if url.scheme == "http" and not _is_loopback(url.host):
        raise ValueError(
            f"base_url is http to {url.host}: the API key would be sent unencrypted. Use https, "
            "or http to this machine alone (localhost, 127.0.0.1, ::1)."
        )
    return str(url).rstrip("/")


def check_url(value: str, *, name: str, schemes: Collection[str]) -> str:
    """Answer a URL that Wavix is to open.

    Args:
        value: The URL.
        name: The argument's name, for the error.
        schemes: What it may begin with.

    Raises:
        ValueError: If it is another scheme's, relative, or holds blanks or a fragment. The URL is
            not shown, for its path may be a secret.
    """
    url = _parse(value)
    if url is None or url.scheme not in schemes or not url.host or url.fragment:
        raise ValueError(
            f"{name} is no {' or '.join(schemes)} URL that Wavix could open. "
            f"Pass a whole one, {next(iter(schemes))}://host/path, without blanks or fragment."
        )
    return value


def check_number(value: str, *, name: str) -> str:
    """Answer a telephone number in E.164.

    Raises:
        ValueError: If it is none.
    """
    number = e164(value)
    if number is None:
        raise ValueError(
            f"{name} is no telephone number in E.164; got {len(value)} characters. "
            "Pass '+', the country code and the number: 7 to 15 digits in all."
        )
    return number


def check_one_of(value: str, *, name: str, of: Collection[str]) -> str:
    """Answer one of a few words.

    Raises:
        ValueError: If it is another.
    """
    if value not in of:
        raise ValueError(f"{name} is {value!r}. Pass one of: {', '.join(of)}.")
    return value


def check_whole(value: int, *, name: str, least: int, most: int | None = None) -> int:
    """Answer a whole number within its limits.

    Raises:
        ValueError: If it is not whole, or beyond them.
    """
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or value < least or (most is not None and value > most):
        limits = f"{least} to {most}" if most is not None else f"at least {least}"
        raise ValueError(f"{name} is {value!r}. Pass a whole number, {limits}.")
    return value


def check_secs(value: float, *, name: str) -> float:
    """Answer a time limit, in seconds.

    Raises:
        ValueError: If it is not more than nothing, or without end.
    """
    if not 0 < value < math.inf:
        raise ValueError(f"{name} is {value!r}. Pass a number of seconds greater than 0.")
    return value


def _parse(value: str) -> URL | None:
    # yarl would quote what is not printable or blank; Wavix would get another URL than was meant.
    if not value.isprintable() or " " in value:
        return None
    try:
        return URL(value)
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
