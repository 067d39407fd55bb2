"""One call between the router and its bot: what the bot is told, and what it is reached by.

It knows the call's data and where its webhooks go. It refuses to know how the call came about.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from loguru import logger
from pipecat.runner.types import CallData

from pipecat_wavix.client import WavixClient
from pipecat_wavix.webhooks import WavixCall

EARLY_WEBHOOKS: Final = 16
"""How many are kept of those that come before the bot has its transport."""

_END_NEWS_SECS: Final = 1.0
"""How much later than a stream's end the webhook of the call's end may come; then Wavix is asked."""

_ASK_SECS: Final = 2.0


class WavixCallData(CallData):
    """What a bot is told about its call, on `runner_args.call_data`.

    Parameters:
        direction: Seen from the account.
        tag: What the account attached to the call.
    """

    direction: Literal["inbound", "outbound"] | None = None
    tag: str | None = None


@dataclass(frozen=True)
class Accept:
    """Take an incoming call.

    Attributes:
        body: For the bot, as `runner_args.body`; JSON, and small: it travels in a URL.
    """

    body: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Reject:
    """Refuse an incoming call, before it costs anything."""


class Session:
    """A call's line to Wavix and back, for as long as its bot runs.

    To the transport it is the client, which it hands on to; so it knows whether the bot hung up.

    Args:
        client: The router's.
        call_id: The call's id.
        stream_id: The stream's id.
        close: Closes the socket.
        voicemail_detection: Whether Wavix was asked to tell a machine from a person.

    Attributes:
        call_id: The call's id.
        stream_id: The stream's id.
        close: Closes the socket.
        hung_up: Whether the bot has ended the call.
        over: Whether its socket or its bot has ended.
    """

    def __init__(
        self,
        client: WavixClient,
        *,
        call_id: str,
        stream_id: str,
        close: Callable[[], Awaitable[None]],
        voicemail_detection: bool = False,
    ):
        self._client = client
        self._voicemail_detection = voicemail_detection
        self._end_told = asyncio.Event()
        self._listener: Callable[[WavixCall], None] | None = None
        self._early: list[WavixCall] = []
        self.call_id = call_id
        self.stream_id = stream_id
        self.close = close
        self.hung_up = False
        self.over = False

    async def hang_up(self, call_id: str) -> None:
        """See `WavixClient.hang_up`."""
        await self._client.hang_up(call_id)
        self.hung_up = True

    async def get_call(self, call_id: str) -> WavixCall:
        """See `WavixClient.get_call`."""
        return await self._client.get_call(call_id)

    async def collect_dtmf(self, call_id: str, **options: Any) -> None:
        """See `WavixClient.collect_dtmf`."""
        await self._client.collect_dtmf(call_id, **options)

    def listen(self, listener: Callable[[WavixCall], None]) -> None:
        """Have the call's webhooks delivered; what came before is made up for."""
        self._listener = listener
        for call in self._early:
            listener(call)
        self._early.clear()

    async def wait_until_end_is_told(self) -> None:
        """Let the news of the call's end come, for at most 3 s, if a machine may have answered.

        Wavix hangs up on a machine by itself. That it was one is told by the webhook of the end, and
        which is faster, that or the stream's end, nobody knows.
        """
        if not self._voicemail_detection:
            return
        try:
            async with asyncio.timeout(_END_NEWS_SECS):
                await self._end_told.wait()
            return
        except TimeoutError:
            pass  # it was lost, or another process got it
        try:
            async with asyncio.timeout(_ASK_SECS):
                self.deliver(await self._client.get_call(self.call_id))
        except Exception as error:  # whatever it is, the bot has to learn that it was left
            logger.debug(f"Call {self.call_id}: how it ended is not known: {type(error).__name__}")

    def deliver(self, call: WavixCall) -> None:
        """Hand on a webhook."""
        if call.machine_detected or call.completed_at or call.event_type == "completed":
            self._end_told.set()
        if self._listener:
            self._listener(call)
        elif len(self._early) < EARLY_WEBHOOKS:
            self._early.append(call)
