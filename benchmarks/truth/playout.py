"""How audio leaves: through stalls of the event loop, and how fast it is cleared."""

import asyncio
from random import Random

from . import speech
from .common import NAMES, OURS, noise, phrases, say, unpaired
from .far_end import KINDS, Bots
from .plan import Action, End, Interrupt, Pause, Plan
from .report import Result, median, ms, percentile


async def stalls(bots: Bots, quick: bool) -> Result:
    """Playout while the bot's event loop stalls once a second."""
    (words,) = phrases(14 if quick else 45)
    rows, figures, met = [], [], True
    for stall_ms in (100, 250) if quick else (0, 100, 150, 250, 700):
        # One call a bot at a time: a stall concerns all calls of its process.
        plans = [
            Plan(
                transport=kind, stall_ms=stall_ms, script=[Pause(0.8), say(words), Pause(1), End()]
            )
            for kind in KINDS
        ]
        outcomes = await asyncio.gather(*(bots.call(plan, delay_ms=20) for plan in plans))
        for kind, outcome in zip(KINDS, outcomes, strict=True):
            began, ended = outcome.heard.began(words), outcome.heard.ended(words)
            spoken, gaps = outcome.heard.secs(words), outcome.heard.gaps(words)
            if began is None or ended is None:
                raise RuntimeError(f"nothing was heard of {NAMES[kind]}")
            span = ended - began
            rate = spoken / span
            whole = abs(spoken - speech.spoken_secs(words)) < 0.001
            good = not gaps and abs(rate - 1) < 0.0005 and whole
            counts = stall_ms < 500
            met &= good or kind != OURS or not counts
            rows.append(
                [
                    f"{stall_ms} ms" if stall_ms else "none",
                    NAMES[kind],
                    f"{len(gaps) / span * 60:.0f}",
                    f"{sum(gaps) * 1000 / span * 60:.0f}",
                    f"{rate:.3f}",
                    "" if kind != OURS or not counts else "met" if good else "NOT met",
                ]
            )
            figures.append(
                {
                    "transport": kind,
                    "stall_ms": stall_ms,
                    "underruns_a_minute": round(len(gaps) / span * 60, 1),
                    "silence_ms_a_minute": round(sum(gaps) * 1000 / span * 60),
                    "rate": round(rate, 4),
                }
            )
    return Result(
        name="stalls",
        title=f"{speech.spoken_secs(words):.0f} s of speech while the bot's event loop stands still "
        "once a second",
        columns=["stall", "transport", "underruns/min", "silence ms/min", "delivered", ""],
        rows=rows,
        bar="no underrun up to the lead (0.5 s), delivered rate 1.000",
        met=met,
        notes=[
            "one call a bot at a time; a stall beyond the lead is shown, and no part of the bar",
        ],
        figures=figures,
    )


async def clears(bots: Bots, quick: bool) -> Result:
    """From InterruptionFrame to clear on the wire."""
    turns = phrases(*[3] * (10 if quick else 120))
    script: list[Action] = [Pause(1.0)]
    chance = Random(6)
    for turn in turns:
        # Not in step with the 20 or 40 ms in which audio is sent.
        script += [say(turn), Pause(chance.uniform(0.36, 0.44)), Interrupt(), Pause(0.2)]
    script += [Pause(0.3), End()]
    # One after the other: milliseconds count here, and a machine may have two cores.
    outcomes = [
        await bots.call(Plan(transport=kind, script=script), delay_ms=20, max_secs=200)
        for kind in KINDS
    ]
    rows, figures, met = [], [], True
    for kind, outcome in zip(KINDS, outcomes, strict=True):
        log = outcome.log
        if log is None:
            raise RuntimeError(f"the call of {NAMES[kind]} was never done")
        took, ahead, stale, missing = [], 0, 0, 0
        for at, reached in zip(log.interruptions, log.reached, strict=True):
            clear = next((each for each in log.clears if at <= each < at + 0.2), None)
            if clear is None:
                missing += 1
                continue
            took.append(clear - at)
            ahead += sum(reached < each < clear for each in log.media)
            stale += sum(clear <= each < clear + 0.15 for each in log.media)
        after = 0.0
        for turn, landed in zip(turns, outcome.clears, strict=False):
            after += outcome.heard.secs(turn) - outcome.heard.until(landed.at).secs(turn)
        p99 = percentile(took, 0.99)
        alone = unpaired(outcome)
        good = p99 <= 0.005 and not (ahead or missing or stale or alone)
        met &= good or kind != OURS
        rows.append(
            [
                NAMES[kind],
                f"{len(took)}",
                f"{ms(median(took)):.1f} / {ms(p99):.1f} / {ms(max(took, default=0)):.1f}",
                f"{missing}",
                f"{ahead}",
                f"{stale}",
                f"{ms(after):.0f}",
                f"{alone}",
                "" if kind != OURS else "met" if good else "NOT met",
            ]
        )
        figures.append(
            {
                "transport": kind,
                "clear_ms": [ms(each) for each in took],
                "missing": missing,
                "media_ahead": ahead,
                "media_after": stale,
                "stale_ms": ms(after),
                "unpaired": alone,
            }
        )
    return Result(
        name="clears",
        title="InterruptionFrame to clear on the wire, ms, of the barge-ins of one call",
        columns=[
            "transport",
            "clears",
            "p50 / p99 / max",
            "missing",
            "media ahead",
            "media after",
            "stale ms heard",
            "unpaired",
            "",
        ],
        rows=rows,
        bar="p99 within 5 ms, no media ahead of it, nothing stale behind it",
        met=met,
        notes=[
            "measured in the bot, from the broadcast of the frame to the socket's send having "
            "returned",
            "media ahead: sent between the output having the frame and the clear",
            "media after: sent within 150 ms behind the clear, so of the speech that was cut",
            "unpaired: started without stopped, or the other way round",
            noise(outcomes),
        ],
        figures=figures,
    )
