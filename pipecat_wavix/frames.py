"""The frames that Wavix adds to Pipecat's: marks, the stream's begin and end, cut text.

They are plain data. A bot sends `WavixMarkFrame` and observes the others.
"""

from dataclasses import dataclass, field

from pipecat.frames.frames import OutputTransportMessageFrame, SystemFrame, TTSTextFrame


@dataclass
class WavixMarkFrame(OutputTransportMessageFrame):
    """A mark, placed among the audio in the pipeline's order.

    Wavix sends the mark back when the audio before it has been played.

    Parameters:
        mark: The mark's name. It comes back in a `WavixMarkReturnedFrame`.
    """

    message: dict[str, object] = field(default_factory=dict, init=False)
    mark: str

    def __post_init__(self) -> None:
        super().__post_init__()
        self.message = {"event": "mark", "mark": {"name": self.mark}}

    def __str__(self) -> str:
        return f"{self.name}(mark: {self.mark!r})"


@dataclass
class WavixMarkReturnedFrame(SystemFrame):
    """A mark has come back.

    Parameters:
        mark: The mark's name.
        heard: Whether the caller has heard the audio before it, or it was cleared. None where that
            is not known: Wavix may return the marks of cleared audio as well, and a serializer
            sees no more than their return.
    """

    mark: str
    heard: bool | None = None

    def __str__(self) -> str:
        return f"{self.name}(mark: {self.mark!r}, heard: {self.heard})"


@dataclass
class WavixCutTextFrame(TTSTextFrame):
    """The part of a sentence that was heard before a barge-in cut it: an estimate.

    It is made where the TTS gives no word times, from the fraction of the sentence's audio that was
    heard, and goes into the assistant's context as any other spoken text.
    """


@dataclass
class WavixConnectedFrame(SystemFrame):
    """Wavix has opened the media socket."""


@dataclass
class WavixStreamStartedFrame(SystemFrame):
    """The media stream has begun.

    Parameters:
        call_id: The call's id in the REST API.
        stream_id: The stream's id.
        stream_type: `oneway` or `twoway`.
        channel: The captured leg: `inbound`, `outbound` or `both`.
    """

    call_id: str
    stream_id: str
    stream_type: str
    channel: str


@dataclass
class WavixStreamStoppedFrame(SystemFrame):
    """The media stream has ended; Wavix closes the socket."""
