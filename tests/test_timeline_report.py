"""The page: what is in it, what must not be, and that it works in a browser."""

import asyncio
import base64
import json
import re

import numpy as np
import pytest
from browser import chromium
from emulated import PATIENCE_SECS
from fabricated import BEGAN, STREAM, Fabricated, bots_half

from pipecat_wavix.emulator.events import Received
from pipecat_wavix.phoneline import MarkPlayed
from pipecat_wavix.protocol import MarkName, PlaceMark
from pipecat_wavix.timeline import read_timeline, report, write_report
from pipecat_wavix.timeline.differences import differences

HOSTILE = "</script><script>document.title = 'taken'</script><!-- {{script}} & \u2028 <img src=x>"


def a_call(**changes):
    """One with a barge-in, an underrun and a cut goodbye."""
    made = Fabricated(12.0, reason="hung up by the account", **changes)
    made.plays(0.1, 1.0).says(1.5, 2.5).plays(3.1, 4.0, lead=0.2, stalls=[(4.0, 4.6)])
    return made.says(6.0, 7.0).clears(6.4).plays(7.6, 2.0).says(10.0, 10.6).plays(11.2, 2.0)


def page_of(folder, made, *bot, against=None):
    trace = made.left_in(folder)
    half = bots_half(trace, folder / "bot.jsonl", *bot) if bot else None
    path = folder / "report.html"
    write_report(read_timeline(trace, bot_trace=half), path, against=against)
    return path


def data_in(path):
    (text,) = re.findall(
        r'<script id="data" type="application/json">(.*?)</script>', path.read_text(), re.DOTALL
    )
    return json.loads(text)


def test_the_page_needs_nothing_but_itself(tmp_path):
    text = page_of(tmp_path, a_call()).read_text()
    assert not re.findall(r"(?:src|href)=[\"'](?!data:)", text)
    assert not re.findall(r"https?://|@import|url\(|fetch\(|XMLHttp", text.replace("ws://bot", ""))
    assert "default-src 'none'" in text


def test_no_text_of_a_trace_ends_the_script(tmp_path):
    made = a_call(line=None).observes(
        5, Received(BEGAN + 5, PlaceMark(mark=MarkName(name=HOSTILE)), "used", STREAM)
    )
    words = {"heard": True, "position": 0, "letters": 9, "text": HOSTILE}
    path = page_of(tmp_path / "a&<b>", made, (5, "words", words))
    text = path.read_text()
    assert text.count("</script") == 2
    assert "<img" not in text
    assert "<title>a&amp;&lt;b&gt;</title>" in text
    (call,) = data_in(path)["calls"]
    assert call["words"][0][1] == HOSTILE
    assert any(HOSTILE[:100] in row[3] for row in call["rows"])


def test_the_page_has_what_the_timeline_has(tmp_path):
    timeline = read_timeline(a_call().left_in(tmp_path))
    path = tmp_path / "report.html"
    write_report(timeline, path)
    data = data_in(path)
    (call,) = data["calls"]
    assert [verdict[1] for verdict in call["verdicts"]] == ["underrun", "cut_goodbye"]
    assert [len(call[name]) for name in ("turns", "barge_ins", "clears", "underruns")] == [
        3,
        1,
        1,
        1,
    ]
    assert call["ended"] == "hung up by the account"
    assert call["until"] > call["secs"] == 12.0
    assert data["differences"] == []


def test_media_that_follow_each_other_are_one_row(tmp_path):
    (call,) = data_in(page_of(tmp_path, Fabricated(3.0).plays(0.5, 0.5, lead=0)))["calls"]
    rows = [row for row in call["rows"] if row[2] == "media"]
    assert [(row[1], row[4]) for row in rows if row[1] == "from_bot"] == [
        *(("from_bot", 10), ("from_bot", 10)),
        ("from_bot", 5),
    ]
    assert [row[4] for row in rows if row[1] == "to_bot"] == [150]
    assert (
        sum(row[4] for row in call["rows"])
        == len((tmp_path / "trace.jsonl").read_text().splitlines()) - 1
    )


