"""What OpenAI Realtime and Gemini Live refuse, their stand-ins refuse."""

import base64

import pytest
from aiohttp import WSMsgType, WSServerHandshakeError, web
from aiohttp.test_utils import TestClient, TestServer
from clouds import gemini_live, openai_realtime

REALTIME = "/v1/realtime?model=gpt-realtime"
OPENAI = {"Authorization": f"Bearer {openai_realtime.KEY}"}
LIVE = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
GOOGLE = {"x-goog-api-key": gemini_live.KEY}

PCM = base64.b64encode(bytes(960)).decode()
SPEECH = {"generationConfig": {"responseModalities": ["AUDIO"]}}
SETUP = {
    **SPEECH,
    "model": "models/gemini-live",
    "historyConfig": {"initialHistoryInClientContent": True},
}


def served(stand_in):
    application = web.Application()
    application.add_routes(stand_in.routes())
    return TestClient(TestServer(application))


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (REALTIME, OPENAI, 101),
        (REALTIME, {"Authorization": "Bearer of another"}, 401),
        (REALTIME, {}, 401),
        ("/v1/realtime", OPENAI, 400),
    ],
)
async def test_openai_realtime_refuses_strangers(path, headers, status):
    openai = openai_realtime.OpenAIRealtime()
    async with served(openai) as client:
        try:
            async with client.ws_connect(path, headers=headers):
                answered = 101
        except WSServerHandshakeError as error:
            answered = error.status
    assert answered == status
    assert bool(openai.refused) == (status != 101)


def update(**session):
    return {"type": "session.update", "session": {"type": "realtime", **session}}


def audio(**audio_format):
    return {"input": {"format": {"type": "audio/pcm", **audio_format}}}


def truncation(item_id):
    where = {"item_id": item_id, "content_index": 0}
    return {"type": "conversation.item.truncate", "audio_end_ms": 100, **where}


@pytest.mark.parametrize(
    ("event", "answer"),
    [
        (update(audio=audio(rate=24_000)), "session.updated"),
        (update(audio=audio(rate=16_000)), "error"),
        (update(temperature=1), "error"),
        ({"type": "session.refresh"}, "error"),
        ({"type": "input_audio_buffer.append", "audio": [1, 2]}, "error"),
        (truncation("nobody"), "error"),
    ],
)
async def test_openai_realtime_refuses_events_and_goes_on(event, answer):
    openai = openai_realtime.OpenAIRealtime(says=["Yes."])
    async with served(openai) as client, client.ws_connect(REALTIME, headers=OPENAI) as socket:
        assert (await socket.receive_json())["type"] == "session.created"
        await socket.send_json(event)
        assert (await socket.receive_json())["type"] == answer
        await socket.send_json({"type": "response.create"})
        assert (await socket.receive_json())["type"] == "response.created"
    [session] = openai.sessions
    assert len(session.refused) == (answer == "error")


@pytest.mark.parametrize(
    ("headers", "setup", "messages", "refused"),
    [
        (GOOGLE, SETUP, [], False),
        ({}, SETUP, [], True),
        ({"x-goog-api-key": "another"}, SETUP, [], True),
        (GOOGLE, {**SETUP, "model": "gemini-live"}, [], True),
        (GOOGLE, {**SETUP, "generationConfig": {"responseModalities": ["TEXT"]}}, [], True),
        (GOOGLE, {**SETUP, "temperature": 1}, [], True),
        (GOOGLE, SETUP, [("audio/pcm;rate=16000", PCM)], False),
        (GOOGLE, SETUP, [("audio/pcmu", PCM)], True),
        (GOOGLE, SETUP, [("audio/pcm;rate=16000", PCM), ("audio/pcm;rate=8000", PCM)], True),
    ],
)
async def test_gemini_live_closes_what_it_refuses(headers, setup, messages, refused):
    gemini = gemini_live.GeminiLive()
    async with served(gemini) as client, client.ws_connect(LIVE, headers=headers) as socket:
        await socket.send_json({"setup": setup})
        for mime, data in messages:
            await socket.send_json({"realtimeInput": {"audio": {"mimeType": mime, "data": data}}})
        if refused:
            while (answer := await socket.receive(timeout=30)).type is WSMsgType.BINARY:
                pass
            assert answer.type is WSMsgType.CLOSE
            assert socket.close_code == 1007
        else:
            assert b"setupComplete" in await socket.receive_bytes()
    assert bool(gemini.refused) == refused
