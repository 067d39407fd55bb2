"""Wavix's REST API, as far as a call needs it.

Source: Wavix's OpenAPI specification (2026-06-30), https://api.wavix.com, Bearer authentication.
"""

import asyncio
import re
from typing import Final

import aiohttp
from tenacity import (
    AsyncRetrying,
    retry_if_exception,
    stop_after_attempt,
    wait_random_exponential,
)

from pipecat_wavix.errors import WavixAPIError, WavixUnreachable

BASE_URL: Final = "https://api.wavix.com"
"""Where Wavix's REST API lives."""

HANG_UP_TIMEOUT_SECS: Final = 5.0
"""How long a hang-up may take, all tries together. A call that ends must not wait for a slow API."""

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


class WavixClient:
    """A client of Wavix's REST API.

    Args:
        api_key: The Bearer key of the account; it is never logged.
        base_url: Where the API lives.
    """

    def __init__(self, api_key: str, *, base_url: str = BASE_URL):
        if not api_key:
            raise ValueError("api_key is empty. Pass the key of your Wavix account.")
        self._api_key = api_key
        self._base_url = base_url.rstrip("/")

    async def hang_up(self, call_id: str) -> None:
        """End a call: DELETE /v1/calls/{id}. A call that is gone already (404) counts as done.

        What may pass (no answer, 429, 5xx) is tried up to three times in all; that is safe, for
        a call cannot end twice.

        Args:
            call_id: The call's id.

        Raises:
            ValueError: If the call's id cannot be one.
            WavixAPIError: If Wavix refused.
            WavixUnreachable: If Wavix did not answer within `HANG_UP_TIMEOUT_SECS` in all.
        """
        url = f"{self._base_url}/v1/calls/{check_id(call_id, name='call_id')}"
        try:
            async with (
                asyncio.timeout(HANG_UP_TIMEOUT_SECS),
                aiohttp.ClientSession(headers={"Authorization": f"Bearer {self._api_key}"}) as http,
            ):
                async for attempt in AsyncRetrying(
                    stop=stop_after_attempt(3),
                    wait=wait_random_exponential(multiplier=0.2, max=1),
                    retry=retry_if_exception(_may_pass),
                    reraise=True,
                ):
                    with attempt:
                        await self._delete(http, url)
        except TimeoutError:
            raise WavixUnreachable(
                f"no answer within {HANG_UP_TIMEOUT_SECS} s to the hang-up"
            ) from None

    async def _delete(self, http: aiohttp.ClientSession, url: str) -> None:
        timeout = aiohttp.ClientTimeout(total=HANG_UP_TIMEOUT_SECS)
        try:
            async with http.delete(url, allow_redirects=False, timeout=timeout) as response:
                status = response.status
        except aiohttp.ClientError as error:
            raise WavixUnreachable(f"the hang-up failed: {type(error).__name__}") from error
        if not (200 <= status < 300 or status == 404):
            raise WavixAPIError(f"Wavix answered the hang-up with {status}", status=status)


def _may_pass(error: BaseException) -> bool:
    if isinstance(error, WavixAPIError):
        return error.status == 429 or error.status >= 500
    return isinstance(error, WavixUnreachable)
