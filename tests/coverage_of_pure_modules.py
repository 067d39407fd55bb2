"""Checks that the tests of each pure module, and no others, cover every branch of it.

A script, not a test: it runs pytest once a module, on its own test file.
"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

# Module: the one test file that has to cover it.
PURE = {
    "protocol": "test_protocol",
    "resampler": "test_resampler",
    "phoneline": "test_phoneline",
    "playback.ear": "test_playback_ear",
    "playback.ledger": "test_playback_ledger",
    "webhooks.numbers": "test_webhooks_numbers",
    "webhooks.events": "test_webhooks_events",
    "webhooks.book": "test_webhooks_book",
    "tokens": "test_tokens",
    "client.answers": "test_client_answers",
    "client.checks": "test_client_checks",
    "client.reading": "test_client_reading",
    "client.types": "test_client_types",
    "emulator.network": "test_emulator_network",
    "emulator.leg": "test_emulator_leg",
    "emulator.callers": "test_emulator_callers",
    "emulator.ear": "test_emulator_callers",
    "emulator.scenario_words": "test_emulator_scenario_words",
    "emulator.expectations": "test_emulator_expectations",
    "emulator.junit": "test_emulator_junit",
    "emulator.mixer": "test_emulator_mixer",
    "emulator.keys": "test_emulator_keys",
    "emulator.keypad": "test_emulator_keypad",
    "emulator.callees": "test_emulator_callees",
    "emulator.collect": "test_emulator_collect",
    "emulator.faults": "test_emulator_faults",
    "emulator.bodies": "test_emulator_bodies",
    "emulator.numbers": "test_emulator_numbers",
    "emulator.record": "test_emulator_record",
    "emulator.handset.bulletin": "test_handset_bulletin",
    "emulator.replay": "test_emulator_replay",
    "testing.hearing": "test_testing_hearing",
    "timeline": "test_timeline_reading test_timeline_verdicts test_timeline_report",
}


def check(module: str, test: str) -> bool:
    """Run one test file, print how much of the module it covers, tell if that is all."""
    with TemporaryDirectory() as folder:
        run = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-q", "-m", "not browser"),
                *(f"{Path(__file__).parent / name}.py" for name in test.split()),
                *(f"--cov=pipecat_wavix.{module}", "--cov-branch", "--cov-fail-under=100"),
                *("--cov-report=term-missing:skip-covered", "-p", "no:cacheprovider"),
            ],
            env={**os.environ, "COVERAGE_FILE": str(Path(folder) / "coverage")},
            capture_output=True,
            text=True,
        )
    passed = run.returncode == 0
    print(f"{'ok    ' if passed else 'FAILED'} {module} by {test}.py")  # noqa: T201
    if not passed:
        print(run.stdout)  # noqa: T201
    return passed


with ThreadPoolExecutor(os.cpu_count()) as pool:
    sys.exit(not all(list(pool.map(check, PURE, PURE.values()))))
