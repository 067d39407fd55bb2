"""A defect found in a review of the keys: it fails until it is mended."""

import asyncio
from datetime import UTC, datetime

from virtual_time import in_virtual_time

from pipecat_wavix.transport.dtmf import Collector
from pipecat_wavix.webhooks import InCallEvent, WavixCall

SECOND = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


def told(digits):
    event = InCallEvent("collect", status="completed", digits=digits)
    return WavixCall(id="c", event_type="on_call_event", event_time=SECOND, event=event)


class Client:
    """Wavix, with a clock that tells seconds and a caller who is quick."""

    latest = None

    def __init__(self):
        self.asked = 0

    async def collect_dtmf(self, call_id, **options):
        self.asked += 1

    async def get_call(self, call_id):
        return WavixCall(id="c", event_type="answered") if self.latest is None else self.latest


@in_virtual_time
async def test_two_answers_within_a_second_are_two_answers():
    client = Client()
    collector = Collector(client, "c")
    collector.begin()
    for digits in ("1", "2"):
        collecting = asyncio.create_task(
            collector.collect(max_digits=1, timeout_secs=5, terminator="#", max_attempts=1)
        )
        await asyncio.sleep(0.2)
        client.latest = told(digits)
        collector.on_webhook(told(digits))
        collector.on_webhook(told(digits))
        assert (await collecting).digits == digits
