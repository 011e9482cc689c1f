"""What else fetches files, and how is each told to fetch the same ones?"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import peers
from benchmarks.servers import ROOT

__all__ = [
    "CP",
    "CP_SYNC",
    "OURS",
    "OURS_UNVERIFIED",
    "TRUSS",
    "File",
    "Job",
    "Tool",
    "Used",
    "absent",
    "place_for_manifests",
    "tools",
]

OURS = "chariots, verified"
OURS_UNVERIFIED = "chariots, not verified"
TRUSS = "truss-transfer"
CP = "cp"
CP_SYNC = "cp, then sync"  # as durable as what the others leave under a final name, if they do
_FAR = 4102444800  # 2100-01-01, when the addresses of a manifest expire
_PATIENCE = 600.0
_PLACE = Path("/bptr")


@dataclass(frozen=True)
class File:
    """One file to fetch.

    Attributes:
        name: in the folder.
        size: bytes.
        hash: SHA-256, in hexadecimal.
        source: where it is on this machine.
    """

    name: str
    size: int
    hash: str
    source: Path


@dataclass(frozen=True)
class Job:
    """What is to be fetched, and into where.

    Attributes:
        files: all of them.
        base: the address of the server.
        folder: where they are to be put.
        notes: a folder for what the tools want to be told in files.
    """

    files: Sequence[File]
    base: str
    folder: Path
    notes: Path

    def url(self, file: File) -> str:
        """The address of a file."""
        return f"{self.base}/{file.name}"

    def manifest(self) -> str:
        """The files as a manifest, as JSON."""
        pointers = [
            {
                "resolution": {"resolution_type": "http", "url": self.url(file), "expiration_timestamp": _FAR},
                "uid": f"benchmark:{file.name}",
                "file_name": file.name,
                "hashtype": "sha256",
                "hash": file.hash,
                "size": file.size,
                "runtime_secret_name": "hf_access_token",
            }
            for file in self.files
        ]
        return json.dumps({"pointers": pointers, "models": None})

    def note(self, name: str, text: str) -> Path:
        """Writes a file for a tool; gives its path."""
        path = self.notes / name
        path.write_text(text, encoding="utf-8")
        return path


@dataclass(frozen=True)
class Used:
    """What one run took.

    Attributes:
        seconds: by the clock.
        cpu: seconds of CPU time.
        peak: the most memory of a process, in bytes.
    """

    seconds: float
    cpu: float
    peak: float


@dataclass(frozen=True)
class Tool:
    """A way to fetch files.

    Attributes:
        name: for people.
        verifies: whether it compares hashes.
        command: makes its words.
        many: whether it is measured with a thousand files, too; those that take a minute for them are not.
        python: whether it is a library, of which `benchmarks.fetch` times the call.
    """

    name: str
    verifies: bool
    command: Callable[[Job], list[str]]
    many: bool = True
    python: bool = False

    def run(self, job: Job) -> Used:
        """Fetches once.

        Args:
            job: what; its folder has to be there.

        Raises:
            AssertionError: if the files are not all there afterwards.
        """
        words = self.command(job)
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        if self.name in (OURS, OURS_UNVERIFIED):
            environment["PYTHONPATH"] = os.environ.get("PYTHONPATH", str(ROOT))
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(ROOT / "benchmarks" / "usage.py"), *words],
            capture_output=True,
            text=True,
            env={**environment, "TRUSS_TRANSFER_LOG": "error"},
            timeout=_PATIENCE,
        )
        lines = [line for line in done.stdout.splitlines() if line.startswith('{"seconds"')]
        used = json.loads(lines[-1]) if lines else {"code": done.returncode}
        if used["code"]:
            raise AssertionError(f"{self.name} failed: {done.stdout[-300:]} {done.stderr[-1500:]}")
        for file in job.files:
            if (job.folder / file.name).stat().st_size != file.size:
                raise AssertionError(f"{self.name} left {file.name} with another size")
        inside = json.loads(lines[-2]) if self.python else used
        return Used(inside["seconds"], inside["cpu"], used["peak"])


def _library(tool: str, python: str) -> Callable[[Job], list[str]]:
    def command(job: Job) -> list[str]:
        files = [{"url": job.url(file), "name": file.name, "size": file.size, "hash": file.hash} for file in job.files]
        about = {"files": files, "folder": str(job.folder), "hub": job.base}
        about["manifest"] = str(job.note("bptr-manifest.json", job.manifest()))
        note = job.note("job.json", json.dumps(about))
        return [python, str(ROOT / "benchmarks" / "fetch.py"), tool, str(note)]

    return command


def _truss(job: Job) -> list[str]:
    """It reads its manifest from /bptr alone; that is put there for this process and no other."""
    words = _library("truss", str(peers.python_of("transfer")))(job)
    inner = f'mount --bind {shlex.quote(str(job.notes))} /bptr && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", inner, "sh", *words]


def _aria2(job: Job, verify: bool) -> list[str]:
    lines: list[str] = []
    for file in job.files:
        lines += [job.url(file), f" out={file.name}"]
        if verify:
            lines.append(f" checksum=sha-256={file.hash}")
    note = job.note("aria2.txt", "\n".join(lines) + "\n")
    speed = ["-x16", "-s16", "-k1M", "-j16", "--file-allocation=falloc"]
    return ["aria2c", "-q", "--no-conf", *speed, f"--dir={job.folder}", f"--input-file={note}"]


def _curl(job: Job) -> list[str]:
    lines = [f'url = "{job.url(file)}"\noutput = "{job.folder / file.name}"' for file in job.files]
    note = job.note("curl.txt", "\n".join(lines) + "\n")
    return ["curl", "-q", "--silent", "--fail", "--parallel", "--parallel-max", "16", "--config", str(note)]


def _curl_then_sum(job: Job) -> list[str]:
    sums = job.note("sums.txt", "".join(f"{file.hash}  {job.folder / file.name}\n" for file in job.files))
    return ["sh", "-c", f'"$@" && sha256sum --quiet -c {shlex.quote(str(sums))}', "sh", *_curl(job)]


def _rclone(job: Job) -> list[str]:
    names = job.note("names.txt", "".join(f"{file.name}\n" for file in job.files))
    quiet = ["--config", os.devnull, "--quiet", "--http-url", job.base, "--no-traverse", "--files-from-raw", str(names)]
    return ["rclone", "copy", ":http:", str(job.folder), *quiet, "--multi-thread-streams", "8", "--transfers", "16"]


def _s5cmd_path() -> str | None:
    return shutil.which("s5cmd", path=f"{os.environ.get('PATH', '')}:{peers.python_of('transfer').parent}")


def _s5cmd(job: Job) -> list[str]:
    """It speaks S3 only, of which so little is needed here that the servers of files know it."""
    lines = [f"cp s3://bucket/{file.name} {shlex.quote(f'{job.folder}/')}" for file in job.files]
    note = job.note("s5cmd.txt", "\n".join(lines) + "\n")
    return [_s5cmd_path() or "s5cmd", "--log=error", "--no-sign-request", "--endpoint-url", job.base, "run", str(note)]


def _cp(job: Job) -> list[str]:
    return ["cp", *(str(file.source) for file in job.files), str(job.folder)]


def _cp_sync(job: Job) -> list[str]:
    copies = [str(job.folder / file.name) for file in job.files]
    return ["sh", "-c", f'"$@" && sync {shlex.join(copies)}', "sh", *_cp(job)]


def tools() -> list[Tool]:
    """Ours, and those that are there."""
    ours, other = sys.executable, str(peers.python_of("transfer"))
    every = [
        Tool(OURS, True, _library("chariots", ours), python=True),
        Tool(OURS_UNVERIFIED, False, _library("chariots_unverified", ours), python=True),
        Tool(TRUSS, False, _truss, python=True),
        Tool("aria2c, verified", True, lambda job: _aria2(job, verify=True)),
        Tool("aria2c", False, lambda job: _aria2(job, verify=False)),
        Tool("curl", False, _curl),
        Tool("curl, then sha256sum", True, _curl_then_sum),
        Tool("rclone", False, _rclone),
        Tool("s5cmd", False, _s5cmd),
        Tool("hf_transfer", False, _library("hf_transfer", other), many=False, python=True),
        Tool("huggingface_hub", False, _library("hub", other), many=False, python=True),
        Tool(CP, False, _cp),
        Tool(CP_SYNC, False, _cp_sync, many=False),
    ]
    gone = absent()
    return [tool for tool in every if tool.name not in gone]


def absent() -> dict[str, str]:
    """Says of each tool that cannot be measured why not."""
    gone = {
        name: f"{command} is not installed"
        for name, command in {
            "aria2c": "aria2c",
            "aria2c, verified": "aria2c",
            "curl": "curl",
            "curl, then sha256sum": "curl",
            "rclone": "rclone",
            CP: "cp",
            CP_SYNC: "cp",
        }.items()
        if shutil.which(command) is None
    }
    if not peers.is_installed("transfer"):
        gone |= dict.fromkeys((TRUSS, "hf_transfer", "huggingface_hub"), "not installed; `make bench` does it")
    elif (reason := _no_place_for_a_manifest()) is not None:
        gone[TRUSS] = reason
    gone["hf_xet"] = "speaks to servers of Xet only, and there is none to run on loopback"
    if _s5cmd_path() is None:
        gone["s5cmd"] = "not installed; `make bench` does it"
    return gone


@contextlib.contextmanager
def place_for_manifests() -> Iterator[None]:
    """Makes /bptr where it is not there and may be, and takes it away again; nothing is ever put into it."""
    made = False
    with contextlib.suppress(OSError):
        _PLACE.mkdir()
        made = True
    try:
        yield
    finally:
        if made:
            _PLACE.rmdir()


def _no_place_for_a_manifest() -> str | None:
    """Why a folder cannot be put at /bptr for one process alone; None if it can."""
    try:
        words = ["unshare", "--mount", "mount", "--bind", str(ROOT), str(_PLACE)]
        done = subprocess.run(words, capture_output=True, text=True)
    except OSError as error:
        reason = str(error)
    else:
        if not done.returncode:
            return None
        reason = done.stderr.strip()
    return f"it reads its manifest from {_PLACE} alone, which cannot be lent to it ({reason})"
