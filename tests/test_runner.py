"""The seam between Pipecat's runner and ours."""

import argparse
import asyncio
import json
import os
import subprocess
import sys
from types import SimpleNamespace

import aiohttp
import pytest
from bot_process import CLERK, bot_process, free_port
from fake_wavix import CALL_ID, FakeWavix, call
from fastapi import FastAPI
from pipecat.evals.fastapi_transport import EvalFastAPIWebsocketTransport
from pipecat.evals.serializer import EvalConnectionFlags, eval_connect_message
from pipecat.evals.transport import EvalTransportParams
from pipecat.runner import run
from pipecat.runner.types import RunnerArguments, WebSocketRunnerArguments
from pipecat.transports.base_transport import TransportParams
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

from pipecat_wavix import WavixParams, WavixTransport, runner
from pipecat_wavix.runner import _OnlyTheseRoutes, _wavix_start
from pipecat_wavix.server.call import Session

TIME = "2026-01-01T00:00:00.000Z"
CONNECTED = json.dumps({"event": "connected", "event_time": TIME})
START = json.dumps(
    {
        **{"event": "start", "event_time": TIME, "sequence_number": 1, "call_id": CALL_ID},
        **{"stream_id": "s-1", "stream_type": "twoway", "channel": "inbound"},
    }
)
# As Twilio's documentation shows them.
TWILIO = [
    json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}),
    json.dumps({"event": "start", "start": {"streamSid": "MZ1", "callSid": "CA1"}}),
]
PARAMS = {"wavix": WavixParams}


async def nothing():
    pass


def websocket(*messages, session=None):
    inbox = [{"type": "websocket.connect"}]
    inbox += [{"type": "websocket.receive", "text": message} for message in messages]
    inbox += [{"type": "websocket.disconnect", "code": 1000}]

    async def receive():
        return inbox.pop(0)

    async def send(message):
        pass

    socket = WebSocket({"type": "websocket", "path": "/ws", "headers": []}, receive, send)
    if session:
        socket.state.wavix = session
    return socket


async def transport_for(*messages, params=PARAMS, session=None, transport_type=None):
    socket = websocket(*messages, session=session)
    await socket.accept()
    arguments = WebSocketRunnerArguments(websocket=socket, transport_type=transport_type)
    return await runner.create_transport(arguments, params), arguments


def session(wavix=None):
    return Session(wavix or FakeWavix(), call_id=CALL_ID, stream_id="s-1", close=nothing)


# ---- create_transport


async def test_a_call_of_the_router_gets_a_transport_that_can_hang_up_and_hears_its_webhooks():
    wavix = FakeWavix()
    line = session(wavix)
    transport, _ = await transport_for(session=line, transport_type="wavix")
    assert isinstance(transport, WavixTransport)
    detected = asyncio.Event()

    @transport.event_handler("on_voicemail_detected")
    async def on_voicemail_detected(_transport):
        detected.set()

    line.deliver(call(machine_detected=True))
    await transport._on_connected()
    await asyncio.wait_for(detected.wait(), 5)
    await transport._connection.hang_up()
    assert line.hung_up


async def test_parameters_of_another_carrier_are_taken_for_what_they_have_in_common():
    params = {
        "wavix": lambda: FastAPIWebsocketParams(
            audio_in_enabled=True, audio_out_10ms_chunks=2, add_wav_header=True, session_timeout=7
        )
    }
    transport, _ = await transport_for(session=session(), params=params)
    assert transport.output()._wavix.audio_out_10ms_chunks == 2
    assert transport.output()._wavix.session_timeout == 7
    assert transport.output()._wavix.audio_out_end_silence_secs == 0  # ours, for it was not set


async def test_parameters_for_wavix_are_needed():
    with pytest.raises(ValueError, match="'wavix': lambda: WavixParams"):
        await transport_for(session=session(), params={"twilio": FastAPIWebsocketParams})


