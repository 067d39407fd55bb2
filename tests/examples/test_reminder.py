"""`examples/reminder.py`: it calls a person, and a machine, of an emulated Wavix."""

import pytest
from clouds.cartesia import Cartesia
from clouds.deepgram import Deepgram
from clouds.speech import WORD_SECS
from lines import BOT_SIDE, CALLER, serving

from pipecat_wavix.emulator import (
    Callee,
    CallSettings,
    NetworkSettings,
    Press,
    Say,
    WaitForBot,
)
from pipecat_wavix.emulator.voice import speak

APPOINTMENT = {"name": "Ms Lee", "time": "on Tuesday at ten"}
SPEAKS = WaitForBot("speaking", 1.5, 60)


@pytest.fixture
async def reminder(example, cloud):
    """The example, its clouds, and what it was told of the ends of calls."""
    reminder = example("reminder")
    reminder.cartesia, reminder.deepgram = Cartesia(), Deepgram(["Yes, I will be there."])
    await cloud(reminder.cartesia, reminder.deepgram)
    reminder.ended = []

    async def on_call_ended(call):
        await reminder.on_call_ended(call)
        reminder.ended.append((call.event_type, call.machine_detected))

    reminder.hooks = {"on_call_ended": on_call_ended}
    return reminder


@pytest.mark.parametrize(
    ("action", "key"),
    [
        (lambda: Press("1"), "1"),
        (lambda: Press("2"), "2"),
        (lambda: Say(speak("Yes, I will be there")), "1"),
    ],
    ids=["presses 1", "presses 2", "says yes"],
)
async def test_a_person_is_reminded_and_answers(reminder, wavix_emulator, logs, action, key):
    async with serving(reminder.bot, wavix_emulator, **reminder.hooks) as line:
        script = [SPEAKS, action(), WaitForBot("quiet", 60, 60)]
        line.emulator.callees[CALLER] = Callee(after_secs=0.2, script=script)
        call = await line.dial_out(body=APPOINTMENT, voicemail_detection=True)
        summary = await call.finished()
    assert summary.end_reason == "hung up by the account"
    assert reminder.ended == [("completed", False)]
    assert reminder.cartesia.texts == [
        reminder.REMINDER.format(**APPOINTMENT),
        reminder.ANSWERS[key],
    ]
    # The answer stopped the reminder, and was heard to its end.
    whole_secs = sum(len(text.split()) for text in reminder.cartesia.texts) * WORD_SECS
    heard = line.spells(call, BOT_SIDE)
    assert sum(end - began for began, end in heard) < whole_secs - 1.5
    assert heard[-1][1] - heard[-1][0] > len(reminder.ANSWERS[key].split()) * WORD_SECS - 0.3
    assert any(f"on Tuesday at ten: {key}" in line for line in logs)


async def test_a_person_who_does_not_answer_is_let_go(reminder, wavix_emulator, monkeypatch):
    monkeypatch.setattr(reminder, "PATIENCE_SECS", 1)
    async with serving(reminder.bot, wavix_emulator, **reminder.hooks) as line:
        line.emulator.callees[CALLER] = Callee(after_secs=0.2)
        call = await line.dial_out(body=APPOINTMENT)
        await call.finished()
    assert reminder.cartesia.texts[-1] == reminder.NO_ANSWER


async def test_a_machine_is_told_from_a_person(reminder, wavix_emulator, logs):
    # Wavix hangs up at once: without any delay, the socket's end may be faster than the webhook.
    network = {"call": CallSettings(network=NetworkSettings(delay_ms=500))}
    async with serving(
        reminder.bot, wavix_emulator, emulator_settings=network, **reminder.hooks
    ) as line:
        line.emulator.callees[CALLER] = Callee(outcome="machine", after_secs=0.2)
        call = await line.dial_out(body=APPOINTMENT, voicemail_detection=True)
        summary = await call.finished()
    assert summary.end_reason == "a machine was detected"
    assert reminder.ended == [("completed", True)]
    assert any("A machine has answered" in line for line in logs)
    assert any(f"Call {call.id} is over: voicemail" in line for line in logs)


@pytest.mark.parametrize(
    ("outcome", "event"), [("busy", "busy"), ("rejects", "rejected"), ("no_answer", "cancelled")]
)
async def test_a_call_that_nobody_takes_is_noted(reminder, wavix_emulator, outcome, event):
    async with serving(reminder.bot, wavix_emulator, **reminder.hooks) as line:
        line.emulator.callees[CALLER] = Callee(outcome=outcome, after_secs=0.1)
        call = await line.dial_out(body=APPOINTMENT, ring_timeout_secs=1)
        assert await call.finished() is None
    assert reminder.ended == [(event, False)]
    assert reminder.cartesia.texts == []
