"""Callers, 20 ms at a time, with a bot that is a list of audible steps."""

import wave

import numpy as np
import pytest

from pipecat_wavix.emulator.callers import (
    BeginStep,
    ChangeNetwork,
    HangUp,
    LiveCaller,
    Pause,
    Press,
    Say,
    ScriptedCaller,
    WaitForAnswer,
    WaitForBot,
    conversation,
    load_wav,
    resampled,
)
from pipecat_wavix.emulator.ear import Ear
from pipecat_wavix.emulator.keys import HeldKey
from pipecat_wavix.emulator.network import NetworkSettings

START = 1000.0
SILENCE = bytes(960)


def word(number, frames=1):
    return number.to_bytes(2, "little") * 480 * frames


def talk(caller, bot="", frames=200):
    """What the caller says while the bot speaks (`b`) or not: one character 20 ms.

    `.` is silence, `!` the hang-up; a word is its number, and a key that is held `k` and its name.
    """
    said = ""
    for n in range(frames):
        frame = caller.frame(START + n * 0.02, n > 0 and bot[n - 1 : n] == "b")
        if frame is None:
            return said + "!"
        if isinstance(frame, HeldKey):
            said += f"k{frame.key}"
            continue
        assert len(frame) == 960
        said += "." if frame == SILENCE else str(int.from_bytes(frame[:2], "little"))
    return said


def test_a_scripted_caller_does_one_thing_after_another():
    caller = ScriptedCaller([Say(word(1, 2)), Pause(0.06), Say(word(2)), HangUp()])
    assert talk(caller) == "11...2!"


def test_a_caller_at_the_end_of_its_script_holds_the_line_in_silence():
    assert talk(ScriptedCaller([Say(word(1))]), frames=5) == "1...."


def test_a_caller_who_hung_up_stays_so():
    caller = ScriptedCaller([HangUp(), Say(word(1))])
    assert [caller.frame(START + n, False) for n in range(3)] == [None, None, None]


def test_the_last_frame_of_speech_is_filled_up_with_silence():
    caller = ScriptedCaller([Say(word(7) + b"\1\0")])
    caller.frame(START, False)
    assert caller.frame(START + 0.02, False) == b"\1\0" + bytes(958)


def test_an_empty_speech_takes_no_time():
    assert talk(ScriptedCaller([Say(b""), Pause(0), Say(word(1)), HangUp()])) == "1!"


def test_any_action_with_frames_can_be_scripted():
    class Whistle:
        def frames(self, ear):
            while ear.quiet_secs < 0.05:
                yield word(9)

    assert talk(ScriptedCaller([Whistle(), HangUp()])) == "999!"


# Keys


def test_keys_are_pressed_one_after_another_for_a_tenth_of_a_second_each():
    caller = ScriptedCaller([Press("1#"), HangUp()])
    assert talk(caller) == "k1" * 5 + "." * 5 + "k#" * 5 + "." * 5 + "!"


def test_a_key_may_be_held_and_left_for_other_times():
    caller = ScriptedCaller([Press("AA", secs_each=0.04, gap_secs=0), HangUp()])
    frames = [caller.frame(START, False) for _ in range(5)]
    assert frames == [HeldKey("A", 0), HeldKey("A", 1), HeldKey("A", 0), HeldKey("A", 1), None]


def test_no_keys_take_no_time():
    assert talk(ScriptedCaller([Press(""), HangUp()])) == "!"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("1e",), "the key is 'e': give one of 0-9"),
        (("1", 0.01), "a key is held for 0.01 s: give 0.02 to 60"),
        (("1", 0.1, -1), "gap_secs is -1: give 0 to 60 seconds"),
    ],
)
def test_keys_that_cannot_be_pressed_are_refused_with_the_way_out(arguments, message):
    with pytest.raises(ValueError, match=message):
        Press(*arguments)


# Waiting for the bot


def wait(state, secs, timeout_secs, bot, before=()):
    """How many 20 ms passed until the wait was over."""
    script = [*before, WaitForBot(state, secs, timeout_secs), HangUp()]
    said = talk(ScriptedCaller(script), bot, frames=1000)
    return said.replace("k1", "k").index("!")


def test_a_wait_for_the_bot_to_speak_ends_as_soon_as_it_is_heard():
    assert wait("speaking", 0, 5, "....bbbb") == 5


