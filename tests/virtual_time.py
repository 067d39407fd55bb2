"""Runs a test on a clock of its own: nothing is waited for, and a busy machine changes nothing."""

import asyncio
import functools
from unittest import mock


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time jumps to the next timer whenever there is nothing else to do."""

    def __init__(self):
        super().__init__()
        self.now = 1000.0

    def time(self):
        return self.now

    def _run_once(self):
        if not self._ready and self._scheduled:
            self.now = max(self.now, self._scheduled[0]._when)
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
