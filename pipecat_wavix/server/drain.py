"""Lets the calls in progress end before the process does.

It knows SIGTERM and whose it was before. It refuses to know what a call is.
"""

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from loguru import logger


@contextmanager
def drained_on_sigterm(drain: Callable[[], Awaitable[None]]) -> Iterator[None]:
    """While this lasts, the first SIGTERM is heard only when all is drained; a second one at once.

    It has an effect in a process' main thread alone, where signals are.

    Args:
        drain: Returns when the process may end.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = signal.getsignal(signal.SIGTERM)
    draining: list[asyncio.Task[None]] = []

    async def finish() -> None:
        logger.info("SIGTERM: no more calls; those in progress may end")
        await drain()
        signal.raise_signal(signal.SIGTERM)

    def on_sigterm(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, before)
        loop.call_soon_threadsafe(
            lambda: draining.append(loop.create_task(finish(), name="wavix-drain"))
        )

    signal.signal(signal.SIGTERM, on_sigterm)
    try:
        yield
    finally:
        for task in draining:
            task.cancel()
        if signal.getsignal(signal.SIGTERM) is on_sigterm:
            signal.signal(signal.SIGTERM, before)
