"""The words of a scripted caller's YAML: which there are, what each takes, what a wrong one is told.

It knows YAML's nodes and where they stand, and says the same as a JSON Schema for editors. It
refuses to know what the words do: they come out as plain values, each with its line. Nothing is
constructed from the YAML but text, so `12#`, `on` and `1e3` are what was written.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

import yaml

MAX_CHARACTERS: Final = 256 * 1024
"""A longer script is refused, unread."""

MAX_STEPS: Final = 1000

_TAG: Final = "tag:yaml.org,2002:"
_TEXTS: Final = {_TAG + kind for kind in ("str", "int", "float", "bool", "timestamp")}
_QUOTES: Final = "a text that begins with * & ! % @ or holds ': ' or ' #' goes into quotes"


class FaultyScriptError(ValueError):
    """A script says something that it cannot; the message names file, line and the way out."""


class Entry(NamedTuple):
    """A value, as it was written, and where."""

    value: Any
    text: str
    line: int


class StepEntry(NamedTuple):
    """A step: its first word, the values of its words, and where it stands."""

    word: str
    values: dict[str, Entry]
    line: int


@dataclass(frozen=True)
class Value:
    """A single value.

    Attributes:
        pattern: What its text matches as a whole.
        give: What to give, for who gave something else.
        read: Makes the value of the text.
        types: What it may be in JSON.
    """

    pattern: str
    give: str
    read: Callable[[str], Any] = str
    types: tuple[str, ...] = ("string",)

    def matches(self, text: str) -> bool:
        """Tell whether a text is one."""
        return re.search(self.anchored, text) is not None

    @property
    def anchored(self) -> str:
        """The pattern as JSON Schema has it."""
        return f"^(?:{self.pattern})$"


@dataclass(frozen=True)
class Word:
    """What a word takes, and what it is for.

    Attributes:
        kind: A value, or words of its own, or either.
        about: For whoever reads it in an editor.
    """

    kind: "Value | Words | tuple[Value, Words]"
    about: str


@dataclass(frozen=True)
class Words:
    """A mapping: at least one of its words, each once."""

    words: Mapping[str, Word]
    required: frozenset[str] = frozenset()


def _secs(text: str) -> float:
    number, unit = re.findall(r"[\d.]+|[a-z]+", text)
    return float(number) * {"ms": 0.001, "s": 1.0, "min": 60.0}[unit]


TIME: Final = Value(
    r"[0-9]{1,5}(\.[0-9]+)? ?ms|[0-9]{1,3}(\.[0-9]+)? ?s|[1-5]?[0-9](\.[0-9]+)? ?min",
    "a time with its unit, such as 600 ms, 2 s or 5 min (below 100000 ms, 1000 s, 60 min)",
    _secs,
)
_DELAY: Final = Value(
    r"[0-9]{1,4}(\.[0-9]+)? ?ms|[0-9](\.[0-9]+)? ?s",
    "a time below 10 s with its unit, such as 50 ms",
    lambda text: _secs(text) * 1000,
)
_SHARE: Final = Value(
    r"(100|[0-9]{1,2}(\.[0-9]+)?) ?%",
    "a share in percent, 0 % to 100 %, such as 1 %",
    lambda text: float(text.rstrip("% \n")) / 100,
)
_COUNT: Final = Value("[0-9]{1,6}", "a whole number, such as 0", int, ("string", "integer"))
_TEXT: Final = Value(r"[\s\S]*\S[\s\S]*", "a text", str, ("string", "number", "boolean"))
_KEYS: Final = Value(
    "[0-9A-D*#]+",
    "keys: 0 to 9, *, #, A to D; in quotes if * or # is the first",
    str.strip,
    ("string", "integer"),
)
_HOOK: Final = Value(
    r"[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*",
    "module:function, such as my_checks:contains_friday",
    str.strip,
)

_SPEECH: Final = (
    _TEXT,
    Words({"wav": Word(_TEXT, "A WAV file, relative to the script's folder.")}, frozenset({"wav"})),
)
_AT_MOST: Final = Word(TIME, "Go on after so long all the same.")

NETWORK: Final = Words(
    {
        "delay": Word(_DELAY, "One way: a round trip has twice that."),
        "jitter": Word(_DELAY, "Up to this much more, evenly distributed."),
        "loss": Word(_SHARE, "The share of media messages that never arrive."),
        "lose marks": Word(_SHARE, "The share of mark echoes that the bot never gets."),
        "double marks": Word(_SHARE, "The share of mark echoes that the bot gets twice."),
    }
)

_EXPECT_HERE: Final = Words(
    {
        "answer within": Word(TIME, "From the caller's last word to the bot's first."),
        "heard at least": Word(TIME, "Of the bot since the caller's last word."),
        "heard at most": Word(TIME, "Of the bot since the caller's last word, up to now."),
        "silent within": Word(TIME, "From the caller's first word into the bot's speech."),
    }
)

EXPECT: Final = Words(
    {
        "hung up by": Word(Value("caller|bot", "caller or bot", str.strip), "Who ends the call."),
        "clear within": Word(TIME, "From each clear's arrival to silence; there must be one."),
        "underruns": Word(_COUNT, "At most so many gaps within the bot's speech."),
        "transcript": Word(_HOOK, "A function of your own that judges what was heard."),
    }
)

BARE_STEPS: Final = {
    "wait for bot to start": "Say nothing until the bot speaks, at most 10 s.",
    "wait for bot to stop": "Let the bot answer, until it has been quiet for 1 s, at most 60 s.",
    "hang up": "End the call.",
}
"""Steps that need no more than their name."""

# By their first word; where a step has the first words of two, it is the one that comes first.
STEPS: Final[Mapping[str, Words]] = {
    "barge in after": Words(
        {
            "barge in after": Word(TIME, "Let so much of the bot's speech pass, then speak."),
            "say": Word(_SPEECH, "What to say into it."),
        },
        frozenset({"barge in after", "say"}),
    ),
    **{
        first: Words({first: word}, frozenset({first}))
        for first, word in {
            "say": Word(_SPEECH, "Speak: a text, or a WAV file."),
            "press": Word(_KEYS, "Press keys, 0.1 s each."),
            "silence": Word(TIME, "Say nothing for so long."),
            "wait for bot to start": Word(
                Words({"at most": _AT_MOST}), BARE_STEPS["wait for bot to start"]
            ),
            "wait for bot to stop": Word(
                Words({"for": Word(TIME, "How long it must be quiet."), "at most": _AT_MOST}),
                BARE_STEPS["wait for bot to stop"],
            ),
            "network": Word(NETWORK, "Other faults of the network, from here on."),
            "expect": Word(_EXPECT_HERE, "Judge what was heard; the call goes on."),
        }.items()
    },
}

TOP: Final = Words(
    {
        "name": Word(_TEXT, "What it shows; the file's name if it has none."),
        "network": Word(
            Words(
                {**NETWORK.words, "seed": Word(_COUNT, "Other numbers, other accidents.")},
            ),
            "The faults of the network at first.",
        ),
        "expect": Word(EXPECT, "What the whole call must be like."),
    }
)
"""The words of the file, but for `caller`, which holds the steps."""


def read_words(text: str, file: str) -> tuple[dict[str, Entry], list[StepEntry]]:
    """Read a file.

    Args:
        text: YAML.
        file: Its name, for errors.

    Returns:
        The values of its words but `caller`, and the steps of that.

    Raises:
        FaultyScriptError: It is no script.
    """
    reader = _Reader(file)
    if len(text) > MAX_CHARACTERS:
        raise FaultyScriptError(
            f"{file}:1: it has {len(text)} characters: give at most {MAX_CHARACTERS}"
        )
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        what = f"{error.problem}: {_QUOTES}"
        if tabbed := _line_with_tab(text, line):
            line, what = tabbed, "it is indented by a tab: indent by spaces"
        raise FaultyScriptError(f"{file}:{line}: {what}") from None
    except (yaml.YAMLError, RecursionError) as error:
        what = (
            "it is nested too deeply"
            if isinstance(error, RecursionError)
            else str(error).splitlines()[0]
        )
        raise FaultyScriptError(f"{file}:1: {what}: give a list of steps in plain text") from None
    nodes = reader.mapping("a script", root, ["caller", *TOP.words])
    if "caller" not in nodes:
        raise FaultyScriptError(f"{file}:1: there is no caller: give a list of steps after caller:")
    steps = reader.steps(nodes.pop("caller"))
    return {word: reader.value(word, node, TOP.words[word]) for word, node in nodes.items()}, steps


class _Reader:
    """Takes YAML's nodes for what the words above say; depth and size are bounded by them."""

    def __init__(self, file: str) -> None:
        self._file = file

    def steps(self, node: yaml.Node) -> list[StepEntry]:
        if node.tag != _TAG + "seq" or not node.value:
            raise self._fault(node, "caller takes a list of steps: begin each with '- '")
        if len(node.value) > MAX_STEPS:
            raise self._fault(node, f"{len(node.value)} steps: give at most {MAX_STEPS}")
        return [self._step(step) for step in node.value]

    def mapping(self, owner: str, node: yaml.Node | None, known: list[str]) -> dict[str, yaml.Node]:
        """The nodes by their words, which are known and come once."""
        if node is None or node.tag != _TAG + "map" or not node.value:
            raise self._fault(node, f"{owner} takes words, each with its value: {', '.join(known)}")
        nodes: dict[str, yaml.Node] = {}
        for key, value in node.value:
            word = key.value if isinstance(key, yaml.ScalarNode) else "..."
            if word not in known:
                raise self._fault(key, f"there is no {word!a} here: {_way_out(word, known)}")
            if word in nodes:
                raise self._fault(key, f"{word} comes twice: leave one out")
            nodes[word] = value
        return nodes

    def value(self, word: str, node: yaml.Node, takes: Word) -> Entry:
        kind = takes.kind
        if isinstance(kind, tuple):
            kind = kind[isinstance(node, yaml.MappingNode)]
        line = node.start_mark.line + 1
        if isinstance(kind, Words):
            return Entry(self._words(word, node, kind), "", line)
        if node.tag not in _TEXTS or not kind.matches(node.value):
            given = repr(node.value) if isinstance(node, yaml.ScalarNode) else "no single value"
            raise self._fault(node, f"{word} is {given}: give {kind.give}")
        return Entry(kind.read(node.value), node.value, line)

    def _words(self, owner: str, node: yaml.Node, kind: Words) -> dict[str, Entry]:
        nodes = self.mapping(owner, node, list(kind.words))
        if missing := kind.required - set(nodes):
            raise self._fault(node, f"{', '.join(sorted(missing))} is missing: add it to the step")
        return {word: self.value(word, each, kind.words[word]) for word, each in nodes.items()}

    def _step(self, node: yaml.Node) -> StepEntry:
        line = node.start_mark.line + 1
        if isinstance(node, yaml.ScalarNode):
            if node.value not in BARE_STEPS or node.tag not in _TEXTS:
                way_out = _way_out(node.value, [*BARE_STEPS, *(f"{word}: ..." for word in STEPS)])
                raise self._fault(node, f"there is no step {node.value!a}: {way_out}")
            return StepEntry(node.value, {}, line)
        words = [word for step in STEPS.values() for word in step.words]
        present = self.mapping("a step", node, list(dict.fromkeys(words)))
        first = next(word for word in STEPS if word in present)
        if others := [word for word in present if word not in STEPS[first].words]:
            what = f"{first} and {others[0]} are two steps: begin each with '- '"
            raise self._fault(present[others[0]], what)
        return StepEntry(first, self._words(first, node, STEPS[first]), line)

    def _fault(self, node: yaml.Node | None, what: str) -> FaultyScriptError:
        line = node.start_mark.line + 1 if node else 1
        return FaultyScriptError(f"{self._file}:{line}: {what}")


