"""The tables of the documentation and the code name the same things, with the same defaults.

Each row of a table is a name of the code, and each name of the code is a row. A table is found by its
heading and its first column, on whichever page it is: there is one.
"""

import ast
import dataclasses
import inspect
import re
import typing
from importlib import import_module
from pathlib import Path

import pytest
import typer
from annotated_types import Ge, Le
from documentation import PAGES, ROOT, defaults_of, plain, shown, table, tables
from fake_wavix import FakeWavix
from pipecat.frames.frames import Frame
from starlette.routing import WebSocketRoute

import pipecat_wavix
import pipecat_wavix.emulator as emulator
from pipecat_wavix import errors, frames, protocol
from pipecat_wavix.cli import _app
from pipecat_wavix.emulator.control import Control
from pipecat_wavix.emulator.handset.routes import Handset
from pipecat_wavix.emulator.rest import RestApi
from pipecat_wavix.server.metrics import Metrics
from pipecat_wavix.server.settings import _FROM_ENV, WavixSettings
from pipecat_wavix.webhooks import InCallEvent
from pipecat_wavix.webhooks.book import PHASES

PACKAGE = Path(pipecat_wavix.__file__).parent
MODULES = {path: ast.parse(path.read_text()) for path in sorted(PACKAGE.rglob("*.py"))}

COMMANDS = typer.main.get_command(_app()).commands


WITH_DEFAULTS = {
    ("Parameters", "parameter"): pipecat_wavix.WavixParams,
    ("InputParams", "parameter"): pipecat_wavix.WavixFrameSerializer.InputParams,
    ("WavixFrameSerializer", "argument"): pipecat_wavix.WavixFrameSerializer.__init__,
    ("WavixTransport", "argument"): pipecat_wavix.WavixTransport.__init__,
    ("collect_dtmf", "argument"): pipecat_wavix.WavixTransport.collect_dtmf,
    ("wait_for_start", "argument"): pipecat_wavix.wait_for_start,
    **{
        (each.__name__, None): each
        for each in (
            *(emulator.EmulatorSettings, emulator.CallSettings, emulator.LineSettings),
            *(emulator.NetworkSettings, emulator.Faults, emulator.WebhookFaults),
            *(emulator.RestFault, emulator.Callee),
        )
    },
}


@pytest.mark.parametrize("place", WITH_DEFAULTS, ids=lambda place: place[0])
def test_what_can_be_set_is_documented_with_its_default(place):
    documented = {name: plain(row[1]) for name, row in table(*place).items()}
    of_pipecat = {"ignore_rtvi_messages": "True"} if place[0] == "InputParams" else {}
    assert documented == defaults_of(WITH_DEFAULTS[place]) | of_pipecat


def test_the_limits_of_a_parameter_are_documented():
    rows = table("Parameters", "parameter")
    for name, row in rows.items():
        limits = pipecat_wavix.WavixParams.model_fields[name].metadata
        shown_limits = [
            f"{each.ge if isinstance(each, Ge) else each.le:g}"
            for each in limits
            if isinstance(each, Ge | Le)
        ]
        assert " to ".join(shown_limits) in row[2]


def test_the_settings_of_the_router_are_those_that_are_documented():
    assert set(table("In an application of your own", "setting")) == set(WavixSettings.model_fields)


def test_the_arguments_of_the_router_are_documented():
    text = "".join(PAGES.values())
    for name in inspect.signature(pipecat_wavix.wavix_router).parameters:
        assert re.search(rf"`{name}`|\b{name}=|wavix_router\(.*\b{name}\b", text), name


RESULTS = {
    "CallStatistics": pipecat_wavix.CallStatistics,
    "CallSummary": emulator.CallSummary,
    "WavixCall": pipecat_wavix.WavixCall,
}


@pytest.mark.parametrize("heading", RESULTS)
def test_what_is_answered_is_documented(heading):
    names = {field.name for field in dataclasses.fields(RESULTS[heading])}
    assert set(table(heading)) == names


def test_what_a_bot_is_told_about_its_call_is_documented():
    assert set(table("WavixCallData")) == set(pipecat_wavix.WavixCallData.model_fields)


@pytest.mark.parametrize("kind", [InCallEvent, pipecat_wavix.Heard, pipecat_wavix.Keys])
def test_each_field_of_a_small_answer_is_documented(kind):
    for field in dataclasses.fields(kind):
        assert f"`{field.name}`" in PAGES["reference.md"]
    for choice in typing.get_args(typing.get_type_hints(kind).get("outcome")):
        assert f"`{choice}`" in PAGES["transport.md"] + PAGES["reference.md"]


# ---- names


