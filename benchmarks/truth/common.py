"""What the cases share: calls at the same time, numbered words, and speaking held against the ear."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, TypeVar

from pipecat_wavix.emulator import Say as Talk, WaitForBot
from pipecat_wavix.emulator.callers import Action as CallerAction

from . import speech
from .far_end import Outcome
from .plan import Kind, Say
from .report import ms

T = TypeVar("T")

OURS: Final = "wavix"
NAMES: Final[dict[Kind, str]] = {"stock": "FastAPIWebsocketTransport", "wavix": "WavixTransport"}
DELAYS_MS: Final = (0, 100, 300)
FAR_AHEAD_SECS: Final = 3.0
LEADS: Final[tuple[tuple[Kind, float | None], ...]] = (
    ("stock", None),
    ("wavix", None),
    ("wavix", FAR_AHEAD_SECS),
)
"""Which transports are compared, and how far ahead they send: None for as they do."""

STARTED: Final = "BotStartedSpeakingFrame"
STOPPED: Final = "BotStoppedSpeakingFrame"
AT_ONCE = 14  # calls, with both bots together
STAGGER_SECS = 0.057  # so that they do not send in step

VOICE = speech.callers_voice(400)


async def together(calls: Sequence[Awaitable[T]]) -> list[T]:
    """Hold calls at the same time, some at once."""
    lines = asyncio.Semaphore(AT_ONCE)

    async def held(number: int, call: Awaitable[T]) -> T:
        async with lines:
            await asyncio.sleep(number % AT_ONCE * STAGGER_SECS)
            return await call

    return list(await asyncio.gather(*(held(*each) for each in enumerate(calls))))


def phrases(*counts: int) -> list[range]:
    """So many words each, numbered throughout a call."""
    ends = [1]
    for count in counts:
        ends.append(ends[-1] + count)
    return [range(*ends) for ends in pairwise(ends)]


def say(words: range, **kwargs: Any) -> Say:
    """Say words in one sentence."""
    return Say([(words.start, words.stop)], **kwargs)


def talk_over(after_secs: float) -> list[CallerAction]:
    """Interrupt the bot when it has been heard for so long."""
    return [WaitForBot("speaking", after_secs, 30), Talk(VOICE)]


def noise(outcomes: Sequence[Outcome]) -> str:
    """How late the event loops were in these calls: what is no finding about the transports."""
    bots = [each.log.late_secs for each in outcomes if each.log]
    ends = [each.late_secs for each in outcomes]
    errors = {each.log.error if each.log else "a bot was never done" for each in outcomes} - {""}
    return (
        "; ".join(sorted(errors))
        + "; " * bool(errors)
        + (
            f"event loops were late by at most {ms(max(bots, default=0)):.0f} ms in the bots, "
            f"{ms(max(ends)):.0f} ms at the far end"
        )
    )


@dataclass
class Edges:
    """By how much started and stopped were off, in seconds; late is positive."""

    started: list[float]
    stopped: list[float]
    unpaired: int = 0

    def within(self, secs: float) -> bool:
        """Whether all were told, and none was farther off."""
        return not self.unpaired and all(abs(e) <= secs for e in self.started + self.stopped)


def unpaired(outcome: Outcome) -> int:
    """How many started had no stopped before the next, and the other way round."""
    missing = 0
    for side in ("down", "up"):
        speaks = False
        for each in outcome.log.believed if outcome.log else []:
            if each.side == side and each.kind in (STARTED, STOPPED):
                missing += speaks == (each.kind == STARTED)
                speaks = each.kind == STARTED
        missing += speaks
    return missing


def edges(outcome: Outcome, spurts: Sequence[range]) -> Edges:
    """Hold what the pipeline was told of talkspurts against what was heard of them.

    Both directions count: the context aggregators see the one, the VAD and the user's turn the other.
    """
    found = Edges([], [], unpaired(outcome))
    for side in ("down", "up"):
        for kind, truths, errors in (
            (STARTED, [outcome.heard.began(s) for s in spurts], found.started),
            (STOPPED, [outcome.heard.ended(s) for s in spurts], found.stopped),
        ):
            times = [each.at for each in outcome.believed(kind, side)]
            for truth in truths:
                nearest = min(times, key=lambda at: abs(at - (truth or 0)), default=None)
                if truth is None or nearest is None:
                    found.unpaired += 1
                    continue
                times.remove(nearest)
                errors.append(nearest - truth)
    return found
