"""AssemblyAI's streaming transcription: turns that grow, and end at a pause or when forced to.

The WebSocket /v3/ws of AssemblyAI's API reference ("Streaming API", "Message Sequence").
"""

import json
from collections.abc import Iterable

import pytest
from aiohttp import WSMsgType, web
from pipecat.services.assemblyai.stt import AssemblyAISTTService

from . import with_arguments
from .speech import Listener, Script, Transcript, words_of

KEY = "canary-assemblyai_api_key"

_PARAMETERS = {
    *("speech_model", "sample_rate", "encoding", "format_turns", "keyterms_prompt", "prompt"),
    *("end_of_turn_confidence_threshold", "min_turn_silence", "max_turn_silence", "vad_threshold"),
    *("language_detection", "language_code", "language_codes", "speaker_labels", "domain", "mode"),
    *("continuous_partials", "interruption_delay", "previous_context_n_turns", "agent_context"),
    *("voice_focus", "voice_focus_threshold", "inactivity_timeout", "formatted_finals"),
    "word_finalization_max_wait_time",
}


class AssemblyAI:
    """Understands the next of its phrases each time that it hears one.

    Attributes:
        streams: What was heard, one a connection.
        refused: Why connections or messages were refused.
    """

    def __init__(self, hears: Iterable[str] = ()) -> None:
        self._script = Script(hears)
        self.streams: list[Listener] = []
        self.refused: list[str] = []

    def routes(self) -> list[web.AbstractRouteDef]:
        """What it answers."""
        return [web.get("/v3/ws", self._listen)]

    def redirect(self, host: str, patch: pytest.MonkeyPatch) -> None:
        """Send Pipecat's service here."""
        url = f"ws://{host}/v3/ws"
        with_arguments(patch, AssemblyAISTTService, api_endpoint_base_url=url)

    async def _listen(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != KEY:
            self.refused.append("the key")
            return web.Response(status=401, text="Unauthorized Connection")
        query = request.query
        unknown = set(query) - _PARAMETERS
        if unknown or "speech_model" not in query or not query.get("sample_rate", "").isdecimal():
            self.refused.append(f"parameters: {dict(query)}")
            return web.Response(status=400, text="Invalid parameters")
        if query.get("encoding", "pcm_s16le") != "pcm_s16le":
            self.refused.append(f"encoding {query['encoding']}")
            return web.Response(status=400, text="Invalid encoding")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        stream = Listener(self._script, int(query["sample_rate"]))
        self.streams.append(stream)
        await socket.send_json({"type": "Begin", "id": "session-1", "expires_at": 2_000_000_000})
        turns = 0
        async for message in socket:
            transcripts: list[Transcript | None] = []
            if message.type is WSMsgType.BINARY:
                transcripts += stream.hear(message.data)
            else:
                kind = json.loads(message.data)["type"]
                if kind == "Terminate":
                    secs = {"audio_duration_seconds": stream.secs}
                    secs["session_duration_seconds"] = stream.secs
                    await socket.send_json({"type": "Termination", **secs})
                    break
                if kind == "ForceEndpoint":
                    transcripts.append(stream.finish())
                elif kind not in ("UpdateConfiguration", "KeepAlive"):
                    self.refused.append(f"a message {kind!r}")
                    await socket.close(code=3006, message=b"Invalid message type")
            for transcript in filter(None, transcripts):
                await socket.send_json(_turn(transcript, turns))
                turns += transcript.is_final
        await socket.close()
        return socket


def _turn(transcript: Transcript, order: int) -> dict[str, object]:
    final = transcript.is_final
    words = [
        {
            "text": word.text,
            "start": round(word.start * 1000),
            "end": round(word.end * 1000),
            "confidence": 0.99,
            "word_is_final": final,
        }
        for word in words_of(transcript.text, after=transcript.start)
    ]
    return {
        "type": "Turn",
        "turn_order": order,
        "turn_is_formatted": final,
        "end_of_turn": final,
        "end_of_turn_confidence": 1.0 if final else 0.1,
        "transcript": transcript.text,
        "utterance": transcript.text if final else "",
        "words": words,
    }
