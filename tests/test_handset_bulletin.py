"""What a page is told of its call."""

import json

import numpy as np
import pytest

from pipecat_wavix.emulator.events import (
    Began,
    Ended,
    NetworkChanged,
    Notified,
    Pressed,
    Received,
    Sent,
    Sound,
)
from pipecat_wavix.emulator.handset.bulletin import MAX_TEXT, Bulletin
from pipecat_wavix.emulator.network import NetworkSettings
from pipecat_wavix.phoneline import Cleared, MarkPlayed, Step, Underrun
from pipecat_wavix.protocol import (
    Clear,
    Connected,
    Mark,
    MarkName,
    Media,
    MediaPayload,
    PlaceMark,
    PlayMedia,
    PlayPayload,
    Rejected,
)

BEGAN_AT = 100.0
SILENCE = bytes(960)
LOUD = np.full(480, 16384, "<i2").tobytes()


class Page:
    """Takes what it is told, and a call's steps one after another."""

    def __init__(self):
        self.told = []
        self.bulletin = Bulletin(self.told.append)
        self.at = BEGAN_AT
        self.observe(Began(BEGAN_AT, "call", "stream"))

    def observe(self, observation):
        self.bulletin.observe(observation)

    def hear(self, said=SILENCE, heard=SILENCE, steps=1):
        for _ in range(steps):
            step = Step(self.at, heard, 480 if any(heard) else 0, ())
            self.observe(Sound(self.at, said, heard, step))
            self.at += 0.02

    def end(self):
        self.observe(Ended(self.at, "over"))

    @property
    def news(self):
        return [m for m in self.told if not isinstance(m, bytes) and m["kind"] == "news"]

    @property
    def events(self):
        return [event for news in self.news for event in news["events"]]

    def event_of(self, observation):
        self.observe(observation)
        self.end()
        return self.events[0]


def test_a_page_is_told_that_the_call_begins():
    bulletin = Bulletin(told := [].append)
    assert not bulletin.has_begun
    bulletin.observe(Began(BEGAN_AT, "call", ""))
    assert bulletin.has_begun
    assert told.__self__ == [{"kind": "began"}]


def test_what_the_caller_hears_is_told_at_once_and_in_order():
    page = Page()
    page.hear(heard=LOUD)
    page.hear(heard=SILENCE)
    assert page.told[1:] == [LOUD, SILENCE]


def test_levels_are_told_ten_times_a_second_two_a_step():
    page = Page()
    half = LOUD[:480] + SILENCE[:480]
    page.hear(steps=4)
    assert not page.news
    page.hear(said=half, heard=LOUD)
    page.hear(steps=5)
    first, second = page.news
    assert first["said"] == [0] * 8 + [127, 0]
    assert first["heard"] == [0] * 8 + [127, 127]
    assert [first["t"], second["t"]] == [0.0, 0.1]


def test_the_loudest_sample_there_is_is_full_scale():
    page = Page()
    page.hear(heard=np.full(480, -32768, "<i2").tobytes(), steps=5)
    assert page.news[0]["heard"] == [255] * 10


MEDIA = Media(media=MediaPayload(payload=SILENCE))


@pytest.mark.parametrize(
    ("observation", "event"),
    [
        (Sent(0, MEDIA, "lost"), ("to_bot", "media", "960 bytes")),
        (Sent(0, Connected(), "sent"), ("to_bot", "connected", "")),
        (Sent(0, Mark(mark=MarkName(name="a")), "sent"), ("to_bot", "mark", "a")),
        (Received(0, PlaceMark(mark=MarkName(name="a")), "used"), ("from_bot", "mark", "a")),
        (
            Received(0, PlayMedia(media=PlayPayload(payload=LOUD)), "used"),
            ("from_bot", "media", "960 bytes"),
        ),
        (Received(0, Clear(), "used"), ("from_bot", "clear", "")),
        (
            Received(0, Rejected("json", "no JSON"), "rejected"),
            ("from_bot", "rejected", "json: no JSON"),
        ),
        (MarkPlayed(0, "a", cleared=False), ("line", "mark played", "a")),
        (MarkPlayed(0, "a", cleared=True), ("line", "mark cleared", "a")),
        (Cleared(0, 12_000, 0), ("line", "cleared", "0.50 s thrown away")),
        (Underrun(0, 0.04), ("line", "underrun", "40 ms")),
        (Pressed(0, "5"), ("line", "key", "5")),
        (
            NetworkChanged(0, NetworkSettings(delay_ms=50, jitter_ms=20, loss=0.01)),
            ("line", "network", "50 + 20 ms, 1% lost"),
        ),
    ],
)
def test_an_event_is_told_in_words(observation, event):
    told = Page().event_of(observation)
    assert (told["dir"], told["what"], told["text"]) == event
    assert told["t"] == -BEGAN_AT
    assert told.get("fate") == getattr(observation, "fate", None)


def test_what_only_the_account_is_told_is_left_out():
    page = Page()
    page.observe(Notified(BEGAN_AT, "answered", "number", 200, 0.1))
    page.end()
    assert [event["what"] for event in page.events] == ["ended"]


def test_a_novel_in_a_mark_is_cut():
    told = Page().event_of(Received(0, PlaceMark(mark=MarkName(name="a" * 1000)), "used"))
    assert len(told["text"]) == MAX_TEXT
    assert told["text"].endswith("…")


def test_an_answer_is_told_when_it_begins_with_how_long_it_took():
    page = Page()
    page.hear(said=LOUD, steps=10)
    page.hear(steps=20)
    page.hear(heard=LOUD, steps=10)
    page.end()
    (answer,) = [event for event in page.events if event["what"] == "answer"]
    assert answer["secs"] == pytest.approx(0.4)
    assert answer["text"] == "after 400 ms"
    assert answer["t"] == pytest.approx(0.6)


def test_a_barge_in_is_told_with_when_the_bot_was_silent():
    page = Page()
    page.hear(heard=LOUD, steps=20)
    page.hear(said=LOUD, heard=LOUD, steps=10)
    page.observe(Cleared(page.at, 4800, page.at - 0.06))
    page.hear(said=LOUD, steps=10)
    page.end()
    (barge_in,) = [event for event in page.events if event["what"] == "barge-in"]
    assert barge_in["secs"] == pytest.approx(0.2)
    assert barge_in["t"] == pytest.approx(0.6)


def test_a_clear_while_the_caller_is_silent_is_no_barge_in():
    page = Page()
    page.hear(heard=LOUD, steps=20)
    page.observe(Cleared(page.at, 4800, page.at - 0.06))
    page.hear(steps=10)
    page.end()
    assert not [event for event in page.events if event["what"] == "barge-in"]


def test_the_end_is_told_with_all_that_was_not_told_before():
    page = Page()
    page.hear(steps=2)
    page.end()
    assert len(page.news[0]["said"]) == 4
    assert page.events[-1]["text"] == "over"


def test_all_of_it_is_json():
    page = Page()
    page.hear(said=LOUD, heard=LOUD, steps=5)
    json.dumps(page.news, allow_nan=False)
