"""Which files has a repository of the Hugging Face hub, in which state, and what are they?"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from chariots.errors import BodyTooLargeError, InputError, UnreachableError
from chariots.transfer.locating import hub_endpoint
from chariots.transfer.manifest import LARGEST_FILE, HttpResolution, Pointer
from chariots.transfer.model_repo import ModelRepo
from chariots.transfer.secrets import find_token
from chariots.transfer.settings import TransferSettings
from chariots.transfer.sources.hub_refusals import refusal
from chariots.transfer.sources.naming import file_name_of, wanted_of
from chariots.web.client import Session
from chariots.web.hosts import is_loopback
from chariots.web.replies import Reply
from chariots.web.retry import RetryPolicy

__all__ = ["pointers_of_hub"]

EXPIRES: Final = 4044816725  # seconds since 1970, in the year 2098: an address of a commit is good for ever
LARGEST_ANSWER: Final = 128 * 2**20  # bytes; a file takes some 250
_POLICY: Final = RetryPolicy(attempts=6, base=0.25, maximum=10.0)
_PATIENCE: Final = 60.0  # seconds
_MOST_REDIRECTS: Final = 5
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_AT_ONCE: Final = 16  # questions for single files

_REPO_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,96}(/[A-Za-z0-9_.-]{1,96})?\Z")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}\Z")
_SHA256: Final = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True)
class _Known:
    """What the hub says of a file; parts that it does not say are None."""

    etag: str | None
    size: int | None


def pointers_of_hub(repo: ModelRepo, root: str) -> Sequence[Pointer]:
    """Looks up the files of a repository of the Hugging Face hub, with one request.

    The pointers lead to the commit that the revision means now, so that they stay right when a branch moves on.

    Args:
        repo: the repository, of the kind ``"hf"``.
        root: what the folders of repositories lie in.

    Returns:
        a pointer for each file that is wanted, sorted by path.

    Raises:
        UnknownNameError: if there is no such repository or revision, or none of its files is wanted.
        UnauthorizedError: if it wants a token, or another one.
        ForbiddenError: if the token does not open it.
        UnreachableError: if the hub does not answer.
        InputError: if the repository cannot be called so, or the answer is none that a hub gives.
    """
    return _Lookup(repo).pointers(root)


class _Lookup:
    def __init__(self, repo: ModelRepo) -> None:
        self._repo = repo
        self._shown = f"the repository {repo.repo_id[:200]!r}"
        if not _REPO_ID.match(repo.repo_id) or any(part.strip(".") == "" for part in repo.repo_id.split("/")):
            raise InputError(f"{self._shown} is none that the Hugging Face hub can have; give one such as 'owner/name'")
        self._endpoint = hub_endpoint()
        self._allows_http = TransferSettings.from_environment().allow_http
        self._token = find_token(repo.runtime_secret_name)

    def pointers(self, root: str) -> Sequence[Pointer]:
        """Looks up the files."""
        told = self._metadata()
        commit = self._commit(told)
        repo = self._repo
        wanted = wanted_of(repo, self._files(told))
        unknown = [path for path, known in wanted if known.etag is None or known.size is None]
        asked = self._ask_for_each(unknown, commit) if unknown else {}
        found = []
        for path, known in wanted:
            etag, size = asked.get(path, (known.etag, known.size))
            file_name = file_name_of(repo, root, path)
            found.append(
                Pointer(
                    resolution=HttpResolution(self._address(path, commit), EXPIRES),
                    uid=f"{repo.repo_id}:{repo.revision}:{path}",
                    file_name=file_name,
                    hashtype="etag",
                    hash=str(etag),
                    size=int(size or 0),
                    runtime_secret_name=repo.runtime_secret_name,
                )
            )
        return found

    def _metadata(self) -> Mapping[str, Any]:
        import msgspec

        revision = urllib.parse.quote(self._repo.revision or "main", safe="")
        reply = self._ask("GET", f"{self._endpoint}/api/models/{self._repo.repo_id}/revision/{revision}?blobs=true")
        if reply.status != 200:
            raise refusal(reply, self._repo, self._endpoint, self._token is not None)
        try:
            told = msgspec.json.decode(reply.body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            told = None
        if not isinstance(told, dict):
            raise self._strange("it is no JSON object")
        return told

    def _commit(self, told: Mapping[str, Any]) -> str:
        commit, asked = told.get("sha"), self._repo.revision
        if not isinstance(commit, str) or not _COMMIT.match(commit):
            raise self._strange("it names no commit ('sha')")
        if _COMMIT.match(asked) and commit != asked:
            raise self._strange(f"it is of the commit {commit}, where {asked} was asked for")
        return commit

    def _files(self, told: Mapping[str, Any]) -> Mapping[str, _Known]:
        siblings = told.get("siblings")
        if not isinstance(siblings, list):
            raise self._strange("it lists no files ('siblings')")
        files: dict[str, _Known] = {}
        for sibling in siblings:
            path = sibling.get("rfilename") if isinstance(sibling, dict) else None
            if not isinstance(path, str) or not path:
                raise self._strange("one of the files has no name ('rfilename')")
            known = self._known(sibling, path)
            if files.setdefault(path, known) != known:
                raise self._strange(f"it lists {path[:200]!r} twice, with different contents")
        return files

    def _known(self, sibling: Mapping[str, Any], path: str) -> _Known:
        large = sibling.get("lfs")
        etag, size = sibling.get("blobId"), sibling.get("size")
        if isinstance(large, dict):
            etag, size = large.get("sha256", large.get("oid")), large.get("size", size)
            etag = etag.removeprefix("sha256:") if isinstance(etag, str) else etag
        form = _SHA256 if isinstance(large, dict) else _COMMIT
        if etag is not None and not (isinstance(etag, str) and form.match(etag)):
            raise self._strange(f"the hash of {path[:200]!r} is none")
        return _Known(etag, self._checked_size(size, path))

    def _checked_size(self, size: Any, path: str) -> int | None:
        if size is None:
            return None
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= LARGEST_FILE:
            raise self._strange(f"the size of {path[:200]!r} is {str(size)[:40]}, which is no number of bytes")
        return size

    def _address(self, path: str, commit: str) -> str:
        return f"{self._endpoint}/{self._repo.repo_id}/resolve/{commit}/{urllib.parse.quote(path)}"

    def _ask_for_each(self, paths: Sequence[str], commit: str) -> Mapping[str, tuple[str, int]]:
        """Asks for files of which the metadata does not tell hash or size, as that of older servers."""
        with ThreadPoolExecutor(min(_AT_ONCE, len(paths)), thread_name_prefix="chariots-hub") as pool:
            return dict(zip(paths, pool.map(lambda path: self._ask_for(path, commit), paths), strict=True))

    def _ask_for(self, path: str, commit: str) -> tuple[str, int]:
        file_name_of(self._repo, "", path)  # a name that leads elsewhere is not asked for either
        address = self._address(path, commit)
        reply = self._ask("HEAD", address, follows=False)
        if reply.status >= 400:
            raise refusal(reply, self._repo, self._endpoint, self._token is not None)
        leads_on = reply.status in _REDIRECTS
        etag = _header(reply, "X-Linked-Etag") or (None if leads_on else _header(reply, "ETag"))
        size = _header(reply, "X-Linked-Size") or (None if leads_on else _header(reply, "Content-Length"))
        if not etag or size is None or not (size.isascii() and size.isdigit()):
            raise self._strange(
                f"neither it nor {address} tells hash and size of the file, which {self._endpoint} is to know; "
                "set HF_ENDPOINT to a server that does"
            )
        return etag.removeprefix("W/").strip('"'), int(size)

    def _ask(self, method: str, address: str, *, follows: bool = True) -> Reply:
        """Makes one request, and follows where it leads; the token is shown to the hub alone."""
        home = _server(address)
        for _ in range(_MOST_REDIRECTS):
            parts = urllib.parse.urlsplit(address)
            server = _server(address)
            if server is None or (parts.scheme != "https" and not self._may_be_plain(parts.hostname or "")):
                raise InputError(
                    f"{self._shown} is to be looked up at an address that does not begin with https://; "
                    "correct HF_ENDPOINT, or set CHARIOTS_TRANSFER_ALLOW_HTTP=1 where the network can be trusted"
                )
            token = self._token if server == home else None
            path = urllib.parse.urlunsplit(("", "", parts.path, parts.query, ""))
            try:
                with Session(server, timeout=_PATIENCE, retries=_POLICY, token=token) as session:
                    reply = session.request(method, path, largest=LARGEST_ANSWER)
            except BodyTooLargeError:
                raise self._strange(f"it has more than {LARGEST_ANSWER >> 20} MiB") from None
            except UnreachableError as error:
                raise UnreachableError(f"{self._shown} cannot be looked up: {error}") from error
            place = _header(reply, "Location")
            if not follows or reply.status not in _REDIRECTS or not place:
                return reply
            address = urllib.parse.urljoin(address, place)
        raise UnreachableError(
            f"{self._shown} cannot be looked up: {self._endpoint} sends from one address to the next without an end; "
            "check HF_ENDPOINT"
        )

    def _may_be_plain(self, host: str) -> bool:
        return self._allows_http or is_loopback(host)

    def _strange(self, what: str) -> InputError:
        return InputError(
            f"{self._shown} cannot be read: what {self._endpoint} answers is not what a hub answers: {what}; "
            "check HF_ENDPOINT, and the proxies on the way"
        )


def _server(address: str) -> str | None:
    """The server of an address; None where it has none, or a password."""
    try:
        parts = urllib.parse.urlsplit(address)
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{port}"


def _header(reply: Reply, name: str) -> str | None:
    return next((text for given, text in reply.headers.items() if given.lower() == name.lower()), None)
