"""Belief against truth: the ledger talks to an emulated line over a bad network.

A simulation of discrete events, with a clock of its own: a bot sends as the transport does, a line
plays and returns the marks, and what the ledger believes is held against what the line did.
"""

import heapq
import random
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from itertools import count
from math import inf

from pipecat_wavix.phoneline import Cleared, LineSettings, MarkPlayed, PhoneLine, Step
from pipecat_wavix.playback import Edge, Playback
from pipecat_wavix.playback.ear import LOST_SECS

RATE = 24_000
FRAME = 480
STEP = 0.02  # the line plays in steps of 20 ms
NOISE = 0.01  # the ear does not follow what is less
ROUND_TRIP = 0.1  # what the ear assumes before the first echo
GUARD = 0.1  # no media follows a clear sooner
CLEAR = 0.05  # how soon the ledger takes a clear to be carried out
POLL = 0.02


@dataclass(frozen=True)
class Talkspurt:
    pause: float  # before it, after the last one was written
    secs: float
    protected: bool = False


@dataclass(frozen=True)
class Case:
    """A call, but for its dice."""

    talkspurts: tuple[Talkspurt, ...]
    lead: float = 0.5
    out: float = 0.05  # one way to the line
    back: float = 0.05
    jitter: float = 0.0  # at most, each way; nothing overtakes
    lost: float = 0.0  # what part of the marks never comes back
    doubled: float = 0.0
    stalls: tuple[tuple[float, float], ...] = ()  # (when, for how long) the bot stands still
    dry: tuple[tuple[float, float], ...] = ()  # ... or just has nothing to send
    clears: tuple[float, ...] = ()
    items: int = 0  # a second, at random places
    line: LineSettings = LineSettings()
    seed: int = 0


@dataclass
class Left:
    """An item that left the ledger."""

    how: str
    at: float
    position: int
    edge: Edge
    item: str
    held_at: float


@dataclass
class Landed:
    """A clear: when it was sent, and how far the line had played when it landed."""

    at: float
    believed: int
    certain: bool  # no mark was overdue
    base: int
    played: int | None = None


class Truth:
    """What the line has played, by position."""

    def __init__(self, scale):
        self._scale = scale
        self._starts, self._stops, self._times = [], [], []

    def play(self, step):
        at = step.at
        for piece in step.positions:
            if self._stops and piece.start == self._stops[-1] and abs(at - self._end(-1)) < 1e-7:
                self._stops[-1] = piece.stop
            else:
                self._starts.append(piece.start)
                self._stops.append(piece.stop)
                self._times.append(at)
            at += len(piece) * self._scale / RATE

    def _end(self, n):
        return self._times[n] + (self._stops[n] - self._starts[n]) * self._scale / RATE

    @property
    def played(self):
        return self._stops[-1] if self._stops else 0

    def heard_at(self, position, edge):
        """When a position was heard; None if the sample there (END: before it) never was."""
        sample = position - (edge is Edge.END)
        n = bisect_right(self._starts, sample) - 1
        if n < 0 or sample >= self._stops[n]:
            return None
        return self._times[n] + (position - self._starts[n]) * self._scale / RATE

    def __len__(self):
        return len(self._starts)


