"""`phone` as it is used: a process that serves the page, or opens that of an emulator."""

import asyncio
import os
import signal
import socket
import sys
import webbrowser

import aiohttp
import pytest
from emulated import NUMBER, PATIENCE_SECS, emulating
from test_cli import bot, only_greet
from typer.testing import CliRunner

from pipecat_wavix import cli
from pipecat_wavix.cli import phone

BOT = "ws://127.0.0.1:9/TOKEN"


@pytest.fixture
def browser(monkeypatch):
    """A machine with a screen, and the list of the pages that its browser was told to open."""
    opened = []
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.delenv("HEADLESS", raising=False)
    monkeypatch.setattr(webbrowser, "get", lambda: object())
    monkeypatch.setattr(webbrowser, "open", opened.append)
    return opened


def run(*arguments):
    return CliRunner(env={"COLUMNS": "200"}).invoke(cli._app(), ["phone", *map(str, arguments)])


async def test_a_socket_is_offered_by_a_page_of_its_own_until_it_is_stopped():
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from pipecat_wavix.cli import main; main()"),
        *("phone", BOT, "--port", "0"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"HEADLESS": "1"},
    )
    async with asyncio.timeout(PATIENCE_SECS):
        line = (await process.stdout.readline()).decode()
    url = line.removeprefix("The handset is at ").strip()
    async with aiohttp.ClientSession() as http, http.get(f"{url}/options") as response:
        assert (await response.json())["to"] == BOT
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(PATIENCE_SECS):
        stdout, stderr = await process.communicate()
    assert process.returncode == 0
    assert "TOKEN" not in (line.encode() + stdout + stderr).decode()


async def test_a_call_leaves_nothing_on_the_terminal_that_is_for_developers_of_libraries():
    with bot(only_greet) as callee:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", "from pipecat_wavix.cli import main; main()"),
            *("phone", callee, "--port", "0"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | {"HEADLESS": "1"},
        )
        async with asyncio.timeout(PATIENCE_SECS), aiohttp.ClientSession() as http:
            line = (await process.stdout.readline()).decode()
            url = line.removeprefix("The handset is at ").strip()
            origin = url.partition("/_emulator")[0]
            async with http.ws_connect(f"{url}/socket", origin=origin) as page:
                await page.send_json({"do": "call", "to": callee})
                while (message := await page.receive()).type is not aiohttp.WSMsgType.BINARY:
                    assert message.type is aiohttp.WSMsgType.TEXT
                await page.send_json({"do": "hang_up"})
                while (await page.receive()).type is not aiohttp.WSMsgType.CLOSE:
                    pass
            process.send_signal(signal.SIGTERM)
            _, stderr = await process.communicate()
    assert stderr.decode() == ""


async def test_a_number_is_offered_by_the_page_of_its_emulator(browser):
    async with emulating() as (emulator, _):
        done = await asyncio.to_thread(run, NUMBER, "--emulator", f"{emulator.base_url}/")
        assert done.exit_code == 0
        page = f"{emulator.handset_url}#to=%2B12025550100"
    assert done.output == f"The handset is at {page}\n"
    assert browser == [page]


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "nonsense"])
def test_a_number_without_an_emulator_is_an_error(browser, url):
    done = run(NUMBER, "--emulator", url)
    assert done.exit_code == 1
    assert "run pipecat-wavix emulate" in done.output
    assert not browser


def test_what_is_neither_is_wrong_usage(browser):
    done = run("http://127.0.0.1/")
    assert done.exit_code == 2
    assert "ws:// or wss://" in done.output
    for word in ("notanumber", "localhost:7860", "555"):
        done = run(word)
        assert done.exit_code == 2
        assert f"'{word}' is neither a media socket" in done.output
    assert not browser


def test_a_port_in_use_is_an_error_with_the_way_out():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        done = run("--port", taken.getsockname()[1])
    assert done.exit_code == 1
    assert "give another --port" in done.output


def test_a_browser_is_opened_where_there_is_a_screen(browser):
    assert phone.can_open_browser()


@pytest.mark.parametrize("headless", ["1", "true"])
def test_none_is_opened_if_that_is_not_wanted(browser, monkeypatch, headless):
    monkeypatch.setenv("HEADLESS", headless)
    assert not phone.can_open_browser()


def test_none_is_opened_without_a_screen(browser, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert not phone.can_open_browser()


def test_none_is_opened_where_there_is_none(browser, monkeypatch):
    def get():
        raise webbrowser.Error

    monkeypatch.setattr(webbrowser, "get", get)
    assert not phone.can_open_browser()
