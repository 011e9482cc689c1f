"""Does a place that keeps jobs keep every promise of `JobStore`? (the same tests for SQLite, PostgreSQL and Redis)

A test module has a class of its own derive from `JobStoreContract`, and gives the fixtures ``store``, an empty store,
and ``other``, a second object on the same place.
"""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.workers.contract")

from tests.workers.contract.asking import AskingContract, ListingContract  # noqa: E402  # after the rewriting is set up
from tests.workers.contract.ending import (  # noqa: E402
    CancelingContract,
    ExpiringContract,
    KeepingContract,
    RerunningContract,
    SettlingContract,
)
from tests.workers.contract.following import SeriesContract, WaitingForParentsContract  # noqa: E402
from tests.workers.contract.waiting import DrainingContract, RacingContract, WaitingContract  # noqa: E402
from tests.workers.contract.working import (  # noqa: E402
    BeatingContract,
    ClaimingContract,
    ReportingContract,
    WorkersContract,
)

__all__ = ["JobStoreContract"]


class JobStoreContract(
    AskingContract,
    ListingContract,
    ClaimingContract,
    BeatingContract,
    ReportingContract,
    WorkersContract,
    SettlingContract,
    KeepingContract,
    CancelingContract,
    RerunningContract,
    ExpiringContract,
    WaitingForParentsContract,
    SeriesContract,
    WaitingContract,
    RacingContract,
    DrainingContract,
):
    """Every promise of `JobStore`."""
