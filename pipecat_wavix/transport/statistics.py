"""What happened on a call, in numbers."""

from dataclasses import dataclass, field


@dataclass
class CallStatistics:
    """The numbers of one call, as the bot's end of the line saw them.

    Attributes:
        duration_secs: From the transport's start to its end.
        media_in: Messages of audio from Wavix.
        media_out: Messages of audio to Wavix.
        gaps_in: Events that never came, by the gaps in `sequence_number`.
        rejected: How often each kind of message could not be used.
        underruns: How often the caller heard a gap within speech, as far as we can tell.
        round_trip_secs: The least round trip of late; None if no mark ever came back.
        marks_returned: Marks that came back.
        marks_lost: Marks that never did.
        barge_ins: Interruptions that sent a clear.
        clear_secs: For each of them, seconds from the InterruptionFrame to the clear on the wire.
        drain_secs: How long the end of the call waited for its last word to be heard; None if it
            did not.
        fully_heard: Whether the last word was heard: `confirmed` by marks, `estimated`, or `cut`.
            None if the call did not end with an EndFrame.
        hung_up: Whether we hung up: True; False if that failed; None if there was no way to.
        far_end_left: Whether the stream was stopped or closed before the bot ended the call.
    """

    duration_secs: float = 0.0
    media_in: int = 0
    media_out: int = 0
    gaps_in: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    underruns: int = 0
    round_trip_secs: float | None = None
    marks_returned: int = 0
    marks_lost: int = 0
    barge_ins: int = 0
    clear_secs: list[float] = field(default_factory=list)
    drain_secs: float | None = None
    fully_heard: str | None = None
    hung_up: bool | None = None
    far_end_left: bool = False

    def __str__(self) -> str:
        """One line for a log."""
        ms = f"{self.round_trip_secs * 1000:.0f} ms" if self.round_trip_secs is not None else "none"
        parts = [
            f"{self.duration_secs:.1f} s",
            f"media {self.media_in} in, {self.media_out} out",
            f"gaps {self.gaps_in}",
            f"underruns {self.underruns}",
            f"round trip {ms}",
            f"marks {self.marks_returned} returned, {self.marks_lost} lost",
            f"barge-ins {self.barge_ins}",
        ]
        if self.drain_secs is not None:
            parts.append(f"drained in {self.drain_secs:.2f} s, {self.fully_heard}")
        if self.hung_up is not None:
            parts.append("hung up" if self.hung_up else "hang-up FAILED")
        if self.rejected:
            parts.append(f"rejected {self.rejected}")
        return "; ".join(parts)
