"""Do environment variables say how a transfer is done?"""

from __future__ import annotations

from pathlib import Path

import pytest

from chariots.errors import InputError
from chariots.transfer import TransferSettings
from chariots.transfer.screens import begin_log


def test_without_variables_everything_is_as_documented() -> None:
    settings = TransferSettings.from_environment({})
    assert settings.download_dir == Path("/tmp/truss_transfer")
    assert settings.cache_dir == Path("/cache/org/artifacts/truss_transfer_managed_v1")
    assert (settings.num_workers, settings.use_range_download) == (6, True)
    assert (settings.range_download_workers, settings.range_download_workers_per_file) == (192, 84)
    assert (settings.download_monitor_secs, settings.page_after_download) == (30.0, False)
    assert (settings.cache_enabled, settings.cache_cleanup_hours, settings.cache_max_stale_gb) == (False, 96.0, None)
    assert settings.most_stale_bytes == float("inf")
    assert {TransferSettings.from_environment({}).expected_speed for _ in range(5)} != {settings.expected_speed}


@pytest.mark.parametrize("prefix", ["TRUSS_TRANSFER_", "CHARIOTS_TRANSFER_"])
def test_every_variable_counts(prefix: str) -> None:
    told = {
        "DOWNLOAD_DIR": "/d", "CACHE_DIR": "/c", "NUM_WORKERS": "3", "USE_RANGE_DOWNLOAD": "no",
        "RANGE_DOWNLOAD_WORKERS": "10", "RANGE_DOWNLOAD_WORKERS_PER_FILE": "5", "DOWNLOAD_MONITOR_SECS": "2",
        "PAGE_AFTER_DOWNLOAD": "Y", "B10FS_CLEANUP_HOURS": "48", "B10FS_DOWNLOAD_SPEED_MBPS": "200",
        "B10FS_MAX_STALE_CACHE_SIZE_GB": "1.5", "READ_TIMEOUT_SECS": "7", "ALLOW_HTTP": "1", "CACHE_ENABLED": "true",
    }  # fmt: skip
    settings = TransferSettings.from_environment({prefix + name: value for name, value in told.items()})
    assert settings == TransferSettings(
        Path("/d"), 3, False, 10, 5, 2.0, True, 7.0, True, True, Path("/c"), 48.0, 1.5, 200.0
    )
    assert (settings.expected_speed, settings.most_stale_bytes) == (200e6, 1.5e9)


def test_our_own_names_win() -> None:
    told = {"TRUSS_TRANSFER_NUM_WORKERS": "3", "CHARIOTS_TRANSFER_NUM_WORKERS": "4"}
    assert TransferSettings.from_environment(told).num_workers == 4
    assert TransferSettings.from_environment({**told, "CHARIOTS_TRANSFER_NUM_WORKERS": ""}).num_workers == 3


@pytest.mark.parametrize(("value", "is_on"), [("1", True), ("true", True), ("0", False), ("false", False), ("", False)])
def test_the_cache_has_a_switch_of_its_own(value: str, is_on: bool) -> None:
    assert TransferSettings.from_environment({"BASETEN_FS_ENABLED": value}).cache_enabled is is_on


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NUM_WORKERS", "0"), ("NUM_WORKERS", "abc"), ("NUM_WORKERS", "-1"), ("NUM_WORKERS", "²"),
        ("RANGE_DOWNLOAD_WORKERS", "1000000000"), ("READ_TIMEOUT_SECS", "0"), ("READ_TIMEOUT_SECS", "nan"),
        ("B10FS_CLEANUP_HOURS", "-1"), ("B10FS_DOWNLOAD_SPEED_MBPS", "fast"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_is_refused_by_the_name_of_its_variable(name: str, value: str) -> None:
    with pytest.raises(InputError, match=f"TRUSS_TRANSFER_{name}="):
        TransferSettings.from_environment({f"TRUSS_TRANSFER_{name}": value})


@pytest.mark.parametrize(
    ("told", "level"),
    [
        ({}, "INFO"),
        ({"RUST_LOG": "debug"}, "DEBUG"),
        ({"RUST_LOG": "hyper=trace,warn"}, "WARNING"),
        ({"TRUSS_TRANSFER_LOG": "error", "RUST_LOG": "debug"}, "ERROR"),
        ({"TRUSS_TRANSFER_LOG": "loud"}, "INFO"),
    ],
)
def test_the_log_is_as_loud_as_the_environment_wants(told: dict[str, str], level: str) -> None:
    import logging

    logger = logging.getLogger("chariots.transfer")
    before = logger.level, list(logger.handlers)
    try:
        begin_log(told)
        assert logging.getLevelName(logger.level) == level
        assert len(logger.handlers) == 1
    finally:
        logger.setLevel(before[0])
        logger.handlers[:] = before[1]
