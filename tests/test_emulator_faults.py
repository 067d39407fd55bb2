"""What goes wrong, decided by shares and counts, and the same again with the same seed."""

import pytest

from pipecat_wavix.emulator.faults import Faults, RestFault, WebhookFate, WebhookFaults


def fates(seed, count=400, **shares):
    faults = Faults(WebhookFaults(**shares), seed=seed)
    return [faults.webhook_fate() for _ in range(count)]


def test_without_faults_all_goes_well():
    faults = Faults()
    assert faults.webhook_fate() == WebhookFate(1, 0.0, None)
    assert faults.rest_fault("GET /v1/calls") is None


def test_the_same_seed_has_the_same_accidents():
    shares = {"double": 0.2, "loss": 0.2, "late": 0.2, "shuffle": 0.2}
    assert fates(1, **shares) == fates(1, **shares) != fates(2, **shares)


def test_accidents_have_their_shares():
    got = fates(3, double=0.5, late=0.25, late_secs=2, shuffle=0.1, shuffle_secs=3)
    assert 150 < sum(fate.copies == 2 for fate in got) < 250
    assert 70 < sum(fate.delay_secs == 2 for fate in got) < 130
    assert 20 < sum(fate.overtaken_within_secs == 3 for fate in got) < 60


def test_one_share_does_not_change_the_accidents_of_another():
    doubled = [fate.copies for fate in fates(4, double=0.3)]
    assert doubled == [fate.copies for fate in fates(4, double=0.3, late=0.5, shuffle=0.5)]


def test_what_is_lost_is_not_sent():
    assert {fate.copies for fate in fates(5, loss=1, double=1)} == {0}


def test_a_fault_strikes_so_often_and_its_route_only():
    fault = RestFault(kind="status", route="POST /v1/calls", times=2)
    faults = Faults(rest=[fault])
    assert faults.rest_fault("GET /v1/calls") is None
    assert [faults.rest_fault("POST /v1/calls") for _ in range(3)] == [fault, fault, None]


def test_a_fault_of_all_routes_strikes_for_ever():
    fault = RestFault(kind="hang")
    faults = Faults(rest=[fault])
    assert all(faults.rest_fault(f"GET /v1/{n}") is fault for n in range(5))


def test_the_first_fault_that_strikes_counts():
    never, always = RestFault(kind="late", share=0), RestFault(kind="reply_lost")
    assert Faults(rest=[never, always]).rest_fault("GET /") is always


def test_a_fault_has_its_share_of_requests():
    faults = Faults(rest=[RestFault(kind="status", share=0.25, times=1000)])
    assert 70 < sum(faults.rest_fault("GET /") is not None for _ in range(400)) < 130


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "odd"}, "kind is 'odd': give one of status, hang"),
        ({"status": 200}, "status is 200: give 400 to 599"),
        ({"retry_after_secs": -1}, "retry_after_secs is -1"),
        ({"secs": 61}, "secs is 61: give 0 to 60"),
        ({"share": 1.5}, "share is 1.5: give a share"),
        ({"times": -1}, "times is -1: give 0 or more"),
    ],
)
def test_a_fault_of_requests_that_cannot_be_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        RestFault(**{"kind": "status", **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"double": -0.1}, "double is -0.1"),
        ({"loss": 2}, "loss is 2"),
        ({"late_secs": 1000}, "late_secs is 1000: give 0 to 60"),
        ({"shuffle_secs": -1}, "shuffle_secs is -1"),
    ],
)
def test_a_fault_of_webhooks_that_cannot_be_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        WebhookFaults(**changes)
