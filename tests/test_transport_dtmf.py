"""Keys: those that the caller presses, collected by Wavix, and those that the bot sends as tones."""

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from unittest import mock

import numpy as np
import pytest
from far_end import RATE, FarEnd, call
from hypothesis import HealthCheck, given, settings, strategies as st
from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.audio.dtmf.utils import load_dtmf_audio
from pipecat.frames.frames import (
    EndFrame,
    InputDTMFFrame,
    InterruptionFrame,
    OutputDTMFFrame,
    OutputDTMFUrgentFrame,
)
from pipecat.processors.aggregators.dtmf_aggregator import DTMFAggregator
from pipecat.processors.frame_processor import FrameDirection
from test_transport_output import contains, np_bytes, utterance
from virtual_time import in_virtual_time

from pipecat_wavix import WavixAPIError, WavixTransport
from pipecat_wavix.transport.dtmf import Collector, Keys
from pipecat_wavix.webhooks import InCallEvent, WavixCall

BEGAN = datetime(2025, 9, 22, 12, 56, tzinfo=UTC)
COMPLETED, FAILED = "completed", "failed"


def now():
    return BEGAN + timedelta(seconds=asyncio.get_running_loop().time())


def told(status=COMPLETED, digits=None, *, at="now", kind="collect", **fields):
    """A call as a webhook shows it after an event in its course."""
    return WavixCall(
        id=fields.pop("id", "abc-123"),
        event_type="on_call_event",
        event_time=now() if at == "now" else at,
        event=InCallEvent(kind, status=status, digits=digits),
        **fields,
    )


class Api:
    """A `WavixClient` of a Wavix that tells only what it is given to tell."""

    def __init__(self):
        self.asked = []  # (time, options)
        self.looks = []  # times
        self.shows = WavixCall(id="abc-123", event_type="answered", event_time=now())
        self.error = self.look_error = None
        self.stuck = False
        self.hang_up_secs = 0.0

    async def hang_up(self, call_id):
        await asyncio.sleep(self.hang_up_secs)

    async def collect_dtmf(self, call_id, **options):
        assert call_id == "abc-123"
        self.asked.append((asyncio.get_running_loop().time(), options))
        if self.stuck:
            await asyncio.Event().wait()
        await asyncio.sleep(0.05)
        if self.error:
            raise self.error

    async def get_call(self, call_id):
        self.looks.append(asyncio.get_running_loop().time())
        await asyncio.sleep(0.02)
        if self.look_error:
            raise self.look_error
        return self.shows


@contextlib.asynccontextmanager
async def collecting(collector=None, api=None, **options):
    """A collection that has begun: (collector, api, its task)."""
    api = api or Api()
    if collector is None:
        collector = Collector(api, "abc-123")
        collector.begin()
    before, asked = asyncio.all_tasks(), len(api.asked)
    task = asyncio.create_task(collect(collector, **options))
    while len(api.asked) == asked and not task.done():
        await asyncio.sleep(0.01)
    yield collector, api, task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert asyncio.all_tasks() == before


def collect(collector, **options):
    defaults = {"max_digits": 4, "timeout_secs": 10, "terminator": "#", "max_attempts": 1}
    return collector.collect(**{**defaults, **options})


# What is asked for, and what is refused


@in_virtual_time
async def test_wavix_is_asked_for_what_the_bot_asks_for():
    async with collecting(max_digits=6, timeout_secs=7, terminator="*", max_attempts=2) as (
        _,
        api,
        _,
    ):
        ((_, options),) = api.asked
        assert options == {
            "max_digits": 6,
            "timeout_secs": 7,
            "termination_character": "*",
            "max_attempts": 2,
        }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("max_digits", value) for value in (0, 21, 2.5, True, "4", None)),
        *(("timeout_secs", value) for value in (0, 61, 0.5)),
        *(("max_attempts", value) for value in (0, -1)),
        *(("terminator", value) for value in ("", "##", "x", None, 5)),
    ],
)
@in_virtual_time
async def test_what_wavix_cannot_do_is_refused_at_once(name, value):
    api = Api()
    with pytest.raises(ValueError, match=f"{name} is {value!r}: give") as error:
        await collect(Collector(api, "abc-123"), **{name: value})
    assert {"max_digits": "1 to 20", "timeout_secs": "1 to 60"}.get(name, "") in str(error.value)
    assert not api.asked


