"""A module at work in a process of its own, which answers one request after another.

The C libraries of the receptionist hold Python's lock, or the whole process' state, while they
work: in the bot's process they would make the audio stutter. It knows processes and pipes. It
refuses to know what is asked.
"""

import atexit
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parents[1]


class Worker:
    """A process that runs `serve` in a module of these examples; it ends with this one.

    Args:
        module: Its name, such as `offline.espeak`.
    """

    def __init__(self, module: str) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(  # noqa: S603 - the module is ours
            [sys.executable, "-m", module],
            cwd=EXAMPLES,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        atexit.register(self.close)

    def ask(self, request: object) -> Any:
        """Ask, and wait for the answer: use it in a thread. One request at a time is worked on.

        Raises:
            RuntimeError: The process has ended.
        """
        with self._lock:
            try:
                pickle.dump(request, self._process.stdin)  # type: ignore[arg-type]  # it is a pipe
                self._process.stdin.flush()  # type: ignore[union-attr]
                return pickle.load(self._process.stdout)  # type: ignore[arg-type]  # noqa: S301 - our own
            except (OSError, ValueError, EOFError) as error:
                raise RuntimeError(f"a process of the receptionist has ended: {error!r}") from error

    def close(self) -> None:
        """End the process, which ends as well when this one does."""
        atexit.unregister(self.close)
        with self._lock:
            self._process.terminate()
            self._process.communicate()


def serve(answer: Callable[[Any], object]) -> None:
    """Answer what comes in, until nobody can ask any more."""
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # what is printed must not get between the answers
    while True:
        try:
            request = pickle.load(requests)  # noqa: S301 - from the process that started this one
        except (EOFError, KeyboardInterrupt):
            return
        pickle.dump(answer(request), answers)
        answers.flush()
