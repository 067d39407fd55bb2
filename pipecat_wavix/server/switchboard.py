"""Takes calls and makes them: from a webhook to a stream, and from a stream to a bot.

It knows what may be done once, and what it costs: a webhook is a hint, `GET /v1/calls/{id}` is the
truth before a call is answered, one POST answers it and starts its stream, and a token lets exactly
one socket in. It refuses to know HTTP; the router brings bytes and sockets.

Any process with the same secret can take any webhook and any socket: what is needed of the other
travels in the tokens.
"""

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any, Final
from uuid import uuid4

from loguru import logger
from pipecat.runner.types import RunnerArguments

from pipecat_wavix.client import WavixClient
from pipecat_wavix.errors import WavixError, WavixNotFound
from pipecat_wavix.server.call import Accept, Reject, Session
from pipecat_wavix.server.lines import Lines
from pipecat_wavix.server.metrics import Metrics
from pipecat_wavix.server.settings import WavixSettings
from pipecat_wavix.server.starts import Starts
from pipecat_wavix.tokens import DialPass, StreamPass, Tokens
from pipecat_wavix.webhooks import CallBook, Change, PostCall, WavixCall, last_digits

Bot = Callable[[RunnerArguments], Awaitable[None]]
Screen = Callable[[WavixCall], Awaitable[Accept | Reject]]
OnCallEnded = Callable[[WavixCall], Awaitable[None]]

_HOOK_TIMEOUT_SECS: Final = 5.0
"""How long the author's own code may keep a caller waiting for an answer."""

_TASKS_PER_CALL: Final = 8
"""How many pieces of work may wait at a time, as a multiple of `max_calls`."""

_TAG_CHARS: Final = 256
"""How much of a call's tag the bot is told: it travels in a URL."""

_DRAIN_LOOK_SECS: Final = 0.2

_END_TIMEOUT_SECS: Final = 10.0
"""How long what remains to be done at an end may take."""


class BusyError(Exception):
    """No room for another call, or none for another piece of work."""