class HangsUpOnly:
    async def hang_up(self, call_id):
        pass


@in_virtual_time
async def test_without_a_client_or_a_call_there_is_nothing_to_collect_with():
    for collector in (
        Collector(None, "abc-123"),
        Collector(HangsUpOnly(), "abc-123"),
        Collector(Api(), None),
    ):
        collector.begin()
        with pytest.raises(RuntimeError, match=r"call_id.*client, such as WavixClient"):
            await collect(collector)


@in_virtual_time
async def test_keys_are_not_collected_before_the_pipeline_has_started():
    transport = WavixTransport(FarEnd(), stream_id="s", call_id="abc-123", client=Api())
    with pytest.raises(RuntimeError, match="on_client_connected"):
        await transport.collect_dtmf(max_digits=1, timeout_secs=5)


@in_virtual_time
async def test_a_second_collection_is_refused_while_one_goes_on_and_does_not_disturb_it():
    async with collecting() as (collector, api, task):
        with pytest.raises(RuntimeError, match="goes on already"):
            await collect(collector)
        collector.on_webhook(told(digits="12"))
        assert await task == Keys("12", "completed")
        assert len(api.asked) == 1


@in_virtual_time
async def test_what_wavix_refuses_is_the_bots_to_know_and_the_next_collection_works():
    api = Api()
    api.error = WavixAPIError("Wavix answered with 400", status=400)
    async with collecting(api=api) as (collector, _, task):
        with pytest.raises(WavixAPIError):
            await task
    api.error = None
    async with collecting(collector, api) as (_, _, task):
        collector.on_webhook(told(digits="7"))
        assert (await task).digits == "7"


# The answer


@pytest.mark.parametrize(
    ("status", "digits", "keys"),
    [
        (COMPLETED, "1234", Keys("1234", "completed")),
        (COMPLETED, "1234#", Keys("1234", "completed")),
        (COMPLETED, "12*AB", Keys("12*AB", "completed")),
        (COMPLETED, "", Keys("", "completed")),
        (COMPLETED, "#", Keys("", "completed")),
        (COMPLETED, None, Keys("", "failed")),
        (FAILED, "12", Keys("12", "failed")),
        (FAILED, None, Keys("", "failed")),
    ],
)
@in_virtual_time
async def test_the_end_of_the_collection_is_the_answer(status, digits, keys):
    async with collecting() as (collector, _, task):
        await asyncio.sleep(0.3)
        collector.on_webhook(told(status, digits))
        at = asyncio.get_running_loop().time()
        assert await task == keys
        assert asyncio.get_running_loop().time() == at


@in_virtual_time
async def test_an_answer_may_come_before_wavix_has_answered_the_request():
    api = Api()
    api.stuck = True
    async with collecting(api=api) as (collector, _, task):
        collector.on_webhook(told(digits="9"))
        assert (await task).digits == "9"


@in_virtual_time
async def test_what_else_happens_in_a_call_is_no_answer():
    async with collecting() as (collector, _, task):
        for call in (
            told("started"),
            told("started", digits="12"),
            told("paused", digits="12"),
            told(None, digits="12"),
            told(kind="audio"),
            told(kind="fax", digits="12"),
            WavixCall(id="abc-123", event_type="answered", event_time=now()),
            WavixCall(id="abc-123"),
        ):
            collector.on_webhook(call)
        await asyncio.sleep(3)
        assert not task.done()


@in_virtual_time
async def test_what_happens_later_may_be_told_sooner():
    async with collecting() as (collector, _, task):
        answer = told(digits="55")
        await asyncio.sleep(0.5)
        collector.on_webhook(told(kind="audio"))
        collector.on_webhook(answer)
        assert (await task).digits == "55"


# What belongs to an earlier collection


@in_virtual_time
async def test_an_old_answer_that_comes_again_is_none():
    api = Api()
    async with collecting(api=api) as (collector, _, task):
        old = told(digits="1111")
        collector.on_webhook(old)
        await task
    async with collecting(collector, api) as (_, _, task):
        for _ in range(3):
            collector.on_webhook(old)
            api.shows = old
            await asyncio.sleep(1.5)
        assert not task.done()
        collector.on_webhook(told(digits="1111"))  # the same keys, pressed again
        assert await task == Keys("1111", "completed")


