"""How late the handset's page is, both ways, and what Chromium costs while a call is on.

Run it with `python benchmarks/handset.py`; it takes about 40 s, and needs Chromium and the extra
`browser`. The bot, the emulator and the page are on this machine, the telephone leg leaves samples
as they are, and the clock of all three is the same. Both delays end before the sound card's begins.

The prebuffer counts the frame that fills it, so a sample waits 20 ms less. The pulses are spread over
several calls, since where in 20 ms the clocks meet is settled when a call begins.
"""

import asyncio
import base64
import json
import os
import random
import shutil
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from loguru import logger
from websockets.asyncio.server import ServerConnection, serve

from pipecat_wavix.emulator.app import Emulator
from pipecat_wavix.emulator.platform_settings import EmulatorSettings
from pipecat_wavix.emulator.settings import CallSettings

if TYPE_CHECKING:
    from playwright.async_api import Page

CALLS = 4
ROUNDS = 3  # in each call, each way
CPU_SECS = 8.0
PREBUFFER_MS = 160  # PREBUFFER_MS of headset.js
PATIENCE_SECS = 10.0
FRAME_SECS = 0.02
LOUD = 1000
PROC = Path("/proc")

# 200 ms, loud from the first sample on.
PULSE = np.tile(np.array([8000, -8000], "<i2"), 2400).tobytes()

NOW = "performance.timeOrigin + performance.now()"
LISTEN = f"""() => {{
    window.begins = [];
    let quiet = 24000;
    handset.call.headset.onPlayed = (pcm) => {{
        if (pcm.every((sample) => Math.abs(sample) < {LOUD})) quiet += pcm.length;
        else {{
            if (quiet > 2400) begins.push({NOW});
            quiet = 0;
        }}
    }};
    handset.call.headset.tap();
}}"""
SAY = f"""(pulse) => {{
    const pcm = Uint8Array.from(atob(pulse), (letter) => letter.charCodeAt(0)).buffer;
    const begin = {NOW};
    handset.call.headset.say(pcm, true);
    return begin;
}}"""


class Bot:
    """A bot that says what it is told to, and notes when it hears a voice begin.

    Attributes:
        began_at: When it heard a pulse begin, in milliseconds of Unix time.
        started: Set when the call has begun.
    """

    def __init__(self) -> None:
        self.began_at: asyncio.Queue[float] = asyncio.Queue()
        self.started = asyncio.Event()
        self._websocket: ServerConnection
        self._quiet = 0.0

    async def take(self, websocket: ServerConnection) -> None:
        """Hold the call's socket."""
        self._websocket = websocket
        async for text in websocket:
            message = json.loads(text)
            if message["event"] == "start":
                self.started.set()
            elif message["event"] == "media":
                self._hear(base64.b64decode(message["media"]["payload"]))

    def _hear(self, pcm: bytes) -> None:
        if np.abs(np.frombuffer(pcm, "<i2").astype(int)).max() < LOUD:
            self._quiet += FRAME_SECS
            return
        if self._quiet > 0.1:
            self.began_at.put_nowait(time.time() * 1000)
        self._quiet = 0.0

    async def say(self, pcm: bytes) -> None:
        """Send PCM16 at 24 kHz, in one message."""
        media = {"payload": base64.b64encode(pcm).decode()}
        await self._websocket.send(json.dumps({"event": "media", "media": media}))


async def call(bot: Bot, page: "Page") -> None:
    bot.started.clear()
    await page.click("#call")
    async with asyncio.timeout(PATIENCE_SECS):
        await bot.started.wait()
    await page.wait_for_selector("[data-state=talking]")
    await asyncio.sleep(1)


async def to_page(bot: Bot, page: "Page") -> list[float]:
    """Milliseconds from each message of the bot to the worklet's first sample of it."""
    delays = []
    await asyncio.sleep(1)  # until what was said before has been played
    await page.evaluate(LISTEN)
    for done in range(ROUNDS):
        await asyncio.sleep(random.uniform(0.6, 0.64))  # at any time within the line's 20 ms
        sent_at = time.time() * 1000
        await bot.say(PULSE)
        await page.wait_for_function("(done) => begins.length > done", arg=done)
        delays.append(await page.evaluate("begins.at(-1)") - sent_at)
    return delays