def test_a_wait_for_the_bot_to_have_spoken_for_a_while_counts_from_its_first_sound():
    assert wait("speaking", 0.1, 5, "....bbbbbbbbbb") == 5 + 5


def test_a_gap_between_words_does_not_start_the_count_again():
    assert wait("speaking", 0.5, 5, "b" + "." * 20 + "bbbbbbbbbbbb") == 1 + 25


def test_a_pause_starts_the_count_again():
    assert wait("speaking", 0.5, 5, "b" + "." * 30 + "b" * 60) == 31 + 1 + 25


def test_a_bot_that_fell_silent_is_not_speaking():
    assert wait("speaking", 0.6, 2, "b" + "." * 200) == 100


def test_what_the_bot_said_before_the_wait_counts():
    assert wait("speaking", 0.1, 5, "b" * 30, before=[Pause(0.2)]) == 10


def test_a_wait_for_the_bot_to_speak_gives_up():
    assert wait("speaking", 0, 0.4, "." * 100) == 20


def test_a_wait_for_the_bot_to_be_quiet_ends_when_it_has_been_for_so_long():
    assert wait("quiet", 0.2, 5, "bbbbbbbb....") == 8 + 10


def test_a_gap_shorter_than_asked_for_is_not_quiet():
    assert wait("quiet", 0.2, 5, "bbb" + "." * 9 + "bbb") == 15 + 10


def test_a_wait_for_the_bot_to_be_quiet_gives_up():
    assert wait("quiet", 0.2, 1, "b" * 200) == 50


def test_a_greeting_is_waited_for_before_it_is_waited_out():
    assert wait("quiet", 0.2, 15, "." * 40 + "bbbb") == 44 + 10


def test_a_bot_that_thinks_before_it_answers_is_not_taken_for_quiet():
    greeting, thinks, answer = "bbbb" + "." * 60, "." * 100, "b" * 20
    said = talk(
        ScriptedCaller(
            [
                *(WaitForBot("quiet", 1, 60), Say(word(1, 5)), WaitForBot("quiet", 1, 60)),
                HangUp(),
            ]
        ),
        greeting + thinks + answer,
        frames=1000,
    )
    assert said == "." * 54 + "11111" + "." * (184 + 50 - 59) + "!"


def test_the_silence_at_the_end_of_a_recording_is_not_the_callers_turn():
    recording = (b"\0\0" + b"\0\10" * 479) * 5 + SILENCE * 60
    answer = "." * 20 + "b" * 30
    assert wait("quiet", 0.4, 60, answer, before=[Say(recording)]) == 70
    script = [Say(recording), WaitForAnswer(2, 0.5), HangUp()]
    assert talk(ScriptedCaller(script), answer) == "0" * 5 + "." * 60 + "!"


def test_an_answer_to_keys_is_waited_for_too():
    assert wait("quiet", 0.2, 15, "b" + "." * 40 + "bbbb", before=[Press("1")]) == 45 + 10


def test_what_is_over_is_not_waited_for_again():
    bot = "...bbbb" + "." * 100
    assert wait("quiet", 0.2, 5, bot, before=[Say(word(1)), Pause(1)]) == 51


def test_quiet_is_counted_from_the_end_of_the_callers_turn_at_the_earliest():
    # The bot begins and ends within the pause of a long turn.
    class Drawl:
        def frames(self, ear):
            ear.begin_turn()
            yield from [word(1)] * 100
            ear.end_turn()

    assert wait("quiet", 0.5, 15, "." * 10 + "b" * 80, before=[Drawl()]) == 100 + 500
    assert wait("quiet", 0.5, 15, "." * 10 + "b" * 160, before=[Drawl()]) == 170 + 25


def test_a_bot_that_does_not_answer_is_waited_for_until_ten_seconds_of_quiet():
    assert wait("quiet", 0.2, 60, "") == 500
    assert wait("quiet", 0.2, 60, "", before=[Say(word(1, 5))]) == 505
    assert wait("quiet", 12, 60, "") == 600
    # Nor is one that speaks on as if nothing had been said.
    talks_on = "b" * 200
    assert wait("quiet", 0.2, 60, talks_on, [Pause(1), Say(word(1, 5))]) == 700


def test_a_wait_for_an_answer_to_end_gives_up():
    assert wait("quiet", 0.2, 1, "", before=[Say(word(1, 5))]) == 55


