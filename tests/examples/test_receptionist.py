"""The receptionist as she is shipped, on the telephone: she needs no stand-in."""

import pytest
from clouds.openai import OpenAI
from lines import NUMBER, serving

from pipecat_wavix.emulator import Press, Say, ScriptedCaller, WaitForBot
from pipecat_wavix.emulator.voice import speak

# Generous, for a machine that has other things to do; `benchmarks/understood.py` measures.
REPLY_SECS = 5
SPEAKS, IS_QUIET = WaitForBot("speaking", 0.3, 20), WaitForBot("quiet", 1, 60)


@pytest.fixture
def receptionist(example):
    """The example, ready before anybody calls."""
    module = example("receptionist")
    module.choices = example("offline.choices")
    module.choices.sphinx(), module.choices.espeak()
    yield module
    module.choices.sphinx().close()
    module.choices.espeak().close()


def spoken(logs, who):
    """What was said, as the example logs it."""
    return [line.split(f" {who}: ", 1)[1].strip() for line in logs if f" {who}: " in line]


def say(*texts):
    """Say one thing after another, and wait for each answer."""
    return [step for text in texts for step in (Say(speak(text)), SPEAKS, IS_QUIET)]


async def test_a_caller_cuts_in_and_books_an_appointment(receptionist, wavix_call, logs):
    async with wavix_call(receptionist.bot) as call:
        greeting = await call.hear()
        await call.say("Are you open on Saturday?")
        await call.barge_in("I'd like to book an appointment, please.", after_secs=1.2)
        assert (await call.hear()).began_after_secs < REPLY_SECS
        for text in [
            "On Friday, at quarter past three.",
            "Golf romeo echo echo november",
            "No, thank you.",  # no number
            "No, at three o'clock.",
            "Yes, please.",
        ]:
            await call.say(text)
            assert (await call.hear()).began_after_secs < REPLY_SECS
        await call.say("No, thank you.")
        goodbye = await call.hear()
        summary = await call.finished(within_secs=20)
    assert greeting.began_secs < 2
    assert goodbye.secs > 1.2  # to its end
    assert [clear for clear in summary.clears if clear.samples]
    ((at, name),) = receptionist.choices.diary.booked.items()
    assert (f"{at:%A %H:%M}", name) == ("Friday 15:00", "Green")

    heard = spoken(logs, "Caller")
    assert heard[0] == "are you open on saturday"
    assert heard[1].startswith("i'd like to book an appointment")
    told = spoken(logs, "Desk")
    assert told[0] == receptionist.GREETING
    assert told[-1] == "Thank you for calling. Goodbye."
    # Of the answer that was cut, the context has the words that were heard, and no others.
    words = told[1].removesuffix(" ...").split()
    whole = "Yes, on Saturday we are open from nine o'clock to noon. What can I do for you?"
    assert told[1].endswith(" ...")
    assert words == whole.split()[: len(words)]
    assert 3 <= len(words) <= 10


async def test_a_number_is_keyed_in_and_not_logged(receptionist, wavix_emulator, logs):
    script = [
        *(SPEAKS, IS_QUIET),
        *say("On Friday, at quarter past three.", "Golf romeo echo echo november"),
        *(Press("2025550123#"), SPEAKS, IS_QUIET),
        *say("Goodbye."),
        WaitForBot("quiet", 30, 30),
    ]
    async with serving(receptionist.bot, wavix_emulator) as line:
        call = await line.emulator.dial(NUMBER, ScriptedCaller(script))
        summary = await call.finished()
    assert summary.end_reason == "hung up by the account"
    told = spoken(logs, "Desk")
    assert any("a number that ends in 1 2 3" in text for text in told)
    assert "DTMF: (a number) #" in spoken(logs, "Caller")
    assert not [each for each in logs if "2025550123" in each and "receptionist" in each]


async def test_who_is_not_understood_is_asked_again_and_then_offered_a_person(
    receptionist, wavix_call, logs
):
    async with wavix_call(receptionist.bot) as call:
        await call.hear()
        for text in [
            "Could you bring me a pizza with extra cheese?",
            "My car has broken down on the motorway.",
            "The rain in Spain stays in the plain.",
        ]:
            await call.say(text)
            await call.hear()
        await call.say("Yes, please.")
        await call.hear()
        await call.finished(within_secs=20)
    assert spoken(logs, "Caller") == [*["(unclear)"] * 3, spoken(logs, "Caller")[-1]]
    told = spoken(logs, "Desk")
    assert len(set(told)) == len(told) == 5
    assert "colleague" in told[-1]


async def test_a_language_model_can_take_the_desk(receptionist, cloud, wavix_call):
    openai = OpenAI(["We have a slot at nine on Friday."])
    await cloud(openai)
    arguments = receptionist.choices.switches().parse_args(
        ["--llm", "http://127.0.0.1:11434/v1", "--llm-model", "llama3.2"]
    )

    async def bot(runner_args):
        runner_args.cli_args = arguments
        await receptionist.bot(runner_args)

    async with wavix_call(bot) as call:
        await call.hear()
        await call.say("I'd like to book an appointment.")
        answer = await call.hear()
    assert answer.secs > 1
    (request,) = openai.requests
    assert request["model"] == "llama3.2"
    assert openai.said(0) == [
        ("assistant", receptionist.GREETING),
        ("user", "i'd like to book an appointment"),
    ]
    assert "receptionist" in request["messages"][0]["content"]
    assert openai.refused == []


def test_each_switch_has_its_choices(receptionist, capsys):
    assert vars(receptionist.choices.switches().parse_args([])) == {
        "stt": "pocketsphinx",
        "tts": "espeak",
        "llm": None,
        "llm_model": "llama3.2",
    }
    with pytest.raises(SystemExit):
        receptionist.choices.switches().parse_args(["--stt", "nonesuch"])
    assert "whisper" in capsys.readouterr().err
