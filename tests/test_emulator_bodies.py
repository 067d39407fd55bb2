"""What Wavix accepts in a body, field by field."""

import pytest

from pipecat_wavix.emulator import bodies
from pipecat_wavix.emulator.bodies import Field, errors, parsed


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (bodies.text, ["", "tag", "\u00fc"], [None, 1, [], "\ud800"]),
        (bodies.flag, [True, False], [None, 0, 1, "true"]),
        (bodies.whole(1, 20), [1, 20], [None, True, 0, 21, 1.5, "5", 10**400]),
        (bodies.one_of("a", 1), ["a", 1], ["b", True, 1.0, None, []]),
        (bodies.number, ["+12025550100", "12025550100"], ["", "+1 2", 12025550100, "+" + "1" * 16]),
        (bodies.key, ["0", "#", "*", "D"], ["", "12", "E", 1]),
        (bodies.many(bodies.flag), [[], [True]], [None, True, [1]]),
        (bodies.nullable(bodies.flag), [None, True], [1]),
        (
            bodies.url("http", "https"),
            ["http://a", "https://a:80/b?c#d", "http://[::1]:8/", "http://127.0.0.1/x"],
            [
                *(None, 1, "", "a", "ftp://a", "http://", "http:///a", "http://[", "http://a:0"),
                *("http://a:99999", "http://a b", "http://a\n", "http://\ud800"),
            ],
        ),
    ],
)
def test_a_check_tells_good_from_bad(check, good, bad):
    assert [check(value) for value in good] == [None] * len(good)
    assert all(isinstance(check(value), str) for value in bad)


def test_all_that_is_wrong_is_told_by_field():
    body = {"a": Field(bodies.flag, required=True), "b": Field(bodies.text, required=True)}
    assert errors(body, {"a": True, "b": ""}) == {}
    assert errors(body, {"a": 1, "c": 0}) == {
        "a": "must be a boolean",
        "b": "required",
        "c": "unknown field",
    }


def test_a_field_that_is_not_required_may_be_missing():
    assert errors({"a": Field(bodies.flag)}, {}) == {}


def test_a_name_that_cannot_be_sent_back_is_told_all_the_same():
    assert errors({}, {"\ud800": 1}) == {"?": "unknown field"}


def test_an_object_within_is_told_by_its_first_error():
    check = bodies.nested({"a": Field(bodies.flag, required=True)})
    assert check({"a": True}) is None
    assert check({}) == "a required"
    assert check([]) == "must be an object"


def test_a_body_is_an_object_or_nothing():
    assert parsed(b'{"a": [1]}') == {"a": [1]}
    assert parsed(b"") == {}
    for data in (b"[]", b"1", b"{", b"\xff", b'{"a": NaN}', b"[" * 100_000, b"1" * 5000):
        assert parsed(data) is None
