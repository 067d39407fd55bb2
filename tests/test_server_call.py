from fake_wavix import CALL_ID, FakeWavix, call

from pipecat_wavix.server.call import EARLY_WEBHOOKS, Session, WavixCallData


async def nothing():
    pass


def session(wavix=None):
    return Session(wavix or FakeWavix(), call_id=CALL_ID, stream_id="s", close=nothing)


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


def test_the_calls_data_reads_as_pipecats():
    data = WavixCallData(call_id=CALL_ID, direction="inbound", **{"from": "+1", "to": "+2"})
    assert data.from_number == data["from"] == "+1"
    assert data.get("direction") == data.direction == "inbound"
    assert "tag" not in data
