"""A headless Chromium on the handset's page, and a bot that waits for it."""

import base64
import shutil
from contextlib import asynccontextmanager

import aiohttp
import numpy as np
from emulated import PATIENCE_SECS, emulating

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


@asynccontextmanager
async def chromium(microphone=None, *, asks=False, **page_options):
    """Answer a new page; `microphone` is a WAV file, played once to whoever listens.

    With `asks`, the microphone is there, and whoever is asked for it refuses.
    """
    # Here, so that without the extra all other tests are collected.
    from playwright.async_api import async_playwright

    assert CHROMIUM, "these tests need Chromium: apt-get install chromium, or deselect `browser`"
    arguments = []
    if microphone or asks:
        arguments.append("--use-fake-device-for-media-stream")
    if microphone:
        arguments.append("--use-fake-ui-for-media-stream")
        arguments.append(f"--use-file-for-fake-audio-capture={microphone}%noloop")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        page = await browser.new_page(**page_options)
        page.set_default_timeout(1000 * PATIENCE_SECS)
        errors = []
        page.on("pageerror", lambda error: errors.append(error))
        try:
            yield page
        finally:
            await browser.close()
    assert not errors


@asynccontextmanager
async def a_page(microphone=None, *, to=None, asks=False, **changes):
    """Answer a page that is ready to call a bot's socket, or `to`; its emulator; and the account."""
    async with (
        emulating(**changes) as (emulator, account),
        chromium(microphone, asks=asks) as page,
    ):
        await page.goto(f"{emulator.handset_url}#to={to or account.stream_url}")
        if not (microphone or asks):
            await page.check("[value=voice]", force=True)  # which asks for no microphone
        yield page, emulator, account


async def call(page):
    """Press Call, and wait until the call is on."""
    await page.click("#call")
    await page.wait_for_selector("[data-state=talking]")


async def listen(page):
    """Keep what the page plays from now on."""
    await page.evaluate(
        """() => {
            window.played = [];
            handset.call.headset.onPlayed = (pcm) => played.push(pcm);
            handset.call.headset.tap();
        }"""
    )


async def played(page):
    """What it has played since, as samples."""
    data = await page.evaluate(
        """async () => {
            const url = await new Promise((resolve) => {
                const reader = new FileReader();
                reader.onload = () => resolve(reader.result);
                reader.readAsDataURL(new Blob(window.played));
            });
            return url.split(",")[1];
        }"""
    )
    return np.frombuffer(base64.b64decode(data or ""), "<i2")


async def rest(emulator, method, path, body=None):
    """Ask the emulated Wavix, as the account's server does."""
    url = f"{emulator.base_url}{path}"
    headers = {"Authorization": f"Bearer {emulator.settings.api_key}"}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.request(method, url, json=body) as response,
    ):
        assert response.status == 200, await response.text()
        return await response.json()


def answering(emulator, account):
    """Have the account's server answer what rings, with its bot."""

    async def answer(body):
        if body.get("event_type") == "ringing":
            stream = {"stream_url": account.stream_url, "stream_type": "twoway"}
            await rest(emulator, "POST", f"/v1/calls/{body['id']}/answer", stream)

    account.on_webhook = answer
