"""The stand-ins refuse what the services refuse: else it would prove little that they answer."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from aiohttp import WSMsgType, WSServerHandshakeError, web
from aiohttp.test_utils import TestClient, TestServer
from clouds import anthropic, assemblyai, cartesia, deepgram, elevenlabs, google, openai
from google.api_core.exceptions import InvalidArgument, Unauthenticated
from google.cloud import speech_v2, texttospeech_v1

USER = {"role": "user", "content": "When are you open?"}
BOT = {"role": "assistant", "content": "From nine to six."}
CHAT = "/v1/chat/completions"
GEMINI = "/v1beta/models/gemini:streamGenerateContent"
VOICES = "/v1/text-to-speech/"
VOICE = f"{VOICES}{elevenlabs.VOICE}/multi-stream-input?model_id=m&output_format="
LISTEN = "/v1/listen?model=nova-3&encoding=linear16&sample_rate="

OPENAI = {"Authorization": f"Bearer {openai.KEY}"}
ANTHROPIC = {"X-Api-Key": anthropic.KEY, "anthropic-version": "2023-06-01"}
GOOGLE = {"x-goog-api-key": google.KEY}
DEEPGRAM = {"Authorization": f"Token {deepgram.KEY}"}
ASSEMBLYAI = {"Authorization": assemblyai.KEY}
CARTESIA = {"X-API-Key": cartesia.KEY, "Cartesia-Version": "2026-03-01"}
ELEVENLABS = {"xi-api-key": elevenlabs.KEY}

CHATS = {"model": "m", "stream": True}
MESSAGES = {"model": "m", "stream": True, "max_tokens": 10}


def contents(*roles):
    return {"contents": [{"role": role, "parts": [{"text": "Hello"}]} for role in roles]}


def speech(**fields):
    output = {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 24_000}
    voice = {"mode": "id", "id": "v"}
    message = {"model_id": "m", "transcript": "Hello", "context_id": "c", "continue": False}
    return {**message, "voice": voice, "output_format": output, **fields}


@pytest.mark.parametrize(
    ("model", "path", "headers", "body", "status"),
    [
        (openai.OpenAI, CHAT, OPENAI, {**CHATS, "messages": [USER]}, 200),
        (openai.OpenAI, CHAT, {}, {**CHATS, "messages": [USER]}, 401),
        (openai.OpenAI, CHAT, OPENAI, {**CHATS, "messages": []}, 400),
        (openai.OpenAI, CHAT, OPENAI, {**CHATS, "messages": [USER], "top_k": 1}, 400),
        (openai.OpenAI, CHAT, OPENAI, {**CHATS, "messages": [{"role": "tool"}]}, 400),
        (anthropic.Anthropic, "/v1/messages", ANTHROPIC, {**MESSAGES, "messages": [USER]}, 200),
        (anthropic.Anthropic, "/v1/messages", {}, {**MESSAGES, "messages": [USER]}, 401),
        (anthropic.Anthropic, "/v1/messages", ANTHROPIC, {**MESSAGES, "messages": [BOT]}, 400),
        (anthropic.Anthropic, "/v1/messages", ANTHROPIC, {"model": "m", "messages": [USER]}, 400),
        (google.Gemini, GEMINI, GOOGLE, contents("user"), 200),
        (google.Gemini, GEMINI, {}, contents("user"), 400),
        (google.Gemini, GEMINI, GOOGLE, contents("user", "assistant"), 400),
        (google.Gemini, GEMINI, GOOGLE, contents("user", "model"), 400),
    ],
)
async def test_a_model_refuses(model, path, headers, body, status):
    stand_in = model(["Yes."])
    async with served(stand_in) as client, client.post(path, json=body, headers=headers) as answer:
        await answer.read()
    assert answer.status == status
    assert bool(stand_in.refused) == (status != 200) != bool(stand_in.requests)


@pytest.mark.parametrize(
    ("service", "path", "headers", "status"),
    [
        (deepgram.Deepgram, f"{LISTEN}8000", DEEPGRAM, 101),
        (deepgram.Deepgram, f"{LISTEN}8000", {"Authorization": "Token of another"}, 401),
        (deepgram.Deepgram, LISTEN, DEEPGRAM, 400),
        (deepgram.Deepgram, f"{LISTEN}8000&temperature=1", DEEPGRAM, 400),
        (assemblyai.AssemblyAI, "/v3/ws?speech_model=m&sample_rate=16000", ASSEMBLYAI, 101),
        (assemblyai.AssemblyAI, "/v3/ws?speech_model=m&sample_rate=16000", {}, 401),
        (assemblyai.AssemblyAI, "/v3/ws?sample_rate=16000", ASSEMBLYAI, 400),
        (cartesia.Cartesia, "/tts/websocket", CARTESIA, 101),
        (cartesia.Cartesia, "/tts/websocket", {}, 401),
        (cartesia.Cartesia, "/tts/websocket", {"X-API-Key": cartesia.KEY}, 400),
        (elevenlabs.ElevenLabs, f"{VOICE}pcm_24000", ELEVENLABS, 101),
        (elevenlabs.ElevenLabs, f"{VOICE}pcm_24000", {}, 401),
        (elevenlabs.ElevenLabs, f"{VOICE}mp3_8000", ELEVENLABS, 400),
        (
            elevenlabs.ElevenLabs,
            f"{VOICES}None/multi-stream-input?output_format=pcm_24000",
            ELEVENLABS,
            400,
        ),
    ],
)
async def test_a_service_of_speech_refuses(service, path, headers, status):
    stand_in = service()
    async with served(stand_in) as client:
        try:
            async with client.ws_connect(path, headers=headers):
                answered = 101
        except WSServerHandshakeError as error:
            answered = error.status
    assert answered == status
    assert bool(stand_in.refused) == (status != 101)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (speech(), "chunk"),
        (speech(voice={"mode": "id", "id": None}), "error"),
        (speech(output_format={"container": "raw", "encoding": "pcm_s16le"}), "error"),
        (speech(pitch=2), "error"),
    ],
)
async def test_cartesia_refuses_texts_that_it_cannot_speak(message, kind):
    stand_in = cartesia.Cartesia()
    async with (
        served(stand_in) as client,
        client.ws_connect("/tts/websocket", headers=CARTESIA) as socket,
    ):
        await socket.send_json(message)
        answer = await socket.receive()
        assert answer.type is WSMsgType.TEXT
        assert answer.json()["type"] == kind
    assert bool(stand_in.refused) == (kind == "error")


RECOGNIZER = f"projects/{google.PROJECT}/locations/global/recognizers/_"


def recognition(recognizer=RECOGNIZER, **fields):
    audio = {"encoding": "LINEAR16", "sample_rate_hertz": 16_000, "audio_channel_count": 1}
    config = {"model": "telephony", "language_codes": ["en-US"], "explicit_decoding_config": audio}
    config = {"config": {**config, **fields}}
    return speech_v2.StreamingRecognizeRequest(recognizer=recognizer, streaming_config=config)


def synthesis(voice):
    config = {"voice": {"name": voice, "language_code": "en-US"}}
    config["streaming_audio_config"] = {"audio_encoding": "PCM", "sample_rate_hertz": 24_000}
    return texttospeech_v1.StreamingSynthesizeRequest(streaming_config=config)


async def asked(stand_in, requests, account=google.EMAIL):
    """Ask it as its client does, with the key of an account; answer all that it answers."""
    credentials = SimpleNamespace(service_account_email=account)

    async def sent():
        for request in requests:
            yield request

    if stand_in is google.GoogleSpeech:
        client = speech_v2.SpeechAsyncClient(credentials, None)
        answers = await client.streaming_recognize(requests=sent())
    else:
        client = texttospeech_v1.TextToSpeechAsyncClient(credentials, None)
        answers = await client.streaming_synthesize(requests=sent())
    return [answer async for answer in answers]


@pytest.mark.parametrize(
    ("stand_in", "requests", "refused"),
    [
        (google.GoogleSpeech, [recognition()], False),
        (google.GoogleSpeech, [recognition(recognizer="projects/other")], True),
        (google.GoogleSpeech, [recognition(model="")], True),
        (google.GoogleSpeech, [recognition(explicit_decoding_config={})], True),
        (
            google.GoogleSpeech,
            [recognition(), speech_v2.StreamingRecognizeRequest(audio=bytes(25_602))],
            True,
        ),
        (google.GoogleVoice, [synthesis("en-US-Chirp3-HD-Charon")], False),
        (google.GoogleVoice, [synthesis("en-US-Standard-A")], True),
    ],
)
async def test_a_service_of_google_refuses(stand_in, requests, refused, monkeypatch):
    service = stand_in()
    async with google.grpc_served(service, patch=monkeypatch):
        with pytest.raises(InvalidArgument) if refused else nullcontext():
            assert await asked(stand_in, requests) == []
    assert bool(service.refused) == refused


@pytest.mark.parametrize("stand_in", [google.GoogleSpeech, google.GoogleVoice])
async def test_a_service_of_google_refuses_another_account(stand_in, monkeypatch):
    service = stand_in()
    async with google.grpc_served(service, patch=monkeypatch):
        with pytest.raises(Unauthenticated):
            await asked(stand_in, [], account="another@elsewhere.iam.gserviceaccount.com")
    assert len(service.refused) == 1


def served(stand_in):
    application = web.Application()
    application.add_routes(stand_in.routes())
    return TestClient(TestServer(application))
