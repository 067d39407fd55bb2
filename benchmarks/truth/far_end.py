"""The far end: dials the bots, keeps every sample that the caller hears, and judges by them.

It knows the bot only as a socket and, after the call, by its log. What was heard is decoded from
the samples, and each sample's time is the line's own.
"""

import asyncio
import gc
import multiprocessing
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from multiprocessing.connection import Connection
from typing import Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from pipecat_wavix.emulator import (
    Call,
    CallSettings,
    LineSettings,
    NetworkSettings,
    Observation,
    ScriptedCaller,
)
from pipecat_wavix.emulator.callers import Action as CallerAction
from pipecat_wavix.emulator.events import Began, Ended, Received, Sound
from pipecat_wavix.phoneline import Cleared
from pipecat_wavix.protocol import Clear

from . import bot, speech
from .plan import Action, Believed, End, HungUp, Kind, Log, Pause, Plan, Say
from .pulse import Pulse

KINDS: Final[tuple[Kind, ...]] = ("stock", "wavix")
START_TIMEOUT_SECS = 90.0
LOG_TIMEOUT_SECS = 15.0
"""How long a bot's pipeline may take to be done when its call is over."""


@dataclass
class Heard:
    """Every sample that the caller heard.

    Attributes:
        began_at: When the first was.
        word: The word in each of them; 0 is silence.
    """

    began_at: float
    word: NDArray[np.int32]

    def time(self, sample: int) -> float:
        """When a sample began to be heard."""
        return self.began_at + sample / speech.SAMPLE_RATE

    def until(self, at: float) -> "Heard":
        """What was heard before a time."""
        samples = max(0, round((at - self.began_at) * speech.SAMPLE_RATE))
        return Heard(self.began_at, self.word[:samples])

    def where(self, words: range) -> NDArray[np.intp]:
        """The samples in which some words are."""
        return np.flatnonzero((self.word >= words.start) & (self.word < words.stop))

    def began(self, words: range) -> float | None:
        """When the first sample of some words was heard."""
        where = self.where(words)
        return self.time(int(where[0])) if where.size else None

    def ended(self, words: range) -> float | None:
        """When the last sample of some words had been heard."""
        where = self.where(words)
        return self.time(int(where[-1]) + 1) if where.size else None

    def secs(self, words: range) -> float:
        """How much of some words was heard, repetitions included."""
        return self.where(words).size / speech.SAMPLE_RATE

    def shares(self, words: range) -> list[float]:
        """How much of each of some words was heard: 1 is all of it, once."""
        counts = np.bincount(self.word[self.where(words)], minlength=words.stop)
        return [
            float(counts[word]) / (speech.spoken_ms(word) * speech.SAMPLE_RATE // 1000)
            for word in words
        ]

    def gaps(self, words: range) -> list[float]:
        """The silences in seconds within some words, which are spoken without any."""
        where = self.where(words)
        missing = np.diff(where) - 1
        return [float(gap) / speech.SAMPLE_RATE for gap in missing[missing > 0]]


@dataclass
class Outcome:
    """What became of one call.

    Attributes:
        began_at: When it began.
        pcm: What the caller heard.
        reason: Who ended the call, or what.
        ended_at: When.
        hung_up_at: When the bot hung up.
        clears: The clears that took effect at the far end.
        log: The bot's side of it; None if the bot never was done with the call.
        late_secs: How late the far end's own event loop was, at most.
    """

    began_at: float
    pcm: bytes
    reason: str
    ended_at: float
    hung_up_at: float | None
    clears: list[Cleared]
    log: Log | None
    late_secs: float

    @cached_property
    def heard(self) -> Heard:
        """What the caller heard, until the bot hung up if it did.

        It is decoded when all calls are over: that takes too long beside them.
        """
        heard = Heard(self.began_at, speech.decode(self.pcm))
        if (heard.word == speech.GARBLED).any():
            raise RuntimeError("the samples did not pass unchanged: the truth cannot be told")
        return heard if self.hung_up_at is None else heard.until(self.hung_up_at)

    def believed(self, kind: str, side: str = "down") -> list[Believed]:
        """What the bot's pipeline was told, of one kind."""
        believed = self.log.believed if self.log else []
        return [each for each in believed if each.kind == kind and each.side == side]

    @property
    def context(self) -> list[int]:
        """The words in the bot's context, in order."""
        return speech.words_in(" ".join(self.log.context)) if self.log else []


@dataclass
class _Ear:
    """Listens to one call."""

    began_at: float = 0.0
    pcm: bytearray = field(default_factory=bytearray)
    clears: list[Cleared] = field(default_factory=list)
    clears_received: int = 0
    reason: str = ""
    ended_at: float = 0.0

    def observe(self, observation: Observation) -> None:
        match observation:
            case Began(at=at):
                self.began_at = at
            case Sound(heard=heard):
                self.pcm += heard
            case Cleared():
                self.clears.append(observation)
            case Received(message=Clear()):
                self.clears_received += 1
            case Ended(at=at, reason=reason):
                self.ended_at, self.reason = at, reason


class Bots:
    """The two bots' processes; an async context manager.

    Args:
        log_level: What of the bots' log is shown.
    """

    def __init__(self, log_level: str) -> None:
        self._log_level = log_level
        self._processes: list[multiprocessing.process.BaseProcess] = []
        self._pipes: dict[Kind, Connection] = {}
        self._ports: dict[Kind, int] = {}
        self._calls: dict[str, Call] = {}
        self._hung_up: dict[str, float] = {}
        self._logs: dict[str, asyncio.Future[Log]] = {}
        self._count = 0

    async def __aenter__(self) -> "Bots":
        """Start a process for each transport."""
        context = multiprocessing.get_context("spawn")
        for kind in KINDS:
            self._pipes[kind], theirs = context.Pipe()
            process = context.Process(target=bot.serve, args=(theirs, self._log_level), daemon=True)
            process.start()
            theirs.close()
            self._processes.append(process)
        for kind, pipe in self._pipes.items():
            if not await asyncio.to_thread(pipe.poll, START_TIMEOUT_SECS):
                raise TimeoutError(f"the bot with the {kind} transport did not start")
            self._ports[kind] = pipe.recv()
            asyncio.get_running_loop().add_reader(pipe.fileno(), self._listen, pipe)
        # What a process does for the first time takes long, and is no part of any case.
        warm_up: list[Action] = [Say([(1, 3)], how="reply"), Say([(3, 5)]), Pause(1.5), End()]
        for timed in (False, True):
            plans = [Plan(transport=kind, timed=timed, script=warm_up) for kind in KINDS]
            await asyncio.gather(*map(self.call, plans))
        gc.collect()
        gc.freeze()
        return self

    async def __aexit__(self, *_: object) -> None:
        """End both."""
        for process in self._processes:
            process.kill()
            await asyncio.to_thread(process.join)

    def _listen(self, pipe: Connection) -> None:
        try:
            told = pipe.recv()
        except EOFError:
            asyncio.get_running_loop().remove_reader(pipe.fileno())
            return
        if isinstance(told, HungUp):
            self._hung_up.setdefault(told.call_id, told.at)
            if told.call_id in self._calls:
                self._calls[told.call_id].hang_up("the bot hung up")
        elif isinstance(told, Log) and told.call_id in self._logs:
            self._logs[told.call_id].set_result(told)

    async def call(
        self,
        plan: Plan,
        *,
        delay_ms: float = 0,
        caller: Iterable[CallerAction] = (),
        network: NetworkSettings | None = None,
        line: LineSettings | None = None,
        max_secs: float = 120,
    ) -> Outcome:
        """Hold one call with one of the bots.

        Args:
            plan: What the bot does.
            delay_ms: Of the network, one way.
            caller: What the caller does.
            network: All of the network, in place of `delay_ms`.
            line: How the far end plays.
            max_secs: When the far end loses patience.
        """
        self._count += 1
        call_id = str(UUID(int=self._count, version=4))
        ear = _Ear()
        call = self._calls[call_id] = Call(
            f"ws://127.0.0.1:{self._ports[plan.transport]}/call",
            ScriptedCaller(caller),
            CallSettings(
                leg="clean",
                line=line or LineSettings(),
                network=network or NetworkSettings(delay_ms=delay_ms, seed=self._count),
                call_id=call_id,
                max_secs=max_secs,
            ),
            [ear.observe],
        )
        self._pipes[plan.transport].send((call_id, plan))
        told = self._logs[call_id] = asyncio.get_running_loop().create_future()
        async with Pulse() as pulse:
            await call.run()
        log = None
        with suppress(TimeoutError):
            log = await asyncio.wait_for(told, LOG_TIMEOUT_SECS)
        return Outcome(
            began_at=ear.began_at,
            pcm=bytes(ear.pcm),
            reason=ear.reason,
            ended_at=ear.ended_at,
            hung_up_at=self._hung_up.get(call_id),
            clears=ear.clears,
            log=log,
            late_secs=pulse.late_secs,
        )
