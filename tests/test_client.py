import re
from pathlib import Path

import pytest
from rest_requests import CALL, HOOK, ID, REQUESTS, STREAM_ID, WSS
from rest_server import CUT, HANG, Answer, rest_server
from tenacity import wait_none

import pipecat_wavix.errors
from pipecat_wavix import WavixAPIError, WavixClient, WavixError, WavixUnreachable
from pipecat_wavix.client import CallWebhook, WavixNumber
from pipecat_wavix.errors import WavixNotFound, WavixOutcomeUnknown
from pipecat_wavix.webhooks import WavixCall


@pytest.fixture
async def api(monkeypatch):
    monkeypatch.setattr("pipecat_wavix.client.http.RETRY_WAIT", wait_none())
    async with rest_server() as server:
        yield server


@pytest.fixture
async def client(api):
    async with WavixClient("key", base_url=api.url) as client:
        yield client


@pytest.mark.parametrize("name", REQUESTS)
async def test_a_request_is_as_the_specification_has_it(api, client, name):
    ask, what, body, answer = REQUESTS[name]
    api.will(answer)
    await ask(client)
    (asked,) = api.asked
    assert (asked.method, asked.path, asked.query) == what
    assert asked.body == body
    assert asked.headers["Authorization"] == "Bearer key"
    assert asked.headers["Accept"] == "application/json"
    assert asked.headers["User-Agent"] == f"pipecat-wavix/{pipecat_wavix.__version__}"
    assert asked.headers.get("Content-Type") == (None if body is None else "application/json")


@pytest.mark.parametrize("name", REQUESTS)
async def test_a_key_that_is_refused_ends_every_request(api, client, name):
    api.will(Answer({"success": False, "error": True, "message": "Unauthorized"}, 401))
    with pytest.raises(WavixAPIError, match=r"401: Unauthorized\. Check the API key"):
        await REQUESTS[name][0](client)
    assert len(api.asked) == 1


# What is answered


async def test_a_call_comes_back_as_a_call(api, client):
    api.will({"call": CALL, "success": True})
    call = await client.get_call(ID)
    assert isinstance(call, WavixCall)
    assert (call.id, call.from_number, call.to_number) == (ID, "+18045961058", "+17653889567")


async def test_the_active_calls_come_back_as_calls(api, client):
    api.will({"calls": [CALL, {"id": "../.."}, 5], "success": True})
    assert [call.id for call in await client.list_calls()] == [ID]


async def test_webhooks_come_back_and_do_not_show_their_paths(api, client):
    api.will([{"event_type": "post-call", "url": HOOK}, {"event_type": "on-call", "url": HOOK}])
    webhooks = await client.list_webhooks()
    assert webhooks == [CallWebhook("post-call", HOOK), CallWebhook("on-call", HOOK)]
    assert "webhook" not in repr(webhooks[0]).lower().replace("callwebhook", "")


@pytest.mark.parametrize("answer", [Answer(body=b"<html>"), {}, [], {"calls": 1}, {"call": {}}])
@pytest.mark.parametrize("ask", ["list_calls", "get_call", "find_number"])
async def test_an_answer_that_cannot_be_read_is_an_error_that_says_so(api, client, ask, answer):
    api.will(answer)
    arguments = {"get_call": [ID], "find_number": ["+12565378257"]}.get(ask, [])
    with pytest.raises(WavixAPIError, match="cannot be read") as error:
        await getattr(client, ask)(*arguments)
    assert error.value.status == 200
    assert len(api.asked) == 1


async def test_a_stream_gives_its_id(api, client):
    api.will({"success": True, "stream_id": STREAM_ID})
    assert await client.start_stream(ID, stream_url=WSS) == STREAM_ID


@pytest.mark.parametrize("answer", [{"success": True}, {"stream_id": "../x"}, [], CUT])
async def test_a_stream_that_gives_no_id_may_have_started(api, client, answer):
    api.will(answer)
    with pytest.raises(WavixOutcomeUnknown):
        await client.start_stream(ID, stream_url=WSS)
    assert len(api.asked) == 1


@pytest.mark.parametrize("name", ["an answer", "a file", "digits", "a webhook", "a tag"])
@pytest.mark.parametrize("answer", [CUT, Answer(body=b""), Answer(body=b"OK", status=204)])
async def test_what_needs_no_answer_is_done_by_its_status(api, client, name, answer):
    api.will(answer)
    await REQUESTS[name][0](client)
    assert len(api.asked) == 1


