"""Holds a call on this machine: starts an emulated Wavix and receptionist.py, and dials its number.

All that a real call has is there: the webhook, the answer, the signed media socket, the hang-up.
The caller books an appointment, with an offline synthesizer's voice, or says what you have recorded:
`make demo CALLER=hello.wav`. Then a page with a telephone opens, on which you can call the
receptionist yourself; not with `HEADLESS=1`.
"""

import argparse
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Event, Thread
from typing import IO

from pipecat_wavix.cli.phone import can_open_browser

HERE = Path(__file__).parent
CALLS = Path("calls")
COMMAND = str(Path(sys.executable).parent / "pipecat-wavix")
START_TIMEOUT_SECS = 60.0

NUMBER = "+12025550100"
CALLER = HERE / "offline" / "booking.yaml"
# Of the bot's log, what is shown while the call goes on: who says what.
SPOKEN = re.compile(r"(Caller|Desk): .*")


def main() -> int:
    """Start Wavix, start the bot, hold the call, stop both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--caller", help="a WAV file to speak with")
    arguments = parser.parse_args()
    caller = ["--caller", arguments.caller] if arguments.caller else ["--script", str(CALLER)]
    CALLS.mkdir(exist_ok=True)
    wavix, bot = (f"http://127.0.0.1:{port}" for port in free_ports())
    print("Starting an emulated Wavix and the bot (the first start takes a few seconds) ...")
    with ExitStack() as processes:
        emulator = [COMMAND, "emulate", "--port", wavix.rpartition(":")[2], "--out", str(CALLS)]
        log = processes.enter_context((CALLS / "wavix.log").open("w"))
        start(processes, emulator, stdout=log, stderr=log)
        wait_for(f"{wavix}/_emulator/state", "the emulator (see calls/wavix.log)")
        bot_of = [sys.executable, str(HERE / "receptionist.py"), "-t", "wavix"]
        where = ["--host", "127.0.0.1", "--port", bot.rpartition(":")[2]]
        environment = {**os.environ, "WAVIX_BASE_URL": wavix, "WAVIX_API_KEY": ""}
        output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        process = start(processes, [*bot_of, *where], env=environment, **output)
        Thread(target=follow, args=(process.stdout,), daemon=True).start()
        wait_for(f"{bot}/ready", "the bot (see calls/bot.log)")
        print("On the phone, in real time:\n")
        dial = [COMMAND, "dial", NUMBER, "--emulator", wavix, *caller]
        call = subprocess.run(dial, check=False, stdout=subprocess.PIPE, text=True)  # noqa: S603
        print(f"\n{call.stdout}")
        if call.returncode == 0:
            print("Listen to the recording: left the caller, right what the caller heard.")
            print("The trace is every message; what the bot logged is in calls/bot.log.")
            for trace in sorted(CALLS.rglob("trace.jsonl"), key=os.path.getmtime)[-1:]:
                subprocess.run([COMMAND, "report", str(trace)], check=False)  # noqa: S603
            if can_open_browser():
                call_by_hand(wavix)
    return call.returncode


def follow(log: IO[str]) -> None:
    """Keep what the bot logs, and show the conversation as it goes on."""
    with (CALLS / "bot.log").open("w") as file:
        for line in log:
            file.write(line)
            file.flush()
            if spoken := SPOKEN.search(line):
                print(f"  {spoken.group()}", flush=True)


def call_by_hand(wavix: str) -> None:
    """Let whoever watches call the bot in a browser, until they have had enough."""
    phone = [COMMAND, "phone", NUMBER, "--emulator", wavix]
    if subprocess.run(phone, check=False).returncode == 0:  # noqa: S603
        print("Now it is your turn: press Call, and speak. Ctrl-C ends the demo.")
        with suppress(KeyboardInterrupt):
            Event().wait()


def start(processes: ExitStack, command: list[str], **options: object) -> subprocess.Popen[str]:
    """Start a process that ends with the demo."""
    process: subprocess.Popen[str] = subprocess.Popen(command, **options)  # type: ignore[call-overload]  # noqa: S603
    processes.callback(process.wait)
    processes.callback(process.terminate)
    return process


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
