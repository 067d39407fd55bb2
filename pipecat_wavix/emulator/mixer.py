"""Recorded prompts, mixed into what a caller hears.

It knows prompts that wait for one another, 20 ms at a time. It refuses to know where they come
from, clocks and calls. A prompt is mixed in and not put into the bot's buffer: what the bot plays
is heard meanwhile, and its marks come when they would without. Whether Wavix does so is unknown.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipecat_wavix.protocol import FRAME_BYTES


@dataclass(slots=True)
class _Prompt:
    pcm: bytes
    on_done: Callable[[bool], None]
    offset: int = 0


class Mixer:
    """The prompts of one call: one after another, in the order in which they came."""

    def __init__(self) -> None:
        self._prompts: deque[_Prompt] = deque()

    def play(self, pcm: bytes, on_done: Callable[[bool], None] | None = None) -> None:
        """Play a prompt, from the next 20 ms on or after those that wait already.

        Args:
            pcm: PCM16 little-endian at 24 kHz, mono, of any length.
            on_done: Called once: with True when it has been heard to its end, at the end of its
                last 20 ms; with False when it was stopped.

        Raises:
            ValueError: The length is odd.
        """
        if len(pcm) % 2:
            raise ValueError(f"{len(pcm)} bytes of audio: PCM16 has 2 bytes a sample; give both")
        self._prompts.append(_Prompt(pcm, on_done or (lambda _: None)))

    def stop(self) -> None:
        """Stop the prompt that plays, and forget those that wait."""
        stopped, self._prompts = self._prompts, deque()
        for prompt in stopped:
            prompt.on_done(False)

    def mixed(self, pcm: bytes) -> bytes:
        """Add the prompt's next 20 ms.

        Args:
            pcm: 960 bytes of PCM16 at 24 kHz.

        Returns:
            960 bytes; `pcm` itself where there is no prompt. What is too loud is cut off.
        """
        while self._prompts and self._prompts[0].offset >= len(self._prompts[0].pcm):
            self._prompts.popleft().on_done(True)
        if not self._prompts:
            return pcm
        prompt = self._prompts[0]
        piece = prompt.pcm[prompt.offset : prompt.offset + FRAME_BYTES].ljust(FRAME_BYTES, b"\0")
        prompt.offset += FRAME_BYTES
        total = np.frombuffer(pcm, "<i2").astype(np.int32) + np.frombuffer(piece, "<i2")
        mixed: NDArray[np.int16] = np.clip(total, -32768, 32767).astype("<i2")
        return mixed.tobytes()
