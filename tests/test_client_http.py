import asyncio
import gzip
import logging

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from loguru import logger
from rest_server import CUT, DROP, HANG, STALL, Answer, raw_server, rest_server
from tenacity import wait_none

from pipecat_wavix.client.http import MAX_BODY_BYTES, Http, Request
from pipecat_wavix.errors import (
    WavixAPIError,
    WavixBadRequest,
    WavixError,
    WavixNotFound,
    WavixNotSent,
    WavixOutcomeUnknown,
    WavixRateLimited,
    WavixServerError,
)

KEY = "CANARY-key"
GET = Request(method="GET", route="/v1/calls", answered=True)
POST = Request(method="POST", route="/v1/calls/{id}/answer", ids={"id": "abc"}, body={})
REPEATABLE = [
    GET,
    Request(method="DELETE", route="/v1/calls/{id}", ids={"id": "abc"}),
    Request(method="PATCH", route="/v1/numbers/{id}", ids={"id": 1}, body={"call_status_url": "x"}),
]
EACH = [*REPEATABLE, POST]


@pytest.fixture(autouse=True)
def no_waits(monkeypatch):
    monkeypatch.setattr("pipecat_wavix.client.http.RETRY_WAIT", wait_none())


@pytest.fixture
async def api():
    async with rest_server() as server:
        yield server


def client(url, *, secs=30.0):
    return Http(KEY, base_url=url.rstrip("/"), timeout_secs=secs)


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


# What is repeated


@pytest.mark.parametrize("request_", REPEATABLE, ids=str)
@pytest.mark.parametrize("failure", [DROP, 429, 500, 502, 599])
async def test_what_is_done_once_by_doing_it_twice_is_tried_again(api, request_, failure):
    api.will(failure, failure, {"calls": []})
    http = client(api.url)
    assert await http.send(request_) == {"calls": []}
    assert sum(http.requests.values()) == 3
    assert http.requests[request_.method, request_.route, 200] == 1


@pytest.mark.parametrize("failure", [DROP, HANG, 429, 500, 502])
async def test_a_post_that_may_have_been_sent_is_never_repeated(api, failure):
    api.will(failure, 200)
    with pytest.raises(WavixError) as error:
        await client(api.url, secs=30 if failure != HANG else 1).send(POST)
    assert not isinstance(error.value, WavixNotSent)
    assert len(api.asked) == 1


@pytest.mark.parametrize("request_", EACH, ids=str)
@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 422])
async def test_a_refusal_is_final(api, request_, status):
    api.will(status, 200)
    with pytest.raises(WavixAPIError) as error:
        await client(api.url).send(request_)
    assert error.value.status == status
    assert len(api.asked) == 1


@pytest.mark.parametrize("request_", EACH, ids=str)
async def test_what_was_provably_not_sent_is_tried_again_whatever_it_is(request_, unused_tcp_port):
    http = client(f"http://127.0.0.1:{unused_tcp_port}")
    with pytest.raises(WavixNotSent, match="no connection was made: ClientConnectorError"):
        await http.send(request_)
    assert http.requests == {(request_.method, request_.route, "no answer"): 3}


async def test_a_post_is_sent_when_a_connection_can_be_made_at_last(api, monkeypatch):
    ask, tries = Http._ask, []

    async def ask_in_vain_at_first(*arguments):
        tries.append(arguments)
        if len(tries) < 3:
            raise WavixNotSent("nobody is there")
        return await ask(*arguments)

    monkeypatch.setattr(Http, "_ask", ask_in_vain_at_first)
    assert await client(api.url).send(POST) == {"success": True}
    assert len(api.asked) == 1


@pytest.mark.parametrize("request_", EACH, ids=str)
async def test_a_server_without_tls_was_sent_nothing(api, request_):
    with pytest.raises(WavixNotSent, match="no connection was made"):
        await client(api.url.replace("http:", "https:")).send(request_)
    assert not api.asked


async def test_a_handshake_that_does_not_end_has_sent_nothing():
    async def serve(reader, _writer):
        await reader.read()

    async with raw_server(serve) as (_, port):
        with pytest.raises(WavixNotSent, match=r"nothing came within 0\.2 s"):
            await client(f"https://127.0.0.1:{port}", secs=0.2).send(POST)


async def test_what_may_have_been_sent_once_is_not_called_unsent():
    """The first try loses its connection, and then the server is gone."""

    async def serve(reader, _writer):
        await reader.readuntil(b"\r\n\r\n")
        server.close()

    async with raw_server(serve) as (server, port):
        http = client(f"http://127.0.0.1:{port}")
        with pytest.raises(WavixOutcomeUnknown):
            await http.send(GET)
        assert http.requests["GET", "/v1/calls", "no answer"] > 1


async def test_what_wavix_failed_at_is_not_called_unsent():
    """The first try is answered with a failure, and then the server is gone."""

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        server.close()
        writer.write(b"HTTP/1.1 500 Failed\r\nContent-Length: 0\r\n\r\n")

    async with raw_server(serve) as (server, port):
        with pytest.raises(WavixOutcomeUnknown):
            await client(f"http://127.0.0.1:{port}").send(GET)


