import pytest
from rest_requests import CALL, HOOK
from rest_server import CUT, DROP, HANG, Answer, rest_server
from tenacity import wait_none

from pipecat_wavix import WavixClient
from pipecat_wavix.errors import (
    WavixBadRequest,
    WavixNotSent,
    WavixOutcomeUnknown,
    WavixRateLimited,
)

LOST = [DROP, CUT, 500, 502, Answer(body=b"<html>"), Answer({"success": True}), Answer([])]
TAG = "order 4711"


@pytest.fixture(autouse=True)
def no_waits(monkeypatch):
    monkeypatch.setattr("pipecat_wavix.client.http.RETRY_WAIT", wait_none())
    monkeypatch.setattr("pipecat_wavix.client.dialling.LOOK_AFTER_SECS", (0, 0, 0))


@pytest.fixture
async def api():
    async with rest_server() as server:
        yield server


def listing(*calls):
    return {"calls": [{**CALL, "to": "19876543210", "tag": TAG, **call} for call in calls]}


async def dial(api, *, tag=TAG, secs=30.0):
    return await WavixClient("key", base_url=api.url, timeout_secs=secs).dial(
        from_number="+12345678900", to_number="+19876543210", callback_url=HOOK, tag=tag
    )


def asked(api):
    return [(asked.method, asked.path) for asked in api.asked]


POST, GET = ("POST", "/v1/calls"), ("GET", "/v1/calls")


async def test_a_call_is_placed_and_given_back(api):
    api.will(CALL)
    assert (await dial(api)).id == CALL["id"]
    assert asked(api) == [POST]


async def test_a_call_without_a_tag_gets_one_of_its_own(api):
    api.will(CALL)
    await dial(api, tag=None)
    await dial(api, tag=None)
    first, second = (asked.body["tag"] for asked in api.asked)
    assert first != second
    assert len(first) > 30


@pytest.mark.parametrize("lost", LOST, ids=str)
async def test_a_call_whose_answer_was_lost_is_found_by_its_tag(api, lost):
    other = {"id": "other", "tag": "another order"}
    api.will(lost, listing(other), listing(other, {"id": "found"}))
    assert (await dial(api)).id == "found"
    assert asked(api) == [POST, GET, GET]


async def test_a_call_whose_answer_was_too_late_is_found_by_its_tag(api):
    api.will(HANG, listing({"id": "found"}))
    assert (await dial(api, secs=1.5)).id == "found"
    assert asked(api) == [POST, GET]


@pytest.mark.parametrize(
    "calls",
    [
        [],
        [{"id": "1", "to": "19876543211"}],
        [{"id": "1", "tag": "order 47"}],
        [{"id": "1", "direction": "inbound"}],
        [{"id": "1"}, {"id": "2"}],
    ],
    ids=["none", "another number", "another tag", "inbound", "two"],
)
@pytest.mark.parametrize("lost", LOST, ids=str)
async def test_a_call_that_is_not_found_is_not_dialled_again(api, lost, calls):
    api.will(lost, listing(*calls))
    with pytest.raises(WavixOutcomeUnknown, match=r"tag 'order 4711'.*before you dial") as error:
        await dial(api)
    assert error.value.tag == TAG
    assert "...3210 is being called is not known" in str(error.value)
    assert "9876543" not in str(error.value)
    assert asked(api).count(POST) == 1


async def test_looking_goes_on_when_it_fails(api):
    api.will(DROP, 401, Answer(body=b"?"), listing({"id": "found"}))
    assert (await dial(api)).id == "found"


async def test_looking_comes_to_an_end(api, monkeypatch):
    monkeypatch.setattr("pipecat_wavix.client.dialling.LOOK_TIMEOUT_SECS", 0.2)
    api.will(DROP, HANG)
    with pytest.raises(WavixOutcomeUnknown):
        await dial(api)
    assert asked(api) == [POST, GET]


async def test_a_tag_is_shown_as_any_text(api):
    api.will(DROP, listing())
    with pytest.raises(WavixOutcomeUnknown, match=r"'for \.\.\.3210'") as error:
        await dial(api, tag="for +19876543210")
    assert error.value.tag == "for +19876543210"


@pytest.mark.parametrize(("status", "error"), [(400, WavixBadRequest), (429, WavixRateLimited)])
async def test_a_refusal_is_final(api, status, error):
    api.will(status)
    with pytest.raises(error):
        await dial(api)
    assert asked(api) == [POST]


async def test_a_call_that_was_provably_not_placed_is_said_so(unused_tcp_port, api):
    client = WavixClient("key", base_url=f"http://127.0.0.1:{unused_tcp_port}")
    with pytest.raises(WavixNotSent):
        await client.dial(from_number="+12345678900", to_number="+19876543210", callback_url=HOOK)
    assert client.requests == {("POST", "/v1/calls", "no answer"): 3}


async def test_what_is_logged_shows_no_number_no_url_and_no_key(api, logs):
    api.will(Answer({"message": "to +19876543210 via key"}, 500), listing())
    with pytest.raises(WavixOutcomeUnknown):
        await dial(api)
    text = "".join(logs)
    assert "Looking for the call" in text
    assert not [secret for secret in ("9876543", "2345678", "webhook", "via key") if secret in text]
