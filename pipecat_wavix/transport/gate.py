"""The gate behind the bot's mouth: frames wait here until the caller has heard what they belong to.

It decides where among the audio each frame stands, lets it out when the ear gets there, and sorts
out those that an interruption leaves behind. It refuses to know how audio leaves (`writer`), when
it is heard (`playback`), where words stand (`words`, `sentences`) and which speaking frames make a
pair (`speaking`).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pipecat.frames.frames import (
    BotSpeakingFrame,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    ControlFrame,
    EndFrame,
    Frame,
    OutputAudioRawFrame,
    OutputImageRawFrame,
    SystemFrame,
    TextFrame,
    TTSAudioRawFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.processors.frame_processor import FrameDirection

from pipecat_wavix.frames import WavixMarkFrame, WavixMarkReturnedFrame
from pipecat_wavix.playback import Cut, Edge, Held, Playback
from pipecat_wavix.protocol import SAMPLE_RATE
from pipecat_wavix.transport.heard import UntilHeardFrame
from pipecat_wavix.transport.sentences import Sentences
from pipecat_wavix.transport.speaking import Speaking, Waiting
from pipecat_wavix.transport.trace import BotTrace
from pipecat_wavix.transport.words import Words

DOWNSTREAM = FrameDirection.DOWNSTREAM

_TICK_SECS = 0.001  # as exact as the ear needs it
_POLL_SECS = 0.02  # how often to look again at what an overdue mark holds back


@dataclass
class ContextBeginsFrame(ControlFrame):
    """Rides the audio queue ahead of the first audio of a TTS context.

    Parameters:
        context_id: The context.
    """

    context_id: str | None = None


class Gate:
    """The frames of one output that wait to be heard.

    Attributes:
        closed: While an interruption is dealt with, nothing is let out: it goes first.
        text_left_at: When text was last let out, on the clock of `time.monotonic`.
    """

    def __init__(
        self,
        playback: Playback[Waiting],
        *,
        push: Callable[[Frame, FrameDirection], Awaitable[None]],
        return_mark: Callable[[WavixMarkReturnedFrame], Awaitable[None]],
        estimate_cut_sentences: bool,
        trace: BotTrace | None = None,
    ):
        """Open the gate.

        Args:
            playback: The ledger in which frames wait.
            push: Pushes a frame on, at once.
            return_mark: Does the same with a mark that has come back.
            estimate_cut_sentences: Whether to let out the heard part of cut sentences.
            trace: What is told when something is believed to be heard.
        """
        self._playback = playback
        self._push = push
        self._return_mark = return_mark
        self._estimate_cut_sentences = estimate_cut_sentences
        self._trace = trace
        self._speaking = Speaking(playback)
        self._words = Words(SAMPLE_RATE)
        self._sentences = Sentences(SAMPLE_RATE)
        self._leaving = asyncio.Lock()  # one at a time, or frames change places
        self._wake = asyncio.Event()
        self._marks: dict[int, WavixMarkFrame] = {}  # that are queued
        self.closed = False
        self.text_left_at = 0.0

    # ---- as the frames come from the TTS

    def note(self, frame: Frame, now: int) -> ContextBeginsFrame | None:
        """Note a frame that will be queued.

        Args:
            frame: The frame.
            now: The pipeline's clock, in ns.

        Returns:
            What to queue ahead of it.
        """
        self._sentences.note(frame)
        if isinstance(frame, WavixMarkFrame):
            self._marks[frame.id] = frame
        elif isinstance(frame, TTSStoppedFrame):
            self._words.end(frame)
        elif isinstance(frame, TTSAudioRawFrame) and self._words.announce(frame, now):
            begins = ContextBeginsFrame(frame.context_id)
            begins.interruptible = frame.interruptible
            return begins
        return None

    def place(self, mark: WavixMarkFrame) -> bool:
        """Note that a mark has left the queue, and has its place among the audio.

        Returns:
            False if an interruption came before, and has returned it already.
        """
        return self._marks.pop(mark.id, None) is not None

    async def hold_timed(self, frame: Frame, now: int) -> None:
        """Hold a frame that goes by its presentation time; `now` is the pipeline's clock, in ns."""
        position = self._words.place(frame, now)
        if position is not None:
            self._hold(position, Edge.START, frame)
            await self.release()

    # ---- as the frames come from the audio queue

    async def hold(
        self, frame: Frame, direction: FrameDirection, *, chunk_start: int, chunk_end: int
    ) -> None:
        """Hold a frame until what was written before it (or with it) is heard.

        Args:
            frame: The frame.
            direction: Where it is headed.
            chunk_start: Position of the audio chunk that was written last.
            chunk_end: Position behind it, but for the silence that it may be padded with.
        """
        sent = self._playback.sent
        if isinstance(frame, BotStartedSpeakingFrame):
            self._speaking.started(frame, direction)
        elif isinstance(frame, BotStoppedSpeakingFrame):
            self._speaking.stopped(frame, direction, at=chunk_end)
        elif isinstance(frame, BotSpeakingFrame):
            self._hold(sent, Edge.START, frame, direction, with_audio=True)
        elif isinstance(frame, OutputAudioRawFrame):
            self._hold(chunk_start, Edge.START, frame, with_audio=True)
        elif isinstance(frame, ContextBeginsFrame):
            for position, timed in self._words.begin(frame.context_id, sent):
                self._hold(position, Edge.START, timed)
        elif isinstance(frame, WavixMarkReturnedFrame):
            self._hold(chunk_end, Edge.END, frame, with_audio=True)
        else:
            self._sentences.begin(frame, sent)
            if isinstance(frame, TTSStoppedFrame):
                self._end_context(frame)
            elif isinstance(frame, UntilHeardFrame):
                frame.position = chunk_end
            self._hold(chunk_end, Edge.END, frame)
        await self.release()

    def _hold(
        self,
        position: int,
        edge: Edge,
        frame: Frame,
        direction: FrameDirection = DOWNSTREAM,
        *,
        with_audio: bool = False,
    ) -> None:
        protected = True if not frame.interruptible else None if with_audio else False
        self._playback.hold(position, edge, Waiting(frame, direction), protected=protected)

    def _end_context(self, frame: TTSStoppedFrame) -> None:
        """Let words that a TTS has timed beyond the end of their audio be heard with that end."""
        sent = self._playback.sent
        for held in list(self._playback):
            if is_timed(held.item.frame) and held.position >= sent:
                self._playback.move(held, sent, Edge.END)
        for late in self._words.give_up(frame.context_id):
            self._hold(sent, Edge.END, late)

    # ---- out

    def wake(self) -> None:
        """Have `run` look again: audio was written, or a mark has come back."""
        self._wake.set()

    async def run(self, ask_again: Callable[[], Awaitable[None]]) -> None:
        """Let frames out as they are due, for ever.

        Args:
            ask_again: Places a mark if one is overdue.
        """
        while True:
            self._wake.clear()
            due = self._playback.next_release_at()
            wait = None
            if due is not None:
                wait = max(_TICK_SECS, due - time.monotonic())
                if due <= time.monotonic():  # and still here: it waits for an overdue mark
                    wait = _POLL_SECS
            try:
                await asyncio.wait_for(self._wake.wait(), wait)
            except TimeoutError:
                await ask_again()
            await self._let_out()

    async def release(self) -> None:
        """Let out what is due."""
        await self._let_out()
        self._wake.set()

    async def _let_out(self) -> None:
        if self.closed:
            return
        async with self._leaving:
            while not self.closed and (due := self._playback.release(time.monotonic())):
                for held in due:
                    await self._leave(held.item, held.position)

    async def _leave(self, waiting: Waiting, position: int) -> None:
        frame = waiting.frame
        if self._trace and waiting.direction is DOWNSTREAM:
            self._trace.passed(frame)
            self._trace.words(frame, position, heard=True)
        self._speaking.released(waiting)
        if isinstance(frame, UntilHeardFrame):
            frame.settle(heard=True, position=frame.position)
        elif isinstance(frame, WavixMarkReturnedFrame):
            await self._return_mark(frame)
        else:
            if isinstance(frame, TextFrame):
                self._sentences.heard(frame)
                self.text_left_at = time.monotonic()
            await self._push(frame, waiting.direction)

    # ---- interruptions and the end

    async def cut(self, cut: Cut[Waiting]) -> None:
        """Let out what was heard before a cut, words first of all."""
        async with self._leaving:
            for held in cut.heard:
                _trim(held, cut.position)
                await self._leave(held.item, held.position)
            await self._leave_cut_sentences(cut.position)
        self._words.interrupt()

    async def mend(self, cut: Cut[Waiting]) -> None:
        """Put right what a cut has dropped, once Pipecat's output has dealt with it."""
        self._speaking.mend(cut.dropped)
        if self._trace:
            for held in cut.dropped:
                self._trace.words(held.item.frame, held.position, heard=False)
        cleared = [
            held.item.frame.mark
            for held in cut.dropped
            if isinstance(held.item.frame, WavixMarkReturnedFrame)
        ]
        cleared += [mark.mark for mark in self._marks.values() if mark.interruptible]
        self._marks = {id: mark for id, mark in self._marks.items() if not mark.interruptible}
        for name in cleared:
            await self._return_mark(WavixMarkReturnedFrame(mark=name, heard=False))

    async def _leave_cut_sentences(self, position: int) -> None:
        for text in self._sentences.cut(position):
            if self._estimate_cut_sentences:
                await self._leave(Waiting(text, DOWNSTREAM), position)

    async def void(self) -> None:
        """Let out what was heard and what must not be lost: nothing more will be heard."""
        now = time.monotonic()
        async with self._leaving:
            for held in self._playback.release(now):
                await self._leave(held.item, held.position)
            await self._leave_cut_sentences(self._playback.ear.playhead(now))
            for waiting in self._speaking.void(self._playback.void()):
                if isinstance(waiting.frame, UntilHeardFrame):
                    waiting.frame.settle(heard=False, position=self._playback.sent)
                else:
                    await self._leave(waiting, self._playback.sent)
        self._wake.set()


def is_timed(frame: Frame) -> bool:
    """Whether a frame goes by its presentation time rather than by its place in the queue."""
    return bool(frame.pts) and not isinstance(
        frame, SystemFrame | OutputAudioRawFrame | OutputImageRawFrame | TTSStoppedFrame | EndFrame
    )


def is_for_the_ear(frame: Frame) -> bool:
    """Whether a frame says that somebody hears something."""
    if isinstance(frame, BotStartedSpeakingFrame | BotSpeakingFrame | BotStoppedSpeakingFrame):
        return True
    kinds = TTSTextFrame | OutputAudioRawFrame | ContextBeginsFrame
    return isinstance(frame, kinds) and frame.interruptible


def _trim(held: Held[Waiting], position: int) -> None:
    """Take off the end of an audio frame what was not heard, for whoever records."""
    frame = held.item.frame
    if isinstance(frame, OutputAudioRawFrame):
        heard = (position - held.position) * frame.sample_rate // SAMPLE_RATE
        frame.audio = frame.audio[: max(0, heard) * 2 * frame.num_channels]
        frame.num_frames = len(frame.audio) // 2 // frame.num_channels
