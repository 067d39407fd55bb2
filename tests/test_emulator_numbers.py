"""The account's numbers: found by digits, shown and changed as Wavix does."""

import pytest

from pipecat_wavix.emulator.numbers import Numbers, e164, masked


@pytest.mark.parametrize("number", ["+12025550100", "12025550100"])
def test_a_number_is_brought_into_e164(number):
    assert e164(number) == "+12025550100"


@pytest.mark.parametrize("number", ["", "+", "+0123456789", "123456", "1" * 16, "+1 202 555 0100"])
def test_what_is_no_number_is_refused_without_being_shown(number):
    with pytest.raises(ValueError, match=f"a number of {len(number)} characters is not in E.164"):
        e164(number)


def test_a_log_shows_four_digits():
    assert masked("+12025550100") == "…0100"


def test_a_number_is_found_with_or_without_its_plus_or_by_its_id():
    numbers = Numbers(["+12025550100", "442079460123"])
    assert numbers["+442079460123"] is numbers["442079460123"] is numbers.by_id(102)
    assert numbers.get("+19995550100") is None
    assert numbers.by_id(7) is None
    with pytest.raises(KeyError):
        numbers["+19995550100"]


def test_a_number_that_is_given_twice_is_refused():
    with pytest.raises(ValueError, match=r"…0100 is given twice"):
        Numbers(["+12025550100", "12025550100"])


def test_numbers_are_listed_by_pages():
    numbers = Numbers([f"+1202555010{n}" for n in range(5)])
    page = numbers.page("", 2, 2)
    assert [item["number"] for item in page["items"]] == ["12025550102", "12025550103"]
    assert page["pagination"] == {"current_page": 2, "per_page": 2, "total": 5, "total_pages": 3}


@pytest.mark.parametrize("search", ["+12025550103", "12025550103", "0103"])
def test_numbers_are_searched_by_their_digits(search):
    numbers = Numbers([f"+1202555010{n}" for n in range(5)])
    assert [item["id"] for item in numbers.page(search, 1, 25)["items"]] == [104]


def test_a_number_is_changed_as_wavix_changes_it():
    (number,) = Numbers(["+12025550100"])
    destination = {"destination": "[did]@sip", "priority": 1, "transport": 1}
    number.change(
        {"call_status_url": "http://a/b", "destinations": [destination], "sms_enabled": True}
    )
    shown = number.as_number()
    assert shown["call_status_url"] == number.call_status_url == "http://a/b"
    assert shown["destination"] == [{**destination, "id": 1, "trunk_id": None, "trunk_label": None}]
    assert shown["sms_enabled"] is True
