"""A stand-in for Wavix's REST API: it notes what was asked, and answers what it was told to."""

import asyncio
import json
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.test_utils import TestServer

# Answers that are none.
DROP = "the connection is closed"
HANG = "nothing comes"
CUT = "the connection is closed in the middle of the body"
STALL = "the body does not end"


@dataclass
class Answer:
    json: object = None
    status: int = 200
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    fate: str = ""


@dataclass
class Asked:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: object


class RestServer:
    def __init__(self):
        self.asked: list[Asked] = []
        self.answers: deque[Answer | str | int] = deque()  # the last one is given for ever
        self.url = ""
        self.connections: set[int] = set()
        self._over = asyncio.Event()

    def will(self, *answers):
        """Set what to answer, in this order; a number is a status, a dict or list the JSON."""
        self.answers = deque(answers)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        headers = dict(request.headers)
        body = json.loads(text) if text else None
        self.asked.append(Asked(request.method, request.path, dict(request.query), headers, body))
        self.connections.add(id(request.transport))
        answer = self.answers.popleft() if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, int):
            answer = Answer({"success": 200 <= answer < 300}, answer)
        elif isinstance(answer, (dict, list)):
            answer = Answer(answer)
        elif isinstance(answer, str):
            answer = Answer(fate=answer)
        return await self._answer(request, answer)

    async def _answer(self, request: web.Request, answer: Answer) -> web.StreamResponse:
        body = json.dumps(answer.json).encode() if answer.body is None else answer.body
        if answer.fate in (CUT, STALL):
            response = web.StreamResponse(
                status=answer.status, headers={"Content-Length": str(len(body) + 9)}
            )
            await response.prepare(request)
            await response.write(body)
            if answer.fate == STALL:
                await self._over.wait()
            request.transport.close()  # not abort: what was written is still to arrive
            return response
        if answer.fate == HANG:
            await self._over.wait()
        if answer.fate:
            request.transport.abort()
        return web.Response(
            body=body,
            status=answer.status,
            headers={"Content-Type": "application/json", **answer.headers},
        )

    def over(self):
        self._over.set()


@asynccontextmanager
async def rest_server():
    server = RestServer()
    server.will(200)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    async with TestServer(app) as listening:
        server.url = str(listening.make_url("/"))
        yield server
        server.over()


@asynccontextmanager
async def raw_server(serve):
    """A server that speaks no HTTP of its own: `serve(reader, writer)`, a connection each."""

    serving = set()

    async def handle(reader, writer):
        serving.add(asyncio.current_task())
        try:
            await serve(reader, writer)
        except (ConnectionError, EOFError):
            pass  # whoever asked has gone
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
