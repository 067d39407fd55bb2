"""Whole calls: the emulated Wavix here, the bot in a process of its own, everything between real."""

import asyncio
import contextlib
import json
import re
import wave

import aiohttp
import numpy as np
import pytest
from bot_process import bot_process
from bots.clerk import GOODBYE_HZ, GOODBYE_SECS, GREETING_HZ, GREETING_SECS

from pipecat_wavix.emulator import (
    Callee,
    Emulator,
    EmulatorSettings,
    Press,
    Say,
    ScriptedCaller,
    WaitForBot,
    WebhookFaults,
)

NUMBER, KEYS_NUMBER = "+12025550142", "+12025550141"
CALLER = "+12025550199"
OPERATOR_KEY = "canary-operator-key-that-is-long-enough"
SECRET = "canary-secret-that-is-long-enough-to-be-one"
API_KEY = "canary-api-key"
RATE = 24_000


def speech(secs=1.0):
    """Loud syllables, as far as a bot without ears for words is concerned."""
    t = np.arange(int(secs * RATE)) / RATE
    return (9000 * np.sin(2 * np.pi * 400 * t)).astype("<i2").tobytes()


def talk(*before):
    """Let the greeting end, speak, and hold the line until the bot hangs up."""
    return [WaitForBot("speaking", 0, 20), WaitForBot("quiet", 0.6, 20), *before, Say(speech())]


@contextlib.asynccontextmanager
async def telephone(tmp_path, *arguments, **environment):
    """An emulator, and a bot that takes its calls."""
    settings = EmulatorSettings(
        port=0,
        api_key=API_KEY,
        numbers=(NUMBER, KEYS_NUMBER),
        recordings=tmp_path,
    )
    async with (
        Emulator(settings) as emulator,
        bot_process(
            *("-t", "wavix", *arguments),
            WAVIX_BASE_URL=emulator.base_url,
            WAVIX_API_KEY=API_KEY,
            WAVIX_SECRET=SECRET,
            WAVIX_OPERATOR_KEY=OPERATOR_KEY,
            WAVIX_FROM_NUMBER=NUMBER,
            **environment,
        ) as bot,
    ):
        yield emulator, bot


async def dialled(bot, **body):
    headers = {"Authorization": f"Bearer {OPERATOR_KEY}"}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.post(f"{bot.url}/wavix/calls", json={"to": CALLER, **body}) as response,
    ):
        assert response.status == 201, await response.text()
        return (await response.json())["call_id"]


