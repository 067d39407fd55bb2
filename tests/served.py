"""A web application on a real socket, in the test's own loop."""

import asyncio
import contextlib
import logging
import socket

import uvicorn


@contextlib.asynccontextmanager
async def served(app, **config):
    """Serve an ASGI application on a free port; yields the port."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(app, log_config=None, ws_per_message_deflate=False, **config)
    )
    server.install_signal_handlers = lambda: None
    serving = asyncio.create_task(server.serve([listener]))
    try:
        async with asyncio.timeout(20):
            while not server.started:
                if serving.done():
                    await serving
                    raise RuntimeError("the application did not start")
                await asyncio.sleep(0.005)
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        async with asyncio.timeout(20):
            await serving
        listener.close()


@contextlib.contextmanager
def web_server_logs():
    """Everything that the web server logs, as it would be printed."""
    lines = []

    class Lines(logging.Handler):
        def emit(self, record):
            lines.append(self.format(record))

    handler = Lines(level=1)
    loggers = [logging.getLogger(name) for name in ("uvicorn", "websockets", "asyncio")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(1)
    try:
        yield lines
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