# Numbers


def page(*numbers, pages=1):
    items = [{"id": id, "number": number, "call_status_url": url} for id, number, url in numbers]
    return {"items": items, "pagination": {"total_pages": pages}}


async def test_a_number_is_found_on_whichever_page_it_is(api, client):
    api.will(
        page((1, "112565378257", None), (2, "125653782570", None), pages=3),
        page(pages=3),
        page((3, "12565378257", HOOK), pages=3),
    )
    assert await client.find_number("+1 256 537 8257") == WavixNumber(3, "+12565378257", HOOK)
    assert [asked.query["page"] for asked in api.asked] == ["1", "2", "3"]


async def test_a_number_that_is_not_on_the_account_is_not_found(api, client):
    api.will(page((1, "112565378257", None), pages=2))
    with pytest.raises(WavixNotFound, match=r"\.\.\.8257 is not among the numbers") as error:
        await client.find_number("+12565378257")
    assert "256537" not in str(error.value)
    assert len(api.asked) == 2


async def test_pages_without_end_are_not_followed_without_end(api, client, monkeypatch):
    monkeypatch.setattr("pipecat_wavix.client.client.MAX_PAGES", 3)
    api.will(page(pages=10**9))
    with pytest.raises(WavixNotFound):
        await client.find_number("+12565378257")
    assert len(api.asked) == 3


def test_a_number_does_not_show_itself():
    assert repr(WavixNumber(3, "+12565378257", HOOK)) == "WavixNumber(id=3)"


# Arguments


@pytest.mark.parametrize(
    ("ask", "name"),
    [
        (lambda c: c.dial(from_number="Bob", to_number="+1987654321", callback_url=HOOK), "from_n"),
        (lambda c: c.dial(from_number="+1234567890", to_number="123", callback_url=HOOK), "to_num"),
        (
            lambda c: c.dial(from_number="+1234567890", to_number="+1987654321", callback_url="/x"),
            "callback_url",
        ),
        (
            lambda c: c.dial(
                from_number="+1234567890",
                to_number="+1987654321",
                callback_url=HOOK,
                ring_timeout_secs=0,
            ),
            "ring_timeout_secs",
        ),
        (lambda c: c.answer(ID, stream_url="https://examples.com/stream"), "stream_url"),
        (lambda c: c.answer(ID, stream_url=WSS, stream_type="duplex"), "stream_type"),
        (lambda c: c.start_stream(ID, stream_url=WSS, stream_channel="left"), "stream_channel"),
        (lambda c: c.stop_stream(ID, "a/b"), "stream_id"),
        (lambda c: c.play(ID, "audio.wav"), "audio_url"),
        (lambda c: c.collect_dtmf(ID, max_digits=21, timeout_secs=10), "max_digits"),
        (lambda c: c.collect_dtmf(ID, max_digits=1, timeout_secs=61), "timeout_secs"),
        (
            lambda c: c.collect_dtmf(ID, max_digits=1, timeout_secs=1, max_attempts=0),
            "max_attempts",
        ),
        (
            lambda c: c.collect_dtmf(ID, max_digits=1, timeout_secs=1, termination_character="##"),
            "termination_character",
        ),
        (lambda c: c.create_webhook("all", HOOK), "event"),
        (lambda c: c.create_webhook("on-call", "nowhere"), "url"),
        (lambda c: c.delete_webhook("all"), "event"),
        (lambda c: c.find_number("my number"), "number"),
        (lambda c: c.set_number_webhook(True, HOOK), "number_id"),
        (lambda c: c.set_number_webhook(1, "nowhere"), "url"),
    ],
)
async def test_an_argument_that_cannot_be_right_is_refused_before_anything_is_sent(
    api, client, ask, name
):
    with pytest.raises(ValueError, match=name):
        await ask(client)
    assert not api.asked


