"""The emulator as it is served: its address, its guard, its end."""

import asyncio
import socket

import aiohttp
import pytest
from emulated import NUMBER, emulating, settings

from pipecat_wavix.emulator import Emulator, EmulatorSettings
from pipecat_wavix.emulator.callers import ScriptedCaller


async def status(emulator, path="/_emulator/state", method="GET", **headers):
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, emulator.base_url + path, headers=headers) as response,
    ):
        return response.status


async def test_it_serves_on_a_free_port_and_knows_its_address():
    async with Emulator(settings()) as one, Emulator(settings()) as other:
        assert one.base_url != other.base_url
        assert await status(one) == await status(other) == 200
        assert [number.number for number in one.numbers] == [NUMBER]


async def test_a_port_that_is_taken_is_named():
    async with Emulator(settings()) as emulator:
        port = int(emulator.base_url.rpartition(":")[2])
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}"):
            await Emulator(settings(port=port)).__aenter__()


async def test_it_serves_on_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return  # this machine has none
    async with Emulator(settings(host="::1")) as emulator:
        assert emulator.base_url.startswith("http://[::1]:")
        assert await status(emulator) == 200


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Host": "localhost:1"}, 200),
        ({"Host": "[::1]:1"}, 200),
        ({"Origin": "http://127.0.0.1:1"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": "["}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
async def test_a_page_of_another_site_is_refused(headers, expected):
    async with Emulator(settings()) as emulator:
        assert await status(emulator, **headers) == expected


async def test_one_that_listens_for_others_answers_them():
    async with Emulator(settings(host="0.0.0.0")) as emulator:
        assert emulator.base_url.startswith("http://127.0.0.1:")
        assert await status(emulator, Host="emulator.example") == 200


async def test_nothing_is_left_when_it_has_ended():
    before = asyncio.all_tasks()
    async with emulating() as (emulator, _):
        call = await emulator.dial(NUMBER, ScriptedCaller([]))
        call.answer()
        assert await status(emulator) == 200
        url = emulator.base_url
    assert call.over.is_set()
    assert asyncio.all_tasks() == before
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.ClientConnectorError):
            await http.get(url)


async def test_it_ends_in_time_when_cancelled():
    entered = asyncio.Event()

    async def run():
        async with Emulator(settings()) as emulator:
            await emulator.dial(NUMBER, ScriptedCaller([]))
            entered.set()
            await asyncio.sleep(3600)

    task = asyncio.create_task(run())
    await entered.wait()
    task.cancel()
    async with asyncio.timeout(20):
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_folder_for_recordings_that_cannot_be_made_is_refused_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        await Emulator(settings(recordings=tmp_path / "file")).__aenter__()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"port": 70000}, "port is 70000: give 1 to 65535"),
        ({"api_key": ""}, "api_key is empty"),
        ({"api_key": "a\nb"}, "api_key is empty or not printable"),
        ({"numbers": []}, "numbers is empty"),
        ({"numbers": ["me"]}, "not in E.164"),
        ({"ring_secs": -1}, "ring_secs is -1: give 0 to 3600"),
        ({"setup_secs": 4000}, "setup_secs is 4000"),
        ({"completed_found_secs": -1}, "completed_found_secs is -1"),
        ({"webhook_timeout_secs": 0}, "webhook_timeout_secs is 0: give seconds above 0"),
        ({"webhook_retries": 11}, "webhook_retries is 11: give 0 to 10"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        EmulatorSettings(**changes)


async def test_servers_that_hang_do_not_hold_up_the_end():
    async with emulating(webhook_timeout_secs=3600) as (emulator, account):

        async def hang(_body):
            await asyncio.sleep(30)

        account.on_webhook = hang
        ringing = await emulator.dial(NUMBER, ScriptedCaller([]))
        answered = await emulator.dial(NUMBER, ScriptedCaller([]))
        answered.answer()
        async with asyncio.timeout(15):
            await emulator.__aexit__(None, None, None)
        assert (ringing.phase, answered.phase) == ("cancelled", "completed")
        assert ringing.over.is_set()
        assert answered.over.is_set()