def heard_secs(folder, hz):
    """For how long the caller heard a tone."""
    with wave.open(str(folder / "recording.wav")) as recording:
        audio = np.frombuffer(recording.readframes(recording.getnframes()), "<i2")
    frames = audio.reshape(-1, 2)[:, 1].astype(float)
    frames = frames[: len(frames) // 480 * 480].reshape(-1, 480)
    t = np.arange(480) / RATE
    power = np.abs(frames @ np.exp(-2j * np.pi * hz * t)) / 480
    return np.count_nonzero(power > 1000) * 0.02


def trace(folder):
    return [json.loads(line) for line in (folder / "trace.jsonl").read_text().splitlines()]


async def test_a_call_comes_in_and_is_held_until_its_goodbye_was_heard(tmp_path):
    async with telephone(tmp_path) as (emulator, bot):
        call = await emulator.dial(NUMBER, ScriptedCaller(talk()), from_number=CALLER)
        summary = await call.finished()
        told = await bot.tells("call")
        assert told == {
            **{"told": "call", "call_id": call.id, "direction": "inbound"},
            **{"caller": CALLER[-4:], "body": {}},
        }
        assert (await bot.tells("heard"))["secs"] == pytest.approx(1.0, abs=0.2)
        assert (await bot.tells("ended"))["hung_up"] is True
    assert [call.phases[0], *call.phases[-2:]] == ["call_setup", "answered", "completed"]
    assert summary.rejected == {}
    assert heard_secs(tmp_path / call.id, GREETING_HZ) == pytest.approx(GREETING_SECS, abs=0.05)
    assert heard_secs(tmp_path / call.id, GOODBYE_HZ) == pytest.approx(GOODBYE_SECS, abs=0.05)


async def test_a_call_goes_out_and_is_held_until_its_goodbye_was_heard(tmp_path):
    async with telephone(tmp_path) as (emulator, bot):
        emulator.callees[CALLER] = Callee(after_secs=0.3, script=talk())
        call_id = await dialled(bot, body={"customer": 7}, tag="t")
        await emulator.calls[call_id].finished()
        told = await bot.tells("call")
        assert (told["direction"], told["body"]) == ("outbound", {"customer": 7})
        assert (await bot.tells("over"))["event"] == "completed"
    assert emulator.calls[call_id].phases[-2:] == ["answered", "completed"]
    assert heard_secs(tmp_path / call_id, GREETING_HZ) == pytest.approx(GREETING_SECS, abs=0.05)
    assert heard_secs(tmp_path / call_id, GOODBYE_HZ) == pytest.approx(GOODBYE_SECS, abs=0.05)


async def test_calls_that_nobody_takes_are_told_of(tmp_path):
    async with telephone(tmp_path) as (emulator, bot):
        for n, outcome in enumerate(("busy", "rejects", "no_answer"), 1):
            emulator.callees[CALLER] = Callee(outcome=outcome, after_secs=0.1)
            await dialled(bot, ring_timeout_secs=1)
            await bot.tells("over", n)
        assert [over["event"] for over in bot.told("over")] == ["busy", "rejected", "cancelled"]
        assert bot.told("call") == []


@pytest.mark.parametrize(
    "faults",
    [WebhookFaults(), WebhookFaults(late=1.0, late_secs=0.5), WebhookFaults(loss=1.0)],
    ids=["by webhook", "by a late webhook", "by asking"],
)
async def test_a_bot_learns_that_it_talks_to_a_machine(tmp_path, faults):
    async with telephone(tmp_path) as (emulator, bot):
        emulator.callees[CALLER] = Callee(outcome="machine", after_secs=0.1)
        await dialled(bot, voicemail_detection=True)
        await bot.tells("call")
        emulator.faults.webhooks = faults
        await bot.tells("ended")
        assert bot.told("voicemail"), "Wavix hangs up on it: the bot is told before it ends"
        assert (await bot.tells("over"))["machine"] is True


@pytest.mark.parametrize("lost", [0.0, 1.0], ids=["by webhook", "by asking"])
async def test_keys_reach_the_bot(tmp_path, lost):
    async with telephone(tmp_path) as (emulator, bot):
        script = [*talk(Press("12*4")), WaitForBot("speaking", 0, 20)]
        call = await emulator.dial(KEYS_NUMBER, ScriptedCaller(script), from_number=CALLER)
        await bot.tells("call")
        emulator.faults.webhooks = WebhookFaults(loss=lost)
        assert await bot.tells("collected") == {
            **{"told": "collected", "digits": "12*4", "outcome": "completed"},
        }
        await bot.tells("key", 4)
        assert [key["key"] for key in bot.told("key")] == list("12*4")
        await call.finished()


async def test_no_secret_and_no_number_is_in_any_log_not_even_at_its_chattiest(tmp_path):
    async with telephone(tmp_path, "-v", LOGURU_LEVEL="TRACE") as (emulator, bot):
        script = [*talk(Press("4711")), WaitForBot("speaking", 0, 20)]
        call = await emulator.dial(KEYS_NUMBER, ScriptedCaller(script), from_number=CALLER)
        await call.finished()
        await bot.tells("ended")
        emulator.callees[CALLER] = Callee(outcome="busy", after_secs=0.1)
        await dialled(bot, tag="canary-tag")
        await bot.tells("over")
        webhook = emulator.platform.webhooks["on-call"].rpartition("/")[2]
    logged = "".join(
        line for line in bot.output.splitlines(keepends=True) if not line.startswith("{")
    )
    assert "TRACE" in logged or "DEBUG" in logged
    assert call.id in logged
    for secret in ("canary", webhook, "4711", CALLER[2:], NUMBER[2:], KEYS_NUMBER[2:]):
        assert secret not in logged
    assert not re.search(r"gAAAA[\w-]{20}", logged)  # how every token of this kind begins


async def test_behind_a_public_name_there_is_nothing_but_wavix(tmp_path):
    async with telephone(tmp_path) as (_, bot), aiohttp.ClientSession() as http:
        for method, path in (
            *(("GET", "/"), ("GET", "/client/"), ("GET", "/docs"), ("GET", "/openapi.json")),
            *(("POST", "/"), ("POST", "/start"), ("POST", "/api/offer"), ("GET", "/status")),
        ):
            async with http.request(method, f"{bot.url}{path}") as response:
                assert (path, response.status) == (path, 404)
        for path in ("/ws", "/ws-client", "/ws/token", "/wavix/media/token"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
                await http.ws_connect(f"{bot.url}{path}")
            assert refusal.value.status == 403


async def test_a_call_in_progress_ends_before_a_bot_that_is_told_to(tmp_path):
    async with telephone(tmp_path, WAVIX_DRAIN_SECS="30") as (emulator, bot):
        call = await emulator.dial(NUMBER, ScriptedCaller(talk()), from_number=CALLER)
        await bot.tells("call")
        bot.process.terminate()
        async with aiohttp.ClientSession() as http:
            while True:
                async with http.get(f"{bot.url}/ready") as response:
                    if response.status == 503:
                        break
                await asyncio.sleep(0.05)
        await call.finished()
        async with asyncio.timeout(30):
            await bot.process.wait()
    assert heard_secs(tmp_path / call.id, GOODBYE_HZ) == pytest.approx(GOODBYE_SECS, abs=0.05)


async def test_a_number_is_configured_by_name(tmp_path):
    async with telephone(tmp_path, "--configure-number", KEYS_NUMBER) as (emulator, bot):
        script = [*talk(Press("1#")), WaitForBot("speaking", 0, 20)]
        call = await emulator.dial(KEYS_NUMBER, ScriptedCaller(script), from_number=CALLER)
        assert (await bot.tells("collected"))["digits"] == "1"
        await call.finished()
        unconfigured = await emulator.dial(NUMBER, ScriptedCaller([]), from_number=CALLER)
        await asyncio.sleep(0.3)
        assert unconfigured.phase in ("call_setup", "ringing")
        unconfigured.hang_up()
