"""What was sent, what of it was cleared, and what waits for it to be heard.

    what happens        what becomes of the ledger
    ------------        ---------------------------------------------------------------------------
    send                the audio is booked at the next position
    hold                an item waits for its position to be heard
    release             the items that are due leave, in order
    clear, to no end    nothing unheard may be cleared: no clear is sent; items that stand at no
                        audio are dropped
    clear               what is heard before it lands is released; protected audio is booked again
                        behind all else, from a little before that on, and takes its items with it;
                        the rest is dropped
    void                nothing more will be heard: every item is handed back

Every `clear` and `void` begins a new *epoch*: audio that was on its way out in an older one must no
longer be sent.
"""

import heapq
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from math import inf
from typing import Final, Generic, TypeVar

from pipecat_wavix.playback.ear import LOST_SECS, Ear, Edge

T = TypeVar("T")

REWIND_SECS: Final = 0.15
"""How far before its believed end protected audio is sent again: rather heard twice than not at
all. A step of the far end, and jitter of 60 ms each way, are less."""


@dataclass(slots=True, frozen=True)
class Sent:
    """A piece of audio that was sent.

    Attributes:
        start: Position of its first sample.
        end: Position behind its last sample.
        audio: PCM16 mono; kept for protected audio alone, else empty.
        protected: It must not be interrupted.
        speech: Somebody speaks in it; else it is background.
    """

    start: int
    end: int
    audio: bytes
    protected: bool
    speech: bool


@dataclass(slots=True, order=True)
class Held(Generic[T]):
    """An item that waits for its position to be heard.

    Attributes:
        position: Where it stands.
        edge: On which side of that position.
        order: Items of one place leave in the order in which they came.
        item: Anything.
        protected: Whether it outlives an interruption; None: if the audio at its place does.
    """

    position: int
    edge: Edge
    order: int
    item: T = field(compare=False)
    protected: bool | None = field(compare=False)

    def stands_at(self, sent: Sent) -> bool:
        """Whether its place is in (or, at `Edge.END`, at the end of) a piece of audio."""
        if self.edge is Edge.START:
            return sent.start <= self.position < sent.end
        return sent.start < self.position <= sent.end


@dataclass(slots=True, frozen=True)
class Cut(Generic[T]):
    """What an interruption means.

    Attributes:
        position: How far the caller will have heard when a clear sent now has landed.
        clear: Whether to send it.
        again: Protected audio that the clear takes with it, booked to be sent again.
        heard: The items that are heard before the cut, in order.
        dropped: The items that are not, in order.
    """

    position: int
    clear: bool
    again: list[Sent]
    heard: list[Held[T]]
    dropped: list[Held[T]]


