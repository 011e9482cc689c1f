"""Which saver does a URL stand for?"""

from __future__ import annotations

import urllib.parse
from typing import Any

from chariots.errors import nearest
from chariots.op_store.savers.base import BaseSaver

__all__ = ["FORMS", "from_url", "read_url"]

FORMS = {
    "file": "file:///folder",
    "s3": "s3://bucket/prefix",
    "gs": "gs://bucket/prefix",
    "az": "az://container/prefix",
}
"""What may stand before ``://``, with an example of each."""


def from_url(url: str, **arguments: Any) -> BaseSaver:
    """Makes the saver that a URL stands for.

    Args:
        url: ``file:///folder``, ``s3://bucket/prefix``, ``gs://bucket/prefix`` or ``az://container/prefix``; the
            prefix is the root of the saver and may be left out.
        arguments: further arguments of the saver, such as ``client_kwargs``.

    Returns:
        the saver.

    Raises:
        ImportError: if the library for such a place is not installed.
        ValueError: if the URL is of another form; the message does not repeat what may be secret in it.
    """
    kind, told = read_url(url)
    return kind(**told, **arguments)


def read_url(url: str) -> tuple[type[BaseSaver], dict[str, str]]:
    """Reads the URL of a saver.

    Args:
        url: as for `from_url`.

    Returns:
        the class of the saver, and the arguments that the URL stands for.

    Raises:
        ValueError: if the URL is of another form.
    """
    from chariots.op_store import savers

    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in FORMS:
        raise ValueError(
            f"a saver was to be made for a URL that starts with {parts.scheme or url[:20]!r}, which stands for none; "
            f"give one of {', '.join(FORMS.values())}.{nearest(parts.scheme, FORMS)}"
        )
    form = FORMS[parts.scheme]
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(
            f"a saver was to be made for a {parts.scheme}:// URL with a password, a '?' or a '#' in it, which it has "
            f"no place for; give {form!r} and put settings into client_kwargs or the environment"
        )
    path = urllib.parse.unquote(parts.path)
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost") or not path.startswith("/"):
            raise ValueError(
                f"a saver was to be made for {url!r}, which names no folder of this machine; give an absolute path "
                f"after three slashes, as in {form!r}"
            )
        return savers.FileSaver, {"root_path": path}
    if not parts.netloc:
        raise ValueError(f"a saver was to be made for {url!r}, which names no bucket; give {form!r}")
    root = {"root_path": path.strip("/")}
    if parts.scheme == "az":
        return savers.AzureSaver, {**root, "container_name": parts.netloc}
    kind = savers.S3Saver if parts.scheme == "s3" else savers.GoogleStorageSaver
    return kind, {**root, "bucket_name": parts.netloc}
