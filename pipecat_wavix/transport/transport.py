"""`WavixTransport`: a Pipecat bot on one call."""

import time
from typing import Any

from loguru import logger
from pipecat.transports.base_transport import BaseTransport

from pipecat_wavix.transport.connection import Connection, HangsUp
from pipecat_wavix.transport.heard import Heard
from pipecat_wavix.transport.input import WavixInputTransport
from pipecat_wavix.transport.output import WavixOutputTransport
from pipecat_wavix.transport.params import WavixParams
from pipecat_wavix.transport.statistics import CallStatistics


class WavixTransport(BaseTransport):
    """Transport for one Wavix media stream.

    Everything downstream of `output()` happens when the caller hears it, not when it is sent:
    started and stopped speaking, the words that the context keeps after a barge-in, the recording.
    EndFrame hangs up when the last word was heard; CancelFrame hangs up at once.

    Event handlers available:

    - on_client_connected(transport, websocket): The stream is up and the pipeline has started
    - on_client_disconnected(transport, websocket): Wavix has stopped the stream or closed
    - on_session_timeout(transport, websocket): The session has lasted `session_timeout`
    - on_mark(transport, name, heard): A `WavixMarkFrame`'s place was heard (or cleared)
    - on_call_ended(transport, statistics): The call is over; its `CallStatistics`

    Example::

        start = await wait_for_start(websocket)
        transport = WavixTransport(
            websocket,
            stream_id=start.stream_id,
            call_id=start.call_id,
            client=WavixClient(api_key=os.environ["WAVIX_API_KEY"]),
        )
    """

    def __init__(
        self,
        websocket: Any,
        *,
        stream_id: str,
        call_id: str | None = None,
        params: WavixParams | None = None,
        client: HangsUp | None = None,
        input_name: str | None = None,
        output_name: str | None = None,
    ):
        """Initialize the transport.

        Args:
            websocket: The stream's socket, read up to its `start`: a FastAPI or Starlette
                WebSocket, or a connection of `websockets`.
            stream_id: The stream's id, from `start`.
            call_id: The call's id, from `start`; needed to hang up.
            params: Transport configuration parameters.
            client: What hangs up, a `WavixClient`. Without it, the end of the bot closes the
                socket, and the call stays up in silence.
            input_name: Optional name for the input processor.
            output_name: Optional name for the output processor.

        Raises:
            ValueError: If there is a client, and no call to hang up.
            TypeError: If the websocket is none.
        """
        super().__init__(input_name=input_name, output_name=output_name)
        if client and not call_id:
            raise ValueError("a client but no call_id: pass the call_id of the start event")
        params = params or WavixParams()
        self._websocket = websocket
        self._statistics = CallStatistics()
        self._began = time.monotonic()
        self._over = False
        self._connection = Connection(
            websocket, stream_id=stream_id, call_id=call_id, client=client
        )
        self._connection.on_left = self._on_left
        self._input = WavixInputTransport(
            self._connection,
            params,
            self._statistics,
            on_connected=self._on_connected,
            on_session_timeout=self._on_session_timeout,
            name=self._input_name,
        )
        self._output = WavixOutputTransport(
            self._connection,
            params,
            self._statistics,
            on_mark=self._on_mark,
            on_ended=self._on_ended,
            name=self._output_name,
        )
        self._register_event_handler("on_client_connected")
        self._register_event_handler("on_client_disconnected")
        self._register_event_handler("on_session_timeout")
        self._register_event_handler("on_mark")
        self._register_event_handler("on_call_ended")

    def input(self) -> WavixInputTransport:
        """Get the input transport processor."""
        return self._input

    def output(self) -> WavixOutputTransport:
        """Get the output transport processor."""
        return self._output

    async def wait_until_heard(self, timeout: float) -> Heard:
        """Wait until the caller has heard all that the pipeline was given so far.

        Say something, wait for this, then act: hang up, transfer, take money::

            await worker.queue_frame(TTSSpeakFrame("Your order is placed. Goodbye!"))
            heard = await transport.wait_until_heard(timeout=10)
            if heard.outcome in ("confirmed", "estimated"):
                await worker.queue_frame(EndFrame())

        Args:
            timeout: Seconds to wait at most.

        Returns:
            Whether it was heard, and how we know.
        """
        return await self._output.wait_until_heard(timeout)

    async def _on_connected(self) -> None:
        self._began = time.monotonic()
        await self._call_event_handler("on_client_connected", self._websocket)

    async def _on_left(self) -> None:
        self._statistics.far_end_left = True
        await self._output.far_end_left()
        await self._call_event_handler("on_client_disconnected", self._websocket)

    async def _on_session_timeout(self) -> None:
        await self._call_event_handler("on_session_timeout", self._websocket)

    async def _on_mark(self, name: str, heard: bool | None) -> None:
        await self._call_event_handler("on_mark", name, heard)

    async def _on_ended(self) -> None:
        if self._over:
            return
        self._over = True
        self._statistics.duration_secs = time.monotonic() - self._began
        self._statistics.hung_up = self._connection.hung_up
        self._statistics.gaps_in = self._connection.gaps
        self._statistics.rejected = dict(self._connection.rejected)
        logger.info(f"{self}: call ended: {self._statistics}")
        await self._call_event_handler("on_call_ended", self._statistics)
