"""What the context keeps: the words that the caller heard, with Pipecat's own TTS and aggregator."""

import asyncio

import pytest
from far_end import FarEnd, call
from pipecat.frames.frames import (
    EndFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TextFrame,
    TTSSpeakFrame,
    TTSTextFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameProcessor
from virtual_time import in_virtual_time
from voices import TimedVoice, Voice, heard_words, words_of

from pipecat_wavix import WavixCutTextFrame, WavixParams
from pipecat_wavix.protocol import Clear, PlayMedia


def reply(*sentences):
    return [
        LLMFullResponseStartFrame(),
        *(LLMTextFrame(sentence + " ") for sentence in sentences),
        LLMFullResponseEndFrame(),
    ]


def sentence(first, last):
    return " ".join(f"w{number}" for number in range(first, last + 1)) + "."


def talk(voice, **kwargs):
    """A call with a TTS before the output and the assistant's aggregator behind it."""
    context = LLMContext()
    aggregators = LLMContextAggregatorPair(context)
    this = call(aggregators.assistant(), ahead=[voice], **kwargs)
    return this, context


def said(context):
    """The numbers of the words that the context holds, by message."""
    return [words_of(str(message["content"])) for message in context.messages]


@pytest.mark.parametrize("voice", [Voice, TimedVoice])
@in_virtual_time
async def test_what_was_heard_whole_is_in_the_context_whole(voice):
    this, context = talk(voice())
    async with this as this:
        await asyncio.sleep(0.3)
        await this.say(*reply(sentence(1, 5), sentence(6, 9)))
        await asyncio.sleep(5)
        assert heard_words(this.far) == list(range(1, 10))
        assert said(context) == [list(range(1, 10))]


@pytest.mark.parametrize("voice", [Voice, TimedVoice])
@pytest.mark.parametrize("after", [0.4, 1.05, 1.9, 2.5, 3.3])
@pytest.mark.parametrize("lead", [0.5, 3.0])
@in_virtual_time
async def test_after_a_barge_in_the_context_holds_what_was_heard(voice, after, lead):
    this, context = talk(
        voice(trailing=0.25),
        far=FarEnd(0.1),
        params=WavixParams(speech_lead_secs=lead),
    )
    async with this as this:
        await asyncio.sleep(0.4)
        await this.say(*reply(sentence(1, 4), sentence(5, 8), sentence(9, 12)))
        await asyncio.sleep(after)
        await this.say(InterruptionFrame())
        await asyncio.sleep(1)
        assert not [
            t for t, _ in this.far.commands(PlayMedia) if t > this.far.commands(Clear)[0][0]
        ]
        cut_at = this.after.times(InterruptionFrame)[0]
        assert not [t for t in this.after.times(TTSTextFrame) if t > cut_at]
        heard = heard_words(this.far)
        (kept,) = said(context) or [[]]
        assert kept == list(range(1, len(kept) + 1))
        assert abs(len(kept) - len(heard)) <= 1


@pytest.mark.parametrize("voice", [Voice, TimedVoice])
@in_virtual_time
async def test_each_of_several_contexts_is_cut_where_it_was_heard(voice):
    this, context = talk(voice(trailing=0.4), far=FarEnd(0.15))
    async with this as this:
        await asyncio.sleep(0.5)
        counted = 0
        for turn, after in enumerate((1.0, 2.0, 0.7, 3.1)):
            first = 100 * turn + 1
            await this.say(*reply(sentence(first, first + 3), sentence(first + 4, first + 9)))
            await asyncio.sleep(after)
            await this.say(InterruptionFrame())
            await asyncio.sleep(1)
            heard = [number for number in heard_words(this.far) if number > 100 * turn]
            messages = said(context)
            assert len(messages) == turn + 1
            kept = messages[-1]
            assert kept == list(range(first, first + len(kept)))
            assert abs(len(kept) - len(heard)) <= 1
            counted += len(heard)
        assert counted > 10


@pytest.mark.parametrize("voice", [Voice, TimedVoice])
@in_virtual_time
async def test_speak_frames_back_to_back_are_contexts_of_their_own(voice):
    this, context = talk(voice(trailing=0.3), far=FarEnd(0.1))
    async with this as this:
        await asyncio.sleep(0.4)
        for first in (1, 5, 9):
            await this.say(TTSSpeakFrame(sentence(first, first + 3), append_to_context=True))
        await asyncio.sleep(2.6)
        await this.say(InterruptionFrame())
        await asyncio.sleep(1)
        heard = heard_words(this.far)
        kept = [number for message in said(context) for number in message]
        assert kept == list(range(1, len(kept) + 1))
        assert 4 < len(heard) < 12
        assert abs(len(kept) - len(heard)) <= 1


@in_virtual_time
async def test_the_estimate_is_labelled_and_can_be_turned_off():
    for estimate in (True, False):
        this, context = talk(Voice(), params=WavixParams(estimate_cut_sentences=estimate))
        async with this as this:
            await asyncio.sleep(0.3)
            await this.say(*reply(sentence(1, 4), sentence(5, 10)))
            await asyncio.sleep(2.0)
            await this.say(InterruptionFrame())
            await asyncio.sleep(1)
            labelled = this.after.frames(WavixCutTextFrame)
            assert len(labelled) == estimate
            assert said(context)[0][:4] == [1, 2, 3, 4]
            assert (len(said(context)[0]) > 4) is estimate


@in_virtual_time
async def test_words_come_when_they_are_heard():
    this, _ = talk(TimedVoice(), far=FarEnd(0.1))
    async with this as this:
        await asyncio.sleep(0.4)
        await this.say(*reply(sentence(1, 6)))
        await asyncio.sleep(4)
        ((begin, _),) = this.far.spans()
        times = this.after.times(TTSTextFrame)
        assert len(times) == 6
        for number, at in enumerate(times):
            assert abs(at - (begin + number * 0.3)) <= 0.03


class Slow(FrameProcessor):
    """Something that takes its time over every text."""

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, TextFrame):
            await asyncio.sleep(0.02)
        await self.push_frame(frame, direction)


