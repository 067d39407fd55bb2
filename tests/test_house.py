"""Which room may use which: the arrows point down, and the two wings share only the wire."""

import ast
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import pipecat_wavix

PACKAGE = Path(pipecat_wavix.__file__).parent

# Room: the rooms that it may import. What is not listed may not be imported.
MAY_IMPORT = {
    # floor 1
    "errors": set(),
    "frames": set(),
    "playback": set(),
    "resampler": set(),
    "timeline": set(),
    # floor 2
    "protocol": set(),
    "tokens": set(),
    "webhooks": set(),
    # floor 3
    "phoneline": {"protocol"},
    "client": {"errors", "webhooks"},
    # floor 4: the truth
    "emulator": {"protocol", "phoneline", "timeline"},
    # floor 4: the bot
    "transport": {
        *("client", "errors", "frames", "playback", "protocol", "resampler", "webhooks"),
    },
    # floor 5
    "serializer": {"client", "errors", "frames", "protocol", "resampler"},
    "server": {"client", "errors", "tokens", "transport", "webhooks"},
    "testing": {"emulator", "protocol", "timeline"},
    # floor 6
    "runner": {"client", "errors", "protocol", "server", "transport"},
    "cli": {"emulator", "phoneline", "protocol", "timeline"},
}
# Rooms that take the time and the bytes as arguments, and know neither loops nor logs.
PURE = [
    *("protocol", "resampler", "phoneline", "playback/ear", "playback/ledger"),
    *("webhooks/numbers", "webhooks/events", "webhooks/book", "tokens"),
    *("client/answers", "client/checks", "client/reading", "client/types"),
    *("emulator/network", "emulator/leg", "emulator/callers", "emulator/keys", "emulator/mixer"),
    *("emulator/record", "emulator/numbers", "emulator/bodies", "emulator/faults"),
    *("timeline/model", "timeline/sound", "timeline/reading", "timeline/playing"),
    *("timeline/merging", "timeline/verdicts", "timeline/differences", "timeline/report"),
    *("timeline/silences", "timeline/traces"),
    *("emulator/collect", "emulator/callees", "emulator/keypad", "emulator/ear"),
    *("emulator/scenario_words", "emulator/expectations", "emulator/junit"),
    *("emulator/handset/bulletin", "emulator/replay", "testing/hearing"),
]
# Rooms of the truth: a bot's framework has no place there.
WITHOUT_PIPECAT = ["protocol", "phoneline", "emulator", "timeline", "client", "webhooks", "cli"]

FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    modules = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert not node.level, f"{path.name}: a relative import"
            modules.update(f"{node.module}.{alias.name}" for alias in node.names)
    return modules


def ids(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def test_every_room_is_in_the_table():
    assert {room(path) for path in FILES} == set(MAY_IMPORT)


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_a_room_imports_only_what_the_table_allows(path):
    used = {name.split(".")[1] for name in imported(path) if name.startswith("pipecat_wavix.")}
    assert used - {room(path)} <= MAY_IMPORT[room(path)] | {"__version__"}


@pytest.mark.parametrize("name", PURE)
def test_a_pure_room_knows_no_loop_no_clock_and_no_log(name):
    used = {module.split(".")[0] for module in imported(PACKAGE / f"{name}.py")}
    assert not used & {"asyncio", "time", "loguru", "websockets", "aiohttp"}


@pytest.mark.parametrize("path", [p for p in FILES if room(p) in WITHOUT_PIPECAT], ids=ids)
def test_the_truth_does_not_know_pipecat(path):
    assert not {name for name in imported(path) if name.split(".")[0] == "pipecat"}


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_a_file_is_short_enough_to_be_read_at_once(path):
    assert len(path.read_text().splitlines()) <= 450


@pytest.mark.parametrize("name", pipecat_wavix.__all__)
def test_a_public_name_loads_when_it_is_used(name):
    assert getattr(pipecat_wavix, name).__name__ == name
    assert name in dir(pipecat_wavix)


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Telephone'"):
        pipecat_wavix.Telephone  # noqa: B018


def test_importing_the_package_loads_nothing_else():
    code = "import sys, pipecat_wavix; print('pipecat' in sys.modules, 'numpy' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "False"]


def test_the_version_is_the_distributions_and_has_its_changelog():
    assert version("pipecat-wavix") == pipecat_wavix.__version__
    changelog = (PACKAGE.parent / "CHANGELOG.md").read_text()
    section = changelog.split(f"## [{pipecat_wavix.__version__}]")[1].split("\n## ")[0]
    assert "pipecat-ai" in section
    assert "1.13.0" in section


def test_the_types_ship():
    assert (PACKAGE / "py.typed").exists()