# Time


@pytest.mark.parametrize("request_", [GET, POST], ids=str)
async def test_a_server_that_hangs_ends_with_the_time_limit(api, request_):
    api.will(HANG)
    with pytest.raises(WavixOutcomeUnknown, match="nothing came within 1 s"):
        await client(api.url, secs=1).send(request_)


async def test_the_time_limit_is_for_all_tries_together(api):
    api.will(500, HANG)
    with pytest.raises(WavixOutcomeUnknown):
        await asyncio.wait_for(client(api.url, secs=2).send(GET), 30)
    assert len(api.asked) == 2


async def test_a_try_that_would_begin_too_late_is_not_waited_for(api, monkeypatch):
    monkeypatch.setattr("pipecat_wavix.client.http.RETRY_WAIT", lambda _: 31.0)
    api.will(503)
    with pytest.raises(WavixServerError):
        await asyncio.wait_for(client(api.url).send(GET), 20)
    assert len(api.asked) == 1


async def test_the_time_that_wavix_asks_for_is_waited(api):
    api.will(Answer(status=429, headers={"Retry-After": "0.3"}), 200)
    began = asyncio.get_running_loop().time()
    await client(api.url).send(GET)
    assert asyncio.get_running_loop().time() - began >= 0.3


@pytest.mark.parametrize("wait", ["31", "999999999", "Fri, 31 Dec 9999 23:59:59 GMT"])
@pytest.mark.parametrize("status", [429, 503])
async def test_more_time_than_there_is_is_an_error_at_once(api, status, wait):
    api.will(Answer(status=status, headers={"Retry-After": wait}))
    with pytest.raises(WavixAPIError) as error:
        await asyncio.wait_for(client(api.url).send(GET), 20)
    assert isinstance(error.value, WavixRateLimited if status == 429 else WavixServerError)
    assert error.value.retry_after_secs > 30
    assert len(api.asked) == 1


# Bodies


async def test_the_json_is_answered(api):
    api.will([1, {"a": None}])
    assert await client(api.url).send(GET) == [1, {"a": None}]


@pytest.mark.parametrize("body", [b"", b"<html>", b"{", b"\xff", b"[" * 100_000])
async def test_what_is_no_json_is_none(api, body):
    api.will(Answer(body=body))
    assert await client(api.url).send(GET) is None
    assert len(api.asked) == 1


async def test_a_body_that_is_too_long_is_not_read(api):
    api.will(Answer(body=b'"%s"' % (b"a" * MAX_BODY_BYTES)))
    assert await client(api.url).send(GET) is None
    api.will(Answer(body=b'"%s"' % (b"a" * (MAX_BODY_BYTES - 2))))
    assert len(await client(api.url).send(GET)) == MAX_BODY_BYTES - 2


async def test_a_body_that_unpacks_to_something_too_long_is_not_read(api):
    body = gzip.compress(b'"%s"' % (b"a" * 50 * MAX_BODY_BYTES))
    api.will(Answer(body=body, headers={"Content-Encoding": "gzip"}))
    assert await client(api.url).send(GET) is None


async def test_a_refusal_stands_however_its_body_ends(api):
    for fate in (CUT, STALL):
        api.will(Answer(body=b'{"message":', status=400, fate=fate))
        with pytest.raises(WavixBadRequest):
            await client(api.url, secs=1.5).send(GET)


async def test_a_refusal_with_an_endless_text_is_cut(api):
    api.will(Answer({"message": "m" * 3 * MAX_BODY_BYTES}, 404))
    with pytest.raises(WavixNotFound) as error:
        await client(api.url).send(GET)
    assert len(str(error.value)) < 300


async def test_an_answer_that_is_needed_and_cut_off_is_asked_for_again(api):
    api.will(Answer({"calls": []}, fate=CUT), {"calls": []})
    assert await client(api.url).send(GET) == {"calls": []}


async def test_an_answer_that_is_needed_and_cut_off_is_none_to_a_post(api):
    api.will(Answer({"stream_id": "a"}, fate=CUT))
    request = Request(method="POST", route="/v1/calls", answered=True)
    http = client(api.url)
    with pytest.raises(WavixOutcomeUnknown, match="no answer to POST /v1/calls: ClientPayload"):
        await http.send(request)
    assert http.requests == {("POST", "/v1/calls", "no answer"): 1}


async def test_an_answer_that_is_not_needed_may_be_cut_off(api):
    for fate in (CUT, STALL):
        api.will(Answer({"success": True}, fate=fate))
        assert await client(api.url, secs=1.5).send(POST) is None


async def test_a_redirect_is_not_followed(api):
    async with rest_server() as other:
        api.will(Answer(status=307, headers={"Location": other.url}))
        with pytest.raises(WavixAPIError, match=r"307\. Redirects are not followed"):
            await client(api.url).send(POST)
        assert not other.asked


