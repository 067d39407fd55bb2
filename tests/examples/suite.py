"""The eval suite of the examples, for the tests of both of its paths."""

from pathlib import Path

from pipecat.evals.suite import EvalManifest

EVALS = Path(__file__).parents[2] / "examples" / "evals"
SUITE = EVALS / "suite.yaml"
SHOP = ["order", "cuts_in", "goodbye"]
DESK = ["hours", "booking", "person"]


def runs(bot):
    """Its runs of a bot, by the name of the scenario."""
    return {
        run.scenario.rpartition("/")[2]: run
        for run in EvalManifest.load(SUITE).runs
        if run.bot == f"{bot}.py"
    }
