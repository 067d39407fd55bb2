"""Reads the tables of the documentation, and what of the code they have to be equal to."""

import dataclasses
import inspect
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = {path.name: path.read_text() for path in sorted((ROOT / "docs").glob("*.md"))}


def tables(text):
    """Each table of a page: its heading, the cells of its head, and of its rows."""
    heading, found = "", []
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    for block in re.split(r"\n\n+", text):
        for line in re.findall(r"^#+ (.*)$", block, re.MULTILINE):
            heading = line.replace("`", "")
        lines = [line for line in block.splitlines() if line.startswith("|")]
        if len(lines) > 1 and set(lines[1]) <= set("|- "):
            head, _, *rows = [cells(line) for line in lines]
            found.append((heading, head, rows))
    return found


def cells(line):
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip()[1:-1])]


def table(heading, first=None):
    """The rows of the one table with this heading and this first column, by the name in them."""
    found = [
        rows
        for text in PAGES.values()
        for at, head, rows in tables(text)
        if at == heading and first in (None, head[0].strip("`"))
    ]
    assert found, f"no page has a table {first or ''!r} under {heading!r}"
    rows, *others = found
    assert first is None or not others, f"there are two of {first!r} under {heading!r}"
    return {re.match(r"`([^`]*)`|", row[0])[1] or row[0]: row for row in rows}


def plain(cell):
    text = cell.replace("`", "")
    return f"{float(text):g}" if re.fullmatch(r"\d+\.\d+", text) else text


def shown(default):
    if isinstance(default, float):
        return f"{default:g}"
    if dataclasses.is_dataclass(default):
        return f"{type(default).__name__}()"
    if isinstance(default, tuple) and default:
        return ", ".join(map(str, default))
    return str(default)


def defaults_of(what):
    """What can be given to a class or a function, and the default, or `needed`."""
    if dataclasses.is_dataclass(what):
        return {
            field.name: "needed"
            if field.default is field.default_factory
            else shown(
                field.default_factory() if field.default is dataclasses.MISSING else field.default
            )
            for field in dataclasses.fields(what)
        }
    if hasattr(what, "model_fields"):
        own = [name for name in what.__annotations__ if not name.startswith("_")]
        return {name: shown(what.model_fields[name].default) for name in own}
    parameters = inspect.signature(what).parameters.values()
    return {
        each.name: "needed" if each.default is each.empty else shown(each.default)
        for each in parameters
        if each.name != "self"
    }
