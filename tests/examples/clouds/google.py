"""Google's speech services over gRPC, and Gemini's generateContent over HTTP.

`google.cloud.speech.v2.Speech/StreamingRecognize`, `google.cloud.texttospeech.v1.TextToSpeech/
StreamingSynthesize` and `models/*:streamGenerateContent` of Google's API references. Google's own
clients are given a channel to this machine, for they know no other way here; a channel without TLS
carries no credentials, so whose they were is noted where a client is made.
"""

import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import grpc
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.cloud import speech_v2, texttospeech_v1 as texttospeech
from google.cloud.speech_v2.services.speech.transports import SpeechGrpcAsyncIOTransport
from google.cloud.speech_v2.types import cloud_speech as speech
from google.cloud.texttospeech_v1.services.text_to_speech.transports import (
    TextToSpeechGrpcAsyncIOTransport,
)
from google.genai.types import HttpOptions
from pipecat.services.google.llm import GoogleLLMService

from . import with_arguments
from .language import Call, RefusedError, Replies, Reply, refuse_unless, tokens
from .speech import Listener, Script, spoken

KEY = "canary-google_api_key"
PROJECT = "garden-shop"
EMAIL = f"bot@{PROJECT}.iam.gserviceaccount.com"

_AUDIO_BYTES = 25_600  # the longest piece of audio that Speech-to-Text takes
_FIELDS = {"contents", "systemInstruction", "tools", "toolConfig", "generationConfig"}


class GrpcStandIn(Protocol):
    """A service of Google behind gRPC."""

    def handlers(self) -> grpc.GenericRpcHandler:
        """What it answers."""

    def redirect(self, channel: grpc.aio.Channel, patch: pytest.MonkeyPatch) -> None:
        """Have Google's client use this channel."""


