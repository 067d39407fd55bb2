"""The emulator's own controls, over HTTP."""

import asyncio
from contextlib import asynccontextmanager

import aiohttp
import pytest
from emulated import CALLEE, NUMBER, emulating, until

from pipecat_wavix.emulator.callees import Callee
from pipecat_wavix.emulator.callers import HangUp, Pause
from pipecat_wavix.emulator.faults import RestFault


@asynccontextmanager
async def controlling(**changes):
    async with emulating(**changes) as (emulator, account), aiohttp.ClientSession() as http:

        async def control(method, path, body=None):
            url = f"{emulator.base_url}/_emulator{path}"
            async with http.request(method, url, json=body) as response:
                return response.status, await response.json()

        yield emulator, account, control


async def test_a_call_is_dialled_and_its_result_waited_for():
    async with controlling() as (emulator, _, control):
        script = [{"pause": 0.1}, {"hang_up": True}]
        body = {"to": NUMBER, "from": "+12025550177", "script": script}
        status, call = await control("POST", "/dial", body)
        assert (status, call["from"], call["phase"]) == (200, "+12025550177", "call_setup")
        emulator.calls[call["id"]].answer()
        status, call = await control("GET", f"/calls/{call['id']}?wait_secs=20")
        assert (status, call["finished"], call["error"]) == (200, True, None)
        assert call["phases"] == ["call_setup", "ringing", "answered", "completed"] or call[
            "phases"
        ] == ["call_setup", "answered", "completed"]
        assert call["summary"]["end_reason"] == "the caller hung up"


async def test_a_call_may_be_given_its_longest_time():
    async with controlling() as (emulator, _, control):
        _, shown = await control("POST", "/dial", {"to": NUMBER, "max_secs": 0.1})
        call = emulator.calls[shown["id"]]
        call.answer()
        assert (await call.finished()).end_reason == "max_secs are over"


async def test_texts_are_spoken_as_a_conversation(monkeypatch):
    said = []
    monkeypatch.setattr(
        "pipecat_wavix.emulator.control.speak", lambda text: said.append(text) or b""
    )
    async with controlling() as (_, _, control):
        assert (await control("POST", "/dial", {"to": NUMBER, "say": ["one", "two"]}))[0] == 200
    assert said == ["one", "two"]


async def test_a_call_is_shown_as_it_is_when_the_wait_is_over():
    async with controlling() as (_, _, control):
        _, call = await control("POST", "/dial", {"to": NUMBER})
        status, call = await control("GET", f"/calls/{call['id']}?wait_secs=0.05")
        assert (status, call["finished"], call["summary"]) == (200, False, None)


async def test_keys_are_pressed_and_the_caller_hangs_up():
    async with controlling() as (emulator, account, control):
        _, shown = await control("POST", "/dial", {"to": NUMBER})
        call = emulator.calls[shown["id"]]
        call.answer()
        state = call.add_stream(account.stream_url, "twoway", "inbound")
        call.streams.launch(state)
        keys = []
        call._telephone.on_key = keys.append
        path = f"/calls/{call.id}"
        assert await control("POST", f"{path}/press", {"keys": "1#"}) == (200, {"success": True})
        await until(lambda: keys == ["1", "#"])
        assert (await control("POST", f"{path}/hang_up"))[0] == 200
        await call.finished()
        _, shown = await control("GET", path)
        assert shown["streams"] == [
            {"id": state.id, "type": "twoway", "channel": "inbound", "over": "the caller hung up"}
        ]


async def test_the_state_shows_numbers_calls_and_faults():
    async with controlling() as (emulator, account, control):
        _, call = await control("POST", "/dial", {"to": NUMBER})
        emulator.faults.rest = [RestFault(kind="hang", route="GET /v1/calls")]
        _, state = await control("GET", "/state")
        url = f"{account.url}/hook"
        assert state["numbers"] == [{"id": 101, "number": NUMBER, "call_status_url": url}]
        assert [shown["id"] for shown in state["calls"]] == [call["id"]]
        assert state["faults"]["rest"][0]["kind"] == "hang"


