"""Wavix's REST API, as far as a call needs it.

Source: Wavix's OpenAPI specification (2026-06-30), https://api.wavix.com, Bearer authentication.
"""

import re
from typing import Final

import aiohttp

from pipecat_wavix.errors import WavixAPIError, WavixUnreachable

BASE_URL: Final = "https://api.wavix.com"
"""Where Wavix's REST API lives."""

HANG_UP_TIMEOUT_SECS: Final = 5.0
"""How long a hang-up may take. A call that ends must not wait for a slow API."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


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


async def hang_up(
    call_id: str,
    *,
    api_key: str,
    base_url: str = BASE_URL,
    timeout_secs: float = HANG_UP_TIMEOUT_SECS,
) -> None:
    """End a call: DELETE /v1/calls/{id}. A call that is gone already (404) counts as done.

    Args:
        call_id: The call's id.
        api_key: The Bearer key of the account.
        base_url: Where the API lives.
        timeout_secs: Seconds for the whole request.

    Raises:
        ValueError: If the call's id cannot be one.
        WavixAPIError: If Wavix refused.
        WavixUnreachable: If Wavix did not answer in time.
    """
    url = f"{base_url.rstrip('/')}/v1/calls/{check_id(call_id, name='call_id')}"
    timeout = aiohttp.ClientTimeout(total=timeout_secs)
    headers = {"Authorization": f"Bearer {api_key}"}
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.delete(url, headers=headers, allow_redirects=False) as response,
        ):
            status = response.status
    except TimeoutError:
        raise WavixUnreachable(f"no answer within {timeout_secs} s to the hang-up") from None
    except aiohttp.ClientError as error:
        raise WavixUnreachable(f"the hang-up failed: {type(error).__name__}") from error
    if not (200 <= status < 300 or status == 404):
        raise WavixAPIError(f"Wavix answered the hang-up with {status}", status=status)
