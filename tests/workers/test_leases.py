"""Is a worker taken for dead when its counter stands still, and only then?"""

from __future__ import annotations

from chariots.workers.leases import BEAT_SECONDS, LEASE_SECONDS, Beat, LeaseWatch


def test_a_counter_that_stands_still_for_the_lease_is_overdue() -> None:
    watch, beat = LeaseWatch(lease=8.0), Beat("job", 1, 5)
    assert watch.overdue([beat], now=100.0) == []
    assert watch.overdue([beat], now=107.9) == []
    assert watch.overdue([beat], now=108.0) == [beat]


def test_a_counter_that_goes_on_is_not_overdue() -> None:
    watch = LeaseWatch(lease=8.0)
    for beats in range(10):
        assert watch.overdue([Beat("job", 1, beats)], now=100.0 + 7.0 * beats) == []


def test_another_attempt_has_its_own_time() -> None:
    watch = LeaseWatch(lease=8.0)
    watch.overdue([Beat("job", 1, 0)], now=100.0)
    assert watch.overdue([Beat("job", 2, 0)], now=109.0) == []
    assert watch.overdue([Beat("job", 2, 0)], now=117.0) == [Beat("job", 2, 0)]


def test_a_job_that_was_away_for_one_look_is_seen_anew() -> None:
    watch, beat = LeaseWatch(lease=8.0), Beat("job", 1, 0)
    watch.overdue([beat], now=100.0)
    watch.overdue([], now=104.0)
    assert watch.overdue([beat], now=108.0) == []


def test_only_what_stands_still_is_named() -> None:
    watch, still = LeaseWatch(lease=8.0), Beat("still", 1, 0)
    watch.overdue([still, Beat("lives", 1, 0)], now=100.0)
    assert watch.overdue([still, Beat("lives", 1, 1)], now=108.0) == [still]


def test_what_is_overdue_stays_so_until_it_changes() -> None:
    watch, beat = LeaseWatch(lease=8.0), Beat("job", 1, 0)
    for now in (100.0, 108.0):
        found = watch.overdue([beat], now=now)
    assert found == [beat]
    assert watch.overdue([beat], now=109.0) == [beat]


def test_the_clock_is_monotonic_where_none_is_given() -> None:
    beat = Beat("job", 1, 0)
    assert LeaseWatch(lease=0.0).overdue([beat]) == [beat]
    assert LeaseWatch(lease=1e9).overdue([beat]) == []


def test_a_worker_speaks_several_times_within_the_lease() -> None:
    assert 3 * BEAT_SECONDS < LEASE_SECONDS < 15.0