class Switchboard:
    """The calls of one process.

    Args:
        client: Wavix's REST API.
        settings: How much to take on.
        screen: Asked about each incoming call, before it is answered.
        on_call_ended: Told of the end of each call that was dialled from here.
    """

    def __init__(
        self,
        client: WavixClient,
        settings: WavixSettings,
        *,
        screen: Screen | None,
        on_call_ended: OnCallEnded | None,
    ):
        self._client = client
        self._settings = settings
        self._screen = screen
        self._on_call_ended = on_call_ended
        self.tokens = Tokens(settings.secret.get_secret_value())
        self.metrics = Metrics(lambda: len(self._lines), client.requests)
        self._book = CallBook()
        # What came on the webhook of a call that was dialled with our own token.
        self._dialled = CallBook()
        self._lines = Lines(
            settings.max_calls, patience_secs=settings.token_ttl_secs, on_overdue=self._rescue
        )
        self._starts = Starts(client, self._lines, self.metrics, self.stream_url)
        self._tasks: set[asyncio.Task[None]] = set()
        # Apart: each lasts as long as its call, and must not keep others' webhooks out.
        self._watches: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def ready(self) -> bool:
        """Whether another call would be taken."""
        return not (self._closed or self._lines.full)

    @property
    def webhook_url(self) -> str:
        """Where Wavix reports calls: a secret."""
        return f"{self._settings.public_url}/wavix/webhook/{self.tokens.webhook_key}"

    def stream_url(self, content: StreamPass) -> str:
        """Where Wavix may open one socket, for one call: a secret for a short time."""
        base = self._settings.public_url.replace("http", "ws", 1)
        return f"{base}/wavix/media/{self.tokens.issue(content, now=time.time())}"

    # ---- webhooks

    def take(self, news: WavixCall | PostCall, dial: DialPass | None = None) -> None:
        """Take in a webhook; what it asks for is done afterwards.

        Args:
            news: What Wavix tells.
            dial: What its URL said, if it is that of a call dialled by us.

        Raises:
            BusyError: If too much is waiting to be done.
        """
        if len(self._tasks) >= _TASKS_PER_CALL * self._settings.max_calls:
            self.metrics.webhook("too_many")
            raise BusyError("too much to do: ask again")
        changes = self._book.note(news)
        self.metrics.webhook("news" if changes else "known")
        if isinstance(news, WavixCall):
            line = self._lines.get(news.id)
            if changes and line:
                line.deliver(news)
            if dial:
                self._take_dialled(news, dial)
            elif Change.BEGAN in changes and news.direction != "outbound":
                self._spawn(self._answer(news.id, time.monotonic()), f"answer-{news.id}")
        if Change.ENDED in changes:
            self._hear_end(news.id)

    def _take_dialled(self, call: WavixCall, dial: DialPass) -> None:
        changes = self._dialled.note(call)
        if Change.ENDED in changes and self._on_call_ended:
            self._spawn(self._tell_end(self._on_call_ended, call), f"ended-{call.id}")
        elif Change.ANSWERED in changes and not self._lines.is_talking(call.id):
            if call.machine_detected:
                # Wavix hangs up by itself; a bot would talk to a machine that is gone.
                self.metrics.call("outbound", "machine")
            else:
                self._spawn(self._stream(call.id, dial, time.monotonic()), f"stream-{call.id}")

    def _hear_end(self, call_id: str) -> None:
        line = self._lines.get(call_id)
        if line and line.session:
            # Its socket tells the bot; a socket that is dead does not.
            self._spawn(self._close_late(line.session), name=f"close-{call_id}")
        else:
            self._lines.free(call_id)

    async def _close_late(self, session: Session) -> None:
        await asyncio.sleep(_END_TIMEOUT_SECS)
        if self._lines.is_talking(session.call_id):
            await session.close()

    async def _tell_end(self, on_call_ended: OnCallEnded, call: WavixCall) -> None:
        try:
            async with asyncio.timeout(_END_TIMEOUT_SECS):
                await on_call_ended(call)
        except (Exception, SystemExit) as error:
            _report("on_call_ended", error)

    # ---- incoming calls

    async def _answer(self, call_id: str, began: float) -> None:
        """Answer a call and start its stream: one GET, one POST."""
        call = await self._confirm(call_id)
        if not call:
            return
        if not self.ready:
            logger.warning(f"Call {call_id}: refused, {len(self._lines)} calls in progress")
            await self._refuse(call_id, "busy")
            return
        self._lines.hold(call_id, began)
        decision = await self._decide(call)
        if isinstance(decision, Reject):
            await self._refuse(call_id, "rejected")
            return
        content = StreamPass(
            call_id=call_id,
            direction="inbound",
            from_number=call.from_number,
            to_number=call.to_number,
            tag=call.tag and call.tag[:_TAG_CHARS],
            body=decision.body,
        )
        try:
            await self._starts.answer(content)
        except ValueError as error:
            logger.error(f"Call {call_id}: not answered: {error}")
            await self._refuse(call_id, "rejected")

    async def _confirm(self, call_id: str) -> WavixCall | None:
        """Ask whether there is such a call, for us to answer."""
        try:
            call = await self._client.get_call(call_id)
        except WavixNotFound:
            # Somebody made it up, or it is over, or Wavix does not show it yet.
            self.metrics.call("inbound", "not_found")
            self._book.forget(call_id)
        except WavixError as error:
            self.metrics.call("inbound", "not_confirmed")
            logger.error(f"Call {call_id}: not answered: {error}")
            self._book.forget(call_id)
        else:
            if call.direction == "inbound" and not call.answered_at and not call.completed_at:
                return call
            self.metrics.call("inbound", "not_ours")
        return None

    async def _decide(self, call: WavixCall) -> Accept | Reject:
        if not self._screen:
            return Accept()
        try:
            async with asyncio.timeout(_HOOK_TIMEOUT_SECS):
                decision: object = await self._screen(call)
        except TimeoutError:
            logger.error(f"screen took more than {_HOOK_TIMEOUT_SECS} s: the call is refused")
            return Reject()
        except (Exception, SystemExit) as error:
            _report("screen", error)
            return Reject()
        if not isinstance(decision, Accept | Reject):
            logger.error(f"screen answered {type(decision).__name__}: give Accept() or Reject()")
            return Reject()
        return decision

    async def _refuse(self, call_id: str, outcome: str) -> None:
        self.metrics.call("inbound", outcome)
        self._lines.free(call_id)
        try:
            await self._client.hang_up(call_id)
        except WavixError as error:
            logger.warning(f"Call {call_id}: it rings on: {error}")

    # ---- outgoing calls

    async def dial(
        self,
        *,
        to_number: str,
        from_number: str,
        body: dict[str, Any],
        tag: str | None = None,
        voicemail_detection: bool = False,
        ring_timeout_secs: int | None = None,
    ) -> WavixCall:
        """Make a call; its bot runs when it is answered.

        Args:
            to_number: In E.164.
            from_number: In E.164, of the account.
            body: For the bot, as `runner_args.body`.
            tag: What tells this call from every other; a random one if there is none.
            voicemail_detection: Whether Wavix shall tell a machine from a person.
            ring_timeout_secs: How long it may ring.

        Raises:
            BusyError: If there is no room for another call.
            ValueError: If the body does not fit.
            WavixError: If Wavix did not make it, or that is not known.
        """
        if not self.ready:
            raise BusyError(f"{len(self._lines)} calls in progress: the most that is taken on")
        tag = tag or f"pipecat-{uuid4()}"
        content = DialPass(
            from_number=from_number,
            to_number=to_number,
            tag=tag,
            body=body,
            voicemail_detection=voicemail_detection,
        )
        token = self.tokens.issue(content, now=time.time())
        place = f"dial {tag}"
        self._lines.hold(place)
        try:
            call = await self._client.dial(
                from_number=from_number,
                to_number=to_number,
                callback_url=f"{self.webhook_url}/{token}",
                tag=tag,
                voicemail_detection=voicemail_detection,
                ring_timeout_secs=ring_timeout_secs,
            )
        finally:
            self._lines.free(place)
        logger.info(f"Call {call.id}: to {last_digits(to_number)}")
        # Its webhooks may have been faster than the reply.
        if not self._lines.get(call.id) and not self._dialled.is_over(call.id):
            self._lines.hold(call.id, patient=True)
        watch = asyncio.create_task(self._watch(call.id, content), name=f"wavix-watch-{call.id}")
        self._watches.add(watch)
        watch.add_done_callback(self._watched)
        return call

    async def _stream(self, call_id: str, dial: DialPass, began: float) -> None:
        """Start the stream of a call that was answered: one POST."""
        self._lines.hold(call_id, began)
        content = StreamPass(
            call_id=call_id,
            direction="outbound",
            from_number=dial.from_number,
            to_number=dial.to_number,
            tag=dial.tag,
            body=dial.body,
            voicemail_detection=dial.voicemail_detection,
        )
        await self._starts.stream(content)

    async def _watch(self, call_id: str, dial: DialPass) -> None:
        """Ask for the state of a call now and then, for its webhooks may be lost."""
        latest: WavixCall | None = None
        while not self._dialled.is_over(call_id):
            await asyncio.sleep(self._settings.poll_secs)
            if self._lines.is_talking(call_id) or self._dialled.is_over(call_id):
                continue
            try:
                latest = await self._client.get_call(call_id)
            except WavixNotFound:
                latest = replace(latest or WavixCall(id=call_id), event_type="completed")
            except WavixError:
                continue
            try:
                self.take(latest, dial)
            except BusyError:
                continue

    # ---- sockets

    def admit(self, token: str) -> StreamPass | None:
        """Check the token of a socket, before it is accepted."""
        ttl_secs = self._settings.token_ttl_secs
        return self.tokens.open(token, StreamPass, ttl_secs=ttl_secs, now=time.time())

    def begin(
        self, content: StreamPass, stream_id: str, close: Callable[[], Awaitable[None]]
    ) -> Session:
        """Take note that a call's stream has begun.

        Args:
            content: Of its token.
            stream_id: The stream's id.
            close: Closes its socket.
        """
        session = Session(
            self._client,
            call_id=content.call_id,
            stream_id=stream_id,
            close=close,
            voicemail_detection=content.voicemail_detection,
        )
        setup_secs = self._lines.talk(content.call_id, session)
        if setup_secs is not None:
            self.metrics.setup(setup_secs)
        self.metrics.call(content.direction, "streamed")
        return session

    async def end(self, session: Session) -> None:
        """See to it that a call has ended when its bot or its socket has. Again, it does nothing."""
        if session.over:
            return
        session.over = True
        self._lines.free(session.call_id)
        if not session.hung_up and not self._book.is_over(session.call_id):
            await self._starts.hang_up(session.call_id)

    def _rescue(self, call_id: str) -> None:
        self._spawn(self._starts.rescue(call_id), f"rescue-{call_id}")

    # ---- life

    def open(self) -> None:
        """Take calls, again after `close` too."""
        self._closed = False

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=f"wavix-{name}")
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            _report(task.get_name(), error)

    def _watched(self, watch: asyncio.Task[None]) -> None:
        self._watches.discard(watch)
        if not watch.cancelled() and (error := watch.exception()):
            _report(watch.get_name(), error)

    async def drain(self) -> None:
        """Take no more calls, and wait until those in progress have ended, for a bounded time."""
        self._closed = True
        for _ in range(round(self._settings.drain_secs / _DRAIN_LOOK_SECS)):
            if not len(self._lines):
                return
            await asyncio.sleep(_DRAIN_LOOK_SECS)

    async def close(self) -> None:
        """Take no more calls, and stop what is under way. Calling it again changes nothing."""
        self._closed = True
        tasks = self._tasks | self._watches
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_END_TIMEOUT_SECS)
        await self._starts.give_up()
        self._lines.close()


def _report(where: str, error: BaseException) -> None:
    # Not `logger.exception`: loguru would show the values of variables, secrets among them.
    logger.error(f"{where} failed:\n{''.join(traceback.format_exception(error))}")
