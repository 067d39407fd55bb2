"""Recorded prompts that an account's server serves, fetched as Wavix fetches them.

It knows URLs of WAV files and the limits of a fetch. It refuses to know calls. It fetches from this
machine alone unless it is told otherwise: an emulator must not be a way into a network.
"""

import asyncio
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from pipecat_wavix.emulator.callers import load_wav

MAX_BYTES: Final = 10 * 1024 * 1024
"""The longest file that is fetched: over three minutes of PCM16 at 24 kHz."""

TIMEOUT_SECS: Final = 5.0
"""How long a fetch may take."""


class NoPromptError(Exception):
    """A prompt cannot be had; the message says why, and holds no URL."""


def is_loopback(host: str | None) -> bool:
    """Whether a host, as a URL or a header names it, is this machine; no name is looked up."""
    if host is None:
        return False
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


async def fetch(http: aiohttp.ClientSession, url: str, *, anywhere: bool) -> bytes:
    """Fetch a prompt.

    Args:
        http: What to fetch it with.
        url: Of a WAV file: http or https.
        anywhere: Whether it may lie on another machine.

    Returns:
        PCM16 little-endian at 24 kHz, mono.

    Raises:
        NoPromptError: It may not be fetched, cannot be fetched, or is no WAV file.
    """
    if not (anywhere or is_loopback(urlsplit(url).hostname)):
        raise NoPromptError(
            "is on another machine: serve it on 127.0.0.1, or set "
            "EmulatorSettings.prompts_from_anywhere"
        )
    try:
        async with (
            asyncio.timeout(TIMEOUT_SECS),
            http.get(url, allow_redirects=False) as response,
        ):
            if response.status != 200:
                raise NoPromptError(f"could not be fetched: status {response.status}")
            data = bytearray()
            async for chunk in response.content.iter_chunked(65536):
                data += chunk
                if len(data) > MAX_BYTES:
                    raise NoPromptError(f"is longer than {MAX_BYTES} bytes")
    except TimeoutError:
        raise NoPromptError(f"could not be fetched within {TIMEOUT_SECS:.0f} s") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise NoPromptError(f"could not be fetched: {type(error).__name__}") from None
    try:
        return await asyncio.to_thread(read_wav, bytes(data))
    except ValueError as error:
        raise NoPromptError(f"is not understood: {error}") from None


def read_wav(data: bytes) -> bytes:
    """Read a WAV file that is in memory; see `callers.load_wav`.

    Args:
        data: The file.

    Returns:
        PCM16 little-endian at 24 kHz, mono.

    Raises:
        ValueError: It is another kind of file.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "prompt.wav"
        path.write_bytes(data)
        try:
            return load_wav(path)
        except ValueError as error:
            # Without the path, which is nobody's.
            raise ValueError(str(error).removeprefix(f"{path}: ")) from None
