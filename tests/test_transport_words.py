import pytest
from pipecat.frames.frames import (
    LLMFullResponseEndFrame,
    TTSAudioRawFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.utils.text.base_text_aggregator import TextType

from pipecat_wavix.transport.words import Words

SECOND = 1_000_000_000


def audio(context="c"):
    return TTSAudioRawFrame(bytes(960), 24_000, 1, context_id=context)


def word(time, context="c", *, interruptible=True):
    frame = TTSTextFrame("word", TextType.WORD)
    frame.pts, frame.context_id, frame.interruptible = int(time * SECOND), context, interruptible
    return frame


def ending(time):
    frame = LLMFullResponseEndFrame()
    frame.pts = int(time * SECOND)
    return frame


@pytest.fixture
def words():
    return Words(24_000)


def test_a_word_stands_as_far_behind_its_contexts_begin_as_its_time_behind_its_base(words):
    assert words.announce(audio(), 10 * SECOND)
    assert words.begin("c", 1000) == []
    assert words.place(word(10.5), 0) == 1000 + 12_000


def test_a_context_is_announced_once(words):
    assert words.announce(audio(), 0)
    assert not words.announce(audio(), SECOND)
    assert words.announce(audio("d"), SECOND)


def test_a_context_that_has_ended_may_be_followed_by_another_of_its_name(words):
    words.announce(audio(), 0)
    words.begin("c", 0)
    words.end(TTSStoppedFrame(context_id="c"))
    words.end(TTSStoppedFrame(context_id="unknown"))
    assert words.announce(audio(), 5 * SECOND)
    words.begin("c", 48_000)
    assert words.place(word(6), 0) == 48_000 + 24_000


def test_the_base_is_the_last_word_before_if_that_is_later(words):
    words.announce(audio("a"), SECOND)
    words.begin("a", 0)
    words.place(word(9, "a"), 0)
    words.announce(audio("b"), 3 * SECOND)
    words.begin("b", 100)
    assert words.place(word(9.5, "b"), 0) == 100 + 12_000


def test_words_wait_for_their_context_to_begin(words):
    words.announce(audio(), SECOND)
    first, second = word(1), word(2)
    assert words.place(first, 0) is None
    assert words.place(second, 0) is None
    assert words.begin("c", 500) == [(500, first), (24_500, second)]


def test_a_first_word_may_come_ahead_of_its_audio(words):
    words.announce(audio("a"), SECOND)
    words.begin("a", 0)
    words.place(word(4, "a"), 0)
    early, next_ = word(6, "b"), word(6.3, "b")
    assert words.place(early, 6 * SECOND) is None
    assert words.place(next_, 6 * SECOND) is None
    assert words.announce(audio("b"), 6 * SECOND)
    assert words.begin("b", 9000) == [(9000, early), (9000 + 7200, next_)]


def test_the_end_of_a_reply_stands_with_the_words_before_it(words):
    words.announce(audio("a"), SECOND)
    words.begin("a", 0)
    words.announce(audio("b"), 9 * SECOND)
    words.begin("b", 480_000)
    assert words.place(ending(3), 0) == 48_000
    assert words.place(ending(10), 0) == 480_000 + 24_000


def test_what_is_timed_before_anything_was_said_waits_for_nothing(words):
    assert words.place(ending(3), 0) == 0


def test_a_word_is_never_before_its_context(words):
    words.announce(audio(), 5 * SECOND)
    words.begin("c", 700)
    assert words.place(word(4), 0) == 700


def test_words_of_a_context_without_audio_are_given_up_with_it(words):
    lost, other = word(1, "a"), word(1, "b")
    words.place(lost, 0)
    words.place(other, 0)
    assert words.give_up("a") == [lost]
    assert words.give_up("a") == []
    assert words.give_up("b") == [other]


def test_an_interruption_forgets_what_it_drops_and_keeps_the_rest(words):
    kept = word(2, "p", interruptible=False)
    protected = audio("p")
    protected.interruptible = False
    words.announce(audio("a"), SECOND)
    words.announce(protected, 2 * SECOND)
    words.place(word(8, "a"), 0)
    words.place(kept, 0)
    words.interrupt()
    assert words.begin("a", 0) == []
    assert words.begin("p", 100) == [(100, kept)]
    # The next words follow the protected ones, not those that were dropped.
    words.announce(audio("n"), SECOND)
    words.begin("n", 0)
    assert words.place(word(3, "n"), 0) == 24_000


def test_the_contexts_remembered_are_bounded(words):
    for number in range(1000):
        words.announce(audio(f"c{number}"), number)
    assert len(words._contexts) <= 64
