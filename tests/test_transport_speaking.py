import pytest
from pipecat.frames.frames import BotStartedSpeakingFrame, BotStoppedSpeakingFrame, TTSTextFrame
from pipecat.processors.frame_processor import FrameDirection
from pipecat.utils.text.base_text_aggregator import TextType

from pipecat_wavix.playback import Edge, Playback
from pipecat_wavix.transport.speaking import Speaking, Waiting

DOWN = FrameDirection.DOWNSTREAM
SPEECH = b"\1\1" * 480


@pytest.fixture
def playback():
    return Playback()


@pytest.fixture
def speaking(playback):
    return Speaking(playback)


def kinds(playback):
    return [type(held.item.frame) for held in sorted(playback)]


def test_a_start_and_its_stop_wait_around_what_was_written(speaking, playback):
    speaking.started(BotStartedSpeakingFrame(), DOWN)
    playback.send(0.0, SPEECH)
    speaking.stopped(BotStoppedSpeakingFrame(), DOWN, at=470)
    start, stop = sorted(playback)
    assert (start.position, start.edge) == (0, Edge.START)
    assert (stop.position, stop.edge) == (470, Edge.END)


def test_of_speech_that_was_never_written_neither_start_nor_stop_happened(speaking, playback):
    speaking.started(BotStartedSpeakingFrame(), DOWN)
    speaking.stopped(BotStoppedSpeakingFrame(), DOWN, at=0)
    assert kinds(playback) == []


def test_a_stop_without_a_start_did_not_happen(speaking, playback):
    speaking.stopped(BotStoppedSpeakingFrame(), DOWN, at=0)
    assert kinds(playback) == []


def test_a_stop_behind_a_stop_did_not_happen(speaking, playback):
    speaking.started(BotStartedSpeakingFrame(), DOWN)
    playback.send(0.0, SPEECH)
    speaking.stopped(BotStoppedSpeakingFrame(), DOWN, at=480)
    speaking.stopped(BotStoppedSpeakingFrame(), DOWN, at=480)
    assert kinds(playback) == [BotStartedSpeakingFrame, BotStoppedSpeakingFrame]


def test_the_directions_are_told_apart(speaking, playback):
    speaking.started(BotStartedSpeakingFrame(), DOWN)
    playback.send(0.0, SPEECH)
    speaking.stopped(BotStoppedSpeakingFrame(), FrameDirection.UPSTREAM, at=480)
    assert kinds(playback) == [BotStartedSpeakingFrame]


def test_when_nobody_hears_any_more_what_began_to_be_heard_stops(speaking, playback):
    word = TTSTextFrame("word", TextType.WORD)
    kept = TTSTextFrame("kept", TextType.WORD)
    kept.interruptible = False
    for frame in (word, kept):
        playback.hold(0, Edge.START, Waiting(frame, DOWN))
    speaking.released(Waiting(BotStartedSpeakingFrame(), DOWN))
    left = [waiting.frame for waiting in speaking.void(playback.void())]
    assert left[0] is kept
    assert [type(frame) for frame in left[1:]] == [BotStoppedSpeakingFrame]
    speaking.released(Waiting(left[1], DOWN))
    assert speaking.void([]) == []
