import asyncio
import signal
import threading

import pytest

from pipecat_wavix.server.drain import drained_on_sigterm


@pytest.fixture
def heard():
    """How often SIGTERM was heard by whoever hears it without us."""
    signals = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: signals.append(number))
    yield signals
    signal.signal(signal.SIGTERM, before)


async def eventually(condition):
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


async def test_sigterm_is_heard_when_all_is_drained(heard):
    drained = asyncio.Event()
    with drained_on_sigterm(drained.wait):
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(0.05)
        assert heard == []
        drained.set()
        await eventually(lambda: heard == [signal.SIGTERM])


async def test_a_second_sigterm_is_heard_at_once(heard):
    with drained_on_sigterm(asyncio.Event().wait):
        signal.raise_signal(signal.SIGTERM)
        await asyncio.sleep(0.05)
        signal.raise_signal(signal.SIGTERM)
        assert heard == [signal.SIGTERM]
    await asyncio.sleep(0)
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "wavix-drain"]


async def test_afterwards_sigterm_is_whose_it_was(heard):
    before = signal.getsignal(signal.SIGTERM)
    with drained_on_sigterm(asyncio.Event().wait):
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


async def test_in_another_thread_signals_are_left_alone(heard):
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def elsewhere():
        with drained_on_sigterm(asyncio.Event().wait):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    await asyncio.to_thread(thread.join)
    assert seen == [before]
