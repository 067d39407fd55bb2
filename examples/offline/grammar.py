"""What can be said to the receptionist: the grammar, as sentences to learn from and as a gate.

It knows the part of JSGF (rules, alternatives, options, repetition) that `desk.gram` uses. It
refuses to know sound.
"""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

Tree = tuple[str, list["Tree"]] | str

_TOKEN = re.compile(r"<\w+>|[a-z'-]+|[\[\]()|+]")


@dataclass
class Grammar:
    """A grammar.

    Args:
        source: JSGF, without imports, weights and tags.
    """

    source: str
    _rules: dict[str, Tree] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        text = re.sub(r"//.*", "", self.source).split(";")[2:]
        for rule in text:
            name, _, body = rule.partition("=")
            if body:
                tokens = _TOKEN.findall(body)
                self._rules[name.replace("public", "").strip(" \n<>")] = _alternatives(tokens)

    def words(self) -> set[str]:
        """All words that a rule could need."""
        return {word for tree in self._rules.values() for word in _words(tree)}

    def sentences(self, rule: str, count: int, seed: int = 1) -> list[list[str]]:
        """Draw sentences of a rule."""
        chance = random.Random(seed)  # noqa: S311 - nothing is secret
        return [list(self._drawn(self._rules[rule], chance)) for _ in range(count)]

    def pattern(self, rules: list[str]) -> re.Pattern[str]:
        """A pattern that matches the sentences of these rules, with a space after each word."""
        return re.compile("|".join(self._regex(self._rules[rule]) for rule in rules))

    def _drawn(self, tree: Tree, chance: random.Random) -> Iterator[str]:
        if isinstance(tree, str):
            if tree[0] == "<":
                yield from self._drawn(self._rules[tree[1:-1]], chance)
            else:
                yield tree
            return
        kind, parts = tree
        if kind == "|":
            parts = [chance.choice(parts)]
        elif kind == "?" and chance.random() < 0.5:
            return
        for part in parts:
            yield from self._drawn(part, chance)
        while kind == "+" and chance.random() < 0.75:
            yield from self._drawn(parts[0], chance)

    def _regex(self, tree: Tree) -> str:
        if isinstance(tree, str):
            return self._regex(self._rules[tree[1:-1]]) if tree[0] == "<" else re.escape(tree) + " "
        kind, parts = tree
        inside = ("|" if kind == "|" else "").join(map(self._regex, parts))
        return f"(?:{inside}){kind if kind in '?+' else ''}"


def _alternatives(tokens: list[str]) -> Tree:
    options: list[Tree] = [_sequence(tokens)]
    while tokens and tokens[0] == "|":
        del tokens[0]
        options.append(_sequence(tokens))
    return "|", options


def _sequence(tokens: list[str]) -> Tree:
    parts: list[Tree] = []
    while tokens and tokens[0] not in "|])":
        mark = tokens.pop(0)
        if mark in "([":
            inside = _alternatives(tokens)
            del tokens[0]
            parts.append(("?", [inside]) if mark == "[" else inside)
        elif mark == "+":
            parts[-1] = ("+", [parts[-1]])
        else:
            parts.append(mark)
    return ",", parts


def _words(tree: Tree) -> Iterator[str]:
    if not isinstance(tree, str):
        for part in tree[1]:
            yield from _words(part)
    elif tree[0] != "<":
        yield tree
