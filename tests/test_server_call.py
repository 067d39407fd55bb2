import asyncio
from datetime import UTC, datetime

import pytest
from fake_wavix import CALL_ID, FakeWavix, call
from virtual_time import in_virtual_time

from pipecat_wavix.errors import WavixUnreachable
from pipecat_wavix.server.call import EARLY_WEBHOOKS, Session, WavixCallData


async def nothing():
    pass


def session(wavix=None, **options):
    return Session(wavix or FakeWavix(), call_id=CALL_ID, stream_id="s", close=nothing, **options)


async def test_a_session_hands_on_what_its_transport_asks_for():
    wavix = FakeWavix()
    s = session(wavix)
    assert await s.get_call(CALL_ID) == wavix.calls[CALL_ID]
    await s.collect_dtmf(CALL_ID, max_digits=4, timeout_secs=5)
    assert not s.hung_up
    await s.hang_up(CALL_ID)
    assert s.hung_up
    assert [what for what, _ in wavix.asked] == ["get", "collect", "hang_up"]


def test_webhooks_wait_for_the_transport_within_bounds():
    s, heard = session(), []
    for n in range(EARLY_WEBHOOKS + 5):
        s.deliver(call(tag=str(n)))
    s.listen(heard.append)
    s.deliver(call(tag="late"))
    assert [c.tag for c in heard] == [*map(str, range(EARLY_WEBHOOKS)), "late"]


async def waited(s):
    """For how many seconds it waits until the end of its call is told."""
    began = asyncio.get_running_loop().time()
    await s.wait_until_end_is_told()
    return asyncio.get_running_loop().time() - began


@in_virtual_time
async def test_a_call_that_no_machine_answers_waits_for_nothing():
    wavix = FakeWavix()
    assert await waited(session(wavix)) == 0
    assert not wavix.asked


@pytest.mark.parametrize(
    "end",
    [
        call(machine_detected=True),
        call("completed"),
        call(completed_at=datetime.now(UTC)),
    ],
    ids=["a machine", "completed", "completed at"],
)
@in_virtual_time
async def test_what_is_told_of_the_end_is_waited_for(end):
    wavix = FakeWavix()
    s = session(wavix, voicemail_detection=True)
    loop = asyncio.get_running_loop()
    loop.call_later(0.2, s.deliver, call("on_call_event"))
    loop.call_later(0.5, s.deliver, end)
    assert await waited(s) == pytest.approx(0.5)
    assert await waited(s) == 0
    assert not wavix.asked


@in_virtual_time
async def test_wavix_is_asked_how_a_call_ended_if_it_does_not_tell():
    wavix, heard = FakeWavix(), []
    wavix.calls[CALL_ID] = call("completed", machine_detected=True)
    s = session(wavix, voicemail_detection=True)
    s.listen(heard.append)
    assert await waited(s) == pytest.approx(1)
    assert heard == [wavix.calls[CALL_ID]]


@in_virtual_time
async def test_a_wavix_that_cannot_tell_how_a_call_ended_is_given_up(monkeypatch):
    wavix = FakeWavix()
    for error in (WavixUnreachable("no reply"), RuntimeError("the client is closed")):
        wavix.failures["get"] = error
        assert await waited(session(wavix, voicemail_detection=True)) == pytest.approx(1)

    async def never(_call_id):
        await asyncio.sleep(3600)

    monkeypatch.setattr(wavix, "get_call", never)
    assert await waited(session(wavix, voicemail_detection=True)) == pytest.approx(3)


def test_the_calls_data_reads_as_pipecats():
    data = WavixCallData(call_id=CALL_ID, direction="inbound", **{"from": "+1", "to": "+2"})
    assert data.from_number == data["from"] == "+1"
    assert data.get("direction") == data.direction == "inbound"
    assert "tag" not in data
