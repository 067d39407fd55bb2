"""Keys, collected until there are enough."""

from pipecat_wavix.emulator.collect import Collection


def press(collection, keys):
    return [collection.press(key) for key in keys]


def test_the_last_digit_ends_it():
    collection = Collection(max_digits=3)
    assert press(collection, "12*") == [None, None, "completed"]
    assert collection.digits == "12*"


def test_the_termination_character_ends_it_and_is_no_digit():
    collection = Collection(termination_character="#")
    assert press(collection, "12#") == [None, None, "completed"]
    assert collection.digits == "12"


def test_without_a_termination_character_all_keys_are_digits():
    collection = Collection(max_digits=2)
    assert press(collection, "##") == [None, "completed"]


def test_digits_that_are_there_when_time_is_up_are_the_answer():
    collection = Collection(max_attempts=2)
    press(collection, "1")
    assert collection.time_out() == "completed"
    assert collection.digits == "1"


def test_who_presses_nothing_is_asked_again_and_then_no_more():
    collection = Collection(max_attempts=3)
    assert [collection.time_out() for _ in range(3)] == [None, None, "failed"]
    assert collection.attempt == 3
    assert collection.digits == ""
