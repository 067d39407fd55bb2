"""The media stream's socket, from the bot's end.

It knows how a stream opens. It refuses to know what its audio means.
"""

import asyncio
from typing import Any

from pipecat_wavix.errors import WavixStreamError
from pipecat_wavix.protocol import Connected, Rejected, Start, parse
from pipecat_wavix.transport.socket import adapt

START_TIMEOUT_SECS = 10.0
"""How long Wavix may take from opening the socket to `start`."""

_MESSAGES_BEFORE_START = 8
"""Wavix sends one, `connected`. Who sends more than a few of anything else is not Wavix."""


async def wait_for_start(websocket: Any, *, timeout_secs: float = START_TIMEOUT_SECS) -> Start:
    """Read a fresh, accepted socket up to the `start` of its stream.

    Args:
        websocket: A Starlette or FastAPI `WebSocket`, or a connection of `websockets`. The caller
            has accepted it, and still owns it if this raises.
        timeout_secs: Seconds until `start` has to be here.

    Returns:
        The event: the call's and the stream's id, the stream's type and channel.

    Raises:
        WavixStreamError: If there is no `start` in time, or something else in its place.
        TypeError: If `websocket` is neither.
    """
    socket = adapt(websocket)
    try:
        async with asyncio.timeout(timeout_secs):
            for _ in range(_MESSAGES_BEFORE_START):
                message = await socket.receive()
                if message is None:
                    raise WavixStreamError("the socket closed before start")
                match parse(message):
                    case Start() as start:
                        return start
                    case Connected():
                        continue
                    case Rejected(kind=kind, reason=reason):
                        raise WavixStreamError(f"expected start, got {kind}: {reason}")
                    case event:
                        raise WavixStreamError(f"expected start, got {type(event).__name__}")
    except TimeoutError:
        raise WavixStreamError(f"no start within {timeout_secs} s of the socket's opening") from None
    raise WavixStreamError(f"no start among the first {_MESSAGES_BEFORE_START} messages")