@asynccontextmanager
async def grpc_served(*stand_ins: GrpcStandIn, patch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Serve these on a port of their own, and send Google's clients there."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(tuple(stand_in.handlers() for stand_in in stand_ins))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.stop, None)
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{port}"))
        for stand_in in stand_ins:
            stand_in.redirect(channel, patch)
        yield


def service_account(folder: Path) -> Path:
    """Write the key of a service account that is nobody's."""
    key = rsa.generate_private_key(65_537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    account = {"type": "service_account", "project_id": PROJECT, "client_email": EMAIL}
    account |= {"private_key": pem, "token_uri": "https://oauth2.googleapis.com/token"}
    path = folder / "service_account.json"
    path.write_text(json.dumps(account))
    return path


async def _refuse_strangers(
    account: str, refused: list[str], context: grpc.aio.ServicerContext
) -> None:
    if account != EMAIL:
        refused.append(f"the account {account!r}")
        await context.abort(grpc.StatusCode.UNAUTHENTICATED, "invalid authentication credentials")


class GoogleSpeech:
    """Understands the next of its phrases each time that it hears one.

    Attributes:
        streams: What was heard, one a call.
        refused: Why calls were refused.
    """

    def __init__(self, hears: Iterable[str] = ()) -> None:
        self._script = Script(hears)
        self.streams: list[Listener] = []
        self.refused: list[str] = []
        self._account = ""

    def handlers(self) -> grpc.GenericRpcHandler:
        """What it answers."""
        method = grpc.stream_stream_rpc_method_handler(
            self._recognize,
            request_deserializer=speech.StreamingRecognizeRequest.deserialize,
            response_serializer=speech.StreamingRecognizeResponse.serialize,
        )
        return grpc.method_handlers_generic_handler(
            "google.cloud.speech.v2.Speech", {"StreamingRecognize": method}
        )

    def redirect(self, channel: grpc.aio.Channel, patch: pytest.MonkeyPatch) -> None:
        """Have Google's client use this channel."""
        client = speech_v2.SpeechAsyncClient

        def made(credentials: Any, client_options: object) -> speech_v2.SpeechAsyncClient:
            self._account = credentials.service_account_email
            return client(transport=SpeechGrpcAsyncIOTransport(channel=channel))

        patch.setattr(speech_v2, "SpeechAsyncClient", made)

    async def _recognize(
        self,
        requests: AsyncIterator[speech.StreamingRecognizeRequest],
        context: grpc.aio.ServicerContext,
    ) -> AsyncIterator[speech.StreamingRecognizeResponse]:
        await _refuse_strangers(self._account, self.refused, context)
        stream: Listener | None = None
        async for request in requests:
            try:
                if stream is None:
                    stream = Listener(self._script, _declared_rate(request))
                    self.streams.append(stream)
                    continue
                refuse_unless(len(request.audio) <= _AUDIO_BYTES, "Audio chunk is too long.")
            except RefusedError as error:
                self.refused.append(str(error))
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            for transcript in stream.hear(request.audio):
                alternative = speech.SpeechRecognitionAlternative(transcript=transcript.text)
                result = speech.StreamingRecognitionResult(
                    alternatives=[alternative], is_final=transcript.is_final, language_code="en-us"
                )
                yield speech.StreamingRecognizeResponse(results=[result])


def _declared_rate(request: speech.StreamingRecognizeRequest) -> int:
    recognizer = f"projects/{PROJECT}/locations/global/recognizers/_"
    refuse_unless(request.recognizer == recognizer, f"recognizer {request.recognizer!r}")
    config = request.streaming_config.config
    refuse_unless(config.model and config.language_codes, "a model and languages are required")
    audio = config.explicit_decoding_config
    linear16 = speech.ExplicitDecodingConfig.AudioEncoding.LINEAR16
    refuse_unless(audio.encoding == linear16, "the audio is raw")
    refuse_unless(audio.audio_channel_count == 1, "the audio is mono")
    refuse_unless(8000 <= audio.sample_rate_hertz <= 48_000, "sample_rate_hertz")
    return audio.sample_rate_hertz


class GoogleVoice:
    """Speaks each text, without word times.

    Attributes:
        texts: What it was given to speak, in order.
        refused: Why calls were refused.
    """

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.refused: list[str] = []
        self._account = ""

    def handlers(self) -> grpc.GenericRpcHandler:
        """What it answers."""
        method = grpc.stream_stream_rpc_method_handler(
            self._synthesize,
            request_deserializer=texttospeech.StreamingSynthesizeRequest.deserialize,
            response_serializer=texttospeech.StreamingSynthesizeResponse.serialize,
        )
        return grpc.method_handlers_generic_handler(
            "google.cloud.texttospeech.v1.TextToSpeech", {"StreamingSynthesize": method}
        )

    def redirect(self, channel: grpc.aio.Channel, patch: pytest.MonkeyPatch) -> None:
        """Have Google's client use this channel."""
        client = texttospeech.TextToSpeechAsyncClient

        def made(credentials: Any, client_options: object) -> texttospeech.TextToSpeechAsyncClient:
            self._account = credentials.service_account_email
            return client(transport=TextToSpeechGrpcAsyncIOTransport(channel=channel))

        patch.setattr(texttospeech, "TextToSpeechAsyncClient", made)

    async def _synthesize(
        self,
        requests: AsyncIterator[texttospeech.StreamingSynthesizeRequest],
        context: grpc.aio.ServicerContext,
    ) -> AsyncIterator[texttospeech.StreamingSynthesizeResponse]:
        await _refuse_strangers(self._account, self.refused, context)
        rate = 0
        async for request in requests:
            config = request.streaming_config
            if not rate:
                audio = config.streaming_audio_config
                rate = audio.sample_rate_hertz
                # Only these voices can be streamed.
                chirp = "Chirp3-HD" in config.voice.name and config.voice.language_code
                if not chirp or audio.audio_encoding != texttospeech.AudioEncoding.PCM or not rate:
                    self.refused.append(f"{config}")
                    await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "streaming_config")
                continue
            self.texts.append(request.input.text.strip())
            for word in request.input.text.split():
                audio_content = spoken(word, rate)
                yield texttospeech.StreamingSynthesizeResponse(audio_content=audio_content)


class Gemini:
    """A model that gives one scripted reply a request.

    Attributes:
        requests: The bodies of all requests that were not refused.
        refused: Why others were.
    """

    def __init__(self, replies: Iterable[Reply] = ()) -> None:
        self._replies = Replies(replies)
        self.requests: list[dict[str, Any]] = []
        self.refused: list[str] = []

    def routes(self) -> list[web.AbstractRouteDef]:
        """What it answers."""
        return [web.post("/v1beta/models/{model}:streamGenerateContent", self._generate)]

    def redirect(self, host: str, patch: pytest.MonkeyPatch) -> None:
        """Send Pipecat's service here."""
        with_arguments(
            patch, GoogleLLMService, http_options=HttpOptions(base_url=f"http://{host}/")
        )

    def said(self, number: int) -> list[tuple[str, str]]:
        """What a request tells that was said so far: (role, text), without function calls."""
        return [
            ("user" if content["role"] == "user" else "assistant", part["text"])
            for content in self.requests[number]["contents"]
            for part in content["parts"]
            if "text" in part
        ]

    def result(self, number: int) -> str:
        """What the last function of a request has answered."""
        return json.dumps(self.requests[number]["contents"][-1]["parts"][0]["functionResponse"])

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("X-Goog-Api-Key") != KEY:
            return self._refuse("API key not valid. Please pass a valid API key.")
        try:
            body = await request.json()
            _check(body)
            reply = self._replies.next()
            if isinstance(reply, Call):
                tools = [tool["functionDeclarations"] for tool in body.get("tools", [])]
                offered = [function["name"] for functions in tools for function in functions]
                refuse_unless(reply.name in offered, f"the script calls {reply.name}: {offered}")
        except (RefusedError, ValueError) as error:
            return self._refuse(str(error))
        self.requests.append(body)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        response.force_close()  # Pipecat's service leaves its connections open for good
        await response.prepare(request)
        with suppress(ConnectionError):  # it was interrupted
            for chunk in _chunks(reply, request.match_info["model"]):
                await response.write(f"data: {json.dumps(chunk)}\r\n\r\n".encode())
        return response

    def _refuse(self, message: str) -> web.Response:
        self.refused.append(message)
        error = {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}
        return web.json_response({"error": error}, status=400)


def _check(body: Mapping[str, Any]) -> None:
    unknown = set(body) - _FIELDS
    refuse_unless(not unknown, f"Invalid JSON payload received. Unknown name {unknown}")
    refuse_unless(body.get("contents"), "contents is not specified")
    called: list[str] = []
    for content in body["contents"]:
        refuse_unless(content.get("role") in ("user", "model"), "use a valid role: user, model.")
        refuse_unless(content.get("parts"), "contents.parts must not be empty.")
        parts = content["parts"]
        answered = [p["functionResponse"]["name"] for p in parts if "functionResponse" in p]
        refuse_unless(
            answered == called,
            "the number of function response parts is equal to the number of function call parts",
        )
        called = [p["functionCall"]["name"] for p in parts if "functionCall" in p]
    refuse_unless(body["contents"][-1]["role"] == "user", "the last content is the user's")


def _chunks(reply: Reply, model: str) -> list[dict[str, Any]]:
    if isinstance(reply, Call):
        parts: list[dict[str, Any]] = [
            {"functionCall": {"name": reply.name, "args": dict(reply.arguments)}}
        ]
    else:
        parts = [{"text": token} for token in tokens(reply)]
    usage = {"promptTokenCount": 9, "candidatesTokenCount": 3, "totalTokenCount": 12}
    chunks: list[dict[str, Any]] = [
        {
            "candidates": [{"content": {"parts": [part], "role": "model"}, "index": 0}],
            "usageMetadata": usage,
            "modelVersion": model,
        }
        for part in parts
    ]
    chunks[-1]["candidates"][0]["finishReason"] = "STOP"
    return chunks
