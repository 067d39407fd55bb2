"""Webhooks on their way: in order, each URL for itself, with and without accidents."""

import asyncio
from contextlib import asynccontextmanager

import aiohttp
from emulated import an_account, until

from pipecat_wavix.emulator.deliveries import Deliveries
from pipecat_wavix.emulator.faults import Faults, WebhookFaults


@asynccontextmanager
async def delivering(faults=None, timeout_secs=10, retries=0):
    async with aiohttp.ClientSession() as http, an_account() as account:
        deliveries = Deliveries(http, Faults(faults or WebhookFaults()), timeout_secs, retries)
        try:
            yield deliveries, account
        finally:
            await deliveries.close()


def nothing(_at, _status, _secs):
    pass


def post(deliveries, account, *events, path="hook", on_answer=nothing):
    url = f"{account.url}/{path}"
    return [deliveries.post(url, {"event_type": event}, on_answer) for event in events]


async def test_webhooks_come_in_order():
    async with delivering() as (deliveries, account):
        await asyncio.wait(post(deliveries, account, *"abcdef"))
        assert account.events() == list("abcdef")
        await asyncio.wait(post(deliveries, account, *"gh"))
        assert account.events() == list("abcdefgh")


async def test_each_answer_is_told():
    answers = []
    async with delivering() as (deliveries, account):

        async def teapot(_body):
            return 418

        account.on_webhook = teapot
        (done,) = post(deliveries, account, "a", on_answer=lambda *told: answers.append(told))
        began_at = asyncio.get_running_loop().time()
        await done
        ((at, status, secs),) = answers
        assert status == 418
        assert began_at <= at <= at + secs <= asyncio.get_running_loop().time()


async def test_a_slow_server_delays_only_its_own_webhooks():
    async with delivering() as (deliveries, account):
        released = asyncio.Event()

        async def hang(body):
            if body["event_type"] == "slow":
                await released.wait()

        account.on_webhook = hang
        slow = post(deliveries, account, "slow", "behind", path="one")
        await asyncio.wait(post(deliveries, account, *"abc", path="two"))
        assert account.events("two") == list("abc")
        assert account.events("one") == ["slow"]
        released.set()
        await asyncio.wait(slow)
        assert account.events("one") == ["slow", "behind"]


async def test_a_server_that_is_too_slow_is_given_up():
    answers = []
    async with delivering(timeout_secs=0.05) as (deliveries, account):

        async def hang(_body):
            await asyncio.sleep(1)

        account.on_webhook = hang
        await asyncio.wait(
            post(deliveries, account, *"ab", on_answer=lambda _, status, __: answers.append(status))
        )
        assert answers == [None, None]


async def test_a_server_that_is_not_there_is_logged_without_its_path(logs):
    answers = []
    async with delivering() as (deliveries, _):
        done = deliveries.post("http://127.0.0.1:9/SECRET", {}, lambda *told: answers.append(told))
        await done
    assert answers[0][1] is None
    assert any("http://127.0.0.1:9 had no answer" in line for line in logs)
    assert not any("SECRET" in line for line in logs)


async def test_a_url_that_is_none_is_no_accident():
    async with delivering() as (deliveries, _):
        await deliveries.post("http://[", {}, nothing)
        await deliveries.post("no url", {}, nothing)


async def test_one_that_was_refused_is_sent_again_if_so_set(monkeypatch):
    monkeypatch.setattr("pipecat_wavix.emulator.deliveries.RETRY_SECS", 0.01)
    async with delivering(retries=3) as (deliveries, account):

        async def fail_twice(_body):
            return 500 if len(account.webhooks) < 3 else 200

        account.on_webhook = fail_twice
        await asyncio.wait(post(deliveries, account, "a"))
        assert account.events() == ["a"] * 3


async def test_without_that_it_is_sent_once():
    async with delivering() as (deliveries, account):

        async def fail(_body):
            return 500

        account.on_webhook = fail
        await asyncio.wait(post(deliveries, account, *"ab"))
        assert account.events() == ["a", "b"]


async def test_a_webhook_is_doubled():
    async with delivering(WebhookFaults(double=1)) as (deliveries, account):
        await asyncio.wait(post(deliveries, account, *"ab"))
        assert account.events() == ["a", "a", "b", "b"]


async def test_a_webhook_is_lost():
    async with delivering(WebhookFaults(loss=1)) as (deliveries, account):
        await asyncio.wait(post(deliveries, account, *"ab"))
        assert account.events() == []


async def test_neighbours_change_places():
    async with delivering(WebhookFaults(shuffle=1, shuffle_secs=20)) as (deliveries, account):
        await asyncio.wait(post(deliveries, account, *"abcd"))
        assert account.events() == ["b", "a", "d", "c"]


async def test_one_that_waits_to_be_overtaken_goes_when_nothing_comes():
    async with delivering(WebhookFaults(shuffle=1, shuffle_secs=0.05)) as (deliveries, account):
        await asyncio.wait(post(deliveries, account, "a"))
        assert account.events() == ["a"]


async def test_one_that_comes_while_another_waits_overtakes_it():
    async with delivering(WebhookFaults(shuffle=1, shuffle_secs=20)) as (deliveries, account):
        (first,) = post(deliveries, account, "a")
        await asyncio.sleep(0)
        (second,) = post(deliveries, account, "b")
        await asyncio.wait([first, second])
        assert account.events() == ["b", "a"]


async def test_a_webhook_is_late():
    async with delivering(WebhookFaults(late=1, late_secs=0.1)) as (deliveries, account):
        began_at = asyncio.get_running_loop().time()
        await asyncio.wait(post(deliveries, account, "a"))
        assert asyncio.get_running_loop().time() - began_at >= 0.1
        assert account.events() == ["a"]


async def test_closing_ends_what_is_under_way_and_takes_no_more(monkeypatch):
    monkeypatch.setattr("pipecat_wavix.emulator.deliveries.CLOSE_TIMEOUT_SECS", 0.05)
    async with delivering() as (deliveries, account):

        async def hang(_body):
            await asyncio.sleep(0.5)

        account.on_webhook = hang
        waiting = post(deliveries, account, *"ab")
        await until(account.events)
        await deliveries.close()
        assert all(done.done() for done in waiting)
        (refused,) = post(deliveries, account, "c")
        assert refused.done()
        await deliveries.close()
        assert account.events() == ["a"]
