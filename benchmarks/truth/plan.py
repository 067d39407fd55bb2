"""What the far end asks of the bot for one call, and what the bot tells of it afterwards."""

from typing import Literal

import msgspec

Kind = Literal["stock", "wavix"]


class Say(msgspec.Struct, tag=True, frozen=True):
    """Speak sentences.

    Attributes:
        sentences: The first word and the word behind the last, of each.
        how: As an LLM's reply, as a TTSSpeakFrame a sentence, or the latter uninterruptible.
    """

    sentences: list[tuple[int, int]]
    how: Literal["reply", "speak", "protected"] = "speak"


class Pause(msgspec.Struct, tag=True, frozen=True):
    """Do nothing for some seconds."""

    secs: float


class Interrupt(msgspec.Struct, tag=True, frozen=True):
    """Broadcast an interruption, as at the start of a user's turn."""


class AwaitCaller(msgspec.Struct, tag=True, frozen=True):
    """Wait until the caller has interrupted."""

    timeout_secs: float


class End(msgspec.Struct, tag=True, frozen=True):
    """End the call with an EndFrame, right behind what was said."""


Action = Say | Pause | Interrupt | AwaitCaller | End


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How the bot behaves on one call.

    Attributes:
        transport: Pipecat's own, or ours.
        script: What it does, one after another.
        lead_secs: How far ahead of the ear it sends; None for the default. Ours only.
        timed: Whether the TTS gives word times.
        trailing_ms: Silence behind each sentence (or TTS context).
        stall_ms: How long the event loop stands still, once a second.
    """

    transport: Kind
    script: list[Action]
    lead_secs: float | None = None
    timed: bool = False
    trailing_ms: int = 0
    stall_ms: float = 0


class Believed(msgspec.Struct):
    """A frame that went through the pipeline beside the output.

    Attributes:
        at: When, on the monotonic clock that all processes of a machine share.
        kind: Its type.
        side: Whether it came out downstream or upstream.
        text: Its text, if it has one.
    """

    at: float
    kind: str
    side: Literal["down", "up"]
    text: str = ""


class HungUp(msgspec.Struct):
    """The bot hangs up: sent at once, for the call ends with it.

    Attributes:
        call_id: The call.
        at: When.
    """

    call_id: str
    at: float


class Log(msgspec.Struct):
    """What the bot's side of one call amounted to.

    Attributes:
        call_id: The call.
        believed: What its pipeline was told, in order.
        interruptions: When the bench broadcast an interruption.
        reached: When the output was handed each interruption.
        clears: When each clear was on the wire.
        media: When each message of audio was about to be sent.
        context: The assistant's messages in the LLM's context.
        statistics: What our transport counted.
        finished_at: When the pipeline was done.
        late_secs: How late the bot's event loop was, at most.
        error: What went wrong in the bot.
    """

    call_id: str
    believed: list[Believed] = []
    interruptions: list[float] = []
    reached: list[float] = []
    clears: list[float] = []
    media: list[float] = []
    context: list[str] = []
    statistics: str = ""
    finished_at: float = 0.0
    late_secs: float = 0.0
    error: str = ""