def test_a_long_call_says_where_its_recording_is(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "EMBEDDED_SECS", 5.0)
    (call,) = data_in(page_of(tmp_path, a_call()))["calls"]
    assert call["audio"] is None
    assert call["recording"] == str(tmp_path / "recording.wav")


def test_a_page_without_a_recording_says_so(tmp_path):
    trace = a_call().left_in(tmp_path)
    (tmp_path / "recording.wav").unlink()
    path = tmp_path / "report.html"
    write_report(read_timeline(trace), path)
    (call,) = data_in(path)["calls"]
    assert (call["audio"], call["recording"]) == (None, None)
    assert "There is no recording of this call" in path.read_text()


def test_a_trace_that_stops_is_not_said_to_have_an_end(tmp_path):
    trace = a_call().left_in(tmp_path)
    lines = trace.read_text().splitlines()
    trace.write_text("\n".join(line for line in lines if '"ended"' not in line) + "\n")
    write_report(read_timeline(trace), tmp_path / "report.html")
    (call,) = data_in(tmp_path / "report.html")["calls"]
    assert call["ended"] == "not known: the trace stops"


def test_a_trace_that_is_only_a_header_has_a_page_too(tmp_path):
    (tmp_path / "trace.jsonl").write_text('{"trace": 1}\n')
    write_report(read_timeline(tmp_path / "trace.jsonl"), tmp_path / "report.html")
    data = data_in(tmp_path / "report.html")
    assert data["calls"][0]["rows"] == []


def loudness(packed):
    return np.frombuffer(base64.b64decode(packed), np.uint8)


def test_a_very_long_call_is_drawn_more_coarsely(tmp_path, monkeypatch):
    fine = data_in(page_of(tmp_path, a_call()))
    monkeypatch.setattr(report, "MAX_PEAKS", 1000)
    coarse = data_in(page_of(tmp_path, a_call()))
    assert coarse["peak_secs"] == pytest.approx(3 * fine["peak_secs"])
    for name in ("caller", "heard", "sent", "unheard"):
        one, other = (loudness(data["calls"][0]["peaks"][name]) for data in (fine, coarse))
        assert len(other) <= 1001
        begins, began = (np.flatnonzero(each)[0] for each in (one, other))
        assert abs(begins - 3 * began) <= 3
        assert other.max() == one.max()


def test_the_list_of_messages_has_an_end_and_tells_how_many_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "MAX_ROWS", 10)
    (call,) = data_in(page_of(tmp_path, a_call()))["calls"]
    assert len(call["rows"]) == 10
    count = len((tmp_path / "trace.jsonl").read_text().splitlines()) - 1
    assert sum(row[4] for row in call["rows"]) + call["more_rows"] == count


def test_no_text_of_a_trace_makes_the_page_long(tmp_path):
    long = "x" * 100_000
    mark = Received(BEGAN + 5, PlaceMark(mark=MarkName(name=long)), "used", STREAM)
    made = a_call().observes(5, mark).observes(6, MarkPlayed(BEGAN + 6, long, cleared=False))
    trace = made.left_in(tmp_path)
    lines = trace.read_text().splitlines()
    end = '{"t":12,"dir":"line","event":"ended","reason":"%s"}' % long
    rest = '{"t":1,"dir":"rest","route":"%s","status":"%s"}' % (long, long)
    header = lines[0].replace('"started":"', f'"started":"{long}')
    trace.write_text("\n".join([header, *lines[1:-1], rest, end]) + "\n")
    words = {"heard": True, "position": 10**6, "letters": 9, "text": long}
    half = bots_half(made.left_in(tmp_path / "short"), tmp_path / "b.jsonl", (5, "words", words))
    write_report(read_timeline(trace, bot_trace=half), tmp_path / "report.html")
    assert "x" * 500 not in (tmp_path / "report.html").read_text()


