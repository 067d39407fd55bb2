import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from pipecat_wavix import WavixAPIError, WavixClient, WavixError, WavixUnreachable
from pipecat_wavix.client import check_id


@pytest.fixture
async def api():
    """A stand-in for the REST API: the call's id says what it answers, one status a request."""
    asked = []

    async def answer(request: web.Request) -> web.Response:
        statuses = request.match_info["id"].split("-")
        asked.append(request.headers["Authorization"])
        if statuses == ["slow"]:
            await asyncio.sleep(30)
        return web.json_response({}, status=int(statuses[min(len(asked), len(statuses)) - 1]))

    app = web.Application()
    app.router.add_delete("/v1/calls/{id}", answer)
    async with TestServer(app) as server:
        client = WavixClient("key", base_url=str(server.make_url("/")))
        client.asked = asked
        yield client


@pytest.mark.parametrize("status", ["200", "204", "404"])
async def test_a_call_that_ended_or_was_gone_is_hung_up(api, status):
    await api.hang_up(status)
    assert api.asked == ["Bearer key"]


@pytest.mark.parametrize("status", ["301", "400", "401", "403"])
async def test_a_refusal_carries_its_status_and_is_final(api, status):
    with pytest.raises(WavixAPIError) as error:
        await api.hang_up(status)
    assert error.value.status == int(status)
    assert isinstance(error.value, WavixError)
    assert len(api.asked) == 1


@pytest.mark.parametrize("statuses", ["500-200", "503-429-404"])
async def test_what_may_pass_is_tried_again(api, statuses):
    await api.hang_up(statuses)
    assert len(api.asked) == statuses.count("-") + 1


async def test_three_tries_are_enough(api):
    with pytest.raises(WavixAPIError, match="503"):
        await api.hang_up("503")
    assert len(api.asked) == 3


async def test_no_answer_in_time_is_said_so(api, monkeypatch):
    monkeypatch.setattr("pipecat_wavix.client.HANG_UP_TIMEOUT_SECS", 0.05)
    with pytest.raises(WavixUnreachable, match=r"0\.05 s"):
        await api.hang_up("slow")


async def test_a_server_that_is_not_there_is_said_so(unused_tcp_port):
    with pytest.raises(WavixUnreachable):
        await WavixClient("key", base_url=f"http://127.0.0.1:{unused_tcp_port}").hang_up("a")


@pytest.mark.parametrize("bad", ["", "a/b", "..", "a?b", "a#b", "a b", "ä", "a\n", "x" * 129])
async def test_an_id_that_would_change_the_url_is_refused(api, bad):
    with pytest.raises(ValueError, match="call_id must be"):
        check_id(bad, name="call_id")
    with pytest.raises(ValueError, match="call_id must be"):
        await api.hang_up(bad)
    assert not api.asked


def test_a_uuid_is_an_id():
    uuid = "2f1b0b3e-6c1c-4f6e-9a86-0f6a8a1c7a55"
    assert check_id(uuid, name="call_id") == uuid


def test_an_empty_key_is_refused_at_once():
    with pytest.raises(ValueError, match="api_key is empty"):
        WavixClient("")
