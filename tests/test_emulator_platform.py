"""The account: which calls it remembers, and to whom it tells what."""

import asyncio

import pytest
from emulated import CALLEE, NUMBER, emulating, settings

from pipecat_wavix.emulator import CallSettings, NetworkSettings, platform as platform_module
from pipecat_wavix.emulator.callers import ScriptedCaller
from pipecat_wavix.emulator.platform import Platform


async def test_only_so_many_calls_that_are_over_are_remembered(monkeypatch):
    monkeypatch.setattr(platform_module, "MAX_REMEMBERED_CALLS", 3)
    async with Platform(settings(completed_found_secs=3600)) as platform:
        calls = []
        for number in range(5):
            assert len(platform.calls) == min(number, 4)
            calls.append(platform.dial(NUMBER, ScriptedCaller([])))
            calls[-1].hang_up()
            await calls[-1].finished()
        active = platform.dial(NUMBER, ScriptedCaller([]))
        assert list(platform.calls) == [*(call.id for call in calls[2:]), active.id]
        assert list(platform.active_calls()) == [active]
        assert platform.found_call(calls[0].id) is None
        assert platform.found_call(calls[3].id) is calls[3]
        assert platform.active_call(calls[3].id) is None


@pytest.mark.parametrize(("seed", "seeds"), [(None, [6, 7]), (40, [41, 42])])
async def test_each_call_has_accidents_of_its_own(seed, seeds):
    call = CallSettings(network=NetworkSettings(seed=5))
    async with Platform(settings(seed=seed, call=call)) as platform:
        assert platform.faults.seed == seeds[0] - 1
        one, other = (platform.dial(NUMBER, ScriptedCaller([])) for _ in range(2))
        assert one.id != other.id
        assert [each._settings.network.seed for each in (one, other)] == seeds
        assert (one._settings.call_id, one._settings.stream_id) == (one.id, None)


async def test_a_number_of_which_nothing_is_told_has_silent_calls():
    async with emulating(numbers=[NUMBER, "+12025550101"]) as (emulator, account):
        call = await emulator.dial("+12025550101", ScriptedCaller([]))
        call.hang_up()
        await call.finished()
        assert not account.webhooks


async def test_an_outbound_call_is_told_to_the_number_it_comes_from():
    async with emulating(numbers=[NUMBER, CALLEE]) as (emulator, account):
        emulator.numbers[CALLEE].call_status_url = f"{account.url}/other"
        call = emulator.platform.start_call(
            from_=CALLEE,
            to=NUMBER,
            callback_url=f"{account.url}/callback",
            tag="",
            ring_secs=None,
            detect_machine=False,
        )
        call.hang_up("account")
        await call.finished()
        assert account.events("callback") == account.events("other") == ["call_setup", "cancelled"]
        assert not account.told("hook")


async def test_a_wait_ends_with_what_it_waits_for_or_its_time_or_the_platform():
    async with Platform(settings()) as platform:
        async with asyncio.timeout(20):
            await platform.waited(asyncio.sleep(0))
            await platform.waited(asyncio.sleep(3600), 0.01)
            platform.closing.set()
            await platform.waited(asyncio.sleep(3600))
        assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
