"""What is said when the service of a bucket is away, slow, or does not let us in, and are keys ever shown?"""

from __future__ import annotations

import json
import logging
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chariots.errors import (
    ChariotsError,
    ConflictError,
    ForbiddenError,
    InputError,
    UnauthorizedError,
    UnreachableError,
)
from chariots.transfer import (
    AzureResolution,
    GcsResolution,
    HttpResolution,
    Manifest,
    ModelRepo,
    Pointer,
    Progress,
    S3Resolution,
    TransferSettings,
    create_manifest,
    resolve,
)
from chariots.transfer.origins import ChangedError, PassingError
from chariots.transfer.sources import BucketOrigin, Stores
from chariots.transfer.sources.places import folder_of, kind_of
from tests.faulty_proxy import Fault, FaultyProxy, faulty_proxy
from tests.object_stores import AZURE_KEY, ObjectStores
from tests.transfer.buckets import SECRET_KEY, Bucket, new_bucket, pointer_to, read, stores
from tests.transfer.conftest import MEBIBYTE, files_in, some_bytes

WRONG_KEY = "aHVzaC1odXNoLWh1c2gtaHVzaC1odXNoLWh1c2gtaHVzaA=="


@pytest.fixture
def proxy(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    """What stands between a transfer and that bucket from now on."""
    with faulty_proxy(bucket.url) as proxy:
        bucket.serve_at(proxy.url, monkeypatch)
        yield proxy


@pytest.mark.parametrize("fault", [Fault(status=500), Fault(status=503), Fault(status=429), Fault(reset=True)], ids=str)
def test_what_may_pass_is_said_to_pass(bucket: Bucket, proxy: FaultyProxy, fault: Fault) -> None:
    pointer = pointer_to(bucket, b"x")
    origin = BucketOrigin(pointer, stores())
    proxy.forget()
    proxy.plan.append(fault)
    with pytest.raises(PassingError, match=r"big\.bin could not be read"):
        origin.open(0, 1, None)
    assert len(proxy.requests) == 1, "whoever fetches decides how often it is tried"
    assert read(origin, 0, 1)[0] == b"x"


def test_bytes_that_break_off_are_said_to_pass(bucket: Bucket, proxy: FaultyProxy) -> None:
    data = b"x" * 2**20
    origin = BucketOrigin(pointer_to(bucket, data), stores())
    proxy.forget()
    proxy.plan.append(Fault(after=2**19))
    with pytest.raises(PassingError, match=r"was lost|too early"):
        read(origin, 0, len(data))
    assert read(origin, 0, len(data))[0] == data


def test_a_service_that_falls_silent_is_not_waited_for(bucket: Bucket, proxy: FaultyProxy) -> None:
    data = b"x" * 2**20
    pointer = pointer_to(bucket, data)
    origin = BucketOrigin(pointer, stores(read_timeout=0.5))
    for fault in (Fault(silent=True), Fault(stall=2**19)):
        proxy.plan.append(fault)
        begun = time.monotonic()
        with pytest.raises(PassingError):
            read(origin, 0, len(data))
        assert time.monotonic() - begun < 30, "the read timeout did not count"


def test_a_list_that_breaks_off_is_asked_for_again(bucket: Bucket, proxy: FaultyProxy) -> None:
    bucket.put("a", b"1")
    proxy.plan.extend([Fault(status=503), Fault(reset=True)])
    assert [one.size for one in create_manifest([bucket.repo()]).pointers] == [1]


def test_the_size_is_that_of_the_manifest_or_nothing(bucket: Bucket) -> None:
    pointer = pointer_to(bucket, b"x" * 100)
    _, pin = read(BucketOrigin(pointer, stores()), 0, 100)
    bucket.put("big.bin", b"x")
    with pytest.raises(ChangedError):
        BucketOrigin(pointer, stores()).open(50, 100, pin)
    with pytest.raises(ConflictError, match="make a new one"):
        BucketOrigin(pointer, stores()).open(50, 100, None)


REFUSALS = [
    (403, "AccessDenied", ForbiddenError, "the keys, those of .*, are wrong, or do not allow it"),
    (403, "SignatureDoesNotMatch", UnauthorizedError, "wrong or expired|no usable keys"),
    (403, "InvalidAccessKeyId", UnauthorizedError, "wrong or expired|no usable keys"),
    (400, "ExpiredToken", UnauthorizedError, "wrong or expired|no usable keys"),
    (401, "Unauthorized", UnauthorizedError, "wrong or expired|no usable keys"),
    (400, "Weird", UnreachableError, "check that the service is up"),
]


@pytest.mark.parametrize(("status", "code", "kind", "words"), REFUSALS, ids=str)
def test_a_refusal_says_what_to_do(
    bucket: Bucket, proxy: FaultyProxy, status: int, code: str, kind: type[ChariotsError], words: str
) -> None:
    pointer = pointer_to(bucket, b"x")
    proxy.always = Fault(status=status, code=code)
    for ask in (lambda: BucketOrigin(pointer, stores()).open(0, 1, None), lambda: create_manifest([bucket.repo()])):
        with pytest.raises(kind, match=words) as caught:
            ask()
        assert code in str(caught.value) and bucket.name in str(caught.value)


def test_a_wrong_key_is_told_without_showing_it(
    servers: ObjectStores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    bucket = new_bucket("azure", servers, tmp_path, monkeypatch)
    pointer = pointer_to(bucket, b"x")
    bucket.serve_at(bucket.url, monkeypatch, WRONG_KEY)
    for ask in (lambda: BucketOrigin(pointer, stores()).open(0, 1, None), lambda: create_manifest([bucket.repo()])):
        with pytest.raises(ForbiddenError, match="the secret 'keys', are wrong, or do not allow it") as caught:
            ask()
        assert WRONG_KEY not in "".join(traceback.format_exception(caught.value)) + caplog.text


@pytest.mark.parametrize(
    "fault", [Fault(status=403, code="AccessDenied"), Fault(status=500), Fault(reset=True)], ids=str
)
def test_no_failure_shows_a_key(
    bucket: Bucket, proxy: FaultyProxy, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    pointer = pointer_to(bucket, b"x")
    proxy.always = fault
    with pytest.raises((PassingError, ForbiddenError)) as caught:
        BucketOrigin(pointer, stores()).open(0, 1, None)
    shown = "".join(traceback.format_exception(caught.value)) + caplog.text
    assert SECRET_KEY not in shown and AZURE_KEY not in shown


@pytest.mark.parametrize("text", ["hush-hush", '{"a": "hush-hush"}', '{"account_key": ["hush-hush"]}'])
def test_a_secret_of_another_form_names_the_members_and_shows_nothing(bucket: Bucket, text: str) -> None:
    (bucket.folder / "other").write_text(text)
    with pytest.raises(UnauthorizedError, match=r"the secret 'other' .*make it \{") as caught:
        create_manifest([bucket.repo(runtime_secret_name="other")])
    member = {"s3": "secret_access_key", "gcs": "client_email", "azure": "account_key"}[bucket.kind]
    assert member in str(caught.value) and "hush" not in "".join(traceback.format_exception(caught.value))


def test_a_key_that_is_none_is_told_without_showing_it(bucket: Bucket) -> None:
    if bucket.kind == "s3":
        secret = {"access_key_id": "a", "secret_access_key": "hush", "endpoint": "hush no address"}
    elif bucket.kind == "gcs":
        secret = {"private_key_id": "a", "private_key": "hush", "client_email": "c"}
    else:
        secret = {"account_key": "hush, no base64"}
    (bucket.folder / "other").write_text(json.dumps(secret))
    with pytest.raises(InputError, match=r"settings of the secret 'other'.*are not usable") as caught:
        create_manifest([bucket.repo(runtime_secret_name="other")])
    assert "hush" not in "".join(traceback.format_exception(caught.value))


def test_the_token_of_the_environment_is_not_mixed_with_keys_of_a_secret(
    servers: ObjectStores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = new_bucket("s3", servers, tmp_path, monkeypatch)
    bucket.put("a", b"1")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of-the-environment")
    with faulty_proxy(bucket.url) as proxy:
        bucket.serve_at(proxy.url, monkeypatch)
        create_manifest([bucket.repo()])
        assert "x-amz-security-token" not in proxy.requests[0].headers
        assert "Credential=name/" in proxy.requests[0].headers["authorization"]
        keys = {**json.loads((bucket.folder / "keys").read_text()), "session_token": "of-the-secret"}
        (bucket.folder / "keys").write_text(json.dumps(keys))
        create_manifest([bucket.repo()])
        assert proxy.requests[-1].headers["x-amz-security-token"] == "of-the-secret"


def test_without_a_secret_the_environment_opens_a_bucket(
    servers: ObjectStores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = new_bucket("s3", servers, tmp_path, monkeypatch)
    bucket.put("a", b"1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", bucket.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "name")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("HF_TOKEN", "of the hub")  # is no key, and no reason to fail
    assert len(create_manifest([bucket.repo(runtime_secret_name="hf_access_token")]).pointers) == 1
    assert len(create_manifest([bucket.repo(runtime_secret_name="unknown")]).pointers) == 1


def test_files_of_one_bucket_share_its_connections(
    servers: ObjectStores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = new_bucket("s3", servers, tmp_path, monkeypatch)
    for name in "abc":
        bucket.put(name, b"1")
    shared = stores()
    for pointer in create_manifest([bucket.repo()]).pointers:
        read(BucketOrigin(pointer, shared), 0, 1)
    place, _ = folder_of(bucket.repo())
    assert shared.open(place, "keys") is shared.open(place, "keys")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("owner/name", "hf"),
        ("s3://bucket/prefix", "s3"),
        ("gs://bucket", "gcs"),
        ("gcs://bucket", "gcs"),
        ("azure://account/container", "azure"),
        ("az://account/container", "azure"),
        ("https://account.blob.core.windows.net/container/a", "azure"),
    ],
)
def test_an_address_says_its_kind(name: str, kind: str) -> None:
    assert kind_of(name) == kind


@pytest.mark.parametrize("name", ["ftp://a/b", "https://example.com/a?sig=hush", "://a"])
def test_an_address_of_no_kind_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="stands for none; give one of the forms") as caught:
        kind_of(name)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("s3", "bucket/prefix"),
        ("s3", "gs://bucket/prefix"),
        ("s3", "s3://"),
        ("s3", "s3:///prefix"),
        ("gcs", "s3://bucket"),
        ("azure", "azure://account"),
        ("azure", "azure://account/"),
        ("azure", "https://account.blob.core.windows.net/"),
        ("azure", "https://example.com/container/prefix"),
        ("azure", "https://account.blob.core.windows.net/container/prefix?sig=hush"),
        ("azure", "https://me:hush@account.blob.core.windows.net/container"),
    ],
)
def test_an_address_of_another_form_is_refused(kind: str, name: str) -> None:
    with pytest.raises(InputError, match=r"is not of the form|is no name of") as caught:
        folder_of(ModelRepo(name, kind=kind))
    assert "sig=" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("s3", "s3://buc?ket/x"),
        ("s3", "s3://bu cket/x"),
        ("gcs", "gs://bucket@example.com/x"),
        ("azure", "azure://example.com#/container"),
        ("azure", "azure://account/cont:ainer"),
        ("s3", "s3://bucket/../other"),
    ],
)
def test_a_name_that_would_lead_to_another_server_is_refused(kind: str, name: str) -> None:
    with pytest.raises(InputError, match=r"is no name of a|holds '\.\.'"):
        folder_of(ModelRepo(name, kind=kind))


