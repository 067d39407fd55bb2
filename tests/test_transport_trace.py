"""The bot's half of a call's trace."""

import asyncio
import json
import os
import threading
import time
from pathlib import Path

import pytest
from far_end import FarEnd, call
from pipecat.frames.frames import (
    EndFrame,
    InterruptionFrame,
    OutputTransportMessageUrgentFrame,
    TTSSpeakFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from test_transport_output import utterance
from virtual_time import in_virtual_time
from voices import TimedVoice

from pipecat_wavix import WavixParams
from pipecat_wavix.protocol import Clear, PlaceMark, PlayMedia, parse
from pipecat_wavix.transport import trace as tracing
from pipecat_wavix.transport.trace import BotTrace


def lines_of(folder):
    (path,) = folder.iterdir()
    return [json.loads(line) for line in path.read_text().splitlines()]


def events(lines, name):
    return [line for line in lines if line.get("event") == name]


def messages(lines, direction, name):
    found = [line for line in lines if line["dir"] == direction]
    return [line for line in found if line["message"].get("event") == name]


def a_trace(folder, **changes):
    return BotTrace(folder, **{"call_id": "c", "stream_id": "s", "texts": False} | changes)


@in_virtual_time
async def test_no_trace_is_written_unless_it_is_asked_for(tmp_path):
    os.chdir(tmp_path)
    async with call() as this:
        await this.say(EndFrame())
        await this.ended()
    assert not list(tmp_path.iterdir())


@in_virtual_time
async def test_every_message_is_traced_both_ways_without_its_audio(tmp_path):
    async with call(params=WavixParams(trace=tmp_path)) as this:
        this.far.say({"event": "media", "media": {"payload": "AAAABAP//AIA="[:8], "chunk": 1}})
        await this.say(*utterance(1.0))
        await asyncio.sleep(2)
        await this.say(EndFrame())
        await this.ended()
    header, *lines = lines_of(tmp_path)
    assert {name: header[name] for name in ("trace", "side", "call", "stream")} == {
        **{"trace": 1, "side": "bot"},
        **{"call": "abc-123", "stream": "str-456"},
    }
    (got,) = messages(lines, "to_bot", "media")
    assert got["message"] == {"event": "media", "media": {"payload": 6}, "sequence_number": 2}
    for name, kind in (("media", PlayMedia), ("mark", PlaceMark)):
        sent = this.far.commands(kind)
        traced = messages(lines, "from_bot", name)
        assert len(traced) == len(sent) > 3
        began = sent[0][0] - traced[0]["t"]
        assert [line["t"] + began for line in traced] == pytest.approx([at for at, _ in sent])
    assert messages(lines, "from_bot", "media")[0]["message"] == {
        "event": "media",
        "media": {"payload": 960},
    }
    assert messages(lines, "to_bot", "mark")
    assert lines[-1]["event"] == "ended"


@in_virtual_time
async def test_what_the_bot_believes_is_traced_when_it_believes_it(tmp_path):
    async with call(params=WavixParams(trace=tmp_path)) as this:
        began = time.monotonic()
        await this.say(UserStartedSpeakingFrame(), UserStoppedSpeakingFrame(), *utterance(1.0))
        await asyncio.sleep(3)
        ((start, end),) = this.far.spans()
        await this.worker.cancel()
    lines = lines_of(tmp_path)[1:]
    offset = events(lines, "user_started")[0]["t"] - began
    assert len(events(lines, "user_stopped")) == 1
    (started,), (stopped,) = events(lines, "started"), events(lines, "stopped")
    assert started["t"] - offset == pytest.approx(start, abs=0.03)
    assert stopped["t"] - offset == pytest.approx(end, abs=0.03)


@in_virtual_time
async def test_words_are_traced_with_their_place_and_whether_they_were_heard(tmp_path):
    params = WavixParams(trace=tmp_path, trace_texts=True)
    async with call(params=params, ahead=[TimedVoice()]) as this:
        await this.say(TTSSpeakFrame("w1 w2 w3 w4 w5 w6 w7 w8"))
        await asyncio.sleep(1.0)
        await this.say(InterruptionFrame())
        await asyncio.sleep(1.0)
        await this.worker.cancel()
    lines = lines_of(tmp_path)[1:]
    words = events(lines, "words")
    assert [word["text"] for word in words] == [f"w{n}" for n in range(1, len(words) + 1)]
    heard = [word["heard"] for word in words]
    assert heard == sorted(heard, reverse=True)
    assert 2 <= sum(heard) < len(heard)
    assert words[1]["position"] - words[0]["position"] == 7200
    (interrupted,) = events(lines, "interrupted")
    assert interrupted["clear"] is True
    assert len(messages(lines, "from_bot", "clear")) == len(this.far.commands(Clear)) == 1


@in_virtual_time
async def test_texts_are_not_written_unless_that_is_asked_for(tmp_path):
    async with call(params=WavixParams(trace=tmp_path), ahead=[TimedVoice()]) as this:
        await this.say(TTSSpeakFrame("w1234 w1235"))
        await asyncio.sleep(2)
        await this.worker.cancel()
    lines = lines_of(tmp_path)
    assert [word["letters"] for word in events(lines, "words")] == [5, 5]
    assert "w123" not in json.dumps(lines)


@in_virtual_time
async def test_what_cannot_be_read_is_traced_without_its_content(tmp_path):
    async with call(params=WavixParams(trace=tmp_path)) as this:
        this.far.inbox.put_nowait({"type": "websocket.receive", "text": '{"event": "secret"}'})
        await this.say(OutputTransportMessageUrgentFrame(message={"secret": 1}))
        await asyncio.sleep(0.1)
        await this.worker.cancel()
    lines = lines_of(tmp_path)
    (rejected,) = [line for line in lines if line.get("message", {}).get("kind")]
    assert rejected["message"]["kind"] == "unknown_event"
    assert "secret" not in json.dumps(lines)


@in_virtual_time
async def test_a_stall_of_the_loop_is_traced_with_its_length(tmp_path):
    async with call(params=WavixParams(trace=tmp_path)) as this:
        await asyncio.sleep(0.5)
        asyncio.get_running_loop().now += 0.4
        await asyncio.sleep(0.5)
        await this.worker.cancel()
    (stall,) = events(lines_of(tmp_path), "stall")
    assert stall["secs"] == pytest.approx(0.4, abs=0.03)


@in_virtual_time
async def test_the_trace_is_closed_whichever_way_the_call_ends(tmp_path):
    for way in ("end", "cancel", "left"):
        async with call(params=WavixParams(trace=tmp_path / way)) as this:
            if way == "end":
                await this.say(EndFrame())
            elif way == "left":
                this.far.leave()
                await asyncio.sleep(0.5)
            if way != "end":
                await this.worker.cancel()
            await this.ended()
        assert lines_of(tmp_path / way)[-1]["event"] == "ended"
        assert not [t for t in asyncio.all_tasks() if "wavix-trace" in t.get_name()]


@in_virtual_time
async def test_each_stream_of_a_call_has_a_file_of_its_own(tmp_path):
    for _ in range(2):
        trace = a_trace(tmp_path, call_id="c-1")
        trace.begin()
        trace.begin()
        await trace.close()
        await trace.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c-1-2.bot.jsonl", "c-1.bot.jsonl"]


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".", "x" * 300, "a\0b", "ü"])
async def test_what_is_no_id_does_not_name_a_file(tmp_path, name):
    folder = tmp_path / "traces"
    trace = a_trace(folder, call_id=None, stream_id=name)
    trace.begin()
    await trace.close()
    (path,) = folder.iterdir()
    assert len(path.name) == 32 + len(".bot.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == ["traces"]


async def test_a_trace_that_was_never_begun_leaves_no_file(tmp_path):
    trace = a_trace(tmp_path)
    trace.note("started")
    await trace.close()
    trace.begin()
    assert not list(tmp_path.iterdir())


async def test_a_folder_that_cannot_be_written_is_logged_and_the_call_goes_on(tmp_path, logs):
    (tmp_path / "file").write_text("")
    trace = a_trace(tmp_path / "file" / "traces")
    trace.begin()
    trace.note("started")
    await trace.close()
    assert "is not written: Not a directory" in "".join(logs)


async def test_a_disk_that_hangs_delays_neither_the_call_nor_its_end(tmp_path, monkeypatch, logs):
    hangs, goes_on, files = threading.Event(), threading.Event(), []

    def opened(self):
        hangs.set()
        assert goes_on.wait(30)
        files.append(Path(os.devnull).open("w"))  # noqa: SIM115 - the trace closes it
        return files[0]

    monkeypatch.setattr(BotTrace, "_opened", opened)
    monkeypatch.setattr(tracing, "WRITE_EVERY_SECS", 0.001)
    monkeypatch.setattr(tracing, "CLOSE_TIMEOUT_SECS", 0.01)
    monkeypatch.setattr(tracing, "MAX_WAITING", 100)
    trace = a_trace(tmp_path)
    trace.begin()
    try:
        while not hangs.is_set():
            await asyncio.sleep(0.001)
        message = parse('{"event": "media", "media": {"payload": "AAA="}}')
        for _ in range(1000):
            trace.received(message)
        assert len(trace._waiting) == 100
        await trace.close()
    finally:
        goes_on.set()
    while not (files and files[0].closed):
        await asyncio.sleep(0.001)
    assert "could not be finished in time" in "".join(logs)


async def test_lines_that_could_not_be_written_in_time_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(tracing, "MAX_WAITING", 3)
    trace = a_trace(tmp_path)
    for _ in range(10):
        trace.note("user_started")
    trace.begin()
    await trace.close()
    assert [line["count"] for line in events(lines_of(tmp_path), "missing")] == [8]


@in_virtual_time
async def test_a_clear_is_not_later_for_the_trace(tmp_path):
    for trace in (None, tmp_path):
        far = FarEnd()
        async with call(far=far, params=WavixParams(trace=trace)) as this:
            await this.say(*utterance(3.0))
            await asyncio.sleep(1)
            at = time.monotonic()
            await this.say(InterruptionFrame())
            await asyncio.sleep(0.5)
            assert [cleared - at for cleared, _ in far.commands(Clear)] == [
                pytest.approx(0, abs=1e-6)
            ]
            await this.worker.cancel()
