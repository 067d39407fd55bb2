"""The REST API, asked by Wavix's own SDK and by hand; answers are held against Wavix's schemas."""

import asyncio
import io
import json
from contextlib import asynccontextmanager

import aiohttp
import httpx
import pytest
import wavix_schemas as wavix_shapes
from emulated import CALLEE, NUMBER, TONE, emulating, until
from hypothesis import HealthCheck, given, settings as hypothesis_settings, strategies as st
from wavix import AsyncWavix
from wavix.call_control import CallDtmfCollectRequestPrompt, CallDtmfCollectRequestPromptSay
from wavix.core.api_error import ApiError
from wavix.errors import (
    BadRequestError,
    NotFoundError,
    UnauthorizedError,
    UnprocessableEntityError,
)
from wavix.types import NumberDestination
from wavix_schemas import check

from pipecat_wavix.emulator import Callee, RestFault
from pipecat_wavix.emulator.callers import HangUp, Pause, Press, ScriptedCaller

UNKNOWN = "5dccb6b0-f35c-488c-867b-86fb012c4415"


@asynccontextmanager
async def sdk(emulator, token="emulator", timeout=20):
    async with httpx.AsyncClient(timeout=timeout) as http:
        options = {"httpx_client": http, "max_retries": 0, "timeout": timeout}
        yield AsyncWavix(token=token, base_url=emulator.base_url, **options)


@asynccontextmanager
async def asking(**changes):
    async with emulating(**changes) as (emulator, account), sdk(emulator) as wavix:
        yield emulator, account, wavix


