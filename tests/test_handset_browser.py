"""The handset as a person uses it: in a browser, with a microphone that plays a file."""

import asyncio
import json

import numpy as np
import pytest
from browser import a_page, answering, call, chromium, listen, played, rest
from emulated import NUMBER, emulating, until, wav

from pipecat_wavix.emulator.voice import speak

pytestmark = pytest.mark.browser

NOISE = np.random.default_rng(5).integers(-9000, 9000, 24_000).astype("<i2")


async def the_stream(account):
    await until(lambda: account.streams and account.streams[-1].events("start"))
    return account.streams[-1]


def assert_same(sent, heard):
    """The same samples in the same order; a page that stalls adds silence, and changes nothing."""
    np.testing.assert_array_equal(heard[heard != 0], sent[sent != 0])


def index_of(part, whole):
    """Where the samples of `part` lie in `whole` without a break, or -1."""
    at = whole.tobytes().find(part.tobytes())
    return at // 2 if at % 2 == 0 else -1


def likeness(part, whole):
    """The greatest normalised correlation of `part` with any stretch of `whole`."""
    size = 1 << (len(whole) + len(part)).bit_length()
    product = np.fft.irfft(np.fft.rfft(whole, size) * np.conj(np.fft.rfft(part, size)), size)
    power = np.concatenate([[0.0], np.cumsum(whole**2)])
    energy = power[len(part) :] - power[: -len(part)]
    return np.max(product[: len(energy)] / np.sqrt(energy * np.sum(part**2) + 1))


async def test_what_the_microphone_hears_reaches_the_bot(tmp_path):
    words = np.frombuffer(speak("The rain in Spain stays in the plain."), "<i2").astype(float)
    microphone = tmp_path / "microphone.wav"
    microphone.write_bytes(wav(bytes(48_000 * 2) + words.astype("<i2").tobytes() * 3))
    async with a_page(microphone) as (page, _, account):
        await call(page)
        stream = await the_stream(account)
        await until(lambda: len(stream.heard()) >= 48_000 * 7)
    heard = np.frombuffer(stream.heard(), "<i2").astype(float)
    begin = np.flatnonzero(np.abs(words) > 1000)[0]
    phrase = words[begin : begin + 12_000]
    assert likeness(phrase, heard) > 0.7
    assert likeness(phrase, heard[::-1]) < 0.5  # so the figure can tell


async def test_what_the_bot_sends_is_what_the_page_plays_bit_for_bit():
    async with a_page() as (page, _, account):
        await call(page)
        await listen(page)
        stream = await the_stream(account)
        await stream.say(NOISE.tobytes())
        while np.count_nonzero(await played(page)) < np.count_nonzero(NOISE):
            await asyncio.sleep(0.1)
        assert_same(NOISE, await played(page))
        if await page.inner_text("#page-underruns") == "0":  # as on all but the busiest machines
            assert index_of(NOISE, await played(page)) >= 0


async def test_a_clear_silences_the_page_to_the_sample():
    async with a_page(to="%2B12025550100") as (page, emulator, account):
        answering(emulator, account)
        await call(page)
        await listen(page)
        stream = await the_stream(account)
        for _ in range(5):
            await stream.say(NOISE.tobytes())
        while not np.count_nonzero(await played(page)):
            await asyncio.sleep(0.05)
        await stream.websocket.send(json.dumps({"event": "clear"}))
        await page.get_by_text("thrown away").wait_for()
        begin = len(await played(page))
        while not len(await played(page)) > begin + 24_000:
            await asyncio.sleep(0.1)
        await page.click("#hang-up")
        (the_call,) = emulator.calls.values()
        (clear,) = (await the_call.finished()).clears
        assert clear.samples > 24_000
        sent = np.tile(NOISE, 5)
        assert_same(sent[: len(sent) - clear.samples], await played(page))


