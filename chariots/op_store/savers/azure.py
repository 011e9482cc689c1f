"""How are bytes kept in a container of Azure Blob Storage?"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from chariots.op_store.savers.bucket import Habits
from chariots.op_store.savers.object_store import ObjectStoreSaver

__all__ = ["AzureSaver"]


class AzureSaver(ObjectStoreSaver):
    """A saver that keeps bytes as blobs of a container; needs ``pip install 'chariots[azure]'``.

    What ``client_kwargs`` does not say comes from the environment (``AZURE_STORAGE_ACCOUNT_NAME``,
    ``AZURE_STORAGE_ACCOUNT_KEY`` and so on) and from the identity of the machine.

    Args:
        root_path: what the name of every blob starts with; may be empty.
        container_name: the container, which must exist.
        client_kwargs: settings of obstore's Azure store, such as ``account_name``, ``account_key``, ``sas_key``
            and ``endpoint``; ``client_options`` and ``credential_provider`` too.
        deadline: seconds after which an answer is no longer waited for; each piece of a large blob has its own.

    Raises:
        ImportError: if obstore is not installed.
        ValueError: if a setting is not known or cannot be used.
    """

    service = "Azure Blob Storage"
    extra = "azure"
    settings = (
        "account_name",
        "account_key",
        "sas_key",
        "client_id",
        "client_secret",
        "tenant_id",
        "endpoint",
        "use_azure_cli",
        "use_emulator",
        "skip_signature",
        "client_options",
        "credential_provider",
    )
    # Parts wait with the blob they are meant for, and whoever commits his own drops all others.
    habits = Habits(uploads_clash=True, copies_later=True)

    def __init__(
        self,
        root_path: str,
        container_name: str,
        client_kwargs: Mapping[str, Any] | None = None,
        deadline: float = 60.0,
    ) -> None:
        super().__init__(root_path, container_name, client_kwargs, deadline)

    @property
    def container_name(self) -> str:
        """The container."""
        return self.bucket_name

    @property
    def place(self) -> str:
        """The container and its service, in words."""
        return f"container {self.bucket_name!r} of {self.service}"

    def _connect(self, settings: Any, client_options: Any, **others: Any) -> Any:
        from obstore.store import AzureStore

        endpoint = settings.get("endpoint") or os.environ.get("AZURE_STORAGE_ENDPOINT")
        if str(endpoint).startswith("http://") or settings.get("use_emulator"):
            client_options = {"allow_http": True, **client_options}
        provider = settings.pop("credential_provider", None)
        return AzureStore(
            self.bucket_name, config=settings, client_options=client_options, credential_provider=provider, **others
        )