def test_the_bots_words_without_texts_are_shown_as_long_as_they_are(tmp_path):
    words = {"heard": False, "position": 0, "letters": 4}
    (call,) = data_in(page_of(tmp_path, a_call(), (0.5, "words", words)))["calls"]
    assert call["words"] == [[0.5, "····", False, True]]


def test_two_calls_are_told_apart_by_what_differs(tmp_path):
    slow = Fabricated(9.0).plays(0.1, 1.0).says(2.0, 3.0).plays(4.8, 1.0)
    quick = Fabricated(8.0).plays(0.1, 1.0).says(2.0, 3.0).plays(3.5, 1.0)
    one, other = (
        read_timeline(made.left_in(tmp_path / name)) for name, made in (("a", slow), ("b", quick))
    )
    rows = {row[0]: row[1:] for row in differences(one, other)}
    assert rows["Length"] == ("9.0 s", "8.0 s", "-1.0 s")
    assert rows["Median answer"] == ("1800 ms", "500 ms", "-1300 ms")
    assert rows["Turns"] == ("1", "1", "=")
    assert rows["Slowest clear"] == ("none", "none", "")
    assert rows["Verdicts: slow answer"] == ("1", "0", "-1")
    path = tmp_path / "report.html"
    write_report(one, path, against=other)
    data = data_in(path)
    assert [call["name"] for call in data["calls"]] == ["a", "b"]
    assert len(data["differences"]) == len(rows)


def test_the_name_of_a_trace_of_its_own_name_is_that(tmp_path):
    trace = a_call().left_in(tmp_path)
    (call,) = data_in(page_of(tmp_path, a_call()))["calls"]
    assert call["name"] == tmp_path.name
    trace = trace.rename(tmp_path / "tuesday.jsonl")
    write_report(read_timeline(trace), tmp_path / "report.html")
    assert "<title>tuesday</title>" in (tmp_path / "report.html").read_text()


async def until(page, condition):
    """Wait until it is so; `wait_for_function` would need what the page's own policy forbids."""
    async with asyncio.timeout(PATIENCE_SECS):
        while not await page.evaluate(condition):
            await asyncio.sleep(0.01)


# In a browser; `chromium` fails the test if the page raises an error.


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_page_draws_itself_without_being_wider_than_the_screen(tmp_path, width, scheme):
    path = page_of(tmp_path, a_call(), (0.1, "started", {}), (1.0, "stall", {"secs": 0.2}))
    async with chromium(viewport={"width": width, "height": 800}, color_scheme=scheme) as page:
        await page.goto(path.as_uri())
        assert await page.locator("#verdicts li").count() == 2
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        colours = await page.evaluate(
            """() => {
                const canvas = document.querySelector(".call canvas"), context = canvas.getContext("2d");
                const data = context.getImageData(0, 0, canvas.width, canvas.height).data;
                return new Set(new Uint32Array(data.buffer)).size;
            }"""
        )
        assert colours > 8


@pytest.mark.browser
async def test_a_verdict_jumps_to_its_place_and_keys_move_the_view(tmp_path):
    path = page_of(tmp_path, a_call())
    async with chromium() as page:
        await page.goto(path.as_uri())
        readout = page.locator("#readout")
        await page.click("text=The goodbye was cut")
        await until(page, "place > 11.9")
        assert await page.evaluate("document.querySelector('audio').currentTime") == 12
        await page.keyboard.press("p")
        await until(page, "place < 6")
        before = await page.evaluate("view.to - view.from")
        await page.keyboard.press("+")
        assert await page.evaluate("view.to - view.from") == pytest.approx(before / 2)
        await page.keyboard.press("0")
        await until(page, "view.to - view.from > 12")
        assert await readout.inner_text()


@pytest.mark.browser
async def test_the_recording_plays(tmp_path):
    path = page_of(tmp_path, a_call())
    async with chromium() as page:
        await page.goto(path.as_uri())
        await until(page, "document.querySelector('audio').readyState === 4")
        assert await page.evaluate("document.querySelector('audio').duration") == 12
        await page.keyboard.press("Space")
        await until(page, "place > 0.2")


