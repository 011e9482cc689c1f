"""Which values does each setting accept, and in what form does it keep them?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from chariots.errors import nearest
from chariots.pipelines.runners import RUNNERS
from chariots.web.settings import SETTINGS, flag, texts, tokens_by_scope

__all__ = ["SECTIONS", "CODE_ONLY", "Check", "kind", "mapping"]

Check = Callable[[Any, str], Any]
"""Takes a value and words for where it stands; returns the value in its final form or raises ValueError."""


def kind(value: Any) -> str:
    """Shows a value and its type in a few words."""
    return f"{value!r:.80} ({type(value).__name__})"


def text(value: Any, where: str) -> str:
    """Accepts a string."""
    if isinstance(value, str) and value:
        return value
    raise ValueError(f"{where} holds {kind(value)}, where text is expected.")


def port(value: Any, where: str) -> int:
    """Accepts a port number, as an int or as its digits."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 65535:
        return value
    raise ValueError(f"{where} holds {kind(value)}, where a port from 0 to 65535 is expected.")


def mapping(value: Any, where: str) -> dict[str, Any]:
    """Accepts a mapping with text keys."""
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return dict(value)
    # The value may hold a password, so that only its type is shown.
    raise ValueError(
        f"{where} holds a {type(value).__name__}, where a mapping of argument names to values is expected."
    )


def secret(value: Any, where: str) -> str:
    """Accepts a string that no message may show."""
    if isinstance(value, str) and value:
        return value
    raise ValueError(f"{where} holds a {type(value).__name__}, where text is expected.")


def tokens(value: Any, where: str) -> dict[str, list[str]]:
    """Accepts the tokens of an op store: ``read:TOKEN,write:TOKEN``."""
    return tokens_by_scope(
        value,
        where,
        "a token without a scope; write read:TOKEN, write:TOKEN or admin:TOKEN.",
        "a mapping from read, write or admin to a token or several, or text such as read:TOKEN,write:TOKEN.",
    )


def choice(known: Mapping[str, str]) -> Check:
    """Accepts one of a few names, however joined: ``FileSaver``, ``file-saver``, ``file_saver``.

    Args:
        known: from a name in lower case without joints to the name we show.
    """

    def check(value: Any, where: str) -> str:
        shown = sorted(set(known.values()))
        if not isinstance(value, str):
            raise ValueError(f"{where} holds {kind(value)}, where one of {', '.join(shown)} is expected.")
        found = known.get(value.replace("-", "").replace("_", "").lower())
        if found is None:
            raise ValueError(
                f"{where} holds {value!r}, which is not known.{nearest(value, shown)} Known names: {', '.join(shown)}."
            )
        return found

    return check


saver_type = choice(
    {
        "filesaver": "file-saver",
        "s3": "s3",
        "s3saver": "s3",
        "googlestorage": "google-storage",
        "googlestoragesaver": "google-storage",
        "azure": "azure",
        "azuresaver": "azure",
    }
)


def saver_url(value: Any, where: str) -> str:
    """Accepts the URL of a saver, such as ``s3://bucket/prefix``."""
    from chariots.op_store.savers.urls import read_url

    try:
        read_url(text(value, where))
    except ValueError as error:
        raise ValueError(f"{where} cannot be used: {error}") from error
    return str(value)


runner_name = choice({name.replace("-", ""): name for name in RUNNERS})
worker_type = choice({"rq": "rq", "local": "local", "localworkerpool": "local"})


def runner(value: Any, where: str) -> Any:
    """Accepts the name of a runner, or a runner itself when it comes from code."""
    return value if hasattr(value, "run") else runner_name(value, where)


def rollouts(value: Any, where: str) -> list[Any]:
    """Accepts what is tried on a part of the calls: a list of mappings, or the objects when they come from code."""
    from chariots.serving.rollouts import read_rollouts

    return list(read_rollouts(value, where))


SECTIONS: Mapping[str, Mapping[str, Check]] = {
    "op_store": {
        "server_host": text,
        "server_port": port,
        "saver_type": saver_type,
        "saver_kwargs": mapping,
        "saver_url": saver_url,
        "op_store_db_url": text,
        "signing_key": secret,
        "verify_keys": texts,
        "trusted_formats": texts,
        "token": secret,
        "tokens": tokens,
        "allowed_hosts": texts,
    },
    "pipelines": {
        "runner": runner,
        "runner_kwargs": mapping,
        "server_host": text,
        "server_port": port,
        "import_name": text,
        "alias": text,
        "batching": flag,
        "fast_path": flag,
        "rollouts": rollouts,
        "token": secret,
    },
    "serving": {name: setting.check for name, setting in SETTINGS.items()},
    "pipelines_workers": {
        "use_for_all": flag,
        "worker_type": worker_type,
        "worker_pool_kwargs": mapping,
    },
}
"""Every section and key, with what each key accepts."""

CODE_ONLY: Mapping[str, tuple[str, ...]] = {"pipelines": ("pipelines", "pipeline_callbacks")}
"""The arguments of a section that hold Python objects, so that no file can give them."""
