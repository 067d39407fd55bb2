"""`examples/phone_menu.py` on calls by number: its caller presses keys and speaks."""

import pytest
from clouds.cartesia import Cartesia
from clouds.deepgram import Deepgram
from clouds.speech import PAUSE_SECS, WORD_SECS
from lines import BOT_SIDE, NUMBER, serving

from pipecat_wavix.emulator import Pause, Press, Say, ScriptedCaller, WaitForBot
from pipecat_wavix.emulator.voice import speak

SPEAKS, IS_QUIET = WaitForBot("speaking", 0.8, 60), WaitForBot("quiet", 0.6, 60)
SPEAKS_ON = WaitForBot("speaking", 3, 60)  # longer than one of its sentences
SILENT = [WaitForBot("quiet", 60, 60)]
AUDIBLE = 1 - PAUSE_SECS / WORD_SECS  # the share of each word


@pytest.fixture
async def menu(example, cloud):
    """The example, and what it is heard to say by its voice."""
    menu = example("phone_menu")
    menu.cartesia = Cartesia()
    await cloud(menu.cartesia)
    return menu


def secs(text):
    return len(text.split()) * WORD_SECS


async def test_keys_stop_the_menu_and_are_answered(menu, cloud, wavix_emulator):
    await cloud(deepgram := Deepgram())
    script = [
        *(SPEAKS, Press("2"), IS_QUIET),
        *(Press("4711"), SPEAKS_ON),
        *(Press("9"), *SILENT),
    ]
    async with serving(menu.bot, wavix_emulator) as line:
        call = await line.emulator.dial(NUMBER, ScriptedCaller(script))
        summary = await call.finished()
    assert summary.end_reason == "hung up by the account"
    assert menu.cartesia.texts == [
        *(menu.MENU, menu.WHICH_ORDER, menu.ORDER.format("4 7 1 1"), menu.MENU, menu.GOODBYE)
    ]
    heard = line.spells(call, BOT_SIDE)
    # The key has stopped the menu; the question follows it in the same breath.
    assert summary.clears[0].samples
    assert heard[0][1] - heard[0][0] < secs(menu.MENU) / 2 + secs(menu.WHICH_ORDER)
    # So does the goodbye what it cuts into, and it is heard to its end.
    sentence_secs = 3
    assert heard[-1][1] - heard[-1][0] > sentence_secs + secs(menu.GOODBYE) - 0.3
    assert deepgram.refused == menu.cartesia.refused == []


async def test_words_do_what_keys_do(menu, cloud, wavix_emulator):
    deepgram = Deepgram(["I have an order.", "What is the weather?", "Bye."])
    await cloud(deepgram)
    script = [
        *(SPEAKS, Say(speak("I have an order")), IS_QUIET, Say(speak("What is the weather"))),
        # Wavix still collects the one key of the menu: it is the first of the four.
        *(Press("4"), WaitForBot("quiet", 1, 60), Press("711"), SPEAKS_ON),
        *(Say(speak("Goodbye then")), *SILENT),
    ]
    async with serving(menu.bot, wavix_emulator) as line:
        call = await line.emulator.dial(NUMBER, ScriptedCaller(script))
        summary = await call.finished()
    assert summary.end_reason == "hung up by the account"
    assert menu.cartesia.texts == [
        *(menu.MENU, menu.WHICH_ORDER, menu.ORDER.format("4 7 1 1"), menu.MENU, menu.GOODBYE)
    ]
    assert {query["sample_rate"] for query in deepgram.queries} == {"16000"}


async def test_the_digits_of_an_order_can_be_said(menu, cloud, wavix_emulator):
    deepgram = Deepgram(["An order.", "It is 47.", "And 11."])
    await cloud(deepgram)
    script = [
        *(SPEAKS, Say(speak("I have an order")), IS_QUIET, Say(speak("four seven")), Pause(2)),
        *(Say(speak("one one")), SPEAKS_ON, Press("9"), *SILENT),
    ]
    async with serving(menu.bot, wavix_emulator) as line:
        call = await line.emulator.dial(NUMBER, ScriptedCaller(script))
        await call.finished()
    assert menu.ORDER.format("4 7 1 1") in menu.cartesia.texts
    # Without this, Deepgram writes "four seven".
    assert [query["numerals"] for query in deepgram.queries] == ["true"]


async def test_what_the_menu_does_not_know_stops_nothing_or_begins_it_again(
    menu, cloud, wavix_emulator
):
    await cloud(Deepgram(["What is the weather?", "At the border."]))
    words = [Say(speak("What is the weather")), Pause(1.5), Say(speak("At the border"))]
    script = [SPEAKS, *words, IS_QUIET, Press("5"), SPEAKS, Press("9"), *SILENT]
    async with serving(menu.bot, wavix_emulator) as line:
        call = await line.emulator.dial(NUMBER, ScriptedCaller(script))
        await call.finished()
    assert menu.cartesia.texts == [menu.MENU, menu.MENU, menu.GOODBYE]
    assert line.audible_secs(call, BOT_SIDE) > (secs(menu.MENU) + secs(menu.GOODBYE)) * AUDIBLE


async def test_words_and_digits_are_taken_together(menu):
    answers = []

    async def answer(*texts, end=False):
        answers.append((*texts, end))

    desk = menu.Menu(answer)
    for said in ("It's an order", "four, I think", "It is 47", "and 11"):
        await desk.hear(said)
    assert answers == [
        *((menu.WHICH_ORDER, False), (menu.ORDER.format("4 7 1 1"), menu.MENU, False))
    ]
    assert (desk.taken, desk.keys_wanted, desk.prompt) == (3, 1, menu.MENU)

    # Whoever asks for something else in the middle of it gets that.
    for said in ("Another order", "47", "no, when are you open?"):
        await desk.hear(said)
    assert answers[2:] == [(menu.WHICH_ORDER, False), (menu.HOURS, menu.MENU, False)]


async def test_a_silent_caller_is_asked_again_and_let_go(menu, cloud, wavix_emulator, monkeypatch):
    monkeypatch.setattr(menu, "PATIENCE_SECS", 1)
    await cloud(Deepgram())
    async with serving(menu.bot, wavix_emulator) as line:
        call = await line.emulator.dial(NUMBER, ScriptedCaller(SILENT))
        summary = await call.finished()
    assert summary.end_reason == "hung up by the account"
    # The goodbye cuts into nothing but the second reading.
    assert menu.cartesia.texts == [menu.MENU, menu.MENU, menu.GOODBYE]
