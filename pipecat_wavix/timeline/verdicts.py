"""What is to be said of a call: each kind of trouble, found on its own, in plain words.

It knows what a good call is, by the constants below. It refuses to know files and pages. A verdict
is made of the truth, which is the recording and the line's trace; of the bot's half it takes only
what the bot made of it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, pairwise
from typing import Final, TypeVar

from pipecat_wavix.timeline.model import INCOMPLETE, STEP_SECS, Message, Timeline, Verdict
from pipecat_wavix.timeline.sound import AUDIBLE_LEVEL

CUT_SECS: Final = 0.06
"""So much of the last speech must be missing for a goodbye to be cut: a phoneme."""

DEAD_AIR_SECS: Final = 2.0
"""Nobody speaks for longer than this, and the bot is due."""

SLOW_ANSWER_SECS: Final = 1.5
"""A caller who waits longer begins to wonder."""

CLEAR_SECS: Final = 0.1 + STEP_SECS
"""Wavix promises that a clear takes effect within 100 ms; the step that has begun is heard out."""

CLEAR_AFTER_SECS: Final = 1.0
"""How long a bot may take from the caller's cutting in to its clear: to be sure that it is speech
takes some 0.2 s, and the rest is for turn detection and the network."""

TALKED_OVER_SECS: Final = 1.0
"""For how long both may speak at once, without a clear, before the bot does not listen."""

BURST_GAP_SECS: Final = 0.2
"""Media that stays away for so long, and then comes all at once, was held up by something."""

HEARD_GAP_SECS: Final = 0.04
"""A gap within speech that most callers notice."""

PAUSE_SECS: Final = 2.0
"""A bot that says nothing for longer has begun to say something else."""

MOST_OF_A_KIND: Final = 100
"""So many verdicts of one kind are given; of the rest, how many there are."""

TOGETHER_SECS: Final = 2.0
"""What is of one kind and no further apart is one trouble."""

_T = TypeVar("_T")
_MEDIA_SECS = 0.02
_ENDED_BY_THE_BOT = ("hung up by the account", "the bot ")
_CANCELLED = "cancelled"
_SHORT_CALL_SECS = 2.0
_MISSING_SECS = 0.1  # by which a recording is shorter than its call
_UNWRITTEN_SECS = 1.5  # ... whose process was killed: it writes every second
_LETTERS = 300
_LONG_SECS = 10.0
_DROPPED = {
    "rejected": "could not be understood",
    "other_stream": "named another stream, and were dropped without a word",
    "oneway": "came on a oneway stream, which takes none",
    "unread": "were thrown away: the bot had stopped reading",
}


def judge(timeline: Timeline) -> list[Verdict]:
    """Find all that is to be said of a call.

    Args:
        timeline: The call, complete but for its verdicts.

    Returns:
        The verdicts, by time.
    """
    verdicts: list[Verdict] = []
    for kind, find in KINDS.items():
        found = [Verdict(at, kind, _plain(text), bad) for at, text, bad in find(timeline)]
        rest = found[MOST_OF_A_KIND:]
        verdicts += found[:MOST_OF_A_KIND]
        if rest:
            text = f"... and {len(rest)} more of this kind"
            verdicts.append(Verdict(rest[0].at_secs, kind, text, any(v.bad for v in rest)))
    return sorted(verdicts, key=lambda verdict: verdict.at_secs)


_Found = Iterator[tuple[float, str, bool]]


def _incomplete(timeline: Timeline) -> _Found:
    """Something is not known: nobody can say that it was a good call."""
    recorded, last = timeline.recorded_secs, timeline.secs
    if not timeline.ended:
        last = max((m.at_secs for m in timeline.messages if m.kind != "bot"), default=0.0)
        if timeline.messages:
            yield last, f"The trace stops at {last:.2f} s without an end of the call", False
        else:
            yield 0.0, "The trace has nothing but its header: there is no call in it", False
    elif timeline.ended == _CANCELLED:
        text = (
            f"The call was cancelled at {last:.2f} s: neither the caller nor the bot has ended it"
        )
        yield last, text, False
    tolerated = _MISSING_SECS if timeline.ended else _UNWRITTEN_SECS
    if recorded is None:
        text = f"There is no recording ({timeline.recording.name}): what was said and heard is not known"
        yield 0.0, text, False
    elif last - recorded > tolerated:
        text = f"The recording stops at {recorded:.2f} s, {last - recorded:.2f} s before the trace"
        yield recorded, text, False
    if timeline.left_out:
        what = ", ".join(f"{name} ({count:,})" for name, count in timeline.left_out.items())
        yield timeline.secs, f"Too much to be looked at was left out: {what}", False


def _cut_goodbye(timeline: Timeline) -> _Found:
    """The bot's last speech was not heard to its end; silence behind it may be cut."""
    cut = [
        piece.ends
        for piece in timeline.pieces
        if piece.heard_until < piece.ends and not piece.cleared and piece.peak >= AUDIBLE_LEVEL
    ]
    missing = max(cut, default=0.0) - timeline.secs
    if timeline.ended in ("", _CANCELLED) or missing < CUT_SECS:
        return
    if timeline.ended.startswith(_ENDED_BY_THE_BOT):
        yield (
            timeline.secs,
            f"The goodbye was cut by {_ms(missing)}: the bot hung up too early",
            True,
        )
    else:
        text = f"The call ended while the bot spoke: {_ms(missing)} of it were not heard"
        yield timeline.secs, text, False


