from typing import get_args

import pytest

from pipecat_wavix.client.types import CallWebhook, Prompt, Voice, WavixNumber

FILE = "https://examples.com/CANARY.wav"


def test_a_prompt_plays_a_file():
    assert Prompt(play=FILE).fields() == {"play": FILE}


def test_a_prompt_says_a_text():
    say = {"text": "Please enter your PIN", "voice": "Hans"}
    assert Prompt(say=say["text"], voice="Hans").fields() == {"say": say}
    prompt = Prompt(say=say["text"], voice="Hans", language="ge")
    assert prompt.fields() == {"say": {**say, "language": "ge"}}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, "either play or say"),
        ({"play": FILE, "say": "a"}, "either play or say"),
        ({"play": "CANARY.wav"}, "play is no https or http URL"),
        ({"play": FILE, "voice": "Hans"}, "has no voice"),
        ({"play": FILE, "language": "ge"}, "has no voice"),
        ({"say": "a"}, "voice is ''. Pass one of: Ivy"),
        ({"say": "a", "voice": "Bob"}, "voice is 'Bob'"),
        ({"say": "a", "voice": "Hans", "language": "de"}, "language is 'de'. Pass one of: ru, en"),
    ],
)
def test_a_prompt_that_wavix_would_refuse_is_refused(given, why):
    with pytest.raises(ValueError, match=why) as error:
        Prompt(**given)
    assert "CANARY" not in str(error.value)


def test_the_voices_are_those_of_the_specification():
    assert len(get_args(Voice)) == 16


def test_nothing_shows_a_url_a_text_or_a_number():
    shown = [
        Prompt(play=FILE),
        Prompt(say="CANARY", voice="Hans"),
        CallWebhook("on-call", FILE),
        WavixNumber(1, "+12025550123", FILE),
    ]
    assert "CANARY" not in repr(shown)
    assert "555" not in repr(shown)
