"""Wavix's REST API, as far as calls need it.

Source: Wavix's OpenAPI specification (2026-06-30), https://api.wavix.com, Bearer authentication.
"""

from pipecat_wavix.client.checks import check_id
from pipecat_wavix.client.client import BASE_URL, HANG_UP_TIMEOUT_SECS, WavixClient
from pipecat_wavix.client.types import CallWebhook, Prompt, WavixNumber

__all__ = [
    "BASE_URL",
    "HANG_UP_TIMEOUT_SECS",
    "CallWebhook",
    "Prompt",
    "WavixClient",
    "WavixNumber",
    "check_id",
]