def _no_answer(timeline: Timeline) -> _Found:
    if not timeline.heard_spells and timeline.known_secs > _SHORT_CALL_SECS:
        at = timeline.turns[0].caller_ended if timeline.turns else 0.0
        yield at, f"The bot was not heard once in {timeline.known_secs:.1f} s", True


def _dead_air(timeline: Timeline) -> _Found:
    for turn in timeline.turns if timeline.heard_spells else ():
        waited = turn.until - turn.caller_ended
        if waited > DEAD_AIR_SECS:
            then = "" if turn.answered else ", and no answer came"
            text = f"Dead air of {waited:.1f} s: the caller waited for the bot{then}"
            yield turn.caller_ended, text, True


def _slow_answer(timeline: Timeline) -> _Found:
    for turn in timeline.turns:
        if turn.secs and SLOW_ANSWER_SECS < turn.secs <= DEAD_AIR_SECS:
            yield turn.caller_ended, f"The bot took {_ms(turn.secs)} to answer", True


def _late_clear(timeline: Timeline) -> _Found:
    for clear in timeline.clears:
        took = clear.silent - clear.arrived
        if took > CLEAR_SECS:
            text = f"A clear took {_ms(took)} to silence the bot; Wavix promises 100 ms"
            yield clear.arrived, text, True
    for barge_in in timeline.barge_ins:
        took = (barge_in.cleared or 0.0) - barge_in.at_secs
        if took > CLEAR_AFTER_SECS:
            yield barge_in.at_secs, f"The clear came {_ms(took)} after the caller cut in", True


def _talked_over(timeline: Timeline) -> _Found:
    ends = [end for _, end in timeline.heard_spells]
    clears = sorted(clear.arrived for clear in timeline.clears)
    for began, ended in timeline.caller_spells:
        for start, end in timeline.heard_spells[bisect_right(ends, began) :]:
            if start >= ended:
                break
            first, last = max(began, start), min(ended, end)
            cleared = bisect_right(clears, last) > bisect_left(clears, first)
            if last - first > TALKED_OVER_SECS and not cleared:
                text = f"The bot talked over the caller for {last - first:.1f} s, and sent no clear"
                yield first, text, True


def _unheard_words(timeline: Timeline) -> _Found:
    unheard = [(w.at_secs, w) for w in timeline.words if w.in_context and not w.heard]
    for words in _together(unheard):
        texts = [word.text for _, word in words if word.text is not None]
        what = f"“{' '.join(texts)}”" if texts else f"{sum(w.letters for _, w in words)} letters"
        text = f"The bot's context holds {what}, which the caller did not hear"
        yield words[0][0], text, True


def _burst(timeline: Timeline) -> _Found:
    """The bot got its input in bursts: nothing for a while, and then what was missing at once."""
    media = [
        message
        for message in timeline.messages
        if message.kind == "to_bot" and message.event == "media" and message.fate == "sent"
    ]
    media.sort(key=lambda message: message.stream)
    for _, group in groupby(media, lambda message: message.stream):
        bursts = list(_bursts([message.at_secs for message in group]))
        for together in _together(bursts):
            longest = max(gap for _, gap in together)
            often = f", {len(together)} times" if len(together) > 1 else ""
            text = f"The bot got no audio for {_ms(longest)}, and then all of it at once{often}"
            yield together[0][0], text, True


def _bursts(times: list[float]) -> Iterator[tuple[float, float]]:
    for index, (before, after) in enumerate(pairwise(times), 1):
        gap = after - before
        # What was missing comes within the time of one: at least half, for some may be lost.
        enough = index + int(gap / _MEDIA_SECS / 2)
        if gap < BURST_GAP_SECS or enough > len(times):
            continue
        if times[enough - 1] - after <= _MEDIA_SECS:
            yield before, gap


