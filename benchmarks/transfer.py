"""How fast do big weights arrive, beside the original and the other tools for it, and what does that cost?

Everything is fetched over loopback, into memory (tmpfs) and onto a disk, by all tools in turns.
"""

from __future__ import annotations

import contextlib
import filecmp
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.servers import ROOT
from benchmarks.table import Row, median
from benchmarks.transfer_servers import count, limited, nginx_or_ours
from benchmarks.transfer_tools import (
    CP,
    CP_SYNC,
    OURS,
    OURS_UNVERIFIED,
    TRUSS,
    File,
    Job,
    Tool,
    Used,
    absent,
    place_for_manifests,
    tools,
)

MEMORY = Path("/dev/shm")
PEAK = 64e6  # bytes
LATENCY = 0.02  # seconds before every answer
EACH, TOGETHER = 20e6, 200e6  # bytes a second, for a connection and for all of them

Found = dict[str, list[Used]]


def main(short: bool = False) -> list[Row]:
    """Measures what is there.

    Args:
        short: smaller files and one round.

    Returns:
        the rows of the table.
    """
    big, many, rounds = (64_000_000, 100, 1) if short else (2_000_000_000, 1000, 3)
    with contextlib.ExitStack() as stack:
        stack.enter_context(place_for_manifests())
        there = tools()
        root = Path(stack.enter_context(_folder(MEMORY if _is_roomy(MEMORY, 3 * big) else None)))
        disk = Path(stack.enter_context(_folder(None)))
        files = root / "files"
        files.mkdir()
        one = [_written(files / "large.bin", big)]
        small = [_written(files / f"small{index:04d}.bin", 100_000) for index in range(many)]
        places = {"disk": disk} if root.parent != MEMORY else {"tmpfs": root, "disk": disk}
        server, address = stack.enter_context(nginx_or_ours(files, root))
        rows: list[Row] = []
        for name, place in places.items():
            rows += _big_rows(name, _compared(there, one, address, place, rounds), big, server)
        place = next(iter(places.values()))
        fit = [tool for tool in there if tool.many]
        rows += _small_rows("", _compared(fit, small, address, place, rounds), many)
        with limited(files, latency=LATENCY) as late:
            found = _compared([tool for tool in fit if tool.name != CP], small, late, place, rounds)
            rows += _small_rows(f" {LATENCY * 1e3:.0f} ms late", found, many)
        with limited(files, rate=EACH, total=TOGETHER) as slow:
            half = [_written(files / "half.bin", big // 2)]
            fast = [tool for tool in there if tool.name in (OURS, TRUSS, "aria2c")]
            rows += _limited_rows(_compared(fast, half, slow, place, rounds), big // 2)
            rows.append(_killed(half, slow, place))
        with limited(files) as plain:
            rows += _again(there, small, plain, place, rounds)
        return rows + [Row("transfer", name, None, note=reason) for name, reason in absent().items()]


def _compared(tried: Sequence[Tool], files: Sequence[File], address: str, place: Path, rounds: int) -> Found:
    """What every tool took in every round, in turns; one that fails is told of, and the others go on."""
    found: Found = {tool.name: [] for tool in tried}
    print(f"{len(files)} files into {place}: {', '.join(found)}", file=sys.stderr)
    with _job(files, address, place) as job:
        # Once without a clock: a virtual machine is slow to give memory that it has never given.
        for file in files:
            shutil.copyfile(file.source, job.folder / file.name)
    for turn in range(rounds):
        for tool in reversed(tried) if turn % 2 else tried:
            with _job(files, address, place) as job:
                try:
                    found[tool.name].append(tool.run(job))
                except AssertionError as error:
                    if tool.name in (OURS, OURS_UNVERIFIED):
                        raise
                    print(error, file=sys.stderr)
                    continue
                if not turn and tool.name in (OURS, OURS_UNVERIFIED):
                    _same(job)
    return {name: used for name, used in found.items() if used}


@contextlib.contextmanager
def _job(files: Sequence[File], address: str, place: Path) -> Iterator[Job]:
    with tempfile.TemporaryDirectory(dir=place) as folder, tempfile.TemporaryDirectory() as notes:
        yield Job(files, address, Path(folder), Path(notes))
    os.sync()  # what one has left to be written does not slow the next


def _same(job: Job) -> None:
    for file in job.files:
        if not filecmp.cmp(file.source, job.folder / file.name, shallow=False):
            raise AssertionError(f"{file.name} is not what was served")


def _big_rows(place: str, found: Found, size: int, server: str) -> list[Row]:
    seconds = {name: median([one.seconds for one in used]) for name, used in found.items()}
    cpu = {name: median([one.cpu for one in used]) for name, used in found.items()}
    peak = {name: median([one.peak for one in used]) for name, used in found.items()}
    checking = [name for name in found if name in ("aria2c, verified", "curl, then sha256sum")]
    trusting = [name for name in found if name not in (OURS, OURS_UNVERIFIED, CP, CP_SYNC, "curl", *checking)]
    what = f"{size / 1e9:.3g} GB to {place}"
    rows = [
        _ratio(f"{what}, verified: time / {TRUSS}", OURS, [TRUSS], seconds, 0.7),
        _ratio(f"{what}, verified: time / the best that verifies", OURS, checking, seconds, 0.9),
        # On a disk a file has to be there after a power cut, too, before it gets its name; cp alone leaves that open.
        _ratio(f"{what}, not verified: time / cp", OURS_UNVERIFIED, [CP], seconds, None if place == "disk" else 1.5),
        _ratio(f"{what}, not verified: time / cp and sync", OURS_UNVERIFIED, [CP_SYNC], seconds, 1.5),
        _ratio(f"{what}, verified: CPU time / the least that verifies", OURS, checking, cpu, 1.0),
        _ratio(f"{what}, not verified: CPU time / the least but curl and cp", OURS_UNVERIFIED, trusting, cpu, 1.0),
        Row("transfer", f"{what}: peak memory", max(peak[OURS], peak[OURS_UNVERIFIED]) / 1e6, "MB", PEAK / 1e6),
    ]
    for name in found:
        note = f"{size / seconds[name] / 1e9:.2f} GB/s, {cpu[name]:.2f} s of CPU time, {peak[name] / 1e6:.0f} MB"
        rows.append(Row("transfer", f"{what} from {server}: {name}", seconds[name], "s", note=note))
    return rows


def _small_rows(how: str, found: Found, many: int) -> list[Row]:
    seconds = {name: median([one.seconds for one in used]) for name, used in found.items()}
    cpu = {name: median([one.cpu for one in used]) for name, used in found.items()}
    what = f"{many:,} files of 100 KB{how}"
    rows = [_ratio(f"{what}: time / {TRUSS}", OURS, [TRUSS], seconds, 0.25 if how else 0.5)]
    for name in found:
        rows.append(Row("transfer", f"{what}: {name}", seconds[name], "s", note=f"{cpu[name]:.2f} s of CPU time"))
    return rows


def _limited_rows(found: Found, size: int) -> list[Row]:
    what = f"{EACH / 1e6:.0f} MB/s a connection, {TOGETHER / 1e6:.0f} MB/s together"
    rows = []
    for name, used in found.items():
        rate = size / median([one.seconds for one in used])
        promised = 0.95 if name == OURS else None
        note = f"{rate / 1e6:.0f} MB/s"
        rows.append(Row("transfer", f"{what}: {name}, of the limit", rate / TOGETHER, "x", promised, ">=", note))
    peak = max(one.peak for one in found[OURS])
    rows.append(Row("transfer", f"{what}: {OURS}, peak memory", peak / 1e6, "MB", PEAK / 1e6))
    return rows


def _ratio(what: str, ours: str, others: Sequence[str], took: dict[str, float], target: float | None) -> Row:
    there = [name for name in others if name in took]
    if not there:
        return Row("transfer", what, None, "x", note="there is nothing to compare with")
    best = min(there, key=lambda name: took[name])
    note = f"{took[ours]:.3f} s; {best} {took[best]:.3f} s"
    return Row("transfer", what, took[ours] / took[best], "x", target, "<=", note)


def _killed(files: Sequence[File], address: str, place: Path) -> Row:
    """A download that is killed at half, and one that goes on: how much more than what was missing it fetches."""
    size = sum(file.size for file in files)
    ours = next(tool for tool in tools() if tool.name == OURS)
    with _job(files, address, place) as job:
        words, before = ours.command(job), count(address)[1]
        process = subprocess.Popen(
            words, cwd=ROOT, env={"PYTHONPATH": str(ROOT), **os.environ}, stdout=subprocess.DEVNULL
        )
        while count(address)[1] - before < size / 2 and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        if process.wait() != -signal.SIGKILL:
            raise AssertionError("the download was over before it could be killed")
        time.sleep(0.2)  # the server finds out that nobody listens
        came = count(address)[1] - before
        ours.run(job)
        again = count(address)[1] - before - came
        _same(job)
    note = f"{again / 1e6:.1f} MB of {(size - came) / 1e6:.1f} MB"
    what = "killed at half: bytes fetched by the next run / bytes not sent before"
    return Row("transfer", what, again / (size - came), "x", 1.05, "<=", note)


def _again(there: Sequence[Tool], files: Sequence[File], address: str, place: Path, rounds: int) -> list[Row]:
    """A second run over files that are there."""
    rows = []
    for tool in [one for one in there if one.name in (OURS, TRUSS)]:
        with _job(files, address, place) as job:
            tool.run(job)
            before = count(address)[0]
            took = median([tool.run(job).seconds for _ in range(rounds)]) * 1000 / len(files)
            asked = count(address)[0] - before
        target = 0.05 if tool.name == OURS else None
        what = f"{tool.name}: again, 1,000 files that are there"
        rows.append(Row("transfer", what, took * 1e3, "ms", target and target * 1e3, "<=", f"{asked} requests"))
        if tool.name == OURS:
            rows.append(Row("transfer", f"{tool.name}: requests for files that are there", float(asked), "", 0))
    return rows


def _written(path: Path, size: int) -> File:
    """A file of random bytes, no part of it like another."""
    numbers, digest, left = random.Random(path.name), hashlib.sha256(), size
    block = bytearray(numbers.randbytes(min(size, 1 << 24)))
    with path.open("wb") as file:
        while left:
            block[:8] = left.to_bytes(8, "big")
            part = memoryview(block)[: min(left, len(block))]
            file.write(part)
            digest.update(part)
            left -= len(part)
    return File(path.name, size, digest.hexdigest(), path)


def _folder(place: Path | None) -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="transfer", dir=place)


def _is_roomy(place: Path, size: int) -> bool:
    return place.is_dir() and os.access(place, os.W_OK) and shutil.disk_usage(place).free > size
