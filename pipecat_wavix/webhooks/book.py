"""Which event is news: webhooks come twice, in any order, or not at all.

It knows what it was told of each call, and answers only what that changed. It refuses to know what
is to be done about it. A call moves forward through its phases and never back; which phase comes
when is the table below.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from pipecat_wavix.webhooks.events import InCallEvent, PostCall, WavixCall

PHASES: Final = {
    "call_setup": 1,
    "ringing": 2,
    "early_media": 3,
    "answered": 4,
    "completed": 5,
    "busy": 5,
    "cancelled": 5,
    "rejected": 5,
    "failed": 5,
}
"""Each event that moves a call, and how far; those at 5 are its end. Others move nothing."""

_ANSWERED: Final = PHASES["answered"]
_ENDED: Final = PHASES["completed"]
_EVENTS_KEPT: Final = 64


class Change(Enum):
    """What an event changed about a call."""

    BEGAN = auto()
    """It is the first that is known of a call, which nobody has answered yet."""
    ANSWERED = auto()
    ENDED = auto()
    MACHINE = auto()
    """Voicemail was detected."""
    EVENT = auto()
    """Something happened in its course; see `WavixCall.event`."""


@dataclass(slots=True)
class _Page:
    phase: int = 0
    machine: bool = False
    events: OrderedDict[object, None] = field(default_factory=OrderedDict)


class CallBook:
    """What is known of the latest calls.

    Args:
        max_calls: How many to remember; the oldest that are over are forgotten first.
    """

    def __init__(self, max_calls: int = 4096):
        if max_calls < 1:
            raise ValueError(f"max_calls is {max_calls}: give at least 1")
        self._max_calls = max_calls
        self._open: OrderedDict[str, _Page] = OrderedDict()
        self._over: OrderedDict[str, _Page] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open) + len(self._over)

    def note(self, news: WavixCall | PostCall) -> set[Change]:
        """Take in an event.

        Returns:
            What it changed; empty if it was known, or is older than what is known.
        """
        page = self._page(news.id)
        if isinstance(news, PostCall):
            return self._advance(news.id, page, _ENDED)
        changes = self._advance(news.id, page, _phase(news))
        if news.machine_detected and not page.machine:
            page.machine = True
            changes.add(Change.MACHINE)
        # A call's state, asked for by GET, shows its latest event as well: that is not another.
        if news.event and self._is_new(page, (news.event_time, _content(news.event))):
            changes.add(Change.EVENT)
        return changes

    def is_over(self, call_id: str) -> bool:
        """Whether the end of a call is known."""
        return call_id in self._over

    def forget(self, call_id: str) -> None:
        """Know nothing of a call any more: the next event of it is its first."""
        self._open.pop(call_id, None)
        self._over.pop(call_id, None)

    def _advance(self, call_id: str, page: _Page, phase: int) -> set[Change]:
        if phase <= page.phase:
            return set()
        before, page.phase = page.phase, phase
        if phase == _ENDED:
            self._over[call_id] = self._open.pop(call_id)
            return {Change.ENDED}
        if phase == _ANSWERED:
            return {Change.ANSWERED}
        return set() if before else {Change.BEGAN}

    def _is_new(self, page: _Page, event: object) -> bool:
        if event in page.events:
            return False
        page.events[event] = None
        if len(page.events) > _EVENTS_KEPT:
            page.events.popitem(last=False)
        return True

    def _page(self, call_id: str) -> _Page:
        page = self._open.get(call_id) or self._over.get(call_id)
        if page is None:
            if len(self) >= self._max_calls:
                (self._over or self._open).popitem(last=False)
            page = self._open[call_id] = _Page()
        return page


def _phase(call: WavixCall) -> int:
    if call.event_type in PHASES:
        return PHASES[call.event_type]
    # An event that moves nothing still shows where the call is.
    if call.completed_at:
        return _ENDED
    return _ANSWERED if call.answered_at else 0


def _content(event: InCallEvent) -> tuple[object, ...]:
    return (event.type, event.status, event.digits, event.playback_id)
