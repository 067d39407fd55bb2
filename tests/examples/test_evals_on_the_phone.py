"""The eval suite as telephone calls: what the caller heard is what counts."""

import re

import pytest
from clouds.cartesia import Cartesia
from clouds.deepgram import Deepgram
from clouds.openai import OpenAI
from pipecat.evals.script import EvalExpectation
from suite import DESK, EVALS, SHOP, runs
from with_clouds import REPLIES


@pytest.fixture
def on_the_phone(monkeypatch, example):
    monkeypatch.syspath_prepend(str(EVALS))
    return example("on_the_phone")


def spoken(run):
    return [turn.user for turn in run.load().turns if turn.user]


async def hold(on_the_phone, run, folder):
    return await on_the_phone.hold(run.load(), on_the_phone.bot_of(run.bot_path, folder), folder)


@pytest.mark.parametrize("scenario", SHOP)
async def test_the_shop_passes(on_the_phone, cloud, tmp_path, scenario):
    run = runs("customer_service")[scenario]
    await cloud(Deepgram(hears=spoken(run)), OpenAI(REPLIES[scenario]), Cartesia())
    outcome = await hold(on_the_phone, run, tmp_path)
    assert outcome.failures == []
    assert outcome.left_out <= {"function_call"}
    assert (tmp_path / "report.html").exists()


async def test_what_is_said_too_late_or_not_at_all_fails(on_the_phone, cloud, tmp_path):
    run = runs("customer_service")["order"]
    scenario = run.load()
    heard, answered = (turn.expect[-1] for turn in scenario.turns)
    heard.text_contains, answered.within_ms = "bicycle shop", 1
    await cloud(Deepgram(hears=spoken(run)), OpenAI(REPLIES["order"]), Cartesia())
    outcome = await hold(on_the_phone, run, tmp_path)
    wrong, late = outcome.failures
    assert "'bicycle shop' is not in what was heard: 'Hello, this is the garden shop." in wrong
    assert re.search(r"turn 1, tts_response: heard after \d+ ms, not within 1 ms", late)


@pytest.mark.parametrize(("replies", "failures"), [([], 0), (["There is more to say."], 1)])
async def test_a_bot_that_is_to_be_silent_is_listened_to(
    on_the_phone, cloud, tmp_path, replies, failures
):
    run = runs("customer_service")["order"]
    scenario = run.load()
    scenario.turns[1].expect = [EvalExpectation("tts_response", within_ms=6000, absent=True)]
    await cloud(Deepgram(hears=spoken(run)), OpenAI(replies), Cartesia())
    outcome = await hold(on_the_phone, run, tmp_path)
    assert len(outcome.failures) == failures, outcome.failures


async def test_a_bot_that_has_hung_up_fails_what_was_still_to_come(on_the_phone, cloud, tmp_path):
    run = runs("customer_service")["order"]
    await cloud(Deepgram(hears=spoken(run)), OpenAI(REPLIES["goodbye"]), Cartesia())
    outcome = await hold(on_the_phone, run, tmp_path)
    assert any("tomorrow" in failure for failure in outcome.failures)


@pytest.mark.parametrize("scenario", DESK)
async def test_the_receptionist_passes(on_the_phone, tmp_path, scenario):
    outcome = await hold(on_the_phone, runs("receptionist")[scenario], tmp_path)
    assert outcome.failures == []
    assert outcome.left_out == set()
