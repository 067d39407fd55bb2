"""Holds a call on this machine: starts an emulated Wavix and parrot.py, and dials the bot's number.

All that a real call has is there: the webhook, the answer, the signed media socket, the hang-up.
The caller's voice is an offline synthesizer's, or yours: `make demo CALLER=hello.wav`. Then a page
with a telephone opens, on which you can call the bot yourself; not with `HEADLESS=1`.
"""

import argparse
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Event

from pipecat_wavix.cli.phone import can_open_browser

HERE = Path(__file__).parent
CALLS = Path("calls")
COMMAND = str(Path(sys.executable).parent / "pipecat-wavix")
START_TIMEOUT_SECS = 60.0

NUMBER = "+12025550100"
CALLER = ["Hello parrot. Can you say this after me?", "The rain in Spain stays in the plain."]
BARGE_IN = "Stop! That is enough, thank you."


def main() -> int:
    """Start Wavix, start the bot, hold the call, stop both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--caller", help="a WAV file to speak with")
    arguments = parser.parse_args()
    voice = (
        ["--caller", arguments.caller]
        if arguments.caller
        else [word for text in CALLER for word in ("--say", text)]
    )
    CALLS.mkdir(exist_ok=True)
    wavix, bot = (f"http://127.0.0.1:{port}" for port in free_ports())
    print("Starting an emulated Wavix and the bot (the first start takes a few seconds) ...")
    with ExitStack() as processes:
        log = processes.enter_context((CALLS / "bot.log").open("w"))
        emulator = [COMMAND, "emulate", "--port", wavix.rpartition(":")[2], "--out", str(CALLS)]
        start(processes, emulator)
        wait_for(f"{wavix}/_emulator/state", "the emulator")
        parrot = [sys.executable, str(HERE / "parrot.py"), "-t", "wavix", "--host", "127.0.0.1"]
        environment = {**os.environ, "WAVIX_BASE_URL": wavix, "WAVIX_API_KEY": ""}
        start(
            processes,
            [*parrot, "--port", bot.rpartition(":")[2]],
            env=environment,
            stdout=log,
            stderr=log,
        )
        wait_for(f"{bot}/ready", "the bot (see calls/bot.log)")
        dial = [COMMAND, "dial", NUMBER, "--emulator", wavix, *voice, "--barge-in-say", BARGE_IN]
        status = subprocess.run(dial, check=False).returncode  # noqa: S603
        if status == 0:
            print("\nListen to the recording: left the caller, right what the caller heard.")
            print("The trace is every message; what the bot logged is in calls/bot.log.")
            if can_open_browser():
                call_by_hand(wavix)
    return status


def call_by_hand(wavix: str) -> None:
    """Let whoever watches call the bot in a browser, until they have had enough."""
    phone = [COMMAND, "phone", NUMBER, "--emulator", wavix]
    if subprocess.run(phone, check=False).returncode == 0:  # noqa: S603
        print("Now it is your turn: press Call, and speak. Ctrl-C ends the demo.")
        with suppress(KeyboardInterrupt):
            Event().wait()


def start(processes: ExitStack, command: list[str], **options: object) -> None:
    """Start a process that ends with the demo."""
    process = subprocess.Popen(command, **options)  # type: ignore[call-overload]  # noqa: S603
    processes.callback(process.wait)
    processes.callback(process.terminate)


def free_ports() -> tuple[int, int]:
    """Two ports that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as a, socket.create_server(("127.0.0.1", 0)) as b:
        return a.getsockname()[1], b.getsockname()[1]


def wait_for(url: str, what: str) -> None:
    """Wait until a server answers."""
    deadline = time.monotonic() + START_TIMEOUT_SECS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=1):  # noqa: S310 - it is our own
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    sys.exit(f"No answer from {what} within {START_TIMEOUT_SECS:.0f} s.")


if __name__ == "__main__":
    sys.exit(main())