def _underrun(timeline: Timeline) -> _Found:
    sent = [piece.at_secs for piece in timeline.pieces]
    stalled = [stall.at_secs for stall in timeline.stalls]
    for together in _together([(each.at_secs, each.secs) for each in timeline.underruns]):
        silent = sum(secs for _, secs in together)
        at = together[0][0] - together[0][1]
        gaps = "a gap" if len(together) == 1 else f"{len(together)} gaps"
        text = f"The caller heard {gaps} in the bot's speech, {_ms(silent)} in all"
        around = timeline.stalls[bisect_left(stalled, at - 2) : bisect_right(stalled, at + 1)]
        stall = max((each.secs for each in around), default=0.0)
        yield at, text + _cause(stall, sent, at, together[-1][0]), silent >= HEARD_GAP_SECS


def _fell_silent(timeline: Timeline) -> _Found:
    """The line ran dry for longer than in an underrun: a defect if it was not meant to."""
    sent = [piece.at_secs for piece in timeline.pieces]
    stalled = [stall.at_secs for stall in timeline.stalls]
    for silence in timeline.silences:
        at, until = silence.at_secs, silence.until
        stood_still = longest = 0.0
        # The bot's next words reach the line a while after the end of a stall.
        first, after = bisect_left(stalled, at), bisect_right(stalled, until + PAUSE_SECS)
        for stall in timeline.stalls[first:after]:
            shared = min(until, stall.at_secs) - max(at, stall.at_secs - stall.secs)
            stood_still += max(0.0, shared)
            longest = max(longest, stall.secs)
        stalls = stood_still >= silence.secs / 2
        if not (stalls or silence.cut or silence.secs <= PAUSE_SECS):
            continue
        text = f"The bot fell silent for {_ms(silence.secs)} in mid-speech"
        if silence.cut:
            text += ", in the middle of a word"
        bad = stalls or (silence.cut and silence.secs <= PAUSE_SECS)
        yield at, text + _cause(longest if stalls else 0.0, sent, at, until), bad


def _cause(stall: float, sent: list[float], start: float, end: float) -> str:
    """Why there was a gap: what is said of it.

    Args:
        stall: For how long the bot's loop is known to have stood still.
        sent: When audio arrived.
        start: When the gap began.
        end: When it ended.
    """
    if stall:
        return f": its loop had stood still for {_ms(stall)}"
    around = sent[max(0, bisect_left(sent, start) - 1) : bisect_right(sent, end) + 1]
    late = max((after - before for before, after in pairwise(around)), default=0.0)
    return f": it had sent nothing for {_ms(late)}" if late > HEARD_GAP_SECS else ""


def _dropped(timeline: Timeline) -> _Found:
    def kind(message: Message) -> tuple[str, str]:
        return message.fate, message.event if message.fate == "rejected" else ""

    dropped = sorted((m for m in timeline.messages if m.fate in _DROPPED), key=kind)
    for (fate, event), group in groupby(dropped, kind):
        messages = list(group)
        of = "for" if fate == "unread" else "from"
        count = f"{len(messages)} message{'s' if len(messages) > 1 else ''} {of} the bot"
        at = min(message.at_secs for message in messages)
        yield at, f"{count} {_DROPPED[fate]}{event and f' ({event})'}", True


KINDS: Final[dict[str, Callable[[Timeline], _Found]]] = {
    INCOMPLETE: _incomplete,
    "cut_goodbye": _cut_goodbye,
    "no_answer": _no_answer,
    "dead_air": _dead_air,
    "slow_answer": _slow_answer,
    "late_clear": _late_clear,
    "talked_over": _talked_over,
    "unheard_words": _unheard_words,
    "burst": _burst,
    "underrun": _underrun,
    "fell_silent": _fell_silent,
    "dropped": _dropped,
}
"""Each kind of verdict, and what finds it: when, in which words, and whether it is a defect."""


def _together(found: Iterable[tuple[float, _T]]) -> list[list[tuple[float, _T]]]:
    """Group what is close together in time."""
    groups: list[list[tuple[float, _T]]] = []
    for each in found:
        if groups and each[0] - groups[-1][-1][0] <= TOGETHER_SECS:
            groups[-1].append(each)
        else:
            groups.append([each])
    return groups


def _ms(secs: float) -> str:
    return f"{secs * 1000:.0f} ms" if secs < _LONG_SECS else f"{secs:.0f} s"


def _plain(text: str) -> str:
    """What a terminal can take: a trace may hold anything."""
    text = text if len(text) <= _LETTERS else f"{text[: _LETTERS - 1]}…"
    return "".join(letter if letter.isprintable() else " " for letter in text)
