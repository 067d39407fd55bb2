import pytest
from hypothesis import given, settings, strategies as st

from pipecat_wavix.client.reading import (
    read_calls,
    read_numbers,
    read_one_call,
    read_stream_id,
    read_webhooks,
)
from pipecat_wavix.client.types import CallWebhook, WavixNumber

READERS = [read_calls, read_one_call, read_stream_id, read_webhooks, read_numbers]
HOOK = "https://your-site.com/webhook"


def test_of_a_list_what_is_no_call_is_left_out():
    calls = read_calls({"calls": [None, {}, {"id": "a/b"}, {"uuid": "a"}, {"id": "b"}]})
    assert [call.id for call in calls] == ["a", "b"]


def test_a_call_lies_in_its_envelope():
    assert read_one_call({"call": {"id": "a"}, "success": True}).id == "a"


@pytest.mark.parametrize("answer", [None, [], {}, {"call": None}, {"call": {}}, {"id": "a"}])
def test_an_envelope_without_a_call_is_an_error(answer):
    with pytest.raises(ValueError, match=r"a call is a JSON object|the id must be"):
        read_one_call(answer)


def test_a_stream_has_its_id():
    assert read_stream_id({"stream_id": "a-1"}) == "a-1"


@pytest.mark.parametrize("answer", [None, [], {}, {"stream_id": 1}, {"stream_id": "a/b"}])
def test_a_stream_without_an_id_is_an_error(answer):
    with pytest.raises(ValueError, match="stream_id"):
        read_stream_id(answer)


def test_of_a_list_what_is_no_webhook_is_left_out():
    webhook = {"event_type": "on-call", "url": HOOK}
    answer = [webhook, None, {**webhook, "url": None}, {**webhook, "event_type": 1}, {}]
    assert read_webhooks(answer) == [CallWebhook("on-call", HOOK)]


def test_of_a_page_what_is_no_number_is_left_out():
    number = {"id": 1, "number": "12565378257", "call_status_url": HOOK}
    items = [number, None, {**number, "id": "1"}, {**number, "number": None}]
    items.append({"id": 2, "number": "+12565378258", "call_status_url": None})
    page = {"items": items, "pagination": {"current_page": 1, "total_pages": 5}}
    first, second = WavixNumber(1, "+12565378257", HOOK), WavixNumber(2, "+12565378258")
    assert read_numbers(page) == ([first, second], 5)


@pytest.mark.parametrize("pagination", [None, [], {}, {"total_pages": "5"}])
def test_a_page_that_knows_no_others_is_the_last(pagination):
    assert read_numbers({"items": [], "pagination": pagination}) == ([], 1)
    assert read_numbers({"items": []}) == ([], 1)


@pytest.mark.parametrize("read", [read_calls, read_webhooks, read_numbers])
@pytest.mark.parametrize("answer", [None, 1, "calls", {}, {"calls": 1, "items": {}}])
def test_what_is_no_list_is_an_error(read, answer):
    with pytest.raises(ValueError, match="no list"):
        read(answer)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["id", "calls", "call", "items", "number", "url"]), inner)
    ),
)


@pytest.mark.parametrize("read", READERS)
@settings(deadline=None)  # it would measure the machine
@given(answer=JSON)
def test_any_json_is_read_or_a_value_error(read, answer):
    try:
        read(answer)
    except ValueError as error:
        assert len(str(error)) < 200  # noqa: PT017 - both ends are right
