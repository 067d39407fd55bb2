"""The command."""

import argparse
import asyncio
import sys
import time
from pathlib import Path

import msgspec
from loguru import logger

from . import hour, plot
from .far_end import Bots
from .heard import context, goodbye, protected
from .playout import clears, stalls
from .report import Result, show, verdict
from .speaking import marks, speaking

CASES = {
    case.__name__: case for case in (speaking, context, goodbye, protected, stalls, clears, marks)
}
NAMES = [*CASES, "hour"]


async def run(names: list[str], *, quick: bool, log_level: str) -> list[Result]:
    """Run cases, and show each as it is done."""
    results = []

    def done(result: Result, began: float) -> None:
        result.secs = time.monotonic() - began
        show(result)
        results.append(result)

    if set(names) - {"hour"}:
        async with Bots(log_level) as bots:
            for name in names:
                if name != "hour":
                    began = time.monotonic()
                    done(await CASES[name](bots, quick), began)
    if "hour" in names:
        began = time.monotonic()
        done(hour.run(quick), began)
    return results


def main() -> None:
    """Run the benchmark; the exit status is 0 whatever it finds."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.truth", description=sys.modules[__package__ or "truth"].__doc__
    )
    parser.add_argument("--case", action="append", choices=NAMES, help="only this one; repeatable")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter, under 90 s")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw an SVG of them")
    parser.add_argument("--read", type=Path, metavar="FILE", help="take figures from --json's file")
    parser.add_argument("--log-level", default="CRITICAL", help="what the bots log to stderr")
    arguments = parser.parse_args()
    logger.remove()
    logger.add(sys.stderr, level=arguments.log_level)

    if arguments.read:
        results = msgspec.json.decode(arguments.read.read_bytes(), type=list[Result])
        for result in results:
            show(result)
    else:
        names = arguments.case or NAMES
        results = asyncio.run(run(names, quick=arguments.quick, log_level=arguments.log_level))
    print()
    for result in results:
        print(f"{result.name}: {result.bar}: {verdict(result)}")
    if arguments.json:
        text = msgspec.json.format(msgspec.json.encode(results), indent=1)
        arguments.json.write_bytes(text + b"\n")
    if arguments.plot:
        arguments.plot.write_text(plot.draw(results), encoding="utf-8")


if __name__ == "__main__":
    main()