@in_virtual_time
async def test_an_answer_that_came_between_two_collections_is_none():
    api = Api()
    async with collecting(api=api) as (collector, _, task):
        task.cancel()
    await asyncio.sleep(1)
    late = told(digits="1111")
    collector.on_webhook(late)
    async with collecting(collector, api) as (_, _, task):
        collector.on_webhook(late)
        await asyncio.sleep(3)
        assert not task.done()


@in_virtual_time
async def test_an_answer_of_which_only_asking_could_tell_is_known_before_the_next_collection():
    api = Api()
    async with collecting(api=api) as (collector, _, task):
        task.cancel()
    late = told(digits="1111")
    api.shows = late
    await asyncio.sleep(1)
    async with collecting(collector, api) as (_, _, task):
        await asyncio.sleep(3)
        collector.on_webhook(late)
        await asyncio.sleep(1)
        assert not task.done()


@in_virtual_time
async def test_an_answer_that_is_older_than_the_collections_beginning_is_none():
    async with collecting() as (collector, _, task):
        old = told(digits="1111")
        await asyncio.sleep(0.1)
        collector.on_webhook(told("started"))
        collector.on_webhook(old)
        await asyncio.sleep(1)
        assert not task.done()


@in_virtual_time
async def test_an_answer_that_is_older_than_anything_known_before_is_none():
    api = Api()
    collector = Collector(api, "abc-123")
    collector.begin()
    old = told(digits="1111")
    await asyncio.sleep(0.1)
    collector.on_webhook(told(kind="audio"))
    async with collecting(collector, api) as (_, _, task):
        collector.on_webhook(old)
        await asyncio.sleep(1)
        assert not task.done()


@in_virtual_time
async def test_wavix_may_tell_whole_seconds():
    second = now().replace(microsecond=0)
    api = Api()
    api.shows = WavixCall(id="abc-123", event_type="answered", event_time=second)
    async with collecting(api=api) as (collector, _, task):
        collector.on_webhook(told("started", at=second))
        collector.on_webhook(told(digits="3", at=second))
        assert (await task).digits == "3"
    async with collecting(collector, api) as (_, _, task):
        collector.on_webhook(told(digits="3", at=second))
        await asyncio.sleep(0.5)
        assert not task.done()
        # A quick caller's second answer, within the second.
        collector.on_webhook(told(digits="4", at=second))
        assert (await task).digits == "4"


@in_virtual_time
async def test_what_tells_no_time_answers_once():
    async with collecting() as (collector, api, task):
        collector.on_webhook(told("started", at=None))
        collector.on_webhook(told(digits="1", at=None))
        assert (await task).digits == "1"
    async with collecting(collector, api) as (_, _, task):
        collector.on_webhook(told(digits="1", at=None))
        await asyncio.sleep(1)
        assert not task.done()
        collector.on_webhook(told(digits="2", at=None))
        assert (await task).digits == "2"


@in_virtual_time
async def test_what_is_remembered_is_bounded():
    collector = Collector(Api(), "abc-123")
    for number in range(1000):
        collector.on_webhook(told(digits=str(number), at=None))
        collector.on_webhook(told(digits=str(number)))
    assert len(collector._seen_without_time) == 32


# Asking


@in_virtual_time
async def test_where_no_webhook_comes_wavix_is_asked_once_a_second():
    api = Api()
    collector = Collector(api, "abc-123")
    collector.begin()
    collector.on_webhook(told(kind="audio"))  # that one came shows nothing of later ones
    async with collecting(collector, api) as (_, _, task):
        (began, _), looks = api.asked[0], len(api.looks)
        await asyncio.sleep(4.5)
        assert 3 <= len(api.looks) - looks <= 5
        assert api.looks[looks] - began >= 1  # a webhook is given a chance
        api.shows = told(digits="42")
        assert await task == Keys("42", "completed")


