"""What the guides quote is there: log lines, verdicts, metrics, options, settings, links, imports."""

import ast
import importlib
import json
import re
import shlex
from pathlib import Path

import pytest
import typer
import yaml
from fake_wavix import FakeWavix

from pipecat_wavix import CallStatistics, cli
from pipecat_wavix.server import WavixSettings, wavix_router
from pipecat_wavix.server.metrics import Metrics
from pipecat_wavix.timeline.verdicts import KINDS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
NAMES = ("quickstart", "tuning", "security", "deployment", "migrating", "troubleshooting")
GUIDES = {name: (DOCS / f"{name}.md").read_text() for name in NAMES}
ALL = "\n".join(GUIDES.values())
PACKAGE = sorted((ROOT / "pipecat_wavix").rglob("*.py"))
SOURCE = "\n".join(path.read_text() for path in PACKAGE)
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
WILD = "\N{OBJECT REPLACEMENT CHARACTER}"


def blocks(text, kind):
    return re.findall(rf"^ *```{kind}\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)


def pattern(node):
    """What a text of the code looks like when it is printed: what it fills in is wild."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(part.value if isinstance(part, ast.Constant) else WILD for part in parts)
    return None


def texts(paths):
    """Each text of the code, and the level at which it is logged, if it is."""
    for path in paths:
        tree = ast.parse(path.read_text())
        logged = {}
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name("logger"), attr=level), args=[a]):
                    logged[a] = level.upper().replace("EXCEPTION", "ERROR")
        for node in ast.walk(tree):
            text = pattern(node)
            if text and len(re.findall("[a-z]", text.replace(WILD, ""))) >= 5:
                yield text, logged.get(node)


TEXTS = list(texts(PACKAGE))


def expression(text):
    return ".*".join(re.escape(part) for part in text.partition("\n")[0].split(WILD))


def is_printed(line, level):
    """Whether the code has a text that a line of the docs, with `...` for what varies, may be."""
    found = [text for text, at in TEXTS if level is None or at == level]
    return any(re.fullmatch(expression(text), line, re.DOTALL) for text in found)


LINES = [
    line.strip() for text in GUIDES.values() for b in blocks(text, "log") for line in b.split("\n")
]


@pytest.mark.parametrize("line", [line for line in LINES if line])
def test_a_log_line_is_printed_like_this_and_at_this_level(line):
    level, _, rest = line.partition(" ")
    if level not in LEVELS:
        assert is_printed(line, None) or is_refusal(line)
    else:
        # Or the whole line is a call and an error.
        assert is_printed(rest, level) or is_printed(rest.removeprefix("Call ...: "), None)


def test_the_line_of_a_call_in_numbers_is_what_these_numbers_print():
    statistics = CallStatistics(
        duration_secs=42,
        media_in=2100,
        media_out=1034,
        round_trip_secs=0.096,
        marks_returned=207,
        barge_ins=3,
        drain_secs=0.41,
        fully_heard="confirmed",
        hung_up=True,
    )
    assert f"INFO WavixTransport#0: call ended: {statistics}" in LINES
    statistics.hung_up = False
    assert "`hang-up FAILED`" in GUIDES["troubleshooting"]
    assert "hang-up FAILED" in str(statistics)


def is_refusal(line):
    """Whether it is an answer of Wavix's, with our advice behind it."""
    asked, _, advice = line.partition(": ... ")
    return is_printed(asked, None) and advice in {text for text, _ in TEXTS}


def test_what_is_not_printed_is_noticed():
    assert is_printed("Could not hang up: ...", "ERROR")
    assert not is_printed("Could not hang up: ...", "INFO")
    assert not is_printed("Could not hang on: ...", None)
    assert not is_refusal("Wavix answered GET /v1/calls with 403: ... Pay more")


@pytest.mark.parametrize("kind", KINDS)
def test_each_verdict_has_its_way_out(kind):
    assert f"`{kind}`" in GUIDES["troubleshooting"]


def test_a_verdict_that_is_named_exists():
    named = re.findall(r"Report: ([^.]*)", GUIDES["troubleshooting"])
    assert len(named) >= 6
    assert {name for text in named for name in re.findall(r"`(\w+)`", text)} <= set(KINDS)


def test_what_an_underrun_is_put_down_to_is_what_the_report_says():
    for words in ("its loop had stood still for", "it had sent nothing for"):
        assert words in GUIDES["troubleshooting"]
        assert any(words in text for text, _ in TEXTS)


def test_a_metric_and_its_labels_that_are_named_exist():
    metrics = Metrics(lambda: 0, {("GET", "/", 200): 1})
    for count in (metrics.webhook, metrics.refused):
        count("x")
    metrics.call("inbound", "x")
    known = metrics.text().decode()
    named = set(re.findall(r"`(wavix_[a-z_]+)[`{]", ALL)) - {"wavix_router", "wavix_call"}
    assert len(named) >= 6
    assert all(re.search(rf"^# TYPE {name} ", known, re.MULTILINE) for name in named)
    for label, value in re.findall(r'\{(\w+)="(\w+)"\}', ALL):
        assert f'{label}="' in known
        assert f'"{value}"' in SOURCE


def test_a_variable_of_the_environment_that_is_named_is_read():
    named = set(re.findall(r"\bWAVIX_[A-Z_]+\b", ALL)) - {"WAVIX_SAMPLE_RATE"}
    read = set(re.findall(r"\bWAVIX_[A-Z_]+\b", SOURCE)) | {
        f"WAVIX_{name.upper()}" for name in WavixSettings.model_fields
    }
    assert named <= read


COMMANDS = typer.main.get_command(cli._app()).commands
RUN = sorted(
    {
        text
        for found in re.findall(r"`(pipecat-wavix [^`]+)`|^(pipecat-wavix .*)$", ALL, re.MULTILINE)
        for text in found
        if text
    }
)


@pytest.mark.parametrize("line", RUN)
def test_a_command_and_its_options_exist(line):
    words = shlex.split(line.replace("\n", " "), comments=True)
    known = {name for each in COMMANDS[words[1]].params for name in each.opts}
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known


@pytest.mark.parametrize("name", NAMES)
def test_a_link_leads_somewhere(name):
    for target in re.findall(r"\]\(([^)\s]+)\)", GUIDES[name]):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        file = (DOCS / path).resolve() if path else DOCS / f"{name}.md"
        assert file.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
            assert anchor in {anchor_of(title) for title in titles}, target


def anchor_of(title):
    """GitHub's anchor of a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


@pytest.mark.parametrize("name", NAMES)
def test_what_an_example_imports_can_be_imported(name):
    for block in blocks(GUIDES[name], "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module not in ("bot", "app"):
                module = importlib.import_module(node.module)
                assert all(hasattr(module, each.name) for each in node.names)


def test_every_name_of_pipecats_that_is_given_as_code_is_pipecats():
    from pipecat.audio.vad import vad_analyzer
    from pipecat.frames import frames
    from pipecat.pipeline import worker
    from pipecat.turns import user_mute, user_start, user_stop

    homes = (frames, user_start, user_stop, user_mute, worker, vad_analyzer)
    names = set(re.findall(r"`(\w+(?:Frame|Strategy|WorkerParams|VADParams))\b", ALL))
    ours = {name for name in names if name.startswith("Wavix")}
    assert len(names - ours) >= 8
    assert all(any(hasattr(home, name) for home in homes) for name in names - ours)
    assert all(f"class {name}(" in SOURCE for name in ours)


# ---- deployment

DEPLOYMENT = GUIDES["deployment"]
(UNIT,) = blocks(DEPLOYMENT, "ini")
(DOCKERFILE,) = blocks(DEPLOYMENT, "dockerfile")
(POD,) = (yaml.safe_load(block)["spec"] for block in blocks(DEPLOYMENT, "yaml"))
SERVE = re.search(r"^uvicorn app:app --host 127.*$", DEPLOYMENT, re.MULTILINE)[0]


def test_every_way_to_serve_uses_the_same_options():
    unit = re.search(r"^ExecStart=\S+/(.*)$", UNIT, re.MULTILINE)[1].replace("%i", "7861")
    image = json.loads(re.search(r"^CMD (.*)$", DOCKERFILE, re.MULTILINE)[1])
    assert unit == SERVE
    assert " ".join(image).replace("0.0.0.0", "127.0.0.1") == SERVE


def test_whatever_stops_the_process_has_more_patience_than_the_drain():
    drains = {int(secs) for secs in re.findall(r"WAVIX_DRAIN_SECS=(\d+)", DEPLOYMENT)}
    (container,) = POD["containers"]
    environment = {each["name"]: each["value"] for each in container["env"]}
    drains.add(int(environment["WAVIX_DRAIN_SECS"]))
    (drain,) = drains
    graceful = int(re.search(r"--timeout-graceful-shutdown (\d+)", SERVE)[1])
    assert int(re.search(r"TimeoutStopSec=(\d+)", UNIT)[1]) > drain + graceful
    assert POD["terminationGracePeriodSeconds"] > drain + graceful
    assert int(re.search(r"docker stop -t (\d+)", DEPLOYMENT)[1]) > drain + graceful
    assert "KillMode=mixed" in UNIT


def test_the_proxies_pass_on_what_wavix_needs_and_nothing_of_the_operators():
    settings = WavixSettings(public_url="https://x.example", secret="s" * 32, operator_key="o" * 32)
    paths = {route.path for route in wavix_router(lambda _: None, FakeWavix(), settings).routes}
    nginx, several = blocks(DEPLOYMENT, "nginx")
    (caddy,) = blocks(DEPLOYMENT, "caddyfile")
    passed = re.findall(r"location (/\S+) \{\s+proxy_pass", nginx)
    assert (
        passed == re.search(r"@wavix path (.*)$", caddy, re.MULTILINE)[1].replace("*", "").split()
    )
    needed = {path for path in paths if "{" in path}
    assert needed == {path for path in paths if path.startswith(tuple(passed))}
    by_port = re.compile(re.search(r"location ~ (\S+) \{", several)[1])
    assert all(by_port.search(f"/7861{path}") for path in needed)
    assert not any(by_port.search(f"/7861{path}") for path in paths - needed)
    assert {
        POD["containers"][0][f"{kind}Probe"]["httpGet"]["path"]
        for kind in ("readiness", "liveness")
    } <= paths


def test_the_upgrade_is_passed_on():
    for nginx in blocks(DEPLOYMENT, "nginx"):
        assert "proxy_set_header Upgrade $http_upgrade;" in nginx
        assert "proxy_http_version 1.1;" in nginx


def test_what_a_bot_is_moved_to_is_there():
    runner = importlib.import_module("pipecat_wavix.runner")
    added = re.findall(
        r"^\+ *from pipecat_wavix\.runner import (\w+)", GUIDES["migrating"], re.MULTILINE
    )
    assert set(added) == {"create_transport", "main"}
    assert all(callable(getattr(runner, name)) for name in added)
