"""Deepgram's live transcription: interim results, final ones at a pause or when asked to finalize.

The WebSocket /v1/listen of Deepgram's API reference ("Live Audio", "Finalize", "Close Stream").
Numbers are written as they were spoken, in words, unless `numerals` asks for digits.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import replace

import pytest
from aiohttp import WSMsgType, web
from pipecat.services.deepgram.stt import DeepgramSTTService

from . import with_arguments
from .speech import Listener, Script, Transcript, words_of

KEY = "canary-deepgram_api_key"

_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_PARAMETERS = {
    *("model", "language", "encoding", "sample_rate", "channels", "multichannel", "version"),
    *("interim_results", "endpointing", "utterance_end_ms", "vad_events", "punctuate", "numerals"),
    *("smart_format", "profanity_filter", "redact", "diarize", "dictation", "detect_entities"),
    *("keyterm", "keywords", "search", "replace", "tag", "extra", "mip_opt_out"),
}


class Deepgram:
    """Understands the next of its phrases each time that it hears one.

    Attributes:
        streams: What was heard, one a connection.
        queries: The parameters of each connection.
        refused: Why others were refused.
    """

    def __init__(self, hears: Iterable[str] = ()) -> None:
        self._script = Script(hears)
        self.streams: list[Listener] = []
        self.queries: list[dict[str, str]] = []
        self.refused: list[str] = []

    def routes(self) -> list[web.AbstractRouteDef]:
        """What it answers."""
        return [web.get("/v1/listen", self._listen)]

    def redirect(self, host: str, patch: pytest.MonkeyPatch) -> None:
        """Send Pipecat's service here."""
        with_arguments(patch, DeepgramSTTService, base_url=f"ws://{host}")

    async def _listen(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Token {KEY}":
            return self._refuse(401, "INVALID_AUTH", "Invalid credentials.")
        query = dict(request.query)
        unknown = set(query) - _PARAMETERS
        if unknown or "model" not in query:
            return self._refuse(400, "Bad Request", f"{unknown or 'model'}: see the reference")
        if query.get("encoding") != "linear16" or not query.get("sample_rate", "").isdecimal():
            return self._refuse(400, "Bad Request", "raw audio needs encoding and sample_rate")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        stream = Listener(self._script, int(query["sample_rate"]))
        self.streams.append(stream)
        self.queries.append(query)
        interim = query.get("interim_results") == "true"
        numerals = query.get("numerals") == "true"
        async for message in socket:
            if message.type is WSMsgType.BINARY:
                for transcript in stream.hear(message.data):
                    if transcript.is_final or interim:
                        await socket.send_json(
                            _results(
                                transcript if numerals else _spelt(transcript), speech_final=True
                            )
                        )
                continue
            kind = json.loads(message.data)["type"]
            if kind == "Finalize":
                rest = stream.finish() or Transcript("", stream.secs, stream.secs, is_final=True)
                await socket.send_json(
                    _results(rest if numerals else _spelt(rest), from_finalize=True)
                )
            elif kind == "CloseStream":
                metadata = {"created": "2026-01-01T00:00:00Z", "sha256": "", "request_id": "r-1"}
                numbers = {"duration": stream.secs, "channels": 1, "transaction_key": "deprecated"}
                await socket.send_json({"type": "Metadata", **metadata, **numbers})
                break
            elif kind != "KeepAlive":
                self.refused.append(f"a message {kind!r}")
                await socket.close(code=1008, message=b"DATA-0000")
        await socket.close()
        return socket

    def _refuse(self, status: int, code: str, message: str) -> web.Response:
        self.refused.append(message)
        return web.json_response({"err_code": code, "err_msg": message}, status=status)


def _spelt(transcript: Transcript) -> Transcript:
    """With each digit as a word."""

    def spelt(digits: re.Match[str]) -> str:
        return " ".join(_DIGITS[int(digit)] for digit in digits[0])

    return replace(transcript, text=re.sub(r"[0-9]+", spelt, transcript.text))


def _results(transcript: Transcript, **flags: bool) -> dict[str, object]:
    words = [
        {"word": word.text, "start": word.start, "end": word.end, "confidence": 0.99}
        for word in words_of(transcript.text, after=transcript.start)
    ]
    alternative = {"transcript": transcript.text, "confidence": 0.99, "words": words}
    model = {"name": "general-nova-3", "version": "2026-01-01.0", "arch": "nova-3"}
    return {
        "type": "Results",
        "channel_index": [0, 1],
        "start": transcript.start,
        "duration": transcript.end - transcript.start,
        "is_final": transcript.is_final,
        "speech_final": transcript.is_final and flags.get("speech_final", False),
        "from_finalize": flags.get("from_finalize", False),
        "channel": {"alternatives": [alternative]},
        "metadata": {"request_id": "r-1", "model_info": model, "model_uuid": "m-1"},
    }