def test_a_wait_for_what_already_is_takes_no_time():
    assert wait("speaking", 0, 5, "b" * 30, before=[Pause(0.1)]) == 5


def test_an_ear_that_has_heard_nothing_yet_knows_no_time():
    ear = Ear()
    assert (ear.spoken_secs, ear.quiet_secs) == (None, 0)


# A plain conversation


def test_a_caller_without_turns_hears_the_greeting_out_and_hangs_up():
    said = talk(ScriptedCaller(conversation([])), "b" * 30, frames=1000)
    assert said == "." * (30 + 50) + "!"


def test_a_caller_waits_two_seconds_for_a_greeting():
    said = talk(ScriptedCaller(conversation([word(1)])), "", frames=1000)
    assert said.index("1") == 100


def test_a_caller_speaks_each_turn_after_the_answer_to_the_last():
    caller = ScriptedCaller(conversation([word(1, 3), word(2, 3)]))
    bot = "b" * 10 + "." * 70 + "b" * 10 + "." * 80 + "b" * 10
    said = talk(caller, bot, frames=1000)
    assert said == "." * 60 + "111" + "." * (90 + 50 - 63) + "222" + "." * (180 + 50 - 143) + "!"


def test_a_caller_gives_up_on_an_answer_after_ten_seconds():
    said = talk(ScriptedCaller(conversation([word(1)])), "b", frames=1000)
    assert said == "." * 51 + "1" + "." * 500 + "!"


def test_a_caller_barges_into_the_answer_to_the_last_turn():
    caller = ScriptedCaller(conversation([word(1), word(2)], barge_in=word(3)))
    bot = "b" * 10 + "." * 60 + "b" * 10 + "." * 60 + "b" * 100
    said = talk(caller, bot, frames=1000)
    assert said.index("1") == 60
    assert said.index("2") == 80 + 50
    assert said.index("3") == 140 + 1 + 40
    assert said.endswith("." * 50 + "!")


def test_a_barge_in_without_turns_is_into_the_greeting():
    caller = ScriptedCaller(conversation([], barge_in=word(3), barge_in_after_secs=0.2))
    assert talk(caller, "b" * 100, frames=1000).index("3") == 1 + 10


def test_a_caller_whose_barge_in_finds_no_bot_speaks_all_the_same():
    caller = ScriptedCaller(conversation([], barge_in=word(3)))
    assert talk(caller, "", frames=1000) == "." * 140 + "3" + "." * 500 + "!"


# A live caller


def test_a_live_caller_says_what_it_is_fed():
    caller = LiveCaller()
    caller.feed(word(1) + word(2)[:100])
    caller.feed(word(2)[100:])
    assert talk(caller, frames=4) == "12.."


def test_a_live_caller_that_runs_dry_in_a_frame_ends_it_in_silence():
    caller = LiveCaller()
    caller.feed(b"\1\0")
    assert caller.frame(START, False) == b"\1\0" + bytes(958)


def test_a_live_caller_drops_the_oldest_of_too_much_voice():
    caller = LiveCaller(buffer_secs=0.04)
    caller.feed(word(1) + word(2) + word(3))
    assert caller.dropped_samples == 480
    assert talk(caller, frames=3) == "23."


def test_a_live_caller_with_a_prebuffer_begins_when_it_is_full():
    caller = LiveCaller(prebuffer_secs=0.04)
    caller.feed(word(1))
    assert talk(caller, frames=2) == ".."
    caller.feed(word(2))
    assert talk(caller, frames=3) == "12."


def test_a_live_caller_that_ran_dry_fills_its_prebuffer_again():
    caller = LiveCaller(prebuffer_secs=0.04)
    caller.feed(word(1) + word(2))
    assert talk(caller, frames=3) == "12."
    caller.feed(word(3))
    assert talk(caller, frames=1) == "."
    caller.feed(word(4))
    assert talk(caller, frames=3) == "34."


def test_a_live_caller_with_a_prebuffer_leaves_out_silence_where_too_much_waits():
    caller = LiveCaller(prebuffer_secs=0.02)
    quiet = bytes(960)
    caller.feed(quiet)
    caller.feed(quiet)
    caller.feed(b"\0\1" * 480)
    caller.feed(quiet)
    caller.feed(b"\0\2" * 480)
    assert caller.dropped_samples == 480
    said = [caller.frame(START, False) for _ in range(5)]
    assert said == [quiet, quiet, b"\0\1" * 480, b"\0\2" * 480, quiet]