async def test_keys_reach_a_collection_by_mouse_and_by_keyboard():
    async with a_page(to="%2B12025550100") as (page, emulator, account):
        answering(emulator, account)
        await call(page)
        await the_stream(account)
        (call_id,) = emulator.calls
        await rest(emulator, "POST", f"/v1/calls/{call_id}/collect", {"max_digits": 3})
        await page.click("#keypad button[value='1']")
        await page.keyboard.press("2")
        await page.focus("#keypad button[value='3']")
        await page.keyboard.press("Enter")
        collected = {"digits": "123", "status": "completed"}
        await until(
            lambda: (
                collected
                in [(body.get("event_payload") or {}).get("payload") for body in account.told()]
            )
        )


async def test_the_sliders_change_the_network_in_mid_call():
    async with a_page() as (page, _, account):
        await call(page)
        stream = await the_stream(account)
        loop = asyncio.get_running_loop()

        async def round_trip(name):
            sent_at = loop.time()
            await stream.websocket.send(json.dumps({"event": "mark", "mark": {"name": name}}))
            await until(lambda: name in [mark["mark"]["name"] for mark in stream.events("mark")])
            return loop.time() - sent_at

        before = await round_trip("before")
        await page.locator("#delay_ms").fill("400")
        await page.get_by_text("400 + 0 ms, 0% lost").wait_for()
        assert await round_trip("after") >= 0.8 > before
        assert await page.get_attribute("#delay_ms", "aria-valuetext") == "400 ms"


async def test_the_built_in_voice_and_a_file_are_said_without_a_microphone(tmp_path):
    file = tmp_path / "noise.wav"
    file.write_bytes(wav(NOISE.tobytes()))
    async with a_page() as (page, _, account):
        await call(page)
        stream = await the_stream(account)
        await page.fill("#words", "hello")
        await page.press("#words", "Enter")
        await until(lambda: np.abs(np.frombuffer(stream.heard(), "<i2").astype(int)).max() > 2000)
        await page.click("#hang-up")
        await page.wait_for_selector("[data-state=idle]")
        await page.check("[value=file]", force=True)
        await page.set_input_files("#file", file)
        await call(page)
        await until(lambda: len(account.streams) == 2 and account.streams[1].events("start"))
        await page.click("#play-file")
        heard = account.streams[1].heard
        await until(lambda: index_of(NOISE, np.frombuffer(heard(), "<i2")) >= 0)


async def test_whoever_is_muted_is_not_heard(tmp_path):
    microphone = tmp_path / "microphone.wav"
    microphone.write_bytes(wav(speak("one two three four five six seven eight nine ten") * 3))
    async with a_page(microphone) as (page, _, account):
        await call(page)
        stream = await the_stream(account)
        await until(lambda: any(stream.heard()))
        await page.click("#mute")
        assert await page.get_attribute("#mute", "aria-pressed") == "true"
        await asyncio.sleep(0.5)
        until_now = len(stream.heard())
        await until(lambda: len(stream.heard()) > until_now + 24_000)
        assert not any(stream.heard()[until_now:])


@pytest.mark.parametrize(
    ("asks", "kind"), [(True, "permission"), (False, "device")], ids=["refused", "none"]
)
async def test_without_a_microphone_the_page_says_why_and_what_to_do(asks, kind):
    async with a_page(asks=asks) as (page, _, account):
        await page.check("[value=microphone]", force=True)
        await page.click("#call")
        await page.wait_for_selector(f"#problem[data-kind={kind}]")
        assert "choose a WAV file or the built-in voice" in await page.inner_text("#problem")
        assert await page.inner_text("#state") == "No call"
        assert not account.streams


@pytest.mark.parametrize(
    ("to", "kind"),
    [
        ("ws://127.0.0.1:9/ws", "unreachable"),
        ("http://127.0.0.1/ws", "wrong"),
        ("%2B12025550111", "wrong"),
    ],
)
async def test_a_bot_that_cannot_be_called_is_told_of(to, kind):
    async with a_page(to=to) as (page, _, _):
        await page.click("#call")
        await page.wait_for_selector(f"#problem[data-kind={kind}]")
        await page.wait_for_selector("[data-state=idle]")


