"""When each sample is heard: an estimate, corrected by the echoes of marks.

A *position* counts samples since the stream began and never goes back. A *run* is audio that the
far end plays without a gap. Its first sample is heard half a round trip after it was sent, and
every other one in its turn. Echoes correct that: an echo is a hard floor, for all before it was
played; an overdue mark is a cap, for the far end must be behind. When marks keep failing, only the
estimate is left. So losing marks costs accuracy, never liveness.

    what happens        what the ear makes of it
    ------------        ---------------------------------------------------------------------------
    audio is sent       a new run begins if the far end must have played all before it
    audio is booked     the same at its time; a mark before that lies ahead of it, the first one
                        after that tells that it has left; until then, none of it is believed heard
    a mark is placed    it waits at the last position that was sent, unless nothing is left to prove
    an echo comes       floor = the mark's position; it and all earlier marks are settled; the run's
                        delay is corrected, and pushes later runs back; caps count again
    a mark is overdue   nothing far beyond it is believed heard; a new mark asks again
    a mark is lost      it caps no more; after three in a row, none does
    it was lost long    it is forgotten; until then its echo still counts
    all is cleared      floor = all that was sent; runs and marks are forgotten
"""

from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import count, pairwise
from math import inf
from statistics import median
from typing import Final

OVERDUE_SECS: Final = 0.15
"""How late an echo may be before the far end is taken to be behind; jitter is less, mostly."""

LOST_SECS: Final = 1.5
"""How late an echo may be before its mark is taken to be lost."""

FORGOTTEN_SECS: Final = 10.0
"""How late an echo may be before it tells nothing."""

ASK_AGAIN_SECS: Final = 0.1
"""How often a new mark asks for the position while one is overdue."""

LOST_IN_A_ROW: Final = 3
"""How many lost marks in a row mean that marks cannot be relied upon."""

_NOISE_SECS = 0.01  # the far end plays in steps of 20 ms: what is less than half a step is noise
_PAUSE_SECS = 0.5  # a shorter gap within speech is an underrun, a longer one a pause


class Edge(IntEnum):
    """On which side of a position something stands."""

    END = 0
    """Due when all audio before the position was heard."""

    START = 1
    """Due when the sample at the position begins to be heard."""


@dataclass(slots=True, eq=False)
class _Run:
    start: int  # position
    sent_at: float
    excess: float  # seconds that it is heard later than half a round trip after it was sent
    delay: float = inf  # the same, of its echoes, with the round trip
    delays: deque[float] = field(default_factory=lambda: deque(maxlen=3))  # of the last echoes
    echoes: int = 0


@dataclass(slots=True)
class _Mark:
    position: int
    placed_at: float
    run: _Run | None  # None: it is forgotten
    lost: bool = False


