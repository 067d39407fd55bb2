"""A call that a test makes to a bot, step by step, by a script, or both.

It knows what a test does as the caller, and what it asks afterwards. It refuses to know pytest. It
takes real time: the line goes on while a test thinks, and the caller is silent then.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from pipecat_wavix.emulator.callers import (
    ANSWER_TIMEOUT_SECS,
    END_OF_SPEECH_SECS,
    SPEECH_TIMEOUT_SECS,
    Action,
    Aside,
    HangUp,
    Press,
    Say,
    WaitForBot,
    load_wav,
)
from pipecat_wavix.emulator.ear import SAME_TIME_SECS, Ear
from pipecat_wavix.emulator.events import Observation, Sound
from pipecat_wavix.emulator.keys import HeldKey
from pipecat_wavix.emulator.media import Call
from pipecat_wavix.emulator.recording import Recording
from pipecat_wavix.emulator.scenario import Scenario, judge, load_scenario
from pipecat_wavix.emulator.settings import CallSettings
from pipecat_wavix.emulator.summary import CallSummary, Measure
from pipecat_wavix.emulator.voice import speak
from pipecat_wavix.protocol import FRAME_BYTES
from pipecat_wavix.testing.bots import Bot, BotStillRunsError, Reached, reached
from pipecat_wavix.testing.hearing import Heard, Hearing, NotHeardError
from pipecat_wavix.timeline import read_timeline, write_report

MAX_SECS: Final = 300.0
"""The longest call of a test that gives no settings."""

Speech = str | PathLike[str] | bytes
"""A text, for the offline voice; the path of a WAV file; or PCM16 at 24 kHz."""


class CallOverError(AssertionError):
    """The call was over before the caller was done; the message tells who ended it."""


class PhoneCall:
    """One call to a bot: enter it to dial, leave it to hang up.

    Leaving it lets a script end, hangs up, and lets the bot end. What the bot has raised is raised
    then, if not before; so is what a YAML script expected and did not get.

    Args:
        bot: Whom to call: see `bots.Bot`.
        script: What the caller does from the start on: actions, or the path of a YAML file.
        folder: Where the call is recorded.
        path: Of an ASGI application's media socket.
        settings: Of the call; a YAML script's network comes over them.

    Attributes:
        trace: The path of the trace; its recording is beside it.
        events: All that was observed, in order, but for the sound: see `emulator.events`.
    """

    def __init__(
        self,
        bot: Bot,
        script: Iterable[Action] | str | PathLike[str] | None,
        *,
        folder: Path,
        path: str = "/ws",
        settings: CallSettings | None = None,
    ) -> None:
        self._bot = bot
        self._path = path
        self._script = script
        self._scenario: Scenario | None = None
        self._settings = settings or CallSettings(max_secs=MAX_SECS)
        self._folder = folder
        self.trace = folder / "trace.jsonl"
        self.events: list[Observation] = []

        self._measure = Measure()
        self._hearing = Hearing()
        self._caller = _Stepping(self._hearing)
        self._script_done: list[asyncio.Future[None]] = []
        self._news = asyncio.Event()
        self._stack = AsyncExitStack()
        self._there: Reached
        self._call: Call
        self._running: asyncio.Task[CallSummary]

    async def __aenter__(self) -> Self:
        __tracebackhide__ = True
        try:
            await self._dialled()
        except ConnectionError as error:
            self._raise_the_bots()
            raise error.with_traceback(None) from None
        return self

    async def _dialled(self) -> None:
        script = await self._loaded()
        async with AsyncExitStack() as stack:
            self._there = await stack.enter_async_context(reached(self._bot, self._path))
            url = self._there.url
            recording = stack.enter_context(Recording(self._folder, url, asdict(self._settings)))
            observers = [recording.observe, self._measure.observe, self._hearing.observe]
            self._call = Call(url, self._caller, self._settings, [*observers, self._observe])
            self._script_done = [self._caller.do(action) for action in script]
            self._running = asyncio.create_task(self._call.run(), name="a test's call")
            self._running.add_done_callback(lambda _: self._news.set())
            stack.push_async_callback(self._hung_up)
            while not self.events and not self._running.done():
                await self._more()
            if not self.events:
                self._running.result()
            self._stack = stack.pop_all()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        __tracebackhide__ = True
        async with self._stack:
            if exc is None and self._script_done:
                await self._done_or_over(self._script_done[-1])
        if exc is not None:
            # What the bot raised tells more than what the test misses of it.
            if isinstance(exc, AssertionError):
                self._raise_the_bots(but=BotStillRunsError)
            for error in self._there.errors:
                if isinstance(error, BotStillRunsError):
                    exc.add_note(f"Also: {error}")
            return
        self._raise_the_bots()
        summary = self._running.result()
        if self._scenario:
            failures = judge(self._scenario, summary, self._folder)
            if failures:
                raise AssertionError("\n".join(map(str, failures)))

    async def say(self, speech: Speech) -> None:
        """Speak.

        Args:
            speech: A text, for the offline voice; the path of a WAV file; or PCM16 at 24 kHz.

        Raises:
            CallOverError: The call was over before it was said.
            ValueError: It cannot be said, or there is nothing to say.
            ModuleNotFoundError: There is no voice.
        """
        __tracebackhide__ = True
        await self._do(Say(await _pcm(speech)))

    async def press(self, keys: str) -> None:
        """Press keys: each one of `0` to `9`, `*`, `#`, `A` to `D`.

        Raises:
            CallOverError: The call was over before they were pressed.
            ValueError: There is no such key.
        """
        __tracebackhide__ = True
        await self._do(Press(keys))

    async def barge_in(
        self,
        speech: Speech,
        *,
        after_secs: float = 0.6,
        within_secs: float = ANSWER_TIMEOUT_SECS,
    ) -> None:
        """Let the bot begin to speak, and cut in.

        Args:
            speech: As in `say`.
            after_secs: How much of the bot's speech to let pass before.
            within_secs: How soon the bot must begin.

        Raises:
            NotHeardError: The bot did not speak for so long.
            CallOverError: The call was over before it was said.
        """
        __tracebackhide__ = True
        cut = _CutIn(await _pcm(speech), after_secs, within_secs)
        await self._do(cut)
        if not cut.was_said:
            self._raise_the_bots()
            raise NotHeardError(
                f"there was nothing to cut into: within {within_secs:g} s the bot did not begin to "
                f"speak, or not for {after_secs:g} s{self._hearing.so_far()}"
            )

    async def hear(
        self,
        *,
        within_secs: float = ANSWER_TIMEOUT_SECS,
        quiet_secs: float = END_OF_SPEECH_SECS,
        at_most_secs: float = SPEECH_TIMEOUT_SECS,
    ) -> Heard:
        """Wait until the bot has spoken: its greeting, its next answer, or its goodbye.

        Args:
            within_secs: How soon it must begin, after the caller was done or the answer before.
            quiet_secs: It is over when the bot was quiet for so long.
            at_most_secs: How long it may be.

        Raises:
            NotHeardError: It did not begin in time, or does not end.
            Exception: What the bot raised.
        """
        __tracebackhide__ = True
        try:
            while not (heard := self._hearing.answer(within_secs, quiet_secs, at_most_secs)):
                if self._running.done():
                    self._running.result()
                await self._more()
        except NotHeardError as error:
            self._raise_the_bots()
            raise error.with_traceback(None) from None
        return heard

    async def hang_up(self) -> None:
        """Hang up, after a script if there is one; then the call is over, if it was not before."""
        self._caller.do(HangUp())
        await asyncio.wait({self._running})

    async def finished(self, *, within_secs: float = SPEECH_TIMEOUT_SECS) -> CallSummary:
        """Wait until the call is over: the bot hangs up, or the script does.

        Args:
            within_secs: How soon.

        Raises:
            NotHeardError: It goes on.
        """
        __tracebackhide__ = True
        await asyncio.wait({self._running}, timeout=within_secs)
        if not self._running.done():
            raise NotHeardError(
                f"nobody has hung up within {within_secs:g} s{self._hearing.so_far()}"
            )
        return self._running.result()

    @property
    def summary(self) -> CallSummary:
        """The call's figures, so far."""
        return self._measure.summary()

    def report(self) -> Path:
        """Write the report of the call, which must be over, and tell where."""
        return write_report_of(self.trace)

    async def _loaded(self) -> list[Action]:
        if isinstance(self._script, str | PathLike):
            path = Path(self._script)
            self._scenario = await asyncio.to_thread(load_scenario, path, self._settings)
            self._settings = self._scenario.settings
            return self._scenario.script
        return list(self._script or ())

    async def _do(self, action: Action) -> None:
        __tracebackhide__ = True
        done = self._caller.do(action)
        if not await self._done_or_over(done):
            self._raise_the_bots()
            reason = self._running.result().end_reason
            raise CallOverError(
                f"the call was over ({reason}) before the caller was done{self._hearing.so_far()}"
            )

    async def _done_or_over(self, done: asyncio.Future[None]) -> bool:
        either: set[asyncio.Future[Any]] = {done, self._running}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        return done.done()

    async def _more(self) -> None:
        self._news.clear()
        await self._news.wait()

    async def _hung_up(self) -> None:
        self._call.hang_up("the caller hung up")
        await asyncio.wait({self._running})

    def _observe(self, observation: Observation) -> None:
        if not isinstance(observation, Sound):
            self.events.append(observation)
        self._news.set()

    def _raise_the_bots(self, but: type[Exception] | tuple[()] = ()) -> None:
        __tracebackhide__ = True
        for error in self._there.errors:
            if not isinstance(error, but):
                # Without what the test has missed: that is no cause of it.
                raise error from error.__cause__


