"""Where the language model would be: a processor that asks the desk what to say.

It knows Pipecat's frames, and speaks them like an LLM service, so that one can be put in its place.
It refuses to know appointments.
"""

import re

from pipecat.frames.frames import (
    EndWorkerFrame,
    Frame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    STTUpdateSettingsFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from offline.desk import Desk
from offline.ears import UNCLEAR, PocketsphinxSTTService

_NUMBER = re.compile(
    r"(?:\b(?:zero|oh|one|two|three|four|five|six|seven|eight|nine|\d+)\b[ ,-]*){4,}|\d{4,}"
)


class Clerk(FrameProcessor):
    """Answers each context with what the desk says to the caller's last words.

    Event handlers:
        on_keys_wanted: The caller is asked for a number, and may key it in.

    Args:
        desk: Who answers.
        ears: What is told to expect the answer to the desk's question, if it can be told.
    """

    def __init__(self, desk: Desk, ears: PocketsphinxSTTService | None = None) -> None:
        super().__init__()
        self._desk = desk
        self._ears = ears
        self._register_event_handler("on_keys_wanted")

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Answer contexts, and let all else pass."""
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        reply = self._desk.reply(last_words(frame.context))
        if self._ears:
            delta = PocketsphinxSTTService.Settings(expected=reply.question)
            update = STTUpdateSettingsFrame(delta=delta, service=self._ears)
            await self.push_frame(update, FrameDirection.UPSTREAM)
        await self.push_frame(LLMFullResponseStartFrame())
        await self.push_frame(LLMTextFrame(reply.text))
        await self.push_frame(LLMFullResponseEndFrame())
        if reply.is_last:
            await self.push_frame(EndWorkerFrame())
        elif reply.question == "number":
            await self._call_event_handler("on_keys_wanted")


def last_words(context: LLMContext) -> str:
    """What the caller said last; Pipecat asks for an answer to silence in words of its own."""
    for message in reversed(context.get_messages()):
        if isinstance(message, dict):
            content = message.get("content")
            return content if message["role"] == "user" and isinstance(content, str) else UNCLEAR
    return UNCLEAR


def without_numbers(text: str) -> str:
    """A text for the log: telephone numbers do not belong there."""
    return _NUMBER.sub("(a number) ", text).rstrip()
