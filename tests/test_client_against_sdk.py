"""What `WavixClient` sends, held against Wavix's own SDK, which nobody here wrote."""

from contextlib import asynccontextmanager

import httpx
import pytest
from rest_requests import CALL, HOOK, ID, REQUESTS, STREAM_ID, WSS
from rest_server import Answer, rest_server
from wavix import AsyncWavix
from wavix.call_control import CallDtmfCollectRequestPrompt, CallDtmfCollectRequestPromptSay
from wavix.core.api_error import ApiError

from pipecat_wavix import WavixAPIError, WavixClient

PROMPT = CallDtmfCollectRequestPrompt(
    say=CallDtmfCollectRequestPromptSay(text="Please enter your PIN", language="en", voice="Joanna")
)
DIAL = {"from_": "+1234567890", "to": "+1987654321", "callback_url": HOOK, "tag": "a"}
RECORDED = {"call_recording": True, "call_transcription": True}
KEYS = {"max_digits": 20, "timeout": 60, "termination_character": "*", "max_attempts": 3}
FIVE_KEYS = {"max_digits": 5, "timeout": 10, "termination_character": "#", "max_attempts": 1}


def stream(type_, channel):
    return {"stream_url": WSS, "stream_type": type_, "stream_channel": channel}


SAME = {
    "a dial": lambda c: c.call_control.create(**DIAL),
    "a dial with everything": lambda c: c.call_control.create(
        **DIAL, recording=True, voicemail_detection=True, timeout=60
    ),
    "the calls": lambda c: c.call_control.list(),
    "a call": lambda c: c.call_control.get(ID),
    "a tag": lambda c: c.call_control.update(ID, tag="vip"),
    "a hang-up": lambda c: c.call_control.delete(ID),
    "an answer": lambda c: c.call_control.answer(ID),
    "an answer with a stream": lambda c: c.call_control.answer(ID, **stream("twoway", "inbound")),
    "an answer with everything": lambda c: c.call_control.answer(
        ID, **stream("oneway", "both"), **RECORDED
    ),
    "a stream": lambda c: c.call_control.streams.create(ID, **stream("oneway", "outbound")),
    "a stream's stop": lambda c: c.call_control.streams.delete(ID, STREAM_ID),
    "a file": lambda c: c.call_control.audio.play(ID, audio_file="https://examples.com/audio.wav"),
    "a file's stop": lambda c: c.call_control.audio.stop(ID),
    "digits": lambda c: c.call_control.collect(ID, **FIVE_KEYS),
    "digits with a prompt": lambda c: c.call_control.collect(ID, **KEYS, prompt=PROMPT),
    "the webhooks": lambda c: c.call_webhooks.list(),
    "a webhook": lambda c: c.call_webhooks.create(url=HOOK, event_type="on-call"),
    "a webhook's end": lambda c: c.call_webhooks.delete(event_type="post-call"),
    "a number": lambda c: c.numbers.list(search="12565378257", page=1),
    "a number's webhook": lambda c: c.numbers.update(
        123, call_status_url="https://your-site.com/calls"
    ),
}


@asynccontextmanager
async def sdk(api):
    async with httpx.AsyncClient() as http:
        place = api.url.rstrip("/")
        yield AsyncWavix(token="key", base_url=place, max_retries=0, httpx_client=http)


def test_every_request_is_held_against_the_sdk():
    assert set(SAME) == set(REQUESTS)


@pytest.mark.parametrize("name", REQUESTS)
async def test_a_request_is_the_one_that_wavixs_own_sdk_sends(name):
    async with rest_server() as api, sdk(api) as wavix:
        # Both must fail alike: what is under test is the question.
        api.will(Answer({"success": False, "message": "no"}, 400))
        with pytest.raises(WavixAPIError, match="400"):
            await REQUESTS[name][0](WavixClient("key", base_url=api.url))
        with pytest.raises(ApiError, match="400"):
            await SAME[name](wavix)
        ours, theirs = api.asked
    assert (ours.method, ours.path, ours.query) == (theirs.method, theirs.path, theirs.query)
    assert ours.body == theirs.body
    assert ours.headers["Authorization"] == theirs.headers["Authorization"]


async def test_a_call_is_read_as_wavixs_own_sdk_reads_it():
    async with rest_server() as api, sdk(api) as wavix:
        api.will({"call": CALL, "success": True})
        ours = await WavixClient("key", base_url=api.url).get_call(ID)
        theirs = (await wavix.call_control.get(ID)).call
    assert (ours.id, ours.direction, ours.event_type) == (
        theirs.id,
        theirs.direction,
        theirs.event_type,
    )
    assert (ours.event_time, ours.started_at) == (theirs.event_time, theirs.call_started)
    assert (ours.answered_at, ours.tag) == (theirs.call_answered, theirs.tag)
    assert (ours.from_number, ours.to_number) == (theirs.from_, f"+{theirs.to}")
