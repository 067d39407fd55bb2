"""The eval suite by Pipecat's own harness, which starts the bots and talks to them by messages."""

import shlex
import sys
from pathlib import Path

import pytest
from bot_process import free_port
from pipecat.evals.suite import EvalManifest, EvalSuite
from suite import DESK, SHOP, SUITE, runs

CLOUDS = Path(__file__).parent / "with_clouds.py"


async def hold(tmp_path, bot, scenario):
    command = shlex.join([sys.executable, str(CLOUDS), scenario])
    spawn = f"{command} {{bot}} --port {{port}}"
    suite = EvalSuite(EvalManifest.load(SUITE, spawn=spawn, base_port=free_port()))
    suite.runs = [run for run in suite.runs if run.scenario == f"{bot}/{scenario}"]
    [run] = suite.runs
    await suite.run(tmp_path)
    logs = "\n".join(path.read_text()[-4000:] for path in tmp_path.iterdir())
    assert run.error is None, logs
    assert run.result.passed, f"{run.result.failures}\n{logs}"


def test_every_scenario_is_tested():
    assert list(runs("receptionist")) == DESK
    assert list(runs("customer_service")) == SHOP


@pytest.mark.parametrize("scenario", SHOP)
async def test_the_shop_passes(tmp_path, scenario):
    await hold(tmp_path, "customer_service", scenario)


@pytest.mark.parametrize("scenario", DESK)
async def test_the_receptionist_passes(tmp_path, scenario):
    await hold(tmp_path, "receptionist", scenario)
