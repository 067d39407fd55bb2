"""Pipecat bots on real telephone calls, over Wavix Call Media Streaming.

Public names load when they are first used, so that `import pipecat_wavix` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipecat_wavix.client import WavixClient as WavixClient
    from pipecat_wavix.errors import (
        WavixAPIError as WavixAPIError,
        WavixBadRequest as WavixBadRequest,
        WavixError as WavixError,
        WavixForbidden as WavixForbidden,
        WavixNotFound as WavixNotFound,
        WavixNotSent as WavixNotSent,
        WavixOutcomeUnknown as WavixOutcomeUnknown,
        WavixRateLimited as WavixRateLimited,
        WavixServerError as WavixServerError,
        WavixStreamError as WavixStreamError,
        WavixUnauthorized as WavixUnauthorized,
        WavixUnreachable as WavixUnreachable,
    )
    from pipecat_wavix.frames import (
        WavixConnectedFrame as WavixConnectedFrame,
        WavixCutTextFrame as WavixCutTextFrame,
        WavixMarkFrame as WavixMarkFrame,
        WavixMarkReturnedFrame as WavixMarkReturnedFrame,
        WavixStreamStartedFrame as WavixStreamStartedFrame,
        WavixStreamStoppedFrame as WavixStreamStoppedFrame,
    )
    from pipecat_wavix.serializer import WavixFrameSerializer as WavixFrameSerializer
    from pipecat_wavix.server import (
        Accept as Accept,
        Reject as Reject,
        WavixCallData as WavixCallData,
        WavixSettings as WavixSettings,
        wavix_router as wavix_router,
    )
    from pipecat_wavix.transport.connection import wait_for_start as wait_for_start
    from pipecat_wavix.transport.dtmf import Keys as Keys
    from pipecat_wavix.transport.heard import Heard as Heard
    from pipecat_wavix.transport.params import WavixParams as WavixParams
    from pipecat_wavix.transport.statistics import CallStatistics as CallStatistics
    from pipecat_wavix.transport.transport import WavixTransport as WavixTransport
    from pipecat_wavix.webhooks import WavixCall as WavixCall

__version__ = "2.0.0"

_HOME = {
    "Accept": "server",
    "CallStatistics": "transport.statistics",
    "Heard": "transport.heard",
    "Keys": "transport.dtmf",
    "Reject": "server",
    "WavixAPIError": "errors",
    "WavixBadRequest": "errors",
    "WavixCall": "webhooks",
    "WavixCallData": "server",
    "WavixClient": "client",
    "WavixConnectedFrame": "frames",
    "WavixCutTextFrame": "frames",
    "WavixError": "errors",
    "WavixForbidden": "errors",
    "WavixFrameSerializer": "serializer",
    "WavixMarkFrame": "frames",
    "WavixMarkReturnedFrame": "frames",
    "WavixNotFound": "errors",
    "WavixNotSent": "errors",
    "WavixOutcomeUnknown": "errors",
    "WavixParams": "transport.params",
    "WavixRateLimited": "errors",
    "WavixServerError": "errors",
    "WavixSettings": "server",
    "WavixStreamError": "errors",
    "WavixStreamStartedFrame": "frames",
    "WavixStreamStoppedFrame": "frames",
    "WavixTransport": "transport.transport",
    "WavixUnauthorized": "errors",
    "WavixUnreachable": "errors",
    "wait_for_start": "transport.connection",
    "wavix_router": "server",
}

__all__ = sorted(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
