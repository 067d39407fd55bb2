"""One telephone call as Wavix handles it: from its set-up to its end, with or without an answer.

It knows which thing follows which, and owns the call's timers, its telephone line and its streams.
It refuses to know HTTP: what the account asks for are methods, and what it is to be told leaves by
`CallOwner.notify`. All methods are called in the event loop, and take effect at once; only waiting
is done in tasks, which end with the call.
"""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from loguru import logger

from pipecat_wavix.emulator.call_streams import CallStreams, StreamState
from pipecat_wavix.emulator.call_trace import CallTrace
from pipecat_wavix.emulator.callees import Callee
from pipecat_wavix.emulator.callers import Caller
from pipecat_wavix.emulator.collect import Collection
from pipecat_wavix.emulator.events import Observer
from pipecat_wavix.emulator.keypad import Keypad
from pipecat_wavix.emulator.network import NetworkSettings
from pipecat_wavix.emulator.numbers import masked
from pipecat_wavix.emulator.record import CallRecord, Direction, Phase
from pipecat_wavix.emulator.refused import RefusedError
from pipecat_wavix.emulator.settings import CallSettings, Channel, StreamType
from pipecat_wavix.emulator.summary import CallSummary
from pipecat_wavix.emulator.telephone import Telephone

# What an end before the answer is called, by the call's direction and by who ends it.
_UNANSWERED_ENDS: Final[Mapping[tuple[Direction, str], Phase]] = {
    ("inbound", "account"): "completed",
    ("inbound", "person"): "cancelled",
    ("outbound", "account"): "cancelled",
    ("outbound", "person"): "rejected",
}


class CallOwner(Protocol):
    """What a call needs of the platform."""

    def notify(
        self, call: "EmulatedCall", event: Literal["on-call", "post-call"], body: Mapping[str, Any]
    ) -> Sequence[asyncio.Future[None]]:
        """Send webhooks; each is answered by a future that is done when it was."""
        ...

    def new_id(self) -> str:
        """Make a UUID."""
        ...


