"""The desk: text in, text out."""

from datetime import date, datetime

import pytest

MONDAY = date(2026, 3, 2)
BOOKED = ["an appointment on friday", "at ten", "my name is taylor", "two oh two five"]


@pytest.fixture
def desk_module(example):
    return example("offline.desk")


@pytest.fixture
def diary(desk_module):
    return desk_module.Diary()


@pytest.fixture
def say(desk_module, diary):
    """Say one thing after another to one desk; answers the last reply."""
    desk = desk_module.Desk(diary, lambda: MONDAY)

    def say(*texts):
        for text in texts:
            reply = desk.reply(text)
        return reply

    return say


def test_an_appointment_is_booked_step_by_step(say, diary):
    assert "Which day" in say("I'd like to book an appointment, please.").text
    assert "What time" in say("Friday").text
    assert "name" in say("at ten").text
    assert "number" in say("my name is taylor").text
    assert say("two oh two five").text == (
        "An appointment for Taylor, on Friday at ten o'clock, and a number that ends in 0 2 5. "
        "Is that right?"
    )
    assert "booked, on Friday at ten o'clock" in say("yes please").text
    assert diary.booked == {datetime(2026, 3, 6, 10): "Taylor"}
    goodbye = say("no, thank you")
    assert goodbye.is_last
    assert "Goodbye" in goodbye.text


def test_all_can_be_said_at_once(say):
    assert say("book an appointment tomorrow at half past two").question == "name"


def test_a_part_of_the_day_is_asked_for_its_time(say):
    assert say("an appointment on friday", "in the afternoon").text == (
        "At what time in the afternoon?"
    )


def test_what_is_asked_is_told_as_what_to_expect(say):
    questions = [say(text).question for text in ["hello", *BOOKED, "yes"]]
    assert questions == ["request", "when", "name", "number", "confirm", "request"]


@pytest.mark.parametrize(
    ("correction", "told"),
    [
        ("no, Wednesday", "on Wednesday at ten o'clock"),
        ("no, at three o'clock", "on Friday at three o'clock"),
        ("thursday at noon", "on Thursday at noon"),
    ],
)
def test_a_correction_changes_what_it_names(say, correction, told):
    assert told in say(*BOOKED, correction).text


def test_a_plain_no_asks_for_another_time_and_keeps_the_name(say, diary):
    assert say(*BOOKED, "no").question == "when"
    assert "Taylor, tomorrow at nine" in say("tomorrow at nine").text
    say("yes")
    assert list(diary.booked.values()) == ["Taylor"]


def test_a_name_can_be_spelt(say):
    assert "for Green," in say(*BOOKED[:2], "golf romeo echo echo november", "no").text


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("Smith", "Smith"),
        ("This is Mary Jones.", "Mary Jones"),
        ("j o n e s", "Jones"),
        ("x-ray alpha november", "Xan"),
        ("It's O'Brien", "O'Brien"),
    ],
)
def test_names_are_taken_as_they_are_said(say, said, name):
    assert f"for {name}," in say(*BOOKED[:2], said, "no").text


@pytest.mark.parametrize(
    "said", ["yes", "no", "how are you", "I think that this is none of your business"]
)
def test_what_is_no_name_is_not_taken_for_one(say, said):
    assert say(*BOOKED[:2], said).question == "name"


@pytest.mark.parametrize("said", ["DTMF: 2025550123#", "2 0 2 555 0 1 2 3", "oh one two three"])
def test_a_number_is_keyed_in_or_said(say, said):
    assert "ends in 1 2 3" in say(*BOOKED[:3], said).text


def test_a_number_may_be_refused_and_must_be_one(say):
    assert say(*BOOKED[:3], "one two").question == "number"
    assert "number" not in say("no").text


def test_nobody_comes_when_it_is_closed(say):
    assert "closed on Sunday" in say("an appointment on sunday").text
    told = say("saturday", "at three").text
    assert told.startswith("We are open on Saturday from nine o'clock to noon.")
    assert say("at eleven").question == "name"


