"""Prompts, fetched from this machine and not from others."""

import asyncio

import aiohttp
import pytest
from aiohttp import web
from emulated import TONE, an_account, wav

from pipecat_wavix.emulator import prompts
from pipecat_wavix.emulator.prompts import NoPromptError, fetch, is_loopback


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "127.0.0.1", "127.9.9.9", "::1"])
def test_this_machine_has_names(host):
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", [None, "", "10.0.0.1", "localhost.example", "0.0.0.0", "2130706433"]
)
def test_what_has_another_name_is_another_machine(host):
    assert not is_loopback(host)


async def fetched(url, *, anywhere=False):
    async with aiohttp.ClientSession() as http:
        return await fetch(http, url, anywhere=anywhere)


async def test_a_prompt_is_fetched():
    async with an_account() as account:
        assert await fetched(f"{account.url}/files/tone.wav") == TONE * 10


async def test_another_machine_is_asked_only_if_so_set():
    with pytest.raises(NoPromptError, match="prompts_from_anywhere"):
        await fetched("http://prompts.invalid/a.wav")
    with pytest.raises(NoPromptError, match="could not be fetched: Client") as failed:
        await fetched("http://prompts.invalid/SECRET.wav", anywhere=True)
    assert "SECRET" not in str(failed.value)


async def test_what_is_no_wav_file_is_not_understood():
    async with an_account() as account:
        account.files["a.wav"] = b"RIFF"
        with pytest.raises(NoPromptError, match=r"is not understood: .*give a WAV file"):
            await fetched(f"{account.url}/files/a.wav")


async def test_what_is_too_long_is_not_read_to_its_end(monkeypatch):
    monkeypatch.setattr(prompts, "MAX_BYTES", 1000)
    async with an_account() as account:
        account.files["a.wav"] = wav(TONE * 100)
        with pytest.raises(NoPromptError, match="longer than 1000 bytes"):
            await fetched(f"{account.url}/files/a.wav")


@pytest.mark.parametrize(
    ("act", "message"),
    [("hang", "within 0 s"), ("away", "status 302"), ("refuse", "status 404")],
)
async def test_a_server_that_does_not_give_it_is_given_up(monkeypatch, act, message):
    monkeypatch.setattr(prompts, "TIMEOUT_SECS", 0.1)

    async def give(_request):
        if act == "hang":
            await asyncio.sleep(1)
        elif act == "away":
            raise web.HTTPFound("http://192.0.2.1/")
        raise web.HTTPNotFound

    app = web.Application()
    app.router.add_get("/", give)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        with pytest.raises(NoPromptError, match=message):
            await fetched(f"http://127.0.0.1:{runner.addresses[0][1]}/")
    finally:
        await runner.cleanup()
