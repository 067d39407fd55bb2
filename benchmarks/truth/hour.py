"""An hour of audio in simulated time, to a far end whose clock is not ours.

`pipecat_wavix.playback` is the belief, `pipecat_wavix.phoneline` the truth; between them lies a
network that only delays. No socket and no event loop: it is the ledger that is measured.
"""

import gc
import heapq
import sys
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Final

from pipecat_wavix.phoneline import Cleared, LineSettings, MarkPlayed, PhoneLine, Step
from pipecat_wavix.playback import Edge, Playback
from pipecat_wavix.protocol import FRAME_BYTES, FRAME_SAMPLES, SAMPLE_RATE

from .report import Result, median, ms, worst

ONE_WAY_SECS: Final = 0.1
LEAD_SECS: Final = 0.5
FRAME_SECS: Final = FRAME_SAMPLES / SAMPLE_RATE
WORD_FRAMES: Final = 15
_SPEECH = b"\1" * FRAME_BYTES


@dataclass
class Simulation:
    """One bot and one far end.

    Args:
        drift_ppm: How much longer the far end's seconds are, in millionths.
        pauses: Whether the bot pauses 2 s in 8, and is interrupted now and then; else it never does.

    Attributes:
        errors: By how much each word was released late, in seconds.
        kept: The size of the ledger in bytes, once a minute.
    """

    drift_ppm: float
    pauses: bool
    errors: list[float] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)

    def run(self, secs: float) -> None:
        """Simulate so many seconds."""
        line = PhoneLine(0.0, LineSettings(drift_ppm=self.drift_ppm))
        playback: Playback[int] = Playback()
        echoes: list[tuple[float, str]] = []
        played: dict[int, float] = {}  # position: when it was
        believed: dict[int, float] = {}
        scale = 1 + self.drift_ppm * 1e-6
        now = tick = 0.0
        resume_at = 0.0
        interrupted = 0
        frames = 0

        def mark() -> None:
            while playback.ear.mark_due(now):
                line.mark(now + ONE_WAY_SECS, playback.ear.place_mark(now))

        while now < secs:
            due = playback.next_release_at()
            times = [tick, *(at for at, _ in echoes[:1])]
            now = min([*times, due] if due is not None and due > now else times)
            for event in line.advance(now):
                if isinstance(event, Step):
                    for span in event.positions:
                        word = FRAME_SAMPLES * WORD_FRAMES
                        end = span.stop // word * word
                        if span.start < end <= span.stop:
                            played[end] = event.at + (end - span.start) * scale / SAMPLE_RATE
                elif isinstance(event, MarkPlayed):
                    heapq.heappush(echoes, (event.at + ONE_WAY_SECS, event.name))
                elif isinstance(event, Cleared):
                    believed.clear()  # words at the very cut are nobody's error
                    played.clear()
            while echoes and echoes[0][0] <= now:
                playback.ear.echo(now, heapq.heappop(echoes)[1])
            for held in playback.release(now):
                believed[held.position] = now
            for position in believed.keys() & played.keys():
                self.errors.append(believed.pop(position) - played.pop(position))
            if now < tick:
                continue
            tick += FRAME_SECS
            talks = not self.pauses or now % 8 < 6
            if self.pauses and now % 40 >= 4 and interrupted < now // 40 + 1:
                interrupted += 1
                if playback.clear(now, resume_at=now + 0.1).clear:
                    line.clear(now + ONE_WAY_SECS)
                resume_at = now + 0.1
            while (
                talks
                and now >= resume_at
                and playback.ear.ahead_secs(now) + FRAME_SECS <= LEAD_SECS + 1e-4
            ):
                playback.send(now, _SPEECH)
                line.play(now + ONE_WAY_SECS, _SPEECH)
                if playback.sent % (FRAME_SAMPLES * WORD_FRAMES) == 0:
                    playback.hold(playback.sent, Edge.END, playback.sent)
                mark()
            mark()
            frames += 1
            if frames % 3000 == 0:
                self.kept.append(size_of(playback))


def size_of(root: object) -> int:
    """The memory of everything that is reached from an object, in bytes."""
    seen: set[int] = set()
    total = 0
    reached: list[Any] = [root]
    while reached:
        each = reached.pop()
        if id(each) in seen or isinstance(each, type | ModuleType) or callable(each):
            continue
        seen.add(id(each))
        total += sys.getsizeof(each)
        reached += gc.get_referents(each)
    return total


def run(quick: bool) -> Result:
    """Simulate an hour (in a hurry: two minutes) of each kind."""
    secs = 120 if quick else 3600
    rows, figures, met = [], [], True
    for pauses in (False, True):
        for drift_ppm in (-200, 0, 200):
            simulation = Simulation(drift_ppm, pauses)
            simulation.run(secs)
            errors, kept = simulation.errors, simulation.kept
            good = abs(worst(errors)) <= 0.020 and max(kept) < 64 * 1024
            met &= good
            rows.append(
                [
                    f"{drift_ppm:+d} ppm" if drift_ppm else "none",
                    "with pauses and barge-ins" if pauses else "without a pause",
                    f"{len(errors)}",
                    f"{ms(median(errors)):+.1f} / {ms(worst(errors)):+.1f}",
                    f"{kept[0] / 1024:.1f} / {max(kept) / 1024:.1f}",
                    "met" if good else "NOT met",
                ]
            )
            figures.append(
                {
                    "drift_ppm": drift_ppm,
                    "pauses": pauses,
                    "words": len(errors),
                    "median_ms": ms(median(errors)),
                    "worst_ms": ms(worst(errors)),
                    "bytes": kept,
                }
            )
    return Result(
        name="hour",
        title=f"{secs // 60} minutes of simulated audio to a far end whose clock drifts: when words "
        "are believed heard, ms, median / worst; KiB of the ledger after a minute / at most",
        columns=["drift", "speech", "words", "error", "KiB", ""],
        rows=rows,
        bar="within 20 ms of the ear, and bounded memory (64 KiB)",
        met=met,
        notes=["the ledger alone, against `phoneline`: the stock transport has none to compare"],
        figures=figures,
    )