async def to_bot(bot: Bot, page: "Page") -> list[float]:
    """Milliseconds from the page's source to the bot's message with its first sample."""
    delays = []
    pulse = base64.b64encode(PULSE).decode()
    for _ in range(ROUNDS):
        await asyncio.sleep(random.uniform(0.6, 0.64))
        begin: float = await page.evaluate(SAY, pulse)
        async with asyncio.timeout(PATIENCE_SECS):
            delays.append(await bot.began_at.get() - begin)
    return delays


def chromium_secs() -> float:
    """CPU that the Chromium processes below this one have used so far, in seconds."""
    parents, ticks, names = {}, {}, {}
    for folder in PROC.iterdir():
        if not folder.name.isdigit():
            continue
        try:
            name, _, rest = (folder / "stat").read_text().rpartition(")")
        except OSError:
            continue  # it has ended meanwhile
        fields, pid = rest.split(), int(folder.name)
        # Of proc(5): ppid is field 4, utime 14, stime 15; `rest` begins with field 3.
        parents[pid], ticks[pid] = int(fields[1]), int(fields[11]) + int(fields[12])
        names[pid] = name.partition("(")[2]

    def is_below(pid: int) -> bool:
        while pid in parents:
            pid = parents[pid]
            if pid == os.getpid():
                return True
        return False

    ours = [pid for pid, name in names.items() if "chrom" in name and is_below(pid)]
    assert ours, "no process of Chromium found"
    return sum(ticks[pid] for pid in ours) / os.sysconf("SC_CLK_TCK")


async def cpu(bot: Bot) -> float | None:
    """Cores that Chromium takes while the bot speaks, or `None` where there is no /proc."""
    if not (PROC / "self" / "stat").exists():
        return None
    noise = np.random.default_rng(1).normal(0, 3000, 480).astype("<i2").tobytes()
    begin, used = time.monotonic(), chromium_secs()
    for n in range(round(CPU_SECS / FRAME_SECS)):
        await asyncio.sleep(begin + n * FRAME_SECS - time.monotonic())
        await bot.say(noise)
    return (chromium_secs() - used) / (time.monotonic() - begin)


def row(name: str, delays: list[float]) -> str:
    low, middle, high = min(delays), statistics.median(delays), max(delays)
    return f"{name:<44}{low:>z8.0f}{middle:>z8.0f}{high:>z8.0f}"


async def main() -> None:
    logger.remove()
    try:
        from playwright.async_api import async_playwright
    except ModuleNotFoundError:
        sys.exit("This needs the extra `browser`: pip install 'pipecat-wavix[emulator,browser]'")
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        sys.exit(f"This needs Chromium, as one of {', '.join(names)}: apt-get install chromium")

    bot = Bot()
    settings = EmulatorSettings(port=0, call=CallSettings(leg="clean"))
    async with (
        serve(bot.take, "127.0.0.1", 0) as listening,
        Emulator(settings) as emulator,
        async_playwright() as playwright,
    ):
        browser: Any = await playwright.chromium.launch(executable_path=chromium)
        page: Page = await browser.new_page()
        page.set_default_timeout(1000 * PATIENCE_SECS)
        port = listening.sockets[0].getsockname()[1]
        await page.goto(f"{emulator.handset_url}#to=ws://127.0.0.1:{port}/ws")
        await page.check("[value=voice]", force=True)  # which asks for no microphone
        cores, down, up, gaps = None, [], [], 0
        for first in [True] + [False] * (CALLS - 1):
            await call(bot, page)
            if first:  # before the page is asked to tell what it plays, which costs
                cores = await cpu(bot)
            down += await to_page(bot, page)
            up += await to_bot(bot, page)
            gaps += int(await page.inner_text("#page-underruns"))
            await page.click("#hang-up")
            await page.wait_for_selector("[data-state=idle]")
        version = browser.version
        await browser.close()

    print(
        f"The handset's page in Chromium {version}, {len(up)} pulses each way in {CALLS} calls, ms\n"
    )
    print(f"{'one way':<44}{'least':>8}{'median':>8}{'most':>8}")
    print(row("the bot's message to the worklet's output", down))
    print(row(f"  beyond the page's {PREBUFFER_MS} ms", [ms - PREBUFFER_MS for ms in down]))
    print(row("the page's source to the bot's message", up))
    print(f"\nUnderruns of the page: {gaps}")
    if cores is None:
        print("CPU of Chromium: not measured, there is no /proc here")
    else:
        print(f"CPU of Chromium, all its processes, while the bot speaks: {cores:.0%} of a core")


if __name__ == "__main__":
    asyncio.run(main())
