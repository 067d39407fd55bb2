"""Keys that the caller presses, collected: Wavix is asked for them by REST and tells by webhook.

It knows which event answers which collection: webhooks come twice, in any order, or not at all, and
none says what it answers. It refuses to know who receives them and where the keys go.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, Protocol, runtime_checkable

from loguru import logger
from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.frames.frames import InputDTMFFrame

from pipecat_wavix.webhooks import InCallEvent, WavixCall
from pipecat_wavix.webhooks.book import PHASES

HEARD_TIMEOUT_SECS: Final = 60.0
"""How long a collection waits for what was said before it to be heard."""

PATIENCE_SECS: Final = 5.0
"""How much longer than Wavix may collect its answer is waited for."""

POLL_SECS: Final = 1.0
"""How often Wavix is asked how the call stands, while no webhook comes here."""

POLL_BESIDE_WEBHOOKS_SECS: Final = 5.0
"""The same, while they do: one may still be lost."""

LOOK_TIMEOUT_SECS: Final = 2.0
"""How long one such question may take."""

_SEEN_KEPT = 32
_KEYPAD = frozenset(KeypadEntry)

KeysOutcome = Literal["completed", "failed", "timed_out", "hung_up"]


@dataclass(frozen=True)
class Keys:
    """What the caller has keyed in.

    Attributes:
        digits: The keys, each one of 0-9, *, # and A-D, without the terminator. They may be a PIN:
            they are in no repr and in no log.
        outcome: `completed`: the caller has finished, or keyed in `max_digits`. `failed`: not so in
            any attempt; `digits` is what there was of it. `timed_out`: Wavix has not told in time.
            `hung_up`: the call has ended.
    """

    digits: str = field(repr=False)
    outcome: KeysOutcome


@dataclass(repr=False)
class KeyFrame(InputDTMFFrame):
    """Pipecat's frame of a key, but for its name in logs: Pipecat traces each frame that moves."""

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return self.name


def key_frames(digits: str) -> list[KeyFrame]:
    """Make the frames of keys. Pipecat's keypad has no A to D: those have none."""
    return [KeyFrame(button=KeypadEntry(digit)) for digit in digits if digit in _KEYPAD]


@runtime_checkable
class CollectsKeys(Protocol):
    """What is needed of a `WavixClient`."""

    async def collect_dtmf(
        self,
        call_id: str,
        *,
        max_digits: int,
        timeout_secs: int,
        termination_character: str,
        max_attempts: int,
    ) -> Any:
        """Have Wavix begin to collect keys."""
        ...

    async def get_call(self, call_id: str) -> WavixCall:
        """Ask how a call stands."""
        ...


