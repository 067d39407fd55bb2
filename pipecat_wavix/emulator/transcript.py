"""A function of the user's own that judges what was heard on a call.

It knows how such a function is found, and what it is given. It refuses to know what it looks for:
it is the user's code, and runs as such.
"""

import importlib
import json
import runpy
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np

Hook = Callable[[bytes, list[dict[str, Any]]], None]
"""Called with what the caller heard, PCM16 at 24 kHz, and the lines of the call's trace, the header
left out; an `AssertionError` says that it is not as it should be."""


def load_hook(name: str, folder: Path) -> Hook:
    """Find a function.

    Args:
        name: `module:function`.
        folder: Where the module is looked for first; then it is imported as any other.

    Raises:
        ValueError: There is none.
    """
    module_name, _, function_name = name.partition(":")
    try:
        hook = _names(module_name, folder).get(function_name)
    except Exception as error:  # whatever a module raises when it is loaded
        raise ValueError(
            f"{module_name} cannot be loaded ({type(error).__name__}: {error}): put"
            f" {module_name.replace('.', '/')}.py beside the script"
        ) from error
    if not callable(hook):
        raise ValueError(f"{module_name} has no function {function_name}: define it there")
    return cast(Hook, hook)  # what it takes shows when it is called


def judge_transcript(hook: Hook, folder: Path | None) -> str | None:
    """Ask a function.

    Args:
        hook: The function.
        folder: Where the call was recorded.

    Returns:
        What it found wrong, or `None`.
    """
    if folder is None:
        return "the call was not recorded: give a folder with --out"
    lines = (folder / "trace.jsonl").read_text(encoding="utf-8").splitlines()
    try:
        hook(_heard(folder / "recording.wav"), [json.loads(line) for line in lines[1:]])
    except AssertionError as error:
        return str(error) or "the function's assertion failed"
    except Exception as error:  # the user's own code
        return f"the function failed: {type(error).__name__}: {error}"
    return None


def _names(module: str, folder: Path) -> dict[str, Any]:
    path = folder.joinpath(*module.split(".")).with_suffix(".py")
    # By its path: two scripts in two folders may each have a module of this name.
    return runpy.run_path(str(path)) if path.is_file() else vars(importlib.import_module(module))


def _heard(path: Path) -> bytes:
    with wave.open(str(path), "rb") as wav:
        both = np.frombuffer(wav.readframes(wav.getnframes()), "<i2").reshape(-1, 2)
    return both[:, 1].tobytes()
