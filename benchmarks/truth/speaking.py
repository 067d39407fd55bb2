"""Started and stopped speaking against the ear: on a good network, and when marks misbehave."""

from collections.abc import Awaitable
from typing import Any, Final

from pipecat_wavix.emulator import LineSettings, NetworkSettings

from . import speech
from .common import (
    DELAYS_MS,
    LEADS,
    NAMES,
    OURS,
    STOPPED,
    Edges,
    edges,
    noise,
    phrases,
    say,
    talk_over,
    together,
)
from .far_end import KINDS, Bots, Outcome
from .plan import Action, AwaitCaller, End, Kind, Pause, Plan
from .report import Result, ms, spread, worst


async def speaking(bots: Bots, quick: bool) -> Result:
    """Started and stopped speaking against the ear."""
    spurts = phrases(4, 3, 7) if quick else phrases(5, 4, 8, 12, 2, 17, 6, 3)
    runs: list[tuple[Kind, float | None, int]] = [
        (kind, lead, delay) for kind, lead in LEADS for delay in DELAYS_MS
    ]

    def call(kind: Kind, lead: float | None, delay: int) -> Awaitable[Outcome]:
        script: list[Action] = []
        for spurt in spurts:
            script += [say(spurt), Pause(speech.spoken_secs(spurt) + 2 * delay / 1000 + 1.0)]
        script.append(End())
        return bots.call(Plan(transport=kind, lead_secs=lead, script=script), delay_ms=delay)

    outcomes = await together([call(*run) for run in runs])
    rows, figures, met = [], [], True
    for (kind, lead, delay), outcome in zip(runs, outcomes, strict=True):
        greeting, rest = edges(outcome, spurts[:1]), edges(outcome, spurts[1:])
        good = rest.within(0.020)
        met &= good or kind != OURS
        ahead = "-" if kind != OURS else f"{lead or 0.5:g} s"
        rows.append(
            [
                f"{delay} ms",
                NAMES[kind],
                ahead,
                spread(rest.started),
                spread(rest.stopped),
                f"{ms(worst(greeting.started)):+.0f}",
                "" if kind != OURS else "met" if good else "NOT met",
            ]
        )
        figures.append(
            {
                "transport": kind,
                "lead_secs": lead,
                "delay_ms": delay,
                "started_ms": [ms(e) for e in rest.started],
                "stopped_ms": [ms(e) for e in rest.stopped],
                "greeting_ms": [ms(e) for e in greeting.started],
                "unpaired": rest.unpaired,
            }
        )
    return Result(
        name="speaking",
        title="BotStartedSpeaking and BotStoppedSpeaking against the ear, ms, median / worst of "
        f"{2 * len(spurts) - 2}",
        columns=["one way", "transport", "lead", "started", "stopped", "greeting", ""],
        rows=rows,
        bar="within 20 ms of the ear at any delay and lead, once an echo has come back",
        met=met,
        notes=[
            "greeting: the first word, sent before any echo can have told the round trip; its error "
            "is shown, and no part of the bar",
            noise(outcomes),
        ],
        figures=figures,
    )


MARKS: Final[dict[str, tuple[dict[str, Any], dict[str, Any]]]] = {
    "all well": ({}, {}),
    "30 % lost": ({"mark_loss": 0.3}, {}),
    "all lost": ({"mark_loss": 1.0}, {}),
    "returned on clear": ({}, {"marks_on_clear": "return"}),
    "forgotten on clear": ({}, {"marks_on_clear": "forget"}),
    "doubled": ({"mark_double": 1.0}, {}),
    "60 ms of jitter": ({"jitter_ms": 60.0}, {}),
}


def stop_at_the_cut(outcome: Outcome, spurt: range) -> list[float]:
    """By how much the stop of the talkspurt that the caller interrupted was late, if it was told."""
    ended = outcome.heard.ended(spurt)
    cut_at = outcome.log.interruptions[:1] if outcome.log else []
    stops = [each.at for each in outcome.believed(STOPPED) if cut_at and each.at >= cut_at[0]]
    return [stops[0] - ended] if stops and ended else []


async def marks(bots: Bots, quick: bool) -> Result:
    """Calls on which marks or the network misbehave."""
    spurts = phrases(4, 6, 20, 6, 12)
    greeting, *_ = spurts
    runs: list[tuple[str, Kind]] = [(name, kind) for name in MARKS for kind in KINDS]
    seeds = (1,) if quick else (1, 2)

    def call(name: str, kind: Kind, seed: int) -> Awaitable[Outcome]:
        network, line = MARKS[name]
        script: list[Action] = []
        for spurt in (greeting, spurts[1]):
            script += [say(spurt), Pause(speech.spoken_secs(spurt) + 1.4)]
        script += [say(spurts[2]), AwaitCaller(20), Pause(1.5)]
        script += [say(spurts[3]), Pause(speech.spoken_secs(spurts[3]) + 1.4)]
        script += [say(spurts[4]), End()]
        return bots.call(
            Plan(transport=kind, script=script),
            caller=talk_over(2.5),
            network=NetworkSettings(delay_ms=100, seed=seed, **network),
            line=LineSettings(**line),
            max_secs=60,
        )

    outcomes = await together([call(*run, seed) for run in runs for seed in seeds])
    rows, figures, met = [], [], True
    whole = [spurts[1], spurts[3], spurts[4]]
    for number, (name, kind) in enumerate(runs):
        mine = outcomes[number * len(seeds) : (number + 1) * len(seeds)]
        found = Edges([], [])
        ended: list[float] = []
        heard: list[float] = []
        cut: list[float] = []
        for each in mine:
            one = edges(each, whole)
            found.started += one.started
            found.stopped += one.stopped
            found.unpaired += one.unpaired
            heard.append(each.heard.secs(spurts[4]) / speech.spoken_secs(spurts[4]))
            cut += stop_at_the_cut(each, spurts[2])
            last = each.heard.ended(spurts[4])
            if each.log and each.hung_up_at and last:
                ended.append(each.hung_up_at - last)
        good = len(ended) == len(mine) and not found.unpaired
        met &= good or kind != OURS
        rows.append(
            [
                name,
                NAMES[kind],
                spread(found.started),
                spread(found.stopped),
                spread(cut),
                f"{found.unpaired}",
                f"{100 * min(heard):.1f} %",
                f"{len(ended)} of {len(mine)}",
                f"{ms(max(ended, default=float('nan'))):.0f}",
                "" if kind != OURS else "met" if good else "NOT met",
            ]
        )
        figures.append(
            {
                "transport": kind,
                "marks": name,
                "started_ms": [ms(e) for e in found.started],
                "stopped_ms": [ms(e) for e in found.stopped],
                "cut_ms": [ms(e) for e in cut],
                "goodbye": [round(each, 4) for each in heard],
                "ended": len(ended),
                "calls": len(mine),
                "hang_up_ms": [ms(each) for each in ended],
                "unpaired": found.unpaired,
            }
        )
    return Result(
        name="marks",
        title="Marks that misbehave, at 100 ms one way: started and stopped against the ear, ms, "
        "median / worst; the goodbye; ms from the last sample heard to the hang-up",
        columns=[
            "marks",
            "transport",
            "started",
            "stopped",
            "cut",
            "unpaired",
            "goodbye",
            "ended",
            "hang-up",
            "",
        ],
        rows=rows,
        bar="every call ends, every started has its stopped",
        met=met,
        notes=[
            "cut: the stop at a barge-in, which goes ahead with the interruption, while the caller "
            "hears on until the clear has landed",
            noise(outcomes),
        ],
        figures=figures,
    )
