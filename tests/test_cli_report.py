"""`pipecat-wavix report`."""

import pytest
from fabricated import Fabricated, bots_half
from typer.testing import CliRunner

from pipecat_wavix import cli


def run(*arguments):
    return CliRunner().invoke(cli._app(), ["report", *map(str, arguments)])


def a_good_call():
    return Fabricated(8).plays(0.1, 1.0).says(2.0, 3.0).plays(3.6, 1.5)


def a_bad_call():
    return Fabricated(4.0, reason="hung up by the account").says(0.5, 1.5).plays(2.24, 2.0)


def test_a_good_call_is_said_to_be_one(tmp_path):
    done = run(a_good_call().left_in(tmp_path), "--strict")
    assert done.exit_code == 0
    assert done.output.splitlines() == [
        "Nothing to report: a good call.",
        str(tmp_path / "report.html"),
    ]
    assert "<!doctype html>" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(("strict", "status"), [(["--strict"], 1), ([], 0)])
def test_defects_are_printed_and_fail_a_strict_report(tmp_path, strict, status):
    done = run(a_bad_call().left_in(tmp_path), *strict)
    assert done.exit_code == status
    assert "4.00 s  defect  The goodbye was cut by 240 ms" in done.output
    assert (tmp_path / "report.html").exists()


def test_what_is_only_worth_a_look_fails_no_strict_report(tmp_path):
    made = Fabricated(4.0, reason="the caller hung up").says(0.5, 1.5).plays(2.24, 2.0)
    done = run(made.left_in(tmp_path), "--strict")
    assert done.exit_code == 0
    assert "look" in done.output


def test_a_folder_will_do_and_the_bots_half_and_another_call_are_taken(tmp_path):
    trace = a_bad_call().left_in(tmp_path / "this")
    a_good_call().left_in(tmp_path / "other")
    words = {"heard": True, "position": 10**6, "letters": 5}
    bot = bots_half(trace, tmp_path / "bot.jsonl", (3.9, "words", words))
    out = tmp_path / "page.html"
    done = run(tmp_path / "this", "--bot", bot, "--against", tmp_path / "other", "--out", out)
    assert done.exit_code == 0
    assert "context holds 5 letters" in done.output
    assert "<title>this against other</title>" in out.read_text()


def test_what_differs_from_another_call_is_printed(tmp_path):
    a_bad_call().left_in(tmp_path / "this")
    a_good_call().left_in(tmp_path / "other")
    done = run(tmp_path / "this", "--against", tmp_path / "other")
    assert done.exit_code == 0
    rows = [[cell.strip() for cell in line.split("│")] for line in done.output.splitlines()]
    assert ["", "Length", "4.0 s", "8.0 s", "+4.0 s", ""] in rows
    assert "This call" in done.output
    assert "Against" in done.output


def cut(folder):
    trace = a_good_call().left_in(folder)
    lines = trace.read_text().splitlines()
    trace.write_text("\n".join(line for line in lines if '"ended"' not in line) + "\n")


def only_a_header(folder):
    trace = a_good_call().left_in(folder)
    trace.write_text(trace.read_text().splitlines()[0] + "\n")


def without_a_recording(folder):
    a_good_call().left_in(folder).with_name("recording.wav").unlink()


def cancelled(folder):
    Fabricated(4.0, reason="cancelled").says(0.5, 1.5).plays(2.0, 1.0).left_in(folder)


@pytest.mark.parametrize("left", [cut, only_a_header, without_a_recording, cancelled])
@pytest.mark.parametrize(("strict", "status"), [(["--strict"], 1), ([], 0)])
def test_a_call_of_which_not_all_is_known_is_no_good_call(tmp_path, left, strict, status):
    left(tmp_path)
    done = run(tmp_path, *strict)
    assert done.exit_code == status
    assert "  look    " in done.output
    assert "a good call" not in done.output
    page = (tmp_path / "report.html").read_text()
    assert '"incomplete"' in page


def test_the_half_of_another_call_is_refused_with_both_times(tmp_path):
    trace = a_good_call().left_in(tmp_path)
    bot = bots_half(trace, tmp_path / "bot.jsonl", started="2026-01-01T00:00:00+00:00")
    done = run(trace, "--bot", bot)
    assert done.exit_code == 1
    assert f"{bot}: it began at 2026-01-01T00:00:00+00:00, and the line's half at 2" in done.output


def test_a_broken_trace_is_named_with_its_line(tmp_path):
    trace = a_good_call().left_in(tmp_path)
    trace.write_text('{"trace": 1}\nhello\n')
    done = run(trace)
    assert done.exit_code == 1
    assert "trace.jsonl:2: not JSON" in done.output


def test_a_page_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    done = run(a_good_call().left_in(tmp_path), "--out", tmp_path / "file" / "page.html")
    assert done.exit_code == 1
    assert "Not a directory" in done.output


def test_a_trace_that_is_not_there_is_wrong_usage(tmp_path):
    assert run(tmp_path / "nothing.jsonl").exit_code == 2
