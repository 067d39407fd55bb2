"""`WavixClient`: the requests of Wavix's REST API that calls need, as methods.

It knows routes, bodies and answers. How a request is sent, and when again, is `http`'s.

Source: Wavix's OpenAPI specification (2026-06-30). A body holds only what was set.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType, TracebackType
from typing import Any, Final, Self, TypeVar, get_args
from uuid import uuid4

from yarl import URL

from pipecat_wavix.client.answers import readable
from pipecat_wavix.client.checks import (
    check_base_url,
    check_id,
    check_key,
    check_number,
    check_one_of,
    check_secs,
    check_url,
    check_whole,
)
from pipecat_wavix.client.dialling import place_call
from pipecat_wavix.client.http import Asked, Http, Request
from pipecat_wavix.client.reading import (
    read_calls,
    read_numbers,
    read_one_call,
    read_stream_id,
    read_webhooks,
)
from pipecat_wavix.client.types import (
    CallEvent,
    CallWebhook,
    Prompt,
    StreamChannel,
    StreamType,
    WavixNumber,
)
from pipecat_wavix.errors import WavixAPIError, WavixNotFound, WavixOutcomeUnknown
from pipecat_wavix.webhooks import WavixCall, last_digits

BASE_URL: Final = "https://api.wavix.com"
"""Where Wavix's REST API lives."""

HANG_UP_TIMEOUT_SECS: Final = 5.0
"""How long a hang-up may take, all tries together. A call that ends must not wait for a slow API."""

MAX_PAGES: Final = 100
"""How many pages of numbers are searched."""

CALLS: Final = "/v1/calls"
CALL: Final = "/v1/calls/{id}"
WEBHOOKS: Final = "/v1/calls/webhooks"
NUMBERS: Final = "/v1/numbers"

_HTTP: Final = ("https", "http")
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})

T = TypeVar("T")


