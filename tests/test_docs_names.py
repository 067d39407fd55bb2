"""What the documentation names is there: links, options, variables, events, metrics, Python."""

import ast
import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest
import typer

import pipecat_wavix
import pipecat_wavix.runner
from pipecat_wavix.cli import _app

ROOT = Path(__file__).parent.parent
PAGES = {
    str(path.relative_to(ROOT)): path.read_text()
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md*"))]
}
CODE = "".join(
    path.read_text()
    for folder in ("pipecat_wavix", "examples", "tests/bots", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
)
COMMANDS = typer.main.get_command(_app()).commands


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def anchors(text):
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES)
def test_a_link_leads_somewhere(page):
    text = re.sub(r"^```.*?^```", "", PAGES[page], flags=re.MULTILINE | re.DOTALL)
    links = re.findall(r'\]\(([^)\s]+)\)|(?:src|srcset)="([^"]+)"', text)
    for link in (either for pair in links for either in pair if either):
        if re.match(r"https?:|mailto:|/", link):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), link
        if anchor:
            assert anchor in set(anchors(target.read_text())), link


@pytest.mark.parametrize("page", PAGES)
def test_an_option_that_is_named_beside_its_command_is_there(page):
    lines = PAGES[page].replace("\\\n", " ")
    for name, rest in re.findall(r"pipecat-wavix (\w+)([^`\n]*)", lines):
        if name not in COMMANDS:
            continue
        options = {option for each in COMMANDS[name].params for option in each.opts}
        assert set(re.findall(r"(?<!\S)--[\w-]+", rest)) <= options | {"--help"}, f"{name}{rest}"


@pytest.mark.parametrize("page", PAGES)
def test_a_variable_of_the_environment_is_read_somewhere(page):
    for name in set(re.findall(r"\bWAVIX_[A-Z_]+\b", PAGES[page])):
        field = name.removeprefix("WAVIX_").lower()
        assert name in CODE or field in pipecat_wavix.WavixSettings.model_fields, name


@pytest.mark.parametrize("page", PAGES)
def test_a_metric_exists(page):
    metrics = set(re.findall(r'"(wavix_\w+)"', CODE))
    for name in re.findall(r"\b(wavix_\w+(?:_total|_seconds|_calls))\b", PAGES[page]):
        assert {name, name.removesuffix("_total")} & metrics, name


@pytest.mark.parametrize("page", PAGES)
def test_an_event_or_a_hook_exists(page):
    # A bot's pages name Pipecat's own events too, such as those of its aggregators.
    for name in set(re.findall(r"transport\.event_handler\(\"(on_\w+)\"\)", PAGES[page])):
        assert f'_register_event_handler("{name}")' in CODE, name


@pytest.mark.parametrize("page", PAGES)
def test_a_class_of_ours_exists(page):
    text = re.sub(r"github\.com\S*|@\S+", "", PAGES[page])
    for name in set(re.findall(r"`(Wavix[A-Z][a-z]\w*)\b", text)):
        assert re.search(rf"\bclass {name}\b", CODE), name


def of_python():
    for page, text in PAGES.items():
        for block in blocks(text, "python"):
            yield pytest.param(block, id=f"{page}: {block.splitlines()[0][:40]}")


@pytest.mark.parametrize("block", list(of_python()))
def test_what_is_shown_of_python_fits_what_it_calls(block):
    tree = compile(block, "docs", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    known = {name: getattr(pipecat_wavix, name) for name in pipecat_wavix.__all__}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pipecat_wavix"):
            module = import_module(node.module)
            for alias in node.names:
                known[alias.asname or alias.name] = getattr(module, alias.name)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = getattr(node.func, "id", None)
        target = known.get(called)
        if isinstance(node.func, ast.Attribute):
            target = getattr(pipecat_wavix.WavixTransport, node.func.attr, None)
            target = target or getattr(pipecat_wavix.WavixClient, node.func.attr, None)
            if ast.unparse(node.func.value) not in ("transport", "wavix", "client"):
                continue
        if target is None:
            continue
        names = set(inspect.signature(target).parameters)
        assert {each.arg for each in node.keywords if each.arg} <= names, ast.unparse(node)
