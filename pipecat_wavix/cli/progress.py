"""Who speaks while a call runs, as a line on a terminal and in the log.

It knows only what an observer is told. It refuses to know how a call works.
"""

from typing import TYPE_CHECKING

from loguru import logger

from pipecat_wavix.emulator.events import Began, Observation, Received, Sent, Sound
from pipecat_wavix.emulator.summary import SPELL_GAP_SECS, Voice

if TYPE_CHECKING:
    from rich.status import Status


class Progress:
    """Tells who speaks while the call runs: on one line of a terminal, and in the log."""

    def __init__(self, status: "Status") -> None:
        self._status = status
        self._began_at = 0.0
        self._sent = self._received = 0
        self._voices = {"the caller": Voice(), "the bot": Voice()}

    def observe(self, observation: Observation) -> None:
        """Take in one observation; give this to a call as an observer."""
        match observation:
            case Began(at=at):
                self._began_at = at
            case Sent():
                self._sent += 1
            case Received():
                self._received += 1
            case Sound(at=at, said=said, heard=heard):
                sides = zip(self._voices.items(), (said, heard), strict=True)
                speaking = [
                    name for (name, voice), pcm in sides if self._hear(name, voice, at, pcm)
                ]
                self._status.update(
                    f"{at - self._began_at:.1f} s: {' and '.join(speaking) or 'nobody'} speaking;"
                    f" {self._sent} messages to the bot, {self._received} from it"
                )

    def _hear(self, name: str, voice: Voice, at: float, pcm: bytes) -> bool:
        before = voice.spell
        spell = voice.hear(at, pcm) or before
        if spell and (before is None or spell.began_at != before.began_at):
            logger.info(f"{spell.began_at - self._began_at:7.3f} s: {name} begins to speak")
        return spell is not None and at - spell.ended_at < SPELL_GAP_SECS
