"""A bot as its user runs it: a process of its own, started from the command line."""

import asyncio
import contextlib
import json
import os
import socket
import sys
from pathlib import Path

import aiohttp

CLERK = Path(__file__).parent / "bots" / "clerk.py"
START_TIMEOUT_SECS = 90


class BotProcess:
    """What it printed, and what it told of its calls."""

    def __init__(self, port, process):
        self.process = process
        self.url = f"http://127.0.0.1:{port}"
        self.output = ""
        self._told = []
        self._news = asyncio.Condition()

    async def read(self, stream):
        while line := (await stream.readline()).decode():
            self.output += line
            if line.startswith("{"):
                async with self._news:
                    self._told.append(json.loads(line))
                    self._news.notify_all()

    def told(self, what):
        return [fields for fields in self._told if fields["told"] == what]

    async def tells(self, what, count=1, secs=30):
        """Wait until it has told of something so often; answer the latest."""
        async with asyncio.timeout(secs), self._news:
            await self._news.wait_for(lambda: len(self.told(what)) >= count)
        return self.told(what)[count - 1]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@contextlib.asynccontextmanager
async def bot_process(*arguments, path=CLERK, **environment):
    """Run a bot until the block ends; the environment has nothing of Wavix but what is given."""
    port = free_port()
    env = {name: value for name, value in os.environ.items() if not name.startswith("WAVIX_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(path), "--host", "127.0.0.1", "--port", str(port), *arguments),
        env={**env, "PYTHONUNBUFFERED": "1", **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        limit=1 << 20,
    )
    bot = BotProcess(port, process)
    reading = asyncio.create_task(bot.read(process.stdout))
    try:
        await _answers(bot, process)
        yield bot
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(20):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        await reading


async def _answers(bot, process):
    async with asyncio.timeout(START_TIMEOUT_SECS), aiohttp.ClientSession() as http:
        while True:
            if process.returncode is not None:
                raise RuntimeError(f"the bot ended with {process.returncode}:\n{bot.output}")
            with contextlib.suppress(aiohttp.ClientError):
                async with http.get(f"{bot.url}/live"):
                    return
            await asyncio.sleep(0.05)
