"""The bot's ear: the caller's audio becomes frames at the pipeline's rate.

It knows tracks. It refuses to read the socket: the connection does, and outlives it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
from pipecat.frames.frames import (
    CancelFrame,
    ClientConnectedFrame,
    EndFrame,
    InputAudioRawFrame,
    StartFrame,
    UserAudioRawFrame,
)
from pipecat.transports.base_input import BaseInputTransport

from pipecat_wavix.protocol import SAMPLE_RATE, Media
from pipecat_wavix.resampler import StreamResampler
from pipecat_wavix.transport.connection import Connection
from pipecat_wavix.transport.params import WavixParams
from pipecat_wavix.transport.statistics import CallStatistics

_TRACKS = ("inbound", "outbound")
_STEREO_SLACK_SECS = 0.1  # how far one track may be behind the other before silence fills in


class WavixInputTransport(BaseInputTransport):
    """The input of a `WavixTransport`."""

    def __init__(
        self,
        connection: Connection,
        params: WavixParams,
        statistics: CallStatistics,
        *,
        on_connected: Callable[[], Awaitable[None]],
        on_session_timeout: Callable[[], Awaitable[None]],
        **kwargs: Any,
    ):
        """Initialize the input.

        Args:
            connection: The stream's socket.
            params: Transport configuration parameters.
            statistics: Where to count.
            on_connected: Called when the input has started.
            on_session_timeout: Called when the session has lasted too long.
            **kwargs: Additional arguments passed to parent class.
        """
        super().__init__(params, **kwargs)
        self._wavix = params
        self._connection = connection
        self._statistics = statistics
        self._on_connected = on_connected
        self._on_session_timeout = on_session_timeout
        self._resamplers = {track: StreamResampler() for track in _TRACKS}
        self._sides = {track: bytearray() for track in _TRACKS}
        self._listening = False
        self._timeout_task: asyncio.Task[None] | None = None

    async def start(self, frame: StartFrame) -> None:
        """Start to listen.

        Args:
            frame: The start frame.
        """
        await super().start(frame)
        await self.set_transport_ready(frame)
        if self._wavix.session_timeout and self._timeout_task is None:
            self._timeout_task = self.create_task(
                self._time_out(self._wavix.session_timeout), name="session-timeout"
            )
        await self._on_connected()
        await self.push_frame(ClientConnectedFrame())
        self._connection.on_media = self._hear
        self._listening = True
        self._connection.start()

    async def stop(self, frame: EndFrame) -> None:
        """Stop to listen. The connection reads on: the marks of the last words are still to come.

        Args:
            frame: The end frame.
        """
        await self._stop_listening()
        await super().stop(frame)

    async def cancel(self, frame: CancelFrame) -> None:
        """Stop to listen.

        Args:
            frame: The cancel frame.
        """
        await self._stop_listening()
        await super().cancel(frame)

    async def cleanup(self) -> None:
        """Release all resources, whichever way the call ended."""
        await self._stop_listening()
        await super().cleanup()

    async def _stop_listening(self) -> None:
        self._listening = False
        if self._timeout_task:
            task, self._timeout_task = self._timeout_task, None
            await self.cancel_task(task)

    async def _time_out(self, secs: float) -> None:
        await asyncio.sleep(secs)
        await self._on_session_timeout()

    async def _hear(self, event: Media) -> None:
        self._statistics.media_in += 1
        track = event.media.track
        if track not in self._resamplers:
            self._connection.reject("unknown_track", "neither inbound nor outbound")
            return
        if not self._listening or self._wavix.audio_track not in (None, track):
            return
        audio = self._resamplers[track].push(event.media.payload, SAMPLE_RATE, self.sample_rate)
        if not audio:
            return
        if self._wavix.audio_track:
            frame = InputAudioRawFrame(audio=audio, sample_rate=self.sample_rate, num_channels=1)
        elif self._wavix.audio_in_channels == 1:
            frame = UserAudioRawFrame(
                user_id=track, audio=audio, sample_rate=self.sample_rate, num_channels=1
            )
        else:
            self._sides[track] += audio
            audio = self._take_stereo()
            if not audio:
                return
            frame = InputAudioRawFrame(audio=audio, sample_rate=self.sample_rate, num_channels=2)
        await self.push_audio_frame(frame)

    def _take_stereo(self) -> bytes:
        """Take what both tracks have, the caller left; a track that lags behind was silent."""
        left, right = (self._sides[track] for track in _TRACKS)
        slack = int(_STEREO_SLACK_SECS * self.sample_rate) * 2
        if abs(len(left) - len(right)) > slack:
            shorter = min(left, right, key=len)
            shorter += bytes(max(len(left), len(right)) - len(shorter))
        size = min(len(left), len(right))
        sides = [np.frombuffer(bytes(side[:size]), "<i2") for side in (left, right)]
        del left[:size], right[:size]
        return np.column_stack(sides).astype("<i2").tobytes()
