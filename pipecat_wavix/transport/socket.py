"""Two kinds of WebSocket under one face: Starlette's (FastAPI, Pipecat's runner) and `websockets`'.

It knows how each says that it was closed. It refuses to know what the messages mean.
"""

from typing import Any, Protocol


class Socket(Protocol):
    """A WebSocket whose far end may be gone at any time."""

    async def receive(self) -> str | bytes | None:
        """Wait for one message; None: the socket is closed, by whichever side."""
        ...

    async def send(self, text: str) -> bool:
        """Send one text message; False: the socket is closed, and the message is lost."""
        ...

    async def close(self, code: int = 1000) -> None:
        """Close the socket. One that is closed already stays so."""
        ...


def adapt(websocket: Any) -> Socket:
    """Put one face on a WebSocket.

    Args:
        websocket: An accepted Starlette or FastAPI `WebSocket`, or a connection of `websockets`.

    Raises:
        TypeError: If it is neither.
    """
    if hasattr(websocket, "receive") and hasattr(websocket, "send_text"):
        return _StarletteSocket(websocket)
    if hasattr(websocket, "recv") and hasattr(websocket, "send"):
        return _WebsocketsSocket(websocket)
    raise TypeError(
        f"{type(websocket).__name__} is no WebSocket that can be used here. Pass Starlette's or "
        "FastAPI's WebSocket, or a connection of the websockets library."
    )


class _StarletteSocket:
    def __init__(self, websocket: Any):
        self._websocket = websocket

    async def receive(self) -> str | bytes | None:
        try:
            message = await self._websocket.receive()
        except RuntimeError:  # a disconnect was received before, or we closed
            return None
        if message["type"] != "websocket.receive":
            return None
        text: str | None = message.get("text")
        return text if text is not None else message.get("bytes", b"")

    async def send(self, text: str) -> bool:
        try:
            await self._websocket.send_text(text)
        except Exception:  # servers differ in how they say that the far end is gone
            return False
        return True

    async def close(self, code: int = 1000) -> None:
        try:
            await self._websocket.close(code)
        except Exception:  # likewise, and then it is closed
            return


class _WebsocketsSocket:
    def __init__(self, websocket: Any):
        self._websocket = websocket

    async def receive(self) -> str | bytes | None:
        from websockets.exceptions import ConnectionClosed

        try:
            message: str | bytes = await self._websocket.recv()
        except ConnectionClosed:
            return None
        return message

    async def send(self, text: str) -> bool:
        from websockets.exceptions import ConnectionClosed

        try:
            await self._websocket.send(text)
        except ConnectionClosed:
            return False
        return True

    async def close(self, code: int = 1000) -> None:
        await self._websocket.close(code)
