import base64
import json

import pytest
from hypothesis import given, strategies as st

from pipecat_wavix.tokens import (
    MAX_BODY_BYTES,
    MAX_TOKEN_CHARS,
    Burnt,
    DialPass,
    StreamPass,
    Tokens,
    same,
)

SECRET = "canary-secret-that-is-long-enough-to-be-one"
NOW = 1_800_000_000
TTL = 60
tokens = Tokens(SECRET)
stream = StreamPass(
    call_id="5dccb6b0-f35c-488c-867b-86fb012c4415",
    direction="inbound",
    from_number="+18045961058",
    to_number="+17653889567",
    tag="x",
    body={"department": "sales"},
)
dial = DialPass(from_number="+18045961058", to_number="+17653889567", tag="x")


def opened(token, *, by=tokens, kind=StreamPass, now=NOW):
    return by.open(token, kind, ttl_secs=TTL, now=now)


@pytest.mark.parametrize("content", [stream, dial])
def test_a_token_opens_to_what_it_was_made_of(content):
    assert opened(tokens.issue(content, now=NOW), kind=type(content)) == content


def test_any_process_with_the_secret_opens_it():
    assert opened(tokens.issue(stream, now=NOW), by=Tokens(SECRET)) == stream


def test_another_secret_does_not_open_it():
    assert opened(tokens.issue(stream, now=NOW), by=Tokens(SECRET[::-1])) is None


def test_it_is_good_until_its_time_is_over():
    token = tokens.issue(stream, now=NOW)
    assert opened(token, now=NOW + TTL) == stream
    assert opened(token, now=NOW + TTL + 1) is None


def test_it_is_good_on_a_clock_that_is_a_little_late_and_not_on_one_that_is_wrong():
    token = tokens.issue(stream, now=NOW)
    assert opened(token, now=NOW - 30) == stream
    assert opened(token, now=NOW - 120) is None


def test_a_token_for_one_purpose_is_none_for_another():
    assert opened(tokens.issue(dial, now=NOW)) is None
    assert opened(tokens.issue(stream, now=NOW), kind=DialPass) is None


def test_every_altered_byte_makes_it_worthless():
    raw = base64.urlsafe_b64decode(tokens.issue(stream, now=NOW))
    for position in range(len(raw)):
        altered = bytearray(raw)
        altered[position] ^= 1
        assert opened(base64.urlsafe_b64encode(altered).decode()) is None
    assert opened(base64.urlsafe_b64encode(raw[:-1]).decode()) is None


@given(st.text())
def test_any_text_opens_to_nothing(text):
    assert opened(text) is None


def test_a_text_too_long_for_a_token_is_not_looked_at():
    assert opened("a" * (MAX_TOKEN_CHARS + 1)) is None


def test_the_longest_body_makes_a_token_that_opens():
    body = {"x": "y" * (MAX_BODY_BYTES - len('{"x":""}'))}
    token = tokens.issue(StreamPass(call_id="a", direction="inbound", body=body), now=NOW)
    assert opened(token).body == body


def test_a_body_too_long_for_a_url_is_refused():
    body = {"x": "y" * MAX_BODY_BYTES}
    with pytest.raises(ValueError, match=f"at most {MAX_BODY_BYTES} fit"):
        tokens.issue(StreamPass(call_id="a", direction="inbound", body=body), now=NOW)


def test_a_body_that_is_not_json_is_refused():
    with pytest.raises(ValueError, match="must be JSON"):
        tokens.issue(StreamPass(call_id="a", direction="inbound", body={"x": {1j}}), now=NOW)


def test_a_token_that_would_not_be_let_in_is_not_made():
    with pytest.raises(ValueError, match="Use shorter ids and tags"):
        tokens.issue(StreamPass(call_id="a", direction="inbound", tag="t" * 4096), now=NOW)


@pytest.mark.parametrize("body", [["vip"], "vip", None, 7], ids=repr)
def test_a_body_that_is_no_dict_is_refused(body):
    with pytest.raises(ValueError, match="must be a dict"):
        tokens.issue(StreamPass(call_id="a", direction="inbound", body=body), now=NOW)


def test_what_was_signed_by_an_older_version_opens_to_nothing():
    foreign = tokens._fernets[StreamPass].encrypt_at_time(json.dumps([1]).encode(), NOW)
    assert opened(foreign.decode()) is None


def test_a_token_shows_nothing_of_the_call():
    token = tokens.issue(stream, now=NOW)
    plain = base64.urlsafe_b64decode(token)
    for secret in ("8045961058", "7653889567", "5dccb6b0", "sales"):
        assert secret not in token
        assert secret.encode() not in plain


def test_two_tokens_of_one_call_differ():
    assert tokens.issue(stream, now=NOW) != tokens.issue(stream, now=NOW)
    assert StreamPass(call_id="a", direction="inbound") != StreamPass(
        call_id="a", direction="inbound"
    )


@pytest.mark.parametrize("secret", ["", "short", "x" * 31])
def test_a_secret_that_can_be_guessed_is_refused(secret):
    with pytest.raises(ValueError, match="at least 32") as refusal:
        Tokens(secret)
    assert not secret or f"'{secret}'" not in str(refusal.value)


def test_the_webhooks_key_comes_from_the_secret():
    assert tokens.webhook_key == Tokens(SECRET).webhook_key != Tokens(SECRET[::-1]).webhook_key
    assert len(tokens.webhook_key) >= 43
    assert tokens.is_webhook_key(tokens.webhook_key)


@given(st.text())
def test_no_other_text_is_the_webhooks_key(text):
    assert not tokens.is_webhook_key(text)


def test_texts_of_any_kind_can_be_compared():
    assert same("ä\udc80", "ä\udc80")
    assert not same("a", "ä")


def test_a_token_burns_once():
    burnt = Burnt(TTL)
    assert stream not in burnt
    assert burnt.burn(stream, now=NOW)
    assert stream in burnt
    assert not burnt.burn(stream, now=NOW + TTL)


def test_what_is_burnt_is_remembered_for_as_long_as_it_could_be_used_and_no_longer():
    burnt = Burnt(TTL)
    for n in range(1000):
        burnt.burn(StreamPass(call_id="a", direction="inbound"), now=NOW + n)
    assert len(burnt) <= TTL + 60 + 1