async def test_a_number_that_nobody_would_hear_ring_is_told_of_before_and_after():
    async with a_page(to="%2B12025550100", ring_secs=0.1) as (page, emulator, _):
        emulator.numbers.get(NUMBER).call_status_url = None
        await page.focus("#to")
        await page.get_by_text("No webhook yet").wait_for()
        await page.click("#call")
        await page.wait_for_selector("#problem[data-kind=webhook]")


async def test_an_emulator_that_ends_in_mid_call_is_told_of():
    async with emulating() as (emulator, account), chromium() as page:
        await page.goto(f"{emulator.handset_url}#to={account.stream_url}")
        await page.check("[value=voice]", force=True)
        await call(page)
        await emulator.__aexit__(None, None, None)
        await page.wait_for_selector("[data-state=idle]")


async def test_the_keyboard_alone_makes_and_ends_a_call():
    async with a_page() as (page, _, _account):
        await page.focus("#to")
        await page.keyboard.press("Enter")
        await page.wait_for_selector("[data-state=talking]")
        await page.focus("#hang-up")
        await page.keyboard.press("Space")
        await page.wait_for_selector("[data-state=idle]")
        assert await page.inner_text("#state") == "The call is over: the caller hung up"
        assert await page.get_attribute("#state", "role") == "status"


async def test_events_are_listed_and_filtered():
    async with a_page() as (page, _, account):
        await call(page)
        stream = await the_stream(account)
        name = "<img src=x onerror=alert(1)>"
        await stream.websocket.send(json.dumps({"event": "mark", "mark": {"name": name}}))
        await page.get_by_text(name).first.wait_for()
        assert not await page.locator("#list .media").count()
        await page.click("#filters [value=media]")
        await page.locator("#list .media").first.wait_for()
        await page.fill("#search", "img src")
        rows = page.locator("#list .row")
        while await rows.count() != 3:  # from the bot, played, and back to the bot
            await asyncio.sleep(0.05)
        for i in range(3):
            assert name in await rows.nth(i).inner_text()


async def test_a_phones_screen_needs_no_sideways_scrolling():
    async with (
        emulating() as (emulator, _),
        chromium(viewport={"width": 360, "height": 700}) as page,
    ):
        await page.goto(emulator.handset_url)
        assert await page.evaluate("document.documentElement.scrollWidth") == 360


@pytest.mark.parametrize(("source", "target"), [(24_000, 48_000), (44_100, 24_000)])
async def test_a_browser_with_another_rate_hears_the_same_tone(source, target):
    async with emulating() as (emulator, _), chromium() as page:
        await page.goto(emulator.handset_url)
        samples = await page.evaluate(
            """async ([source, target]) => {
                const { Resampler } = await import("./phone/resampler.js");
                const resampler = new Resampler(source, target);
                const tone = Float32Array.from({ length: source }, (_, i) =>
                    Math.sin((2 * Math.PI * 1000 * i) / source));
                const out = [];
                for (let i = 0; i < tone.length; i += 128)
                    out.push(...resampler.process(tone.subarray(i, i + 128)));
                return out;
            }""",
            [source, target],
        )
        assert abs(len(samples) - target) < target // 200
        steady = np.array(samples)[target // 10 : target // 10 * 9]
        t = np.arange(len(steady)) * 2 * np.pi * 1000 / target
        waves = np.stack([np.sin(t), np.cos(t)], axis=1)
        amplitudes, (left_over,) = np.linalg.lstsq(waves, steady, rcond=None)[:2]
        assert np.hypot(*amplitudes) == pytest.approx(1, abs=0.01)
        assert left_over / len(steady) < 1e-4 / 2  # 40 dB below the tone
