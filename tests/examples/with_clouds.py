"""Runs an example as its user does, in a process of its own; only its clouds are stand-ins.

`python with_clouds.py SCENARIO EXAMPLE ARGUMENT...`: SCENARIO says what the model replies; one that
is not among `REPLIES` is for an example without a model. It has no internet.
"""

import asyncio
import os
import runpy
import sys
import threading
from pathlib import Path

import dotenv
import pytest
from clouds import served, without_internet
from clouds.cartesia import Cartesia
from clouds.deepgram import Deepgram
from clouds.openai import Call, OpenAI

GOODBYE = "Thank you for calling. Goodbye."
REPLIES = {
    "order": [Call("order_status", {"number": "104"}), "It was sent, and arrives tomorrow."],
    "cuts_in": [
        "We are open from nine until six on every day of the week, but not on Sunday.",
        Call("order_status", {"number": "105"}),
        "That order waits for a payment.",
    ],
    "goodbye": [Call("end_call", {"goodbye": GOODBYE})],
}


def main():
    scenario, example, *arguments = sys.argv[1:]
    for name in ("DEEPGRAM", "OPENAI", "CARTESIA"):
        os.environ[f"{name}_API_KEY"] = f"canary-{name.lower()}_api_key"
    dotenv.load_dotenv = lambda **_: False
    without_internet(pytest.MonkeyPatch())
    ready = threading.Event()

    async def serve():
        clouds = Deepgram(), OpenAI(REPLIES.get(scenario, [])), Cartesia()
        async with served(pytest.MonkeyPatch(), *clouds):
            ready.set()
            await asyncio.Event().wait()

    threading.Thread(target=asyncio.run, args=(serve(),), daemon=True).start()
    assert ready.wait(30)
    sys.argv = [example, *arguments]
    sys.path.insert(0, str(Path(example).parent))
    runpy.run_path(example, run_name="__main__")


if __name__ == "__main__":
    main()