class EmulatedCall:
    """A call of the emulated platform; made by `Platform`.

    Args:
        owner: The platform.
        record: The call, as just set up.
        settings: Of its media; the `call_id` is the record's.
        ring_secs: How long it rings.
        setup_secs: How long it is before that.
        recordings: Where its folder is to be, or `None`.
        callback_url: Where this call's events are sent, or `None`.
        detect_machine: Whether a machine that answers is to be found out.

    Attributes:
        record: What Wavix knows of it.
        callback_url: Where this call's events are sent, or `None`.
        streams: All of its streams.
        trace: What is kept of it.
        observers: Told all that happens on the line; to be added to before the answer.
        over: Set when the call is over, its webhooks are sent and its recording is closed.
        error: What its caller raised, if it did; the call is over then.
    """

    def __init__(
        self,
        owner: CallOwner,
        record: CallRecord,
        settings: CallSettings,
        *,
        ring_secs: float,
        setup_secs: float,
        recordings: Path | None,
        callback_url: str | None = None,
        detect_machine: bool = False,
    ) -> None:
        self._owner = owner
        self.record = record
        self._settings = settings
        self._ring_secs, self._setup_secs = ring_secs, setup_secs
        self.callback_url = callback_url
        self._detect_machine = detect_machine
        self._caller: Keypad
        self._callee: Callee | None = None

        self.streams = CallStreams(record.id, owner.new_id)
        self.trace = CallTrace(recordings / record.id if recordings else None)
        self.observers: list[Observer] = [self.streams.observe, self.trace.observe]
        self.error: Exception | None = None
        self._telephone: Telephone | None = None
        self._summary: CallSummary | None = None
        self._collecting: asyncio.Queue[str | None] | None = None
        self._webhooks: set[asyncio.Future[None]] = set()
        self._changed = asyncio.Event()
        self.over = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def id(self) -> str:
        """The call's id."""
        return self.record.id

    @property
    def phase(self) -> Phase:
        """Where the call is; see `record.Phase`."""
        return self.record.phase

    @property
    def phases(self) -> list[Phase]:
        """Where the call was, and is: in order."""
        return self.record.phases

    @property
    def summary(self) -> CallSummary | None:
        """What the call amounted to, once it is over, if it was answered."""
        return self._summary

    # For whoever is on the phone.

    def ring_in(self, caller: Caller) -> None:
        """Begin as an inbound call.

        Args:
            caller: Who calls.
        """
        self._caller = Keypad(caller)
        self._announce()
        self._spawn(self._live(self._ring_account()), "life")

    def ring_out(self, callee: Callee) -> None:
        """Begin as an outbound call.

        Args:
            callee: Who is called.
        """
        self._callee, self._caller = callee, Keypad(callee.caller())
        self._announce()
        self._spawn(self._live(self._ring_callee(callee)), "life")

    def hang_up(self, by: Literal["account", "person"] = "person") -> None:
        """End the call; nothing happens if it is over.

        Args:
            by: Who ends it: the account, or the person on the phone, who may not have picked up
                yet, or may give up.
        """
        if self._telephone and self.phase == "answered":
            self._telephone.hang_up(
                "hung up by the account" if by == "account" else "the caller hung up"
            )
        elif not self.record.over:
            self._move(_UNANSWERED_ENDS[self.record.direction, by])

    def press(self, keys: str) -> None:
        """Press keys of the telephone, whatever the person on it is doing.

        Args:
            keys: Each one of `0` to `9`, `*`, `#`, `A` to `D`.

        Raises:
            ValueError: There is no such key.
        """
        self._caller.press(keys)

    def change_network(self, network: NetworkSettings) -> None:
        """Have other faults of the network from now on; `seed` is not used, the call has its own."""
        network = replace(network, seed=self._settings.network.seed)
        self._settings = replace(self._settings, network=network)
        if self._telephone:
            self._telephone.change_network(network)

    async def finished(self) -> CallSummary | None:
        """Wait until the call is over, its webhooks are sent and its recording is closed.

        Returns:
            What it amounted to, or `None` if it was not answered.

        Raises:
            Exception: What the caller raised.
        """
        await self.over.wait()
        if self.error:
            raise self.error
        return self._summary

    async def reached(self, phase: Phase) -> None:
        """Wait until the call is in a phase.

        Raises:
            RuntimeError: It is over, and was not.
        """
        while self.phase != phase:
            if self.record.over:
                raise RuntimeError(f"the call is over: {self.phase}; it will not be {phase}")
            await self._changed.wait()

    # For the account.

    def answer(self) -> None:
        """Pick up.

        Raises:
            RefusedError: It is not an inbound call that rings.
        """
        if self.record.direction == "outbound":
            raise RefusedError("An outbound call is answered by the one who is called")
        if self.phase not in ("call_setup", "ringing"):
            raise RefusedError("The call is already answered")
        self._answered()

    def add_stream(self, url: str, type_: StreamType, channel: Channel) -> StreamState:
        """Enter a stream, which does not begin before `launch`.

        Raises:
            RefusedError: The call is not answered, or has as many streams as it can have.
        """
        self._line()
        return self.streams.add(url, type_, channel)

    def play(self, pcm: bytes) -> str:
        """Play a prompt.

        Args:
            pcm: PCM16 at 24 kHz, mono.

        Returns:
            The playback's id.

        Raises:
            RefusedError: The call is not answered.
        """
        telephone = self._line()
        playback_id = self._owner.new_id()
        self._note("audio", {"status": "started", "playback_id": playback_id})

        def done(_to_its_end: bool) -> None:
            # Wavix knows no other end than this one.
            self._note("audio", {"status": "completed", "playback_id": playback_id})

        telephone.play_prompt(pcm, done)
        return playback_id

    def stop_audio(self) -> None:
        """Stop all prompts.

        Raises:
            RefusedError: The call is not answered.
        """
        self._line().stop_prompts()

    def collect(self, collection: Collection, prompt: bytes | None) -> None:
        """Collect the keys that the caller presses.

        Args:
            collection: How many, and for how long.
            prompt: Played at the begin of each attempt: PCM16 at 24 kHz, mono.

        Raises:
            RefusedError: The call is not answered, or a collection is under way.
        """
        self._line()
        if self._collecting:
            raise RefusedError("Digits are being collected already")
        self._collecting = asyncio.Queue()
        self._spawn(self._collect(self._collecting, collection, prompt), "collect")

    # For the platform.

    async def close(self, grace_secs: float) -> None:
        """Hang up, and end all that the call has under way.

        Args:
            grace_secs: How long it may take to end by itself, in seconds.
        """
        self.hang_up("person")
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_secs):
                await self.over.wait()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # The life of the call.

    async def _live(self, ringing: Coroutine[Any, Any, None]) -> None:
        try:
            await ringing
            if self.phase == "answered":
                await self._talk()
        finally:
            await self._conclude()

    async def _ring_account(self) -> None:
        if await self._undecided_for(self._setup_secs):
            self._move("ringing")
            if await self._undecided_for(self._ring_secs):
                self._move("cancelled")

    async def _ring_callee(self, callee: Callee) -> None:
        if not await self._undecided_for(self._setup_secs):
            return
        if callee.outcome == "busy":
            if await self._undecided_for(callee.after_secs):
                self._move("busy")
            return
        self._move("ringing")
        if callee.early_media:
            self._move("early_media")
        patient = callee.outcome != "no_answer" and callee.after_secs < self._ring_secs
        if not await self._undecided_for(callee.after_secs if patient else self._ring_secs):
            return
        if not patient:
            self._move("cancelled")
        elif callee.outcome == "rejects":
            self._move("rejected")
        else:
            self._answered()

    async def _undecided_for(self, secs: float) -> bool:
        """Wait; answer whether the call is still neither answered nor over after that."""
        with suppress(TimeoutError):
            async with asyncio.timeout(secs):
                while not self.record.over and self.phase != "answered":
                    await self._changed.wait()
        return not self.record.over and self.phase != "answered"

    def _answered(self) -> None:
        self.trace.open(self.id, asdict(self._settings))
        self._telephone = Telephone(self._caller, self._settings, self.observers)
        self.streams.open(self._telephone)
        self._telephone.on_key = self._take_key
        self._move("answered")

    async def _talk(self) -> None:
        assert self._telephone  # noqa: S101 - made by the answer
        detection = None
        if self._detect_machine and self._callee and self._callee.outcome == "machine":
            detection = asyncio.get_running_loop().call_later(
                self._callee.detected_after_secs, self._note_machine
            )
        try:
            self._summary = await self._telephone.run()
        except Exception as error:
            self.error = error
            logger.error(f"Call {self.id}: ended by an error: {type(error).__name__}: {error}")
        finally:
            if detection:
                detection.cancel()

    async def _conclude(self) -> None:
        if not self.record.over:
            self._move("completed" if self.phase == "answered" else "cancelled")
        self.streams.close()
        life = asyncio.current_task()
        for task in self._tasks - {life}:
            task.cancel()
        self._webhooks.update(self._owner.notify(self, "post-call", self.record.as_report()))
        try:
            # Not when it is the emulator that ends, which waits for webhooks in its own way.
            if self._webhooks and not (life and life.cancelling()):
                await asyncio.wait(self._webhooks)
        finally:
            self.trace.close()
            self.over.set()

    def _move(self, phase: Phase) -> None:
        self.record.move(phase, datetime.now(UTC))
        self._announce()
        self._changed.set()
        self._changed = asyncio.Event()

    def _announce(self) -> None:
        record = self.record
        numbers = f"from {masked(record.from_number)} to {masked(record.to_number)}"
        logger.info(f"Call {self.id}: {record.direction} {numbers}: {record.phase}")
        self._webhooks.update(self._owner.notify(self, "on-call", record.as_call()))

    def _note(self, kind: Literal["audio", "collect"], payload: Mapping[str, str]) -> None:
        if self.phase != "answered":
            return  # a prompt that ends with the call
        self.record.note(kind, payload, datetime.now(UTC))
        logger.info(f"Call {self.id}: {kind} {payload['status']}")
        self._webhooks.update(self._owner.notify(self, "on-call", self.record.as_call()))

    def _note_machine(self) -> None:
        if self._telephone:
            self.record.machine_detected = True
            self._telephone.hang_up("a machine was detected")

    # The line.

    def _line(self) -> Telephone:
        if self._telephone is None or self.phase != "answered":
            raise RefusedError("The call is not answered")
        return self._telephone

    def _take_key(self, key: str) -> None:
        if self._collecting:
            self._collecting.put_nowait(key)

    async def _collect(
        self, keys: asyncio.Queue[str | None], collection: Collection, prompt: bytes | None
    ) -> None:
        telephone = self._line()

        def ask() -> bool:
            if prompt:
                telephone.play_prompt(prompt, lambda _to_its_end: keys.put_nowait(None))
            return bool(prompt)

        self._note("collect", {"digits": "", "status": "started"})
        is_asking, result = ask(), None
        while result is None:
            try:
                async with asyncio.timeout(None if is_asking else collection.timeout_secs):
                    key = await keys.get()
            except TimeoutError:
                result = collection.time_out()
                is_asking = result is None and ask()
                continue
            if key is not None:
                if is_asking:
                    telephone.stop_prompts()
                result = collection.press(key)
            is_asking = False
        self._collecting = None
        self._note("collect", {"digits": collection.digits, "status": result})

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=f"call {self.id}: {name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
