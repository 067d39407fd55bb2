"""How late an event loop is: a machine that is busy otherwise shows here, and not as a finding."""

import asyncio
import time
from typing import Self

_INTERVAL_SECS = 0.01


class Pulse:
    """Watches the running event loop; an async context manager.

    Attributes:
        late_secs: How late it was, at most, in seconds.
    """

    def __init__(self) -> None:
        self.late_secs = 0.0
        self._task: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        """Begin to watch."""
        self._task = asyncio.create_task(self._beat())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop watching."""
        self._task.cancel()

    async def _beat(self) -> None:
        while True:
            due_at = time.monotonic() + _INTERVAL_SECS
            await asyncio.sleep(_INTERVAL_SECS)
            self.late_secs = max(self.late_secs, time.monotonic() - due_at)