@pytest.mark.parametrize("secs", [-0.1, 0.6])
def test_a_live_caller_has_a_prebuffer_that_its_buffer_can_hold(secs):
    with pytest.raises(ValueError, match=rf"prebuffer_secs is {secs}: give 0 to 0\.5"):
        LiveCaller(prebuffer_secs=secs)


def test_a_live_caller_hangs_up_at_once():
    caller = LiveCaller()
    caller.feed(word(1))
    caller.hang_up()
    assert caller.frame(START, False) is None


def test_a_live_caller_presses_keys_in_order_and_speaks_after_them():
    caller = LiveCaller()
    caller.feed(word(1))
    caller.press("1")
    caller.press("2")
    assert talk(caller, frames=22) == "k1" * 5 + "." * 5 + "k2" * 5 + "." * 5 + "1."


def test_a_live_caller_has_sixteen_keys():
    with pytest.raises(ValueError, match="the key is '12': give one of 0-9"):
        LiveCaller().press("12")


def test_a_live_caller_refuses_half_a_sample():
    with pytest.raises(ValueError, match="3 bytes of audio: PCM16 has 2 bytes a sample"):
        LiveCaller().feed(b"abc")


def test_a_live_caller_needs_room_for_a_frame():
    with pytest.raises(ValueError, match=r"buffer_secs is 0: give at least 0\.02"):
        LiveCaller(buffer_secs=0)


# WAV files


def sine(rate, secs=0.48, hertz=440, peak=8000):
    return np.rint(peak * np.sin(2 * np.pi * hertz * np.arange(round(rate * secs)) / rate))


def write_wav(path, samples, rate, channels=1, width=2):
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(channels)
        wav.setsampwidth(width)
        wav.setframerate(rate)
        wav.writeframes(samples.astype("<i2").tobytes())
    return path


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000])
def test_a_file_of_any_rate_is_brought_to_24_khz(tmp_path, rate):
    pcm = load_wav(write_wav(tmp_path / "a.wav", sine(rate), rate))
    samples = np.frombuffer(pcm, "<i2").astype(float)
    assert len(samples) == 11_520
    # The ends of a tone that is cut off ring, whatever resamples it.
    np.testing.assert_allclose(samples[500:-500], sine(24_000)[500:-500], atol=30)


def test_a_file_at_the_lines_rate_is_taken_as_it_is(tmp_path):
    samples = sine(24_000)
    pcm = load_wav(write_wav(tmp_path / "a.wav", samples, 24_000))
    np.testing.assert_array_equal(np.frombuffer(pcm, "<i2"), samples)


def test_what_is_beyond_the_line_is_cut_off(tmp_path):
    pcm = load_wav(write_wav(tmp_path / "a.wav", sine(48_000, hertz=15_000), 48_000))
    assert np.abs(np.frombuffer(pcm, "<i2")[500:-500]).max() < 30


def test_a_stereo_file_is_mixed_down(tmp_path):
    both = np.stack([sine(24_000), np.zeros(11_520)], axis=1)
    pcm = load_wav(write_wav(tmp_path / "a.wav", both, 24_000, channels=2))
    np.testing.assert_allclose(np.frombuffer(pcm, "<i2"), sine(24_000) / 2, atol=1)


def test_a_file_without_a_sample_is_silence_without_length(tmp_path):
    assert load_wav(write_wav(tmp_path / "a.wav", np.zeros(0), 8_000)) == b""


def test_a_file_cut_off_within_a_sample_is_read_up_to_it(tmp_path):
    path = write_wav(tmp_path / "a.wav", np.arange(100), 24_000, channels=2)
    path.write_bytes(path.read_bytes()[:-3])
    assert len(load_wav(path)) == 49 * 2


def test_a_loud_file_is_clipped_and_does_not_wrap(tmp_path):
    square = np.repeat(np.tile([32_767, -32_768], 50), 20)
    pcm = load_wav(write_wav(tmp_path / "a.wav", square, 8_000))
    samples = np.frombuffer(pcm, "<i2").astype(int).reshape(100, 60)[:, 10:50]
    assert (samples[::2] > 20_000).all()
    assert (samples[1::2] < -20_000).all()


