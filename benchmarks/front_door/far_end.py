"""Wavix and the bot's process, as the cases have them; and what a call's far end notes.

It knows how the two are brought up and made known to each other. It refuses to know what is
measured.
"""

import asyncio
import multiprocessing
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from pipecat_wavix.emulator import Emulator, EmulatorSettings
from pipecat_wavix.emulator.call import EmulatedCall
from pipecat_wavix.emulator.call_trace import CallTrace
from pipecat_wavix.emulator.callers import LiveCaller
from pipecat_wavix.emulator.events import Notified, Observation, Received, Requested
from pipecat_wavix.phoneline import Underrun
from pipecat_wavix.protocol import PlayMedia

from . import bot

START_TIMEOUT_SECS = 90.0


class Notes(CallTrace):
    """What is noted of a call, in place of its trace.

    Attributes:
        requested: Its REST requests.
        notified: Its webhooks.
        media_at: When each message of audio came.
        speaks: Set when the first came.
        gaps: The gaps within speech that the caller heard.
    """

    def __init__(self) -> None:
        super().__init__(None)
        self.requested: list[Requested] = []
        self.notified: list[Notified] = []
        self.media_at: list[float] = []
        self.speaks = asyncio.Event()
        self.gaps: list[Underrun] = []

    def observe(self, observation: Observation) -> None:
        """Note audio and gaps."""
        match observation:
            case Received(at=at, message=PlayMedia()):
                self.media_at.append(at)
                self.speaks.set()
            case Underrun():
                self.gaps.append(observation)

    def note(self, observation: Requested | Notified) -> None:
        """Note what happens beside the line."""
        if isinstance(observation, Requested):
            self.requested.append(observation)
        else:
            self.notified.append(observation)


class Bot:
    """A bot's process, seen from here; made by `a_bot`.

    Attributes:
        process: The process.
        port: Where it listens.
        webhook_path: Of its webhook.
        loop: Whose event loop it runs on.
        runs: The id of each call that its function was called for.
    """

    def __init__(self, process: BaseProcess, pipe: Connection, ready: bot.Ready) -> None:
        self.process = process
        self.port = ready.port
        self.webhook_path = ready.webhook_path
        self.loop = ready.loop
        self.runs: asyncio.Queue[str] = asyncio.Queue()
        self._pipe = pipe
        self._laps: asyncio.Queue[dict[str, float]] = asyncio.Queue()
        asyncio.get_running_loop().add_reader(pipe.fileno(), self._listen)

    def _listen(self) -> None:
        try:
            told = self._pipe.recv()
        except EOFError:
            asyncio.get_running_loop().remove_reader(self._pipe.fileno())
            return
        if isinstance(told, bot.Laps):
            self._laps.put_nowait(told.at)
        elif isinstance(told, bot.Ran):
            self.runs.put_nowait(told.call_id)

    async def laps(self) -> dict[str, float]:
        """Wait for the next call's first audio."""
        async with asyncio.timeout(30):
            return await self._laps.get()

    def memory_mb(self) -> float:
        """What of its memory is in RAM; not a number where there is no /proc."""
        try:
            status = Path(f"/proc/{self.process.pid}/status").read_text()
        except OSError:
            return float("nan")
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) / 1024

    def close(self) -> None:
        """End it."""
        asyncio.get_running_loop().remove_reader(self._pipe.fileno())
        self.process.kill()
        self.process.join()


@asynccontextmanager
async def wavix() -> AsyncIterator[Emulator]:
    """Run the emulated Wavix."""
    async with Emulator(EmulatorSettings(port=0, api_key=bot.API_KEY, numbers=bot.NUMBERS)) as it:
        yield it


@asynccontextmanager
async def a_bot(order: bot.Order) -> AsyncIterator[Bot]:
    """Run a bot."""
    context = multiprocessing.get_context("spawn")
    pipe, theirs = context.Pipe()
    process = context.Process(target=bot.serve, args=(theirs, order), daemon=True)
    process.start()
    theirs.close()
    if not await asyncio.to_thread(pipe.poll, START_TIMEOUT_SECS):
        process.kill()
        raise TimeoutError("the bot did not start: see --log")
    one = Bot(process, pipe, pipe.recv())
    try:
        yield one
    finally:
        one.close()


async def dial(emulator: Emulator, number: str) -> tuple[EmulatedCall, Notes]:
    """Call a bot; the caller says nothing and stays on the line."""
    call = await emulator.dial(number, LiveCaller())
    # Before anything has happened: what is done for a call is done in tasks.
    notes = Notes()
    call.trace = notes
    return call, notes
