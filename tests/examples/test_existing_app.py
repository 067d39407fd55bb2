"""`examples/existing_app.py`: a shop's web application, and calls to it on an emulated Wavix."""

import aiohttp
import pytest
from clouds.cartesia import Cartesia
from clouds.speech import PAUSE_SECS, WORD_SECS
from lines import BOT_SIDE, NUMBER, SECRET, audible_secs, listening, served_on, url_of

from pipecat_wavix.emulator import ScriptedCaller, WaitForBot

SILENT = [WaitForBot("quiet", 60, 60)]


@pytest.fixture
async def shop(example, cloud, wavix_emulator, monkeypatch):
    """The shop, open, with a number that rings there."""
    shop = example("existing_app")
    await cloud(cartesia := Cartesia())
    with listening() as listener:
        async with wavix_emulator() as emulator:
            for name, value in {
                "WAVIX_API_KEY": emulator.settings.api_key,
                "WAVIX_BASE_URL": emulator.base_url,
                "WAVIX_PUBLIC_URL": url_of(listener),
                "WAVIX_SECRET": SECRET,
            }.items():
                monkeypatch.setenv(name, value)
            router = shop.add_telephone(shop.app)
            async with served_on(listener, shop.app):
                emulator.numbers[NUMBER].call_status_url = router.webhook_url
                shop.url, shop.emulator, shop.cartesia = url_of(listener), emulator, cartesia
                yield shop


async def test_a_customer_is_told_where_the_order_is(shop):
    customer, order = next(iter(shop.CUSTOMERS.items()))
    call = await shop.emulator.dial(NUMBER, ScriptedCaller(SILENT), from_number=customer)
    summary = await call.finished()
    assert summary.end_reason == "hung up by the account"
    assert shop.cartesia.texts == [f"{shop.status_of(order)} Goodbye!"]
    heard_secs = audible_secs(
        shop.emulator.settings.recordings / call.id / "recording.wav", BOT_SIDE
    )
    words = len(shop.cartesia.texts[0].split())
    assert heard_secs == pytest.approx(words * (WORD_SECS - PAUSE_SECS), abs=0.3)


async def test_nobody_else_is_answered(shop):
    call = await shop.emulator.dial(NUMBER, ScriptedCaller(SILENT), from_number="+12025550198")
    assert await call.finished() is None
    assert "answered" not in call.phases
    assert shop.cartesia.texts == []


async def test_the_applications_own_routes_and_its_lifespan_are_as_before(logs, shop):
    assert any("The shop is open" in line for line in logs)
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{shop.url}/orders/1002") as response:
            assert await response.json() == {"status": shop.status_of(1002)}
        async with http.get(f"{shop.url}/orders/1") as response:
            assert response.status == 404
        async with http.get(f"{shop.url}/ready") as response:
            assert response.status == 200
        async with http.post(f"{shop.url}/wavix/webhook/guessed", json={}) as response:
            assert response.status == 404


async def test_it_does_not_start_without_its_secret(example, monkeypatch):
    monkeypatch.delenv("WAVIX_SECRET", raising=False)
    monkeypatch.setenv("WAVIX_PUBLIC_URL", "https://shop.example.com")
    shop = example("existing_app")
    with pytest.raises(ValueError, match="WAVIX_SECRET is not set"):
        shop.add_telephone(shop.app)