def test_every_public_name_is_in_the_reference():
    assert set(table("Public names", "name")) == set(pipecat_wavix.__all__)
    assert set(table("In Python", "name")) == set(emulator.__all__)


def test_every_public_method_of_the_transport_is_documented():
    documented = {name.partition("(")[0] for name in table("WavixTransport", "method")}
    assert documented == {
        name for name in vars(pipecat_wavix.WavixTransport) if not name.startswith("_")
    }


def test_every_method_of_the_client_is_documented_with_its_arguments():
    documented = {}
    for cell in (row for row in table("Calls", "").values() if "wavix." in row[0]):
        documented[re.search(r"wavix\.(\w+)", cell[0])[1]] = " ".join(cell)
    client = pipecat_wavix.WavixClient
    methods = {
        name
        for name, method in vars(client).items()
        if inspect.iscoroutinefunction(method) and not name.startswith("_")
    }
    assert set(documented) == methods - {"close"}
    for name in methods - {"close"}:
        for each in inspect.signature(getattr(client, name)).parameters.values():
            if each.kind is each.KEYWORD_ONLY:
                assert each.name in documented[name]


def test_every_error_is_documented():
    classes = {name for name, each in vars(errors).items() if inspect.isclass(each)}
    # The first is their family; the media socket's is told of beside what raises it.
    raised_by_the_client = classes - {"Mapping", "WavixError", "WavixStreamError"}
    assert set(table("Errors", "error")) == raised_by_the_client


def calls_of(function):
    """The first argument of each call of a function or method, anywhere in the package."""
    for tree in MODULES.values():
        for node in ast.walk(tree):
            called = getattr(getattr(node, "func", None), "attr", None)
            if called == function and isinstance(node.args[0], ast.Constant):
                yield node.args[0].value


def test_the_events_of_the_transport_are_those_that_are_documented():
    registered = set(calls_of("_register_event_handler"))
    assert registered == set(calls_of("_call_event_handler"))
    assert set(table("Events", "event")) == registered


def test_the_frames_are_those_that_are_documented():
    public = {
        name
        for name, each in vars(frames).items()
        if inspect.isclass(each) and issubclass(each, Frame) and each.__module__ == frames.__name__
    }
    ours = {name.partition("(")[0] for name in table("Frames", "frame")}
    assert ours | set(table("Frames of the serializer", "frame")) == public


# ---- what is reached from outside


def test_the_metrics_are_those_that_are_documented_with_their_labels():
    metrics = Metrics(lambda: 0, {("GET", "/v1/calls", 200): 1})
    metrics.webhook("news")
    metrics.call("inbound", "streamed")
    metrics.refused("token")
    metrics.setup(1)
    text = metrics.text().decode()
    exposed = dict.fromkeys(re.findall(r"^# TYPE (\w+?(?<!_created)) \w+$", text, re.MULTILINE))
    documented = table("Metrics", "name")
    assert set(documented) == set(exposed)
    for name, row in documented.items():
        labels = re.search(rf"^{name}{{(.*?)}}", text, re.MULTILINE)
        for label in re.findall(r'(\w+)="', labels[1]) if labels else ():
            assert f"`{label}`" in row[1]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_options_of_a_command_are_those_that_are_documented(command):
    rows = table(f"pipecat-wavix {command}", "option")
    parameters = {
        each.opts[0] if each.param_type_name == "option" else each.name.upper(): each
        for each in COMMANDS[command].params
    }
    assert set(rows) == set(parameters)
    for name, each in parameters.items():
        default = "" if each.default is None or each.default is False else shown(each.default)
        assert plain(rows[name][1]) == ("needed" if each.required else default)
        assert rows[name][0].endswith("*") == (each.param_type_name == "option" and each.multiple)


def test_every_command_is_documented():
    headings = re.findall(r"^### `pipecat-wavix (\w+)`$", PAGES["reference.md"], re.MULTILINE)
    assert set(headings) == set(COMMANDS)


def test_the_options_of_the_runner_are_those_that_are_documented():
    assert set(table("The runner", "option")) == set(calls_of("add_argument"))


def names_of_the_environment():
    """Wavix's names, and whatever else stands in one expression with the environment."""
    for tree in MODULES.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and re.fullmatch(r"WAVIX_[A-Z_]+", str(node.value)):
                yield node.value
            elif isinstance(node, ast.BinOp | ast.Call | ast.Compare | ast.Subscript):
                inside = list(ast.walk(node))
                if any(
                    isinstance(each, ast.Attribute) and each.attr == "environ" for each in inside
                ):
                    texts = [str(each.value) for each in inside if isinstance(each, ast.Constant)]
                    yield from (text for text in texts if re.fullmatch(r"[A-Z][A-Z_]+", text))