def _line_with_tab(text: str, last: int) -> int | None:
    for line, each in enumerate(text.splitlines()[:last], 1):
        if "\t" in each[: len(each) - len(each.lstrip())]:
            return line
    return None


def _way_out(word: str, known: list[str]) -> str:
    close = get_close_matches(word, known, 1)
    return f"did you mean {close[0]}?" if close else f"give one of {', '.join(known)}"


def schema() -> dict[str, Any]:
    """The same as a JSON Schema, for editors."""
    steps = [{"enum": list(BARE_STEPS)}, *(_schema_of(words) for words in STEPS.values())]
    top = _schema_of(TOP)
    caller = {
        "type": "array",
        "items": {"anyOf": steps},
        "minItems": 1,
        "maxItems": MAX_STEPS,
        "description": "What the caller does, step by step; then it holds the line.",
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A scripted caller of pipecat-wavix",
        **top,
        "properties": {**top["properties"], "caller": caller},
        "required": ["caller"],
    }


def _schema_of(kind: Value | Words | tuple[Value, Words]) -> dict[str, Any]:
    if isinstance(kind, tuple):
        return {"anyOf": [_schema_of(each) for each in kind]}
    if isinstance(kind, Value):
        numbers = {"minimum": 0, "maximum": 999_999} if kind is _COUNT else {"minimum": 0}
        return {
            "type": list(kind.types),
            "pattern": kind.anchored,
            **(numbers if "integer" in kind.types else {}),
        }
    return {
        "type": "object",
        "properties": {
            word: {**_schema_of(takes.kind), "description": takes.about}
            for word, takes in kind.words.items()
        },
        "required": sorted(kind.required),
        "minProperties": 1,
        "additionalProperties": False,
    }
