"""A scripted caller from a YAML file: what it does, what the network does, what is expected.

It knows what the words of `scenario_words` do. It refuses to know how a call is made; afterwards it
judges the call by its summary and, for `transcript`, by its recording.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from pipecat_wavix.emulator.callers import (
    ANSWER_TIMEOUT_SECS,
    END_OF_SPEECH_SECS,
    SPEECH_TIMEOUT_SECS,
    Action,
    BeginStep,
    ChangeNetwork,
    HangUp,
    Pause,
    Press,
    Say,
    WaitForAnswer,
    WaitForBot,
    load_wav,
)
from pipecat_wavix.emulator.expectations import Expectation, Failure, judge as judge_summary
from pipecat_wavix.emulator.scenario_words import (
    Entry,
    FaultyScriptError,
    StepEntry,
    read_words,
)
from pipecat_wavix.emulator.settings import CallSettings
from pipecat_wavix.emulator.summary import SPELL_GAP_SECS, CallSummary
from pipecat_wavix.emulator.transcript import Hook, judge_transcript, load_hook
from pipecat_wavix.emulator.voice import speak

_NETWORK: Final = {
    "delay": "delay_ms",
    "jitter": "jitter_ms",
    "loss": "loss",
    "lose marks": "mark_loss",
    "double marks": "mark_double",
    "seed": "seed",
}
_TURNS: Final = ("say", "barge in after", "press")


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A scripted caller, ready to call.

    Attributes:
        name: What it shows.
        path: Where it was read.
        settings: Of the call, with the network that it begins with.
        network: What the file says of that network, as the script of a call whose settings are not
            at hand can have it: all but the seed.
        script: What the caller does; `BeginStep` tells the observers where it is.
        expectations: What the call must be like, but for `transcript`.
        hook: What judges what was heard, and where it is asked for.
    """

    name: str
    path: Path
    settings: CallSettings
    network: ChangeNetwork
    script: list[Action]
    expectations: tuple[Expectation, ...]
    hook: tuple[Expectation, Hook] | None = None


