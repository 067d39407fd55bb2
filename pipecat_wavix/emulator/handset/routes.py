"""The handset's routes: the page, what it can call, a voice for it, and the socket of its calls.

It knows HTTP, and who may ask. It refuses to know calls.

    GET  /_emulator/phone          the page
    GET  /_emulator/phone/{file}   its parts
    GET  /_emulator/phone/options  whom to call, and the network's settings to begin with
    POST /_emulator/phone/voice    {"text"}: PCM16 at 24 kHz, spoken by the offline voice
    WS   /_emulator/phone/socket   see `session`
"""

import asyncio
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from pipecat_wavix.emulator.endpoint import AnswerError, json_body
from pipecat_wavix.emulator.handset import PATH
from pipecat_wavix.emulator.handset.session import Session
from pipecat_wavix.emulator.platform import Platform
from pipecat_wavix.emulator.voice import speak

MAX_TEXT: Final = 1000
"""The longest text that is spoken at once, in characters: about a minute."""

_PAGE: Final = Path(__file__).parent / "page"
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'self'; connect-src 'self' ws: wss:; frame-ancestors 'none'; form-action 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Handset:
    """The routes of the page.

    Args:
        platform: Who is called through.

    Attributes:
        routes: All of its routes.
    """

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self.routes: list[BaseRoute] = [
            Route(PATH, self._page),
            Route(f"{PATH}/options", self._options),
            Route(f"{PATH}/voice", self._voice, methods=["POST"]),
            Route(f"{PATH}/{{name}}", self._file),
            WebSocketRoute(f"{PATH}/socket", self._socket),
        ]

    async def _page(self, _request: Request) -> Response:
        return FileResponse(_PAGE / "index.html", media_type="text/html", headers=_HEADERS)

    async def _file(self, request: Request) -> Response:
        parts = {path.name: path for path in _PAGE.iterdir() if path.suffix in _TYPES}
        path = parts.get(request.path_params["name"])
        if path is None:
            return Response(status_code=404)
        return FileResponse(path, media_type=_TYPES[path.suffix], headers=_HEADERS)

    async def _options(self, _request: Request) -> Response:
        platform = self._platform
        network = platform.settings.call.network
        of_account = "on-call" in platform.webhooks
        options = {
            "to": platform.settings.handset_to,
            "numbers": [
                {"number": number.number, "has_webhook": of_account or bool(number.call_status_url)}
                for number in platform.numbers
            ],
            "network": {
                "delay_ms": network.delay_ms,
                "jitter_ms": network.jitter_ms,
                "loss": network.loss,
            },
        }
        return JSONResponse(options, headers=_HEADERS)

    async def _voice(self, request: Request) -> Response:
        try:
            text = (await json_body(request, 16 * MAX_TEXT)).get("text")
            if not isinstance(text, str) or not 0 < len(text) <= MAX_TEXT or "\0" in text:
                raise AnswerError(400, f"text is what to say: 1 to {MAX_TEXT} characters")
            pcm = await asyncio.to_thread(speak, text)
        except AnswerError as error:
            return JSONResponse(error.body, error.status)
        except (ModuleNotFoundError, RuntimeError) as error:
            return JSONResponse({"success": False, "message": str(error)}, 501)
        return Response(pcm, media_type="application/octet-stream", headers=_HEADERS)

    async def _socket(self, websocket: WebSocket) -> None:
        # A page of another site, or of another server on this machine, may open sockets anywhere.
        origin = urlsplit(websocket.headers.get("origin", "")).netloc
        if not origin or origin != websocket.headers.get("host"):
            await websocket.close()  # before it is accepted: 403
            return
        await Session(self._platform, websocket).run()
