"""The command."""

import argparse
import asyncio
import sys
import time
from pathlib import Path

import msgspec
from loguru import logger

from .half_open import half_open
from .report import Result, show
from .setup import setup
from .tokens import tokens

CASES = {case.__name__: case for case in (setup, half_open, tokens)}


async def run(names: list[str], *, quick: bool, shows_logs: bool) -> list[Result]:
    """Run cases, and show each as it is done."""
    results = []
    for name in names:
        began = time.monotonic()
        result = await CASES[name](quick, shows_logs)
        result.secs = time.monotonic() - began
        show(result)
        results.append(result)
    return results


def main() -> None:
    """Run the benchmark; the exit status is 1 if a bar was missed."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.front_door", description=sys.modules[__package__ or "front_door"].__doc__
    )
    parser.add_argument("--case", action="append", choices=CASES, help="only this; repeatable")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter, about a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    parser.add_argument("--log", action="store_true", help="show what the bots log")
    arguments = parser.parse_args()
    logger.remove()

    names = arguments.case or list(CASES)
    results = asyncio.run(run(names, quick=arguments.quick, shows_logs=arguments.log))
    print()
    for result in results:
        print(result.verdict)
    if arguments.json:
        text = msgspec.json.format(msgspec.json.encode(results), indent=1)
        arguments.json.write_bytes(text + b"\n")
    sys.exit(0 if all(result.met for result in results) else 1)


if __name__ == "__main__":
    main()