def test_the_environment_is_as_documented():
    used = {*names_of_the_environment(), *(f"WAVIX_{name.upper()}" for name in _FROM_ENV)}
    assert set(table("Environment", "variable")) == used


def routes_of(routes):
    for route in routes:
        path = re.sub(r"{\w+}", "{id}", getattr(route, "path", ""))
        if not isinstance(route, WebSocketRoute) and not path.startswith("/v1/call/"):
            for method in (route.methods or {"GET"}) - {"HEAD"}:
                yield f"{method} {path}"


def test_the_routes_of_the_emulator_are_those_that_are_documented():
    platform = emulator.Emulator(emulator.EmulatorSettings(port=0)).platform
    api = {route for route in routes_of(RestApi(platform).routes) if "/v1/" in route}
    assert set(table("HTTP", "route")) == api
    # Of the page, what a person opens; the rest is what it asks for by itself.
    page = next(routes_of(Handset(platform).routes))
    assert set(table("HTTP", "control")) == {page, *routes_of(Control(platform).routes)}


def test_the_routes_of_the_router_are_those_that_are_documented():
    settings = WavixSettings(public_url="https://x.example", secret="s" * 32, operator_key="o" * 32)
    router = pipecat_wavix.wavix_router(lambda _: None, FakeWavix(), settings)
    # A webhook of an outbound call has a token behind the secret.
    paths = {route.path.replace("{key}/{token}", "{key}") for route in router.routes}
    rows = table("In an application of your own", "route").values()
    documented = re.findall(r"/[\w/{}]+", " ".join(row[0] for row in rows))
    assert {path.replace("{key}", "{secret}") for path in paths} == set(documented)


# ---- Pipecat's private names


def private_attributes(tree, of):
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and getattr(node.value, "id", None) == of
            and re.match(r"_[a-z]", node.attr)
        ):
            yield node.attr


def private_names_of_pipecat():
    """What our classes use of what Pipecat's classes keep to themselves."""
    for path, tree in MODULES.items():
        yield from (f"run.{name}" for name in private_attributes(tree, "run"))
        module = ".".join(("pipecat_wavix", *path.relative_to(PACKAGE).with_suffix("").parts))
        for node in tree.body:
            if not isinstance(node, ast.ClassDef) or path.name == "__init__.py":
                continue
            theirs = {
                name
                for base in getattr(import_module(module), node.name).__mro__
                if base.__module__.startswith("pipecat.")
                for name in (*vars(base), *re.findall(r"self\.(_\w+)", inspect.getsource(base)))
            }
            yield from theirs.intersection(private_attributes(node, "self"))


def test_the_private_names_of_pipecat_that_are_used_are_documented():
    assert set(table("Private names", "name")) == set(private_names_of_pipecat())


# ---- messages


MESSAGES = PAGES["messages.md"]


def test_every_message_of_the_stream_has_its_row():
    events = set(table("The media stream: Wavix to the bot", "message"))
    rows = table("The media stream: the bot to Wavix", "frame").values()
    sent = {name for row in rows for name in re.findall(r"`([a-z]+)`", row[1])}
    assert events >= {each.__struct_config__.tag for each in typing.get_args(protocol.Event)}
    assert sent == {each.__struct_config__.tag for each in typing.get_args(protocol.Command)}


@pytest.mark.parametrize("kind", typing.get_args(typing.get_type_hints(protocol.Rejected)["kind"]))
def test_every_reason_to_reject_a_message_is_documented(kind):
    assert f"`{kind}`" in MESSAGES


def test_every_event_of_a_call_has_its_row():
    rows = table("Webhooks", "event_type").values()
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row[0])} >= set(PHASES)


# ---- the page for Pipecat's own documentation

PAGE = (ROOT / "docs" / "pipecat_integration.mdx").read_text()


def test_pipecats_page_has_every_parameter_with_its_default():
    ((_, _, rows),) = [each for each in tables(PAGE) if each[1][0] == "Parameter"]
    documented = {plain(row[0]): plain(row[2]).strip('"') for row in rows}
    assert documented == defaults_of(pipecat_wavix.WavixParams)


def test_pipecats_page_has_every_argument_and_every_event():
    fields = re.findall(r'<ParamField path="(\w+)"', PAGE)
    assert fields == list(defaults_of(pipecat_wavix.WavixTransport.__init__))
    ((_, _, rows),) = [each for each in tables(PAGE) if each[1][0] == "Event"]
    assert {plain(row[0]) for row in rows} == set(calls_of("_register_event_handler"))
