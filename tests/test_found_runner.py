"""Defects found in a review of the runner: each of these fails until it is mended."""

import json

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from pipecat_wavix.runner import _OnlyTheseRoutes, _wavix_start


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
