"""Webhooks on their way: one after the other to each URL, and never in a call's way.

It knows HTTP, order, and what `Faults` decides. It refuses to know what an event means. A slow or
dead server delays only what is meant for its own URL. Of a URL it logs scheme, host and port: its
path is a secret.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
from loguru import logger

from pipecat_wavix.emulator.faults import Faults
from pipecat_wavix.emulator.websocket import origin_of

RETRY_SECS: Final = 1.0
"""How long a retry waits, if there are any."""

CLOSE_TIMEOUT_SECS: Final = 1.0
"""How long webhooks that are due may still take when the emulator ends."""

OnAnswer = Callable[[float, int | None, float], None]
"""Called once for each time a webhook was sent: when, the status or `None`, and after how long."""


@dataclass(frozen=True)
class _Webhook:
    url: str
    body: Mapping[str, Any]
    on_answer: OnAnswer
    done: asyncio.Future[None]


class Deliveries:
    """Sends webhooks, each URL's in order.

    Args:
        http: What to send them with; its owner closes it.
        faults: What goes wrong with them.
        timeout_secs: How long a server may take to answer, in seconds.
        retries: How often one that was not answered with 2xx is sent again. What Wavix does is
            unknown.
    """

    def __init__(
        self, http: aiohttp.ClientSession, faults: Faults, timeout_secs: float, retries: int
    ) -> None:
        self._http = http
        self._faults = faults
        self._timeout = aiohttp.ClientTimeout(total=timeout_secs)
        self._retries = retries
        self._queues: dict[str, deque[_Webhook]] = {}
        self._arrivals: dict[str, asyncio.Event] = {}
        self._workers: set[asyncio.Task[None]] = set()
        self._closed = False

    def post(self, url: str, body: Mapping[str, Any], on_answer: OnAnswer) -> asyncio.Future[None]:
        """Send a webhook when those before it to the same URL have been sent.

        Args:
            url: Where to.
            body: The JSON object; it must not change any more.
            on_answer: Told of each answer.

        Returns:
            Done when nothing more will be sent of it; it never fails.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._closed:
            done.set_result(None)
            return done
        webhook = _Webhook(url, body, on_answer, done)
        if url in self._queues:
            self._queues[url].append(webhook)
            self._arrivals[url].set()
        else:
            self._queues[url] = deque([webhook])
            self._arrivals[url] = asyncio.Event()
            worker = asyncio.create_task(self._work(url), name=f"webhooks to {origin_of(url)}")
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        return done

    async def close(self) -> None:
        """Send what can still be sent within a second; a second time does nothing."""
        self._closed = True
        if self._workers:
            await asyncio.wait(self._workers, timeout=CLOSE_TIMEOUT_SECS)
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)

    async def _work(self, url: str) -> None:
        queue = self._queues[url]
        taken: list[_Webhook] = []
        try:
            while queue:
                taken = [queue.popleft()]
                fate = self._faults.webhook_fate()
                await asyncio.sleep(fate.delay_secs)
                copies = [fate.copies]
                patience_secs = fate.overtaken_within_secs
                if patience_secs is not None and await self._next_within(url, patience_secs):
                    # One that overtakes is spared the other accidents.
                    taken.insert(0, queue.popleft())
                    copies.insert(0, 1)
                for webhook, times in zip(taken, copies, strict=True):
                    for _ in range(times):
                        await self._send(webhook)
                    webhook.done.set_result(None)
        finally:
            del self._queues[url], self._arrivals[url]
            for webhook in (*taken, *queue):
                if not webhook.done.done():
                    webhook.done.set_result(None)

    async def _next_within(self, url: str, secs: float) -> bool:
        arrival = self._arrivals[url]
        arrival.clear()
        if not self._queues[url]:
            try:
                async with asyncio.timeout(secs):
                    await arrival.wait()
            except TimeoutError:
                return False
        return True

    async def _send(self, webhook: _Webhook) -> None:
        for attempt in range(1 + self._retries):
            if attempt:
                await asyncio.sleep(RETRY_SECS)
            status = await self._send_once(webhook)
            if status is not None and 200 <= status < 300:
                break

    async def _send_once(self, webhook: _Webhook) -> int | None:
        loop = asyncio.get_running_loop()
        began_at = loop.time()
        status = None
        try:
            async with self._http.post(
                webhook.url, json=webhook.body, allow_redirects=False, timeout=self._timeout
            ) as response:
                status = response.status
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # TimeoutError is an OSError.
            logger.warning(
                f"A webhook to {origin_of(webhook.url)} had no answer: {type(error).__name__}"
            )
        else:
            if not 200 <= status < 300:
                logger.warning(f"A webhook to {origin_of(webhook.url)} was answered {status}")
        webhook.on_answer(began_at, status, loop.time() - began_at)
        return status
