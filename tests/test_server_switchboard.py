import asyncio
import contextlib
from dataclasses import replace

import msgspec
import pytest
from fake_wavix import CALL_ID, CALLER, NUMBER, FakeWavix, answered, call
from hypothesis import given, settings as hypothesis_settings, strategies as st
from virtual_time import in_virtual_time

from pipecat_wavix.errors import (
    WavixBadRequest,
    WavixOutcomeUnknown,
    WavixServerError,
    WavixUnreachable,
)
from pipecat_wavix.server.call import Accept, Reject
from pipecat_wavix.server.settings import WavixSettings
from pipecat_wavix.server.switchboard import BusyError, Switchboard
from pipecat_wavix.tokens import DialPass, StreamPass
from pipecat_wavix.webhooks import PostCall

SETTINGS = WavixSettings(public_url="https://bot.example.com/voice", secret="s" * 32, max_calls=2)
DIAL = DialPass(from_number=NUMBER, to_number=CALLER, tag="t", body={"customer": 7})


@contextlib.asynccontextmanager
async def board(wavix=None, *, settings=SETTINGS, screen=None, on_call_ended=None):
    switchboard = Switchboard(
        wavix or FakeWavix(), settings, screen=screen, on_call_ended=on_call_ended
    )
    try:
        yield switchboard
    finally:
        await switchboard.close()


async def settle(secs=0.1):
    await asyncio.sleep(secs)


def content_of(switchboard, stream_url):
    assert stream_url.startswith("wss://bot.example.com/voice/wavix/media/")
    return switchboard.admit(stream_url.rpartition("/")[2])


async def nothing():
    pass


def counted(switchboard, sample):
    return f"{sample} 1.0" in switchboard.metrics.text().decode()


@in_virtual_time
async def test_a_call_is_confirmed_answered_and_streamed_with_one_get_and_one_post():
    wavix = FakeWavix()
    async with board(wavix) as switchboard:
        switchboard.take(call("call_setup"))
        await settle()
        assert wavix.asked == [("get", CALL_ID), ("answer", CALL_ID)]
        content = content_of(switchboard, wavix.stream_urls[CALL_ID])
        assert (content.call_id, content.direction) == (CALL_ID, "inbound")
        assert (content.from_number, content.to_number) == (CALLER, NUMBER)


@in_virtual_time
async def test_a_call_is_answered_once_however_often_it_is_told_of():
    wavix = FakeWavix()
    async with board(wavix) as switchboard:
        for event in ("ringing", "call_setup", "ringing", "early_media", "call_setup"):
            switchboard.take(call(event))
        await settle()
        assert wavix.count("answer") == 1


@in_virtual_time
async def test_numbers_are_those_that_wavix_confirms_and_not_those_of_the_webhook():
    wavix = FakeWavix()
    async with board(wavix) as switchboard:
        switchboard.take(replace(call(), from_number="+10000000001"))
        await settle()
        assert content_of(switchboard, wavix.stream_urls[CALL_ID]).from_number == CALLER


@in_virtual_time
async def test_a_webhook_without_a_direction_is_looked_into():
    wavix = FakeWavix()
    async with board(wavix) as switchboard:
        switchboard.take(replace(call(), direction=None))
        await settle()
        assert wavix.count("answer") == 1


@pytest.mark.parametrize(
    "truth",
    [
        None,
        call(direction="outbound"),
        answered(direction="inbound"),
        replace(answered(direction="inbound"), completed_at=answered().answered_at),
    ],
    ids=["no such call", "ours", "answered", "over"],
)
@in_virtual_time
async def test_what_wavix_does_not_confirm_is_not_answered(truth):
    wavix = FakeWavix()
    wavix.calls = {CALL_ID: truth} if truth else {}
    async with board(wavix) as switchboard:
        switchboard.take(call())
        await settle()
        assert wavix.asked == [("get", CALL_ID)]
        assert switchboard.ready