@in_virtual_time
async def test_words_on_their_way_to_the_context_are_not_overtaken_by_the_interruption():
    context = LLMContext()
    assistant = LLMContextAggregatorPair(context).assistant()
    async with call(Slow(), assistant, ahead=[Voice()]) as this:
        await asyncio.sleep(0.3)
        await this.say(*reply(sentence(1, 10)))
        await asyncio.sleep(2)
        await this.say(InterruptionFrame())
        await asyncio.sleep(1)
        assert len(said(context)[0]) >= 5


class Optimist(TimedVoice):
    """A TTS that times its words as if they took twice as long."""

    async def add_word_timestamps(self, word_times, *args, **kwargs):
        late = [(word, 2 * at) for word, at in word_times]
        await super().add_word_timestamps(late, *args, **kwargs)


@in_virtual_time
async def test_words_that_are_timed_beyond_their_audio_are_heard_with_its_end():
    this, context = talk(Optimist(), far=FarEnd(0.1))
    async with this as this:
        await asyncio.sleep(0.4)
        await this.say(*reply(sentence(1, 8)))
        await asyncio.sleep(4)
        ((_, end),) = this.far.spans()
        assert said(context) == [list(range(1, 9))]
        assert this.after.times(TTSTextFrame)[-1] <= end + 0.03


@pytest.mark.parametrize("after", [0.3, 1.5, 2.9, 3.3])
@in_virtual_time
async def test_an_interruption_of_a_goodbye_with_timed_words_does_not_lose_the_end(after):
    this, _ = talk(TimedVoice())
    async with this as this:
        await asyncio.sleep(0.3)
        await this.say(TTSSpeakFrame(sentence(1, 12)), EndFrame())
        await asyncio.sleep(after)
        await this.transport.output().queue_frame(InterruptionFrame())
        await this.ended()
        assert len(this.after.frames(EndFrame)) == 1
        assert this.far.hung_up_at is not None


@in_virtual_time
async def test_a_reply_that_nobody_heard_is_not_in_the_context():
    this, context = talk(Voice(), far=FarEnd(0.3))
    async with this as this:
        await asyncio.sleep(1)
        await this.say(*reply(sentence(1, 4)))
        await asyncio.sleep(0.05)
        await this.say(InterruptionFrame())
        await asyncio.sleep(1)
        assert len(heard_words(this.far)) <= 1
        assert len([number for message in said(context) for number in message]) <= 1
