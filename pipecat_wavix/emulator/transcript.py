"""A function of the user's own that judges what was heard on a call.

It knows how such a function is found, and what it is given. It refuses to know what it looks for:
it is the user's code, and runs as such.
"""

import importlib
import json
import runpy
import traceback
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
        path = _path(module_name, folder)
        way_out = (
            "mend it" if path.is_file() else f"put {path.relative_to(folder)} beside the script"
        )
        raise ValueError(
            f"{module_name} cannot be loaded ({_told(error, str(path))}): {way_out}"
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
        code = getattr(hook, "__code__", None)
        told = _told(error, code.co_filename if code else None)
        return f"the function failed ({told}): mend it; what it was given is in {folder}"
    return None


def _names(module: str, folder: Path) -> dict[str, Any]:
    path = _path(module, folder)
    # By its path: two scripts in two folders may each have a module of this name.
    return runpy.run_path(str(path)) if path.is_file() else vars(importlib.import_module(module))


def _path(module: str, folder: Path) -> Path:
    return folder.joinpath(*module.split(".")).with_suffix(".py")


def _told(error: Exception, file: str | None) -> str:
    """An error in a line, with the last place in the user's own file that it came through."""
    what = f"{type(error).__name__}: {error}"
    if isinstance(error, SyntaxError) and error.filename == file:
        return f"{file}:{error.lineno}: {type(error).__name__}: {error.msg}"
    own = [
        each.lineno for each in traceback.extract_tb(error.__traceback__) if each.filename == file
    ]
    return f"{file}:{own[-1]}: {what}" if own else what


def _heard(path: Path) -> bytes:
    with wave.open(str(path), "rb") as wav:
        both = np.frombuffer(wav.readframes(wav.getnframes()), "<i2").reshape(-1, 2)
    return both[:, 1].tobytes()