@in_virtual_time
async def test_a_call_that_cannot_be_confirmed_is_not_answered():
    wavix = FakeWavix()
    wavix.failures["get"] = WavixUnreachable("no answer")
    async with board(wavix) as switchboard:
        switchboard.take(call())
        await settle()
        assert wavix.count("answer") == 0
        assert counted(
            switchboard, 'wavix_calls_total{direction="inbound",outcome="not_confirmed"}'
        )


@in_virtual_time
async def test_somebody_elses_outbound_call_is_left_alone():
    wavix = FakeWavix()
    async with board(wavix) as switchboard:
        for event in ("call_setup", "ringing", "answered"):
            switchboard.take(call(event, direction="outbound"))
        await settle()
        assert wavix.asked == []


@in_virtual_time
async def test_the_author_sees_a_call_before_it_is_answered_and_gives_it_a_body():
    seen = []

    async def screen(incoming):
        seen.append(incoming)
        return Accept(body={"department": "sales"})

    wavix = FakeWavix()
    async with board(wavix, screen=screen) as switchboard:
        switchboard.take(call())
        await settle()
        assert seen == [wavix.calls[CALL_ID]]
        assert content_of(switchboard, wavix.stream_urls[CALL_ID]).body == {"department": "sales"}


async def rejecting(_call):
    return Reject()


async def failing(_call):
    raise RuntimeError("a bug")


async def dawdling(_call):
    await asyncio.sleep(60)


async def forgetting(_call):
    return None


async def babbling(_call):
    return Accept(body={"x": "y" * 10_000})


@pytest.mark.parametrize("screen", [rejecting, failing, dawdling, forgetting, babbling])
@in_virtual_time
async def test_a_call_that_is_not_accepted_is_refused_before_it_costs_anything(screen):
    wavix = FakeWavix()
    async with board(wavix, screen=screen) as switchboard:
        switchboard.take(call())
        await settle(6)
        assert wavix.asked == [("get", CALL_ID), ("hang_up", CALL_ID)]
        assert switchboard.ready


@in_virtual_time
async def test_more_calls_than_allowed_are_refused_before_they_are_answered():
    wavix = FakeWavix()
    wavix.calls = {call_id: call(call_id=call_id) for call_id in "abc"}
    async with board(wavix) as switchboard:
        for call_id in "abc":
            switchboard.take(call(call_id=call_id))
            await settle()
        assert not switchboard.ready
        assert [c for what, c in wavix.asked if what == "answer"] == ["a", "b"]
        assert wavix.asked[-1] == ("hang_up", "c")


@in_virtual_time
async def test_a_refusal_that_fails_is_only_logged():
    wavix = FakeWavix()
    wavix.failures["hang_up"] = WavixUnreachable("no answer")
    async with board(wavix, screen=rejecting) as switchboard:
        switchboard.take(call())
        await settle()
        assert switchboard.ready


@in_virtual_time
async def test_an_answer_that_wavix_refuses_gives_the_line_back():
    wavix = FakeWavix()
    wavix.failures["answer"] = WavixBadRequest("answered already", status=400)
    async with board(wavix) as switchboard:
        switchboard.take(call())
        await settle()
        assert wavix.count("answer") == 1
        assert wavix.count("hang_up") == 0  # it may be another process' call
        assert counted(switchboard, "wavix_active_calls") is False


@pytest.mark.parametrize(
    "unknown", [WavixOutcomeUnknown("no answer"), WavixServerError("failed", status=502)]
)
@in_virtual_time
async def test_an_answer_of_unknown_outcome_is_not_repeated_and_keeps_its_line_for_a_while(unknown):
    wavix = FakeWavix()
    wavix.failures["answer"] = unknown
    async with board(wavix) as switchboard:
        switchboard.take(call())
        await settle()
        assert wavix.count("answer") == 1
        assert counted(switchboard, "wavix_active_calls")
        await settle(SETTINGS.token_ttl_secs)
        assert not counted(switchboard, "wavix_active_calls")


@in_virtual_time
async def test_a_caller_who_gives_up_gives_the_line_back():
    async with board() as switchboard:
        switchboard.take(call())
        await settle()
        switchboard.take(call("cancelled"))
        assert not counted(switchboard, "wavix_active_calls")


