"""A call to a bot that is one media stream from its beginning to its end.

It knows that the line begins when the bot accepts, and that the call is over when the bot is gone.
It refuses to know the rest: a `Telephone` holds the call and a `Stream` the socket.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from pipecat_wavix.emulator.callers import Caller
from pipecat_wavix.emulator.events import Observer
from pipecat_wavix.emulator.network import NetworkSettings
from pipecat_wavix.emulator.settings import CallSettings
from pipecat_wavix.emulator.stream import Patience
from pipecat_wavix.emulator.summary import CallSummary
from pipecat_wavix.emulator.telephone import Telephone
from pipecat_wavix.emulator.websocket import CannotConnectError

UNREAD_LIMIT_BYTES: Final = Patience().unread_bytes
"""What may wait for a bot that does not read, about 3 s of media; then media is thrown away."""

CLOSE_TIMEOUT_SECS: Final = Patience().close_secs
"""How long a bot may take to answer the close of the socket."""

_FORBIDDEN: Final = 403
_BY_NUMBER_ONLY: Final = (
    "a bot started with `-t wavix` takes calls by number only: use `pipecat-wavix dial`, or start it "
    "without `-t`"
)


class Call:
    """One call to a bot: dial it with `run`, once.

    Args:
        url: The bot's socket, `ws://` or `wss://`; path and query are sent unchanged.
        caller: The person on the phone.
        settings: Everything else.
        observers: Each is called with all that happens.
    """

    def __init__(
        self,
        url: str,
        caller: Caller,
        settings: CallSettings | None = None,
        observers: Sequence[Observer] = (),
    ) -> None:
        settings = settings or CallSettings()
        self._telephone = Telephone(
            caller,
            replace(settings, silence_after_bot_secs=settings.silence_after_bot_secs or 0.0),
            observers,
            patience=Patience(unread_bytes=UNREAD_LIMIT_BYTES, close_secs=CLOSE_TIMEOUT_SECS),
        )
        self.call_id = self._telephone.call_id
        self.stream_id = self._telephone.start_stream(
            url,
            stream_id=settings.stream_id,
            stream_type=settings.stream_type,
            channel=settings.channel,
        )

    async def run(self) -> CallSummary:
        """Dial, talk, hang up.

        Cancelled, it hangs up all the same, which takes the network's delay and at most a second.

        Returns:
            What the call amounted to.

        Raises:
            CannotConnectError: The bot cannot be reached, refuses, or is silent for too long.
            Exception: What a caller or an observer raised; the call is over then.
        """
        try:
            return await self._telephone.run(begin_with=self.stream_id)
        except CannotConnectError as error:
            if error.status != _FORBIDDEN:
                raise
            raise CannotConnectError(f"{error}: {_BY_NUMBER_ONLY}", error.status) from None

    def change_network(self, network: NetworkSettings) -> None:
        """Have other faults of the network from now on.

        Args:
            network: Its `seed` is not used: the call keeps its own.
        """
        self._telephone.change_network(network)

    def hang_up(self, reason: str = "hung up from outside") -> None:
        """End the call at the next 20 ms of the line; a call not yet begun ends when it begins.

        Args:
            reason: For the summary.
        """
        self._telephone.hang_up(reason)
