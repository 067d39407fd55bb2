"""How many calls there are: each that is answered, made or talked on takes a line.

It knows places, and when a socket is overdue. It refuses to know what is said to Wavix about it.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from pipecat_wavix.server.call import EARLY_WEBHOOKS, Session
from pipecat_wavix.tokens import StreamPass
from pipecat_wavix.webhooks import WavixCall


@dataclass
class Line:
    """One call's place.

    Attributes:
        since: When it was taken, on the monotonic clock.
        session: Of its bot, as soon as its stream has begun.
        news: Webhooks for a session that is still to come.
        asked_for: What the token of its socket carries, once Wavix was asked for it.
        is_second: Whether Wavix was asked a second time.
    """

    since: float
    session: Session | None = None
    news: list[WavixCall] = field(default_factory=list)
    asked_for: StreamPass | None = None
    is_second: bool = False
    expiry: asyncio.TimerHandle | None = None

    def deliver(self, call: WavixCall) -> None:
        """Hand on a webhook."""
        if self.session:
            self.session.deliver(call)
        elif len(self.news) < EARLY_WEBHOOKS:
            self.news.append(call)


class Lines:
    """The lines of one process.

    Args:
        count: How many there are.
        patience_secs: How long a socket may take to come.
        on_overdue: Called with the call whose socket did not. It has to free the line, in the end.
    """

    def __init__(self, count: int, *, patience_secs: float, on_overdue: Callable[[str], None]):
        self._count = count
        self._patience_secs = patience_secs
        self._on_overdue = on_overdue
        self._taken: dict[str, Line] = {}

    def __len__(self) -> int:
        return len(self._taken)

    @property
    def full(self) -> bool:
        """Whether no line is free."""
        return len(self._taken) >= self._count

    def items(self) -> list[tuple[str, Line]]:
        """All calls and their lines."""
        return list(self._taken.items())

    def get(self, call_id: str) -> Line | None:
        """The line of a call, if it has one."""
        return self._taken.get(call_id)

    def is_talking(self, call_id: str) -> bool:
        """Whether a call's bot is on its line."""
        line = self._taken.get(call_id)
        return line is not None and line.session is not None

    def hold(self, call_id: str, since: float | None = None, *, patient: bool = False) -> Line:
        """Take a line for a call, or take it anew.

        Args:
            call_id: The call, or whatever stands for it as long as it has no id.
            since: When its work began; now, if it is not said.
            patient: Keep it for as long as it takes.
        """
        self.free(call_id)
        line = self._taken[call_id] = Line(time.monotonic() if since is None else since)
        if not patient:
            line.expiry = asyncio.get_running_loop().call_later(
                self._patience_secs, self._on_overdue, call_id
            )
        return line

    def talk(self, call_id: str, session: Session) -> float | None:
        """Put a bot on a call's line.

        Returns:
            How long it took since the line was taken; None if it was not taken here.
        """
        before = self._taken.get(call_id)
        for call in before.news if before else ():
            session.deliver(call)
        self.hold(call_id, patient=True).session = session
        return time.monotonic() - before.since if before else None

    def free(self, call_id: str) -> None:
        """Give a line back; one that is not taken stays so."""
        line = self._taken.pop(call_id, None)
        if line and line.expiry:
            line.expiry.cancel()

    def free_unless_talking(self, call_id: str) -> None:
        """Give back a line that nobody talks on."""
        if not self.is_talking(call_id):
            self.free(call_id)

    def close(self) -> None:
        """Give back all lines."""
        for call_id in list(self._taken):
            self.free(call_id)
