"""How a call gets its stream, and what is done if none comes: nobody is left in silence.

It knows what may be asked twice. A 429 was not acted on, so it may; what had no reply may have been,
so Wavix is asked first. It refuses to know why a call is to be streamed.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from loguru import logger

from pipecat_wavix.client import WavixClient
from pipecat_wavix.errors import (
    WavixBadRequest,
    WavixError,
    WavixNotFound,
    WavixNotSent,
    WavixRateLimited,
    WavixServerError,
    WavixUnreachable,
)
from pipecat_wavix.server.lines import Lines
from pipecat_wavix.server.metrics import Metrics
from pipecat_wavix.tokens import StreamPass

_TRIES: Final = 3
_RETRY_SECS: Final = 1.0
_MAX_RETRY_SECS: Final = 5.0  # a caller hears it ring for so long, and longer would hang up


class Starts:
    """Starts the streams of one process' calls.

    Args:
        client: Wavix's REST API.
        lines: The calls' lines.
        metrics: Where to count.
        stream_url: Makes the URL of a new token.
    """

    def __init__(
        self,
        client: WavixClient,
        lines: Lines,
        metrics: Metrics,
        stream_url: Callable[[StreamPass], str],
    ):
        self._client = client
        self._lines = lines
        self._metrics = metrics
        self._stream_url = stream_url

    async def answer(self, content: StreamPass) -> None:
        """Answer a call and start its stream, in one request.

        Raises:
            ValueError: If what the author gave it to carry does not fit.
        """
        url, call_id = self._stream_url(content), content.call_id

        async def ask() -> None:
            await self._client.answer(call_id, stream_url=url)

        async def is_done() -> bool:
            call = await self._client.get_call(call_id)
            return call.answered_at is not None or call.completed_at is not None

        await self._start(content, ask, is_done)

    async def stream(self, content: StreamPass) -> None:
        """Start the stream of a call that was answered by whom we called."""
        url, call_id = self._stream_url(content), content.call_id

        async def ask() -> None:
            await self._client.start_stream(call_id, stream_url=url)

        async def is_done() -> bool:
            return True  # as far as can be known: a call does not show its streams

        await self._start(content, ask, is_done)

    async def _start(
        self,
        content: StreamPass,
        ask: Callable[[], Awaitable[None]],
        is_done: Callable[[], Awaitable[bool]],
    ) -> None:
        call_id = content.call_id
        line = self._lines.get(call_id)
        if line:
            line.asked_for = content
        for left in reversed(range(_TRIES)):
            wait_secs = _RETRY_SECS
            try:
                await ask()
                return
            except (WavixBadRequest, WavixNotFound) as error:
                # It is over, or another process was told first and has it: no reason to hang up.
                self._fail(content, error)
                return
            except WavixRateLimited as error:
                failure: WavixError = error
                wait_secs = error.retry_after_secs or _RETRY_SECS
            except WavixNotSent as error:
                failure = error
            except (WavixUnreachable, WavixServerError) as error:
                if await self._may_be(is_done):
                    # Then its socket comes, and its line is kept until then.
                    self._metrics.call(content.direction, "start_unknown")
                    logger.warning(f"Call {call_id}: no reply about its stream: {error}")
                    return
                failure = error
            except WavixError as error:
                failure, left = error, 0
            if not left or wait_secs > _MAX_RETRY_SECS:
                break
            await asyncio.sleep(wait_secs)
        self._fail(content, failure)
        await self.hang_up(call_id)

    async def _may_be(self, is_done: Callable[[], Awaitable[bool]]) -> bool:
        try:
            return await is_done()
        except WavixError:
            return True  # not known, or over: not to be done again in either case

    def _fail(self, content: StreamPass, error: WavixError) -> None:
        self._metrics.call(content.direction, "start_failed")
        logger.error(f"Call {content.call_id}: no stream: {error}")
        self._lines.free_unless_talking(content.call_id)

    async def rescue(self, call_id: str) -> None:
        """Do what can be done for a call whose socket did not come.

        With several processes it may have come to another. Then Wavix refuses a second stream; and
        if Wavix does start one, nobody has the first.
        """
        line = self._lines.get(call_id)
        if line is None or line.session:
            return
        content, again = line.asked_for, line.is_second
        if content is None:
            self._lines.free(call_id)
            return
        self._metrics.call(content.direction, "no_socket")
        logger.warning(
            f"Call {call_id}: its socket did not come here. Unless another process has it, Wavix "
            "does not reach this server by WebSocket: does the proxy let the upgrade through?"
        )
        if not again:
            try:
                url = self._stream_url(content)
                await self._client.start_stream(call_id, stream_url=url)
            except (WavixBadRequest, WavixNotFound):
                self._lines.free_unless_talking(call_id)
                return
            except WavixError as error:
                logger.error(f"Call {call_id}: no stream: {error}")
            else:
                if not self._lines.is_talking(call_id):
                    line = self._lines.hold(call_id)
                    line.asked_for, line.is_second = content, True
                return
        self._lines.free_unless_talking(call_id)
        await self.hang_up(call_id)

    async def give_up(self) -> None:
        """Hang up what was asked for and has no bot yet: there will be none."""
        waiting = [
            call_id for call_id, line in self._lines.items() if line.asked_for and not line.session
        ]
        await asyncio.gather(*(self.hang_up(call_id) for call_id in waiting))

    async def hang_up(self, call_id: str) -> None:
        """End a call; a failure is only logged."""
        try:
            await self._client.hang_up(call_id)
        except WavixError as error:
            logger.error(f"Call {call_id}: could not hang up: {error}")