class Collector:
    """The keys of one call, one collection at a time.

    An answer is an event that is newer than all that was known before Wavix was asked: what comes
    late, or again, belongs to an earlier collection. A webhook brings it, or asking does.

    Args:
        client: What asks Wavix, a `WavixClient`.
        call_id: The call's id.
    """

    def __init__(self, client: object, call_id: str | None):
        self._client = client if isinstance(client, CollectsKeys) else None
        self._call_id = call_id
        self._answer: asyncio.Future[Keys] | None = None
        self._asked = False  # whether Wavix was; what comes before is no answer
        self._told = False  # whether a webhook has come since
        self._begun = self._over = False
        # Of one time, the end of a collection is newer than what else happened: Wavix's clock may
        # tell seconds, and a quick caller needs less.
        self._newest: tuple[datetime, bool] | None = None
        self._newest_events: list[InCallEvent | None] = []
        self._seen_without_time: deque[InCallEvent] = deque(maxlen=_SEEN_KEPT)

    # ---- what becomes of the call

    def begin(self) -> None:
        """Note that the pipeline has started: keys have somewhere to go."""
        self._begun = True

    def on_webhook(self, call: WavixCall) -> None:
        """Take in a webhook of this call."""
        self._told = True
        self._note(call)

    def end(self) -> None:
        """Note that the call is over: nothing more will be keyed in."""
        self._over = True
        self._settle(Keys("", "hung_up"))

    def _note(self, call: WavixCall) -> None:
        event = call.event
        collects = event is not None and event.type == "collect"
        if event and collects and event.status in ("completed", "failed"):
            fresh = self._is_fresh(call, event)
            self._remember(call, ends=True)
            if fresh and self._asked:
                self._settle(self._read(event))
        elif collects or not self._asked:
            # What else happens during a collection may overtake its end.
            self._remember(call, ends=False)
        if PHASES.get(call.event_type) == PHASES["completed"]:
            self.end()

    def _is_fresh(self, call: WavixCall, event: InCallEvent) -> bool:
        if call.event_time is None:
            return event not in self._seen_without_time
        if self._newest is None or (call.event_time, True) > self._newest:
            return True
        return (call.event_time, True) == self._newest and event not in self._newest_events

    def _remember(self, call: WavixCall, *, ends: bool) -> None:
        if call.event_time is None:
            if call.event and call.event not in self._seen_without_time:
                self._seen_without_time.append(call.event)
        elif self._newest is None or (call.event_time, ends) > self._newest:
            self._newest, self._newest_events = (call.event_time, ends), [call.event]
        elif (call.event_time, ends) == self._newest:
            self._newest_events.append(call.event)

    def _read(self, event: InCallEvent) -> Keys:
        if event.digits is None or event.status == "failed":
            return Keys(event.digits or "", "failed")
        return Keys(event.digits, "completed")

    def _settle(self, keys: Keys) -> None:
        if self._answer and not self._answer.done():
            self._answer.set_result(keys)

    # ---- what the bot asks

    async def collect(
        self,
        *,
        max_digits: int,
        timeout_secs: int,
        terminator: str,
        max_attempts: int,
        ready: Callable[[], Awaitable[object]] | None = None,
    ) -> Keys:
        """Collect keys.

        Args:
            max_digits: How many at most, 1 to 20.
            timeout_secs: Seconds that Wavix waits for them, 1 to 60.
            terminator: The key that ends them.
            max_attempts: How often Wavix lets the caller try.
            ready: What has to be waited for before Wavix is asked.

        Returns:
            What was keyed in, and what became of it.

        Raises:
            ValueError: If Wavix cannot do that.
            RuntimeError: If there is nothing to ask with, it is too early, or a collection goes on.
            WavixError: If Wavix did not begin to collect, or that is not known.
        """
        _check("max_digits", max_digits, 1, 20)
        _check("timeout_secs", timeout_secs, 1, 60)
        _check("max_attempts", max_attempts, 1, None)
        if terminator not in tuple("0123456789*#ABCD"):
            raise ValueError(
                f"terminator is {terminator!r}: give one key, 0 to 9, '*', '#' or A to D"
            )
        if self._client is None or not self._call_id:
            raise RuntimeError(
                "keys are collected by Wavix's REST API: pass WavixTransport a call_id, that of the "
                "start event, and a client, such as WavixClient(api_key)"
            )
        if not self._begun:
            raise RuntimeError("the pipeline has not started: wait for on_client_connected")
        if self._answer:
            raise RuntimeError("a collection goes on already: await it, or cancel it, first")
        if self._over:
            return Keys("", "hung_up")
        self._answer = asyncio.get_running_loop().create_future()
        asking = asyncio.create_task(
            self._ask(
                self._client,
                self._call_id,
                ready,
                timeout_secs * max_attempts,
                max_digits=max_digits,
                timeout_secs=timeout_secs,
                termination_character=terminator,
                max_attempts=max_attempts,
            ),
            name=f"wavix-collect-{self._call_id}",
        )
        try:
            either: list[asyncio.Future[Any]] = [asking, self._answer]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not self._answer.done():
                await asking  # it has failed, for it settles the answer otherwise
            keys = self._answer.result()
        finally:
            self._asked, self._answer = False, None
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        # Whether Wavix tells the terminator with the keys is not documented.
        return Keys(keys.digits.removesuffix(terminator), keys.outcome)

    async def _ask(
        self,
        client: CollectsKeys,
        call_id: str,
        ready: Callable[[], Awaitable[object]] | None,
        collecting_secs: float,
        **options: Any,
    ) -> None:
        # What Wavix shows of the call now is no answer; it may be the late end of a collection
        # that was given up.
        looking = asyncio.create_task(
            self._look(client, call_id, LOOK_TIMEOUT_SECS), name=f"wavix-look-{call_id}"
        )
        try:
            if ready:
                await ready()
            await looking
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
        if self._over:
            return
        self._asked, self._told = True, False
        await client.collect_dtmf(call_id, **options)
        due = time.monotonic() + collecting_secs
        limit = due + PATIENCE_SECS
        await asyncio.sleep(POLL_SECS)
        while (left := limit - time.monotonic()) > 0:
            await self._look(client, call_id, min(LOOK_TIMEOUT_SECS, left))
            seldom = self._told and time.monotonic() + POLL_BESIDE_WEBHOOKS_SECS < due
            await asyncio.sleep(POLL_BESIDE_WEBHOOKS_SECS if seldom else POLL_SECS)
        self._settle(Keys("", "timed_out"))

    async def _look(self, client: CollectsKeys, call_id: str, timeout: float) -> None:
        """Ask how the call stands. No answer is none: a webhook may bring it yet."""
        try:
            async with asyncio.timeout(timeout):
                self._note(await client.get_call(call_id))
        except Exception as error:  # a client of the bot's author may raise anything
            logger.debug(f"Could not ask for the keys of {call_id}: {type(error).__name__}")


def _check(name: str, value: int, least: int, most: int | None) -> None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or value < least or (most is not None and value > most):
        limits = f"{least} to {most}" if most else f"at least {least}"
        raise ValueError(f"{name} is {value!r}: give a whole number, {limits}")