class Ear:
    """The far end's playout, as far as it can be told from here.

    Attributes:
        sent: Samples sent so far; the position of the next one.
        floor: Everything before this position was heard for certain, or cleared.
        marks_returned: Marks whose echo came.
        marks_lost: Marks whose echo never came.
        underruns: How often the far end ran dry within speech, as far as we can tell.
        booked_for: When the audio that is booked leaves; minus infinity if none is.
    """

    def __init__(self, *, sample_rate: int, mark_interval_secs: float, round_trip_secs: float):
        """Listen to a far end that has heard nothing yet.

        Args:
            sample_rate: Samples a second, in Hz.
            mark_interval_secs: Seconds of audio from one mark to the next.
            round_trip_secs: The round trip in seconds to assume before the first echo.
        """
        self._rate = sample_rate
        self._mark_interval = int(mark_interval_secs * sample_rate)
        self._assumed_round_trip = round_trip_secs

        self.sent = self.floor = 0
        self.marks_returned = self.marks_lost = self.underruns = 0
        self.booked_for = -inf

        self._runs: deque[_Run] = deque()
        self._marks: dict[str, _Mark] = {}
        self._names = count(1)
        self._booked_from = self._marked = 0  # positions of what is booked, and of the last mark
        self._asked_at = -inf
        self._lost_in_a_row = 0
        self._spoke_last = False
        self._round_trips: deque[float] = deque(maxlen=16)  # the least of each run's first echoes
        self._first_excess: deque[float] = deque(maxlen=8)  # ... and how much more the first took

    @property
    def round_trip_secs(self) -> float:
        """The least round trip of late, in seconds: the network's, without any queue's."""
        return min(self._round_trips, default=self._assumed_round_trip)

    @property
    def marks_reliable(self) -> bool:
        """Whether an overdue mark means anything."""
        return self._lost_in_a_row < LOST_IN_A_ROW

    @property
    def confirmed(self) -> bool:
        """Whether echoes have proved that everything sent was heard (or it was cleared)."""
        return self.floor >= self.sent

    # ---- what goes out

    def ahead_secs(self, now: float) -> float:
        """Seconds of audio that the far end still has to play, those on the way to it included."""
        if not self._runs:
            return 0.0
        run = self._runs[-1]
        played = run.start + max(0, int((now - run.sent_at - run.excess) * self._rate))
        return (self.sent - min(self.sent, played)) / self._rate

    def send(self, now: float, samples: int, *, speech: bool = True) -> int:
        """Note audio that is being sent.

        Args:
            now: The time of sending.
            samples: How many.
            speech: Whether somebody speaks in it: gaps in speech are underruns.

        Returns:
            The position of its first sample.
        """
        if self.ahead_secs(now) <= 0:
            self._begin_run(now, speech=speech)
        start, self.sent = self.sent, self.sent + samples
        self._spoke_last = speech
        self._forget_heard(now)
        return start

    def _begin_run(self, now: float, *, speech: bool) -> None:
        if self._runs and speech and self._spoke_last:
            ended = self._played_at(self._runs[-1], self.sent)
            self.underruns += now - ended < _PAUSE_SECS
        excess = median(self._first_excess) if self._first_excess else 0.0
        self._runs.append(_Run(self.sent, now, excess))

    def book(self, at: float, samples: int, *, speech: bool = True) -> int:
        """Note audio as `send` does that leaves at a later time, with a mark right behind it.

        All before it was cleared. What is booked for the same time leaves in one go.
        """
        if at != self.booked_for:
            self.booked_for, self._booked_from = at, self.sent
        start = self.send(at, samples, speech=speech)
        self._marked = self.sent
        return start

    def mark_due(self, now: float) -> bool:
        """Whether a mark should follow what was sent."""
        if self.sent - self._marked >= self._mark_interval:
            return True
        if self._runs and self._marked <= self._runs[-1].start < self.sent:
            return True  # learn a new run's delay from its first frame
        return self._overdue(now) is not None and now - self._asked_at >= ASK_AGAIN_SECS

    def place_mark(self, now: float) -> str:
        """Note a mark that is being sent behind all audio.

        Returns:
            Its name on the wire.
        """
        position = self._booked_from if now < self.booked_for else self.sent
        if -inf < self.booked_for <= now:
            self._runs[-1].sent_at, self.booked_for = now, -inf
        name = f"heard-{next(self._names)}"
        self._marked, self._asked_at = self.sent, now
        if position > self.floor:  # else it tells nothing, and right behind a clear may be dropped
            self._marks[name] = _Mark(position, now, self._run_at(position, Edge.END))
        while self._marks and now - self._expected(self._marks[self._oldest]) > FORGOTTEN_SECS:
            del self._marks[self._oldest]
        return name

    @property
    def _oldest(self) -> str:
        return next(iter(self._marks))

    # ---- what comes back

    def echo(self, now: float, name: str) -> bool:
        """Note a mark that came back.

        Returns:
            False if it tells nothing: it is not ours, came twice or far too late, was cleared, or
            had nothing left to prove.
        """
        if name not in self._marks:
            return False
        while True:  # the far end keeps their order: it has passed all earlier ones as well
            mark = self._marks.pop(oldest := self._oldest)
            if oldest == name:
                break
            self.marks_lost += not mark.lost
        self.marks_lost -= mark.lost
        self.marks_returned += 1
        self._lost_in_a_row = 0
        self.floor = max(self.floor, mark.position)
        self._forget_heard(now)
        if mark.run:
            self._correct(mark.run, mark, now)
        return True

    def _correct(self, run: _Run, mark: _Mark, now: float) -> None:
        if mark.placed_at >= self._played_at(run, mark.position):
            # Nothing should have been left to play: an echo after no more than a round trip shows
            # the network's delay, a later one nothing about the audio's.
            round_trip = now - mark.placed_at
            if round_trip <= self.round_trip_secs + _NOISE_SECS:
                self._round_trips.append(round_trip)
            return
        delay = now - self._sent_in_turn(run, mark.position)
        run.delays.append(delay)
        run.echoes += 1
        if run.echoes == 1:
            self._round_trips.append(delay)
            self._first_excess.append(delay - self.round_trip_secs)
        elif run.echoes <= 5:
            self._round_trips[-1] = min(self._round_trips[-1], delay)
        # The least of three: a single late echo was late on its way back, three are the far end's.
        least = min(run.delays)
        if abs(least - run.delay) > _NOISE_SECS:
            run.delay = least
        run.excess = run.delay - self.round_trip_secs
        for earlier, later in pairwise(self._runs):
            ends = self._played_at(earlier, later.start)
            later.excess = max(later.excess, ends - later.sent_at)

    def _forget_heard(self, now: float) -> None:
        if len(self._runs) > 1:
            head = self.playhead(now, now - LOST_SECS)  # a late echo may still push the rest back
            while len(self._runs) > 1 and self._runs[1].start <= head:
                self._runs.popleft()

    # ---- what was heard

    def _run_at(self, position: int, edge: Edge) -> _Run | None:
        for run in reversed(self._runs):
            if run.start < position or (edge is Edge.START and run.start == position):
                return run
        return None

    def _sent_in_turn(self, run: _Run, position: int) -> float:
        """When a sample would have been sent at the pace at which it is heard."""
        return run.sent_at + (position - run.start) / self._rate

    def _played_at(self, run: _Run, position: int) -> float:
        """When a position is played, on a network without delay."""
        return self._sent_in_turn(run, position) + run.excess

    def heard_at(self, position: int, edge: Edge = Edge.END) -> float | None:
        """When a position is heard.

        Returns:
            The time; minus infinity if it was heard or cleared for certain; None if there is no
            telling, for its audio was not sent.
        """
        if position < self.floor or (edge is Edge.END and position == self.floor):
            return -inf
        if position > self.sent or (edge is Edge.START and position == self.sent):
            return None
        run = self._run_at(position, edge)
        return -inf if run is None else self._played_at(run, position) + self.round_trip_secs / 2

    def playhead(self, now: float, at: float | None = None) -> int:
        """The position up to which everything is heard by now, or `at` a time, as we believe now."""
        arrived = (now if at is None else at) - self.round_trip_secs / 2
        head, end = self.floor, self.sent
        if self._runs:
            head = max(head, self._runs[0].start)
        for run in reversed(self._runs):
            played = int((arrived - self._played_at(run, run.start)) * self._rate + 1e-6)
            if played > 0:
                head = max(head, min(end, run.start + played))
                break
            end = run.start
        return int(min(head, self.cap(now)))

    def cap(self, now: float) -> float:
        """What cannot have been passed by now: it has not left, or a mark is overdue; or infinity."""
        if now < self.booked_for + LOST_SECS:
            return self._booked_from
        mark = self._overdue(now)
        if mark is None:
            return inf
        beyond = int((OVERDUE_SECS + self.round_trip_secs / 2) * self._rate)
        return max(self.floor, mark.position + beyond)

    def _overdue(self, now: float) -> _Mark | None:
        for mark in self._marks.values():
            if mark.lost:
                continue
            late = now - self._expected(mark)
            if late < LOST_SECS:
                return mark if late > OVERDUE_SECS and self.marks_reliable else None
            mark.lost = True
            self.marks_lost += 1
            self._lost_in_a_row += 1
        return None

    def _expected(self, mark: _Mark) -> float:
        played = self._played_at(mark.run, mark.position) if mark.run else mark.placed_at
        return max(mark.placed_at, played) + self.round_trip_secs

    def forget(self) -> None:
        """Note that all that was sent is settled: what was not heard never will be."""
        self.floor = self._marked = self.sent
        self._runs.clear()
        self._marks.clear()
        self.booked_for = -inf
