import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from pipecat_wavix import WavixAPIError, WavixError, WavixUnreachable
from pipecat_wavix.client import check_id, hang_up


async def answer(request: web.Request) -> web.Response:
    if request.match_info["id"] == "slow":
        await asyncio.sleep(30)
    return web.json_response({}, status=int(request.match_info["id"]))


@pytest.fixture
async def url():
    app = web.Application()
    app.router.add_delete("/v1/calls/{id}", answer)
    async with TestServer(app) as server:
        yield str(server.make_url(""))


@pytest.mark.parametrize("status", ["200", "204", "404"])
async def test_a_call_that_ended_or_was_gone_is_hung_up(url, status):
    await hang_up(status, api_key="key", base_url=url)


@pytest.mark.parametrize("status", ["301", "400", "401", "403", "429", "500", "503"])
async def test_a_refusal_carries_its_status(url, status):
    with pytest.raises(WavixAPIError) as error:
        await hang_up(status, api_key="key", base_url=url)
    assert error.value.status == int(status)
    assert isinstance(error.value, WavixError)


async def test_no_answer_in_time_is_said_so(url):
    with pytest.raises(WavixUnreachable, match=r"0\.05 s"):
        await hang_up("slow", api_key="key", base_url=url, timeout_secs=0.05)


async def test_a_server_that_is_not_there_is_said_so(unused_tcp_port):
    with pytest.raises(WavixUnreachable):
        await hang_up("a", api_key="key", base_url=f"http://127.0.0.1:{unused_tcp_port}")


@pytest.mark.parametrize("bad", ["", "a/b", "..", "a?b", "a#b", "a b", "ä", "a\n", "x" * 129])
async def test_an_id_that_would_change_the_url_is_refused(bad):
    with pytest.raises(ValueError, match="call_id must be"):
        check_id(bad, name="call_id")
    with pytest.raises(ValueError, match="call_id must be"):
        await hang_up(bad, api_key="key", base_url="http://127.0.0.1:1")


def test_a_uuid_is_an_id():
    uuid = "2f1b0b3e-6c1c-4f6e-9a86-0f6a8a1c7a55"
    assert check_id(uuid, name="call_id") == uuid
