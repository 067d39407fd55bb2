"""The frames that Wavix adds to Pipecat's: marks, and the stream's begin and end.

They are plain data. A bot sends `WavixMarkFrame` and observes the others.
"""

from dataclasses import dataclass, field

from pipecat.frames.frames import OutputTransportMessageFrame, SystemFrame


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
        super().__post_init__()  # type: ignore[no-untyped-call]
        self.message = {"event": "mark", "mark": {"name": self.mark}}

    def __str__(self) -> str:
        return f"{self.name}(mark: {self.mark!r})"


@dataclass
class WavixMarkReturnedFrame(SystemFrame):
    """A mark has come back. By itself that is no proof that the audio before it was heard.

    Wavix may return the marks of audio that was cleared as well.

    Parameters:
        mark: The mark's name.
    """

    mark: str

    def __str__(self) -> str:
        return f"{self.name}(mark: {self.mark!r})"


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
