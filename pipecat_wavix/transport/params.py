"""What can be set about a `WavixTransport`, and why it is set as it is."""

from pathlib import Path
from typing import Literal

from pipecat.transports.base_transport import TransportParams
from pydantic import Field


class WavixParams(TransportParams):
    """Configuration parameters for WavixTransport.

    Parameters:
        audio_in_enabled: Listen to the caller.
        audio_out_enabled: Speak to the caller.
        audio_in_channels: 2 with `audio_track=None`: both tracks of a oneway stream as one stereo
            frame, the caller left.
        audio_out_end_silence_secs: 0: the end of a call waits until all was heard, so it needs no
            silence to play behind it. 0 to 5.
        audio_track: The track to listen to; None: both, each as `UserAudioRawFrame` with its track
            as `user_id`. A twoway stream carries `inbound` alone.
        speech_lead_secs: How much speech Wavix may hold ahead of the ear. Whatever stalls the bot
            for less is not heard. A barge-in costs no more for it, for a clear empties it all; but
            speech-to-speech services are noticed to fall silent that much later. 0.06 to 10.
        background_lead_secs: The same for a mixer's background alone. Less, for speech queues
            behind it. 0.06 to 10.
        mark_interval_secs: Seconds of audio from one mark to the next, 0.04 to 2.
        drain_grace_secs: How long the end of a call waits for the last mark beyond the time at
            which it is expected, 0 to 30.
        estimate_cut_sentences: At a barge-in, commit the part of a cut sentence that was heard, by
            the fraction of its audio, where the TTS gives no word times. Otherwise the whole
            sentence is left out.
        session_timeout: Seconds until `on_session_timeout`, above 0; None: never.
        trace: A folder for the bot's half of each call's trace, `<call_id>.bot.jsonl`; None: none is
            written. It holds no audio and no numbers.
        trace_texts: Write the words that were said into it, too, and not only how long they are.
    """

    audio_in_enabled: bool = True
    audio_out_enabled: bool = True
    audio_in_channels: Literal[1, 2] = 1
    audio_out_channels: Literal[1] = 1
    audio_out_end_silence_secs: int = Field(default=0, ge=0, le=5)
    audio_track: Literal["inbound", "outbound"] | None = "inbound"
    speech_lead_secs: float = Field(default=0.5, ge=0.06, le=10)
    background_lead_secs: float = Field(default=0.1, ge=0.06, le=10)
    mark_interval_secs: float = Field(default=0.2, ge=0.04, le=2)
    drain_grace_secs: float = Field(default=2.0, ge=0, le=30)
    estimate_cut_sentences: bool = True
    session_timeout: float | None = Field(default=None, gt=0)
    trace: Path | None = None
    trace_texts: bool = False
