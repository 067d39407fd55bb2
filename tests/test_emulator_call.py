"""The life of a call of the emulated platform: rung in, rung out, streamed, played to, asked."""

import asyncio
import json

import pytest
from emulated import CALLEE, NUMBER, PATIENCE_SECS, TONE, emulating, until
from wavix_schemas import CALL, REPORT, check

from pipecat_wavix.emulator import Callee
from pipecat_wavix.emulator.callers import HangUp, LiveCaller, Pause, Press, Say, ScriptedCaller
from pipecat_wavix.emulator.collect import Collection
from pipecat_wavix.emulator.refused import RefusedError


def holding(*script):
    return ScriptedCaller([*script])


async def answered(emulator, *script):
    call = await emulator.dial(NUMBER, holding(*script))
    call.answer()
    return call


def call_out(emulator, account, **changes):
    return emulator.platform.start_call(
        **{
            "from_": NUMBER,
            "to": CALLEE,
            "callback_url": f"{account.url}/callback",
            "tag": "",
            "ring_secs": None,
            "detect_machine": False,
            **changes,
        }
    )


def stream_to(call, account, type_="twoway", channel="inbound"):
    state = call.add_stream(account.stream_url, type_, channel)
    call.streams.launch(state)
    return state


# Inbound


async def test_an_inbound_call_is_answered_streamed_and_over_when_the_caller_hangs_up():
    async with emulating() as (emulator, account):
        call = await emulator.dial(
            NUMBER, holding(Pause(0.3), HangUp()), from_number="+12025550177"
        )
        await call.reached("ringing")
        call.answer()
        stream_to(call, account)
        summary = await call.finished()
        assert summary.end_reason == "the caller hung up"
        assert summary.sent["media"] >= 1
        assert call.phases == ["call_setup", "ringing", "answered", "completed"]
        assert account.events() == call.phases
        for told in account.told():
            check(told, CALL)
            assert (told["from"], told["to"]) == ("+12025550177", "12025550100")
        assert account.streams[0].start["call_id"] == call.id
        assert [stream.over for stream in call.streams] == ["the caller hung up"]


async def test_a_call_may_be_answered_before_it_rings():
    async with emulating(setup_secs=10) as (emulator, account):
        call = await answered(emulator, HangUp())
        await call.finished()
        assert account.events() == ["call_setup", "answered", "completed"]


async def test_a_caller_gives_up_if_nobody_answers():
    async with emulating(ring_secs=0.05) as (emulator, account):
        call = await emulator.dial(NUMBER, holding())
        assert await call.finished() is None
        assert account.events() == ["call_setup", "ringing", "cancelled"]
        assert account.told()[-1]["call_answered"] is None


@pytest.mark.parametrize(("by", "end"), [("person", "cancelled"), ("account", "completed")])
async def test_a_ringing_call_is_ended_by_either_side(by, end):
    async with emulating() as (emulator, account):
        call = await emulator.dial(NUMBER, holding())
        await call.reached("ringing")
        call.hang_up(by)
        call.hang_up(by)
        assert await call.finished() is None
        assert account.events() == ["call_setup", "ringing", end]


async def test_a_second_answer_and_one_of_an_outbound_call_are_refused():
    async with emulating() as (emulator, account):
        call = await answered(emulator)
        with pytest.raises(RefusedError, match="already answered"):
            call.answer()
        with pytest.raises(RefusedError, match="by the one who is called"):
            call_out(emulator, account).answer()


async def test_a_call_to_a_number_that_is_not_the_accounts_is_refused():
    async with emulating() as (emulator, _):
        with pytest.raises(ValueError, match=r"\+19995550100 is not a number of the account"):
            await emulator.dial("+19995550100", holding())


async def test_who_waits_for_a_phase_that_will_not_be_is_told():
    async with emulating() as (emulator, _):
        call = await emulator.dial(NUMBER, holding())
        call.hang_up()
        with pytest.raises(RuntimeError, match="over: cancelled; it will not be answered"):
            await call.reached("answered")


async def test_a_caller_that_fails_ends_the_call_and_is_heard_of():
    class Broken:
        def frame(self, now, bot_audible):
            raise ArithmeticError("no voice")

    async with emulating() as (emulator, account):
        call = await emulator.dial(NUMBER, Broken())
        call.answer()
        with pytest.raises(ArithmeticError, match="no voice"):
            await call.finished()
        assert account.events()[-1] == "completed"


# Outbound


async def test_an_outbound_call_is_answered_by_the_default_callee():
    async with emulating() as (emulator, account):
        emulator.callees.default = Callee(after_secs=0.05, script=[Pause(0.1), HangUp()])
        call = call_out(emulator, account, tag="mine")
        assert (await call.finished()).end_reason == "the caller hung up"
        expected = ["call_setup", "ringing", "answered", "completed"]
        assert account.events("callback") == account.events("hook") == expected
        told = account.told("callback")[0]
        assert (told["from"], told["to"], told["tag"]) == (NUMBER, CALLEE, "mine")


