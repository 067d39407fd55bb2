"""The tests of the examples reach no other machine, in their process and in those they start."""

import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

WITH_CLOUDS = Path(__file__).parent / "with_clouds.py"


async def test_another_machine_is_not_found():
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.ClientConnectorError, match=r"No internet: api\.openai\.com"):
            await http.get("https://api.openai.com")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_this_machine_is(host):
    async with (
        TestServer(web.Application(), host="127.0.0.1") as server,
        aiohttp.ClientSession() as http,
        http.get(f"http://{host}:{server.port}") as answer,
    ):
        assert answer.status == 404


def test_a_bot_in_a_process_of_its_own_finds_none_either(tmp_path):
    bot = tmp_path / "bot.py"
    bot.write_text("import socket\nsocket.getaddrinfo('api.openai.com', 443)\n")
    command = [sys.executable, str(WITH_CLOUDS), "order", str(bot)]
    process = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert process.returncode == 1
    assert "No internet: api.openai.com" in process.stderr
