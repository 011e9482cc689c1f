"""How are bytes kept in a bucket of Google Cloud Storage?"""

from __future__ import annotations

from typing import Any

from chariots.op_store.savers.object_store import ObjectStoreSaver

__all__ = ["GoogleStorageSaver"]


class GoogleStorageSaver(ObjectStoreSaver):
    """A saver that keeps bytes as objects of a bucket; needs ``pip install 'chariots[gcs]'``.

    Credentials that ``client_kwargs`` does not give come from where Google's own tools look for them: the file that
    ``GOOGLE_APPLICATION_CREDENTIALS`` names, the login of ``gcloud``, the account of the machine.

    Args:
        root_path: what the name of every object starts with; may be empty.
        bucket_name: the bucket, which must exist.
        client_kwargs: settings of obstore's store, such as ``service_account_path``; or arguments of
            ``google.cloud.storage.Client``: ``project`` (which a bucket does not need), ``credentials`` and
            ``client_options`` with an ``api_endpoint``.
        deadline: seconds after which an answer is no longer waited for; each piece of a large object has its own.

    Raises:
        ImportError: if obstore is not installed.
        ValueError: if a setting is not known or cannot be used.
    """

    service = "Google Cloud Storage"
    extra = "gcs"
    settings = (
        "service_account_path",
        "service_account_key",
        "application_credentials",
        "bearer_token",
        "skip_signature",
        "base_url",
        "project",
        "credentials",
        "client_options",
        "credential_provider",
    )

    def _connect(self, settings: Any, client_options: Any, **others: Any) -> Any:
        from obstore.store import GCSStore

        settings.pop("project", None)
        credentials = settings.pop("credentials", None)
        provider = settings.pop("credential_provider", None)
        if credentials is not None:
            from obstore.auth.google import GoogleCredentialProvider

            provider = GoogleCredentialProvider(credentials)
        endpoint = client_options.pop("api_endpoint", None)
        if endpoint is not None:
            settings["base_url"] = endpoint
        if str(settings.get("base_url")).startswith("http://"):
            client_options = {"allow_http": True, **client_options}
        return GCSStore(
            self.bucket_name, config=settings, client_options=client_options, credential_provider=provider, **others
        )
