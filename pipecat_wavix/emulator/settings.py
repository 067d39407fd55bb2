"""How a call is made: all that is chosen before it begins, but the bot and the caller.

It knows values and their limits. It refuses to know what is done with them.
"""

from dataclasses import dataclass, field
from math import inf
from typing import Final, Literal, get_args

from pipecat_wavix.emulator.leg import LegKind
from pipecat_wavix.emulator.network import NetworkSettings
from pipecat_wavix.phoneline import LineSettings

StreamType = Literal["twoway", "oneway"]
Channel = Literal["inbound", "outbound", "both"]
Counters = Literal["integers", "strings"]

MAX_RECONNECTS: Final = 100
"""The most that can be set for a stream."""

_CHOICES: Final = {
    "stream_type": get_args(StreamType),
    "channel": get_args(Channel),
    "leg": get_args(LegKind),
    "mouth_leg": (None, *get_args(LegKind)),
    "counters": get_args(Counters),
}


@dataclass(frozen=True, kw_only=True)
class CallSettings:
    """Everything about a call but the bot and the caller.

    The streams of a `Telephone` are told their type, channel and id when they are started; those
    below are a `Call`'s.

    Attributes:
        stream_type: `twoway`, or `oneway`: the bot only listens.
        channel: What is captured. A twoway stream carries the inbound track whatever this says; a
            oneway stream of `both` sends one message a track.
        leg: The telephone leg, both ways.
        mouth_leg: The leg from the caller's mouth, where it is another: `clean` for a voice that has
            been through one already. `None`: the same.
        line: How the far end plays what the bot sends.
        network: The faults of the network between.
        counters: Whether `sequence_number`, `chunk` and `timestamp` are integers, as Wavix's
            specification has them, or strings, as its announcement.
        stop_before_close: Whether `stop` comes before the socket is closed.
        strict: Whether audio of another length than 20 ms is reported; it is played all the same.
        call_id: A UUID; `None` to make one from the network's seed.
        stream_id: A UUID; `None` to make one from the network's seed.
        max_secs: When the far end hangs up, in seconds.
        silence_after_bot_secs: How long the call goes on if the bot refuses or closes the socket,
            while what is buffered plays out. `None`: the call stays up, but a `Call`, which is its
            one stream, ends at once. What Wavix does is unknown.
        reconnects: How often a stream dials the bot anew, with a new `start`, if the bot refuses or
            closes its socket. What Wavix does is unknown.
        drop_buffer_with_stream: Whether what is still buffered is dropped when the twoway stream
            ends and the call goes on, or is played out. What Wavix does is unknown.
        dtmf_in_audio: Whether a key that the caller presses is heard by the bot, as two tones. Most
            trunks take them out of the audio; what Wavix does is unknown.
        connect_timeout_secs: For the TCP connection and both handshakes together, in seconds.

    Raises:
        ValueError: A value is out of its range.
    """

    stream_type: StreamType = "twoway"
    channel: Channel = "inbound"
    leg: LegKind = "g711u"
    mouth_leg: LegKind | None = None
    line: LineSettings = field(default_factory=LineSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    counters: Counters = "integers"
    stop_before_close: bool = True
    strict: bool = False
    call_id: str | None = None
    stream_id: str | None = None
    max_secs: float = 3600.0
    silence_after_bot_secs: float | None = None
    reconnects: int = 0
    drop_buffer_with_stream: bool = False
    dtmf_in_audio: bool = False
    connect_timeout_secs: float = 10.0

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if (value := getattr(self, name)) not in choices:
                raise ValueError(f"{name} is {value!r}: give one of {', '.join(map(str, choices))}")
        for name in ("max_secs", "connect_timeout_secs"):
            if not 0 < (value := getattr(self, name)) < inf:
                raise ValueError(f"{name} is {value}: give seconds above 0")
        silence_secs = self.silence_after_bot_secs
        if silence_secs is not None and not 0 <= silence_secs < inf:
            raise ValueError(
                f"silence_after_bot_secs is {silence_secs}: give 0 or more seconds, or None"
            )
        if not 0 <= self.reconnects <= MAX_RECONNECTS:
            raise ValueError(f"reconnects is {self.reconnects}: give 0 to {MAX_RECONNECTS}")
