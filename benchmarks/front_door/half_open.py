"""A call in progress, and hundreds of connections at the door that never become one."""

import asyncio
import multiprocessing
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from multiprocessing.connection import Connection
from statistics import median

from . import bot
from .far_end import Notes, a_bot, dial, wavix
from .report import Result, lateness, percentile
from .strangers import FLOOD_A_SEC, HALF_OPEN, besiege

BAR_MS = 5.0
ROUNDS, ROUND_SECS = 4, 15.0
QUICK_ROUNDS, QUICK_ROUND_SECS = 2, 5.0
STORM_SECS = 5.0
OPEN_SECS = 2.0
SETTLE_SECS = 2.0

Window = tuple[float, float]


def gaps(notes: Notes, windows: list[Window]) -> list[float]:
    """From each message of audio to the next, in seconds, where both are in one window."""
    return [
        after - before
        for begin, end in windows
        for before, after in pairwise(at for at in notes.media_at if begin <= at <= end)
    ]


@dataclass
class Phase:
    """What is compared.

    Attributes:
        name: Of the row.
        open_secs: How long the connections take to come; `None`: there are none.
        windows: When it was.
        late_secs: How late the far end's own event loop was at most, in each.
        held: How many connections were held at the end of the last window, by kind.
        seen: What they were answered, in all.
    """

    name: str
    open_secs: float | None = None
    windows: list[Window] = field(default_factory=list)
    late_secs: list[float] = field(default_factory=list)
    held: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)

    async def hold(self, secs: float, strangers: Connection) -> None:
        """Let it be so for a while."""
        async with lateness(self.late_secs):
            begin = time.monotonic()
            if self.open_secs is not None:
                strangers.send(self.open_secs)
            await asyncio.sleep(secs)
            self.windows.append((begin, time.monotonic()))
        if self.open_secs is not None:
            strangers.send(None)
            held, seen = await asyncio.to_thread(strangers.recv)
            self.held = Counter(held)
            self.seen.update(seen)
        await asyncio.sleep(SETTLE_SECS)


async def half_open(quick: bool, shows_logs: bool) -> Result:
    """Hold one call, and lay siege to the bot every other while."""
    rounds, secs = (QUICK_ROUNDS, QUICK_ROUND_SECS) if quick else (ROUNDS, ROUND_SECS)
    alone, besieged = Phase("alone"), Phase("besieged", OPEN_SECS)
    stormed = Phase(f"all {HALF_OPEN} at once", 0)
    context = multiprocessing.get_context("spawn")
    async with (
        wavix() as emulator,
        a_bot(bot.Order(emulator.base_url, timed=False, shows_logs=shows_logs)) as one,
    ):
        for number in emulator.numbers:
            number.call_status_url = f"http://127.0.0.1:{one.port}{one.webhook_path}"
        pipe, theirs = context.Pipe()
        arguments = (theirs, one.port, one.webhook_path)
        strangers = context.Process(target=besiege, args=arguments, daemon=True)
        strangers.start()
        try:
            call, notes = await dial(emulator, bot.TALKER)
            async with asyncio.timeout(30):
                await notes.speaks.wait()
            # A first siege does not count: until all are warm.
            await Phase("", OPEN_SECS).hold(OPEN_SECS, pipe)
            for _ in range(rounds):
                await alone.hold(secs, pipe)
                await besieged.hold(secs, pipe)
            for _ in range(rounds):
                await stormed.hold(STORM_SECS, pipe)
            memory_mb = one.memory_mb()
            call.hang_up()
            await call.finished()
        finally:
            strangers.kill()
            strangers.join()
    return _result(notes, [alone, besieged, stormed], memory_mb)


def _result(notes: Notes, phases: list[Phase], memory_mb: float) -> Result:
    rows, figures = [], []
    p99, heard = {}, {}
    for phase in phases:
        found = gaps(notes, phase.windows)
        heard[phase.name] = sum(
            any(begin <= gap.at <= end for begin, end in phase.windows) for gap in notes.gaps
        )
        p99[phase.name] = 1000 * percentile(found, 0.99)
        cells = [1000 * median(found), p99[phase.name], 1000 * max(found)]
        by_round = [1000 * percentile(gaps(notes, [each]), 0.99) for each in phase.windows]
        late_ms = 1000 * max(phase.late_secs)
        rows.append(
            [
                phase.name,
                f"{sum(end - begin for begin, end in phase.windows):.0f}",
                str(len(found)),
                *(f"{cell:.1f}" for cell in cells),
                " ".join(f"{each:.1f}" for each in by_round),
                str(heard[phase.name]),
                f"{late_ms:.0f}",
            ]
        )
        figures.append(
            {
                "phase": phase.name,
                "messages": len(found),
                "p50_ms": cells[0],
                "p99_ms": cells[1],
                "max_ms": cells[2],
                "p99_ms_by_round": by_round,
                "gaps_heard": heard[phase.name],
                "far_end_late_ms": late_ms,
                "held": phase.held,
                "seen": phase.seen,
            }
        )
    alone, besieged, _ = phases
    if besieged.held["silence"] + besieged.held["slow headers"] < HALF_OPEN // 2:
        raise RuntimeError(f"the strangers were not there: {_list(besieged.held)}")
    more = p99[besieged.name] - p99[alone.name]
    figures.append({"more_ms": more, "memory_mb": memory_mb})
    return Result(
        name="half_open",
        title="From message to message of a bot that talks, as its far end gets them: alone and "
        f"with {HALF_OPEN} half-open connections, in turns",
        columns=["", "s", "messages", "p50 ms", "p99 ms", "max ms", "p99 by round", "gaps", "late"],
        rows=rows,
        bar=f"p99 at most {BAR_MS:.0f} ms more: {more:+.1f} ms; the caller hears no gap",
        met=more <= BAR_MS and not any(heard.values()),
        notes=[
            "messages leave in pairs, 40 ms of audio: one gap is short, the next is about 40 ms",
            "gaps: within speech, as the caller heard it; late: by how much the far end's own "
            "event loop was late at most, in ms",
            f"held at the end of a siege: {_list(besieged.held)}; besides, {FLOOD_A_SEC} "
            f"handshakes and {FLOOD_A_SEC} webhooks a second with a wrong token or key",
            f"what the besiegers saw: {_list(besieged.seen)}",
            f"in a siege they come within {OPEN_SECS:.0f} s; at once is shown, and no part of the "
            "bar but for the caller's ear",
            f"the bot's memory at the end: {memory_mb:.0f} MB",
        ],
        figures=figures,
    )


def _list(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