@in_virtual_time
async def test_where_webhooks_come_wavix_is_asked_less_often_but_a_lost_one_is_made_up_for():
    async with collecting(timeout_secs=30) as (collector, api, task):
        collector.on_webhook(told("started"))
        looks = len(api.looks)
        await asyncio.sleep(13)
        assert 2 <= len(api.looks) - looks <= 3
        api.shows = told(digits="42")
        at = asyncio.get_running_loop().time()
        assert (await task).digits == "42"
        assert asyncio.get_running_loop().time() - at <= 5.1


@in_virtual_time
async def test_an_answer_at_the_last_moment_is_found_though_its_webhook_is_lost():
    async with collecting(timeout_secs=11) as (collector, api, task):
        collector.on_webhook(told("started"))
        await asyncio.sleep(11.5)
        api.shows = told(FAILED, digits="4")
        assert await task == Keys("4", "failed")


@pytest.mark.parametrize("error", [WavixAPIError("500", status=500), RuntimeError("12345"), None])
@in_virtual_time
async def test_an_api_that_cannot_be_asked_costs_only_the_asking(error, logs):
    api = Api()
    api.look_error = error
    if error is None:
        api.get_call = lambda call_id: asyncio.Event().wait()  # it never answers
    async with collecting(api=api) as (collector, _, task):
        await asyncio.sleep(4)
        assert not task.done()
        collector.on_webhook(told(digits="12"))
        assert (await task).digits == "12"
    assert "12345" not in "".join(logs)


@pytest.mark.parametrize("stuck", [False, True])
@in_virtual_time
async def test_a_collection_of_which_nothing_is_heard_times_out(stuck):
    api = Api()
    if stuck:
        api.get_call = lambda call_id: asyncio.Event().wait()
    async with collecting(api=api, timeout_secs=5, max_attempts=3) as (_, _, task):
        began, _ = api.asked[0]
        assert await task == Keys("", "timed_out")
        assert 15 + 3 <= asyncio.get_running_loop().time() - began <= 15 + 7


# The end


@pytest.mark.parametrize("end", ["completed", "failed", "busy"])
@pytest.mark.parametrize("polled", [False, True])
@in_virtual_time
async def test_the_call_may_end_meanwhile(end, polled):
    async with collecting() as (collector, api, task):
        over = WavixCall(id="abc-123", event_type=end, event_time=now())
        if polled:
            api.shows = over
        else:
            collector.on_webhook(over)
            await asyncio.sleep(0.001)
            assert task.done()
        assert await task == Keys("", "hung_up")
    assert await collect(collector) == Keys("", "hung_up")
    assert len(api.asked) == 1


@pytest.mark.parametrize("stage", ["heard", "look", "post"])
@in_virtual_time
async def test_the_call_may_end_before_wavix_collects(stage):
    api = Api()
    api.stuck = True
    collector = Collector(api, "abc-123")
    collector.begin()
    if stage == "look":
        api.get_call = lambda call_id: asyncio.Event().wait()
    never, before = asyncio.Event(), asyncio.all_tasks()
    task = asyncio.create_task(collect(collector, ready=never.wait if stage == "heard" else None))
    await asyncio.sleep(1)
    assert bool(api.asked) is (stage == "post")
    collector.end()
    await asyncio.sleep(0.001)
    assert task.result() == Keys("", "hung_up")
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("after", [0.0, 0.01, 0.035, 0.5, 1.01, 4.0])
@in_virtual_time
async def test_a_collection_that_is_cancelled_leaves_nothing_behind(after):
    api = Api()
    collector = Collector(api, "abc-123")
    collector.begin()
    before = asyncio.all_tasks()
    task = asyncio.create_task(collect(collector))
    await asyncio.sleep(after)
    task.cancel()
    await asyncio.sleep(0.001)
    assert task.cancelled()
    assert asyncio.all_tasks() == before
    async with collecting(collector, api) as (_, _, task):
        collector.on_webhook(told(digits="12"))
        assert (await task).digits == "12"


# On a call


@contextlib.asynccontextmanager
async def on_a_call(*processors, **kwargs):
    api = Api()
    far = kwargs.pop("far", None) or FarEnd()
    async with call(*processors, far=far, client=api, **kwargs) as this:
        voicemail = []
        this.transport.add_event_handler(
            "on_voicemail_detected", lambda *args: voicemail.append(args)
        )
        await asyncio.sleep(0.3)
        yield this, api, voicemail


