"""The outcome of scripted calls as JUnit XML, which build servers read.

It knows the few elements that all of them understand. It refuses to know calls.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from pipecat_wavix.emulator.expectations import Failure


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of one script.

    Attributes:
        name: The script's name.
        file: Its file's name.
        secs: How long the call was.
        failures: The expectations that were not met.
        error: Why there was no call, or why it was not judged; or `None`.
        report: The picture of the call, if there is one.
    """

    name: str
    file: str
    secs: float = 0.0
    failures: Sequence[Failure] = ()
    error: str | None = None
    report: Path | None = None

    @property
    def passed(self) -> bool:
        """Whether all was as expected."""
        return not self.failures and self.error is None


def check_junit(path: Path) -> None:
    """See that it can be written, before calls are made that it is to tell of.

    What an earlier run has written goes: nobody shall take it for this one's.

    Args:
        path: Where to; its folder is made if there is none.

    Raises:
        OSError: It cannot; the message says why.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    except OSError as error:
        is_none = isinstance(error, FileExistsError | NotADirectoryError)
        why = f"{path.parent} is no folder" if is_none else error.strerror
        raise OSError(f"{path} cannot be written: {why}: give another file") from error


def write_junit(outcomes: Sequence[Outcome], path: Path) -> None:
    """Write a test case a script, and a failure an expectation.

    Args:
        outcomes: In their order.
        path: Where to; its folder is made if there is none.

    Raises:
        OSError: It cannot be written.
    """
    suite = ElementTree.Element(
        "testsuite",
        name="pipecat-wavix call",
        tests=str(len(outcomes)),
        failures=str(sum(bool(outcome.failures) for outcome in outcomes)),
        errors=str(sum(outcome.error is not None for outcome in outcomes)),
        time=f"{sum(outcome.secs for outcome in outcomes):.3f}",
    )
    for outcome in outcomes:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=_printable(outcome.file),
            name=_printable(outcome.name),
            time=f"{outcome.secs:.3f}",
        )
        for failure in outcome.failures:
            element = ElementTree.SubElement(case, "failure", message=_printable(failure.expected))
            element.text = _printable(str(failure))
        if outcome.error is not None:
            ElementTree.SubElement(case, "error", message=_printable(outcome.error))
        if outcome.report:
            ElementTree.SubElement(case, "system-out").text = _printable(str(outcome.report))
    path.parent.mkdir(parents=True, exist_ok=True)
    ElementTree.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)


def _printable(text: str) -> str:
    # XML has no way at all to write control characters.
    return "".join(char if char.isprintable() or char in "\n\t" else "?" for char in text)
