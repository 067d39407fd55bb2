"""From a call's webhook to its first audio: how long it takes, and where that time goes."""

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Final

from pipecat_wavix.emulator import Emulator

from . import bot
from .far_end import Bot, a_bot, dial, wavix
from .relay import OPENING_ROUND_TRIPS, Relay
from .report import Result

CALLS, QUICK_CALLS = 30, 5
WARM_UP_CALLS = 2
ONE_WAY_SECS = 0.05

LAPS: Final = ("webhook", "told", "answers", "accepted", "start", "pipeline", "audio")
"""Those of the table; `asks` and `socket` are between."""

OURS: Final = (("webhook", "asks"), ("told", "answers"), ("socket", "accepted"))
WAVIX: Final = (("asks", "told"), ("answers", "socket"), ("accepted", "start"))
PIPECAT: Final = (("start", "pipeline"), ("pipeline", "audio"))
"""Whose time it is. REST requests count for Wavix and the network, with the client's own part."""

EXPECTED: Final = ["GET /v1/calls/{id}", "POST /v1/calls/{id}/answer"]


@dataclass
class Row:
    """One kind of bot at one distance.

    Attributes:
        name: Of the row.
        number: Of the bot.
        relay: To Wavix's API; whether its connections are cut before each call.
        laps: Of each call.
        requests: Of each call, in order, up to its first audio.
        get_secs: What the emulator itself took for the GET of each call.
    """

    name: str
    number: str
    relay: Relay | None = None
    laps: list[dict[str, float]] = field(default_factory=list)
    requests: list[list[str]] = field(default_factory=list)
    get_secs: list[float] = field(default_factory=list)

    async def call(self, emulator: Emulator, one: Bot) -> None:
        """Hold one call, up to its first audio."""
        if self.relay:
            self.relay.cut()
        for number in emulator.numbers:
            number.call_status_url = f"http://127.0.0.1:{one.port}{one.webhook_path}"
        call, notes = await dial(emulator, self.number)
        laps = await one.laps()
        call.hang_up()
        await call.finished()
        self.laps.append(laps)
        before = [each for each in notes.requested if each.at < laps["audio"]]
        self.requests.append([each.route for each in before])
        self.get_secs.append(before[0].secs if before else 0.0)

    def took(self, *spans: tuple[str, str]) -> float:
        """The median of the sum of some spans, in ms."""
        sums = [sum(laps[end] - laps[begin] for begin, end in spans) for laps in self.laps]
        return 1000 * median(sums)

    @property
    def totals(self) -> list[float]:
        """Of each call, in ms."""
        return [1000 * (laps["audio"] - laps["webhook"]) for laps in self.laps]

    @property
    def met(self) -> bool:
        """Whether each call had the requests that it had to have, and no other."""
        return all(requests == EXPECTED for requests in self.requests)


async def setup(quick: bool, shows_logs: bool) -> Result:
    """Measure all rows, in turns within a distance."""
    async with AsyncExitStack() as stack:
        emulator = await stack.enter_async_context(wavix())
        wavix_port = int(emulator.base_url.rpartition(":")[2])
        to_wavix, to_bot = Relay(wavix_port, ONE_WAY_SECS), Relay(0, ONE_WAY_SECS)
        await stack.enter_async_context(to_wavix.listening())
        await stack.enter_async_context(to_bot.listening())
        near_order = bot.Order(emulator.base_url, shows_logs=shows_logs)
        far_order = bot.Order(
            f"http://127.0.0.1:{to_wavix.listens_on}", to_bot.listens_on, shows_logs=shows_logs
        )
        near = await stack.enter_async_context(a_bot(near_order))
        far = await stack.enter_async_context(a_bot(far_order))
        to_bot.port = far.port

        far_ms = f"{ONE_WAY_SECS * 1000:.0f} ms"
        turns = [
            (
                near,
                [
                    Row("0 ms", bot.PLAIN),
                    Row("0 ms, loads Silero", bot.SILERO),
                    Row("0 ms, has Silero ready", bot.SPARE),
                ],
            ),
            (
                far,
                [
                    Row(f"{far_ms}, API connected", bot.PLAIN),
                    Row(f"{far_ms}, API to connect", bot.PLAIN, to_wavix),
                ],
            ),
        ]
        firsts = []
        for one, rows in turns:
            first = Row("", bot.PLAIN)
            for _ in range(WARM_UP_CALLS):
                await first.call(emulator, one)
            firsts.append(first.totals[0])
            for _ in range(QUICK_CALLS if quick else CALLS):
                for row in rows:
                    await row.call(emulator, one)
        rows = [row for _, those in turns for row in those]
    return _result(rows, firsts, near.loop)


def _result(rows: list[Row], firsts: list[float], loop: str) -> Result:
    columns = ["one way", "all", "most", "GET reply", "POST sent", "socket open", "start"]
    table, figures = [], []
    for row in rows:
        steps = [row.took(step) for step in pairwise(LAPS)]
        whose = [row.took(*spans) for spans in (OURS, WAVIX, PIPECAT)]
        total, most = median(row.totals), max(row.totals)
        requests = {" + ".join(each.split()[0] for each in one) for one in row.requests}
        cells = [total, most, *steps, *whose]
        table.append([row.name, *(f"{cell:.1f}" for cell in cells), " or ".join(sorted(requests))])
        figures.append(
            {
                "row": row.name,
                "calls": len(row.laps),
                "median_ms": total,
                "most_ms": most,
                "steps_ms": dict(zip(LAPS[1:], steps, strict=True)),
                "ours_ms": whose[0],
                "wavix_and_network_ms": whose[1],
                "pipecat_ms": whose[2],
                "emulator_get_ms": 1000 * median(row.get_secs),
                "requests": sorted(requests),
            }
        )
    gets = ", ".join(f"{1000 * median(row.get_secs):.1f}" for row in rows)
    return Result(
        name="setup",
        title=f"From call_setup's arrival at the bot to its first audio, ms: medians of "
        f"{len(rows[0].laps)} calls, step by step ({loop})",
        columns=[*columns, "StartFrame", "audio", "| ours", "Wavix", "Pipecat", "REST"],
        rows=table,
        bar="one GET and one POST before the first audio, at every call",
        met=all(row.met for row in rows),
        notes=[
            "ours: the code from webhook to GET, from its reply to POST, from handshake to accept; "
            "Wavix: requests, dialling and start, with the network and our HTTP client; Pipecat: "
            "from start on, with our transport",
            f"a new connection costs {OPENING_ROUND_TRIPS} round trips more: TCP and TLS, the "
            "socket's own included",
            f"of the GET, the emulator itself took {gets} ms",
            "the first call of a process took "
            + " and ".join(f"{first:.0f}" for first in firsts)
            + " ms; it is not in the table",
        ],
        figures=figures,
    )