def pressed(recorder):
    down = recorder.frames(InputDTMFFrame, FrameDirection.DOWNSTREAM)
    assert not recorder.frames(InputDTMFFrame, FrameDirection.UPSTREAM)
    return "".join(frame.button.value for frame in down)


async def until(condition):
    while not condition():
        await asyncio.sleep(0.001)


@in_virtual_time
async def test_each_key_goes_down_the_pipeline_once_and_in_order_before_the_answer():
    async with on_a_call() as (this, api, _):
        task = asyncio.create_task(this.transport.collect_dtmf(max_digits=20, timeout_secs=9))
        await until(lambda: api.asked)
        answer = told(digits="0123456789*ABCD98#")
        for _ in range(3):
            this.transport.on_webhook(answer)
        api.shows = answer
        keys = await task
        assert keys.digits == "0123456789*ABCD98"
        await asyncio.sleep(2)
        this.transport.on_webhook(answer)
        await asyncio.sleep(2)
        # Pipecat's keypad has no A to D.
        assert pressed(this.before) == pressed(this.after) == "0123456789*98"


@in_virtual_time
async def test_pipecats_aggregator_takes_the_keys():
    aggregator = DTMFAggregator()
    async with on_a_call(ahead=[aggregator]) as (this, api, _):
        task = asyncio.create_task(this.transport.collect_dtmf(max_digits=4, timeout_secs=9))
        await until(lambda: api.asked)
        this.transport.on_webhook(told(digits="1234"))
        await task
        await asyncio.sleep(5)
        texts = [f.text for _, f, _ in this.before.seen if type(f).__name__ == "TranscriptionFrame"]
        assert texts == ["DTMF: 1234"]


@in_virtual_time
async def test_a_collection_begins_when_the_caller_has_heard_the_question():
    far = FarEnd(0.1)
    async with on_a_call(far=far) as (this, api, _):
        await this.say(*utterance(2.0))
        task = asyncio.create_task(this.transport.collect_dtmf(max_digits=4, timeout_secs=9))
        await until(lambda: api.asked)
        ((_, heard),) = far.spans()
        assert 0 <= api.asked[0][0] - heard <= 0.2
        task.cancel()
        await this.say(*utterance(2.0))
        at = asyncio.get_running_loop().time()
        now_ = this.transport.collect_dtmf(max_digits=4, timeout_secs=9, when_heard=False)
        task = asyncio.create_task(now_)
        await until(lambda: len(api.asked) == 2)
        assert api.asked[1][0] - at <= 0.05
        task.cancel()


@in_virtual_time
async def test_a_caller_who_cuts_in_is_not_made_to_wait():
    async with on_a_call() as (this, api, _):
        await this.say(*utterance(5.0))
        task = asyncio.create_task(this.transport.collect_dtmf(max_digits=4, timeout_secs=9))
        await asyncio.sleep(1)
        assert not api.asked
        await this.say(InterruptionFrame())
        await asyncio.sleep(0.1)
        assert api.asked
        this.transport.on_webhook(told(digits="5"))
        assert (await task).digits == "5"


@in_virtual_time
async def test_speech_that_is_never_heard_does_not_hold_up_a_collection_for_ever():
    async with on_a_call() as (this, api, _):
        await this.say(*utterance(90.0))
        task = asyncio.create_task(this.transport.collect_dtmf(max_digits=4, timeout_secs=9))
        await asyncio.sleep(59)
        assert not api.asked
        await asyncio.sleep(2)
        assert api.asked
        task.cancel()


