"""One call from a terminal: recorded, with its progress shown.

It knows where to print and to log. It refuses to know who calls, and how a call works.
"""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from loguru import logger

from pipecat_wavix.cli.progress import Progress
from pipecat_wavix.emulator.callers import Caller
from pipecat_wavix.emulator.media import Call
from pipecat_wavix.emulator.recording import Recording
from pipecat_wavix.emulator.settings import CallSettings
from pipecat_wavix.emulator.summary import CallSummary

if TYPE_CHECKING:
    from rich.console import Console


async def held(
    url: str, caller: Caller, settings: CallSettings, out: Path, console: "Console"
) -> CallSummary:
    """Make one call.

    Args:
        url: The bot's media socket.
        caller: Who calls.
        settings: Everything else.
        out: The folder for the recording and the trace.
        console: Where to show who speaks.

    Raises:
        OSError: The bot cannot be reached, or the folder not be written.
    """
    logger.remove()
    if console.is_terminal:
        logger.add(lambda line: console.print(line, end="", markup=False), level="WARNING")
    else:
        logger.add(sys.stderr, level="INFO", format="{time:HH:mm:ss.SSS} {message}")
    with Recording(out, url, asdict(settings)) as recording, console.status("dialling") as status:
        observers = [recording.observe, Progress(status).observe]
        return await Call(url, caller, settings, observers).run()