@asynccontextmanager
async def by_hand(emulator, key="emulator"):
    """Answers `ask(method, path, body)`: the status and the JSON."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with aiohttp.ClientSession(headers=headers) as http:

        async def ask(method, path, body=None, data=None, **options):
            url = emulator.base_url + path
            async with http.request(method, url, json=body, data=data, **options) as response:
                return response.status, await response.json()

        yield ask


async def dialled(emulator, *script):
    return await emulator.dial(NUMBER, ScriptedCaller([*script]))


# Calls


async def test_a_call_is_answered_and_streamed_by_one_request():
    async with asking() as (emulator, account, wavix):
        call = await dialled(emulator, Pause(0.2), HangUp())
        done = await wavix.call_control.answer(
            call.id,
            stream_url=account.stream_url,
            stream_type="twoway",
            stream_channel="inbound",
            call_recording=True,
            call_transcription=False,
        )
        assert done.success
        await call.finished()
        assert account.streams[0].start["stream_type"] == "twoway"
        assert account.streams[0].websocket.request.path == "/TOKEN?key=TOKEN"


async def test_a_call_is_answered_without_a_stream():
    async with asking() as (emulator, account, wavix):
        call = await dialled(emulator, Pause(0.05), HangUp())
        assert (await wavix.call_control.answer(call.id)).success
        await call.finished()
        assert not account.streams


async def test_a_second_answer_is_refused():
    async with asking() as (emulator, _, wavix):
        call = await dialled(emulator)
        await wavix.call_control.answer(call.id)
        with pytest.raises(BadRequestError) as refused:
            await wavix.call_control.answer(call.id)
        assert check(refused.value.body, wavix_shapes.ERROR)["message"].endswith("already answered")


async def test_a_call_is_placed_and_its_events_come_to_its_own_url():
    async with asking() as (emulator, account, wavix):
        emulator.callees[CALLEE] = Callee(after_secs=0.05, script=[HangUp()])
        call = await wavix.call_control.create(
            from_=NUMBER,
            to=CALLEE,
            callback_url=f"{account.url}/callback",
            tag="mine",
            recording=False,
            voicemail_detection=True,
            timeout=10,
        )
        assert (call.direction, call.event_type, call.tag) == ("outbound", "call_setup", "mine")
        await emulator.calls[call.id].finished()
        assert account.events("callback") == ["call_setup", "ringing", "answered", "completed"]


async def test_calls_in_progress_are_listed_and_found_and_others_found_for_a_while():
    async with asking() as (emulator, _, wavix):
        call = await dialled(emulator)
        (listed,) = (await wavix.call_control.list()).calls
        found = (await wavix.call_control.get(call.id)).call
        assert listed.id == found.id == found.uuid_ == call.id
        call.hang_up()
        await call.finished()
        assert (await wavix.call_control.list()).calls == []
        assert (await wavix.call_control.get(call.id)).call.event_type == "cancelled"


async def test_a_call_that_is_over_is_not_found_if_so_set():
    async with asking(completed_found_secs=0) as (emulator, _, wavix):
        call = await dialled(emulator)
        call.hang_up()
        with pytest.raises(NotFoundError):
            await wavix.call_control.get(call.id)


async def test_a_tag_is_set():
    async with asking() as (emulator, _, wavix):
        call = await dialled(emulator)
        assert (await wavix.call_control.update(call.id, tag="late")).success
        assert (await wavix.call_control.get(call.id)).call.tag == "late"


@pytest.mark.parametrize(("answered", "end"), [(False, "completed"), (True, "completed")])
async def test_a_call_is_hung_up_and_then_gone(answered, end):
    async with asking() as (emulator, account, wavix):
        call = await dialled(emulator)
        if answered:
            await wavix.call_control.answer(call.id)
        assert (await wavix.call_control.delete(call.id)).success
        await call.finished()
        assert account.events()[-1] == end
        with pytest.raises(NotFoundError):
            await wavix.call_control.delete(call.id)


# What happens on a call


async def test_streams_are_started_and_stopped():
    async with asking() as (emulator, account, wavix):
        call = await dialled(emulator)
        streams = wavix.call_control.streams
        ask = {"stream_url": account.stream_url, "stream_type": "oneway", "stream_channel": "both"}
        with pytest.raises(BadRequestError):
            await streams.create(call.id, **ask)
        await wavix.call_control.answer(call.id)
        stream_id = (await streams.create(call.id, **ask)).stream_id
        await until(lambda: account.streams and len(account.streams[0].events("media")) > 2)
        assert account.streams[0].start["stream_id"] == stream_id
        assert (await streams.delete(call.id, stream_id)).success
        await until(lambda: account.streams[0].is_over)
        with pytest.raises(NotFoundError):
            await streams.delete(call.id, stream_id)
        for _ in range(5):
            await streams.create(call.id, **ask)
        with pytest.raises(BadRequestError) as refused:
            await streams.create(call.id, **ask)
        assert refused.value.body["errors"] == {"stream_type": "too many"}


@pytest.mark.parametrize("first", [True, False])
async def test_a_stream_starts_before_or_after_the_reply(first):
    async with asking(stream_before_reply=first) as (emulator, account, _):
        call = await dialled(emulator)
        call.answer()
        body = {"stream_type": "twoway", "stream_channel": "inbound"}
        order = []

        async def start():
            await until(lambda: account.streams and account.streams[0].events("start"))
            order.append("start")

        starting = asyncio.create_task(start())
        async with by_hand(emulator) as ask:
            path = f"/v1/calls/{call.id}/streams"
            await ask("POST", path, {**body, "stream_url": account.stream_url})
            # The reply is read here; what the bot got by now, it got before.
            order.append("start" if account.streams and account.streams[0].got else "reply")
        await starting
        assert order[0] == ("start" if first else "reply")


async def test_a_stream_that_cannot_start_does_not_hold_up_the_reply():
    async with asking(stream_before_reply=True) as (emulator, _, wavix):
        call = await dialled(emulator)
        await wavix.call_control.answer(
            call.id, stream_url="ws://127.0.0.1:9/x", stream_type="twoway", stream_channel="inbound"
        )
        assert call.phase == "answered"


async def test_a_prompt_is_played_and_stopped():
    async with asking() as (emulator, account, wavix):
        call = await dialled(emulator)
        await wavix.call_control.answer(call.id)
        audio = wavix.call_control.audio
        assert (await audio.play(call.id, audio_file=f"{account.url}/files/tone.wav")).success
        await until(lambda: account.events().count("on_call_event") == 2)
        assert (await audio.stop(call.id)).success


@pytest.mark.parametrize(
    ("name", "message"),
    [("absent.wav", "could not be fetched: status 500"), ("text.wav", "is not understood")],
)
async def test_a_prompt_that_cannot_be_had_is_refused(name, message):
    async with asking() as (emulator, account, wavix):
        account.files["text.wav"] = b"not a WAV file"
        call = await dialled(emulator)
        await wavix.call_control.answer(call.id)
        url = f"{account.url}/files/{name}"
        with pytest.raises(BadRequestError) as refused:
            await wavix.call_control.audio.play(call.id, audio_file=url)
        assert message in refused.value.body["errors"]["audio_file"]


async def test_a_prompt_on_another_machine_is_not_fetched():
    async with asking() as (emulator, _, wavix):
        call = await dialled(emulator)
        await wavix.call_control.answer(call.id)
        url = "http://192.0.2.1/prompt.wav"
        with pytest.raises(BadRequestError) as refused:
            await wavix.call_control.audio.play(call.id, audio_file=url)
        assert "on another machine" in refused.value.body["errors"]["audio_file"]


async def test_keys_are_collected():
    async with asking() as (emulator, account, wavix):
        call = await dialled(emulator, Pause(0.3), Press("12#"))
        await wavix.call_control.answer(call.id)
        prompt = CallDtmfCollectRequestPrompt(play=f"{account.url}/files/tone.wav")
        done = await wavix.call_control.collect(
            call.id,
            max_digits=5,
            timeout=10,
            termination_character="#",
            max_attempts=2,
            prompt=prompt,
        )
        assert done.success
        await until(lambda: account.events().count("on_call_event") == 2)
        event = (await wavix.call_control.get(call.id)).call.event_payload
        assert (event.type, event.payload) == ("collect", {"digits": "12", "status": "completed"})


async def test_a_prompt_is_spoken_if_there_is_a_voice(monkeypatch):
    said = []

    def speak(text, voice):
        said.append((text, voice))
        if voice == "de":
            raise ModuleNotFoundError("a voice needs eSpeak NG")
        return TONE

    monkeypatch.setattr("pipecat_wavix.emulator.rest.speak", speak)
    async with asking() as (emulator, _, wavix):
        call = await dialled(emulator)
        await wavix.call_control.answer(call.id)
        say = {"text": "PIN?", "voice": "Joanna"}
        prompt = CallDtmfCollectRequestPrompt(say=CallDtmfCollectRequestPromptSay(**say))
        assert (await wavix.call_control.collect(call.id, prompt=prompt)).success
        german = CallDtmfCollectRequestPromptSay(language="ge", **say)
        prompt = CallDtmfCollectRequestPrompt(say=german)
        with pytest.raises(BadRequestError) as refused:
            await wavix.call_control.collect(call.id, prompt=prompt)
        assert refused.value.body["errors"]["prompt"] == "a voice needs eSpeak NG"
    assert said == [("PIN?", "en-us"), ("PIN?", "de")]


# Webhooks and numbers


async def test_webhooks_are_set_listed_and_deleted():
    async with asking() as (_emulator, _, wavix):
        for event, url in [("on-call", "http://a/1"), ("post-call", "http://a/2")]:
            made = await wavix.call_webhooks.create(event_type=event, url=url)
            assert (made.event_type, made.url) == (event, url)
        await wavix.call_webhooks.create(event_type="on-call", url="http://a/3")
        listed = await wavix.call_webhooks.list()
        assert [(hook.event_type, hook.url) for hook in listed] == [
            ("on-call", "http://a/3"),
            ("post-call", "http://a/2"),
        ]
        assert (await wavix.call_webhooks.delete(event_type="on-call")).success
        with pytest.raises(UnprocessableEntityError):
            await wavix.call_webhooks.delete(event_type="on-call")


async def test_numbers_are_listed_found_and_changed():
    async with asking(numbers=[NUMBER, "+12025550101"]) as (emulator, account, wavix):
        listed = await wavix.numbers.list(search="0101", page=1, per_page=10)
        (number,) = listed.items
        assert (number.id, number.number, listed.pagination.total) == (102, "12025550101", 1)
        destination = NumberDestination(destination="[did]@sip", priority=1, transport=1)
        url = f"{account.url}/second"
        changed = await wavix.numbers.update(102, call_status_url=url, destinations=[destination])
        assert changed.call_status_url == (await wavix.numbers.get(102)).call_status_url == url
        call = await emulator.dial("+12025550101", ScriptedCaller([]))
        call.hang_up()
        await call.finished()
        assert account.events("second")
        assert not account.events("hook")


# Shapes


async def test_all_answers_have_wavix_shapes():
    async with asking() as (emulator, account, _), by_hand(emulator) as ask:
        call = await dialled(emulator)
        one = f"/v1/calls/{call.id}"
        stream = {
            "stream_url": account.stream_url,
            "stream_type": "twoway",
            "stream_channel": "both",
        }
        place = {"from": NUMBER, "to": CALLEE, "callback_url": f"{account.url}/c"}
        hook = {"event_type": "on-call", "url": f"{account.url}/a"}
        shapes = wavix_shapes
        for method, path, body, status, shape in [
            ("GET", "/v1/calls", None, 200, shapes.CALLS),
            ("POST", "/v1/calls", place, 200, shapes.CALL),
            ("GET", one, None, 200, shapes.CALL_ANSWER),
            ("PATCH", one, {"tag": "x"}, 200, shapes.SUCCESS),
            ("POST", f"{one}/streams", stream, 400, shapes.ERROR),
            ("POST", f"{one}/answer", {}, 200, shapes.SUCCESS),
            ("POST", f"{one}/streams", stream, 200, shapes.STREAM),
            (
                "POST",
                f"{one}/play",
                {"audio_file": f"{account.url}/files/tone.wav"},
                200,
                shapes.SUCCESS,
            ),
            ("DELETE", f"{one}/audio", None, 200, shapes.SUCCESS),
            ("POST", f"{one}/collect", {}, 200, shapes.SUCCESS),
            ("POST", "/v1/calls/webhooks", hook, 201, shapes.WEBHOOK),
            ("GET", "/v1/calls/webhooks", None, 200, shapes.WEBHOOKS),
            ("DELETE", "/v1/calls/webhooks?event_type=on-call", None, 200, shapes.SUCCESS),
            ("GET", "/v1/numbers", None, 200, shapes.NUMBERS),
            ("GET", "/v1/numbers/101", None, 200, shapes.NUMBER),
            ("PATCH", "/v1/numbers/101", {"sms_enabled": True}, 200, shapes.NUMBER),
            ("DELETE", one, None, 200, shapes.SUCCESS),
        ]:
            got = await ask(method, path, body)
            assert got[0] == status, (method, path, got)
            check(got[1], shape)


async def test_the_older_path_of_a_call_is_answered_as_well():
    async with asking() as (emulator, account, _), by_hand(emulator) as ask:
        call = await dialled(emulator)
        one = f"/v1/call/{call.id}"
        assert (await ask("POST", f"{one}/answer", {}))[0] == 200
        stream = {
            "stream_url": account.stream_url,
            "stream_type": "twoway",
            "stream_channel": "both",
        }
        status, body = await ask("POST", f"{one}/streams", stream)
        assert status == 200
        assert (await ask("DELETE", f"{one}/streams/{body['stream_id']}"))[0] == 200
        assert (await ask("DELETE", one))[0] == 200


# What is refused


async def test_without_the_right_key_nothing_is_answered():
    async with asking() as (emulator, _, _):
        async with sdk(emulator, token="guess") as guessing:
            with pytest.raises(UnauthorizedError):
                await guessing.call_control.list()
        for key in ("", "guess", "emulator2"):
            async with by_hand(emulator, key) as ask:
                status, body = await ask("GET", "/v1/calls")
                assert status == 401
                check(body, wavix_shapes.UNAUTHORIZED)


async def test_what_is_nobodys_is_not_found():
    async with asking() as (emulator, _, _), by_hand(emulator) as ask:
        play = {"audio_file": "http://127.0.0.1/a.wav"}
        stream = {"stream_url": "ws://a", "stream_type": "oneway", "stream_channel": "both"}
        for method, path, body in [
            ("GET", f"/v1/calls/{UNKNOWN}", None),
            ("PATCH", f"/v1/calls/{UNKNOWN}", {"tag": "x"}),
            ("DELETE", f"/v1/calls/{UNKNOWN}", None),
            ("POST", f"/v1/calls/{UNKNOWN}/answer", {}),
            ("POST", f"/v1/calls/{UNKNOWN}/streams", stream),
            ("DELETE", f"/v1/calls/{UNKNOWN}/streams/{UNKNOWN}", None),
            ("POST", f"/v1/calls/{UNKNOWN}/play", play),
            ("DELETE", f"/v1/calls/{UNKNOWN}/audio", None),
            ("POST", f"/v1/calls/{UNKNOWN}/collect", {}),
            ("GET", "/v1/numbers/7", None),
            ("GET", "/v1/numbers/seven", None),
            ("PATCH", "/v1/numbers/7", {}),
        ]:
            got = await ask(method, path, body)
            assert got == (404, {"success": False, "message": "Record not found"}), (method, path)


@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ({"from": None}, {"from": "must be a number in E.164"}),
        ({"from": "+19995550100"}, {"from": "must be an active or verified phone number"}),
        ({"to": "somebody"}, {"to": "must be a number in E.164"}),
        ({"callback_url": "ftp://a"}, {"callback_url": "must be a URL with http:// or https://"}),
        (
            {"timeout": "60", "recording": 1},
            {"timeout": "must be an integer", "recording": "must be"},
        ),
        ({"colour": "blue"}, {"colour": "unknown field"}),
    ],
)
async def test_a_call_that_cannot_be_placed_is_refused_with_what_is_wrong(changes, errors):
    async with asking() as (emulator, _, _), by_hand(emulator) as ask:
        body = {"from": NUMBER, "to": CALLEE, "callback_url": "http://127.0.0.1:9/", **changes}
        status, answer = await ask("POST", "/v1/calls", body)
        assert status == 400
        check(answer, wavix_shapes.ERROR)
        assert set(answer["errors"]) == set(errors)
        for field, text in errors.items():
            assert answer["errors"][field].startswith(text)
        assert not emulator.calls


async def test_what_is_missing_is_required():
    async with asking() as (emulator, _, _), by_hand(emulator) as ask:
        _, answer = await ask("POST", "/v1/calls", {})
        assert answer["errors"] == dict.fromkeys(["from", "to", "callback_url"], "required")
        _, answer = await ask("POST", f"/v1/calls/{UNKNOWN}/answer", {"stream_type": "twoway"})
        call = await dialled(emulator)
        status, answer = await ask("POST", f"/v1/calls/{call.id}/answer", {"stream_type": "twoway"})
        assert (status, answer["errors"]) == (400, {"stream_url": "required with stream_type"})


@pytest.mark.parametrize(
    "data", [b"{", b"[]", b"null", b'"text"', b"\xff", b'{"a": NaN}', b"[" * 9999]
)
async def test_a_body_that_is_no_object_is_refused_without_fields(data):
    async with asking() as (emulator, _, _), by_hand(emulator) as ask:
        status, answer = await ask("POST", "/v1/calls", data=data)
        assert status == 400
        assert "errors" not in check(answer, wavix_shapes.ERROR)


async def test_a_body_that_is_too_long_is_refused():
    async with asking() as (emulator, _, _), by_hand(emulator) as ask:
        data = io.BytesIO(json.dumps({"tag": "x" * 1024 * 1024}).encode())
        assert (await ask("POST", "/v1/calls", data=data))[0] == 400


@pytest.mark.parametrize(
    ("method", "path", "body", "name"),
    [
        ("PATCH", f"/v1/calls/{UNKNOWN}", {}, "tag"),
        ("POST", "/v1/calls/webhooks", {"url": "http://a"}, "event_type"),
        ("DELETE", "/v1/calls/webhooks", None, "event_type"),
        ("DELETE", "/v1/calls/webhooks?event_type=other", None, "event_type"),
        ("PATCH", "/v1/numbers/101", {"call_status_url": 5}, "call_status_url"),
        ("GET", "/v1/numbers?page=0", None, "page"),
        ("GET", "/v1/numbers?per_page=many", None, "per_page"),
    ],
)
async def test_some_routes_name_only_one_parameter(method, path, body, name):
    async with asking() as (emulator, _, _), by_hand(emulator) as ask:
        got = await ask(method, path, body)
        assert got == (400, {"success": False, "message": f"Missing or invalid parameter {name}"})


async def test_what_the_emulator_has_not_says_so():
    async with asking() as (emulator, _, wavix), by_hand(emulator) as ask:
        with pytest.raises(ApiError) as refused:
            await wavix.profile.get()
        assert refused.value.status_code == 501
        for method, path in [
            ("GET", "/v1/cdrs"),
            ("PUT", "/v1/calls"),
            ("PATCH", "/v1/numbers"),
            ("GET", "/v1/numbers?city_id=1"),
        ]:
            status, answer = await ask(method, path)
            assert status == 501
            assert "not implemented by the emulator" in answer["message"]
        assert (await ask("GET", "/calls"))[0] == 404


# Faults


async def test_a_request_is_refused_and_does_nothing():
    async with asking() as (emulator, _, wavix), by_hand(emulator) as ask:
        call = await dialled(emulator)
        fault = RestFault(
            kind="status",
            route="POST /v1/calls/{id}/answer",
            status=429,
            retry_after_secs=7,
            times=1,
        )
        emulator.faults.rest = [fault]
        async with (
            aiohttp.ClientSession(headers={"Authorization": "Bearer emulator"}) as http,
            http.post(f"{emulator.base_url}/v1/calls/{call.id}/answer", json={}) as response,
        ):
            assert (response.status, response.headers["Retry-After"]) == (429, "7")
        assert call.phase != "answered"
        assert (await ask("POST", f"/v1/calls/{call.id}/answer", {}))[0] == 200
        emulator.faults.rest = [RestFault(kind="status", status=503)]
        with pytest.raises(ApiError):
            await wavix.call_control.list()


async def test_a_reply_is_lost_and_the_thing_is_done(tmp_path):
    async with asking(recordings=tmp_path) as (emulator, account, _):
        call = await dialled(emulator)
        emulator.faults.rest = [RestFault(kind="reply_lost", times=1)]
        async with sdk(emulator, timeout=0.3) as impatient:
            with pytest.raises(httpx.ReadTimeout):
                await impatient.call_control.answer(
                    call.id, stream_url=account.stream_url, stream_type="twoway"
                )
        await until(lambda: account.streams and account.streams[0].events("start"))
        assert call.phase == "answered"


async def test_a_request_hangs_and_nothing_is_done():
    async with asking() as (emulator, _, _):
        call = await dialled(emulator)
        emulator.faults.rest = [RestFault(kind="hang", times=1)]
        async with sdk(emulator, timeout=0.1) as impatient:
            with pytest.raises(httpx.ReadTimeout):
                await impatient.call_control.answer(call.id)
        assert call.phase != "answered"


async def test_a_reply_is_late():
    async with asking() as (emulator, _, wavix):
        emulator.faults.rest = [RestFault(kind="late", secs=0.2)]
        began_at = asyncio.get_running_loop().time()
        await wavix.call_control.list()
        assert asyncio.get_running_loop().time() - began_at >= 0.2


async def test_a_request_that_hangs_does_not_hold_up_the_end():
    async with asking() as (emulator, _, _), by_hand(emulator) as ask:
        emulator.faults.rest = [RestFault(kind="hang"), RestFault(kind="late", secs=60)]
        waiting = asyncio.create_task(ask("GET", "/v1/calls"))
        await asyncio.sleep(0.1)
        async with asyncio.timeout(10):
            await emulator.__aexit__(None, None, None)
        await asyncio.gather(waiting, return_exceptions=True)


async def test_an_emulator_that_is_closing_places_no_calls():
    async with asking() as (emulator, account, _), by_hand(emulator) as ask:
        emulator.platform.closing.set()
        body = {"from": NUMBER, "to": CALLEE, "callback_url": account.url}
        assert (await ask("POST", "/v1/calls", body))[0] == 503


# Any body

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
_names = st.sampled_from(
    [
        *("from", "to", "callback_url", "tag", "timeout", "stream_url", "stream_type", "url"),
        *("stream_channel", "audio_file", "max_digits", "termination_character", "max_attempts"),
        *("prompt", "event_type", "call_status_url", "destinations", "voicemail_detection"),
    ]
)
_likely = st.sampled_from(
    [
        *(NUMBER, "ws://127.0.0.1:9/x", "http://127.0.0.1:9/x", "http://[", "twoway", "oneway"),
        *("both", 5, 10**400, "on-call", "#", {"say": {"text": "\ud800", "voice": "Ivy"}}),
        *({"play": "http://127.0.0.1:9/"}, [{"destination": "", "priority": 1, "transport": 1}]),
        *("\ud800", "http://a\nb", "http://a:99999", -1, True),
    ]
)
_bodies = st.dictionaries(_names | st.text(max_size=3), _likely | _json, max_size=7)
_routes = [
    ("POST", "/v1/calls", {200, 400}),
    ("PATCH", "/v1/calls/{}", {200, 400, 404}),
    ("POST", "/v1/calls/{}/answer", {200, 400, 404}),
    ("POST", "/v1/calls/{}/streams", {200, 400, 404}),
    ("POST", "/v1/calls/{}/play", {200, 400, 404}),
    ("POST", "/v1/calls/{}/collect", {200, 400, 404}),
    ("POST", "/v1/calls/webhooks", {201, 400}),
    ("PATCH", "/v1/numbers/101", {200, 400}),
]


async def test_any_body_has_a_documented_answer():
    """One emulator for all of them, in a loop of its own: hypothesis calls from this one."""
    async with asking() as (emulator, _, _), by_hand(emulator) as ask:
        call = await dialled(emulator)
        call.answer()
        loop = asyncio.get_running_loop()

        @hypothesis_settings(
            max_examples=150, deadline=None, suppress_health_check=list(HealthCheck)
        )
        @given(st.sampled_from(_routes), _bodies, st.booleans())
        def examine(route, body, known):
            method, path, statuses = route
            data = json.dumps(body).encode()
            asked = ask(method, path.format(call.id if known else UNKNOWN), data=data)
            status, _ = asyncio.run_coroutine_threadsafe(asked, loop).result(20)
            assert status in statuses, (route, body, status)

        await asyncio.to_thread(examine)