async def test_a_callee_is_set_for_a_number_or_for_all():
    async with controlling() as (emulator, _, control):
        script = [{"pause": 1}, {"hang_up": True}]
        body = {"number": CALLEE, "outcome": "machine", "after_secs": 0.5, "script": script}
        assert (await control("POST", "/callees", body))[0] == 200
        expected = Callee(outcome="machine", after_secs=0.5, script=[Pause(1), HangUp()])
        assert emulator.callees[CALLEE] == expected
        assert (await control("POST", "/callees", {"outcome": "busy"}))[0] == 200
        assert emulator.callees["+12025550188"].outcome == "busy"


async def test_faults_are_set_and_what_is_not_named_stays():
    async with controlling() as (emulator, _, control):
        rest = [{"kind": "status", "status": 429, "times": 1}]
        assert (await control("POST", "/faults", {"rest": rest}))[0] == 200
        status, faults = await control("POST", "/faults", {"webhooks": {"double": 1}})
        assert (status, faults["webhooks"]["double"], faults["rest"][0]["status"]) == (200, 1, 429)
        assert emulator.faults.rest == [RestFault(kind="status", status=429, times=1)]
        refused = {"webhooks": {"double": 0.5}, "rest": [{"kind": "odd"}]}
        assert (await control("POST", "/faults", refused))[0] == 400
        assert emulator.faults.webhooks.double == 1


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/dial", {}, "to must be given"),
        ("/dial", {"to": "+19995550100"}, "is not a number of the account"),
        ("/dial", {"to": 5}, "to and from are strings"),
        ("/dial", {"to": NUMBER, "from": "me"}, "not in E.164"),
        ("/dial", {"to": NUMBER, "max_secs": "5"}, "max_secs is a number of seconds"),
        ("/dial", {"to": NUMBER, "max_secs": 0}, "max_secs is 0: give seconds above 0"),
        ("/dial", {"to": NUMBER, "colour": 1}, "there is no ['colour'] here"),
        ("/dial", {"to": NUMBER, "script": [{"jump": 1}]}, "step 1: give an object"),
        ("/dial", {"to": NUMBER, "say": "hello"}, "say is a list of texts"),
        ("/dial", {"to": NUMBER, "say": [], "script": []}, "give script or say, not both"),
        ("/callees", {"outcome": "shy"}, "outcome is 'shy'"),
        ("/callees", {"after_secs": "soon"}, "not supported"),
        ("/callees", {"number": 5}, "number is a string"),
        ("/callees", {"number": "me"}, "not in E.164"),
        ("/faults", {"webhooks": {"colour": 1}}, "colour"),
        ("/faults", {"webhooks": []}, "must be a mapping"),
        ("/faults", {"rest": [{"kind": "status", "times": "x"}]}, "not supported"),
        ("/faults", {"rest": 5}, "not iterable"),
        ("/calls/nobody/press", {"keys": "1"}, "Record not found"),
    ],
)
async def test_what_cannot_be_is_refused(path, body, message):
    async with controlling() as (emulator, _, control):
        status, answer = await control("POST", path, body)
        assert status == (404 if "nobody" in path else 400)
        assert not answer["success"]
        assert message in answer["message"]
        assert not emulator.calls


async def test_what_cannot_be_done_to_a_call_is_refused():
    async with controlling() as (_, _, control):
        _, call = await control("POST", "/dial", {"to": NUMBER})
        path = f"/calls/{call['id']}"
        for keys, message in [("x", "the key is 'x'"), (5, "keys is a string")]:
            status, answer = await control("POST", f"{path}/press", {"keys": keys})
            assert status == 400
            assert message in answer["message"]
        for secs in ("soon", "nan", "-1"):
            assert (await control("GET", f"{path}?wait_secs={secs}"))[0] == 400


async def test_an_emulator_that_is_closing_dials_no_more():
    async with controlling() as (emulator, _, control):
        emulator.platform.closing.set()
        status, answer = await control("POST", "/dial", {"to": NUMBER})
        assert status == 400
        assert "takes no more calls" in answer["message"]


async def test_a_wait_ends_with_the_emulator():
    async with controlling() as (emulator, _, control):
        _, call = await control("POST", "/dial", {"to": NUMBER})
        waiting = asyncio.create_task(control("GET", f"/calls/{call['id']}?wait_secs=60"))
        await asyncio.sleep(0.05)
        async with asyncio.timeout(10):
            await emulator.__aexit__(None, None, None)
            await asyncio.gather(waiting, return_exceptions=True)