@pytest.mark.browser
async def test_messages_are_filtered_and_only_those_in_sight_are_in_the_page(tmp_path):
    made = Fabricated(30.0)
    for at in range(1, 28):
        made.plays(at, 0.9)
    path = page_of(tmp_path, made.clears(28.5))
    async with chromium() as page:
        await page.goto(path.as_uri())
        assert await page.evaluate("rows.length") > 150
        assert await page.locator(".row").count() < 60
        await page.fill("#filter", "from the bot clear")
        assert await page.locator(".row").count() == 1
        await page.click(".row")
        await until(page, "Math.abs(place - 28.5) < 0.01")
        await page.fill("#filter", "")
        await page.locator("#kinds").get_by_text("media", exact=True).click()
        assert not await page.evaluate("shown.some((row) => row.event === 'media')")


@pytest.mark.browser
async def test_hostile_texts_do_nothing_in_the_page(tmp_path):
    mark = Received(BEGAN + 5, PlaceMark(mark=MarkName(name=HOSTILE)), "used", STREAM)
    words = {"heard": True, "position": 10**6, "letters": 9, "text": HOSTILE}
    path = page_of(tmp_path, a_call().observes(5, mark), (5, "words", words))
    async with chromium() as page:
        await page.goto(path.as_uri())
        assert await page.title() == tmp_path.name
        assert await page.locator("img").count() == 0
        assert "<img src=x>" in await page.inner_text("#verdicts")


@pytest.mark.browser
async def test_two_calls_are_drawn_on_one_axis_with_a_table_of_what_differs(tmp_path):
    other = read_timeline(a_call().left_in(tmp_path / "other"))
    path = page_of(tmp_path / "this", a_call(), against=other)
    async with chromium() as page:
        await page.goto(path.as_uri())
        assert await page.locator(".call canvas").count() == 2
        assert await page.locator("#differences tbody tr").count() > 8
        assert await page.locator("#verdicts li").count() == 4


@pytest.mark.browser
async def test_the_title_of_a_lane_hides_nothing_of_an_underrun(tmp_path):
    made = Fabricated(6).plays(0.1, 3.0, lead=0.1, stalls=[(0.15, 0.5)])
    path = page_of(tmp_path, made)
    async with chromium(viewport={"width": 600, "height": 800}) as page:
        await page.goto(path.as_uri())
        # In the middle of the gap, from the top to the line below that shows spells.
        red = await page.evaluate(
            """() => {
                const [call] = calls, lane = call.lanes.findIndex((each) => each.name === "Heard");
                const height = (each) => (each.head ?? 0) + each.height;
                const above = call.lanes.slice(0, lane).reduce((sum, each) => sum + height(each) + 3, 0);
                const [at, secs] = call.data.underruns[0], width = call.canvas.width;
                const left = Math.round(((at - secs / 2 - view.from) / (view.to - view.from)) * width);
                const first = above + call.lanes[lane].head, size = call.lanes[lane].height - 4;
                const data = call.canvas.getContext("2d").getImageData(left, first, 1, size).data;
                let rows = 0;
                for (let i = 0; i < size; i++) if (data[4 * i] > data[4 * i + 2] + 30) rows++;
                return rows / size;
            }"""
        )
        assert red == 1


@pytest.mark.browser
async def test_a_call_without_a_recording_and_a_trace_that_is_too_long_are_drawn(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(report, "MAX_ROWS", 10)
    trace = a_call().left_in(tmp_path)
    (tmp_path / "recording.wav").unlink()
    write_report(read_timeline(trace), tmp_path / "report.html")
    async with chromium() as page:
        await page.goto((tmp_path / "report.html").as_uri())
        assert await page.locator("audio").count() == 0
        assert "no recording" in await page.inner_text(".call .hint")
        assert "more are left out" in await page.inner_text("#count")
        assert "a good call" not in await page.inner_text("body")
