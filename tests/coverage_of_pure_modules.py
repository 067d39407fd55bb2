"""Checks that each pure module's own test file covers every branch of it.

A script, not a test: it runs pytest once a module, so that no other file's tests help out.
"""

import subprocess
import sys
from pathlib import Path

# Module: the one test file that has to cover it.
PURE = {
    "protocol": "test_protocol",
    "resampler": "test_resampler",
    "phoneline": "test_phoneline",
    "playback.ear": "test_playback_ear",
    "playback.ledger": "test_playback_ledger",
    "emulator.network": "test_emulator_network",
    "emulator.leg": "test_emulator_leg",
    "emulator.callers": "test_emulator_callers",
}

failed = []
for module, test in PURE.items():
    run = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", f"{Path(__file__).parent / test}.py"),
            *(f"--cov=pipecat_wavix.{module}", "--cov-branch", "--cov-fail-under=100"),
            "--cov-report=term-missing:skip-covered",
        ],
        capture_output=True,
        text=True,
    )
    print(f"{'ok    ' if run.returncode == 0 else 'FAILED'} {module} by {test}.py")  # noqa: T201
    if run.returncode:
        failed.append(module)
        print(run.stdout)  # noqa: T201
sys.exit(bool(failed))