@in_virtual_time
async def test_the_account_of_a_call_gives_the_line_back_as_well():
    async with board() as switchboard:
        switchboard.take(call())
        await settle()
        switchboard.take(PostCall(id=CALL_ID))
        assert not counted(switchboard, "wavix_active_calls")


@in_virtual_time
async def test_webhooks_reach_the_bot_of_their_call_those_before_its_stream_included():
    async with board() as switchboard:
        switchboard.take(call())
        await settle()
        switchboard.take(answered(direction="inbound"))
        content = StreamPass(call_id=CALL_ID, direction="inbound")
        session = switchboard.begin(content, "stream", nothing)
        switchboard.take(call("transfer", machine_detected=True))
        heard = []
        session.listen(heard.append)
        switchboard.take(call("completed"))
        switchboard.take(call("completed"))
        assert [c.event_type for c in heard] == ["answered", "transfer", "completed"]


@in_virtual_time
async def test_a_bot_that_leaves_without_hanging_up_is_hung_up_after():
    wavix = FakeWavix()
    async with board(wavix) as switchboard:
        content = StreamPass(call_id=CALL_ID, direction="inbound")
        await switchboard.end(switchboard.begin(content, "stream", nothing))
        assert wavix.asked == [("hang_up", CALL_ID)]
        assert not counted(switchboard, "wavix_active_calls")


@in_virtual_time
async def test_a_call_that_is_over_is_not_hung_up_again():
    wavix = FakeWavix()
    async with board(wavix) as switchboard:
        content = StreamPass(call_id=CALL_ID, direction="inbound")
        session = switchboard.begin(content, "stream", nothing)
        await session.hang_up(CALL_ID)
        await switchboard.end(session)
        other = switchboard.begin(replace_id(content, "b"), "stream", nothing)
        switchboard.take(call("completed", "b"))
        await switchboard.end(other)
        assert wavix.asked == [("hang_up", CALL_ID)]


def replace_id(content, call_id):
    return StreamPass(call_id=call_id, direction=content.direction)


@in_virtual_time
async def test_a_failure_to_hang_up_is_only_logged():
    wavix = FakeWavix()
    wavix.failures["hang_up"] = WavixUnreachable("no answer")
    async with board(wavix) as switchboard:
        content = StreamPass(call_id=CALL_ID, direction="inbound")
        await switchboard.end(switchboard.begin(content, "stream", nothing))


@in_virtual_time
async def test_a_socket_that_outlives_its_call_is_closed():
    closed = asyncio.Event()

    async def close():
        closed.set()

    async with board() as switchboard:
        content = StreamPass(call_id=CALL_ID, direction="inbound")
        switchboard.begin(content, "stream", close)
        switchboard.take(call("completed"))
        await settle(9)
        assert not closed.is_set()
        await settle(2)
        assert closed.is_set()


@in_virtual_time
async def test_a_socket_that_ends_with_its_call_is_left_to_its_bot():
    closed = asyncio.Event()

    async def close():
        closed.set()

    async with board() as switchboard:
        session = switchboard.begin(
            StreamPass(call_id=CALL_ID, direction="inbound"), "stream", close
        )
        switchboard.take(call("completed"))
        await switchboard.end(session)
        await settle(20)
        assert not closed.is_set()


# ---- outgoing calls


async def dialled(switchboard, **options):
    return await switchboard.dial(
        to_number=CALLER, from_number=NUMBER, body={"customer": 7}, **options
    )


def dial_pass(switchboard, wavix):
    url = wavix.dialled[-1]["callback_url"]
    assert url.startswith(switchboard.webhook_url + "/")
    token = url.rpartition("/")[2]
    return switchboard.tokens.open(
        token, DialPass, ttl_secs=60, now=asyncio.get_running_loop().time()
    )