@pytest.mark.parametrize(
    ("callee", "events"),
    [
        (Callee(outcome="busy", after_secs=0.02), ["call_setup", "busy"]),
        (Callee(outcome="rejects", after_secs=0.02), ["call_setup", "ringing", "rejected"]),
        (Callee(outcome="no_answer"), ["call_setup", "ringing", "cancelled"]),
        (Callee(after_secs=60), ["call_setup", "ringing", "cancelled"]),
        (
            Callee(after_secs=0.02, early_media=True, script=[HangUp()]),
            ["call_setup", "ringing", "early_media", "answered", "completed"],
        ),
    ],
)
async def test_a_callee_decides_how_a_call_ends(callee, events):
    async with emulating() as (emulator, account):
        emulator.callees[CALLEE] = callee
        call = call_out(emulator, account, ring_secs=0.2)
        await call.finished()
        assert account.events("callback") == events


@pytest.mark.parametrize(("by", "end"), [("account", "cancelled"), ("person", "rejected")])
@pytest.mark.parametrize("phase", ["call_setup", "ringing"])
async def test_an_outbound_call_is_ended_before_the_answer_by_either_side(by, end, phase):
    async with emulating(setup_secs=0.05 if phase == "ringing" else 30) as (emulator, account):
        emulator.callees.default = Callee(after_secs=30)
        call = call_out(emulator, account)
        await call.reached(phase)
        call.hang_up(by)
        await call.finished()
        assert account.events("callback")[-1] == end


async def test_a_machine_that_is_looked_for_is_found_and_hung_up_on():
    async with emulating() as (emulator, account):
        emulator.callees[CALLEE] = Callee(
            outcome="machine", after_secs=0.02, detected_after_secs=0.2
        )
        call = call_out(emulator, account, detect_machine=True)
        assert (await call.finished()).end_reason == "a machine was detected"
        told = account.told("callback")
        assert [body["machine_detected"] for body in told] == [False, False, False, True]


async def test_a_machine_that_is_not_looked_for_is_a_callee_with_a_greeting():
    async with emulating() as (emulator, account):
        emulator.callees[CALLEE] = Callee(
            outcome="machine", after_secs=0.02, detected_after_secs=0, script=[Say(TONE), HangUp()]
        )
        call = call_out(emulator, account)
        summary = await call.finished()
        assert (summary.end_reason, summary.caller_secs) == ("the caller hung up", 0.02)
        assert not account.told("callback")[-1]["machine_detected"]


async def test_a_machine_that_hangs_up_first_is_not_found():
    async with emulating() as (emulator, account):
        machine = Callee(outcome="machine", after_secs=0, detected_after_secs=60, script=[HangUp()])
        emulator.callees[CALLEE] = machine
        call = call_out(emulator, account, detect_machine=True)
        await call.finished()
        assert not account.told("callback")[-1]["machine_detected"]


# Streams


async def test_streams_before_the_answer_and_beyond_the_limits_are_refused():
    async with emulating() as (emulator, account):
        call = await emulator.dial(NUMBER, holding())
        with pytest.raises(RefusedError, match="not answered"):
            stream_to(call, account)
        call.answer()
        stream_to(call, account)
        with pytest.raises(RefusedError, match="one twoway already"):
            stream_to(call, account)
        for _ in range(5):
            stream_to(call, account, "oneway", "both")
        with pytest.raises(RefusedError, match="5 oneway already") as refused:
            stream_to(call, account, "oneway")
        assert refused.value.errors == {"stream_type": "too many"}
        await until(lambda: sum(bool(stream.events("media")) for stream in account.streams) == 6)


async def test_a_stream_that_is_stopped_makes_room_for_another():
    async with emulating() as (emulator, account):
        call = await answered(emulator)
        first = stream_to(call, account)
        await until(lambda: account.streams and account.streams[0].events("media"))
        assert call.streams.stop(first.id)
        assert not call.streams.stop(first.id)
        assert not call.streams.stop("another")
        stream_to(call, account)
        await until(lambda: len(account.streams) == 2 and account.streams[1].events("media"))
        assert account.streams[0].got[-1]["event"] == "stop"
        assert call.phase == "answered"


async def test_a_stream_that_is_stopped_before_it_begins_does_not_begin():
    async with emulating() as (emulator, account):
        call = await answered(emulator, Pause(0.2), HangUp())
        state = call.add_stream(account.stream_url, "twoway", "inbound")
        assert call.streams.stop(state.id)
        call.streams.launch(state)
        await call.finished()
        assert not account.streams


