"""examples/env.example: each name that an example asks for, and no other."""

import ast
import re
from pathlib import Path

import pytest
from dotenv import dotenv_values

EXAMPLES = Path(__file__).parents[2] / "examples"
ENV = EXAMPLES / "env.example"
SOURCES = [path for path in EXAMPLES.rglob("*.py") if not path.name.startswith("test_")]

NAME = re.compile(r"\b[A-Z]+_(?:[A-Z]+_)*(?:CREDENTIALS|KEY|SECRET|SID|TOKEN|URL|VOICE_ID)\b")


def offered():
    return re.findall(r"^# (\w+)=$", ENV.read_text(), re.MULTILINE)


def read_by(tree):
    """What it takes out of the environment."""
    for node in ast.walk(tree):
        match node:
            case (
                ast.Subscript(value=ast.Attribute(attr="environ"), slice=name)
                | ast.Call(func=ast.Attribute(value=ast.Attribute(attr="environ")), args=[name, *_])
                | ast.Call(func=ast.Attribute(attr="getenv"), args=[name, *_])
            ):
                yield ast.literal_eval(name)


def named_in(tree):
    """What it says, in its docstring or elsewhere, that somebody is to set."""
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    for text in texts:
        if isinstance(text, str):
            yield from NAME.findall(text)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(EXAMPLES)))
def test_every_name_that_an_example_asks_for_is_offered(path):
    tree = ast.parse(path.read_text())
    assert {*read_by(tree), *named_in(tree)} <= set(offered())


def test_every_name_that_is_offered_is_asked_for_by_an_example():
    trees = [ast.parse(path.read_text()) for path in SOURCES]
    asked_for = {name for tree in trees for name in (*read_by(tree), *named_in(tree))}
    assert set(offered()) <= asked_for


def test_each_name_is_offered_once():
    assert len(set(offered())) == len(offered()) > 10


def test_a_copy_that_nobody_has_filled_in_sets_nothing():
    """An empty value would take away what was exported in the shell."""
    assert dotenv_values(ENV) == {}