@in_virtual_time
async def test_a_call_is_dialled_and_streamed_when_it_is_answered():
    wavix = FakeWavix()
    async with board(wavix) as switchboard:
        made = await dialled(switchboard, tag="t", voicemail_detection=True, ring_timeout_secs=30)
        dial = dial_pass(switchboard, wavix)
        assert dial == msgspec.structs.replace(DIAL, voicemail_detection=True)
        for event in ("call_setup", "ringing", "early_media"):
            switchboard.take(call(event, made.id, "outbound"), dial)
        await settle()
        assert wavix.count("stream") == 0
        switchboard.take(answered(made.id), dial)
        switchboard.take(answered(made.id), dial)
        switchboard.take(answered(made.id))
        await settle()
        assert wavix.count("stream") == 1
        content = content_of(switchboard, wavix.stream_urls[made.id])
        assert (content.direction, content.body, content.tag) == ("outbound", {"customer": 7}, "t")
        assert content.voicemail_detection


@in_virtual_time
async def test_a_bot_on_a_call_that_a_machine_may_have_answered_waits_for_the_verdict():
    for asked_for in (True, False):
        async with board() as switchboard:
            content = StreamPass(
                call_id=CALL_ID, direction="outbound", voicemail_detection=asked_for
            )
            session, told = switchboard.begin(content, "s", nothing), []
            session.listen(told.append)
            waiting = asyncio.create_task(session.wait_until_end_is_told())
            await settle()
            assert waiting.done() != asked_for
            switchboard.take(call("completed", direction="outbound", machine_detected=True))
            await settle()
            assert waiting.done()
            assert [news.machine_detected for news in told] == [True]


@in_virtual_time
async def test_every_call_that_is_dialled_has_a_tag_of_its_own():
    wavix = FakeWavix()
    async with board(wavix) as switchboard:
        await dialled(switchboard)
        await dialled(switchboard)
        tags = [options["tag"] for options in wavix.dialled]
        assert len(set(tags)) == 2


@in_virtual_time
async def test_another_process_streams_a_call_that_this_one_dialled():
    wavix = FakeWavix()
    async with board(wavix) as switchboard:
        # The account's own webhook came first, and says nothing of who dialled.
        switchboard.take(answered("elsewhere"))
        switchboard.take(answered("elsewhere"), DIAL)
        await settle()
        assert wavix.asked == [("stream", "elsewhere")]


@in_virtual_time
async def test_an_answer_whose_webhook_was_lost_is_found_by_asking():
    wavix = FakeWavix()
    async with board(wavix) as switchboard:
        made = await dialled(switchboard)
        wavix.calls[made.id] = answered(made.id)
        await settle(SETTINGS.poll_secs + 1)
        assert wavix.count("stream") == 1
        await settle(SETTINGS.poll_secs * 3)
        assert wavix.count("stream") == 1


@in_virtual_time
async def test_an_end_whose_webhook_was_lost_is_found_by_asking():
    ended = []

    async def on_call_ended(over):
        ended.append(over)

    wavix = FakeWavix()
    async with board(wavix, on_call_ended=on_call_ended) as switchboard:
        made = await dialled(switchboard)
        wavix.failures["get"] = WavixUnreachable("no answer")
        await settle(SETTINGS.poll_secs + 1)
        del wavix.failures["get"], wavix.calls[made.id]
        await settle(SETTINGS.poll_secs * 10)
        assert [(over.id, over.event_type) for over in ended] == [(made.id, "completed")]
        assert not counted(switchboard, "wavix_active_calls")
        asked = wavix.count("get")
        await settle(SETTINGS.poll_secs * 3)
        assert wavix.count("get") == asked


@pytest.mark.parametrize("end", ["busy", "rejected", "cancelled", "completed"])
@in_virtual_time
async def test_the_author_is_told_once_how_a_dialled_call_ended(end):
    ended = []

    async def on_call_ended(over):
        ended.append(over.event_type)

    wavix = FakeWavix()
    async with board(wavix, on_call_ended=on_call_ended) as switchboard:
        made = await dialled(switchboard)
        dial = dial_pass(switchboard, wavix)
        for _ in range(3):
            switchboard.take(call(end, made.id, "outbound"), dial)
        await settle(SETTINGS.poll_secs * 3)
        assert ended == [end]
        assert wavix.count("stream") == 0


