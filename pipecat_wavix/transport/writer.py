"""What goes out: audio in 20 ms messages, paced; the marks behind it; the clear ahead of it.

It knows when audio may leave and writes it into the ledger as it does. It refuses to know what is
said in it.
"""

import asyncio
import time
from collections import deque
from typing import Any, Final

from pipecat_wavix.playback import Cut, Playback, Sent
from pipecat_wavix.protocol import (
    FRAME_BYTES,
    SAMPLE_RATE,
    Clear,
    MarkName,
    PlaceMark,
    PlayMedia,
    PlayPayload,
)
from pipecat_wavix.resampler import StreamResampler
from pipecat_wavix.transport.connection import Connection

CLEAR_GUARD_SECS: Final = 0.15
"""How long no media follows a clear. Wavix promises to carry it out within 50 to 100 ms, and may
throw away what comes sooner; the rest is for its 20 ms steps and for jitter."""

_PIECE_BYTES = 2 * FRAME_BYTES  # what is paced as one: the fewer the waits, the less the CPU


class Writer:
    """The way out to one stream.

    It paces by an absolute clock: what a stall delayed is caught up with at once. Audio that waits
    here for its time can still be dropped; what has left cannot, but for a clear.

    Attributes:
        media_sent: Messages of audio that were sent.
        padding: Samples of silence at the very end of what was sent, 40 ms at most: Pipecat and we
            fill up the last chunk of an utterance.
    """

    def __init__(self, connection: Connection, playback: Playback[Any]):
        self._connection = connection
        self._playback = playback
        self._resampler = StreamResampler()
        self._carried = b""
        self._carried_protected = False
        self._resume_at = 0.0
        self._again: deque[Sent] = deque()
        self._again_task: asyncio.Task[None] | None = None
        # Speech, tones and what is sent again come from tasks of their own.
        self._lock = asyncio.Lock()
        self._sleeping: asyncio.Future[None] | None = None
        self.media_sent = 0
        self.padding = 0

    async def write(
        self,
        audio: bytes,
        *,
        sample_rate: int,
        lead_secs: float,
        protected: bool = False,
        speech: bool = True,
    ) -> int | None:
        """Send audio when it is its time.

        Args:
            audio: PCM16 mono.
            sample_rate: Its samples a second, in Hz.
            lead_secs: How far ahead of the ear it may be sent.
            protected: It must not be interrupted.
            speech: Somebody speaks in it.

        Returns:
            The position of its first sample; None if it was interrupted, or nobody is there.
        """
        epoch = self._playback.epoch
        async with self._lock:
            if not protected and epoch != self._playback.epoch:
                return None
            audio = self._carried + self._resampler.push(audio, sample_rate, SAMPLE_RATE)
            protected = protected or self._carried_protected
            whole = len(audio) - len(audio) % FRAME_BYTES
            self._carried, self._carried_protected = audio[whole:], protected and whole < len(audio)
            start = None
            for at in range(0, whole, _PIECE_BYTES):
                position = await self._write_piece(
                    audio[at : min(at + _PIECE_BYTES, whole)],
                    None if protected else epoch,
                    lead_secs,
                    speech=speech,
                )
                if position is None:
                    return None
                start = position if start is None else start
            return self._playback.sent if start is None else start

    async def _write_piece(
        self, audio: bytes, epoch: int | None, lead_secs: float, *, speech: bool
    ) -> int | None:
        """Send a piece, unless the epoch that it belongs to has ended; None belongs to all."""
        secs = len(audio) / 2 / SAMPLE_RATE
        while True:
            if not self._connection.open or (epoch is not None and epoch != self._playback.epoch):
                return None
            await self._stand_clear()
            wait = self._playback.ear.ahead_secs(time.monotonic()) + secs - lead_secs
            if wait <= 1e-4:
                break
            await self._sleep(wait)
        start = self._playback.sent
        for at in range(0, len(audio), FRAME_BYTES):
            if epoch is not None and epoch != self._playback.epoch:
                return None
            await self._stand_clear()  # an interruption may have come between two frames
            frame = audio[at : at + FRAME_BYTES]
            self._playback.send(time.monotonic(), frame, protected=epoch is None, speech=speech)
            if not await self._send(frame):
                return None
        self.padding = len(audio) // 2 - (len(audio.rstrip(b"\0")) + 1) // 2
        return start

    async def _sleep(self, secs: float) -> None:
        """Sleep, or be woken by an interruption: what waits here may have to go."""
        loop = asyncio.get_running_loop()
        self._sleeping = loop.create_future()
        timer = loop.call_later(secs, _wake, self._sleeping)
        try:
            await self._sleeping
        finally:
            timer.cancel()

    async def _send(self, frame: bytes) -> bool:
        self.media_sent += 1
        sent = await self._connection.send(
            PlayMedia(media=PlayPayload(payload=frame), stream_id=self._connection.stream_id)
        )
        await self.mark_if_due()
        return sent

    async def mark_if_due(self) -> None:
        """Place a mark behind all that was sent, if it is time for one."""
        if self._playback.ear.mark_due(time.monotonic()):
            await self.mark()

    async def mark(self) -> None:
        """Place a mark behind all that was sent."""
        name = self._playback.ear.place_mark(time.monotonic())
        await self._connection.send(
            PlaceMark(mark=MarkName(name=name), stream_id=self._connection.stream_id)
        )

    async def prime(self) -> None:
        """Send 20 ms of silence and a mark: its echo shows the round trip before the first word."""
        async with self._lock:
            silence = bytes(FRAME_BYTES)
            self._playback.send(time.monotonic(), silence, speech=False)
            await self._send(silence)

    async def flush(self) -> None:
        """Send what is carried of the last frame, padded with silence: an utterance has ended."""
        async with self._lock:
            tail = self._carried + self._resampler.finish()
            protected, self._carried, self._carried_protected = self._carried_protected, b"", False
            if tail.strip(b"\0"):
                tail += bytes(-len(tail) % FRAME_BYTES)
                epoch = None if protected else self._playback.epoch
                await self._write_piece(tail, epoch, lead_secs=float("inf"), speech=True)

    async def interrupt(self, now: float) -> Cut[Any]:
        """Send a clear, ahead of everything that waits, unless there is nothing to clear.

        Args:
            now: The time.

        Returns:
            What the ledger makes of it.
        """
        cut = self._playback.clear(now, resume_at=now + CLEAR_GUARD_SECS)
        if self._sleeping:
            _wake(self._sleeping)
        if cut.clear:
            self._resume_at = now + CLEAR_GUARD_SECS
            self.padding = 0
            self._again = deque(cut.again)
            await self._connection.send(Clear(stream_id=self._connection.stream_id))
            if self._again and self._again_task is None:
                self._again_task = asyncio.create_task(self._send_again(), name="wavix-send-again")
        if not self._carried_protected:
            self._carried = b""
            self._resampler.clear()
        return cut

    async def _send_again(self) -> None:
        async with self._lock:
            self._again_task = None
            await self._stand_clear()

    async def _stand_clear(self) -> None:
        """Wait out the guard of a clear, then send the protected audio that it took with it.

        The ledger has that audio booked already, ahead of all that follows.
        """
        while self._connection.open:
            wait = self._resume_at - time.monotonic()
            if wait > 0:
                await self._sleep(wait)
            elif self._again:
                await self._send(self._again.popleft().audio)
                if not self._again:
                    await self.mark()
            else:
                return

    async def close(self) -> None:
        """Stop sending again what nobody will hear."""
        self._again.clear()
        if self._again_task:
            self._again_task.cancel()
            await asyncio.wait([self._again_task])


def _wake(sleeping: asyncio.Future[None]) -> None:
    if not sleeping.done():
        sleeping.set_result(None)
