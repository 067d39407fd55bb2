"""How a call gets its stream. The lines' patience is a minute."""

import asyncio

import pytest
from fake_wavix import CALL_ID, CALLER, NUMBER, FakeWavix, answered
from virtual_time import in_virtual_time

from pipecat_wavix.errors import (
    WavixBadRequest,
    WavixForbidden,
    WavixNotFound,
    WavixNotSent,
    WavixOutcomeUnknown,
    WavixRateLimited,
    WavixServerError,
    WavixUnreachable,
)
from pipecat_wavix.server.call import Session
from pipecat_wavix.server.lines import Lines
from pipecat_wavix.server.metrics import Metrics
from pipecat_wavix.server.starts import Starts
from pipecat_wavix.tokens import StreamPass

CONTENT = StreamPass(
    call_id=CALL_ID, direction="inbound", from_number=CALLER, to_number=NUMBER, nonce="n"
)


class Front:
    """Starts, with what it works on."""

    def __init__(self):
        self.wavix = FakeWavix()
        self.urls = 0
        self.rescues = []
        self.lines = Lines(5, patience_secs=60, on_overdue=self._overdue)
        self.metrics = Metrics(lambda: len(self.lines), self.wavix.requests)
        self.starts = Starts(self.wavix, self.lines, self.metrics, self._url)
        self.lines.hold(CALL_ID)

    def _url(self, content):
        self.urls += 1
        return f"wss://bot.example.com/{content.call_id}/{self.urls}"

    def _overdue(self, call_id):
        self.rescues.append(asyncio.create_task(self.starts.rescue(call_id)))

    @property
    def asked(self):
        return [what for what, _ in self.wavix.asked]

    def talk(self):
        async def close():
            pass

        session = Session(self.wavix, call_id=CALL_ID, stream_id="s", close=close)
        self.lines.talk(CALL_ID, session)

    def counted(self, outcome, direction="inbound"):
        sample = f'wavix_calls_total{{direction="{direction}",outcome="{outcome}"}} 1.0'
        return sample in self.metrics.text().decode()


@pytest.mark.parametrize(("how", "request_"), [("answer", "answer"), ("stream", "stream")])
@in_virtual_time
async def test_one_request_is_enough(how, request_):
    front = Front()
    await getattr(front.starts, how)(CONTENT)
    assert front.asked == [request_]
    assert front.lines.get(CALL_ID).asked_for == CONTENT


@pytest.mark.parametrize("how", ["answer", "stream"])
@pytest.mark.parametrize(
    "refusal",
    [WavixRateLimited("later", status=429, retry_after_secs=2), WavixNotSent("no connection")],
    ids=["429", "not sent"],
)
@in_virtual_time
async def test_what_was_not_done_is_asked_for_again(how, refusal):
    front = Front()
    what = {"answer": "answer", "stream": "stream"}[how]
    front.wavix.failures[what] = refusal
    asyncio.get_running_loop().call_later(1, front.wavix.failures.clear)
    began = asyncio.get_running_loop().time()
    await getattr(front.starts, how)(CONTENT)
    if how == "answer" and isinstance(refusal, WavixRateLimited):
        assert asyncio.get_running_loop().time() - began == pytest.approx(2)
    assert front.asked.count(what) == 2
    assert "hang_up" not in front.asked


@in_virtual_time
async def test_who_has_to_wait_too_long_is_hung_up():
    front = Front()
    front.wavix.failures["answer"] = WavixRateLimited("x", status=429, retry_after_secs=30)
    await front.starts.answer(CONTENT)
    assert front.asked == ["answer", "hang_up"]
    assert front.counted("start_failed")


@in_virtual_time
async def test_what_is_never_done_is_given_up():
    front = Front()
    front.wavix.failures["answer"] = WavixNotSent("no connection")
    await front.starts.answer(CONTENT)
    assert front.asked == ["answer"] * 3 + ["hang_up"]
    assert len(front.lines) == 0


