"""`WavixTransport`: a Pipecat bot on one call."""

import asyncio
import time
from functools import partial
from typing import Any, Protocol, runtime_checkable

from loguru import logger
from pipecat.transports.base_transport import BaseTransport

from pipecat_wavix.transport.connection import Connection, HangsUp
from pipecat_wavix.transport.dtmf import HEARD_TIMEOUT_SECS, Collector, Keys, key_frames
from pipecat_wavix.transport.heard import Heard
from pipecat_wavix.transport.input import WavixInputTransport
from pipecat_wavix.transport.output import WavixOutputTransport
from pipecat_wavix.transport.params import WavixParams
from pipecat_wavix.transport.statistics import CallStatistics
from pipecat_wavix.transport.trace import BotTrace
from pipecat_wavix.webhooks import WavixCall


@runtime_checkable
class TellsEnd(Protocol):
    """What a server's client may know beside a `WavixClient`'s requests."""

    async def wait_until_end_is_told(self) -> None:
        """Let the news of a call's end come by `on_webhook`, for a bounded time."""
        ...


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
    - on_voicemail_detected(transport): A machine has answered; needs `on_webhook`. Wavix hangs up
      on it: this comes before `on_client_disconnected`
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
            call_id: The call's id, from `start`; needed to hang up and to collect keys.
            params: Transport configuration parameters.
            client: What hangs up and collects keys, a `WavixClient`. Without it, the end of the
                bot closes the socket, and the call stays up in silence.
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
        self._call_id = call_id
        self._statistics = CallStatistics()
        self._began = time.monotonic()
        self._connected = self._over = False
        self._machine = False
        self._telling: asyncio.Task[None] | None = None
        self._leaving: asyncio.Task[None] | None = None
        self._client: object = client
        self._collector = Collector(client, call_id)
        self._connection = Connection(
            websocket, stream_id=stream_id, call_id=call_id, client=client
        )
        self._connection.on_left = self._on_left
        if params.trace:
            self._connection.trace = BotTrace(
                params.trace, call_id=call_id, stream_id=stream_id, texts=params.trace_texts
            )
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
            on_ending=self._collector.end,
            on_ended=self._on_ended,
            name=self._output_name,
        )
        self._register_event_handler("on_client_connected")
        self._register_event_handler("on_client_disconnected")
        self._register_event_handler("on_session_timeout")
        self._register_event_handler("on_mark")
        self._register_event_handler("on_voicemail_detected")
        self._register_event_handler("on_call_ended")

    def input(self) -> WavixInputTransport:
        """Get the input transport processor."""
        return self._input

    def output(self) -> WavixOutputTransport:
        """Get the output transport processor."""
        return self._output

    def get_client_id(self, client: Any) -> str:
        """The id of whoever is on the call, as the client events pass them.

        Args:
            client: The websocket. A transport has one.

        Returns:
            The call's id; the stream's, if the call's is not known.
        """
        return self._call_id or self._connection.stream_id

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

    async def collect_dtmf(
        self,
        *,
        max_digits: int,
        timeout_secs: int,
        terminator: str = "#",
        max_attempts: int = 1,
        when_heard: bool = True,
    ) -> Keys:
        """Collect keys that the caller presses.

        Ask for them, and then collect::

            await worker.queue_frame(TTSSpeakFrame("Please enter your PIN, and the hash key."))
            keys = await transport.collect_dtmf(max_digits=8, timeout_secs=20)
            if keys.outcome == "completed":
                account = await open_account(keys.digits)

        Each key also goes down the pipeline, as an `InputDTMFFrame`, before this returns. Whoever
        cancels it does not stop Wavix, which has no way to: it collects until its own timeout.

        Args:
            max_digits: How many keys at most, 1 to 20.
            timeout_secs: Seconds that Wavix waits for them, 1 to 60.
            terminator: The key that ends them.
            max_attempts: How often Wavix lets the caller try.
            when_heard: Begin when the caller has heard what the pipeline was given so far, or
                has cut in.

        Returns:
            What was keyed in, and what became of it; it comes by `on_webhook`, or Wavix is asked.

        Raises:
            ValueError: If Wavix cannot do that.
            RuntimeError: If there is no client or no call_id, the pipeline has not started, or a
                collection goes on already.
            WavixError: If Wavix did not begin to collect, or that is not known.
        """
        keys = await self._collector.collect(
            max_digits=max_digits,
            timeout_secs=timeout_secs,
            terminator=terminator,
            max_attempts=max_attempts,
            ready=partial(self.wait_until_heard, HEARD_TIMEOUT_SECS) if when_heard else None,
        )
        for frame in key_frames(keys.digits):
            await self._input.push_frame(frame)
        return keys

    def on_webhook(self, call: WavixCall) -> None:
        """Take in what Wavix tells of this call; a server calls it with each event, at once.

        Args:
            call: The call, as it was told. One of another call is ignored.
        """
        if self._over or (self._call_id and call.id != self._call_id):
            return
        self._collector.on_webhook(call)
        if call.machine_detected and not self._machine:
            self._machine = True
            if self._connected:  # otherwise its handlers may not be there yet
                self._telling = asyncio.create_task(
                    self._tell_voicemail(), name=f"wavix-voicemail-{call.id}"
                )

    async def _tell_voicemail(self) -> None:
        await self._call_event_handler("on_voicemail_detected")

    async def _on_connected(self) -> None:
        self._began = time.monotonic()
        self._connected = True
        if self._connection.trace:
            self._connection.trace.begin()
        self._collector.begin()
        await self._call_event_handler("on_client_connected", self._websocket)
        if self._machine:
            await self._tell_voicemail()

    async def _on_left(self) -> None:
        self._statistics.far_end_left = True
        self._collector.end()
        await self._output.far_end_left()
        self._leaving = asyncio.create_task(
            self._tell_left(), name=f"wavix-left-{self._connection.stream_id}"
        )
        # Whoever waits here may be cancelled with its pipeline; the bot is told all the same.
        await asyncio.shield(self._leaving)

    async def _tell_left(self) -> None:
        if isinstance(self._client, TellsEnd):
            await self._client.wait_until_end_is_told()
        if self._telling:
            await self._telling
        await self._call_event_handler("on_client_disconnected", self._websocket)

    async def _on_session_timeout(self) -> None:
        await self._call_event_handler("on_session_timeout", self._websocket)

    async def _on_mark(self, name: str, heard: bool | None) -> None:
        await self._call_event_handler("on_mark", name, heard)

    async def _on_ended(self) -> None:
        if self._leaving:
            await asyncio.wait([self._leaving])
        if self._over:
            return
        self._over = True
        self._statistics.duration_secs = time.monotonic() - self._began
        self._statistics.hung_up = self._connection.hung_up
        self._statistics.gaps_in = self._connection.gaps
        self._statistics.rejected = dict(self._connection.rejected)
        logger.info(f"{self}: call ended: {self._statistics}")
        if self._connection.trace:
            await self._connection.trace.close()
        await self._call_event_handler("on_call_ended", self._statistics)
