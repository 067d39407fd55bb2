"""The words of a script: what is read, what is refused and with which words, and the schema."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given, settings, strategies as st

from pipecat_wavix.emulator.scenario_words import (
    BARE_STEPS,
    EXPECT,
    MAX_CHARACTERS,
    MAX_STEPS,
    STEPS,
    TOP,
    FaultyScriptError,
    Words,
    read_words,
    schema,
)

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples" / "scripts").glob("*.yaml"))
DOCUMENTED = (ROOT / "docs" / "scripts.md").read_text()
VALIDATOR = jsonschema.Draft202012Validator(schema())


def fault(text):
    with pytest.raises(FaultyScriptError) as caught:
        read_words(text, "a.yaml")
    return str(caught.value)


def refusal(text):
    """What is said of a script that is refused, or `None`."""
    try:
        read_words(text, "a.yaml")
    except FaultyScriptError as error:
        return str(error)
    return None


def only_step(text):
    _, (step,) = read_words(f"caller:\n  - {text}\n", "a.yaml")
    return step


def plain(value):
    return (
        {word: plain(entry.value) for word, entry in value.items()}
        if type(value) is dict
        else value
    )


def test_a_script_is_its_words_and_its_steps_each_with_its_line():
    top, steps = read_words("name: x\n\ncaller:\n  - hang up\n  - say: Hi.\n", "a.yaml")
    assert (top["name"].value, top["name"].line) == ("x", 1)
    assert [(step.word, step.line) for step in steps] == [("hang up", 4), ("say", 5)]
    assert steps[1].values["say"].value == "Hi."


@pytest.mark.parametrize(
    ("step", "values"),
    [
        ("wait for bot to start", {}),
        ("say: {wav: a b.wav}", {"say": {"wav": "a b.wav"}}),
        ("say: yes", {"say": "yes"}),
        ("say: 1e3", {"say": "1e3"}),
        ("{barge in after: 600ms, say: Stop}", {"barge in after": 0.6, "say": "Stop"}),
        ("press: 0012#", {"press": "0012#"}),
        ("press: '*1'", {"press": "*1"}),
        ("silence: 1.5 s", {"silence": 1.5}),
        ("silence: 2 min", {"silence": 120.0}),
        ("wait for bot to stop: {for: 800 ms}", {"wait for bot to stop": {"for": 0.8}}),
        ("network: {delay: 0.3 s, loss: 1 %}", {"network": {"delay": 300.0, "loss": 0.01}}),
        ("network: {lose marks: 100%}", {"network": {"lose marks": 1.0}}),
        ("expect: {heard at most: 0 s}", {"expect": {"heard at most": 0.0}}),
    ],
)
def test_values_are_as_they_are_meant(step, values):
    assert plain(only_step(step).values) == values


def test_what_is_said_again_can_be_an_alias():
    _, steps = read_words("caller:\n - say: &hi Hello.\n - say: *hi\n", "a.yaml")
    assert [step.values["say"].value for step in steps] == ["Hello.", "Hello."]


def test_a_deep_alias_bomb_is_refused_at_its_first_level():
    bomb = "a: &a [x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdef", "bcdefg"))  # noqa: B905
    assert "there is no 'a' here" in fault(bomb)
    assert "a step takes words" in fault("caller: &a [*a]")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a.yaml:1: a script takes words, each with its value: caller, name, network, expect"),
        ("hello", "a.yaml:1: a script takes words"),
        ("{}", "a.yaml:1: a script takes words"),
        ("name: x", "a.yaml:1: there is no caller: give a list of steps after caller:"),
        ("\ncaler: [hang up]", "a.yaml:2: there is no 'caler' here: did you mean caller?"),
        ("caller: [hang up]\n[a]: b", "a.yaml:2: there is no '...' here: give one of caller"),
        ("caller: [hang up]\ncaller: [hang up]", "a.yaml:2: caller comes twice: leave one out"),
        ("caller: hang up", "a.yaml:1: caller takes a list of steps: begin each with '- '"),
        ("caller: []", "a.yaml:1: caller takes a list of steps"),
        ("caller: !!set {a}", "a.yaml:1: caller takes a list of steps"),
        ("caller:\n- hangup", "a.yaml:2: there is no step 'hangup': did you mean hang up?"),
        (
            "caller:\n- dance",
            "a.yaml:2: there is no step 'dance': give one of wait for bot to start",
        ),
        ("caller:\n- !x hang up", "a.yaml:2: there is no step 'hang up'"),
        ("caller:\n- [hang up]", "a.yaml:2: a step takes words, each with its value: barge in"),
        ("caller:\n- {}", "a.yaml:2: a step takes words"),
        ("caller:\n- sya: Hi", "a.yaml:2: there is no 'sya' here: did you mean say?"),
        (
            "caller:\n- say: Hi\n  press: 1",
            "a.yaml:3: say and press are two steps: begin each with '- '",
        ),
        (
            "caller:\n- expect: {answer within: 1 s}\n  barge in after: 1 s\n  say: Hi",
            "a.yaml:2: barge in after and expect are two steps: begin each with '- '",
        ),
        ("caller:\n- silence: 1 s\n\t- hang up", "a.yaml:3: it is indented by a tab: indent by"),
        ("caller:\n\t- hang up\n\t- hang up", "a.yaml:2: it is indented by a tab"),
        ("caller:\n- say: Hi\n\tpress: 1", "a.yaml:3: it is indented by a tab: indent by spaces"),
        ("caller:\n- say:", "a.yaml:2: say is '': give a text"),
        ("caller:\n- say: ' '", "a.yaml:2: say is ' ': give a text"),
        ("caller:\n- say: [Hi]", "a.yaml:2: say is no single value: give a text"),
        ("caller:\n- say: {file: x}", "a.yaml:2: there is no 'file' here: give one of wav"),
        ("caller:\n- barge in after: 1 s", "a.yaml:2: say is missing: add it to the step"),
        ("caller:\n- silence: 2", "a.yaml:2: silence is '2': give a time with its unit, such as"),
        ("caller:\n- silence: 2000 s", "a.yaml:2: silence is '2000 s': give a time with its unit"),
        ("caller:\n- press: 1x", "a.yaml:2: press is '1x': give keys: 0 to 9, *, #, A to D"),
        ("caller:\n- press: *", "a.yaml:2: expected alphabetic or numeric character"),
        (
            "caller:\n- press: #1",
            "a.yaml:2: press is '': give keys: 0 to 9, *, #, A to D; in quotes",
        ),
        ("caller:\n- say: Hi: you", "a.yaml:2: mapping values are not allowed here: a text that"),
        ("caller:\n- say: *hi", "a.yaml:2: found undefined alias 'hi': a text that begins with"),
        ("caller:\n- wait for bot to stop: 2 s", "a.yaml:2: wait for bot to stop takes words, "),
        ("caller:\n- network: {delay: 10 s}", "a.yaml:2: delay is '10 s': give a time below 10 s"),
        ("caller:\n- network: {loss: 0.1}", "a.yaml:2: loss is '0.1': give a share in percent"),
        ("caller:\n- network: {seed: 1}", "a.yaml:2: there is no 'seed' here"),
        ("caller:\n- expect: {within: 1 s}", "there is no 'within' here: did you mean"),
        ("caller: [hang up]\nexpect: {hung up by: me}", "hung up by is 'me': give caller or bot"),
        ("caller: [hang up]\nexpect: {underruns: -1}", "underruns is '-1': give a whole number"),
        ("caller: [hang up]\nexpect: {transcript: x}", "give module:function, such as my_checks:"),
        ("caller: [hang up]\n---\na: b", "a.yaml:2: but found another document"),
        ("caller: \0", "a.yaml:1: unacceptable character #x0000: special characters are not"),
        ("caller: " + "[" * 9999, "a.yaml:1: it is nested too deeply: give a list of steps"),
        ("a" * (MAX_CHARACTERS + 1), f"a.yaml:1: it has 262145 characters: give at most {2**18}"),
        (f"caller: [{'hang up, ' * (MAX_STEPS + 1)}]", "1001 steps: give at most 1000"),
    ],
)
def test_what_is_no_script_is_refused_with_file_line_and_the_way_out(text, message):
    assert message in fault(text)


@settings(max_examples=500, deadline=None)
@given(st.text() | st.text(st.sampled_from("caler: -[]{}<&*!%@#'\"\n\t\\x0|>?,~=")))
def test_any_text_is_a_script_or_refused_with_its_line(text):
    for refused in (
        refusal(text),
        refusal(f"caller:\n- {text}"),
        refusal(f"caller:\n- say: {text}"),
    ):
        assert refused is None or re.match(r"a\.yaml:\d+: ", refused)


# The schema


def loads(document):
    return refusal(yaml.safe_dump(document, allow_unicode=True)) is None


_texts = st.sampled_from(
    [
        *(
            "",
            " ",
            "Hi",
            "Hi\n",
            "yes",
            "12",
            "12#",
            "*",
            "#1",
            "x",
            "caller",
            "bot",
            "a.b:c",
            "a:",
        ),
        *(
            "0 s",
            "1.5 s",
            "600 ms",
            "600ms",
            "2 min",
            "60 min",
            "10 s",
            "9.9 s",
            "1000 s",
            "2",
            "s",
        ),
        *(
            "100000 ms",
            "10000 ms",
            "1 s\n",
            " 1 s",
            "-1 s",
            "1 %",
            "100%",
            "101 %",
            "1,5 s",
            "1e3 s",
        ),
    ]
)
# But whole floats: JSON has no difference between 1 and 1.0, YAML has.
_numbers = st.integers(-10, 2_000_000) | st.floats(-2, 2).filter(lambda x: x != int(x))
_scalars = st.none() | st.booleans() | _numbers | _texts


def _documents(kind):
    if isinstance(kind, tuple):
        return st.one_of(*map(_documents, kind))
    if isinstance(kind, Words):
        optional = {word: _documents(takes.kind) for word, takes in kind.words.items()}
        return st.fixed_dictionaries({}, optional=optional) | _scalars
    good = st.sampled_from(["1 s", "50 ms", "1 %", "0", "caller", "a:b", "12#", "Hi"])
    return good | _scalars


_steps = st.one_of(
    st.sampled_from([*BARE_STEPS, "say", "hang  up"]),
    *(_documents(form) for form in STEPS.values()),
    st.dictionaries(st.sampled_from([*STEPS, "x"]), _scalars, max_size=2),
    _scalars,
)
_scripts = st.fixed_dictionaries(
    {"caller": st.lists(_steps, max_size=2) | _scalars},
    optional={**{word: _documents(takes.kind) for word, takes in TOP.words.items()}, "x": _scalars},
)


@settings(max_examples=400, deadline=None)
@given(_scripts)
def test_the_schema_takes_what_is_read_and_no_more(document):
    assert VALIDATOR.is_valid(document) == loads(document)


@settings(max_examples=300, deadline=None)
@given(_steps)
def test_the_schema_takes_the_steps_that_are_read_and_no_more(step):
    assert VALIDATOR.is_valid({"caller": [step]}) == loads({"caller": [step]})


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(json.loads(json.dumps(schema())))
    assert not VALIDATOR.is_valid({})
    assert not VALIDATOR.is_valid({"caller": ["hang up"] * (MAX_STEPS + 1)})


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_are_valid(path):
    text = path.read_text()
    read_words(text, path.name)
    VALIDATOR.validate(yaml.safe_load(text))


# The documentation


def words_of(kind):
    if isinstance(kind, tuple):
        kind = kind[1]
    if isinstance(kind, Words):
        for word, takes in kind.words.items():
            yield word
            yield from words_of(takes.kind)


@pytest.mark.parametrize(
    "word",
    sorted(
        {"caller", *BARE_STEPS, *words_of(TOP), *(w for s in STEPS.values() for w in words_of(s))}
    ),
)
def test_a_word_is_documented(word):
    assert re.search(rf"`[^`]*\b{re.escape(word)}\b", DOCUMENTED)


@pytest.mark.parametrize("word", [*EXPECT.words, *STEPS["expect"].words["expect"].kind.words])
def test_an_expectation_has_its_row_in_the_documentation(word):
    assert f"\n| `{word}` |" in DOCUMENTED


@pytest.mark.parametrize("script", re.findall(r"```yaml\n(.*?)```", DOCUMENTED, re.DOTALL)[:1])
def test_the_script_in_the_documentation_is_one(script):
    assert loads(yaml.safe_load(script))
    VALIDATOR.validate(yaml.safe_load(script))
