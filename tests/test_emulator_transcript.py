"""A user's own function, found and asked."""

import json
import re
import wave

import numpy as np
import pytest

from pipecat_wavix.emulator.transcript import judge_transcript, load_hook

CHECKS = """
seen = []

def remember(heard, events):
    seen.append((heard, events))

def is_polite(heard, events):
    assert len(heard) > 4, f"only {len(heard)} bytes were heard"

def says_nothing(heard, events):
    assert not heard

def is_broken(heard, events):
    return heard.words

def takes_one(heard):
    pass

NAME = "checks"
"""


@pytest.fixture
def folder(tmp_path):
    """Where both a module and a recorded call are."""
    (tmp_path / "checks.py").write_text(CHECKS)
    with wave.open(str(tmp_path / "recording.wav"), "wb") as wav:
        wav.setnchannels(2)
        wav.setsampwidth(2)
        wav.setframerate(24_000)
        wav.writeframes(np.array([[1, 7], [2, 8]], "<i2").tobytes())
    lines = [{"trace": 1}, {"t": 0.5, "dir": "line", "event": "pressed", "key": "1"}]
    (tmp_path / "trace.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return tmp_path


def judged(folder, name):
    return judge_transcript(load_hook(f"checks:{name}", folder), folder)


def test_a_function_gets_what_the_caller_heard_and_what_happened(folder):
    remember = load_hook("checks:remember", folder)
    assert judge_transcript(remember, folder) is None
    ((heard, events),) = remember.__globals__["seen"]
    assert np.frombuffer(heard, "<i2").tolist() == [7, 8]
    assert events == [{"t": 0.5, "dir": "line", "event": "pressed", "key": "1"}]


def test_what_it_asserts_is_what_is_wrong(folder):
    assert judged(folder, "is_polite") == "only 4 bytes were heard"
    assert judged(folder, "says_nothing") == "the function's assertion failed"


def test_a_function_that_fails_says_how(folder):
    assert judged(folder, "is_broken") == (
        f"the function failed ({folder / 'checks.py'}:14: AttributeError: 'bytes' object has no"
        f" attribute 'words'): mend it; what it was given is in {folder}"
    )
    assert judged(folder, "takes_one") == (
        "the function failed (TypeError: takes_one() takes 1 positional argument but 2 were given):"
        f" mend it; what it was given is in {folder}"
    )


def test_a_hook_that_is_no_plain_function_may_fail_too(folder):
    class Hook:
        def __call__(self, heard, events):
            raise LookupError("no ears")

    told = judge_transcript(Hook(), folder)
    assert told.startswith("the function failed (LookupError: no ears): mend it")


def test_without_a_recording_there_is_nothing_to_judge(folder):
    remember = load_hook("checks:remember", folder)
    assert judge_transcript(remember, None) == "the call was not recorded: give a folder with --out"


def test_a_module_is_also_looked_for_where_modules_are(tmp_path):
    assert load_hook("json:dumps", tmp_path) is json.dumps


def test_a_module_in_a_package_is_found_by_its_path(tmp_path):
    (tmp_path / "my").mkdir()
    (tmp_path / "my" / "checks.py").write_text(CHECKS)
    assert load_hook("my.checks:remember", tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "nowhere:x",
            "nowhere cannot be loaded (ModuleNotFoundError: No module named 'nowhere'): ",
        ),
        ("my.no:x", "put my/no.py beside the script"),
        ("broken:x", "broken.py:2: ZeroDivisionError: division by zero): mend it"),
        ("unread:x", "unread.py:1: SyntaxError: '(' was never closed): mend it"),
        ("checks:x", "checks has no function x"),
        ("checks:NAME", "checks has no function NAME"),
    ],
)
def test_a_function_that_is_not_there_is_refused_with_the_way_out(folder, name, message):
    (folder / "broken.py").write_text("\n1 / 0")
    (folder / "unread.py").write_text("print(")
    with pytest.raises(ValueError, match=re.escape(message)):
        load_hook(name, folder)