async def test_a_stream_of_a_call_that_ends_meanwhile_is_over():
    async with emulating() as (emulator, account):
        call = await answered(emulator, HangUp())
        state = call.add_stream(account.stream_url, "twoway", "inbound")
        await call.finished()
        call.streams.launch(state)
        assert state.over == "the call is over"
        assert state.started.is_set()


async def test_a_bot_that_cannot_be_reached_leaves_the_call_in_silence():
    async with emulating() as (emulator, _):
        call = await answered(emulator)
        state = call.add_stream("ws://127.0.0.1:9/TOKEN", "twoway", "inbound")
        call.streams.launch(state)
        await until(lambda: state.over)
        assert call.phase == "answered"
        assert "TOKEN" not in state.over


# Prompts and keys


async def test_a_prompt_is_heard_and_its_begin_and_end_are_told():
    async with emulating() as (emulator, account):
        call = await answered(emulator)
        stream_to(call, account, "oneway", "outbound")
        await until(lambda: account.streams and account.streams[0].events("media"))
        playback_id = call.play(TONE * 5)
        await until(lambda: account.events().count("on_call_event") == 2)
        payloads = [check(body, CALL)["event_payload"] for body in account.told()[-2:]]
        assert payloads == [
            {"type": "audio", "payload": {"status": status, "playback_id": playback_id}}
            for status in ("started", "completed")
        ]
        assert any(account.streams[0].heard("outbound"))


async def test_a_prompt_is_stopped():
    async with emulating() as (emulator, account):
        call = await answered(emulator)
        call.play(TONE * 50_000)
        call.stop_audio()
        await until(lambda: account.events().count("on_call_event") == 2)
        call.hang_up()
        await call.finished()


async def test_a_prompt_that_ends_with_the_call_is_not_told_after_it():
    async with emulating() as (emulator, account):
        call = await answered(emulator)
        call.play(TONE * 500)
        call.hang_up()
        await call.finished()
        assert account.events()[-1] == "completed"


async def test_what_needs_an_answered_call_is_refused_before():
    async with emulating() as (emulator, _):
        call = await emulator.dial(NUMBER, holding())
        for ask in (
            lambda: call.play(TONE),
            call.stop_audio,
            lambda: call.collect(Collection(), None),
        ):
            with pytest.raises(RefusedError, match="not answered"):
                ask()


async def collected(collection, prompt=None, *script, press=None):
    async with emulating() as (emulator, account):
        call = await answered(emulator, *script)
        call.collect(collection, prompt)
        if press:
            call.press(press)
        await until(lambda: account.events().count("on_call_event") == 2)
        started, ended = [body["event_payload"] for body in account.told()[-2:]]
        assert started == {"type": "collect", "payload": {"digits": "", "status": "started"}}
        assert call.record.event_payload == ended
        return ended["payload"]


async def test_keys_are_collected():
    collection = Collection(max_digits=2, termination_character="#")
    payload = await collected(collection, None, Pause(0.1), Press("12"))
    assert payload == {"digits": "12", "status": "completed"}


async def test_keys_are_collected_from_whoever_is_on_the_phone():
    payload = await collected(Collection(termination_character="#"), press="9*#")
    assert payload == {"digits": "9*", "status": "completed"}


async def test_who_presses_nothing_is_asked_again_until_it_has_failed():
    payload = await collected(Collection(timeout_secs=0.05, max_attempts=2), TONE * 2)
    assert payload == {"digits": "", "status": "failed"}


async def test_a_key_cuts_the_prompt_short():
    collection = Collection(max_digits=1, timeout_secs=PATIENCE_SECS)
    payload = await collected(collection, TONE * 50_000, press="5")
    assert payload == {"digits": "5", "status": "completed"}


async def test_keys_that_come_too_late_leave_what_was_pressed_before():
    payload = await collected(Collection(timeout_secs=1), press="7")
    assert payload == {"digits": "7", "status": "completed"}


async def test_two_collections_at_a_time_are_refused_and_keys_without_one_are_nobodys():
    async with emulating() as (emulator, _):
        call = await answered(emulator, Press("1"))
        call.press("2")
        call.collect(Collection(), None)
        with pytest.raises(RefusedError, match="already"):
            call.collect(Collection(), None)
        call.hang_up()
        await call.finished()


# Who is told what


async def test_all_scopes_are_told_and_the_report_comes_last():
    async with emulating() as (emulator, account):
        emulator.platform.webhooks["on-call"] = f"{account.url}/account"
        emulator.platform.webhooks["post-call"] = f"{account.url}/report"
        emulator.callees.default = Callee(after_secs=0.01, script=[Pause(0.02), HangUp()])
        call = call_out(emulator, account)
        await call.finished()
        assert account.events("callback") == account.events("hook") == account.events("account")
        (report,) = account.told("report")
        assert check(report, REPORT)["uuid"] == call.id
        assert report["disposition"] == "answered"


