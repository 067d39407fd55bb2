"""What was heard: the words that the context keeps, goodbyes, and protected speech."""

from collections.abc import Awaitable
from typing import Any

from pipecat_wavix.emulator import Pause as Wait, Say as Talk, WaitForBot
from pipecat_wavix.emulator.callers import Action as CallerAction

from . import speech
from .common import (
    DELAYS_MS,
    LEADS,
    NAMES,
    OURS,
    VOICE,
    noise,
    phrases,
    say,
    talk_over,
    together,
)
from .far_end import KINDS, Bots, Outcome
from .plan import Action, AwaitCaller, End, Kind, Pause, Plan, Say
from .report import Result, median, ms, worst


def words_off(outcome: Outcome, words: range) -> dict[str, Any]:
    """Hold the words of a turn that the context keeps against those that were heard."""
    shares = dict(zip(words, outcome.heard.shares(words), strict=True))
    kept = [word for word in outcome.context if word in words]
    return {
        "heard": round(sum(min(1.0, share) for share in shares.values()), 2),
        "kept": len(kept),
        "unheard": sum(shares[word] < 0.01 for word in set(kept)),
        "missing": sum(share > 0.99 and word not in kept for word, share in shares.items()),
        "in_order": kept == sorted(set(kept)),
    }


async def context(bots: Bots, quick: bool) -> Result:
    """Words in the context against words heard, at barge-ins."""
    moments = (5.9,) if quick else (1.3, 3.4, 5.9, 8.4)
    turns = phrases(*[35] * len(moments))
    runs: list[tuple[Kind, float | None, bool, int]] = [
        (kind, lead, timed, delay)
        for timed in (True, False)
        for delay in ((100,) if quick else DELAYS_MS)
        for kind, lead in LEADS
        if lead is None or delay == 100
    ]

    def call(kind: Kind, lead: float | None, timed: bool, delay: int) -> Awaitable[Outcome]:
        script: list[Action] = [Pause(1.0)]
        caller: list[CallerAction] = []
        for turn, moment in zip(turns, moments, strict=True):
            cuts = [(at, at + 7) for at in range(turn.start, turn.stop, 7)]
            script += [
                Say(cuts[:2], how="reply"),
                Say(cuts[2:3]),
                Say(cuts[3:], how="reply"),
                AwaitCaller(30),
                Pause(1.6 + delay / 500),
            ]
            caller += talk_over(moment)
            caller.append(WaitForBot("quiet", 0.6, 10))
        script.append(End())
        plan = Plan(transport=kind, lead_secs=lead, timed=timed, trailing_ms=300, script=script)
        return bots.call(plan, delay_ms=delay, caller=caller)

    outcomes = await together([call(*run) for run in runs])
    rows, figures, met = [], [], True
    for (kind, lead, timed, delay), outcome in zip(runs, outcomes, strict=True):
        found = [words_off(outcome, turn) for turn in turns]
        off = worst([each["kept"] - each["heard"] for each in found])
        good = abs(off) <= 1 and all(
            each["unheard"] <= 1 and each["missing"] <= 1 and each["in_order"] for each in found
        )
        met &= good or kind != OURS
        wrong = sum(each["unheard"] + each["missing"] for each in found)
        ahead = "-" if kind != OURS else f"{lead or 0.5:g} s"
        rows.append(
            [
                f"{delay} ms",
                "word times" if timed else "none",
                NAMES[kind],
                ahead,
                "  ".join(f"{each['heard']:4.1f}/{each['kept']:<2}" for each in found),
                f"{off:+.1f}",
                f"{wrong}" + ("" if all(each["in_order"] for each in found) else ", disordered"),
                "" if kind != OURS else "met" if good else "NOT met",
            ]
        )
        figures.append(
            {
                "transport": kind,
                "lead_secs": lead,
                "timed": timed,
                "delay_ms": delay,
                "turns": found,
                "worst": off,
            }
        )
    return Result(
        name="context",
        title="Words heard / words kept in the context, at barge-ins after "
        f"{', '.join(map(str, moments))} s of speech in several TTS contexts",
        columns=["one way", "TTS", "transport", "lead", "heard/kept", "worst", "wrong", ""],
        rows=rows,
        bar="within one word of what was heard",
        met=met,
        notes=[
            "a word that was heard in part counts by that part",
            "wrong: words kept that nobody heard, and words heard whole that were lost",
            "every sentence, or TTS context, ends in 300 ms of silence; words last 200 to 400 ms",
            noise(outcomes),
        ],
        figures=figures,
    )


