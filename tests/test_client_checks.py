import math

import pytest
from hypothesis import given, settings, strategies as st

from pipecat_wavix.client.checks import (
    check_base_url,
    check_id,
    check_key,
    check_number,
    check_one_of,
    check_secs,
    check_url,
    check_whole,
)


@pytest.mark.parametrize("bad", ["", "a/b", "..", "a?b", "a#b", "a b", "ä", "a\n", "x" * 129])
def test_an_id_that_would_change_the_url_is_refused(bad):
    with pytest.raises(ValueError, match="call_id must be"):
        check_id(bad, name="call_id")


def test_a_uuid_is_an_id():
    uuid = "2f1b0b3e-6c1c-4f6e-9a86-0f6a8a1c7a55"
    assert check_id(uuid, name="call_id") == uuid


def test_a_key_is_let_through():
    assert check_key("aB3~!_-") == "aB3~!_-"


def test_no_key_is_none():
    with pytest.raises(ValueError, match="api_key is empty"):
        check_key("")


@pytest.mark.parametrize("bad", ["a\n", "a\r\nX-Evil: 1", "a b", "a\x00", "schlüssel", "\u200ba"])
def test_a_key_that_would_change_the_header_is_refused_and_not_shown(bad):
    with pytest.raises(ValueError, match="api_key holds a space, a line break") as error:
        check_key(bad)
    assert bad not in str(error.value)


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://api.wavix.com", "https://api.wavix.com"),
        ("https://api.wavix.com/", "https://api.wavix.com"),
        ("https://proxy.example.com/wavix/", "https://proxy.example.com/wavix"),
        ("http://127.0.0.1:8400", "http://127.0.0.1:8400"),
        ("http://127.9.9.9", "http://127.9.9.9"),
        ("http://[::1]:8400/", "http://[::1]:8400"),
        ("http://localhost:8400", "http://localhost:8400"),
        ("http://emulator.localhost", "http://emulator.localhost"),
    ],
)
def test_the_api_lives_behind_tls_or_on_this_machine(url, kept):
    assert check_base_url(url) == kept


@pytest.mark.parametrize(
    "url",
    [
        "http://api.wavix.com",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://10.0.0.1",
        "http://0.0.0.0",
        "HTTP://API.WAVIX.COM",
    ],
)
def test_a_key_is_not_sent_in_the_clear(url):
    with pytest.raises(ValueError, match=r"would be sent unencrypted\. Use https"):
        check_base_url(url)


@pytest.mark.parametrize(
    "url", ["", "api.wavix.com", "ftp://a", "https://", "/v1", "https://a b", "https://a:x", "a\n"]
)
def test_a_place_is_a_url(url):
    with pytest.raises(ValueError, match="no http"):
        check_base_url(url)


@pytest.mark.parametrize(
    "url", ["https://CANARY@a", "https://u:CANARY@a", "https://a?appid=CANARY", "https://a#CANARY"]
)
def test_a_place_holds_no_secret(url):
    with pytest.raises(ValueError, match="the key goes into api_key") as error:
        check_base_url(url)
    assert "CANARY" not in str(error.value)


@pytest.mark.parametrize("url", ["wss://a/b?c=d", "ws://127.0.0.1:8765/ws", "wss://bücher.example"])
def test_a_url_that_wavix_could_open_is_let_through_as_it_is(url):
    assert check_url(url, name="stream_url", schemes=("wss", "ws")) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://a/CANARY",
        "//a/CANARY",
        "CANARY",
        "wss:///CANARY",
        "wss://a/CANARY#b",
        "wss://a/ CANARY",
        "wss://a/CANARY\n",
        "wss://a:CANARY",
    ],
)
def test_a_url_that_wavix_could_not_open_is_refused_and_not_shown(url):
    with pytest.raises(ValueError, match="stream_url is no wss or ws URL") as error:
        check_url(url, name="stream_url", schemes=("wss", "ws"))
    assert "CANARY" not in str(error.value)


@settings(deadline=None)  # it would measure the machine
@given(st.text())
def test_any_text_is_a_url_or_a_value_error(text):
    try:
        assert check_url(text, name="url", schemes=("https",)) == text
    except ValueError as error:
        assert "url is no https URL" in str(error)  # noqa: PT017 - both ends are right


def test_a_number_is_written_in_e164():
    assert check_number("1 (202) 555-0123", name="to_number") == "+12025550123"


@pytest.mark.parametrize("bad", ["", "911", "sip:bob@example.com", "+1202555012312345", "01234567"])
def test_what_is_no_number_is_refused_and_not_shown(bad):
    with pytest.raises(ValueError, match="to_number is no telephone number") as error:
        check_number(bad, name="to_number")
    assert not bad or bad not in str(error.value)


def test_a_word_is_one_of_its_kind():
    assert check_one_of("a", name="word", of=["a", "b"]) == "a"
    with pytest.raises(ValueError, match=r"word is 'c'\. Pass one of: a, b"):
        check_one_of("c", name="word", of=["a", "b"])


def test_a_whole_number_is_within_its_limits():
    assert [check_whole(value, name="n", least=1, most=20) for value in (1, 20)] == [1, 20]
    assert check_whole(10**9, name="n", least=1) == 10**9


@pytest.mark.parametrize("bad", [0, 21, 1.0, True, "5", None])
def test_a_number_beyond_its_limits_is_refused(bad):
    with pytest.raises(ValueError, match="Pass a whole number, 1 to 20"):
        check_whole(bad, name="n", least=1, most=20)


def test_a_number_below_its_limit_is_refused():
    with pytest.raises(ValueError, match=r"n is 0\. Pass a whole number, at least 1"):
        check_whole(0, name="n", least=1)


@pytest.mark.parametrize("bad", [0, -1, math.inf, math.nan])
def test_a_time_limit_has_a_beginning_and_an_end(bad):
    assert check_secs(0.1, name="secs") == 0.1
    with pytest.raises(ValueError, match="secs is"):
        check_secs(bad, name="secs")