def test_a_time_that_is_taken_is_refused_with_the_next_that_is_free(say, desk_module, diary):
    say(*BOOKED, "yes")
    other = desk_module.Desk(diary, lambda: MONDAY)
    assert other.reply("an appointment on friday at ten").text == (
        "Ten o'clock is taken. Half past ten is free. What time would you like?"
    )
    for hour in (10, 11):
        for minute in (0, 30):
            diary.booked[datetime(2026, 3, 7, hour, minute)] = "Jones"
    assert "the rest of that day" in other.reply("saturday at ten").text


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("what are your opening hours", "from nine to five"),
        ("when do you close", "from nine to five"),
        ("are you open tomorrow", "Yes, tomorrow we are open from nine o'clock to five o'clock."),
        ("are you open on sunday", "No, we are closed on Sunday."),
        ("what can you do", "I can tell you our opening hours"),
        ("how are you", "I am afraid"),
        ("tell me a joke", "I am afraid"),
        ("thank you very much", "You are welcome."),
        ("good morning", "Hello."),
    ],
)
def test_questions_are_answered_at_any_time_and_the_desk_comes_back_to_its_own(say, asked, told):
    assert told in say(asked).text
    reply = say("an appointment on friday", asked)
    assert told in reply.text
    assert reply.text.endswith("What time would you like?")
    assert reply.question == "when"


def test_it_says_again_what_it_said(say, desk_module):
    assert say("pardon").text == desk_module.GREETING
    said = say("an appointment").text
    assert say("can you repeat that").text == said


@pytest.mark.parametrize("asked", ["can i speak to a person", "an operator", "talk to the dentist"])
def test_a_person_is_fetched_and_the_call_ends(say, asked):
    reply = say("an appointment", asked)
    assert reply.is_last
    assert "colleague" in reply.text


@pytest.mark.parametrize("said", ["goodbye", "bye bye", "forget it", "that's all"])
def test_a_caller_may_leave(say, said):
    assert say(said).is_last


def test_a_caller_who_wants_no_appointment_after_all_is_asked_what_else(say):
    assert say("an appointment", "no thank you").question == "request"


def test_what_is_unclear_is_asked_again_in_other_words_and_then_a_person_is_offered(say):
    first, second, third = (say("(unclear)").text for _ in range(3))
    assert len({first, second, third}) == 3
    assert "person" in third
    assert say("yes").is_last


@pytest.mark.parametrize("answers", [BOOKED[:count] for count in range(5)])
def test_each_question_has_its_hint(say, answers):
    say(*answers or ["hello"])
    hint = say("(unclear)", "purple (unclear)").text
    assert hint.startswith("I am afraid I did not get that. ")
    assert not say("(unclear)").is_last
    assert not say("no").is_last


def test_who_agrees_to_nothing_is_asked_what_it_is(say):
    assert say("yes").question == "request"


def test_a_time_alone_is_a_wish_for_an_appointment(say):
    assert say("tomorrow at ten").question == "name"


def test_a_wish_that_can_not_be_met_is_answered_at_once(say):
    assert "Which other day" in say("an appointment on sunday").text
    assert say("on friday", "at six in the morning").question == "when"


def test_what_is_neither_yes_nor_no_is_asked_again(say):
    assert "did not understand" in say(*BOOKED, "purple").text


def test_who_is_slower_does_not_get_the_time_of_another(say, desk_module, diary):
    say(*BOOKED)
    diary.booked[datetime(2026, 3, 6, 10)] = "Jones"
    reply = say("yes")
    assert reply.text.startswith("Ten o'clock is taken. Half past ten is free.")
    assert reply.question == "when"
    assert diary.booked == {datetime(2026, 3, 6, 10): "Jones"}


def test_a_correction_that_can_not_be_met_asks_for_another(say):
    assert say(*BOOKED, "no, sunday").question == "when"
    assert say("monday").question == "confirm"
