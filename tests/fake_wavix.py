"""A `WavixClient` without Wavix: it remembers what was asked for, and fails when told to."""

import asyncio
from collections import Counter
from datetime import UTC, datetime

from pipecat_wavix.errors import WavixNotFound
from pipecat_wavix.webhooks import WavixCall

CALL_ID = "5dccb6b0-f35c-488c-867b-86fb012c4415"
CALLER = "+18045961058"
NUMBER = "+17653889567"


def call(event_type="ringing", call_id=CALL_ID, direction="inbound", **fields):
    return WavixCall(
        id=call_id,
        direction=direction,
        event_type=event_type,
        from_number=CALLER,
        to_number=NUMBER,
        **fields,
    )


def answered(call_id=CALL_ID, direction="outbound", **fields):
    return call("answered", call_id, direction, answered_at=datetime.now(UTC), **fields)


class FakeWavix:
    def __init__(self):
        self.requests = Counter()
        self.calls = {CALL_ID: call()}
        self.asked = []  # (what, call id)
        self.stream_urls = {}  # by call id
        self.dialled = []
        self.failures = {}  # what: an error, each time
        self.entered = 0

    async def __aenter__(self):
        self.entered += 1
        return self

    async def __aexit__(self, *_):
        self.entered -= 1

    async def _ask(self, what, call_id):
        self.asked.append((what, call_id))
        await asyncio.sleep(0)
        if what in self.failures:
            raise self.failures[what]

    async def get_call(self, call_id):
        await self._ask("get", call_id)
        if call_id not in self.calls:
            raise WavixNotFound("no such call", status=404)
        return self.calls[call_id]

    async def answer(self, call_id, *, stream_url):
        self.stream_urls[call_id] = stream_url
        await self._ask("answer", call_id)

    async def start_stream(self, call_id, *, stream_url):
        self.stream_urls[call_id] = stream_url
        await self._ask("stream", call_id)
        return "s"

    async def hang_up(self, call_id):
        await self._ask("hang_up", call_id)

    async def collect_dtmf(self, call_id, **options):
        await self._ask("collect", call_id)

    async def dial(self, **options):
        self.dialled.append(options)
        call_id = f"dialled-{len(self.dialled)}"
        await self._ask("dial", call_id)
        self.calls[call_id] = call("call_setup", call_id, "outbound")
        return WavixCall(id=call_id, direction="outbound", tag=options["tag"])

    def count(self, what):
        return sum(1 for asked, _ in self.asked if asked == what)
