import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings, strategies as st

from pipecat_wavix.client.answers import (
    FIELDS,
    TEXT_CHARS,
    read_json,
    read_retry_after,
    readable,
    refusal,
)
from pipecat_wavix.errors import (
    WavixAPIError,
    WavixBadRequest,
    WavixForbidden,
    WavixNotFound,
    WavixRateLimited,
    WavixServerError,
    WavixUnauthorized,
)

NOW = datetime(2026, 6, 30, 12, 0, 0, tzinfo=UTC)
KEY = "CANARY-5551234567"


def refused(status, body=b"", *, retry_after=None):
    if not isinstance(body, bytes | None):
        body = json.dumps(body).encode()
    asked = "POST /v1/calls"
    return refusal(asked, status, body, retry_after=retry_after, now=NOW, key=KEY)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (301, WavixAPIError),
        (400, WavixBadRequest),
        (401, WavixUnauthorized),
        (402, WavixAPIError),
        (403, WavixForbidden),
        (404, WavixNotFound),
        (409, WavixAPIError),
        (422, WavixBadRequest),
        (429, WavixRateLimited),
        (500, WavixServerError),
        (501, WavixServerError),
        (599, WavixServerError),
    ],
)
def test_a_status_is_an_error_of_its_own_class(status, error):
    assert type(refused(status)) is error
    assert refused(status).status == status
    assert f"Wavix answered POST /v1/calls with {status}" in str(refused(status))


def test_a_wrong_field_is_named_with_what_is_wrong():
    error = refused(
        400, {"success": False, "message": "Validation error", "errors": {"to": "required"}}
    )
    assert error.errors == {"to": "required"}
    assert str(error) == "Wavix answered POST /v1/calls with 400: Validation error; to: required"


def test_a_text_is_found_under_either_name():
    assert "Unauthorized" in str(refused(401, {"error": True, "message": "Unauthorized"}))
    assert "no such number" in str(refused(400, {"success": False, "error": "no such number"}))


def test_who_may_not_is_told_what_to_do():
    message = "The service is not provisioned for your account."
    error = str(refused(403, {"success": False, "message": message}))
    assert f"403: {message} Ask Wavix to enable" in error
    assert "Flex Pro" in error
    assert "scopes" in error


def test_who_is_redirected_is_told_what_to_do():
    assert str(refused(302)).endswith("Redirects are not followed: check base_url")


@pytest.mark.parametrize(
    "body",
    [
        None,
        b"",
        b"<html><body>502 Bad Gateway</body></html>",
        b"\xff\xfe\x00",
        b"null",
        b"[]",
        b'"no"',
        b"[" * 100_000,
        b"1" * 5000,
        {"message": None, "errors": []},
        {"message": {"a": 1}, "errors": {"to": None, "from": ["x"]}},
        {"error": True},
    ],
)
def test_a_body_of_any_kind_leaves_the_status_standing(body):
    error = refused(502, body)
    assert str(error) == "Wavix answered POST /v1/calls with 502"
    assert (error.status, error.errors) == (502, {})


def test_a_body_of_many_fields_and_long_texts_is_cut():
    body = {"message": "m " * 5000, "errors": {f"{n}f": "e " * 5000 for n in range(1000)}}
    error = refused(400, body)
    assert len(str(error)) < TEXT_CHARS + 100
    assert len(error.errors) == FIELDS
    assert {len(text) for text in error.errors.values()} == {TEXT_CHARS}


def test_what_is_no_json_is_none():
    assert read_json(b'{"a": 1}') == {"a": 1}
    assert [read_json(body) for body in (None, b"", b"{", b"\xff", b"[" * 100_000)] == [None] * 5


# Retry-After


@pytest.mark.parametrize(
    ("header", "secs"),
    [
        ("7", 7),
        (" 0.5 ", 0.5),
        ("0", 0),
        ("Tue, 30 Jun 2026 12:00:30 GMT", 30),
        ("Tue, 30 Jun 2026 12:00:30 -0000", 30),
        ("Tue, 30 Jun 2026 11:00:00 GMT", 0),
        ("999999999", 999999999),
        *((header, None) for header in (None, "", "soon", "-1", "1e9", "\u0667", "9" * 400)),
        ("Tue, 99 Jun 2026 12:00:30 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header, secs):
    assert read_retry_after(header, now=NOW) == secs


@settings(deadline=None)  # it would measure the machine
@given(st.text())
def test_retry_after_of_any_text_is_no_error(text):
    assert (read_retry_after(text, now=NOW) or 0) >= 0


def test_a_rate_limit_says_how_long_to_wait():
    error = refused(429, {"message": "Slow down"}, retry_after="7")
    assert error.retry_after_secs == 7
    assert str(error).endswith("with 429: Slow down (asks to wait 7 s)")
    assert refused(429).retry_after_secs is None


# What may be shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Validation error", "Validation error"),
        ("+12025550123 is busy", "...0123 is busy"),
        ("12025550123", "...0123"),
        ("(202) 555-0123 x", "(...0123 x"),
        ("+1 202.555.0123, +44 20 7946 0958", "...0123, ...0958"),
        ("1\u200b2\u200b0\u200b2\u200b5\u200b5\u200b5", "...2555"),
        ("202     555 \u2013 0123", "...0123"),
        ("at most 123456 calls", "at most 123456 calls"),
        ("a\r\nERROR forged\x1b[31m\u202e", "a ERROR forged [31m"),
        ("\ud800", ""),
        (f"the key {KEY} is wrong", "the key [key] is wrong"),
    ],
)
def test_of_a_text_only_what_may_be_shown_is_shown(text, shown):
    assert readable(text, key=KEY) == shown


@pytest.mark.parametrize("room", range(1, len(KEY) + 3))
def test_a_key_is_not_shown_in_part_where_a_long_text_is_cut(room):
    """What is masked leaves room, so that the cut itself would come to be seen."""
    text = "1" * (10 * TEXT_CHARS - room - 1) + " " + KEY + " " + "m" * TEXT_CHARS
    assert "CANA" not in readable(text, key=KEY)
    assert "CAN" not in readable(text[:-TEXT_CHARS], key=KEY)


@settings(deadline=None)  # it would measure the machine
@given(st.text(), st.text(), st.sampled_from([KEY, "+12025550123", "2025550123"]))
def test_no_text_shows_a_key_or_a_number(before, after, secret):
    text = readable(before + secret + after, key=KEY)
    assert secret not in text
    assert len(text) <= TEXT_CHARS
    assert text.isprintable()


@settings(deadline=None)  # it would measure the machine
@given(
    st.recursive(
        st.none() | st.booleans() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.text() | st.sampled_from(["message", "error", "errors"]), inner)
        ),
    )
)
def test_any_json_is_an_error_that_can_be_shown(body):
    error = refused(400, body)
    assert str(error).isprintable()
    assert all(name.isprintable() and text.isprintable() for name, text in error.errors.items())