@pytest.mark.parametrize("how", ["stop", "leave", "end", "cancel", "cleanup"])
@pytest.mark.parametrize("speaking", [False, True])
@in_virtual_time
async def test_a_collection_ends_with_the_call_however_slow_the_hang_up(how, speaking):
    async with on_a_call() as (this, api, _):
        api.hang_up_secs = 4.0
        if speaking:
            await this.say(*utterance(5.0))
        task = asyncio.create_task(this.transport.collect_dtmf(max_digits=4, timeout_secs=9))
        await asyncio.sleep(0.5)
        assert bool(api.asked) is not speaking
        if how == "stop":
            this.far.say({"event": "stop"})
        elif how == "leave":
            this.far.leave()
        elif how == "end":
            await this.say(EndFrame())
            await asyncio.sleep(5)
        elif how == "cancel":
            await this.worker.cancel()
        else:
            await this.transport.output().cleanup()
        await asyncio.sleep(0.2)
        assert task.done()
        assert task.result() == Keys("", "hung_up")
        keys = await this.transport.collect_dtmf(max_digits=4, timeout_secs=9)
        assert keys.outcome == "hung_up"
        assert len(api.asked) == (not speaking)


@in_virtual_time
async def test_webhooks_of_another_call_and_of_a_call_that_is_over_are_ignored():
    async with on_a_call() as (this, api, voicemail):
        task = asyncio.create_task(this.transport.collect_dtmf(max_digits=4, timeout_secs=9))
        await until(lambda: api.asked)
        this.transport.on_webhook(told(digits="1", id="another", machine_detected=True))
        await asyncio.sleep(0.5)
        assert not task.done()
        await this.worker.cancel()
        await this.ended()
        this.transport.on_webhook(told(digits="1", machine_detected=True))
        await asyncio.sleep(0.1)
        assert not voicemail
        assert (await task).outcome == "hung_up"


@in_virtual_time
async def test_keys_are_in_no_log_and_in_no_repr(logs):
    async with on_a_call() as (this, api, _):
        for digits in ("31415926", "27182818"):
            task = asyncio.create_task(this.transport.collect_dtmf(max_digits=8, timeout_secs=9))
            asked = len(api.asked)
            await until(lambda asked=asked: len(api.asked) > asked)
            await asyncio.sleep(0.1)
            this.transport.on_webhook(told(digits=digits))
            keys = await task
            assert digits not in repr(keys) + str(keys)
        frames = this.before.frames(InputDTMFFrame)
        assert pressed(this.before) == "3141592627182818"
        assert all(str(frame) == repr(frame) == frame.name for frame in frames)
    text = "".join(logs)
    assert "KeyFrame" in text  # Pipecat traces frames, and would trace Pipecat's own key
    assert "tone:" not in text
    assert "31415926" not in text
    assert "27182818" not in text


# Voicemail


@in_virtual_time
async def test_voicemail_is_told_once():
    async with on_a_call() as (this, _, voicemail):
        this.transport.on_webhook(told(kind="audio"))
        await asyncio.sleep(0.1)
        assert not voicemail
        for _ in range(3):
            this.transport.on_webhook(told(kind="audio", machine_detected=True))
            await asyncio.sleep(0.1)
        assert voicemail == [(this.transport,)]


@in_virtual_time
async def test_voicemail_that_was_known_from_the_start_is_told_when_the_bot_has_started(
    monkeypatch,
):
    machine = WavixCall(id="abc-123", event_time=now(), machine_detected=True)
    voicemail = []

    def transport_of_a_server(*args, **kwargs):
        transport = WavixTransport(*args, **kwargs)
        transport.on_webhook(machine)
        transport.add_event_handler("on_voicemail_detected", voicemail.append)
        return transport

    monkeypatch.setattr("far_end.WavixTransport", transport_of_a_server)
    async with call() as this:
        await asyncio.sleep(0.1)
        this.transport.on_webhook(machine)
        await asyncio.sleep(0.1)
        assert voicemail == [this.transport]


@in_virtual_time
async def test_a_webhook_of_the_end_does_nothing_while_the_socket_is_open():
    async with on_a_call() as (this, _, _):
        this.transport.on_webhook(WavixCall(id="abc-123", event_type="completed", event_time=now()))
        await this.say(*utterance(0.5))
        await asyncio.sleep(1.5)
        assert len(this.far.spans()) == 1
        assert [name for name, *_ in this.events] == ["on_client_connected"]
        keys = await this.transport.collect_dtmf(max_digits=1, timeout_secs=5)
        assert keys.outcome == "hung_up"


def test_the_id_of_the_client_is_the_calls():
    async def ids():
        with_call = WavixTransport(FarEnd(), stream_id="s", call_id="c")
        without = WavixTransport(FarEnd(), stream_id="s")
        return with_call.get_client_id(object()), without.get_client_id(object())

    assert asyncio.run(ids()) == ("c", "s")


