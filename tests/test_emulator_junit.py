"""JUnit XML, as a build server reads it."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from pipecat_wavix.emulator.expectations import Failure
from pipecat_wavix.emulator.junit import Outcome, check_junit, write_junit


def written(tmp_path, *outcomes):
    path = tmp_path / "new" / "junit.xml"
    write_junit(outcomes, path)
    return ElementTree.parse(path).getroot()


def test_a_script_is_a_test_case_and_an_expectation_a_failure(tmp_path):
    failures = [
        Failure("b.yaml:4", "answer within: 1 s", "the bot began to speak after 2.00 s"),
        Failure("b.yaml:9", "underruns: 0", "gaps in the bot's speech: 2, 60 ms in all"),
    ]
    suite = written(
        tmp_path,
        Outcome(name="greets", file="a.yaml", secs=1.5),
        Outcome(name="stops", file="b.yaml", secs=2, failures=failures, report=Path("b/r.html")),
        Outcome(name="is there", file="c.yaml", error="nobody answers"),
    )
    counts = [suite.get(name) for name in ("tests", "failures", "errors", "time")]
    assert counts == ["3", "1", "1", "3.500"]
    good, bad, lost = suite
    assert (good.get("name"), good.get("classname"), good.get("time"), len(good)) == (
        *("greets", "a.yaml", "1.500"),
        0,
    )
    assert [each.get("message") for each in bad.findall("failure")] == [
        "answer within: 1 s",
        "underruns: 0",
    ]
    assert bad.findtext("failure") == str(failures[0])
    assert bad.findtext("system-out") == "b/r.html"
    assert lost.find("error").get("message") == "nobody answers"


def test_a_file_that_cannot_be_written_is_found_out_before_there_is_anything_to_write(tmp_path):
    path = tmp_path / "new" / "junit.xml"
    check_junit(path)
    path.write_text("of an earlier run")
    check_junit(path)
    assert path.read_text() == ""
    with pytest.raises(OSError, match=r"new cannot be written: Is a directory: give another file"):
        check_junit(path.parent)
    with pytest.raises(
        OSError, match=r"x cannot be written: .*junit.xml is no folder: give another"
    ):
        check_junit(path / "x")


def test_what_xml_cannot_say_is_left_out(tmp_path):
    failure = Failure("a", "x", "said \x00 and \x1b and \ud800 & <tag>\n")
    outcome = Outcome(name="\x07é <&>", file="a", failures=[failure], error="\x0c")
    (case,) = written(tmp_path, outcome)
    assert case.get("name") == "?é <&>"
    assert case.findtext("failure").endswith("said ? and ? and ? & <tag>\n")
    assert not outcome.passed