@pytest.mark.parametrize("bad", ["", "a/b", "..", "a?b", "a#b", "a b", "ä", "a\n", "x" * 129])
@pytest.mark.parametrize(
    "ask",
    [
        lambda c, id: c.get_call(id),
        lambda c, id: c.tag_call(id, "a"),
        lambda c, id: c.hang_up(id),
        lambda c, id: c.answer(id),
        lambda c, id: c.start_stream(id, stream_url=WSS),
        lambda c, id: c.stop_stream(id, STREAM_ID),
        lambda c, id: c.play(id, HOOK),
        lambda c, id: c.stop_audio(id),
        lambda c, id: c.collect_dtmf(id, max_digits=1, timeout_secs=1),
    ],
)
async def test_an_id_that_would_change_the_url_is_refused(api, client, ask, bad):
    with pytest.raises(ValueError, match="call_id must be"):
        await ask(client, bad)
    assert not api.asked


def test_an_empty_key_is_refused_at_once():
    with pytest.raises(ValueError, match="api_key is empty"):
        WavixClient("")


def test_a_place_that_would_see_the_key_is_refused_at_once():
    with pytest.raises(ValueError, match="unencrypted"):
        WavixClient("key", base_url="http://api.wavix.com")


def test_a_time_limit_that_is_none_is_refused_at_once():
    with pytest.raises(ValueError, match="timeout_secs is 0"):
        WavixClient("key", timeout_secs=0)


def test_a_client_shows_where_it_goes_and_no_more():
    client = WavixClient("CANARY", base_url="https://wavix.example.com/secret/")
    assert repr(client) == "WavixClient(https://wavix.example.com)"


# Hanging up


@pytest.mark.parametrize("status", [200, 204, 404])
async def test_a_call_that_ended_or_was_gone_is_hung_up(api, status):
    api.will(status)
    await WavixClient("key", base_url=api.url).hang_up(ID)
    assert [asked.headers["Authorization"] for asked in api.asked] == ["Bearer key"]


@pytest.mark.parametrize(
    "name", ["a hang-up", "a stream's stop", "a file's stop", "a webhook's end"]
)
async def test_what_is_gone_already_is_done(api, client, name):
    api.will(404)
    await REQUESTS[name][0](client)
    assert len(api.asked) == 1


@pytest.mark.parametrize("status", [301, 400, 401, 403])
async def test_a_refusal_carries_its_status_and_is_final(api, client, status):
    api.will(status)
    with pytest.raises(WavixAPIError) as error:
        await client.hang_up(ID)
    assert error.value.status == status
    assert isinstance(error.value, WavixError)
    assert len(api.asked) == 1


@pytest.mark.parametrize("statuses", [(500, 200), (503, 429, 404)])
async def test_what_may_pass_is_tried_again(api, client, statuses):
    api.will(*statuses)
    await client.hang_up(ID)
    assert len(api.asked) == len(statuses)


async def test_three_tries_are_enough(api, client):
    api.will(503)
    with pytest.raises(WavixAPIError, match="503"):
        await client.hang_up(ID)
    assert len(api.asked) == 3


async def test_no_answer_in_time_is_said_so(api, client, monkeypatch):
    monkeypatch.setattr("pipecat_wavix.client.client.HANG_UP_TIMEOUT_SECS", 0.05)
    api.will(HANG)
    with pytest.raises(WavixUnreachable, match=r"0\.05 s"):
        await client.hang_up(ID)


async def test_a_client_that_is_told_to_hurry_hangs_up_in_a_hurry(api):
    api.will(HANG)
    with pytest.raises(WavixUnreachable, match=r"0\.05 s"):
        await WavixClient("key", base_url=api.url, timeout_secs=0.05).hang_up(ID)


async def test_a_server_that_is_not_there_is_said_so(unused_tcp_port):
    with pytest.raises(WavixUnreachable):
        await WavixClient("key", base_url=f"http://127.0.0.1:{unused_tcp_port}").hang_up("a")


# The documentation


def is_error(each):
    return isinstance(each, type) and issubclass(each, WavixAPIError | WavixUnreachable)


def test_every_method_and_error_is_in_the_documentation():
    text = (Path(pipecat_wavix.__file__).parents[1] / "docs" / "rest.md").read_text()
    methods = [name for name in vars(WavixClient) if not name.startswith("_")]
    errors = [name for name, each in vars(pipecat_wavix.errors).items() if is_error(each)]
    assert len(methods) > 15
    assert len(errors) > 8
    assert [name for name in (*methods, *errors) if not re.search(rf"\b{name}\b", text)] == []
