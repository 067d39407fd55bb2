"""A pytest plugin: fixtures that call a bot, and an emulator for the tests of its server.

It knows pytest. It refuses to know calls: it is loaded in every run of pytest where the package is
installed, so all else loads when a test asks for a fixture. The fixtures are plain functions, so
they work with any plugin that runs async tests on asyncio.
"""

import re
from collections.abc import Callable, Generator, Iterable
from importlib import import_module
from itertools import count
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pipecat_wavix.emulator.app import Emulator
    from pipecat_wavix.emulator.callers import Action
    from pipecat_wavix.emulator.settings import CallSettings
    from pipecat_wavix.testing.bots import Bot, BotStillRunsError as BotStillRunsError
    from pipecat_wavix.testing.call import CallOverError as CallOverError, PhoneCall as PhoneCall
    from pipecat_wavix.testing.hearing import Heard as Heard, NotHeardError as NotHeardError

_HOME = {
    "BotStillRunsError": "bots",
    "CallOverError": "call",
    "Heard": "hearing",
    "NotHeardError": "hearing",
    "PhoneCall": "call",
}
_FOLDER = pytest.StashKey[Path]()

CallBot = Callable[..., "PhoneCall"]
"""What `wavix_call` is."""

Emulate = Callable[..., "Emulator"]
"""What `wavix_emulator` is."""


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


@pytest.fixture
def _wavix_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    name = re.sub(r"\W+", "_", f"calls_of_{request.node.name}")[:40]
    folder = request.node.stash[_FOLDER] = tmp_path_factory.mktemp(name)
    return folder


@pytest.fixture
def wavix_call(_wavix_folder: Path) -> CallBot:
    """Call a bot.

    Use it as in `async with wavix_call(bot) as call: greeting = await call.hear()`. The bot is a
    function `bot(runner_args)`, an ASGI application or a `ws://` URL; the arguments are those of
    `PhoneCall`, but for the folder.
    """
    call_class = _loaded("call").PhoneCall
    numbers = count(1)

    def call(
        bot: "Bot",
        script: "Iterable[Action] | str | PathLike[str] | None" = None,
        *,
        path: str = "/ws",
        settings: "CallSettings | None" = None,
    ) -> "PhoneCall":
        folder = _wavix_folder / f"call-{next(numbers)}"
        made: PhoneCall = call_class(bot, script, folder=folder, path=path, settings=settings)
        return made

    return call


@pytest.fixture
def wavix_emulator(_wavix_folder: Path) -> Emulate:
    """Emulate Wavix, on a free port.

    Use it as in `async with wavix_emulator(call_status_url=url) as emulator: ...`; the arguments are
    those of `EmulatorSettings`.
    """
    from pipecat_wavix.emulator.platform_settings import EmulatorSettings

    emulator_class = _loaded("app", "pipecat_wavix.emulator").Emulator

    def emulate(**settings: Any) -> "Emulator":
        values = {"port": 0, "recordings": _wavix_folder, **settings}
        emulator: Emulator = emulator_class(EmulatorSettings(**values))
        return emulator

    return emulate


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Have the report of a failed test name what its calls have left behind."""
    report = yield
    folder = item.stash.get(_FOLDER, None)
    if report.failed and folder:
        lines = [_left_behind(trace) for trace in sorted(folder.rglob("trace.jsonl"))]
        report.sections.append(("Wavix calls", "\n".join(lines or ["none was recorded"])))
    return report


def _left_behind(trace: Path) -> str:
    try:
        report = str(_loaded("call").write_report_of(trace))
    except Exception as error:  # a report that cannot be written must not hide why the test failed
        report = f"no report: {error}"
    return f"{trace.with_name('recording.wav')}\n{trace}\n{report}"


def _loaded(module: str, package: str = __name__) -> Any:
    try:
        return import_module(f"{package}.{module}")
    except ModuleNotFoundError as error:
        if error.name not in ("uvicorn", "yaml"):
            raise
        raise ModuleNotFoundError(
            "calls of tests need an extra: pip install 'pipecat-wavix[emulator]'", name=error.name
        ) from error
