"""A call is placed once, or it is said that nobody knows.

It knows that a POST whose answer was lost may have rung somebody's telephone. So it is never sent
again: the call is looked for among the active ones, by the tag that it was given.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from loguru import logger

from pipecat_wavix.client.http import Http, Request
from pipecat_wavix.errors import WavixError, WavixOutcomeUnknown, WavixServerError
from pipecat_wavix.webhooks import WavixCall, last_digits, read_call

LOOK_AFTER_SECS: Final = (0.25, 0.75, 2.0)
"""How long to wait before each look for a call that may have been placed."""

LOOK_TIMEOUT_SECS: Final = 6.0
"""How long looking may take in all."""


async def place_call(
    http: Http,
    body: Mapping[str, Any],
    *,
    list_calls: Callable[[], Awaitable[list[WavixCall]]],
    shown_tag: str,
) -> WavixCall:
    """Place a call.

    Args:
        http: What sends the request.
        body: Of POST /v1/calls, checked, with a tag.
        list_calls: What answers the active calls.
        shown_tag: What of the tag may be shown.

    Raises:
        WavixAPIError: If Wavix refused.
        WavixNotSent: If no connection could be made.
        WavixOutcomeUnknown: If the call may have been placed, and was not found.
    """
    request = Request(method="POST", route="/v1/calls", body=body, answered=True)
    try:
        answer = await http.send(request)
    except (WavixOutcomeUnknown, WavixServerError) as error:
        failure = str(error)
    else:
        try:
            return read_call(answer)
        except ValueError as error:
            failure = f"Wavix's answer to {request} cannot be read: {error}"
    tag, to_number = body["tag"], body["to"]
    logger.warning(f"Wavix: {failure}. Looking for the call by its tag")
    if call := await _find(list_calls, tag, to_number):
        return call
    raise WavixOutcomeUnknown(
        f"{failure}. Whether {last_digits(to_number)} is being called is not known: not exactly "
        f"one active call with the tag {shown_tag!r} was found. Look for it in list_calls() or in "
        "the account's call records before you dial again.",
        tag=tag,
    )


async def _find(
    list_calls: Callable[[], Awaitable[list[WavixCall]]], tag: str, to_number: str
) -> WavixCall | None:
    with suppress(TimeoutError):
        async with asyncio.timeout(LOOK_TIMEOUT_SECS):
            for secs in LOOK_AFTER_SECS:
                await asyncio.sleep(secs)
                with suppress(WavixError):
                    found = [
                        call
                        for call in await list_calls()
                        if (call.tag, call.to_number) == (tag, to_number)
                        and call.direction != "inbound"
                    ]
                    if found:
                        return found[0] if len(found) == 1 else None
    return None
