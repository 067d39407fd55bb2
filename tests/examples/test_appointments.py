"""`examples/appointments.py`, called, with Deepgram, OpenAI and Cartesia on this machine."""

import pytest
from clouds.cartesia import Cartesia
from clouds.deepgram import Deepgram
from clouds.openai import Call, OpenAI
from conversation import PATIENCE_SECS, answer_of, words_in

from pipecat_wavix.emulator import CallSettings, NetworkSettings

# In one breath each: at a pause the bot may take its turn.
DAY, TIME, ENOUGH = "On Tuesday please.", "At nine please.", "No that was all."
OFFER = "On Tuesday there is nine, and half past three."
BOOKED = "You are coming on Tuesday at nine, is that all?"
GOODBYE = "Thank you for calling, and see you on Tuesday, goodbye."
WAIT = "Wait I need one on Thursday too."
OFFER_THURSDAY = "On Thursday there is ten, eleven and four."

FAR_AWAY = CallSettings(max_secs=120, network=NetworkSettings(delay_ms=150))
CONVERSATION = [
    Call("choose_day", {"day": "Tuesday"}),
    OFFER,
    Call("choose_time", {"time": "nine"}),
    BOOKED,
    Call("end_call", {"goodbye": GOODBYE}),
]


def said(request, role):
    """What one side has said so far, as the model is told."""
    messages = request["messages"]
    return [m["content"] for m in messages if m["role"] == role and m.get("content")]


def offered(request):
    return [tool["function"]["name"] for tool in request["tools"]]


async def test_an_appointment_is_made_and_the_goodbye_is_heard_before_the_bot_hangs_up(
    example, cloud, wavix_call
):
    appointments = example("appointments")
    deepgram, openai = Deepgram(hears=[DAY, TIME, ENOUGH]), OpenAI(CONVERSATION)
    cartesia = Cartesia()
    await cloud(deepgram, openai, cartesia)
    heard = []
    async with wavix_call(appointments.bot, settings=FAR_AWAY) as call:
        heard.append(await answer_of(call))
        for phrase in (DAY, TIME, ENOUGH):
            await call.say(phrase)
            heard.append(await answer_of(call))
        summary = await call.finished()
    texts = [appointments.GREETING, OFFER, BOOKED, GOODBYE]
    counts = [len(text.split()) for text in texts]
    assert [words_in(each.pcm) for each in heard] == pytest.approx(counts, abs=0.5)
    assert summary.end_reason == "the bot closed the socket"
    assert summary.secs - summary.bot_spells[-1].ended_at < 2
    assert deepgram.refused == openai.refused == cartesia.refused == []
    assert said(openai.requests[-1], "user") == [DAY, TIME, ENOUGH]
    assert said(openai.requests[-1], "assistant") == texts[:-1]
    nodes = [
        ["choose_day"],
        *2 * [["choose_time", "choose_day"]],
        *2 * [["end_call", "choose_day"]],
    ]
    assert [offered(request) for request in openai.requests] == nodes
    assert appointments.FREE["tuesday"] == ["half past three"]


async def test_who_cuts_into_the_greeting_or_the_goodbye_is_listened_to(example, cloud, wavix_call):
    appointments = example("appointments")
    deepgram = Deepgram(hears=[DAY, TIME, ENOUGH, WAIT])
    openai = OpenAI([*CONVERSATION, Call("choose_day", {"day": "Thursday"}), OFFER_THURSDAY])
    await cloud(deepgram, openai, Cartesia())
    async with wavix_call(appointments.bot, settings=FAR_AWAY) as call:
        await call.barge_in(DAY, after_secs=1, within_secs=PATIENCE_SECS)
        await answer_of(call)
        await call.say(TIME)
        await answer_of(call)
        await call.say(ENOUGH)
        await call.barge_in(WAIT, after_secs=0.8, within_secs=PATIENCE_SECS)
        answer = await answer_of(call)
        assert words_in(answer.pcm) == pytest.approx(len(OFFER_THURSDAY.split()), abs=0.5)
        summary = call.summary
    assert len([clear for clear in summary.clears if clear.samples]) == 2
    assert openai.refused == []
    last = openai.requests[-1]
    assert said(last, "user") == [DAY, TIME, ENOUGH, WAIT]
    greeting, *_, goodbye = said(last, "assistant")
    for cut, whole in ((greeting, appointments.GREETING), (goodbye, GOODBYE)):
        assert whole.startswith(cut)
        assert 1 < len(cut.split()) < len(whole.split())
    # The model has been told what became of its goodbye.
    assert any("has cut in" in str(message.get("content")) for message in last["messages"])