@pytest.mark.parametrize(
    "unknown", [WavixOutcomeUnknown("no reply"), WavixServerError("failed", status=502)]
)
@in_virtual_time
async def test_an_answer_without_a_reply_is_asked_for_again_only_if_it_was_not_done(unknown):
    front = Front()
    front.wavix.failures["answer"] = unknown
    asyncio.get_running_loop().call_later(0.5, front.wavix.failures.clear)
    await front.starts.answer(CONTENT)
    assert front.asked == ["answer", "get", "answer"]

    front = Front()
    front.wavix.failures["answer"] = unknown
    front.wavix.calls[CALL_ID] = answered(direction="inbound")
    await front.starts.answer(CONTENT)
    assert front.asked == ["answer", "get"]
    assert front.counted("start_unknown")
    assert len(front.lines) == 1


@pytest.mark.parametrize("unknown", [WavixUnreachable("?"), WavixNotFound("gone", status=404)])
@in_virtual_time
async def test_what_cannot_be_known_is_not_done_twice(unknown):
    front = Front()
    front.wavix.failures = {"answer": WavixOutcomeUnknown("no reply"), "get": unknown}
    await front.starts.answer(CONTENT)
    assert front.asked == ["answer", "get"]

    front = Front()
    front.wavix.failures["stream"] = WavixOutcomeUnknown("no reply")
    await front.starts.stream(CONTENT)
    assert front.asked == ["stream"]


@pytest.mark.parametrize(
    "refusal", [WavixBadRequest("it has one", status=400), WavixNotFound("gone", status=404)]
)
@in_virtual_time
async def test_another_process_call_is_left_alone(refusal):
    front = Front()
    front.wavix.failures["stream"] = refusal
    await front.starts.stream(CONTENT)
    assert front.asked == ["stream"]
    assert len(front.lines) == 0


@in_virtual_time
async def test_a_call_that_may_not_be_streamed_is_not_left_in_silence():
    front = Front()
    front.wavix.failures["stream"] = WavixForbidden("not provisioned", status=403)
    await front.starts.stream(CONTENT)
    assert front.asked == ["stream", "hang_up"]


@in_virtual_time
async def test_a_socket_that_does_not_come_is_asked_for_once_more_and_then_the_call_is_ended(logs):
    front = Front()
    await front.starts.answer(CONTENT)
    await asyncio.sleep(61)
    assert front.asked == ["answer", "stream"]
    assert "does the proxy let the upgrade through?" in "".join(logs)
    await asyncio.sleep(61)
    assert front.asked == ["answer", "stream", "hang_up"]
    assert len(front.lines) == 0


@pytest.mark.parametrize(
    "refusal", [WavixBadRequest("it has one", status=400), WavixNotFound("gone", status=404)]
)
@in_virtual_time
async def test_a_socket_that_came_to_another_process_is_left_to_it(refusal):
    front = Front()
    await front.starts.answer(CONTENT)
    front.wavix.failures["stream"] = refusal
    await asyncio.sleep(200)
    assert front.asked == ["answer", "stream"]
    assert len(front.lines) == 0
    assert front.counted("no_socket")


@in_virtual_time
async def test_a_call_that_cannot_be_rescued_is_ended():
    front = Front()
    await front.starts.answer(CONTENT)
    front.wavix.failures["stream"] = WavixUnreachable("no answer")
    await asyncio.sleep(61)
    assert front.asked == ["answer", "stream", "hang_up"]


@in_virtual_time
async def test_a_socket_that_comes_at_the_second_asking_is_kept():
    front = Front()
    await front.starts.answer(CONTENT)
    await asyncio.sleep(61)
    front.talk()
    await asyncio.sleep(200)
    assert front.asked == ["answer", "stream"]
    assert front.lines.is_talking(CALL_ID)


@in_virtual_time
async def test_a_line_for_which_nothing_was_asked_is_only_given_back():
    front = Front()
    await asyncio.sleep(61)
    assert front.asked == []
    assert len(front.lines) == 0
    await front.starts.rescue("unknown")
    front.lines.hold(CALL_ID)
    front.talk()
    await front.starts.rescue(CALL_ID)
    assert front.lines.is_talking(CALL_ID)


@in_virtual_time
async def test_at_the_end_only_calls_without_a_bot_are_hung_up():
    front = Front()
    await front.starts.answer(CONTENT)
    front.lines.hold("rings")
    await front.starts.give_up()
    assert front.wavix.asked == [("answer", CALL_ID), ("hang_up", CALL_ID)]
    front.talk()
    front.wavix.failures["hang_up"] = WavixUnreachable("no answer")
    await front.starts.give_up()
    await front.starts.hang_up("rings")
    assert front.asked.count("hang_up") == 2
