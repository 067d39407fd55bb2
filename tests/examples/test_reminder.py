"""`examples/reminder.py`: it calls a person, and a machine, of an emulated Wavix."""

import pytest
from clouds.cartesia import Cartesia
from clouds.deepgram import Deepgram
from clouds.speech import PAUSE_SECS, WORD_SECS
from lines import BOT_SIDE, CALLER, NUMBER, serving

from pipecat_wavix.emulator import Callee, Pause, Press, Say, ScriptedCaller, WaitForBot
from pipecat_wavix.emulator.voice import speak

APPOINTMENT = {"name": "Ms Lee", "time": "on Tuesday at ten"}
SPEAKS, QUIET = WaitForBot("speaking", 1.5, 60), WaitForBot("quiet", 1, 60)


@pytest.fixture
async def reminder(example, cloud):
    """The example, its clouds, and what it was told of the ends of calls."""
    reminder = example("reminder")
    reminder.cartesia = Cartesia()
    await cloud(reminder.cartesia)
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
async def test_a_person_is_reminded_and_answers(reminder, cloud, wavix_emulator, logs, action, key):
    await cloud(Deepgram(["Yes, I will be there."]))
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


async def test_a_person_who_does_not_answer_is_let_go(reminder, cloud, wavix_emulator, monkeypatch):
    await cloud(Deepgram())
    monkeypatch.setattr(reminder, "PATIENCE_SECS", 1)
    async with serving(reminder.bot, wavix_emulator, **reminder.hooks) as line:
        line.emulator.callees[CALLER] = Callee(after_secs=0.2)
        call = await line.dial_out(body=APPOINTMENT)
        await call.finished()
    assert reminder.cartesia.texts[-1] == reminder.NO_ANSWER


async def test_who_says_no_problem_is_asked_again(reminder, cloud, wavix_emulator, logs):
    await cloud(Deepgram(["No problem, I will be there.", "Yes."]))
    async with serving(reminder.bot, wavix_emulator, **reminder.hooks) as line:
        words = [Say(speak("No problem, I will be there")), QUIET, Say(speak("Yes indeed"))]
        script = [SPEAKS, *words, WaitForBot("quiet", 60, 60)]
        line.emulator.callees[CALLER] = Callee(after_secs=0.2, script=script)
        call = await line.dial_out(body=APPOINTMENT)
        await call.finished()
    reminded = reminder.REMINDER.format(**APPOINTMENT)
    assert reminder.cartesia.texts == [reminded, reminder.UNCLEAR, reminder.ANSWERS["1"]]
    assert any("on Tuesday at ten: 1" in line for line in logs)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        *(("No.", "2"), ("Yes!", "1"), ("Oh yes, thanks.", "1"), ("Yesterday?", "")),
        *(("No problem.", ""), ("No, yes.", ""), ("Yes, but I can't.", ""), ("Yes, I won't.", "")),
        *(("I do not know", ""), ("Hello?", ""), ("", "")),
    ],
)
def test_words_are_taken_only_if_they_leave_no_doubt(reminder, text, key):
    assert reminder.meaning(text) == key


async def test_a_machine_that_speaks_has_not_answered(
    reminder, cloud, wavix_emulator, logs, monkeypatch
):
    monkeypatch.setattr(reminder, "PATIENCE_SECS", 10)
    greeting = ["No one can take your call right now.", "Yes, you may leave a message, or not."]
    await cloud(deepgram := Deepgram(greeting))
    async with serving(reminder.bot, wavix_emulator, **reminder.hooks) as line:
        script = [Say(speak(greeting[0])), Pause(1), Say(speak(greeting[1]))]
        line.emulator.callees[CALLER] = Callee(outcome="machine", after_secs=0.2, script=script)
        call = await line.dial_out(body=APPOINTMENT)  # and Wavix does not look out for it
        await call.finished()
    assert len(deepgram.streams[0].phrases) >= 2  # the reminder has not kept it from being heard
    assert not set(reminder.ANSWERS.values()).intersection(reminder.cartesia.texts)
    assert reminder.cartesia.texts[-1] == reminder.NO_ANSWER
    assert any("on Tuesday at ten: no answer" in line for line in logs)


async def test_who_calls_back_is_told_that_nobody_listens(reminder, cloud, wavix_emulator):
    await cloud(Deepgram(["Yes, I will be there."]))
    async with serving(reminder.bot, wavix_emulator, **reminder.hooks) as line:
        words = [SPEAKS, Say(speak("Yes, I will be there"))]
        call = await line.emulator.dial(
            NUMBER, ScriptedCaller([*words, WaitForBot("quiet", 60, 60)])
        )
        summary = await call.finished()
    assert summary.end_reason == "hung up by the account"
    assert reminder.cartesia.texts == [reminder.CALLED_BACK]
    heard_secs = line.audible_secs(call, BOT_SIDE)
    words = len(reminder.CALLED_BACK.split())
    assert heard_secs == pytest.approx(words * (WORD_SECS - PAUSE_SECS), abs=0.5)


async def test_a_machine_is_told_from_a_person(reminder, cloud, wavix_emulator, logs):
    await cloud(Deepgram())
    async with serving(reminder.bot, wavix_emulator, **reminder.hooks) as line:
        line.emulator.callees[CALLER] = Callee(outcome="machine", after_secs=0.2)
        call = await line.dial_out(body=APPOINTMENT, voicemail_detection=True)
        summary = await call.finished()
    assert summary.end_reason == "a machine was detected"
    assert reminder.ended == [("completed", True)]
    assert any("A machine has answered" in line for line in logs)
    assert any(f"Call {call.id} is over: voicemail" in line for line in logs)
    # What it said was no answer: it was neither taken nor thanked for.
    assert not any("The appointment" in line for line in logs)
    assert not {*reminder.ANSWERS.values(), reminder.NO_ANSWER}.intersection(
        reminder.cartesia.texts
    )


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