def write_report_of(trace: Path) -> Path:
    """Write the report of a call that is over beside its trace, and tell where."""
    path = trace.with_name("report.html")
    write_report(read_timeline(trace), path)
    return path


class _Stepping:
    """A caller that does one step after another as they come, and else holds the line in silence."""

    def __init__(self, hearing: Hearing) -> None:
        self._hearing = hearing
        self._ear = Ear()
        self._steps: deque[tuple[Action, asyncio.Future[None]]] = deque()
        self._frames = self._life()

    def do(self, action: Action) -> asyncio.Future[None]:
        """Do something after all that is still to be done; the answer is done when that is."""
        done = asyncio.get_running_loop().create_future()
        self._steps.append((action, done))
        return done

    def frame(self, now: float, bot_audible: bool) -> bytes | HeldKey | Aside | None:
        """Say the next 20 ms; see `emulator.Caller`."""
        self._ear.listen(now, bot_audible)
        return next(self._frames)

    def _life(self) -> Iterator[bytes | HeldKey | Aside | None]:
        while True:
            while self._steps:
                action, done = self._steps.popleft()
                self._hearing.begin_step()
                yield from action.frames(self._ear)
                self._hearing.end_step()
                if not done.done():
                    done.set_result(None)
            yield bytes(FRAME_BYTES)


@dataclass
class _CutIn:
    """Wait until the bot has spoken for a while, and speak, unless it does not.

    Attributes:
        was_said: Whether it was.
    """

    pcm: bytes
    after_secs: float
    within_secs: float
    was_said: bool = field(default=False, init=False)

    def frames(self, ear: Ear) -> Iterator[bytes]:
        patience_secs = self.within_secs + self.after_secs
        yield from WaitForBot("speaking", self.after_secs, patience_secs).frames(ear)
        spoken_secs = ear.spoken_secs
        if spoken_secs is not None and spoken_secs >= self.after_secs - SAME_TIME_SECS:
            yield from Say(self.pcm).frames(ear)
            self.was_said = True


async def _pcm(speech: Speech) -> bytes:
    __tracebackhide__ = True
    if speech == b"" or (isinstance(speech, str) and not speech.strip()):
        raise ValueError("there is nothing to say: give a text, a path or PCM16 that is not empty")
    if isinstance(speech, bytes):
        return speech
    if isinstance(speech, str):
        return await asyncio.to_thread(speak, speech)
    return await asyncio.to_thread(load_wav, speech)
