import pytest
from hypothesis import given, strategies as st

from pipecat_wavix.webhooks.numbers import e164, last_digits


@pytest.mark.parametrize(
    ("written", "number"),
    [
        # Both from the specification's example of one call.
        ("+18045961058", "+18045961058"),
        ("17653889567", "+17653889567"),
        ("+1 (804) 596-1058", "+18045961058"),
        (" 49.30.1234567 ", "+49301234567"),
        ("123456789012345", "+123456789012345"),
    ],
)
def test_a_number_is_written_in_e164(written, number):
    assert e164(written) == number


@pytest.mark.parametrize(
    "written",
    [
        "",
        "anonymous",
        "+",
        "123456",
        "1234567890123456",
        "+0301234567",
        "++18045961058",
        "١٢٣٤٥٦٧٨",
    ],
)
def test_what_is_no_international_number_has_no_e164(written):
    assert e164(written) is None


@given(st.from_regex(r"[1-9][0-9]{6,14}", fullmatch=True))
def test_with_and_without_a_plus_it_is_one_number(digits):
    assert e164(digits) == e164("+" + digits) == "+" + digits


@given(st.text())
def test_any_text_has_one_form_or_none(text):
    number = e164(text)
    assert number is None or e164(number) == number


def test_a_log_shows_four_digits_of_a_number_at_most():
    assert last_digits("+18045961058") == "...1058"
    assert last_digits("1058") == last_digits("") == last_digits(None) == "unknown"
