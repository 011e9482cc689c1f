"""How are bytes kept in a bucket of S3, or of a service that speaks as S3 does?"""

from __future__ import annotations

import os
from typing import Any

from chariots.op_store.savers.bucket import Habits
from chariots.op_store.savers.object_store import ObjectStoreSaver

__all__ = ["S3Saver"]


class S3Saver(ObjectStoreSaver):
    """A saver that keeps bytes as objects of an S3 bucket; needs ``pip install 'chariots[s3]'``.

    What ``client_kwargs`` does not say comes from the environment (``AWS_ACCESS_KEY_ID``, ``AWS_REGION``,
    ``AWS_ENDPOINT_URL`` and so on) and from the role of the machine.

    Args:
        root_path: what the name of every object starts with; may be empty.
        bucket_name: the bucket, which must exist.
        client_kwargs: settings of obstore's S3 store, such as ``region``, ``endpoint``, ``access_key_id`` and
            ``secret_access_key``; ``client_options`` and ``credential_provider`` too.
        deadline: seconds after which an answer is no longer waited for; each piece of a large object has its own.

    Raises:
        ImportError: if obstore is not installed.
        ValueError: if a setting is not known or cannot be used.
    """

    service = "S3"
    extra = "s3"
    settings = (
        "access_key_id",
        "secret_access_key",
        "session_token",
        "region",
        "endpoint",
        "virtual_hosted_style_request",
        "skip_signature",
        "conditional_put",
        "copy_if_not_exists",
        "server_side_encryption",
        "sse_kms_key_id",
        "client_options",
        "credential_provider",
    )
    habits = Habits(largest_copy=5 * 2**30)

    def _connect(self, settings: Any, client_options: Any, **others: Any) -> Any:
        from obstore.store import S3Store

        endpoint = settings.get("endpoint") or os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT")
        if str(endpoint).startswith("http://"):
            client_options = {"allow_http": True, **client_options}
        if "AWS_COPY_IF_NOT_EXISTS" not in os.environ:
            settings = {"copy_if_not_exists": "multipart", **settings}
        provider = settings.pop("credential_provider", None)
        return S3Store(
            self.bucket_name, config=settings, client_options=client_options, credential_provider=provider, **others
        )