# Webhooks in any order


collections = st.lists(
    st.fixed_dictionaries(
        {
            "digits": st.sampled_from(["1", "2", "12"]),
            "status": st.sampled_from([COMPLETED, FAILED]),
            "after": st.sampled_from([0.01, 0.3, 1.02, 3.9]),  # from the request to the end
            "started": st.lists(st.sampled_from([0.0, 0.2, 2.0, 4.9]), max_size=2),
            "ended": st.lists(st.sampled_from([0.0, 0.1, 1.0, 4.9]), max_size=3),
            "late": st.sampled_from([None, 7.0, 11.0, 25.0]),  # one more webhook of the end
            "hidden": st.booleans(),  # whether something else is the latest that a GET shows
            "pause": st.sampled_from([0.0, 0.5, 6.0]),
        }
    ),
    min_size=2,
    max_size=4,
)


class TellingApi(Api):
    """A `WavixClient` of a Wavix that tells as untidily as it may."""

    def __init__(self, plan, transport, gets):
        super().__init__()
        self.plan, self.transport, self.gets = plan, transport, gets
        self.loop = asyncio.get_running_loop()

    async def collect_dtmf(self, call_id, **options):
        await super().collect_dtmf(call_id, **options)
        step = self.plan[len(self.asked) - 1]
        self.happens("started", None, step["started"])
        await asyncio.sleep(0.001)
        late = [] if step["late"] is None or self.gets == "down" else [step["late"]]
        self.loop.call_later(
            step["after"], self.happens, step["status"], step["digits"], step["ended"] + late
        )
        if step["hidden"]:
            self.loop.call_later(step["after"] + 0.2, self.happens, "started", None, [], "audio")

    def happens(self, status, digits, delays, kind="collect"):
        self.shows = told(status, digits, kind=kind)
        for delay in delays:
            self.loop.call_later(delay, self.transport.on_webhook, self.shows)

    async def get_call(self, call_id):
        self.look_error = None
        if self.gets == "down" or (self.gets == "flaky" and len(self.looks) % 2):
            self.look_error = WavixAPIError("Wavix answered with 503", status=503)
        return await super().get_call(call_id)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plan=collections, gets=st.sampled_from(["work", "flaky", "down"]))
def test_each_collection_has_its_own_keys_once_or_times_out(plan, gets):
    with mock.patch("pipecat_wavix.transport.dtmf.POLL_BESIDE_WEBHOOKS_SECS", 2.0):
        collect_as_planned(plan, gets)


@in_virtual_time
async def collect_as_planned(plan, gets):
    async with on_a_call() as (this, _, _):
        api = TellingApi(plan, this.transport, gets)
        this.transport._collector._client = api
        expected, hidden_since = "", False
        for step in plan:
            keys = await this.transport.collect_dtmf(max_digits=2, timeout_secs=4, when_heard=False)
            told_by_get = gets != "down" and not step["hidden"] and not hidden_since
            hidden_since = step["hidden"]  # it may be so only when the next one has begun
            if keys.outcome == "timed_out":
                assert not step["ended"]
                assert not told_by_get
                assert keys.digits == ""
            else:
                assert keys == Keys(step["digits"], step["status"])
            expected += keys.digits
            assert pressed(this.before) == expected
            await asyncio.sleep(step["pause"])
        await asyncio.sleep(30)
        assert pressed(this.before) == expected


# Tones

