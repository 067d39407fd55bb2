"""`WavixFrameSerializer`: Wavix's wire for a transport that somebody else wrote.

It turns frames into messages and messages into frames, one at a time. It sees neither the socket
nor the far end's playout, so it cannot know what was heard: `WavixTransport` does.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, Literal

from loguru import logger
from pipecat.frames.frames import (
    AudioRawFrame,
    CancelFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
    UserAudioRawFrame,
)
from pipecat.processors.frame_processor import FrameProcessorSetup
from pipecat.serializers.base_serializer import FrameSerializer
from pydantic import Field

from pipecat_wavix import client
from pipecat_wavix.frames import (
    WavixConnectedFrame,
    WavixMarkFrame,
    WavixMarkReturnedFrame,
    WavixStreamStartedFrame,
    WavixStreamStoppedFrame,
)
from pipecat_wavix.protocol import (
    FRAME_BYTES,
    FRAME_MS,
    SAMPLE_RATE,
    Clear,
    Connected,
    Mark,
    MarkName,
    Media,
    PlaceMark,
    PlayMedia,
    PlayPayload,
    Rejected,
    Start,
    dump,
    parse,
)
from pipecat_wavix.resampler import StreamResampler

_ON_ITS_WAY_SECS = 0.3  # what audio may take to the caller's ear beyond its own duration

HangUp = Callable[[], Awaitable[None]]


class WavixFrameSerializer(FrameSerializer):
    """Serializer for Wavix Call Media Streaming, a drop-in for pipecat-wavix 1.1.

    Use it with Pipecat's `FastAPIWebsocketTransport` at `audio_out_10ms_chunks=2`: then every
    message that it makes holds exactly 20 ms. Longer frames become messages of several times
    20 ms, and what is left of a frame is carried to the next.

    An interruption sends a clear, unless uninterruptible audio is still to be heard. Pipecat's
    `FastAPIWebsocketTransport` does not pass that flag on, so there it always does.

    When credentials (or a `hang_up` of your own) are given, the call is hung up on `EndFrame` and
    `CancelFrame`, once.

    Attributes:
        rejected: How often each kind of message was rejected.
    """

    WAVIX_SAMPLE_RATE: Final = SAMPLE_RATE
    NUM_CHANNELS: Final = 1
    BYTES_PER_SAMPLE: Final = 2
    FRAME_DURATION_MS: Final = FRAME_MS
    FRAME_BYTES: Final = FRAME_BYTES

    class InputParams(FrameSerializer.InputParams):
        """Configuration parameters for WavixFrameSerializer.

        Parameters:
            wavix_sample_rate: Samples a second on the wire, in Hz. Wavix's is 24000.
            sample_rate: Samples a second of the pipeline's input, in Hz; None: the pipeline's own.
            audio_track: The track to listen to; None: both, each as `UserAudioRawFrame` with
                its track as `user_id`.
            auto_hang_up: Whether to end the call on EndFrame and CancelFrame. None: if it can be
                (1.1 knew neither credentials nor hang-up). True: refuse to be built otherwise.
            ignore_rtvi_messages: Inherited from base FrameSerializer, defaults to True.
        """

        wavix_sample_rate: int = Field(default=SAMPLE_RATE, gt=0)
        sample_rate: int | None = Field(default=None, gt=0)
        audio_track: Literal["inbound", "outbound"] | None = "inbound"
        auto_hang_up: bool | None = None

    def __init__(
        self,
        stream_id: str,
        params: InputParams | None = None,
        *,
        call_id: str | None = None,
        api_key: str | None = None,
        base_url: str = client.BASE_URL,
        hang_up: HangUp | None = None,
    ):
        """Initialize the WavixFrameSerializer.

        Args:
            stream_id: The stream's id, from its `start` event.
            params: Configuration parameters.
            call_id: The call's id, from the `start` event; needed for the hang-up.
            api_key: The key of Wavix's REST API; needed for the hang-up.
            base_url: Where Wavix's REST API lives.
            hang_up: Ends the call, in place of `call_id` and `api_key`.

        Raises:
            ValueError: If `auto_hang_up` is True and there is no way to hang up, or if the id, the key
                or the URL to do it with cannot be right.
        """
        params = params or WavixFrameSerializer.InputParams()
        super().__init__(params)
        self._params: WavixFrameSerializer.InputParams = params
        self._stream_id = stream_id
        self._hang_up = _choose_hang_up(params.auto_hang_up, call_id, api_key, base_url, hang_up)

        self._wire_rate = params.wavix_sample_rate
        self._frame_bytes = self._wire_rate * FRAME_MS // 1000 * 2
        self._sample_rate = params.sample_rate or 0

        self._input_resamplers = {track: StreamResampler() for track in ("inbound", "outbound")}
        self._output_resampler = StreamResampler()
        self._remainder = b""
        self._played_at = 0.0  # when what was sent will have been played, if nothing delays it
        self._protected_until = 0.0  # ... and when the last uninterruptible audio of it
        self._warned_of_size = False
        self.rejected: Counter[str] = Counter()

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        """Sets up the serializer with pipeline configuration.

        Args:
            setup: Configuration object containing setup parameters.
        """
        self._sample_rate = self._params.sample_rate or setup.audio_in_sample_rate

    async def serialize(self, frame: Frame) -> str | bytes | None:
        """Serializes a Pipecat frame to a Wavix message.

        Args:
            frame: The Pipecat frame to serialize.

        Returns:
            The message, or None if there is none to send for this frame (yet).
        """
        if isinstance(frame, EndFrame | CancelFrame):
            return await self._end(frame)
        if isinstance(frame, InterruptionFrame):
            return await self._clear()
        if isinstance(frame, AudioRawFrame):
            return await self._play(frame)
        if isinstance(frame, WavixMarkFrame):
            return dump(PlaceMark(mark=MarkName(name=frame.mark), stream_id=self._stream_id))
        if isinstance(frame, OutputTransportMessageFrame | OutputTransportMessageUrgentFrame):
            return None if self.should_ignore_frame(frame) else json.dumps(frame.message)
        return None

    async def deserialize(self, data: str | bytes) -> Frame | None:
        """Deserializes a Wavix message to a Pipecat frame. Never raises on any input.

        What cannot be used is counted in `rejected` and logged once a kind, without its content.

        Args:
            data: One WebSocket message.

        Returns:
            The frame, or None if the message was rejected or holds audio that is not wanted.
        """
        event = parse(data)
        match event:
            case Rejected():
                self._reject(event.kind, event.reason)
                return None
            case Media():
                return await self._hear(event)
            case Mark():
                return WavixMarkReturnedFrame(mark=event.mark.name)
            case Connected():
                return WavixConnectedFrame()
            case Start():
                return WavixStreamStartedFrame(
                    call_id=event.call_id,
                    stream_id=event.stream_id,
                    stream_type=event.stream_type,
                    channel=event.channel,
                )
            case _:
                return WavixStreamStoppedFrame()

    async def _hear(self, event: Media) -> Frame | None:
        track = event.media.track
        if track not in self._input_resamplers:
            self._reject("unknown_track", "neither inbound nor outbound")
            return None
        if self._params.audio_track not in (None, track):
            return None
        if not self._sample_rate:
            self._reject("not_set_up", "the pipeline has not started; set sample_rate")
            return None
        audio = await self._input_resamplers[track].resample(
            event.media.payload, self._wire_rate, self._sample_rate
        )
        if not audio:
            return None
        if self._params.audio_track is None:
            return UserAudioRawFrame(
                user_id=track, audio=audio, sample_rate=self._sample_rate, num_channels=1
            )
        return InputAudioRawFrame(audio=audio, sample_rate=self._sample_rate, num_channels=1)

    def _reject(self, kind: str, reason: str) -> None:
        self.rejected[kind] += 1
        if self.rejected[kind] == 1:
            logger.warning(f"{self}: dropped a message, {kind}: {reason} (logged once a kind)")

    async def _play(self, frame: AudioRawFrame) -> str | None:
        if frame.num_channels != 1:
            self._reject("not_mono", f"{frame.num_channels} channels; set one")
            return None
        audio = self._remainder + await self._output_resampler.resample(
            frame.audio, frame.sample_rate, self._wire_rate
        )
        whole = len(audio) - len(audio) % self._frame_bytes
        self._remainder = audio[whole:]
        if whole > self._frame_bytes and not self._warned_of_size and any(audio):
            self._warned_of_size = True
            logger.warning(
                f"{self}: frames of {whole // self._frame_bytes * FRAME_MS} ms; Wavix sends and "
                f"documents {FRAME_MS} ms. Set the transport's audio_out_10ms_chunks=2."
            )
        if not whole:
            return None
        self._note_sent(whole, interruptible=getattr(frame, "interruptible", True))
        return self._media(audio[:whole])

    def _media(self, audio: bytes) -> str:
        return dump(PlayMedia(media=PlayPayload(payload=audio), stream_id=self._stream_id))

    def _note_sent(self, size: int, *, interruptible: bool) -> None:
        secs = size / 2 / self._wire_rate
        self._played_at = max(self._played_at, time.monotonic()) + secs
        if not interruptible:
            self._protected_until = self._played_at

    async def _clear(self) -> str | None:
        # The caller's audio flows on through a barge-in, so its resamplers keep their state: only
        # what was to be said is forgotten.
        if time.monotonic() < self._protected_until + _ON_ITS_WAY_SECS:
            return None
        await self._output_resampler.reset()
        self._remainder = b""
        self._played_at = 0.0
        return dump(Clear(stream_id=self._stream_id))

    async def _end(self, frame: EndFrame | CancelFrame) -> str | None:
        hang_up, self._hang_up = self._hang_up, None
        if hang_up:
            try:
                await asyncio.wait_for(hang_up(), client.HANG_UP_TIMEOUT_SECS + 1)
            except Exception as error:  # a hang-up of the bot's author may raise anything
                logger.error(f"{self}: could not hang up: {type(error).__name__}: {error}")
            return None
        if isinstance(frame, CancelFrame):
            return None
        tail = self._remainder + await self._output_resampler.flush()
        self._remainder = b""
        return self._media(tail + bytes(-len(tail) % self._frame_bytes)) if tail else None


def _choose_hang_up(
    wanted: bool | None,
    call_id: str | None,
    api_key: str | None,
    base_url: str,
    hang_up: HangUp | None,
) -> HangUp | None:
    """The way to end the call, or None if it is not wanted or, unless asked for, not possible."""
    if wanted is False:
        return None
    if hang_up:
        return hang_up
    missing = [name for name, value in (("call_id", call_id), ("api_key", api_key)) if not value]
    if call_id and api_key:
        client.check_id(call_id, name="call_id")
        return partial(client.WavixClient(api_key, base_url=base_url).hang_up, call_id)
    if wanted:
        raise ValueError(
            f"auto_hang_up is enabled but {' and '.join(missing)} missing. Pass them, or hang_up, "
            "or set auto_hang_up=False."
        )
    return None
