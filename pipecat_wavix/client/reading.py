"""What stands in the answers of the REST API, read tolerantly.

It knows the shapes. A list's entry that is no such thing is left out; an answer that is no such
thing at all is a `ValueError`, with nothing of the answer in its text. Pure.

Source: Wavix's OpenAPI specification (2026-06-30).
"""

from contextlib import suppress
from typing import Any

from pipecat_wavix.client.checks import check_id
from pipecat_wavix.client.types import CallWebhook, WavixNumber
from pipecat_wavix.webhooks import WavixCall, e164, read_call


def read_calls(answer: Any) -> list[WavixCall]:
    """The calls of GET /v1/calls: {calls, success}.

    Raises:
        ValueError: If it is something else.
    """
    calls = []
    for fields in _list(answer, "calls"):
        with suppress(ValueError):
            calls.append(read_call(fields))
    return calls


def read_one_call(answer: Any) -> WavixCall:
    """The call of GET /v1/calls/{id}: {call, success}.

    Raises:
        ValueError: If it is something else.
    """
    return read_call(answer.get("call") if isinstance(answer, dict) else None)


def read_stream_id(answer: Any) -> str:
    """The id of POST /v1/calls/{id}/streams: {success, stream_id}.

    Raises:
        ValueError: If it is something else.
    """
    stream_id = answer.get("stream_id") if isinstance(answer, dict) else None
    return check_id(stream_id if isinstance(stream_id, str) else "", name="stream_id")


def read_webhooks(answer: Any) -> list[CallWebhook]:
    """The webhooks of GET /v1/calls/webhooks: a bare list.

    Raises:
        ValueError: If it is something else.
    """
    if not isinstance(answer, list):
        raise ValueError("no list")
    return [
        CallWebhook(fields["event_type"], fields["url"])
        for fields in answer
        if isinstance(fields, dict)
        and isinstance(fields.get("event_type"), str)
        and isinstance(fields.get("url"), str)
    ]


def read_numbers(answer: Any) -> tuple[list[WavixNumber], int]:
    """The numbers of a page of GET /v1/numbers, and how many pages there are.

    Raises:
        ValueError: If it is something else.
    """
    numbers = [number for fields in _list(answer, "items") if (number := _number(fields))]
    pagination = answer.get("pagination")
    pages = pagination.get("total_pages") if isinstance(pagination, dict) else None
    return numbers, pages if isinstance(pages, int) else 1


def _number(fields: Any) -> WavixNumber | None:
    if not isinstance(fields, dict) or not isinstance(fields.get("id"), int):
        return None
    number, url = e164(str(fields.get("number"))), fields.get("call_status_url")
    if number is None:
        return None
    return WavixNumber(fields["id"], number, url if isinstance(url, str) else None)


def _list(answer: Any, name: str) -> list[Any]:
    values = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(values, list):
        raise ValueError(f"no list of {name}")
    return values
