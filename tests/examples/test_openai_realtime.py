"""`examples/openai_realtime.py`, called, with OpenAI on this machine."""

import pytest
from clouds.openai_realtime import RATE, OpenAIRealtime
from clouds.speech import spoken
from conversation import (
    PATIENCE_SECS,
    answer_of,
    captured,
    heard_between,
    heard_within,
    texts,
    words_in,
)

from pipecat_wavix.emulator import CallSettings, NetworkSettings
from pipecat_wavix.emulator.events import Received, Sent
from pipecat_wavix.protocol import Media, PlayMedia

GREETING = "Hello, how can I help you?"
QUESTION = "When do you close today?"
ANSWER = "We close at six today and at eight on every other day but Sunday when we are closed."
SECOND = "Of course."
DELAY_MS = 120


@pytest.fixture
def openai_realtime(example, monkeypatch):
    """The example, and the contexts of its calls."""
    module = example("openai_realtime")
    return module, captured(module, monkeypatch)


async def test_the_caller_is_greeted_and_answered(openai_realtime, cloud, wavix_call):
    module, contexts = openai_realtime
    openai = OpenAIRealtime(hears=[QUESTION], says=[GREETING, ANSWER])
    await cloud(openai)
    async with wavix_call(module.bot) as call:
        greeting = await answer_of(call)
        await call.say(QUESTION)
        answer = await answer_of(call)
    assert words_in(greeting.pcm) == pytest.approx(len(GREETING.split()), abs=0.5)
    assert words_in(answer.pcm) == pytest.approx(len(ANSWER.split()), abs=0.5)
    assert answer.began_after_secs < 3
    [session] = openai.sessions
    assert session.refused == []
    assert [(item.role, item.text) for item in session.items.values()][1:] == [
        ("assistant", GREETING),
        ("user", QUESTION),
        ("assistant", ANSWER),
    ]
    assert "telephone" in session.config["instructions"]
    assert texts(contexts[0], "user") == [QUESTION]
    assert texts(contexts[0], "assistant") == [GREETING, ANSWER]


async def test_audio_passes_bit_by_bit_both_ways(openai_realtime, cloud, wavix_call):
    """No resampler could do that."""
    module, _ = openai_realtime
    openai = OpenAIRealtime(hears=[QUESTION], says=[GREETING, ANSWER])
    await cloud(openai)
    async with wavix_call(module.bot) as call:
        await answer_of(call)
        await call.say(QUESTION)
        await answer_of(call)
    sent = b"".join(
        event.message.media.payload
        for event in call.events
        if isinstance(event, Sent) and isinstance(event.message, Media)
    )
    played = b"".join(
        event.message.media.payload
        for event in call.events
        if isinstance(event, Received) and isinstance(event.message, PlayMedia)
    )
    heard = bytes(openai.sessions[0].ear.audio)
    assert len(heard) > 0.8 * len(sent)
    assert heard in sent
    assert spoken(GREETING, RATE) in played
    assert spoken(ANSWER, RATE) in played


async def test_openai_is_told_how_much_the_caller_has_heard(openai_realtime, cloud, wavix_call):
    module, contexts = openai_realtime
    openai = OpenAIRealtime(hears=[QUESTION, "Stop"], says=[GREETING, ANSWER, SECOND])
    await cloud(openai)
    far_away = CallSettings(max_secs=120, network=NetworkSettings(delay_ms=DELAY_MS))
    async with wavix_call(module.bot, settings=far_away) as call:
        first = await answer_of(call)
        await call.say(QUESTION)
        await call.barge_in("Stop, please.", after_secs=1.5, within_secs=PATIENCE_SECS)
        second = await answer_of(call)
    [session] = openai.sessions
    assert session.refused == []
    greeting, cut, _ = session.said
    assert greeting.heard_ms is None
    spell = heard_between(call, first, second)
    heard_secs = spell.ended_at - spell.began_at
    assert cut.heard_ms / 1000 == pytest.approx(heard_secs, abs=0.3)
    # All that was sent is far more: the answer came faster than it can be heard.
    assert cut.audio_ms / 1000 > heard_secs + 2

    _, said, _ = texts(contexts[0], "assistant")
    assert ANSWER.startswith(said)
    # A word's text comes ahead of its audio, so the word that was begun counts.
    assert len(said.split()) == pytest.approx(words_in(heard_within(call, spell)), abs=1.5)
    assert words_in(second.pcm) == pytest.approx(len(SECOND.split()), abs=0.5)