def load_scenario(path: Path, settings: CallSettings | None = None) -> Scenario:
    """Read a script. It speaks, which takes a moment: call it in a thread where one waits.

    Args:
        path: A YAML file; its WAV files and its functions are looked for in its folder.
        settings: Of the call; what the script says of the network comes over them.

    Raises:
        FaultyScriptError: A `ValueError`: it is no script; the message names file, line and the way
            out.
        OSError: It cannot be read.
        ModuleNotFoundError: A text is to be spoken, and there is no voice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise FaultyScriptError(f"{path}:1: it is not UTF-8: save it as that") from None
    return _Loading(path, settings or CallSettings()).scenario(*read_words(text, str(path)))


def judge(scenario: Scenario, summary: CallSummary, folder: Path | None = None) -> list[Failure]:
    """Tell which expectations were not met.

    Args:
        scenario: What was expected.
        summary: Of the call.
        folder: Where it was recorded; needed for `transcript`.
    """
    failures = judge_summary(scenario.expectations, summary)
    if scenario.hook:
        expectation, hook = scenario.hook
        if got := judge_transcript(hook, folder):
            expected = f"{expectation.word}: {expectation.given}"
            failures.append(Failure(expectation.where, expected, got))
    return failures


class _Loading:
    """Makes a scenario of what was read."""

    def __init__(self, path: Path, settings: CallSettings) -> None:
        self._path = path
        self._settings = settings
        self._script: list[Action] = []
        self._expectations: list[Expectation] = []
        self._turn: int | None = None

    def scenario(self, top: Mapping[str, Entry], steps: list[StepEntry]) -> Scenario:
        for number, step in enumerate(steps, 1):
            self._script.append(BeginStep(number))
            self._script += self._actions(number, step)
            if step.word in _TURNS:
                self._turn = number
            if step.word == "hang up" and number < len(steps):
                raise self._fault(steps[number].line, "nothing is done after hang up: leave it out")
        # Where the last step ends: from there on the caller holds the line.
        self._script.append(BeginStep(len(steps) + 1))
        network = _changes(top["network"].value) if "network" in top else {}
        expected = dict(top["expect"].value) if "expect" in top else {}
        hook = None
        if entry := expected.pop("transcript", None):
            try:
                function = load_hook(entry.value, self._path.parent)
            except ValueError as error:
                raise self._fault(entry.line, str(error)) from error
            hook = self._expectation("transcript", entry, None), function
        self._expect(expected, None)
        return Scenario(
            name=top["name"].value.strip() if "name" in top else self._path.stem,
            path=self._path,
            settings=replace(self._settings, network=replace(self._settings.network, **network)),
            network=ChangeNetwork({key: network[key] for key in network if key != "seed"}),
            script=self._script,
            expectations=tuple(self._expectations),
            hook=hook,
        )

    def _actions(self, number: int, step: StepEntry) -> list[Action]:
        values = step.values
        match step.word:
            case "say":
                return [self._say(values["say"])]
            case "barge in after":
                after_secs = values["barge in after"].value
                patience_secs = ANSWER_TIMEOUT_SECS + after_secs
                return [
                    WaitForBot("speaking", after_secs, patience_secs),
                    self._say(values["say"]),
                ]
            case "press":
                return [Press(values["press"].value)]
            case "silence":
                return [Pause(values["silence"].value)]
            case "wait for bot to start":
                options = _options(step)
                return [WaitForBot("speaking", 0, options.get("at most", ANSWER_TIMEOUT_SECS))]
            case "wait for bot to stop":
                options = _options(step)
                secs = options.get("for", END_OF_SPEECH_SECS)
                return [WaitForBot("quiet", secs, options.get("at most", SPEECH_TIMEOUT_SECS))]
            case "network":
                return [ChangeNetwork(_changes(values["network"].value))]
            case "expect":
                expected = values["expect"].value
                if "silent within" in expected and self._turn is None:
                    line = expected["silent within"].line
                    what = "silent within counts from what the caller says: put it after a say"
                    raise self._fault(line, what)
                self._expect(expected, number)
                return _waits({word: entry.value for word, entry in expected.items()})
        return [HangUp()]

    def _say(self, entry: Entry) -> Say:
        make: Callable[[], bytes] = partial(speak, entry.text)
        if isinstance(entry.value, dict):
            make = partial(load_wav, self._path.parent / entry.value["wav"].value.strip())
        try:
            return Say(make())
        except OSError as error:
            what = f"{error.filename}: {error.strerror}: the file is looked for beside the script"
            raise self._fault(entry.line, what) from error
        except ValueError as error:
            raise self._fault(entry.line, str(error)) from error

    def _expect(self, expected: Mapping[str, Entry], step: int | None) -> None:
        self._expectations += [
            self._expectation(word, entry, step) for word, entry in expected.items()
        ]

    def _expectation(self, word: str, entry: Entry, step: int | None) -> Expectation:
        return Expectation(
            where=f"{self._path}:{entry.line}",
            word=word,
            given=entry.text.strip(),
            value=entry.value,
            step=step,
            turn=None if step is None else self._turn,
        )

    def _fault(self, line: int, what: str) -> FaultyScriptError:
        return FaultyScriptError(f"{self._path}:{line}: {what}")


def _options(step: StepEntry) -> dict[str, Any]:
    given = step.values[step.word].value if step.values else {}
    return {word: entry.value for word, entry in given.items()}


def _changes(network: Mapping[str, Entry]) -> dict[str, Any]:
    return {_NETWORK[word]: entry.value for word, entry in network.items()}


def _waits(expected: Mapping[str, float]) -> list[Action]:
    """Give the bot the time that it is allowed, and no more."""
    waits: list[Action] = []
    if "silent within" in expected:
        waits.append(WaitForBot("quiet", SPELL_GAP_SECS, expected["silent within"]))
    if "answer within" in expected or "heard at least" in expected:
        timeout_secs = expected.get("answer within", ANSWER_TIMEOUT_SECS)
        waits.append(WaitForAnswer(timeout_secs, expected.get("heard at least", 0.0)))
    return waits
