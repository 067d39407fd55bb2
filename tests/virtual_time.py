"""Runs a test on a clock of its own: nothing is waited for, and a busy machine changes nothing."""

import asyncio
import functools
from unittest import mock


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time jumps to the next timer whenever there is nothing else to do."""

    def __init__(self):
        super().__init__()
        self.now = 1000.0
        self._threads = 0

    def time(self):
        return self.now

    def run_in_executor(self, executor, func, *args):
        future = super().run_in_executor(executor, func, *args)
        self._threads += 1
        future.add_done_callback(self._thread_done)
        return future

    async def shutdown_default_executor(self, timeout=None):
        if self._default_executor:
            self._default_executor.shutdown()

    def _thread_done(self, _future):
        self._threads -= 1

    def _run_once(self):
        # What a thread does takes no time, so time waits for it.
        if not self._ready and not self._threads:
            due = [timer._when for timer in self._scheduled if not timer.cancelled()]
            self.now = max(self.now, min(due, default=self.now))
        super()._run_once()


def in_virtual_time(test):
    """Run an async test in virtual time; `time.monotonic` and its like show that time."""

    @functools.wraps(test)
    def run(*args, **kwargs):
        loop = VirtualLoop()
        with (
            mock.patch("time.monotonic", loop.time),
            mock.patch("time.time", loop.time),
            mock.patch("time.monotonic_ns", lambda: int(loop.time() * 1e9)),
            asyncio.Runner(loop_factory=lambda: loop) as runner,
        ):
            runner.run(asyncio.wait_for(test(*args, **kwargs), 7200))

    return run
