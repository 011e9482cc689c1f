"""How is a transfer to be done, as the environment says?"""

from __future__ import annotations

import contextlib
import math
import os
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chariots.errors import InputError

__all__ = ["TransferSettings"]

_YES: Final = frozenset({"1", "true", "yes", "y"})
_FEW_CORES: Final = 16
_GIGABYTE: Final = 10**9
_MEGABYTE: Final = 10**6


@dataclass(frozen=True, slots=True)
class TransferSettings:
    """How files are fetched. Each setting has an environment variable, see `from_environment`.

    Attributes:
        download_dir: where files go when nothing else is said.
        num_workers: how many large files are fetched at a time.
        use_range_download: whether a large file is fetched in parts, over several connections.
        range_download_workers: the most connections at a time, for all files together.
        range_download_workers_per_file: the most connections at a time for one file.
        download_monitor_secs: the seconds between two lines of the log that tell how far it is.
        page_after_download: whether files are brought into the memory of the system when they are there.
        read_timeout_secs: for how many seconds a server may send nothing.
        allow_http: whether addresses of other machines may be without TLS.
        cache_enabled: whether files are kept in a cache as well, for other directories and processes.
        cache_dir: the cache.
        cache_cleanup_hours: after how many hours without use a file of others is removed from the cache.
        cache_max_stale_gb: how many gigabytes of files of others the cache may hold; None for any number.
        expected_speed_mbps: the MB/s expected of a download; a cache that is slower is not used. None for a guess.
    """

    download_dir: Path = Path("/tmp/truss_transfer")
    num_workers: int = 6
    use_range_download: bool = True
    range_download_workers: int = 192
    range_download_workers_per_file: int = 84
    download_monitor_secs: float = 30.0
    page_after_download: bool = False
    read_timeout_secs: float = 30.0
    allow_http: bool = False
    cache_enabled: bool = False
    cache_dir: Path = Path("/cache/org/artifacts/truss_transfer_managed_v1")
    cache_cleanup_hours: float = 96.0
    cache_max_stale_gb: float | None = None
    expected_speed_mbps: float | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> TransferSettings:
        """Reads the settings from environment variables.

        ``TRUSS_TRANSFER_DOWNLOAD_DIR``, ``..._NUM_WORKERS`` and so on; each has a twin that begins with
        ``CHARIOTS_TRANSFER_``, which wins. ``BASETEN_FS_ENABLED`` switches the cache on, as
        ``CHARIOTS_TRANSFER_CACHE_ENABLED`` does.

        Args:
            environment: the variables; None for those of this process.

        Raises:
            InputError: if one of them has a value that cannot be used; the message names it.
        """
        told = _Told(os.environ if environment is None else environment)
        plain = cls()
        return cls(
            download_dir=told.path("DOWNLOAD_DIR", plain.download_dir),
            num_workers=told.count("NUM_WORKERS", plain.num_workers),
            use_range_download=told.flag("USE_RANGE_DOWNLOAD", plain.use_range_download),
            range_download_workers=told.count("RANGE_DOWNLOAD_WORKERS", plain.range_download_workers),
            range_download_workers_per_file=told.count(
                "RANGE_DOWNLOAD_WORKERS_PER_FILE", plain.range_download_workers_per_file
            ),
            download_monitor_secs=told.number("DOWNLOAD_MONITOR_SECS", plain.download_monitor_secs) or 0.0,
            page_after_download=told.flag("PAGE_AFTER_DOWNLOAD", plain.page_after_download),
            read_timeout_secs=told.number("READ_TIMEOUT_SECS", plain.read_timeout_secs, above=0.0) or 0.0,
            allow_http=told.flag("ALLOW_HTTP", plain.allow_http),
            cache_enabled=told.flag("CACHE_ENABLED", told.flag("BASETEN_FS_ENABLED", False, is_whole=True)),
            cache_dir=told.path("CACHE_DIR", plain.cache_dir),
            cache_cleanup_hours=told.number("B10FS_CLEANUP_HOURS", plain.cache_cleanup_hours) or 0.0,
            cache_max_stale_gb=told.number("B10FS_MAX_STALE_CACHE_SIZE_GB", None),
            expected_speed_mbps=told.number("B10FS_DOWNLOAD_SPEED_MBPS", None, above=0.0),
        )

    @property
    def expected_speed(self) -> float:
        """The bytes per second that a download is expected to bring.

        Without a setting it is a guess from the number of cores, a little different each time, so that of many
        machines with one slow cache some always find out whether it has become faster.
        """
        if self.expected_speed_mbps is not None:
            return self.expected_speed_mbps * _MEGABYTE
        guess = 400.0 if (os.cpu_count() or 1) > _FEW_CORES else 90.0
        return guess * random.uniform(0.9, 1.1) * _MEGABYTE

    @property
    def most_stale_bytes(self) -> float:
        """How many bytes of files of others the cache may hold."""
        return math.inf if self.cache_max_stale_gb is None else self.cache_max_stale_gb * _GIGABYTE


class _Told:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def text(self, name: str, *, is_whole: bool = False) -> tuple[str, str | None]:
        names = (name,) if is_whole else (f"CHARIOTS_TRANSFER_{name}", f"TRUSS_TRANSFER_{name}")
        for one in names:
            value = self._environment.get(one, "").strip()
            if value:
                return one, value
        return names[0], None

    def path(self, name: str, default: Path) -> Path:
        _, value = self.text(name)
        return default if value is None else Path(value)

    def flag(self, name: str, default: bool, *, is_whole: bool = False) -> bool:
        _, value = self.text(name, is_whole=is_whole)
        return default if value is None else value.lower() in _YES

    def count(self, name: str, default: int) -> int:
        variable, value = self.text(name)
        if value is None:
            return default
        if not (value.isascii() and value.isdigit()) or not 0 < int(value) <= 100_000:
            raise InputError(f"{variable}={value[:40]!r} is no number from 1 to 100000; correct it, or unset it")
        return int(value)

    def number(self, name: str, default: float | None, *, above: float = -math.inf) -> float | None:
        variable, value = self.text(name)
        if value is None:
            return default
        number: Any = math.nan
        with contextlib.suppress(ValueError):
            number = float(value)
        if not math.isfinite(number) or number < 0 or number <= above:
            raise InputError(f"{variable}={value[:40]!r} is no usable number; give one such as 30, or unset it")
        return float(number)
