"""The emulated platform: the account, its numbers, its webhooks and its calls.

It knows which call belongs to which number, and to whom its events are told. It refuses to know
HTTP, and what goes on within a call.
"""

import asyncio
from asyncio import FIRST_COMPLETED
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from random import Random, SystemRandom
from types import TracebackType
from typing import Any, Final, Literal, Self
from uuid import UUID

import aiohttp
from loguru import logger

from pipecat_wavix.emulator.call import EmulatedCall
from pipecat_wavix.emulator.callees import Callees
from pipecat_wavix.emulator.callers import Caller
from pipecat_wavix.emulator.deliveries import Deliveries
from pipecat_wavix.emulator.events import Notified
from pipecat_wavix.emulator.faults import Faults
from pipecat_wavix.emulator.numbers import Number, Numbers, e164
from pipecat_wavix.emulator.platform_settings import EmulatorSettings
from pipecat_wavix.emulator.record import CallRecord, Direction
from pipecat_wavix.emulator.settings import CallSettings

WebhookEvent = Literal["on-call", "post-call"]

DEFAULT_CALLER: Final = "+12025550199"
"""Who calls if nobody is named."""

MAX_REMEMBERED_CALLS: Final = 1000
"""How many calls that are over are kept."""

CLOSE_GRACE_SECS: Final = 2.0
"""How long calls may take to end when the emulator does."""