class Call:
    """One call: `run` it, then look."""

    def __init__(self, case):
        self.case = case
        self.now = 0.0
        self._dice = random.Random(case.seed)
        self._events = []
        self._order = count()
        self._line = PhoneLine(self._dice.uniform(-STEP, 0), case.line)
        self.truth = Truth(1 + case.line.drift_ppm * 1e-6)
        self._line_at = inf
        self._out = self._back = 0.0  # the latest arrival so far

        self.playback = Playback[str]()
        self._resume_at = 0.0
        self._again = []
        self._poll_at = inf
        self.frames = []  # what each message on the wire carried: the number of its content
        self._contents = count()
        self._number = {}
        self.protected = set()
        self.heard = defaultdict(int)  # by content: how many of its samples were heard, at most
        self.left = []
        self.clears = []
        self.item_names = count()
        self.held = 0
        self.heads = []

    # the world

    def _at(self, time, act, *, bot=True):
        heapq.heappush(self._events, (time, next(self._order), act, bot))

    def run(self):
        """Run the call to its end, and one more time that no mark can outlast."""
        self._at(0.0, self._steps(self._speak()))
        for at in self.case.clears:
            self._at(at, self._interrupt)
        if self.case.items:
            self._at(0.0, self._steps(self._hold_items()))
        while self._events:
            self.now, _, act, bot = heapq.heappop(self._events)
            until = max((at + secs for at, secs in self.case.stalls if at <= self.now < at + secs), default=0)
            if bot and until:
                self._at(until, act)
                continue
            act()
            if bot:
                self._release()
        return self

    def _steps(self, process):
        def step():
            at = next(process, None)
            if at is not None:
                self._at(at, step)

        return step

    def _wire(self, there):
        """When a message that leaves now arrives: later by chance, but never before the last."""
        jitter = self._dice.uniform(0, self.case.jitter)
        if there:
            self._out = max(self._out, self.now + self.case.out + jitter)
            return self._out
        self._back = max(self._back, self.now + self.case.back + jitter)
        return self._back

    def _play_line(self):
        self._line_at = inf
        for event in self._line.advance(self.now):
            if isinstance(event, Step):
                self.truth.play(event)
                for piece in event.positions:
                    content = self.frames[piece.start // FRAME]
                    assert piece.start // FRAME == (piece.stop - 1) // FRAME
                    self.heard[content] = max(self.heard[content], piece.stop % FRAME or FRAME)
            elif isinstance(event, Cleared):
                next(c for c in self.clears if c.played is None).played = self.truth.played
            elif isinstance(event, MarkPlayed) and self._dice.random() >= self.case.lost:
                for _ in range(1 + (self._dice.random() < self.case.doubled)):
                    self._at(self._wire(False), lambda name=event.name: self._echo(name))
        if not self._done():
            self._wake_line()

    def _wake_line(self):
        at = self._line.next_event_at
        if at < self._line_at:
            self._line_at = at
            self._at(at, lambda: self._play_line() if at == self._line_at else None, bot=False)

    def _done(self):
        return self.now > self.ends_at

    ends_at = inf

    # the bot, as the transport does it

    def _echo(self, name):
        floor = self.playback.ear.floor
        self.playback.ear.echo(self.now, name)
        assert self.playback.ear.floor >= floor

    def _send_frame(self, content):
        self.frames.append(content)
        self._line.play(self._wire(True), bytes(2 * FRAME))
        self._wake_line()
        self._mark_if_due()

    def _mark_if_due(self):
        if self.playback.ear.mark_due(self.now):
            self._mark()

    def _mark(self):
        self._line.mark(self._wire(True), self.playback.ear.place_mark(self.now))
        self._wake_line()

    def _stand_clear(self):
        again, self._again = self._again, []
        for sent in again:
            self._send_frame(int.from_bytes(sent.audio[:4], "little"))
        if again:
            self._mark()

    def _write(self, protected):
        content = next(self._contents)
        if protected:
            self.protected.add(content)
        audio = content.to_bytes(4, "little") * (FRAME // 2)
        self.playback.send(self.now, audio, protected=protected)
        self._send_frame(content)

    def _speak(self):
        playback = self.playback
        playback.send(0.0, bytes(2 * FRAME), speech=False)
        self._send_frame(next(self._contents))
        yield 1.0
        for number, talkspurt in enumerate(self.case.talkspurts):
            yield self.now + talkspurt.pause
            epoch = playback.epoch
            self._hold(playback.sent, Edge.START, None, f"started {number}")
            frames = round(talkspurt.secs / STEP)
            for first in range(0, frames, 2):
                piece = min(2, frames - first)
                while talkspurt.protected or epoch == playback.epoch:
                    dry = [at + s for at, s in self.case.dry if at <= self.now < at + s]
                    wait = playback.ear.ahead_secs(self.now) + piece * STEP - self.case.lead
                    if self.now < self._resume_at:
                        yield self._resume_at
                    elif dry:
                        yield max(dry)
                    elif wait > 1e-4:
                        yield self.now + wait
                    else:
                        self._stand_clear()
                        for _ in range(piece):
                            self._write(talkspurt.protected)
                        break
            self._mark()
            self._hold(playback.sent, Edge.END, None, f"stopped {number}")
        # The last mark can be expected by then, and be given up.
        self.ends_at = (playback.ear.heard_at(playback.sent) or 0) if playback.sent > playback.ear.floor else self.now
        self.ends_at = max(self.now, self.ends_at) + 2 + 2 * LOST_SECS
        yield self.ends_at

    def _interrupt(self):
        playback = self.playback
        certain = playback.ear.cap(self.now) == inf
        waiting = len(playback)
        base = playback.sent
        cut = playback.clear(self.now, resume_at=self.now + GUARD)
        for held in cut.heard:
            self._leave("heard", held)
        for held in cut.dropped:
            self._leave("dropped", held)
        assert len(playback) + len(cut.heard) + len(cut.dropped) == waiting
        if cut.clear:
            self.clears.append(Landed(self.now, cut.position, certain, base))
            self._line.clear(self._wire(True))
            self._wake_line()
            self._resume_at, self._again = self.now + GUARD, list(cut.again)
            if self._again:
                self._at(self._resume_at, self._stand_clear)
            else:
                self._at(self.now + POLL, self._mark)

    def _hold_items(self):
        dice = random.Random(self.case.seed + 1)
        while self.now < self.ends_at - 2:
            position = self.playback.sent + dice.choice([0, 0, dice.randrange(-2400, 1), dice.randrange(24_000)])
            self._hold(max(0, position), dice.choice(list(Edge)), dice.choice([False, None, True]))
            yield self.now + dice.expovariate(self.case.items)

    def _hold(self, position, edge, protected, name=None):
        self.held += 1
        item = (name or f"item {next(self.item_names)}", self.now)
        self.playback.hold(position, edge, item, protected=protected)

    def _leave(self, how, held):
        self.left.append(Left(how, self.now, held.position, held.edge, *held.item))

    def _release(self):
        for held in self.playback.release(self.now):
            self._leave("released", held)
        due = self.playback.next_release_at()
        if due is None or self.now > self.ends_at:
            return
        at = due if due > self.now else self.now + POLL
        if at < self._poll_at or self._poll_at <= self.now:
            self._poll_at = at
            self._at(at, lambda: self._poll(at))

    def _poll(self, at):
        if at == self._poll_at:
            self._poll_at = inf
            self._mark_if_due()