async def test_parameters_that_are_none_are_refused():
    with pytest.raises(ValueError, match="made a dict"):
        await transport_for(session=session(), params={"wavix": dict})


@pytest.mark.parametrize("messages", [[CONNECTED, START], [START]])
async def test_a_plain_socket_that_speaks_like_wavix_is_wavixs(messages):
    transport, arguments = await transport_for(*messages)
    assert isinstance(transport, WavixTransport)
    assert arguments.transport_type == "wavix"
    assert arguments.call_data.call_id == CALL_ID
    await transport._connection.hang_up()
    assert transport._connection.hung_up is None  # nobody vouches for the call


async def test_a_socket_of_another_carrier_is_pipecats(monkeypatch):
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", "AC1")
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "token")
    transport, arguments = await transport_for(*TWILIO, params={"twilio": FastAPIWebsocketParams})
    assert isinstance(transport, FastAPIWebsocketTransport)
    assert arguments.transport_type == "twilio"
    assert arguments.call_data.call_id == "CA1"


async def test_an_eval_is_pipecats():
    hello = eval_connect_message(EvalConnectionFlags())
    transport, arguments = await transport_for(hello, params={"eval": EvalTransportParams})
    assert isinstance(transport, EvalFastAPIWebsocketTransport)
    assert arguments.transport_type == "eval"


async def test_a_socket_that_says_nothing_is_pipecats():
    with pytest.raises(ValueError, match="closed before"):
        await transport_for()


async def test_a_browsers_socket_is_pipecats():
    transport, _ = await transport_for(
        transport_type="websocket", params={"websocket": FastAPIWebsocketParams}
    )
    assert isinstance(transport, FastAPIWebsocketTransport)


async def test_any_other_kind_of_session_is_pipecats(monkeypatch):
    theirs = object()

    async def create_transport(runner_args, params):
        return theirs

    monkeypatch.setattr(runner.utils, "create_transport", create_transport)
    params = {"webrtc": TransportParams}
    assert await runner.create_transport(RunnerArguments(), params) is theirs


# ---- what Pipecat has to have for main() to work


def test_pipecat_has_what_is_extended():
    assert isinstance(run.TELEPHONY_TRANSPORTS, list)
    assert callable(run._print_startup_message)
    assert run.app.routes


# ---- configuration


def configuration(monkeypatch, *, proxy=None, host="localhost", **environment):
    for name in list(os.environ):
        if name.startswith("WAVIX_"):
            monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    args = argparse.Namespace(proxy=proxy, host=host, port=7860)
    return runner._configuration(args)


def test_without_an_account_calls_are_the_emulators(monkeypatch):
    client, settings, emulator = configuration(monkeypatch)
    assert emulator == runner.EMULATOR_URL
    assert emulator in repr(client)
    assert settings.public_url == "http://localhost:7860"
    assert len(settings.secret.get_secret_value()) >= 32


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_a_bot_that_listens_everywhere_is_reached_here(monkeypatch, host):
    _, settings, _ = configuration(monkeypatch, host=host)
    assert settings.public_url == "http://127.0.0.1:7860"


@pytest.mark.parametrize("proxy", ["bot.example.com", "https://bot.example.com/"])
def test_with_an_account_a_host_name_is_enough(monkeypatch, proxy):
    client, settings, emulator = configuration(monkeypatch, proxy=proxy, WAVIX_API_KEY="key")
    assert emulator is None
    assert "https://api.wavix.com" in repr(client)
    assert settings.public_url == "https://bot.example.com"


def test_each_start_makes_secrets_of_its_own_unless_they_are_set(monkeypatch):
    first = configuration(monkeypatch)[1]
    second = configuration(monkeypatch)[1]
    assert first.secret != second.secret
    assert first.operator_key != second.operator_key
    given = configuration(monkeypatch, WAVIX_SECRET="s" * 32, WAVIX_OPERATOR_KEY="o" * 32)[1]
    assert given.secret.get_secret_value() == "s" * 32
    assert given.operator_key.get_secret_value() == "o" * 32