def test_the_end_of_a_file_does_not_ring_in_its_beginning():
    samples = np.zeros(8000)
    samples[-1] = 30_000
    assert np.abs(np.frombuffer(resampled(samples, 8000), "<i2")[:12_000]).max() <= 5


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"width": 1}, "8 bits, 1 channels, 24000 Hz"),
        ({"channels": 3}, "16 bits, 3 channels, 24000 Hz"),
        ({"rate": 7999}, "16 bits, 1 channels, 7999 Hz"),
        ({"rate": 48_001}, "16 bits, 1 channels, 48001 Hz"),
    ],
)
def test_another_kind_of_wav_is_refused_with_its_name_and_what_is_accepted(
    tmp_path, changes, found
):
    path = write_wav(tmp_path / "odd.wav", **{"samples": np.zeros(6), "rate": 24_000} | changes)
    with pytest.raises(ValueError, match=f"odd.wav: {found}: give a WAV file of 16-bit PCM"):
        load_wav(path)


@pytest.mark.parametrize("content", [b"", b"RIFF", b"ID3\4 no WAV at all, but longer"])
def test_what_is_no_wav_is_refused_with_its_name_and_what_is_accepted(tmp_path, content):
    (tmp_path / "song.wav").write_bytes(content)
    with pytest.raises(ValueError, match=r"song\.wav: .+: give a WAV file of 16-bit PCM"):
        load_wav(tmp_path / "song.wav")


def test_a_missing_file_is_an_os_error_with_its_name(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.wav"):
        load_wav(tmp_path / "gone.wav")


def test_an_answer_is_waited_for_from_the_end_of_what_was_said():
    script = [Say(word(1, 2)), WaitForAnswer(1.0), Say(word(2)), HangUp()]
    assert talk(ScriptedCaller(script), "    bb") == "11...2!"
    assert talk(ScriptedCaller(script)) == "11" + "." * 50 + "2!"


def test_an_answer_is_heard_for_so_long_or_to_its_end():
    script = [Say(word(1, 2)), WaitForAnswer(1.0, 0.1), HangUp()]
    assert talk(ScriptedCaller(script), "  bbbbbbbbbb") == "11.....!"
    assert talk(ScriptedCaller(script), "  bb") == "11" + "." * (2 + 50) + "!"


def test_a_greeting_answers_the_beginning_of_the_call():
    assert talk(ScriptedCaller([WaitForAnswer(1.0), HangUp()]), "   bb") == "....!"


def test_what_the_bot_was_saying_before_is_no_answer():
    script = [Pause(0.1), Say(word(1, 3)), WaitForAnswer(0.2), HangUp()]
    assert talk(ScriptedCaller(script), "b" * 14) == ".....111" + "." * 10 + "!"


def test_what_is_cut_off_by_the_caller_is_no_answer_but_what_goes_on_is():
    script = [Say(word(1, 10)), WaitForAnswer(3.0), HangUp()]
    in_the_middle = " " * 5
    assert talk(ScriptedCaller(script), in_the_middle + "b" * 20) == "1" * 10 + "." * 150 + "!"
    on_and_on = in_the_middle + "b" * 100
    assert talk(ScriptedCaller(script), on_and_on) == "1" * 10 + "." * 50 + "!"


def test_keys_are_answered_as_words_are():
    script = [Press("1", 0.04, 0.02), WaitForAnswer(1.0), HangUp()]
    assert talk(ScriptedCaller(script), "    b") == "k1k1...!"


def test_an_aside_takes_no_time():
    caller = ScriptedCaller([BeginStep(1), Say(word(1)), ChangeNetwork({"delay_ms": 9}), HangUp()])
    assert caller.frame(START, False) == BeginStep(1)
    assert caller.frame(START, False) == word(1)
    assert caller.frame(START + 0.02, True) == ChangeNetwork({"delay_ms": 9})
    assert caller.frame(START + 0.02, True) is None


def test_a_change_of_the_network_leaves_the_rest_as_it_is():
    before = NetworkSettings(jitter_ms=5, seed=7)
    assert ChangeNetwork({"loss": 0.1}).applied(before) == NetworkSettings(
        jitter_ms=5, loss=0.1, seed=7
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"delay_ms": -1}, "delay_ms is -1: give 0 to 10000"),
        ({"seed": 1}, "there is no .'seed'. that can change: give one of delay_ms"),
        ({"noise": 1}, "there is no .'noise'. that can change"),
    ],
)
def test_a_change_that_cannot_be_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        ChangeNetwork(changes)
