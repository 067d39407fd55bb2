"""The examples as they are shipped, without the internet."""

import importlib
import re
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from clouds import served, without_internet

EXAMPLES = Path(__file__).parents[2] / "examples"
# Of the services; what Wavix needs besides its key is for a test to set.
KEYS = re.findall(
    r"^# (\w+_(?:API_KEY|VOICE_ID))=", (EXAMPLES / "env.example").read_text(), re.MULTILINE
)


@pytest.fixture(autouse=True)
def no_internet(monkeypatch):
    """Whoever looks for another machine is told that there is none."""
    without_internet(monkeypatch)


@pytest.fixture
def example(monkeypatch):
    """Import an example by its name, afresh, with every key of env.example set."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.setattr("dotenv.load_dotenv", lambda **_: False)  # nobody's own keys
    for key in KEYS:
        monkeypatch.setenv(key, f"canary-{key.lower()}")
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if str(EXAMPLES) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
async def cloud(monkeypatch):
    """Start stand-ins of cloud services, and send Pipecat's services there."""
    async with AsyncExitStack() as stack:

        async def start(*stand_ins):
            await stack.enter_async_context(served(monkeypatch, *stand_ins))

        yield start
