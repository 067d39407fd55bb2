"""The page's parts over HTTP."""

import re
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from emulated import NUMBER, emulating

from pipecat_wavix.emulator import handset
from pipecat_wavix.emulator.handset import routes

PAGE = Path(handset.__file__).parent / "page"


@asynccontextmanager
async def asking(**changes):
    async with (
        emulating(**changes) as (emulator, _),
        aiohttp.ClientSession(emulator.base_url) as http,
    ):
        yield emulator, http


async def test_the_page_and_all_that_it_names_is_served():
    async with asking() as (_, http):
        async with http.get("/_emulator/phone") as response:
            page = await response.text()
            assert response.content_type == "text/html"
        named = set(re.findall(r'(?:href|src)="(.*?)"', page))
        assert named == {"phone/icon.svg", "phone/style.css", "phone/app.js"}
        for name in [path.name for path in PAGE.iterdir() if path.suffix != ".html"]:
            async with http.get(f"/_emulator/phone/{name}") as response:
                assert response.status == 200
                assert response.content_type == routes._TYPES[Path(name).suffix]
                assert await response.read() == (PAGE / name).read_bytes()


@pytest.mark.parametrize(
    "name", ["index.html", "nothing.js", "..%2froutes.py", "%2e%2e", "a%2fb.js"]
)
async def test_nothing_else_is_served(name):
    async with asking() as (_emulator, http), http.get(f"/_emulator/phone/{name}") as response:
        assert response.status == 404


@pytest.mark.parametrize("path", sorted(PAGE.iterdir()), ids=lambda path: path.name)
def test_the_page_needs_nothing_from_elsewhere(path):
    found = set(re.findall(r"https?://[\w.]*", path.read_text()))
    assert found <= {"http://www.w3.org", "http://127.0.0.1.", "https://"}


async def test_no_other_page_may_frame_it_and_it_may_ask_nobody_else():
    async with asking() as (_, http), http.get("/_emulator/phone") as response:
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy


async def test_whom_to_call_is_told():
    bot = "ws://127.0.0.1:1/TOKEN"
    async with asking(handset_to=bot) as (emulator, http):
        assert "TOKEN" not in repr(emulator.settings)
        emulator.numbers.get(NUMBER).call_status_url = None
        async with http.get("/_emulator/phone/options") as response:
            options = await response.json()
    assert options["to"] == bot
    assert options["numbers"] == [{"number": NUMBER, "has_webhook": False}]
    assert options["network"] == {"delay_ms": 0, "jitter_ms": 0, "loss": 0}


async def test_a_webhook_of_the_account_will_do():
    async with asking() as (emulator, http):
        emulator.numbers.get(NUMBER).call_status_url = None
        emulator.platform.webhooks["on-call"] = "http://127.0.0.1:1/TOKEN"
        async with http.get("/_emulator/phone/options") as response:
            assert (await response.json())["numbers"][0]["has_webhook"]
            assert "TOKEN" not in await response.text()


async def test_a_text_is_spoken():
    async with (
        asking() as (_, http),
        http.post("/_emulator/phone/voice", json={"text": "hello"}) as response,
    ):
        assert response.status == 200
        assert len(await response.read()) > 9600


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"text": 5}', b'{"text": ""}'])
async def test_a_text_that_is_none_is_refused(body):
    async with asking() as (_, http), http.post("/_emulator/phone/voice", data=body) as response:
        assert response.status == 400


@pytest.mark.parametrize("text", ["a" * (routes.MAX_TEXT + 1), "a\0b", "a" * 100_000])
async def test_a_text_that_cannot_be_spoken_is_refused(text):
    async with (
        asking() as (_, http),
        http.post("/_emulator/phone/voice", json={"text": text}) as response,
    ):
        assert response.status in (400, 413)


async def test_a_voice_that_is_not_installed_is_told_of(monkeypatch):
    def speak(text):
        raise ModuleNotFoundError("a voice needs eSpeak NG")

    monkeypatch.setattr(routes, "speak", speak)
    async with (
        asking() as (_, http),
        http.post("/_emulator/phone/voice", json={"text": "hello"}) as response,
    ):
        assert response.status == 501
        assert "eSpeak" in (await response.json())["message"]


@pytest.mark.parametrize("header", ["Host", "Origin"])
async def test_another_site_gets_nothing(header):
    async with asking() as (_, http):
        headers = {header: "http://evil.example" if header == "Origin" else "evil.example"}
        for path in ("", "/options", "/app.js"):
            async with http.get(f"/_emulator/phone{path}", headers=headers) as response:
                assert response.status == 403
