"""What stands where the language model would be."""

import pytest
from pipecat.frames.frames import (
    EndWorkerFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    STTUpdateSettingsFrame,
    TextFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.tests.utils import run_test

RESPONSE = [LLMFullResponseStartFrame, LLMTextFrame, LLMFullResponseEndFrame]


@pytest.fixture
def clerk_module(example):
    return example("offline.clerk")


@pytest.fixture
def clerk(example, clerk_module):
    desk = example("offline.desk")
    ears = example("offline.ears").PocketsphinxSTTService(None)
    return clerk_module.Clerk(desk.Desk(desk.Diary()), ears)


def said(*texts, role="user"):
    return LLMContextFrame(LLMContext([{"role": role, "content": text} for text in texts]))


async def test_it_answers_a_context_as_a_language_model_does(clerk):
    down, up = await run_test(
        clerk,
        frames_to_send=[said("What are your opening hours?")],
        expected_down_frames=RESPONSE,
        expected_up_frames=[STTUpdateSettingsFrame],
    )
    assert "nine to five" in down[1].text
    assert up[0].delta.expected == "request"


async def test_it_lets_other_frames_pass(clerk):
    await run_test(clerk, frames_to_send=[TextFrame("x")], expected_down_frames=[TextFrame])


async def test_it_tells_the_ears_what_to_expect(clerk):
    _, up = await run_test(
        clerk,
        frames_to_send=[
            said("an appointment, please"),
            said("an appointment, please", "friday at ten"),
        ],
        expected_down_frames=RESPONSE * 2,
    )
    assert [frame.delta.expected for frame in up] == ["when", "name"]


async def test_it_ends_the_call_behind_its_goodbye(clerk):
    await run_test(
        clerk,
        frames_to_send=[said("goodbye")],
        expected_down_frames=[*RESPONSE, EndWorkerFrame],
    )


async def test_it_tells_when_keys_are_wanted(clerk):
    wanted = []

    @clerk.event_handler("on_keys_wanted")
    async def on_keys_wanted(clerk):
        wanted.append(True)

    texts = ["an appointment on friday at ten", "smith", "pardon"]
    await run_test(clerk, frames_to_send=[said(text) for text in texts])
    assert len(wanted) == 2


def test_the_last_words_are_the_callers(clerk_module):
    assert clerk_module.last_words(said("first", "last").context) == "last"
    silence = said("They may have said something. Ask again.", role="developer").context
    assert clerk_module.last_words(silence) == "(unclear)"
    assert clerk_module.last_words(LLMContext()) == "(unclear)"


@pytest.mark.parametrize(
    ("text", "logged"),
    [
        ("two zero two five five", "(a number)"),
        ("it's two zero two five five thanks", "it's (a number) thanks"),
        ("DTMF: 2025550123#", "DTMF: (a number) #"),
        ("at half past two", "at half past two"),
    ],
)
def test_telephone_numbers_are_not_logged(clerk_module, text, logged):
    assert clerk_module.without_numbers(text) == logged
