"""One call between the router and its bot: what the bot is told, and what it is reached by.

It knows the call's data and where its webhooks go. It refuses to know how the call came about.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from pipecat.runner.types import CallData

from pipecat_wavix.client import WavixClient
from pipecat_wavix.webhooks import WavixCall

EARLY_WEBHOOKS: Final = 16
"""How many are kept of those that come before the bot has its transport."""


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
    ):
        self._client = client
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

    def deliver(self, call: WavixCall) -> None:
        """Hand on a webhook."""
        if self._listener:
            self._listener(call)
        elif len(self._early) < EARLY_WEBHOOKS:
            self._early.append(call)