async def test_numbers_are_shown_with_and_without_plus_as_set():
    async with emulating(from_plus=False, to_plus=True) as (emulator, account):
        call = await emulator.dial(NUMBER, holding(), from_number="+12025550177")
        call.hang_up()
        await call.finished()
        assert (account.told()[0]["from"], account.told()[0]["to"]) == ("12025550177", NUMBER)


async def test_a_slow_server_does_not_hold_up_the_call():
    async with emulating(webhook_timeout_secs=0.3) as (emulator, account):
        released = asyncio.Event()

        async def hang(_body):
            await released.wait()

        account.on_webhook = hang
        call = await answered(emulator, Pause(0.1), HangUp())
        await call.reached("completed")
        await call.finished()
        assert account.events() == ["call_setup", "answered", "completed"]
        released.set()


async def test_a_call_leaves_its_recording_and_a_trace_of_requests_and_webhooks(tmp_path):
    async with emulating(recordings=tmp_path / "calls") as (emulator, account):
        call = await emulator.dial(NUMBER, holding(Pause(0.1), Press("4"), HangUp()))
        await until(lambda: account.events() == ["call_setup", "ringing"])
        call.answer()
        stream_to(call, account)
        await call.finished()
        folder = tmp_path / "calls" / call.id
        assert call.trace.folder == folder
        assert (folder / "recording.wav").stat().st_size > 44
        text = (folder / "trace.jsonl").read_text()
        lines = [json.loads(line) for line in text.splitlines()][1:]
        webhooks = {line["event"]: line for line in lines if line["dir"] == "webhook"}
        assert list(webhooks) == call.phases
        assert webhooks["ringing"]["t"] < 0 < webhooks["completed"]["t"]
        assert webhooks["ringing"]["status"] == 200
        assert webhooks["ringing"]["scope"] == "number"
        assert "TOKEN" not in text
        assert "hook" not in text.replace("webhook", "")


async def test_a_call_that_is_not_answered_leaves_nothing(tmp_path):
    async with emulating(recordings=tmp_path / "calls") as (emulator, _):
        call = await emulator.dial(NUMBER, holding())
        call.hang_up()
        await call.finished()
        assert list((tmp_path / "calls").iterdir()) == []


async def test_a_recording_that_cannot_be_written_is_done_without(tmp_path, logs):
    async with emulating(recordings=tmp_path) as (emulator, _):
        call = await emulator.dial(NUMBER, holding(Pause(0.05), HangUp()))
        (tmp_path / call.id).write_text("in the way")
        call.answer()
        assert (await call.finished()).end_reason == "the caller hung up"
        assert call.trace.folder is None
    assert any("is not recorded" in line for line in logs)


# The end


@pytest.mark.parametrize("phase", ["call_setup", "ringing", "answered"])
async def test_closing_the_emulator_ends_its_calls_in_any_phase(phase):
    async with emulating(setup_secs=30 if phase == "call_setup" else 0.01) as (emulator, account):
        call = await emulator.dial(NUMBER, LiveCaller())
        if phase == "answered":
            call.answer()
            stream_to(call, account)
            call.play(TONE * 5000)
            call.collect(Collection(), None)
            await until(lambda: account.streams and account.streams[0].events("media"))
        await call.reached(phase)
        await emulator.__aexit__(None, None, None)
        assert call.over.is_set()
        assert account.events()[-1] == ("completed" if phase == "answered" else "cancelled")
        if phase == "answered":
            await until(lambda: account.streams[0].is_over)
            assert account.streams[0].got[-1]["event"] == "stop"
    tasks = [task.get_name() for task in asyncio.all_tasks()]
    assert not [name for name in tasks if call.id in name]


async def test_an_emulator_that_has_closed_takes_no_calls():
    async with emulating() as (emulator, _):
        await emulator.__aexit__(None, None, None)
        with pytest.raises(RuntimeError, match="takes no more calls"):
            await emulator.dial(NUMBER, holding())


@pytest.mark.parametrize(("seed", "same"), [(7, True), (None, False)])
async def test_a_seed_has_the_same_ids_again(seed, same):
    ids = []
    for _ in range(2):
        async with emulating(seed=seed) as (emulator, _):
            ids.append((await emulator.dial(NUMBER, holding())).id)
    assert (ids[0] == ids[1]) == same


async def test_logs_show_no_secrets_and_no_whole_numbers(logs):
    async with emulating() as (emulator, account):
        call = await emulator.dial(
            NUMBER, holding(Pause(0.1), HangUp()), from_number="+12025550177"
        )
        call.answer()
        stream_to(call, account)
        await call.finished()
    text = "".join(logs)
    assert "…0177" in text
    for secret in ("TOKEN", "hook", "2025550177", NUMBER[1:]):
        assert secret not in text.replace("webhook", "")