@pytest.mark.parametrize("author", [failing, dawdling])
@in_virtual_time
async def test_an_author_who_fails_at_the_end_harms_nothing(author):
    async with board(on_call_ended=author) as switchboard:
        switchboard.take(call("busy", "x", "outbound"), DIAL)
        await settle(20)
        assert switchboard.ready


@in_virtual_time
async def test_a_machine_that_is_known_when_it_answers_gets_no_bot():
    wavix = FakeWavix()
    async with board(wavix) as switchboard:
        switchboard.take(answered("x", machine_detected=True), DIAL)
        await settle()
        assert wavix.asked == []
        assert counted(switchboard, 'wavix_calls_total{direction="outbound",outcome="machine"}')


@in_virtual_time
async def test_a_stream_that_wavix_refuses_gives_the_line_back_and_does_not_end_the_call():
    wavix = FakeWavix()
    wavix.failures["stream"] = WavixBadRequest("it has one", status=400)
    async with board(wavix) as switchboard:
        switchboard.take(answered("x"), DIAL)
        await settle()
        assert wavix.asked == [("stream", "x")]
        assert not counted(switchboard, "wavix_active_calls")


@in_virtual_time
async def test_a_call_that_rings_takes_a_line():
    async with board() as switchboard:
        await dialled(switchboard)
        await dialled(switchboard)
        assert not switchboard.ready
        with pytest.raises(BusyError, match="2 calls in progress"):
            await dialled(switchboard)


@in_virtual_time
async def test_a_call_that_could_not_be_dialled_gives_its_line_back():
    wavix = FakeWavix()
    wavix.failures["dial"] = WavixOutcomeUnknown("no answer")
    async with board(wavix) as switchboard:
        with pytest.raises(WavixOutcomeUnknown):
            await dialled(switchboard)
        assert not counted(switchboard, "wavix_active_calls")


@in_virtual_time
async def test_an_end_that_was_faster_than_the_reply_leaves_no_line_behind():
    wavix = FakeWavix()
    async with board(wavix) as switchboard:
        switchboard.take(call("busy", "dialled-1", "outbound"), DIAL)
        await dialled(switchboard)
        assert not counted(switchboard, "wavix_active_calls")


# ---- life


@in_virtual_time
async def test_more_work_than_can_be_done_is_refused():
    wavix = FakeWavix()
    gate = asyncio.Event()
    wavix._ask = lambda *_: gate.wait()
    async with board(wavix) as switchboard:
        for n in range(16):
            switchboard.take(call(call_id=f"call-{n}"))
        with pytest.raises(BusyError):
            switchboard.take(call(call_id="one-more"))


@in_virtual_time
async def test_a_switchboard_that_is_closed_has_no_work_left_and_takes_none():
    wavix = FakeWavix()
    gate = asyncio.Event()
    wavix._ask = lambda *_: gate.wait()
    async with board(wavix) as switchboard:
        switchboard.take(call())
        await settle()
        before = asyncio.all_tasks()
        await switchboard.close()
        await switchboard.close()
        assert not switchboard.ready
        assert not [t for t in before & asyncio.all_tasks() if t.get_name().startswith("wavix-")]


@pytest.mark.parametrize(("talk_secs", "drained_secs"), [(0, 0), (5, 5), (1000, 30)])
@in_virtual_time
async def test_calls_in_progress_may_end_before_the_server_does(talk_secs, drained_secs):
    settings = SETTINGS.model_copy(update={"drain_secs": 30})
    async with board(settings=settings) as switchboard:
        if talk_secs:
            content = StreamPass(call_id=CALL_ID, direction="inbound")
            session = switchboard.begin(content, "stream", nothing)
            loop = asyncio.get_running_loop()
            loop.call_later(talk_secs, lambda: loop.create_task(switchboard.end(session)))
        began = asyncio.get_running_loop().time()
        await switchboard.drain()
        assert not switchboard.ready
        assert asyncio.get_running_loop().time() - began == pytest.approx(drained_secs, abs=0.5)


