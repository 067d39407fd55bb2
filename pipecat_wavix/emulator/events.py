"""What an observer of an emulated call is told.

It knows the kinds of things that happen on a call, each with its time. It refuses to know who
observes, or why. Times are seconds on the event loop's clock; observers are called in the order in
which the call learns of things, and the line's own events are in exact order of time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pipecat_wavix.emulator.network import NetworkSettings
from pipecat_wavix.phoneline import Cleared, MarkPlayed, Step, Underrun
from pipecat_wavix.protocol import Command, Event, Rejected


@dataclass(frozen=True, slots=True)
class Began:
    """The call is answered and the line plays from here on.

    Attributes:
        at: When.
        call_id: The call's id.
        stream_id: The id of the stream that it begins with; empty if it begins without one.
    """

    at: float
    call_id: str
    stream_id: str


SentFate = Literal["sent", "lost", "unread", "closed"]
"""What became of a message to the bot.

`sent`, or `lost` by the emulated network, or not sent because the bot had stopped reading
(`unread`: a call does not wait for it) or had left (`closed`).
"""


@dataclass(frozen=True, slots=True)
class Sent:
    """A message for the bot.

    Attributes:
        at: When it was written to the socket, or would have been.
        message: What it said.
        fate: What became of it.
        stream_id: The stream.
    """

    at: float
    message: Event
    fate: SentFate
    stream_id: str = ""


Fate = Literal["used", "irregular", "rejected", "other_stream", "oneway", "lost"]
"""What became of a bot's message.

`used`, or `irregular`: used as well, but audio of another length than 20 ms, in strict mode only;
`rejected`: not a message of the protocol; `other_stream`: of another stream, so dropped without a
word, as Wavix does; `oneway`: the stream takes none; `lost`: by the emulated network.
"""


@dataclass(frozen=True, slots=True)
class Received:
    """A message came from the bot.

    Attributes:
        at: When its last byte came out of the socket; the emulated network comes after that.
        message: What it said, or what was wrong with it.
        fate: What became of it.
        stream_id: The stream on whose socket it came; the message itself may name none.
    """

    at: float
    message: Command | Rejected
    fate: Fate
    stream_id: str = ""


@dataclass(frozen=True, slots=True)
class Sound:
    """20 ms of both sides of the call.

    Attributes:
        at: When the first sample sounds; the next `Sound` follows 20 ms of the line later.
        said: What the caller says, after the leg: 960 bytes. It is sent when it is complete.
        heard: What the caller hears, after the leg: 960 bytes.
        step: What the line played of the bot, before the leg and without prompts.
    """

    at: float
    said: bytes
    heard: bytes
    step: Step


@dataclass(frozen=True, slots=True)
class Pressed:
    """The caller presses a key.

    Attributes:
        at: When it goes down: the beginning of a `Sound`.
        key: One of `0` to `9`, `*`, `#`, `A` to `D`.
    """

    at: float
    key: str


@dataclass(frozen=True, slots=True)
class StepBegan:
    """A scripted caller begins a step of its script.

    Attributes:
        at: When: the beginning of a `Sound`.
        number: Which, from 1 on.
    """

    at: float
    number: int


@dataclass(frozen=True, slots=True)
class NetworkChanged:
    """The network has other faults from now on.

    Attributes:
        at: When.
        network: Which; its `seed` is the call's, as before.
    """

    at: float
    network: NetworkSettings


@dataclass(frozen=True, slots=True)
class Ended:
    """Nothing more is said or heard.

    Attributes:
        at: When.
        reason: Who ended it, or what.
    """

    at: float
    reason: str


@dataclass(frozen=True, slots=True)
class Requested:
    """The account's server made a REST request about the call.

    Attributes:
        at: When it came, which may be before the call was answered.
        route: Its method and path, with `{id}` for an id.
        status: What it was answered, or `None` if a fault has kept the answer back.
        secs: How long that took.
    """

    at: float
    route: str
    status: int | None
    secs: float


@dataclass(frozen=True, slots=True)
class Notified:
    """The account's server was sent a webhook about the call.

    Attributes:
        at: When, which may be before the call was answered or after its end.
        event: Its `event_type`, or `post-call`.
        scope: By whose URL: `call`, `number` or `account`.
        status: The answer, or `None` if there was none.
        secs: How long that took.
    """

    at: float
    event: str
    scope: str
    status: int | None
    secs: float


Observation = (
    Began
    | Sent
    | Received
    | Sound
    | Pressed
    | StepBegan
    | NetworkChanged
    | MarkPlayed
    | Cleared
    | Underrun
    | Ended
    | Requested
    | Notified
)
"""Any of the above, and the line's own events but for `Step`, which is a part of `Sound`."""

Observer = Callable[[Observation], None]
"""Called synchronously, in the event loop: be quick. An error it raises ends the call."""