async def goodbye(bots: Bots, quick: bool) -> Result:
    """Share of a goodbye that is heard before the hang-up."""
    (words,) = phrases(12)
    times = 1 if quick else 3
    runs: list[tuple[Kind, int]] = [(kind, delay) for delay in DELAYS_MS for kind in KINDS]

    def call(kind: Kind, delay: int, timed: bool) -> Awaitable[Outcome]:
        plan = Plan(transport=kind, timed=timed, script=[Pause(0.8), say(words), End()])
        return bots.call(plan, delay_ms=delay)

    kinds = [timed for _ in range(times) for timed in (False, True)]
    outcomes = await together([call(*run, timed) for run in runs for timed in kinds])
    rows, figures, met = [], [], True
    for number, (kind, delay) in enumerate(runs):
        mine = outcomes[number * len(kinds) : (number + 1) * len(kinds)]
        shares = [each.heard.secs(words) / speech.spoken_secs(words) for each in mine]
        after = [
            each.hung_up_at - ended
            for each in mine
            if each.hung_up_at and (ended := each.heard.ended(words))
        ]
        good = min(shares) > 0.9999 and len(after) == len(mine)
        met &= good or kind != OURS
        rows.append(
            [
                f"{delay} ms",
                NAMES[kind],
                f"{100 * median(shares):.1f} / {100 * min(shares):.1f} %",
                f"{ms(median(after)):.0f} / {ms(max(after, default=float('nan'))):.0f}",
                "" if kind != OURS else "met" if good else "NOT met",
            ]
        )
        figures.append(
            {
                "transport": kind,
                "delay_ms": delay,
                "shares": [round(share, 4) for share in shares],
                "hang_up_ms": [ms(each) for each in after],
            }
        )
    return Result(
        name="goodbye",
        title=f"A goodbye of {speech.spoken_secs(words):.1f} s, then EndFrame: the share that is "
        f"heard, and ms from the last sample heard to the hang-up, of {len(kinds)}",
        columns=["one way", "transport", "heard, median / least", "hang-up, median / last", ""],
        rows=rows,
        bar="100 % of every goodbye heard",
        met=met,
        notes=[
            "the hang-up takes effect at the far end at once, which is harder than life",
            noise(outcomes),
        ],
        figures=figures,
    )


async def protected(bots: Bots, quick: bool) -> Result:
    """Uninterruptible speech that the caller talks over."""
    before, words = phrases(8, 14)
    scenes: dict[str, tuple[list[Action], list[CallerAction]]] = {
        "once, in it": ([say(words, how="protected")], talk_over(1.0)),
        "twice, in it": (
            [say(words, how="protected")],
            [*talk_over(0.7), Wait(1.0), Talk(VOICE)],
        ),
        "just before it": ([say(before), say(words, how="protected")], talk_over(1.9)),
    }
    runs: list[tuple[Kind, str]] = [(kind, scene) for scene in scenes for kind in KINDS]
    delays = (100,) if quick else DELAYS_MS
    variants = [(delay, timed) for delay in delays for timed in (False, True)]

    def call(kind: Kind, scene: str, delay: int, timed: bool) -> Awaitable[Outcome]:
        said, caller = scenes[scene]
        plan = Plan(transport=kind, timed=timed, script=[Pause(0.8), *said, Pause(7.5), End()])
        return bots.call(plan, delay_ms=delay, caller=caller)

    outcomes = await together([call(*run, *variant) for run in runs for variant in variants])
    rows, figures, met = [], [], True
    for number, (kind, scene) in enumerate(runs):
        mine = outcomes[number * len(variants) : (number + 1) * len(variants)]
        shares = [each.heard.shares(words) for each in mine]
        heard = [sum(min(1.0, share) for share in each) / len(each) for each in shares]
        again = [
            sum(max(0.0, s - 1) * speech.spoken_ms(w) for s, w in zip(each, words, strict=True))
            for each in shares
        ]
        good = min(heard) > 0.9999
        met &= good or kind != OURS
        rows.append(
            [
                scene,
                NAMES[kind],
                f"{100 * median(heard):.1f} / {100 * min(heard):.1f} %",
                f"{median(again):.0f} / {max(again):.0f}",
                "" if kind != OURS else "met" if good else "NOT met",
            ]
        )
        figures.append(
            {
                "transport": kind,
                "scene": scene,
                "heard": [round(each, 4) for each in heard],
                "again_ms": [round(each) for each in again],
            }
        )
    return Result(
        name="protected",
        title="Uninterruptible speech that the caller talks over: the share that is heard, and ms "
        f"that are heard twice, of {len(variants)} at {', '.join(map(str, delays))} ms",
        columns=["talked over", "transport", "heard, median / least", "twice, median / most", ""],
        rows=rows,
        bar="100 % of protected speech heard",
        met=met,
        notes=[noise(outcomes)],
        figures=figures,
    )