ROWS, COLUMNS = (697, 770, 852, 941), (1209, 1336, 1477)  # ITU-T Q.23, in Hz
KEYS = "123456789*0#"
PAIRS = {key: (ROWS[n // 3], COLUMNS[n % 3]) for n, key in enumerate(KEYS)}


def tones(far):
    """What keys the caller has heard: [(key, from, to), ...]; anything that is no key is None."""
    times, values = far.heard()
    heard = []
    for begin, end in far.spans(pause=0.01):
        samples = values[(times >= begin - 1e-6) & (times < end - 1e-6)].astype(float)
        assert np.abs(samples).max() < 32_000  # not clipped
        power = {hz: goertzel(samples, hz) for hz in ROWS + COLUMNS}
        row, column = max(ROWS, key=power.get), max(COLUMNS, key=power.get)
        pure = power[row] + power[column] > 0.98 * (samples**2).mean()
        level = 10 * np.log10(power[row] / power[column])
        key = {pair: key for key, pair in PAIRS.items()}[row, column]
        heard.append((key if pure and abs(level) < 1 else None, begin, end))
    return heard


def goertzel(samples, hz):
    """The power of a tone among samples."""
    turns = np.exp(-2j * np.pi * hz * np.arange(len(samples)) / RATE)
    return 2 * np.abs((samples * turns).mean()) ** 2


def numbers(heard):
    """The keys, each of which has its time: ITU-T Q.24 asks for 40 ms, and 40 ms of pause."""
    for _, begin, end in heard:
        assert end - begin >= 0.07
    for (_, _, end), (_, begin, _) in pairwise(heard):
        assert begin - end >= 0.05
    return "".join(str(key) for key, _, _ in heard)


@pytest.mark.parametrize("cls", [OutputDTMFFrame, OutputDTMFUrgentFrame])
@pytest.mark.parametrize("rate", [8_000, 24_000])
@in_virtual_time
async def test_every_key_is_heard_as_its_two_tones(cls, rate):
    async with on_a_call(out_rate=rate) as (this, _, _):
        await this.say(cls.from_string(KEYS))
        await asyncio.sleep(8)
        assert numbers(tones(this.far)) == KEYS


@in_virtual_time
async def test_keys_between_words_are_heard_whole():
    async with on_a_call(out_rate=16_000) as (this, _, _):
        await this.say(*utterance(0.53, rate=16_000, hz=440))
        await this.say(OutputDTMFFrame.from_string("159"))
        await this.say(*utterance(0.53, rate=16_000, hz=440, context="c2"))
        await asyncio.sleep(5)
        _, values = this.far.heard()
        for key in "159":
            tone = np_bytes(await load_dtmf_audio(KeypadEntry(key), sample_rate=RATE))
            assert contains(values, tone)


@in_virtual_time
async def test_numbers_are_not_mixed():
    async with on_a_call() as (this, _, _):
        await this.say(OutputDTMFUrgentFrame.from_string("123"))
        await this.say(OutputDTMFUrgentFrame.from_string("456"))
        await this.say(OutputDTMFFrame.from_string("789"))
        await asyncio.sleep(6)
        assert numbers(tones(this.far)) == "123456789"


@in_virtual_time
async def test_no_key_of_a_number_is_sent_after_an_interruption():
    async with on_a_call() as (this, _, _):
        await this.say(OutputDTMFUrgentFrame.from_string("123"))
        await this.say(OutputDTMFUrgentFrame.from_string("456"))
        await asyncio.sleep(0.2)
        await this.say(InterruptionFrame())
        await asyncio.sleep(5)
        assert len(tones(this.far)) == 1
        await this.say(OutputDTMFUrgentFrame.from_string("7"))
        await asyncio.sleep(1)
        assert numbers(tones(this.far)[1:]) == "7"


@in_virtual_time
async def test_a_key_whose_tone_is_still_being_loaded_is_interrupted_as_well(monkeypatch):
    async def load(*args, **kwargs):
        await asyncio.sleep(0.5)
        return await load_dtmf_audio(*args, **kwargs)

    monkeypatch.setattr("pipecat_wavix.transport.output.load_dtmf_audio", load)
    async with on_a_call() as (this, _, _):
        await this.say(OutputDTMFUrgentFrame.from_string("1"))
        await asyncio.sleep(0.2)
        await this.say(InterruptionFrame())
        await asyncio.sleep(2)
        assert not tones(this.far)


@pytest.mark.parametrize("cls", [OutputDTMFFrame, OutputDTMFUrgentFrame])
@in_virtual_time
async def test_the_call_is_not_hung_up_before_the_last_key_was_heard(cls):
    async with on_a_call() as (this, _, _):
        await this.say(cls.from_string("1234567890"), EndFrame())
        await this.ended()
        await asyncio.sleep(1)
        assert numbers(tones(this.far)) == "1234567890"
