"""A network between two ends that is far longer than this machine: TCP, each byte so much later.

It knows delay, and that a connection is not open at once. It refuses to know what is sent.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

OPENING_ROUND_TRIPS: Final = 2
"""Before the first byte: one for TCP, one for TLS 1.3. There is no TLS here, so it is waited for."""


class Relay:
    """Listens on a port of its own and passes on to another.

    Args:
        port: Whom to pass on to; may be set until the first connection.
        one_way_secs: How long a byte takes.

    Attributes:
        port: The same.
        listens_on: Its own port, while it listens.
    """

    def __init__(self, port: int, one_way_secs: float) -> None:
        self.port = port
        self._one_way_secs = one_way_secs
        self._writers: set[asyncio.StreamWriter] = set()
        self.listens_on = 0

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Pass on until the block ends."""
        server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.listens_on = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            self.cut()

    def cut(self) -> None:
        """Close all connections, as an end does with those that were idle for too long."""
        for writer in self._writers:
            writer.close()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened_at = asyncio.get_running_loop().time()
        opened_at += OPENING_ROUND_TRIPS * 2 * self._one_way_secs
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.port)
        ends = {writer, far_writer}
        self._writers |= ends
        try:
            await asyncio.gather(
                self._carry(reader, far_writer, opened_at), self._carry(far_reader, writer, 0)
            )
        finally:
            self._writers -= ends
            for end in ends:
                end.close()

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, opened_at: float
    ) -> None:
        loop = asyncio.get_running_loop()
        with suppress(OSError):
            while True:
                data = await reader.read(65536)
                due_at = max(loop.time(), opened_at) + self._one_way_secs
                # A call of its own for each piece: the next may come before this one is due.
                loop.call_at(due_at, _write, writer, data)
                if not data:
                    await asyncio.sleep(due_at - loop.time())
                    return


def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    if not writer.is_closing():
        if data:
            writer.write(data)
        elif writer.can_write_eof():
            writer.write_eof()
