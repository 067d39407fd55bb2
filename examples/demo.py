"""Holds one call on this machine: starts parrot.py and dials it. `make demo` runs this.

The caller's voice is an offline synthesizer's, or yours: `make demo CALLER=hello.wav`.
"""

import argparse
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
START_TIMEOUT_SECS = 60.0

CALLER = ["Hello parrot. Can you say this after me?", "The rain in Spain stays in the plain."]
BARGE_IN = "Stop! That is enough, thank you."


def main() -> int:
    """Start the bot, hold the call, stop the bot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--caller", help="a WAV file to speak with")
    arguments = parser.parse_args()

    port = free_port()
    bot = subprocess.Popen(  # noqa: S603
        [sys.executable, str(HERE / "parrot.py")],
        env={**os.environ, "PORT": str(port), "LOGURU_LEVEL": os.getenv("LOGURU_LEVEL", "INFO")},
    )
    try:
        wait_for(port, bot)
        voice = (
            ["--caller", arguments.caller]
            if arguments.caller
            else [word for text in CALLER for word in ("--say", text)]
        )
        status = subprocess.run(  # noqa: S603
            [
                *(str(Path(sys.executable).parent / "pipecat-wavix"), "call"),
                *(f"ws://127.0.0.1:{port}/ws", *voice, "--barge-in-say", BARGE_IN),
                *("--barge-in-after-ms", "800", "--out", "calls"),
            ],
            check=False,
        ).returncode
    finally:
        bot.terminate()
        bot.wait()
    if status == 0:
        print("\nListen to calls/recording.wav: left the caller, right what the caller heard.")
        print("Every message on the wire is in calls/trace.jsonl.")
    return status


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_for(port: int, bot: subprocess.Popen[bytes]) -> None:
    """Wait until the bot answers on its port."""
    print("Starting the bot (its first start takes a few seconds) ...", flush=True)
    deadline = time.monotonic() + START_TIMEOUT_SECS
    while time.monotonic() < deadline:
        if bot.poll() is not None:
            sys.exit(f"The bot ended with status {bot.returncode} before the call.")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    sys.exit(f"The bot did not listen on port {port} within {START_TIMEOUT_SECS:.0f} s.")


if __name__ == "__main__":
    sys.exit(main())
