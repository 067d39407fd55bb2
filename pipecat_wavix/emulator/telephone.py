"""One answered telephone call: a caller on the phone, and any number of streams to bots.

It knows the time on the line, the legs, what the caller hears and which streams there are. It
refuses to know sockets and messages, which are a stream's, and how a call comes about. One timer
wakes it for whatever is due next, at its exact time, and after a stall it catches up on an absolute
clock. The call is cut into steps of 20 ms; what was said and heard in one goes to the streams when
it is complete, on the boundary at which the next begins.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import inf
from random import Random
from typing import Any
from uuid import UUID

from loguru import logger

from pipecat_wavix.emulator.callers import SILENCE, Aside, BeginStep, Caller, ChangeNetwork
from pipecat_wavix.emulator.events import (
    Began,
    Ended,
    NetworkChanged,
    Observation,
    Observer,
    Pressed,
    Sound,
    StepBegan,
)
from pipecat_wavix.emulator.keys import HeldKey
from pipecat_wavix.emulator.leg import Leg
from pipecat_wavix.emulator.mixer import Mixer
from pipecat_wavix.emulator.network import NetworkSettings
from pipecat_wavix.emulator.settings import CallSettings, Channel, StreamType
from pipecat_wavix.emulator.stream import Patience, Stream
from pipecat_wavix.emulator.streams import Streams
from pipecat_wavix.emulator.summary import CallSummary, Measure, audible_samples
from pipecat_wavix.phoneline import MarkPlayed, PhoneLine, Step


class Telephone:
    """One answered call: hold it with `run`, once.

    Streams, prompts and keys may come at any time, also before `run`: they then begin with it. All
    methods are for the event loop's thread, and may be called from observers.

    Args:
        caller: The person on the phone.
        settings: How the call is; a stream's type, channel and id are told to `start_stream`.
        observers: Each is called with all that happens.
        patience: What a stream bears of a bot.

    Attributes:
        call_id: The call's id: the settings', or made from the network's seed.
        on_key: Called with each key that the caller presses, when it goes down.
    """

    def __init__(
        self,
        caller: Caller,
        settings: CallSettings | None = None,
        observers: Sequence[Observer] = (),
        *,
        patience: Patience | None = None,
    ) -> None:
        self._caller = caller
        self._settings = settings = settings or CallSettings()
        self._measure = Measure()
        self._observers = [self._measure.observe, *observers]
        self._patience = patience or Patience()
        self._ids = Random(f"{settings.network.seed} ids")  # noqa: S311 - to be repeatable
        self.call_id = settings.call_id or self._uuid()
        self.on_key: Callable[[str], None] | None = None

        self._to_ear, self._from_mouth = Leg(settings.leg), Leg(settings.mouth_leg or settings.leg)
        self._prompts = Mixer()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._line: PhoneLine | None = None
        self._line_is_new = True
        self._began_at = 0.0
        self._began_at_wall_clock = datetime.now(UTC)
        self._now = -inf  # never goes back, also where a timer fires a little early
        self._timer: asyncio.TimerHandle | None = None
        self._is_advancing = False
        self._last_sound: Sound | None = None
        self._somebody_audible = False

        self._streams = Streams(self._fail)
        self._begin_with: str | None = None
        self._hang_up_at, self._hang_up_reason = inf, ""
        self._silence_ends_at, self._silence_reason = inf, ""
        self._end_reason = "an error"
        self._over = asyncio.Event()
        self._error: Exception | None = None

    async def run(self, *, begin_with: str | None = None) -> CallSummary:
        """Hold the call until it is over.

        Cancelled, it hangs up all the same, which takes the network's delay and at most a second.

        Args:
            begin_with: The id of a stream that was started before: the line begins when its bot
                has accepted, not now.

        Returns:
            What the call amounted to.

        Raises:
            CannotConnectError: The bot of `begin_with` cannot be reached, refuses, or is silent
                for too long.
            Exception: What a caller, an observer or a callback raised; the call is over then.
        """
        self._loop = asyncio.get_running_loop()
        if begin_with and begin_with not in self._streams.alive:
            raise ValueError(f"begin_with is {begin_with!r}: start that stream before the call")
        self._begin_with = begin_with
        for stream in self._streams.alive.values():
            self._streams.launch(stream)
        if begin_with is None:
            self.guarded(self._begin, self._loop.time(), "")
        try:
            await self._over.wait()
        finally:
            self.guarded(self._end, self._loop.time(), "cancelled")
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

    def start_stream(
        self,
        url: str,
        *,
        stream_id: str | None = None,
        stream_type: StreamType = "twoway",
        channel: Channel = "inbound",
        on_over: Callable[[str, str], None] | None = None,
    ) -> str:
        """Start a stream; it connects by itself, and carries what begins after that.

        Args:
            url: The bot's socket, `ws://` or `wss://`; path and query are sent unchanged.
            stream_id: Its id; `None` to make a UUID from the network's seed.
            stream_type: `twoway`, or `oneway`: the bot only listens.
            channel: What is captured; `outbound` is all that the caller hears.
            on_over: Called once with the stream's id and the reason when it has ended, or could
                not be connected.

        Returns:
            The stream's id.

        Raises:
            ValueError: There are as many streams of this type as Wavix allows, the call is over, or
                a value is none of its choices.
        """
        if self._over.is_set():
            raise ValueError("the call is over: start streams before its end")
        stream_id = stream_id or self._uuid()
        self._streams.check(stream_id, stream_type, channel)
        stream = Stream(
            self,
            url,
            stream_id=stream_id,
            stream_type=stream_type,
            channel=channel,
            settings=self._settings,
            number=self._streams.started,
            on_over=on_over,
            patience=self._patience,
        )
        self._streams.add(stream)
        if self._loop:
            self._streams.launch(stream)
        return stream_id

    def stop_stream(self, stream_id: str) -> bool:
        """Stop a stream: `stop` goes out, the socket is closed, the call goes on.

        Args:
            stream_id: Its id.

        Returns:
            Whether there was such a stream.
        """
        if self._loop and stream_id in self._streams.alive:
            self.guarded(self.advance, self._loop.time())
        stream = self._streams.alive.get(stream_id)
        if stream is None or self._over.is_set():
            return False
        self._drop_buffer_of(stream)
        self._streams.remove(stream)
        self._streams.let_go(stream, self._now)
        self.guarded(stream.tell_over, "stopped")
        if self._loop and not self._line and stream_id == self._begin_with:
            self.guarded(self._begin, self._loop.time(), "")
        return True

    def play_prompt(self, pcm: bytes, on_done: Callable[[bool], None] | None = None) -> None:
        """Play a recorded prompt to the caller, after those that play already.

        It is mixed with what the bot plays, and waits for nothing of it. What measures the bot's
        speech at the caller's ear takes it for the bot's.

        Args:
            pcm: PCM16 little-endian at 24 kHz, mono.
            on_done: Called once: with True when it was played to its end, with False when it was
                stopped, or the call ended before or was over already.

        Raises:
            ValueError: The length is odd.
        """
        self._prompts.play(pcm, on_done)
        if self._over.is_set():
            self.stop_prompts()

    def stop_prompts(self) -> None:
        """Stop the prompt that plays at the next 20 ms, and forget those that wait."""
        self.guarded(self._prompts.stop)

    def change_network(self, network: NetworkSettings) -> None:
        """Have other faults of the network from now on, in all streams.

        Args:
            network: Its `seed` is not used: the call keeps its own.
        """
        network = replace(network, seed=self._settings.network.seed)
        self._settings = replace(self._settings, network=network)
        for stream in self._streams.fed:
            stream.change_network(network)
        if self._line:
            self.guarded(self.observe, NetworkChanged(self._now, network))

    # Everything below runs in callbacks of the event loop, never at the same time, and each
    # entrance from outside is guarded: what goes wrong in one ends the call and is raised by `run`.

    # What a stream calls: see `stream.Host`.

    def guarded(self, entrance: Callable[..., None], *args: Any) -> None:
        """Call something; what it raises ends the call and is raised by `run`."""
        try:
            entrance(*args)
        except Exception as error:
            self._fail(error)

    def observe(self, observation: Observation) -> None:
        """Tell the observers, unless one of them has failed."""
        if not self._error:
            for observer in self._observers:
                observer(observation)

    def clock(self, at: float) -> float:
        """The time of something that happened at `at`: never before what is settled."""
        self._now = max(self._now, at)
        return self._now

    def wall_clock(self, at: float) -> str:
        """A time as the wire has it: ISO 8601 with milliseconds."""
        time = self._began_at_wall_clock + timedelta(seconds=at - self._began_at)
        return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def wake(self) -> None:
        """Set the timer to what is due next."""
        if not (self._line and self._loop) or self._over.is_set():
            return
        due_at = min(
            self._line.next_event_at, *(each.next_due_at for each in self._streams.fed), inf
        )
        if self._timer:
            if self._timer.when() <= due_at:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(due_at, self.guarded, self.advance, due_at)

    def advance(self, due_at: float) -> None:
        """Do all that is due by now, and by `due_at` where the clock is a little behind it."""
        line = self._line
        if self._is_advancing or self._over.is_set() or not (line and self._loop):
            return
        if self._timer:
            self._timer.cancel()
            self._timer = None
        self._is_advancing = True
        try:
            now = self.clock(max(due_at, self._loop.time()))
            if self._streams.talker:
                self._streams.talker.deliver(now, line)
            for event in line.advance(now):
                if isinstance(event, Step):
                    self._on_step(event)
                else:
                    self.observe(event)
                if isinstance(event, MarkPlayed) and self._streams.talker:
                    self._streams.talker.echo(event)
                if self._over.is_set():
                    return
            for stream in self._streams.fed:
                stream.flush(now)
        finally:
            self._is_advancing = False
        self.wake()

    def stream_opened(self, stream: Stream, at: float) -> bool:
        """Take note that a bot has accepted; tell whether its stream may begin now."""
        if self._line:
            self.advance(at)
        else:
            self._begin(at, stream.stream_id)
        if self._over.is_set():
            return False
        if stream.stream_type == "twoway":
            # The bot is back before the call has ended for want of one.
            self._silence_ends_at = inf
            self._streams.let_abandoned_go(self._now)
            if not self._line_is_new:
                self._renew_line()
            self._line_is_new = False
            self._streams.talker = stream
        return True

    def stream_lost(self, stream: Stream, at: float, reason: str) -> None:
        """Take note that a bot has closed or refused for good."""
        if self._line:
            self.advance(at)
        elif stream.error and stream.stream_id == self._begin_with:
            self._fail(stream.error)
        if self._over.is_set() or stream.stream_id not in self._streams.alive:
            return
        at = self.clock(at)
        if self._line and stream is self._streams.talker:
            stream.deliver(inf, self._line)  # sent before the socket was closed
        self._drop_buffer_of(stream)
        silence_secs = self._settings.silence_after_bot_secs
        if silence_secs is None or (
            stream.stream_type == "oneway" and len(self._streams.alive) > 1
        ):
            self._streams.remove(stream)
            self._streams.let_go(stream, at)
        else:
            self._streams.abandon(stream)
            if at + silence_secs < self._silence_ends_at:
                self._silence_ends_at, self._silence_reason = at + silence_secs, reason
        self.wake()
        stream.tell_over(reason)

    # The line

    def _begin(self, at: float, stream_id: str) -> None:
        self._began_at, self._now = at, at
        self._began_at_wall_clock = datetime.now(UTC)
        self._line = PhoneLine(at, self._settings.line)
        self._hang_up_by(at + self._settings.max_secs, "max_secs are over")
        self.observe(Began(at, self.call_id, stream_id))
        if not stream_id:
            self.advance(at)

    def _renew_line(self) -> None:
        # In step with the old line, with nothing of what it holds.
        assert self._line  # noqa: S101 - only a stream that is open has put anything into it
        self._line = PhoneLine(self._line.next_step_at, self._settings.line)

    def _drop_buffer_of(self, stream: Stream) -> None:
        if self._settings.drop_buffer_with_stream and stream is self._streams.talker:
            self._renew_line()

    def _hang_up_by(self, at: float, reason: str) -> None:
        if at < self._hang_up_at:
            self._hang_up_at, self._hang_up_reason = at, reason

    def _on_step(self, step: Step) -> None:
        at = step.at
        if self._last_sound:
            for stream in self._streams.fed:
                stream.carry(at, self._last_sound)
        if at >= min(self._hang_up_at, self._silence_ends_at):
            silence_first = self._silence_ends_at < self._hang_up_at
            self._end(at, self._silence_reason if silence_first else self._hang_up_reason)
            return
        while isinstance(
            said := self._caller.frame(at, self._somebody_audible), BeginStep | ChangeNetwork
        ):
            self._heed(at, said)
        if said is None:
            self._end(at, "the caller hung up")
            return
        if isinstance(said, HeldKey):
            self._note_key(at, said)
            said = said.tone() if self._settings.dtmf_in_audio else SILENCE
        heard = self._to_ear.carry(self._prompts.mixed(step.pcm))
        self._somebody_audible = audible_samples(heard) is not None
        self._last_sound = Sound(at, self._from_mouth.carry(said), heard, step)
        self.observe(self._last_sound)

    def _heed(self, at: float, aside: Aside) -> None:
        match aside:
            case BeginStep(number=number):
                self.observe(StepBegan(at, number))
            case ChangeNetwork():
                self.change_network(aside.applied(self._settings.network))

    def _note_key(self, at: float, held: HeldKey) -> None:
        if held.number == 0:
            self.observe(Pressed(at, held.key))
            if self.on_key:
                self.on_key(held.key)

    # The streams, and the end

    def _end(self, at: float, reason: str) -> None:
        if self._over.is_set():
            return
        self._over.set()
        self._end_reason = reason
        if not self._line:
            return
        logger.debug(f"Call {self.call_id}: over: {reason}")
        for stream in self._streams.fed:
            stream.end(at)
        self.observe(Ended(at, reason))

    def _fail(self, error: Exception) -> None:
        self._error = self._error or error
        self._over.set()

    async def _finish(self) -> None:
        if self._timer:
            self._timer.cancel()
        for stream in self._streams.fed:
            self._streams.let_go(stream, self._now)
            self.guarded(stream.tell_over, self._end_reason)
        self.guarded(self._prompts.stop)
        await self._streams.finished()

    def _uuid(self) -> str:
        return str(UUID(int=self._ids.getrandbits(128), version=4))
