"""Ten thousand sockets with bad tokens, against a bot in a process of its own."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from random import Random

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from pipecat_wavix.tokens import StreamPass

from . import bot
from .far_end import Bot, a_bot, wavix
from .report import Result
from .strangers import MINT, altered_token, forged_token, good_token, handshake, start_of

ATTEMPTS, QUICK_ATTEMPTS = 10_000, 1_000
ROUNDS = 10
AT_ONCE = 16
REUSE_SECS = 30.0
GROWTH_BAR_MB = 10.0


class Attempts:
    """All tries at one bot.

    Attributes:
        uses: How often a good token was used, once each; so often a bot has to run.
        seen: What was answered, by kind.
        secs: What it took, by kind.
    """

    def __init__(self, one: Bot) -> None:
        self._one = one
        self._random = Random(4)
        self._used = ""
        self._used_at = float("-inf")
        self.uses = 0
        self.seen: dict[str, Counter[str]] = {}
        self.secs: defaultdict[str, float] = defaultdict(float)
        self._kinds = {
            "forged": self._forged,
            "altered": self._altered,
            "expired": self._expired,
            "replayed": self._replayed,
            "another's": self._anothers,
        }

    async def round(self, count: int) -> None:
        """Try each kind so often."""
        if time.monotonic() - self._used_at > REUSE_SECS:
            await self._use()
        for name, kind in self._kinds.items():
            began = time.monotonic()
            seen = self.seen.setdefault(name, Counter())
            await _at_once(count, kind, seen)
            self.secs[name] += time.monotonic() - began

    async def _use(self) -> None:
        """Use a good token as Wavix does, so that it can be replayed."""
        self._used, self._used_at = good_token(), time.monotonic()
        content = MINT.open(self._used, StreamPass, ttl_secs=60, now=time.time())
        assert content
        async with connect(self._url(self._used), compression=None) as socket:
            await socket.send(start_of(content.call_id))
            self.uses += 1
            async with asyncio.timeout(30):
                await socket.recv()  # its bot speaks

    def _url(self, token: str) -> str:
        return f"ws://127.0.0.1:{self._one.port}/wavix/media/{token}"

    async def _forged(self) -> str:
        return str(await handshake(self._one.port, forged_token(self._random)))

    async def _altered(self) -> str:
        return str(await handshake(self._one.port, altered_token(self._random, good_token())))

    async def _expired(self) -> str:
        ago = 60 + self._random.randrange(2, 10**6)
        return str(await handshake(self._one.port, good_token(now=time.time() - ago)))

    async def _replayed(self) -> str:
        return str(await handshake(self._one.port, self._used))

    async def _anothers(self) -> str:
        """A good token, and a `start` of another call."""
        try:
            async with connect(self._url(good_token()), compression=None) as socket:
                await socket.send(start_of("another"))
                await socket.recv()
        except ConnectionClosed as closed:
            return f"101, {closed.rcvd.code if closed.rcvd else 'broken'}"
        except InvalidStatus as refused:
            return str(refused.response.status_code)
        return "let in"


REFUSED = {
    **dict.fromkeys(("forged", "altered", "expired", "replayed"), "403"),
    "another's": "101, 1008",
}
"""How each kind has to be answered: before the socket is open, or by its close."""


async def _at_once(count: int, once: Callable[[], Awaitable[str]], seen: Counter[str]) -> None:
    left = iter(range(count))

    async def some() -> None:
        for _ in left:
            try:
                seen[await once()] += 1
            except OSError as error:
                seen[type(error).__name__] += 1

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))


async def tokens(quick: bool, shows_logs: bool) -> Result:
    """Try them all, in rounds; see what that costs the bot's process."""
    count = (QUICK_ATTEMPTS if quick else ATTEMPTS) // len(REFUSED) // ROUNDS
    async with (
        wavix() as emulator,
        a_bot(bot.Order(emulator.base_url, timed=False, shows_logs=shows_logs)) as one,
    ):
        await Attempts(one).round(2)  # what is done for the first time takes memory once
        assert one.runs.qsize() == 1
        attempts = Attempts(one)
        memory = [one.memory_mb()]
        for _ in range(ROUNDS):
            await attempts.round(count)
            memory.append(one.memory_mb())
        await asyncio.sleep(1)  # a bot that has been let in by mistake would have been told of
        ran = one.runs.qsize() - 1 - attempts.uses
    return _result(attempts, ran, memory)


def _result(attempts: Attempts, ran: int, memory: list[float]) -> Result:
    rows, figures = [], []
    for kind, seen in attempts.seen.items():
        rate = seen.total() / attempts.secs[kind]
        answers = ", ".join(f"{answer}: {times}" for answer, times in seen.items())
        rows.append([kind, str(seen.total()), answers, f"{rate:.0f}"])
        figures.append({"kind": kind, "answers": seen, "a_second": rate})
    total = sum(seen.total() for seen in attempts.seen.values())
    refused = sum(attempts.seen[kind][answer] for kind, answer in REFUSED.items())
    rate = total / sum(attempts.secs.values())
    growth = memory[-1] - memory[0]
    figures.append({"bots_run": ran, "a_second": rate, "memory_mb": memory})
    return Result(
        name="tokens",
        title=f"{total} sockets with bad tokens, {AT_ONCE} at a time",
        columns=["kind", "tries", "answers", "a second"],
        rows=[*rows, ["all", str(total), f"refused: {refused}; bots run: {ran}", f"{rate:.0f}"]],
        bar=f"none runs a bot; memory grows by at most {GROWTH_BAR_MB:.0f} MB: {growth:+.1f} MB",
        met=ran == 0 and refused == total and not growth > GROWTH_BAR_MB,
        notes=[
            "memory in MB, before and after each round: " + " ".join(f"{mb:.1f}" for mb in memory),
            f"good tokens used beside them, for replaying: {attempts.uses}, a bot each",
        ],
        figures=figures,
    )