@pytest.mark.parametrize(
    "resolution",
    [
        S3Resolution("bucket", "key", "evil.com/"),
        S3Resolution("evil.com/#", "key"),
        S3Resolution("bucket", "/"),
        GcsResolution("", "bucket"),
        AzureResolution("evil.com/x", "container", "blob"),
        AzureResolution("account", "con/tainer", "blob"),
        HttpResolution("https://example.com/"),
    ],
    ids=str,
)
def test_a_manifest_does_not_lead_to_another_server(
    resolution: S3Resolution | GcsResolution | AzureResolution | HttpResolution,
) -> None:
    with pytest.raises(InputError):
        BucketOrigin(Pointer(resolution, "uid", "name", "etag", "x", 1), Stores())


@pytest.mark.parametrize(
    "name",
    [
        "azure://account/container/a/b/",
        "az://account/container//a/b",
        "https://account.blob.core.windows.net/container/a/b",
    ],
)
def test_the_forms_of_an_address_of_azure_mean_the_same(name: str) -> None:
    place, folder = folder_of(ModelRepo(name, kind="azure"))
    assert (place.account, place.bucket, folder) == ("account", "container", "a/b")


def test_a_public_bucket_needs_no_keys(servers: ObjectStores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = new_bucket("s3", servers, tmp_path, monkeypatch)
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    with faulty_proxy(bucket.url) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        proxy.always = Fault(status=403, code="AccessDenied")
        with pytest.raises(ForbiddenError, match="those of the environment"):
            create_manifest([bucket.repo(runtime_secret_name="unknown")])
        assert [one.headers.get("authorization") for one in proxy.requests] == [None]


def test_ctrl_c_does_not_wait_for_a_service_that_says_nothing(
    bucket: Bucket, proxy: FaultyProxy, tmp_path: Path
) -> None:
    data = some_bytes(9 * MEBIBYTE)
    manifest = Manifest((replace(pointer_to(bucket, data), file_name="big.bin"),))
    settings = TransferSettings(read_timeout_secs=5.0, num_workers=1, range_download_workers=1)
    proxy.forget()
    proxy.plan.append(Fault(silent=True))

    def interrupt(_: Progress) -> None:
        if proxy.requests:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        resolve(tmp_path / "target", manifest=manifest, settings=settings, progress=interrupt)
    assert any(thread.name == "transfer-end" for thread in threading.enumerate())
    resolve(tmp_path / "target", manifest=manifest, settings=settings)
    assert files_in(tmp_path / "target") == {"big.bin": data}