class WavixClient:
    """A client of Wavix's REST API, for calls.

    As an async context manager it keeps its connections between requests; without, each request
    makes its own and leaves nothing to close.

    Every method raises `ValueError` for arguments that cannot be right, before anything is sent;
    `WavixAPIError` or a subclass if Wavix refused; `WavixNotSent` if no connection could be made;
    and `WavixOutcomeUnknown` if no answer came to what may have been sent. What is safe to repeat
    (GET, DELETE, PATCH) is tried up to three times within the time limit; a POST only when it was
    provably not sent.

    Example::

        async with WavixClient(os.environ["WAVIX_API_KEY"]) as wavix:
            call = await wavix.dial(
                from_number="+12025550100",
                to_number="+12025550123",
                callback_url="https://bot.example.com/wavix/7f3a",
            )

    Args:
        api_key: The Bearer key of the account; it is never logged.
        base_url: Where the API lives: https, or http to this machine.
        timeout_secs: How long a request may take, all tries together.
    """

    def __init__(self, api_key: str, *, base_url: str = BASE_URL, timeout_secs: float = 10.0):
        self._api_key = check_key(api_key)
        self._base_url = check_base_url(base_url)
        self._timeout_secs = check_secs(timeout_secs, name="timeout_secs")
        self._http = Http(api_key, base_url=self._base_url, timeout_secs=timeout_secs)

    def __repr__(self) -> str:
        return f"WavixClient({URL(self._base_url).origin()})"

    @property
    def requests(self) -> Counter[Asked]:
        """How many requests went out, by method, route template, and status or "no answer"."""
        return self._http.requests

    async def __aenter__(self) -> Self:
        self._http.open()
        return self

    async def __aexit__(
        self,
        _class: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        await self._http.leave()

    async def close(self) -> None:
        """Close what is kept open. Calling it again changes nothing."""
        await self._http.close()

    # Calls

    async def dial(
        self,
        *,
        from_number: str,
        to_number: str,
        callback_url: str,
        tag: str | None = None,
        recording: bool = False,
        voicemail_detection: bool = False,
        ring_timeout_secs: int | None = None,
    ) -> WavixCall:
        """Place a call: POST /v1/calls. It is never placed twice.

        When it is not known whether Wavix placed it, the active calls are searched for its tag for
        some seconds. That finds a call that is still up, and only if the tag is the call's own.

        Args:
            from_number: A number of the account, in E.164.
            to_number: Whom to call, in E.164.
            callback_url: Where Wavix tells of the call.
            tag: What to attach to the call, different for every call; None: a random one.
            recording: Whether Wavix records the call.
            voicemail_detection: Whether Wavix is to detect machines; it hangs up on them.
            ring_timeout_secs: How long to let it ring; None: as long as Wavix does.

        Returns:
            The call, which is not answered yet.

        Raises:
            WavixOutcomeUnknown: If the call may have been placed and was not found; look for its
                `tag` before dialling again. A failure of Wavix (5xx) counts as this as well.
        """
        body = {
            "from": check_number(from_number, name="from_number"),
            "to": check_number(to_number, name="to_number"),
            "callback_url": check_url(callback_url, name="callback_url", schemes=_HTTP),
            "tag": tag or f"dial-{uuid4()}",
            **_set(recording=recording, voicemail_detection=voicemail_detection),
        }
        if ring_timeout_secs is not None:
            body["timeout"] = check_whole(ring_timeout_secs, name="ring_timeout_secs", least=1)
        shown_tag = readable(tag, key=self._api_key) if tag else body["tag"]
        return await place_call(self._http, body, list_calls=self.list_calls, shown_tag=shown_tag)

    async def list_calls(self) -> list[WavixCall]:
        """The active calls of the account: GET /v1/calls."""
        return await self._get(CALLS, read_calls)

    async def get_call(self, call_id: str) -> WavixCall:
        """A call, as it is now: GET /v1/calls/{id}.

        Raises:
            WavixNotFound: If there is no such call, or none any more.
        """
        return await self._get(CALL, read_one_call, ids=_call(call_id))

    async def tag_call(self, call_id: str, tag: str) -> None:
        """Attach a tag to an active call, in place of the one it has: PATCH /v1/calls/{id}.

        Args:
            call_id: The call's id.
            tag: What to attach.
        """
        await self._http.send(
            Request(method="PATCH", route=CALL, ids=_call(call_id), body={"tag": tag})
        )

    async def hang_up(self, call_id: str) -> None:
        """End a call: DELETE /v1/calls/{id}. A call that is gone already (404) counts as done.

        Args:
            call_id: The call's id.

        Raises:
            WavixUnreachable: If Wavix did not answer within `HANG_UP_TIMEOUT_SECS` in all, or the
                client's own limit if that is less.
        """
        limit_secs = min(HANG_UP_TIMEOUT_SECS, self._timeout_secs)
        await self._delete(CALL, _call(call_id), limit_secs=limit_secs)

    async def answer(
        self,
        call_id: str,
        *,
        stream_url: str | None = None,
        stream_type: StreamType = "twoway",
        stream_channel: StreamChannel = "inbound",
        recording: bool = False,
        transcription: bool = False,
    ) -> None:
        """Answer an inbound call, and start its stream: POST /v1/calls/{id}/answer.

        Args:
            call_id: The call's id.
            stream_url: The WebSocket that Wavix is to open (wss); None: no stream yet.
            stream_type: `twoway`, or `oneway` to listen only.
            stream_channel: What a oneway stream carries; a twoway one carries `inbound`.
            recording: Whether Wavix records the call.
            transcription: Whether Wavix transcribes the call when it is over.
        """
        body = _set(call_recording=recording, call_transcription=transcription)
        if stream_url is not None:
            body |= _stream(stream_url, stream_type, stream_channel)
        await self._post(f"{CALL}/answer", call_id, body)

    # Streams and audio

    async def start_stream(
        self,
        call_id: str,
        *,
        stream_url: str,
        stream_type: StreamType = "twoway",
        stream_channel: StreamChannel = "inbound",
    ) -> str:
        """Start a stream on an answered call: POST /v1/calls/{id}/streams.

        A call has at most one twoway stream and five oneway ones.

        Args:
            call_id: The call's id.
            stream_url: The WebSocket that Wavix is to open (wss).
            stream_type: `twoway`, or `oneway` to listen only.
            stream_channel: What a oneway stream carries; a twoway one carries `inbound`.

        Returns:
            The stream's id. The stream's `start` event may come before it.

        Raises:
            WavixOutcomeUnknown: Also if Wavix said yes and gave no id that can be read.
        """
        request = Request(
            method="POST",
            route=f"{CALL}/streams",
            ids=_call(call_id),
            body=_stream(stream_url, stream_type, stream_channel),
            answered=True,
        )
        answer = await self._http.send(request)
        try:
            return read_stream_id(answer)
        except ValueError:
            raise WavixOutcomeUnknown(
                f"Wavix said yes to {request}, and gave no stream_id that could be read. "
                "The stream's `start` event has it."
            ) from None

    async def stop_stream(self, call_id: str, stream_id: str) -> None:
        """Stop a stream: DELETE /v1/calls/{id}/streams/{stream_id}. 404 counts as done.

        Args:
            call_id: The call's id.
            stream_id: The stream's id.
        """
        ids = {**_call(call_id), "stream_id": check_id(stream_id, name="stream_id")}
        await self._delete(f"{CALL}/streams/{{stream_id}}", ids)

    async def play(self, call_id: str, audio_url: str) -> None:
        """Play an audio file to the caller: POST /v1/calls/{id}/play.

        Args:
            call_id: The call's id.
            audio_url: Where Wavix fetches the file.
        """
        url = check_url(audio_url, name="audio_url", schemes=_HTTP)
        await self._post(f"{CALL}/play", call_id, {"audio_file": url})

    async def stop_audio(self, call_id: str) -> None:
        """Stop what `play` plays: DELETE /v1/calls/{id}/audio. 404 counts as done."""
        await self._delete(f"{CALL}/audio", _call(call_id))

    async def collect_dtmf(
        self,
        call_id: str,
        *,
        max_digits: int,
        timeout_secs: int,
        termination_character: str = "#",
        max_attempts: int = 1,
        prompt: Prompt | None = None,
    ) -> None:
        """Collect keys that the caller presses: POST /v1/calls/{id}/collect.

        The digits come by webhook, and are in `get_call`'s event as well.

        Args:
            call_id: The call's id.
            max_digits: How many keys, 1 to 20.
            timeout_secs: How long to wait for them, 1 to 60 whole seconds.
            termination_character: The key that ends the input.
            max_attempts: How often to ask.
            prompt: What to say or play before.
        """
        keys = "0123456789*#ABCD"
        body: dict[str, Any] = {
            "max_digits": check_whole(max_digits, name="max_digits", least=1, most=20),
            "timeout": check_whole(timeout_secs, name="timeout_secs", least=1, most=60),
            "termination_character": check_one_of(
                termination_character, name="termination_character", of=list(keys)
            ),
            "max_attempts": check_whole(max_attempts, name="max_attempts", least=1),
        }
        if prompt is not None:
            body["prompt"] = prompt.fields()
        await self._post(f"{CALL}/collect", call_id, body)

    # The account's webhooks and numbers

    async def list_webhooks(self) -> list[CallWebhook]:
        """Where Wavix tells of all calls of the account: GET /v1/calls/webhooks."""
        return await self._get(WEBHOOKS, read_webhooks)

    async def create_webhook(self, event: CallEvent, url: str) -> None:
        """Have Wavix tell of all calls of the account: POST /v1/calls/webhooks.

        Args:
            event: `on-call` (while a call lasts) or `post-call` (when it is over).
            url: Where to.
        """
        body = {
            "event_type": check_one_of(event, name="event", of=get_args(CallEvent)),
            "url": check_url(url, name="url", schemes=_HTTP),
        }
        await self._http.send(Request(method="POST", route=WEBHOOKS, body=body))

    async def delete_webhook(self, event: CallEvent) -> None:
        """Stop that: DELETE /v1/calls/webhooks. 404 counts as done."""
        query = {"event_type": check_one_of(event, name="event", of=get_args(CallEvent))}
        await self._delete(WEBHOOKS, _NOTHING, query=query)

    async def find_number(self, number: str) -> WavixNumber:
        """A number of the account: GET /v1/numbers, all pages of it.

        Args:
            number: In E.164.

        Raises:
            WavixNotFound: If the account has no such number.
        """
        wanted = check_number(number, name="number")
        for page in range(1, MAX_PAGES + 1):
            query = {"search": wanted.removeprefix("+"), "page": str(page)}
            numbers, pages = await self._get(NUMBERS, read_numbers, query=query)
            for found in numbers:
                if found.number == wanted:
                    return found
            if page >= pages:
                break
        raise WavixNotFound(
            f"{last_digits(wanted)} is not among the numbers of this account. "
            "Check the number, and whose API key this is.",
            status=404,
        )

    async def set_number_webhook(self, number_id: int, url: str) -> None:
        """Have Wavix tell of a number's calls: PATCH /v1/numbers/{id}.

        Args:
            number_id: As `find_number` gave it.
            url: Where to.
        """
        url = check_url(url, name="url", schemes=_HTTP)
        ids = {"id": check_whole(number_id, name="number_id", least=1)}
        body = {"call_status_url": url}
        await self._http.send(
            Request(method="PATCH", route=f"{NUMBERS}/{{id}}", ids=ids, body=body)
        )

    async def _get(
        self,
        route: str,
        read: Callable[[Any], T],
        *,
        ids: Mapping[str, str] = _NOTHING,
        query: Mapping[str, str] = _NOTHING,
    ) -> T:
        request = Request(method="GET", route=route, ids=ids, query=query, answered=True)
        answer = await self._http.send(request)
        try:
            return read(answer)
        except ValueError as error:
            raise WavixAPIError(
                f"Wavix's answer to {request} cannot be read: {error}", status=200
            ) from None

    async def _post(self, route: str, call_id: str, body: Mapping[str, Any]) -> None:
        await self._http.send(Request(method="POST", route=route, ids=_call(call_id), body=body))

    async def _delete(
        self,
        route: str,
        ids: Mapping[str, str],
        *,
        query: Mapping[str, str] = _NOTHING,
        limit_secs: float | None = None,
    ) -> None:
        request = Request(method="DELETE", route=route, ids=ids, query=query)
        with suppress(WavixNotFound):  # what is gone is done
            await self._http.send(request, limit_secs=limit_secs)


def _call(call_id: str) -> dict[str, str]:
    return {"id": check_id(call_id, name="call_id")}


def _set(**flags: bool) -> dict[str, Any]:
    return {name: True for name, flag in flags.items() if flag}


def _stream(url: str, stream_type: str, channel: str) -> dict[str, Any]:
    return {
        "stream_url": check_url(url, name="stream_url", schemes=("wss", "ws")),
        "stream_type": check_one_of(stream_type, name="stream_type", of=get_args(StreamType)),
        "stream_channel": check_one_of(channel, name="stream_channel", of=get_args(StreamChannel)),
    }