class Playback(Generic[T]):
    """The ledger of one stream.

    Attributes:
        ear: When each sample is heard.
        epoch: Counts the interruptions.
    """

    def __init__(
        self,
        *,
        sample_rate: int = 24_000,
        mark_interval_secs: float = 0.2,
        round_trip_secs: float = 0.1,
        clear_latency_secs: float = 0.05,
    ):
        """Open the ledger.

        Args:
            sample_rate: Samples a second, in Hz.
            mark_interval_secs: Seconds of audio from one mark to the next.
            round_trip_secs: The round trip in seconds to assume before the first echo.
            clear_latency_secs: Seconds that the far end takes to carry out a clear.
        """
        self.ear = Ear(
            sample_rate=sample_rate,
            mark_interval_secs=mark_interval_secs,
            round_trip_secs=round_trip_secs,
        )
        self.epoch = 0
        self._clear_latency = clear_latency_secs
        self._unheard: deque[Sent] = deque()
        self._items: list[Held[T]] = []
        self._order = count()

    @property
    def sent(self) -> int:
        """Samples sent so far; the position of the next one."""
        return self.ear.sent

    def send(
        self, now: float, audio: bytes, *, protected: bool = False, speech: bool = True
    ) -> int:
        """Book audio that is being sent.

        Args:
            now: The time of sending.
            audio: PCM16 mono.
            protected: It must not be interrupted: it is kept until it was heard.
            speech: Somebody speaks in it. Background alone is not worth a clear.

        Returns:
            The position of its first sample.
        """
        start = self.ear.send(now, len(audio) // 2, speech=speech)
        self._unheard.append(Sent(start, self.sent, audio if protected else b"", protected, speech))
        heard = self.ear.playhead(now, now - LOST_SECS)  # it might yet prove to be behind
        while self._unheard and self._unheard[0].end <= heard:
            self._unheard.popleft()
        return start

    def _surely_heard(self, now: float, at: float) -> int:
        """The position up to which protected audio need not be sent again."""
        if self.ear.cap(now) < inf:  # a mark is overdue: who knows
            return self.ear.floor
        return self.ear.playhead(now, at - REWIND_SECS)

    # ---- items that wait for the ear

    def hold(self, position: int, edge: Edge, item: T, *, protected: bool | None = False) -> None:
        """Keep an item until its position is heard.

        Args:
            position: Where it stands.
            edge: On which side of that position.
            item: Anything.
            protected: Whether it outlives an interruption; None: if the audio at its place does.
        """
        heapq.heappush(self._items, Held(position, edge, next(self._order), item, protected))

    def release(self, now: float) -> list[Held[T]]:
        """Take the items that are due, in order."""
        return self._release(now, now)

    def _release(self, now: float, until: float) -> list[Held[T]]:
        cap = self.ear.cap(now)
        due = []
        while self._items:
            first = self._items[0]
            at = self.ear.heard_at(first.position, first.edge)
            if at is None or at > until or first.position + first.edge > cap:
                break
            due.append(heapq.heappop(self._items))
        return due

    def next_release_at(self) -> float | None:
        """When the first item is due at the earliest; None if there is none, or no telling."""
        if not self._items:
            return None
        return self.ear.heard_at(self._items[0].position, self._items[0].edge)

    def __iter__(self) -> Iterator[Held[T]]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def withdraw(self, held: Held[T]) -> None:
        """Take back an item that waits."""
        self._items = [other for other in self._items if other is not held]
        heapq.heapify(self._items)

    def move(self, held: Held[T], position: int, edge: Edge) -> None:
        """Let an item that waits stand elsewhere."""
        held.position, held.edge = position, edge
        heapq.heapify(self._items)

    # ---- interruptions and the end

    def clear(self, now: float, *, resume_at: float) -> Cut[T]:
        """Book an interruption, and with it a clear that is sent now, unless it were to no end.

        Args:
            now: The time of sending.
            resume_at: When audio may be sent again: that of `Cut.again` is booked for then.
        """
        self.epoch += 1
        lands = now + self.ear.round_trip_secs / 2 + self._clear_latency
        heard = self._release(now, lands)
        cut = self.ear.playhead(now, lands)
        unheard = [sent for sent in self._unheard if sent.end > cut]
        base = self.sent
        if all(sent.protected for sent in unheard if sent.speech):
            return Cut(cut, False, [], heard, self._keep([(sent, sent) for sent in unheard], base))
        surely = self._surely_heard(now, lands)
        again = [sent for sent in self._unheard if sent.protected and sent.end > surely]
        self._unheard.clear()
        self.ear.forget()
        for sent in again:
            start = self.ear.book(resume_at, sent.end - sent.start, speech=sent.speech)
            self._unheard.append(replace(sent, start=start, end=self.sent))
        kept = list(zip(again, self._unheard, strict=True))
        return Cut(cut, True, list(self._unheard), heard, self._keep(kept, base))

    def _keep(self, kept: list[tuple[Sent, Sent]], base: int) -> list[Held[T]]:
        """Keep the items of audio that is kept, where it now stands, and return the others.

        Args:
            kept: The audio that is kept: as it was sent, and as it is booked now.
            base: How much had been sent before any of it was booked again.
        """
        items, self._items = sorted(self._items), []
        ends = [old.end for old, _ in kept]
        dropped = []
        for held in items:
            behind = bisect_right(ends, held.position)
            at = behind if held.edge is Edge.START else bisect_left(ends, held.position)
            here = at < len(kept) and held.stands_at(kept[at][0])
            if not held.protected and not (held.protected is None and here):
                dropped.append(held)
                continue
            if here:
                held.position += kept[at][1].start - kept[at][0].start
            elif held.position >= base:  # it waits for audio that is still to come
                held.position += self.sent - base
            else:  # the audio there is gone: it follows what is kept of that before it
                held.position, held.edge = kept[behind - 1][1].end if behind else base, Edge.END
            held.order = next(self._order)  # where places have become one, the order remains
            heapq.heappush(self._items, held)
        return dropped

    def void(self) -> list[Held[T]]:
        """Book that nothing more will be heard: the far end is gone.

        Returns:
            All items that still waited, in order.
        """
        self.epoch += 1
        self._unheard.clear()
        self.ear.forget()
        items, self._items = sorted(self._items), []
        return items
