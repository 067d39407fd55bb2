"""One media stream as Wavix runs it: it dials a bot's socket and behaves as the far end does.

It knows one socket and its messages: their order, their counters, the network between, and what to
make of what the bot sends. It refuses to know the telephone call: that tells it the time, gives it
what is said and heard, and takes what a bot plays. There is no queue between the socket and the
line but the emulated network's.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf
from random import Random
from typing import Any, Final, Protocol

from loguru import logger

from pipecat_wavix.emulator.events import Fate, Observation, Received, Sent, SentFate, Sound
from pipecat_wavix.emulator.network import Link, NetworkSettings
from pipecat_wavix.emulator.settings import CallSettings, Channel, StreamType
from pipecat_wavix.emulator.websocket import BotSocket, CannotConnectError, origin_of
from pipecat_wavix.emulator.wire import rendered
from pipecat_wavix.phoneline import MarkPlayed, PhoneLine
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

RECONNECT_AFTER_SECS: Final = 0.5
"""How long a stream waits before it dials the bot anew, if it does."""

_TRACKS: Final = {
    "inbound": ("inbound",),
    "outbound": ("outbound",),
    "both": ("inbound", "outbound"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """What a stream bears of a bot that does not play along.

    Attributes:
        unread_bytes: What may wait for a bot that does not read, by default about 3 s of media;
            then messages are thrown away.
        close_secs: How long a bot may take to answer the close of the socket.
    """

    unread_bytes: int = 256 * 1024
    close_secs: float = 1.0


class Host(Protocol):
    """What a stream needs of its call."""

    call_id: str

    def guarded(self, entrance: Callable[..., None], *args: Any) -> None:
        """Call something; what it raises ends the call."""
        ...

    def observe(self, observation: Observation) -> None:
        """Tell the observers."""
        ...

    def clock(self, at: float) -> float:
        """Tell the time of something that happened at `at`: it never goes back."""
        ...

    def wall_clock(self, at: float) -> str:
        """The same as the wire has it: ISO 8601."""
        ...

    def wake(self) -> None:
        """See when the next thing is due."""
        ...

    def advance(self, at: float) -> None:
        """Do all that is due."""
        ...

    def stream_opened(self, stream: "Stream", at: float) -> bool:
        """Take note that the bot has accepted; tell whether the stream may begin now."""
        ...

    def stream_lost(self, stream: "Stream", at: float, reason: str) -> None:
        """Take note that the bot closed or refused, and is not dialled again."""
        ...


class Stream:
    """One stream to a bot: a task calls `run`, once; the rest is called by its call alone.

    Args:
        host: The call.
        url: The bot's socket, `ws://` or `wss://`; path and query are sent unchanged.
        stream_id: Its id.
        stream_type: `twoway`, or `oneway`: the bot only listens.
        channel: What is captured; a twoway stream carries the inbound track whatever this says.
        settings: Of the call.
        number: How many streams the call had before: sets the network's accidents apart.
        on_over: Called once with the id and the reason when it has ended.
        patience: What it bears of the bot.

    Attributes:
        is_open: Whether it carries anything: from its `start` on, to its end or a reconnection.
        error: Why the bot could not be dialled, the last time.
    """

    def __init__(
        self,
        host: Host,
        url: str,
        *,
        stream_id: str,
        stream_type: StreamType,
        channel: Channel,
        settings: CallSettings,
        number: int,
        on_over: Callable[[str, str], None] | None,
        patience: Patience,
    ) -> None:
        self._host = host
        self._url = url
        self.stream_id, self.stream_type = stream_id, stream_type
        self._channel: Channel = channel
        self._settings = settings
        self._on_over = on_over
        self._patience = patience
        network = _of_stream(settings.network, number)
        self._to_bot, self._from_bot = Link(network, "to_bot"), Link(network, "from_bot")
        # A twoway stream carries the inbound track, whatever its channel says.
        self._tracks = _TRACKS[channel if stream_type == "oneway" else "inbound"]
        self._reconnects_left = settings.reconnects

        self.is_open = False
        self.error: CannotConnectError | None = None
        self._socket: BotSocket
        self._opened_at = inf
        self._bot_left = False
        self._ended = False
        self._released = asyncio.Event()  # from the socket: the end, or a reconnection
        self._outbox: deque[tuple[float, Event]] = deque()
        self._inbox: deque[tuple[float, Command]] = deque()
        self._sequence_number = 0
        self._chunks = 0
        self._warned: set[str] = set()

    async def run(self) -> None:
        """Dial, as often as the settings say, and hold the socket until the stream has ended."""
        await self._hold_a_socket()
        while self._dials_anew():
            logger.debug(f"Call {self._host.call_id}: dials {origin_of(self._url)} anew")
            await asyncio.sleep(RECONNECT_AFTER_SECS)
            await self._hold_a_socket()

    def _dials_anew(self) -> bool:
        if self._ended:
            return False
        if not self._bot_left:  # it refused; what is to be if it left was decided when it did
            if not self._reconnects_left:
                at = asyncio.get_running_loop().time()
                self._host.guarded(self._host.stream_lost, self, at, str(self.error))
                return False
            self._reconnects_left -= 1
        return True

    async def _hold_a_socket(self) -> None:
        if self._ended:
            return
        self._bot_left = False
        self._released.clear()
        guarded = self._host.guarded
        try:
            socket = await BotSocket.open(
                self._url,
                on_open=lambda socket, at: guarded(self._begin, socket, at),
                on_message=lambda data, at: guarded(self._take, data, at),
                on_close=lambda at: guarded(self._note_bot_left, at),
                timeout=self._settings.connect_timeout_secs,
            )
        except CannotConnectError as error:
            self.error = error
            return
        try:
            await self._released.wait()
            # What is still under way on the network arrives in its time.
            while self._outbox:
                at, event = self._outbox.popleft()
                if not self._bot_left:
                    await asyncio.sleep(max(0.0, at - asyncio.get_running_loop().time()))
                guarded(self._send, event)
        finally:
            await socket.close(self._patience.close_secs)

    # What the call calls

    def change_network(self, network: NetworkSettings) -> None:
        """Have other faults from now on, with the seed that it has."""
        self._to_bot.change(network)
        self._from_bot.change(network)

    @property
    def next_due_at(self) -> float:
        """When `deliver` or `flush` has anything to do."""
        boxes = (self._outbox, self._inbox)
        return min((box[0][0] for box in boxes if box), default=inf)

    def deliver(self, until: float, line: PhoneLine) -> None:
        """Hand over to the line what the bot sent and arrives by `until`."""
        while self._inbox and self._inbox[0][0] <= until:
            arrives_at, message = self._inbox.popleft()
            match message:
                case PlayMedia():
                    line.play(arrives_at, message.media.payload)
                case PlaceMark():
                    line.mark(arrives_at, message.mark.name)
                case _:
                    line.clear(arrives_at)

    def carry(self, at: float, sound: Sound) -> None:
        """Send 20 ms that are complete at `at`, if they began after this stream did."""
        if not self.is_open or sound.at < self._opened_at:
            return
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
                self._observe_sent(at, media, "lost")
            else:
                self._post(at, media)

    def echo(self, mark: MarkPlayed) -> None:
        """Send a mark back."""
        if not self.is_open:
            return
        echo = Mark(mark=MarkName(name=mark.name), **self._stamp(mark.at))
        copies = self._to_bot.mark_copies()
        if not copies:
            self._observe_sent(mark.at, echo, "lost")
        for _ in range(copies):
            self._post(mark.at, echo)

    def flush(self, until: float) -> None:
        """Write to the socket what the bot gets by `until`."""
        while self._outbox and self._outbox[0][0] <= until:
            self._send(self._outbox.popleft()[1])

    def end(self, at: float) -> None:
        """Send `stop`, if it is open; `run` closes the socket then. A second time does nothing."""
        if self._ended:
            return
        self._ended = True
        if self.is_open and self._settings.stop_before_close:
            self._post(at, Stop(**self._stamp(at)))
        self._released.set()

    def tell_over(self, reason: str) -> None:
        """Tell whoever started it that it is over, once."""
        on_over, self._on_over = self._on_over, None
        if on_over:
            on_over(self.stream_id, reason)

    # What the socket calls

    def _begin(self, socket: BotSocket, at: float) -> None:
        if self._ended or not self._host.stream_opened(self, at):
            return
        at = self._host.clock(at)
        logger.debug(f"Call {self._host.call_id}: {origin_of(self._url)} has accepted")
        self._socket, self._opened_at, self.is_open = socket, at, True
        self._inbox.clear()
        self._sequence_number = self._chunks = 0
        self._post(at, Connected(event_time=self._host.wall_clock(at)))
        self._post(
            at, Start(stream_type=self.stream_type, channel=self._channel, **self._stamp(at))
        )
        self._host.advance(at)

    def _take(self, data: bytes, at: float) -> None:
        if self._ended or not self.is_open:
            return
        at = self._host.clock(at)
        message = parse_command(data)
        fate = self._fate(message)
        self._host.observe(Received(at, message, fate, self.stream_id))
        if fate in ("used", "irregular") and not isinstance(message, Rejected):
            self._inbox.append((self._from_bot.arrival(at), message))
        self._host.wake()

    def _fate(self, message: Command | Rejected) -> Fate:
        if isinstance(message, Rejected):
            self._warn(f"a message was rejected: {message.kind}", message.reason)
            return "rejected"
        if self.stream_type == "oneway":
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
        if self._ended:
            return
        if not self._reconnects_left:
            self._host.stream_lost(self, at, "the bot closed the socket")
            return
        self._reconnects_left -= 1
        self.is_open = False
        self._released.set()

    def _post(self, at: float, event: Event) -> None:
        self._outbox.append((self._to_bot.arrival(at), event))

    def _send(self, event: Event) -> None:
        fate: SentFate = "sent"
        if self._socket.unread_bytes > self._patience.unread_bytes:
            self._warn("a message was thrown away", "the bot has stopped reading")
            fate = "unread"
        elif not self._socket.send(rendered(event, self._settings.counters)):
            fate = "closed"
        self._observe_sent(asyncio.get_running_loop().time(), event, fate)

    def _observe_sent(self, at: float, event: Event, fate: SentFate) -> None:
        self._host.observe(Sent(at, event, fate, self.stream_id))

    def _stamp(self, at: float) -> dict[str, Any]:
        self._sequence_number += 1
        return {
            "call_id": self._host.call_id,
            "stream_id": self.stream_id,
            "sequence_number": self._sequence_number,
            "event_time": self._host.wall_clock(at),
        }

    def _warn(self, what: str, why: str) -> None:
        # Once a stream: a bot that errs errs fifty times a second.
        if what not in self._warned:
            self._warned.add(what)
            logger.warning(
                f"Call {self._host.call_id}: {what}: {why}; the rest of them is only counted"
            )


def _of_stream(network: NetworkSettings, number: int) -> NetworkSettings:
    if not number:
        return network
    seeds = Random(f"{network.seed} stream {number}")  # noqa: S311 - to be repeatable
    return replace(network, seed=seeds.getrandbits(32))
