"""The emulated network, as times and shares."""

from itertools import pairwise

import pytest
from hypothesis import given, settings, strategies as st

from pipecat_wavix.emulator.network import Link, NetworkSettings


def link(direction="to_bot", **changes):
    return Link(NetworkSettings(**changes), direction)


def arrivals(link):
    return [link.arrival(n * 0.02) for n in range(200)]


def test_a_perfect_network_is_instant_and_loses_nothing():
    perfect = link()
    assert perfect.arrival(5.0) == 5.0
    assert not any(perfect.lost() for _ in range(1000))
    assert {perfect.mark_copies() for _ in range(1000)} == {1}


def test_the_delay_is_one_way_and_in_milliseconds():
    assert link(delay_ms=150).arrival(5.0) == pytest.approx(5.15)


def test_jitter_adds_up_to_its_limit_and_is_spread_over_it():
    late = [at - n * 0.02 - 0.1 for n, at in enumerate(arrivals(link(delay_ms=100, jitter_ms=10)))]
    assert min(late) >= -1e-9
    assert max(late) <= 0.010 + 1e-9
    assert max(late) > 0.008
    assert min(late) < 0.002


def test_a_late_message_holds_up_those_behind_it():
    times = arrivals(link(jitter_ms=500))
    assert all(before <= after for before, after in pairwise(times))
    assert len(set(times)) < len(times)


@settings(deadline=None)
@given(st.floats(0, 10_000), st.floats(0, 10_000), st.lists(st.floats(0, 5)), st.integers())
def test_nothing_arrives_early_or_out_of_order(delay_ms, jitter_ms, pauses, seed):
    network = link(delay_ms=delay_ms, jitter_ms=jitter_ms, seed=seed)
    now, last = 0.0, 0.0
    for pause in pauses:
        now += pause
        arrival = network.arrival(now)
        assert arrival >= now + delay_ms / 1000
        assert arrival >= last
        last = arrival


def test_the_same_seed_gives_the_same_accidents():
    assert arrivals(link(jitter_ms=50, seed=7)) == arrivals(link(jitter_ms=50, seed=7))


def test_another_seed_gives_other_accidents():
    assert arrivals(link(jitter_ms=50, seed=7)) != arrivals(link(jitter_ms=50, seed=8))


def test_both_directions_have_their_own_accidents():
    assert arrivals(link(jitter_ms=50)) != arrivals(link("from_bot", jitter_ms=50))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_the_share_of_lost_messages_is_as_set(share):
    lossy = link(loss=share)
    assert sum(lossy.lost() for _ in range(5000)) / 5000 == pytest.approx(share, abs=0.03)


def test_marks_are_lost_and_doubled_as_set():
    copies = [link(mark_loss=1).mark_copies(), link(mark_double=1).mark_copies()]
    assert copies == [0, 2]
    some = link(mark_loss=0.2, mark_double=0.25)
    delivered = [some.mark_copies() for _ in range(5000)]
    assert delivered.count(0) / 5000 == pytest.approx(0.2, abs=0.03)
    assert delivered.count(2) / 5000 == pytest.approx(0.8 * 0.25, abs=0.03)


@pytest.mark.parametrize("name", ["delay_ms", "jitter_ms"])
@pytest.mark.parametrize("value", [-1, 10_001, float("nan")])
def test_a_time_out_of_range_is_refused_with_the_way_out(name, value):
    with pytest.raises(ValueError, match=f"{name} is {value}: give 0 to 10000 milliseconds"):
        NetworkSettings(**{name: value})


@pytest.mark.parametrize("name", ["loss", "mark_loss", "mark_double"])
@pytest.mark.parametrize("value", [-0.1, 5, float("nan")])
def test_a_share_out_of_range_is_refused_with_the_way_out(name, value):
    with pytest.raises(ValueError, match=f"{name} is {value}: give a share from 0 to 1"):
        NetworkSettings(**{name: value})


def test_faults_that_change_hold_from_then_on_and_nothing_is_overtaken():
    network = link(delay_ms=300)
    assert network.arrival(5.0) == pytest.approx(5.3)
    network.change(NetworkSettings(delay_ms=50, loss=1.0))
    assert network.lost()
    assert network.arrival(5.1) == pytest.approx(5.3)
    assert network.arrival(6.0) == pytest.approx(6.05)


def test_a_change_begins_no_new_series_of_accidents():
    changed, same = link(jitter_ms=50, seed=7), link(jitter_ms=50, seed=7)
    assert changed.arrival(0.0) == same.arrival(0.0)
    changed.change(NetworkSettings(jitter_ms=50, seed=8))
    assert arrivals(changed) == arrivals(same)