def test_a_public_url_in_the_environment_will_do(monkeypatch):
    url = "https://bot.example.com/voice"
    settings = configuration(monkeypatch, WAVIX_API_KEY="key", WAVIX_PUBLIC_URL=url)[1]
    assert settings.public_url == url


@pytest.mark.parametrize(
    ("environment", "way_out"),
    [
        ({"WAVIX_API_KEY": "key"}, "with -x, or set WAVIX_PUBLIC_URL"),
        ({"WAVIX_API_KEY": "key", "WAVIX_PUBLIC_URL": "http://bot.example.com"}, "https://"),
        ({"WAVIX_SECRET": "short"}, "at least 32"),
        ({"WAVIX_BASE_URL": "https://api.example.com"}, "WAVIX_API_KEY is not set"),
    ],
)
def test_what_is_missing_is_said_with_the_way_out(monkeypatch, environment, way_out):
    with pytest.raises(ValueError, match=way_out):
        configuration(monkeypatch, **environment)


# ---- the seam


def test_a_route_of_the_bots_own_opens_none_of_pipecats():
    app = FastAPI()

    @app.get("/{path:path}")
    async def page(path: str):
        return "page"

    routes = list(app.routes)
    app.add_middleware(_OnlyTheseRoutes, routes=routes)

    @app.post("/api/offer")  # as Pipecat's runner adds its own, afterwards
    async def offer():
        return "a bot runs"

    web = TestClient(app)
    assert web.get("/").status_code == 200
    assert web.post("/api/offer").status_code in (404, 405)


async def test_a_socket_that_says_nothing_but_connected_is_not_read_for_ever():
    read = 0
    connected = json.dumps({"event": "connected", "event_time": "2026-01-01T00:00:00Z"})

    class Socket:
        async def receive_text(self):
            nonlocal read
            read += 1
            if read > 1000:
                raise pytest.fail.Exception("it has read and kept 1000 messages")
            return connected

        async def iter_text(self):
            yield ""

    await _wavix_start(Socket())


# ---- as a user runs it


def run_clerk(*arguments, **environment):
    env = {name: value for name, value in os.environ.items() if not name.startswith("WAVIX_")}
    return subprocess.run(
        [sys.executable, str(CLERK), "--port", str(free_port()), *arguments],
        env={**env, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_bot_without_an_emulator_ends_with_the_way_out():
    run = run_clerk("-t", "wavix", WAVIX_BASE_URL=f"http://127.0.0.1:{free_port()}")
    assert run.returncode == 1
    assert "pipecat-wavix emulate" in run.stderr
    assert "Traceback" not in run.stderr


async def test_a_number_that_is_not_the_accounts_is_refused_by_name(wavix_emulator):
    async with wavix_emulator() as emulator:
        run = await asyncio.to_thread(
            run_clerk,
            *("-t", "wavix", "--configure-number", "+13035550100"),
            WAVIX_BASE_URL=emulator.base_url,
        )
    assert run.returncode == 1
    assert "-t wavix:" in run.stderr
    assert "Traceback" not in run.stderr


async def test_the_same_bot_runs_on_every_other_transport(wavix_call):
    async with bot_process() as bot, aiohttp.ClientSession() as http:
        async with http.get(f"{bot.url}/client/") as page:
            assert page.status == 200
        # What Pipecat's own runner opens to carriers, the emulator can call as well.
        async with wavix_call(f"ws{bot.url.removeprefix('http')}/ws") as call:
            assert (await call.hear()).secs > 0.3
        assert (await bot.tells("call"))["direction"] is None


def test_a_file_without_a_bot_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "__main__", SimpleNamespace())
    with pytest.raises(ValueError, match="no function bot"):
        runner._bot(argparse.Namespace())
