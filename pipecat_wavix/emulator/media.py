"""A call's media stream as Wavix runs it: it dials a bot's socket and behaves as the far end does.

It knows when to send which message, and hands what comes back to the line. It refuses to know what
a bot is made of: it sees a URL and messages. There is no task and no queue between the socket and
the line; one timer wakes it for whatever is due next, at its exact time, and after a stall it
catches up on an absolute clock. A caller's 20 ms are sent when they are complete, on the boundary
at which the next 20 ms begin.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from math import inf
from random import Random
from typing import Any, Final
from uuid import UUID

from loguru import logger

from pipecat_wavix.emulator.callers import Caller
from pipecat_wavix.emulator.events import (
    Began,
    Ended,
    Fate,
    Observation,
    Observer,
    Received,
    Sent,
    SentFate,
    Sound,
)
from pipecat_wavix.emulator.leg import Leg
from pipecat_wavix.emulator.network import Link
from pipecat_wavix.emulator.settings import CallSettings
from pipecat_wavix.emulator.summary import CallSummary, Measure, audible_samples
from pipecat_wavix.emulator.websocket import BotSocket, origin_of
from pipecat_wavix.emulator.wire import rendered
from pipecat_wavix.phoneline import MarkPlayed, PhoneLine, Step
from pipecat_wavix.protocol import (
    FRAME_BYTES,
    Command,
    Connected,
    Event,
    Mark,
    MarkName,
    Media,
    MediaPayload,
    PlaceMark,
    PlayMedia,
    Rejected,
    Start,
    Stop,
    parse_command,
)

UNREAD_LIMIT_BYTES: Final = 256 * 1024
"""What may wait for a bot that does not read, about 3 s of media; then media is thrown away."""

CLOSE_TIMEOUT_SECS: Final = 1.0
"""How long a bot may take to answer the close of the socket."""

_TRACKS: Final = {
    "inbound": ("inbound",),
    "outbound": ("outbound",),
    "both": ("inbound", "outbound"),
}


class Call:
    """One call to a bot: dial it with `run`, once.

    Args:
        url: The bot's socket, `ws://` or `wss://`; path and query are sent unchanged.
        caller: The person on the phone.
        settings: Everything else.
        observers: Each is called with all that happens.
    """

    def __init__(
        self,
        url: str,
        caller: Caller,
        settings: CallSettings | None = None,
        observers: Sequence[Observer] = (),
    ) -> None:
        self._url = url
        self._caller = caller
        self._settings = settings = settings or CallSettings()
        self._measure = Measure()
        self._observers = [self._measure.observe, *observers]
        ids = Random(f"{settings.network.seed} ids")  # noqa: S311 - to be repeatable
        self.call_id = settings.call_id or _uuid(ids)
        self.stream_id = settings.stream_id or _uuid(ids)

        self._to_ear, self._from_mouth = Leg(settings.leg), Leg(settings.leg)
        self._to_bot = Link(settings.network, "to_bot")
        self._from_bot = Link(settings.network, "from_bot")
        # A twoway stream carries the inbound track, whatever its channel says.
        self._tracks = _TRACKS[settings.channel if settings.stream_type == "oneway" else "inbound"]

        self._loop: asyncio.AbstractEventLoop
        self._has_begun = False
        self._socket: BotSocket
        self._line: PhoneLine
        self._began_at_wall_clock: datetime
        self._now = -inf  # never goes back, also where a timer fires a little early
        self._timer: asyncio.TimerHandle | None = None
        self._outbox: deque[tuple[float, Event]] = deque()
        self._sequence_number = 0
        self._chunks = 0
        self._last_sound: Sound | None = None
        self._bot_audible = False
        self._bot_left = False
        self._warned: set[str] = set()
        self._hang_up_at = inf
        self._hang_up_reason = ""
        self._over = asyncio.Event()
        self._error: Exception | None = None

    async def run(self) -> CallSummary:
        """Dial, talk, hang up.

        Cancelled, it hangs up all the same, which takes the network's delay and at most a second.

        Returns:
            What the call amounted to.

        Raises:
            CannotConnectError: The bot cannot be reached, refuses, or is silent for too long.
            Exception: What a caller or an observer raised; the call is over then.
        """
        self._loop = asyncio.get_running_loop()
        try:
            await BotSocket.open(
                self._url,
                on_open=lambda socket, at: self._guarded(self._begin, socket, at),
                on_message=lambda data, at: self._guarded(self._take, data, at),
                on_close=lambda at: self._guarded(self._note_bot_left, at),
                timeout=self._settings.connect_timeout_secs,
            )
            await self._over.wait()
        finally:
            if self._has_begun:
                await self._finish()
        if self._error:
            raise self._error
        return self._measure.summary()

    def hang_up(self, reason: str = "hung up from outside") -> None:
        """End the call at the next 20 ms of the line; a call not yet begun ends when it begins.

        Args:
            reason: For the summary.
        """
        self._hang_up_by(-inf, reason)

    # Everything below runs in callbacks of the event loop, never at the same time, and each
    # entrance from outside is guarded: what goes wrong in one ends the call and is raised by `run`.

    def _guarded(self, entrance: Callable[..., None], *args: Any) -> None:
        try:
            entrance(*args)
        except Exception as error:
            self._error = self._error or error
            self._over.set()

    def _begin(self, socket: BotSocket, at: float) -> None:
        self._has_begun, self._began_at, self._now, self._socket = True, at, at, socket
        self._began_at_wall_clock = datetime.now(UTC)
        self._line = PhoneLine(at, self._settings.line)
        self._hang_up_by(at + self._settings.max_secs, "max_secs are over")
        logger.debug(f"Call {self.call_id}: {origin_of(self._url)} has accepted")
        self._observe(Began(at, self.call_id, self.stream_id))
        self._post(at, Connected(event_time=self._wall_clock(at)))
        self._post(
            at,
            Start(
                stream_type=self._settings.stream_type,
                channel=self._settings.channel,
                **self._stamp(at),
            ),
        )
        self._advance(at)

    def _take(self, data: bytes, at: float) -> None:
        if self._over.is_set():
            return
        self._now = max(self._now, at)
        message = parse_command(data)
        fate = self._fate(message)
        self._observe(Received(self._now, message, fate))
        if fate in ("used", "irregular"):
            arrives_at = self._from_bot.arrival(self._now)
            match message:
                case PlayMedia():
                    self._line.play(arrives_at, message.media.payload)
                case PlaceMark():
                    self._line.mark(arrives_at, message.mark.name)
                case _:
                    self._line.clear(arrives_at)
        self._schedule()

    def _fate(self, message: Command | Rejected) -> Fate:
        if isinstance(message, Rejected):
            self._warn(f"a message was rejected: {message.kind}", message.reason)
            return "rejected"
        if self._settings.stream_type == "oneway":
            self._warn("a message was ignored", "the stream is oneway")
            return "oneway"
        if message.stream_id not in (None, self.stream_id):
            self._warn("a message was dropped", "its stream_id is another")
            return "other_stream"
        if isinstance(message, PlayMedia):
            if self._from_bot.lost():
                return "lost"
            if self._settings.strict and len(message.media.payload) != FRAME_BYTES:
                length = len(message.media.payload)
                self._warn("media of another length than 20 ms", f"{length} bytes")
                return "irregular"
        return "used"

    def _note_bot_left(self, at: float) -> None:
        self._bot_left = True
        self._hang_up_by(at + self._settings.silence_after_bot_secs, "the bot closed the socket")

    def _hang_up_by(self, at: float, reason: str) -> None:
        if at < self._hang_up_at:
            self._hang_up_at, self._hang_up_reason = at, reason

    def _advance(self, due_at: float) -> None:
        self._timer = None
        if self._over.is_set():
            return
        self._now = max(self._now, due_at, self._loop.time())
        for event in self._line.advance(self._now):
            if isinstance(event, Step):
                self._on_step(event)
            else:
                self._observe(event)
            if isinstance(event, MarkPlayed):
                self._echo(event)
            if self._over.is_set():
                return
        while self._outbox and self._outbox[0][0] <= self._now:
            self._send(self._outbox.popleft()[1])
        self._schedule()

    def _schedule(self) -> None:
        due_at = self._line.next_event_at
        if self._outbox:
            due_at = min(due_at, self._outbox[0][0])
        if self._timer:
            if self._timer.when() <= due_at:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(due_at, self._guarded, self._advance, due_at)

    def _on_step(self, step: Step) -> None:
        if self._last_sound:
            self._post_media(step.at, self._last_sound)
        if step.at >= self._hang_up_at:
            self._end(step.at, self._hang_up_reason)
            return
        said = self._caller.frame(step.at, self._bot_audible)
        if said is None:
            self._end(step.at, "the caller hung up")
            return
        heard = self._to_ear.carry(step.pcm)
        self._bot_audible = audible_samples(heard) is not None
        self._last_sound = Sound(step.at, self._from_mouth.carry(said), heard, step)
        self._observe(self._last_sound)

    def _post_media(self, at: float, sound: Sound) -> None:
        self._chunks += 1
        for track in self._tracks:
            payload = MediaPayload(
                payload=sound.said if track == "inbound" else sound.heard,
                track=track,
                timestamp=160 * self._chunks,  # 8 kHz samples, as in the specification's example
                chunk=self._chunks,
            )
            media = Media(media=payload, **self._stamp(at))
            if self._to_bot.lost():
                self._observe(Sent(at, media, "lost"))
            else:
                self._post(at, media)

    def _echo(self, mark: MarkPlayed) -> None:
        echo = Mark(mark=MarkName(name=mark.name), **self._stamp(mark.at))
        copies = self._to_bot.mark_copies()
        if not copies:
            self._observe(Sent(mark.at, echo, "lost"))
        for _ in range(copies):
            self._post(mark.at, echo)

    def _end(self, at: float, reason: str) -> None:
        if self._over.is_set():
            return
        self._over.set()
        logger.debug(f"Call {self.call_id}: over: {reason}")
        if self._settings.stop_before_close:
            self._post(at, Stop(**self._stamp(at)))
        self._observe(Ended(at, reason))

    async def _finish(self) -> None:
        self._guarded(self._end, self._loop.time(), "cancelled")
        try:
            # What is still under way on the network arrives in its time.
            while self._outbox:
                at, event = self._outbox.popleft()
                if not self._bot_left:
                    await asyncio.sleep(max(0.0, at - self._loop.time()))
                self._guarded(self._send, event)
        finally:
            await self._socket.close(CLOSE_TIMEOUT_SECS)

    def _post(self, at: float, event: Event) -> None:
        self._outbox.append((self._to_bot.arrival(at), event))

    def _send(self, event: Event) -> None:
        fate: SentFate = "sent"
        if self._socket.unread_bytes > UNREAD_LIMIT_BYTES:
            self._warn("a message was thrown away", "the bot has stopped reading")
            fate = "unread"
        elif not self._socket.send(rendered(event, self._settings.counters)):
            fate = "closed"
        self._observe(Sent(self._loop.time(), event, fate))

    def _stamp(self, at: float) -> dict[str, Any]:
        self._sequence_number += 1
        return {
            "call_id": self.call_id,
            "stream_id": self.stream_id,
            "sequence_number": self._sequence_number,
            "event_time": self._wall_clock(at),
        }

    def _wall_clock(self, at: float) -> str:
        time = self._began_at_wall_clock + timedelta(seconds=at - self._began_at)
        return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _observe(self, observation: Observation) -> None:
        for observer in self._observers:
            observer(observation)

    def _warn(self, what: str, why: str) -> None:
        # Once a call: a bot that errs errs fifty times a second.
        if what not in self._warned:
            self._warned.add(what)
            logger.warning(f"Call {self.call_id}: {what}: {why}; the rest of them is only counted")


def _uuid(random: Random) -> str:
    return str(UUID(int=random.getrandbits(128), version=4))
