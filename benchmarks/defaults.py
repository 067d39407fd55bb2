"""Why the transport's defaults are what they are: the lead and the mark interval, swept.

Run it with `python benchmarks/defaults.py`. It takes a few seconds, for it runs in simulated time:
the ledger (`playback`, the belief) against the emulated line (`phoneline`, the truth), a network of
100 ms each way with 60 ms of jitter, and a bot whose event loop stalls, or whose network does.
"""

import heapq
import itertools
from dataclasses import dataclass, field
from random import Random

import numpy as np

from pipecat_wavix.phoneline import MarkPlayed, PhoneLine, Step
from pipecat_wavix.playback import Edge, Playback

FRAME_SECS = 0.02
FRAME = b"\1\1" * 480
ONE_WAY_SECS, JITTER_SECS = 0.1, 0.06
SECS = 600.0


@dataclass
class Call:
    """One bot that speaks for 6 s of every 8, and what came of it.

    Its event loop stalls for `stall_secs` once a second; the way to the far end is cut for
    `outage_secs` every 5.3 s.

    Attributes:
        errors: By how much each 100 ms of speech was believed heard too late, in seconds.
        underruns: Gaps within speech that the caller heard.
        marks: Marks that were sent.
    """

    lead_secs: float
    mark_interval_secs: float
    stall_secs: float = 0.0
    outage_secs: float = 0.0
    errors: list[float] = field(default_factory=list)
    underruns: int = 0
    marks: int = 0

    def hold(self) -> "Call":
        """Hold the call, in simulated time."""
        random = Random(1)
        line = PhoneLine(0.0)
        playback: Playback[int] = Playback(mark_interval_secs=self.mark_interval_secs)
        order = itertools.count()
        timers: list[tuple[float, int, str]] = []  # echoes on their way back
        believed: dict[int, float] = {}
        played: dict[int, float] = {}
        way_there = way_back = 0.0
        now = 0.0
        while now < SECS:
            now += 0.005
            for event in line.advance(now):
                if isinstance(event, Step):
                    for span in event.positions:
                        for end in range(-(-(span.start + 1) // 2400) * 2400, span.stop + 1, 2400):
                            played[end] = event.at + (end - span.start) / 24_000
                elif isinstance(event, MarkPlayed):
                    way_back = max(
                        way_back, event.at + ONE_WAY_SECS + random.uniform(0, JITTER_SECS)
                    )
                    heapq.heappush(timers, (way_back, next(order), event.name))
            if now % 1 < self.stall_secs:
                continue  # the bot's event loop stands still
            while timers and timers[0][0] <= now:
                playback.ear.echo(now, heapq.heappop(timers)[2])
            for held in playback.release(now):
                believed[held.position] = now
            while (
                now % 8 < 6 and playback.ear.ahead_secs(now) + FRAME_SECS <= self.lead_secs + 1e-4
            ):
                outage = max(0.0, self.outage_secs - now % 5.3)
                way_there = max(
                    way_there, now + outage + ONE_WAY_SECS + random.uniform(0, JITTER_SECS)
                )
                playback.send(now, FRAME)
                line.play(way_there, FRAME)
                if playback.sent % 2400 == 0:
                    playback.hold(playback.sent, Edge.END, 0)
                self._mark(playback, line, now, way_there)
            self._mark(playback, line, now, max(way_there, now + ONE_WAY_SECS))
            for end in believed.keys() & played.keys():
                self.errors.append(believed.pop(end) - played.pop(end))
        self.underruns = line.stats.underruns
        return self

    def _mark(self, playback: Playback[int], line: PhoneLine, now: float, arrives: float) -> None:
        if playback.ear.mark_due(now):
            self.marks += 1
            line.mark(arrives, playback.ear.place_mark(now))


def late(call: Call, share: float) -> str:
    """A quantile of the error's size, in ms."""
    return f"{np.quantile(np.abs(call.errors), share) * 1000:.0f}"


def main() -> None:
    print("speech_lead_secs: gaps within speech that the caller hears, a minute\n")
    stalls = (0.0, 0.1, 0.15, 0.25, 0.4)
    print(f"{'lead':>8}" + "".join(f"{f'stall {stall * 1000:.0f} ms':>14}" for stall in stalls))
    for lead in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6):
        counts = [Call(lead, 0.2, stall).hold().underruns / (SECS / 60) for stall in stalls]
        print(f"{lead:>6.1f} s" + "".join(f"{count:>14.1f}" for count in counts))

    print("\nmark_interval_secs: error of what is believed heard, at the default lead\n")
    print(f"{'interval':>8}{'median, ms':>14}{'p90, ms':>14}{'p95, ms':>14}{'marks a second':>18}")
    for interval in (0.04, 0.1, 0.2, 0.5, 1.0, 2.0):
        # An outage longer than the lead: the far end runs dry, and only marks can tell.
        call = Call(0.5, interval, outage_secs=1.0).hold()
        figures = "".join(f"{late(call, share):>14}" for share in (0.5, 0.9, 0.95))
        print(f"{interval:>6.2f} s{figures}{call.marks / SECS:>18.1f}")


if __name__ == "__main__":
    main()