class Platform:
    """The account and all that happens on it; an async context manager.

    Args:
        settings: How it behaves.

    Attributes:
        settings: The same.
        numbers: Of the account.
        callees: Who picks up when the account calls.
        faults: What goes wrong; to be changed at any time.
        webhooks: The account's own, by kind: where the events of all calls are sent.
        calls: All calls that are remembered, by id, in order of their begin.
        closing: Set when the emulator ends.
    """

    def __init__(self, settings: EmulatorSettings) -> None:
        self.settings = settings
        self.numbers = Numbers(settings.numbers)
        next(iter(self.numbers)).call_status_url = settings.call_status_url
        self.callees = Callees()
        seed = settings.seed
        self._seed = settings.call.network.seed if seed is None else seed
        self.faults = Faults(seed=self._seed)
        self.webhooks: dict[WebhookEvent, str] = {}
        self.calls: dict[str, EmulatedCall] = {}
        self.closing = asyncio.Event()
        self.http: aiohttp.ClientSession
        self._deliveries: Deliveries
        self._ids = SystemRandom() if seed is None else Random(f"{seed} platform")  # noqa: S311 - the latter is to be repeatable
        self._count = 0

    async def __aenter__(self) -> Self:
        # A connection of its own for each request: one that is reused may be closing.
        self.http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))
        self._deliveries = Deliveries(
            self.http,
            self.faults,
            self.settings.webhook_timeout_secs,
            self.settings.webhook_retries,
        )
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.closing.set()
        try:
            running = [call for call in self.calls.values() if not call.over.is_set()]
            await asyncio.gather(*(call.close(CLOSE_GRACE_SECS) for call in running))
        finally:
            try:
                await self._deliveries.close()
            finally:
                await self.http.close()

    def new_id(self) -> str:
        """Make a UUID; the same `EmulatorSettings.seed` makes the same again."""
        return str(UUID(int=self._ids.getrandbits(128), version=4))

    async def waited(self, work: Coroutine[Any, Any, object], secs: float | None = None) -> None:
        """Wait for something, at most so many seconds, and no longer than the emulator lives."""
        waiting = [asyncio.create_task(each) for each in (work, self.closing.wait())]
        try:
            await asyncio.wait(waiting, timeout=secs, return_when=FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    # Calls.

    def dial(
        self,
        number: str,
        caller: Caller,
        from_number: str = DEFAULT_CALLER,
        max_secs: float | None = None,
    ) -> EmulatedCall:
        """Call a number of the account.

        Args:
            number: In E.164.
            caller: Who calls.
            from_number: From where, in E.164.
            max_secs: When the far end hangs up, in seconds after the answer; `None` for
                `EmulatorSettings.call`'s.

        Raises:
            ValueError: The number is not the account's, one of both is none, or the seconds are.
        """
        if self.numbers.get(e164(number)) is None:
            known = ", ".join(number.number for number in self.numbers)
            raise ValueError(f"{number} is not a number of the account: dial one of {known}")
        call = self._set_up("inbound", e164(from_number), e164(number), max_secs=max_secs)
        call.ring_in(caller)
        return call

    def start_call(
        self,
        *,
        from_: str,
        to: str,
        callback_url: str,
        tag: str,
        ring_secs: float | None,
        detect_machine: bool,
    ) -> EmulatedCall:
        """Call somebody from a number of the account.

        Args:
            from_: The account's number.
            to: Who is called, in E.164.
            callback_url: Where the call's events are sent.
            tag: The account's own label.
            ring_secs: How long it rings, or `None` for `EmulatorSettings.ring_secs`.
            detect_machine: Whether a machine that answers is to be found out.
        """
        call = self._set_up(
            "outbound",
            e164(from_),
            e164(to),
            tag=tag,
            callback_url=callback_url,
            ring_secs=ring_secs,
            detect_machine=detect_machine,
        )
        call.ring_out(self.callees[call.record.to_number])
        return call

    def _set_up(
        self,
        direction: Direction,
        from_number: str,
        to_number: str,
        *,
        tag: str = "",
        callback_url: str | None = None,
        ring_secs: float | None = None,
        max_secs: float | None = None,
        detect_machine: bool = False,
    ) -> EmulatedCall:
        if self.closing.is_set():
            raise RuntimeError("the emulator is closing: it takes no more calls")
        self._forget()
        settings, is_inbound = self.settings, direction == "inbound"
        record = CallRecord(
            id=self.new_id(),
            direction=direction,
            from_number=from_number,
            to_number=to_number,
            started_at=datetime.now(UTC),
            from_plus=settings.from_plus or not is_inbound,
            to_plus=settings.to_plus or not is_inbound,
            tag=tag,
        )
        call = EmulatedCall(
            self,
            record,
            self._media(record.id, max_secs),
            ring_secs=settings.ring_secs if ring_secs is None else ring_secs,
            setup_secs=settings.setup_secs,
            recordings=settings.recordings,
            callback_url=callback_url,
            detect_machine=detect_machine,
        )
        self.calls[call.id] = call
        return call

    def _media(self, call_id: str, max_secs: float | None) -> CallSettings:
        # Each call has accidents of its own, and all the same ones again in the next run.
        self._count += 1
        network = replace(self.settings.call.network, seed=self._seed + self._count)
        settings = self.settings.call
        return replace(
            settings,
            call_id=call_id,
            stream_id=None,
            network=network,
            max_secs=settings.max_secs if max_secs is None else max_secs,
        )

    def _forget(self) -> None:
        over = [call.id for call in self.calls.values() if call.over.is_set()]
        for call_id in over[: max(0, len(over) - MAX_REMEMBERED_CALLS)]:
            del self.calls[call_id]

    def active_calls(self) -> Iterator[EmulatedCall]:
        """All calls that are in progress."""
        return (call for call in self.calls.values() if not call.record.over)

    def active_call(self, call_id: str) -> EmulatedCall | None:
        """The call of this id, if it is in progress."""
        call = self.calls.get(call_id)
        return None if call is None or call.record.over else call

    def found_call(self, call_id: str) -> EmulatedCall | None:
        """The call of this id, if it is in progress or has not been over for long."""
        call = self.calls.get(call_id)
        if call and call.record.completed_at:
            over_for = datetime.now(UTC) - call.record.completed_at
            if over_for.total_seconds() >= self.settings.completed_found_secs:
                return None
        return call

    # What the account is told.

    def notify(
        self, call: EmulatedCall, event: WebhookEvent, body: Mapping[str, Any]
    ) -> Sequence[asyncio.Future[None]]:
        """Tell all who are to know of an event of a call; scopes may overlap, as on Wavix.

        Args:
            call: Whose.
            event: To whom.
            body: What to send.
        """
        name = body.get("event_type", event)
        posted = []
        for scope, url in self._addresses(call, event):

            def answered(at: float, status: int | None, secs: float, scope: str = scope) -> None:
                logger.debug(f"Call {call.id}: webhook {name} ({scope}): {status or 'no answer'}")
                call.trace.note(Notified(at, name, scope, status, secs))

            posted.append(self._deliveries.post(url, body, answered))
        return posted

    def _addresses(self, call: EmulatedCall, event: WebhookEvent) -> Iterator[tuple[str, str]]:
        if event == "on-call":
            if call.callback_url:
                yield "call", call.callback_url
            number = self._number_of(call)
            if number and number.call_status_url:
                yield "number", number.call_status_url
        if url := self.webhooks.get(event):
            yield "account", url

    def _number_of(self, call: EmulatedCall) -> Number | None:
        record = call.record
        own = record.to_number if record.direction == "inbound" else record.from_number
        return self.numbers.get(own)