async def test_cookies_are_not_kept(api):
    api.will(Answer(headers={"Set-Cookie": "session=1"}))
    http = client("http://localhost:" + api.url.rsplit(":", 1)[1])
    http.open()
    await http.send(GET)
    await http.send(GET)
    await http.close()
    assert "Cookie" not in api.asked[1].headers


@given(noise=st.binary(max_size=200))
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_server_that_talks_nonsense_is_an_error_of_ours(noise):
    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(noise)

    async def ask():
        async with raw_server(serve) as (_, port):
            for request in (GET, POST):
                with pytest.raises(WavixError):
                    await client(f"http://127.0.0.1:{port}").send(request)

    asyncio.run(ask())


# Sessions and ends


async def test_a_client_that_is_open_keeps_its_connection(api):
    http = client(api.url)
    http.open()
    for _ in range(3):
        await http.send(GET)
    assert len(api.connections) == 1
    await http.close()


async def test_a_client_that_is_not_open_leaves_nothing_open(api):
    http = client(api.url)
    await http.send(GET)
    await http.close()
    await http.send(GET)
    assert len(api.asked) == 2


async def test_a_client_that_was_closed_still_answers(api):
    http = client(api.url)
    http.open()
    await http.close()
    await http.close()
    assert await http.send(GET) == {"success": True}


async def test_a_client_that_is_opened_by_two_is_open_until_both_have_left(api):
    http = client(api.url)
    http.open()
    http.open()
    session = http._session
    await http.leave()
    assert not session.closed
    await http.leave()
    assert session.closed
    await http.leave()
    assert await http.send(GET) == {"success": True}


async def test_closing_ends_what_is_on_its_way(api):
    api.will(HANG)
    http = client(api.url)
    http.open()
    asking = asyncio.create_task(http.send(POST))
    await until(lambda: api.asked)
    await http.close()
    with pytest.raises(WavixOutcomeUnknown):
        await asyncio.wait_for(asking, 20)


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"])
async def test_a_request_that_is_cancelled_ends_at_once_and_leaves_no_connection(kept, begun):
    came, gone = asyncio.Event(), asyncio.Event()

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(begun)
        await writer.drain()
        came.set()
        await reader.read()
        gone.set()

    async with raw_server(serve) as (_, port):
        http = client(f"http://127.0.0.1:{port}", secs=600)
        if kept:
            http.open()
        asking = asyncio.create_task(http.send(GET))
        await asyncio.wait_for(came.wait(), 20)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(asking, 20)
        await asyncio.wait_for(gone.wait(), 20)
        await http.close()


async def test_a_wait_between_tries_can_be_cancelled(api, monkeypatch):
    monkeypatch.setattr("pipecat_wavix.client.http.RETRY_WAIT", lambda _: 500.0)
    api.will(503)
    http = client(api.url, secs=600)
    asking = asyncio.create_task(http.send(GET))
    await until(lambda: http.requests)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(asking, 20)


# What is seen


async def test_requests_are_counted_and_logged_by_template(api, logs):
    api.will(503, 200)
    http = client(api.url)
    route = "/v1/calls/{id}"
    await http.send(Request(method="DELETE", route=route, ids={"id": "abc"}, query={"a": "b"}))
    assert http.requests == {("DELETE", route, 503): 1, ("DELETE", route, 200): 1}
    lines = [line for line in logs if "DELETE" in line]
    assert len(lines) == 2
    assert lines[1].startswith("DEBUG Wavix: DELETE /v1/calls/{id}: 200, ")
    assert lines[1].endswith(" ms\n")


def chain(error):
    while error:
        yield error
        error = error.__cause__ or error.__context__


async def test_the_key_is_nowhere(api, logs, caplog):
    """Through success and every failure: logs at every level, tracebacks with values, reprs."""
    caplog.set_level(logging.DEBUG)
    echo = {"message": f"Bearer {KEY}", "errors": {KEY: KEY}, "error": KEY}
    fates = [Answer(fate=fate) for fate in (DROP, HANG, CUT, STALL)]
    statuses = [Answer(echo, status) for status in (200, 302, 400, 401, 403, 404, 422, 429, 500)]

    async def nonsense(reader, writer):
        writer.write(b"HTTP/1.1 abc " + await reader.readuntil(b"\r\n\r\n"))

    async with raw_server(nonsense) as (_, port):
        places = [f"http://127.0.0.1:{port}", "http://127.0.0.1:1", "https://" + api.url[7:]]
        tries = [(api.url, answer) for answer in (*fates, *statuses)]
        for place, answer in [*tries, *((place, 200) for place in places)]:
            api.will(answer)
            for request in (GET, POST):
                http = client(place, secs=0.3)
                try:
                    await http.send(request)
                except WavixError as error:
                    logger.opt(exception=error).error("failed")
                    for each in chain(error):
                        assert not isinstance(each, aiohttp.ClientError)
                        assert KEY not in f"{each!r} {vars(each)}"
                assert KEY not in repr((http, request))
    assert len(logs) > 40
    assert "Traceback" in "".join(logs)
    assert KEY not in "".join(logs) + caplog.text