@in_virtual_time
async def test_a_piece_of_work_that_fails_is_reported_without_its_variables(logs):
    wavix = FakeWavix()
    wavix.failures["get"] = RuntimeError("a bug")
    async with board(wavix) as switchboard:
        switchboard.take(replace(call(), tag="canary"))
        await settle()
    text = "".join(logs)
    assert "a bug" in text
    assert "Traceback" in text
    assert "canary" not in text


class SlowWavix(FakeWavix):
    """Does what it is asked at once, and replies a second later."""

    async def answer(self, call_id, *, stream_url):
        self.asked.append(("answer", call_id))
        self.calls[call_id] = answered(call_id, "inbound")
        await asyncio.sleep(1)


@pytest.mark.parametrize("secs", [0.5, 1.5], ids=["before the reply", "before the socket"])
@in_virtual_time
async def test_a_call_that_was_answered_is_not_left_in_silence_by_a_server_that_stops(secs):
    wavix = SlowWavix()
    async with board(wavix) as switchboard:
        switchboard.take(call())
        await settle(secs)
        assert wavix.count("answer") == 1
    assert wavix.count("hang_up") == 1


@pytest.mark.parametrize("body", [["vip"], "vip", None, 7], ids=repr)
@in_virtual_time
async def test_no_call_is_answered_with_a_token_that_will_be_refused(body):
    async def screen(_call):
        return Accept(body=body)

    wavix = FakeWavix()
    async with board(wavix, screen=screen) as switchboard:
        switchboard.take(call())
        await settle()
        token = wavix.stream_urls.get(CALL_ID, "").rpartition("/")[2]
        assert not wavix.stream_urls or switchboard.admit(token)


@in_virtual_time
async def test_a_call_that_wavix_does_not_show_yet_is_answered_when_it_rings():
    wavix = FakeWavix()
    wavix.calls = {}
    async with board(wavix) as switchboard:
        switchboard.take(call("call_setup"))
        await settle()
        wavix.calls = {CALL_ID: call()}
        switchboard.take(call("ringing"))
        await settle()
        assert wavix.count("answer") == 1


@in_virtual_time
async def test_what_another_process_streams_is_not_streamed_again_from_under_its_bot():
    told = []
    wavix = FakeWavix()
    async with board(wavix) as switchboard:
        # `answered` went to another process, the socket came here, and so does what follows.
        content = StreamPass(call_id=CALL_ID, direction="outbound")
        session = switchboard.begin(content, "stream", settle)
        session.listen(told.append)
        switchboard.take(answered(), DIAL)
        await settle()
        assert wavix.count("stream") == 0
        switchboard.take(answered(machine_detected=True), DIAL)
        assert [news.machine_detected for news in told] == [False, True]


@in_virtual_time
async def test_calls_that_are_watched_do_not_keep_webhooks_out_for_good():
    """Many calls that are dialled here, and whose streams are other processes'."""
    wavix = FakeWavix()
    wavix.failures["stream"] = WavixBadRequest("it has a twoway stream", status=400)
    async with board(wavix) as switchboard:
        for _ in range(16):  # 8 * max_calls
            dialled = await switchboard.dial(to_number=CALLER, from_number=NUMBER, body={})
            wavix.calls[dialled.id] = answered(dialled.id)
            await settle(SETTINGS.poll_secs + 1)
        wavix.calls = {CALL_ID: call()}  # all of them are over, and not found any more
        await settle(600)
        switchboard.take(call())
        await settle()
        assert wavix.count("answer") == 1


EVENTS = ["call_setup", "ringing", "early_media", "answered", "completed", "transfer"]


@given(st.lists(st.sampled_from(EVENTS), max_size=20), st.randoms())
@hypothesis_settings(max_examples=200, deadline=None)
def test_any_order_of_webhooks_has_at_most_one_answer_a_call(events, random):
    @in_virtual_time
    async def run():
        wavix = FakeWavix()
        async with board(wavix) as switchboard:
            for event in events:
                switchboard.take(call(event))
                if random.random() < 0.5:
                    await settle(random.random())
            await settle()
            moving = [e for e in events if e != "transfer"]
            begins = bool(moving) and moving[0] in ("call_setup", "ringing", "early_media")
            assert wavix.count("answer") == int(begins)

    run()
