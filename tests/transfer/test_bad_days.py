"""What becomes of a transfer when servers, networks and manifests misbehave? The right file, or a clear error."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest

from chariots.errors import ChariotsError, ConflictError, DamagedError, InputError, UnreachableError
from chariots.transfer import Manifest, TransferSettings, resolve
from tests.transfer.conftest import MEBIBYTE, files_in, pointer, served, some_bytes
from tests.transfer.hostile import Fault, HostileServer

BIG = some_bytes(12 * MEBIBYTE + 5)
SMALL = some_bytes(50_000, seed=2)
QUICK = TransferSettings(read_timeout_secs=0.3)
FEW = TransferSettings(range_download_workers=2)  # so that there is time to interrupt

PASSING = {
    "closes": Fault(close_after=20_000, first=3),
    "closes at once": Fault(close_after=0, first=3),
    "resets": Fault(reset_after=20_000, first=3),
    "stalls": Fault(stall_after=20_000, first=2),
    "hangs up": Fault(hangs_up=True, first=3),
    "closes what it said it keeps": Fault(drops_connection=True, first=3),
    "speaks another protocol": Fault(raw=b"220 mail.example.com ESMTP\r\n", first=2),
    "says that more will come": Fault(length_off=1000, first=2),
    "says that less will come": Fault(length_off=-1000, first=2),
    "sends another part": Fault(range_off=64, first=2),
    "sends less": Fault(shortened_to=1000, first=5),
    "500": Fault(status=500, first=3),
    "503": Fault(status=503, first=3),
    "503 with Retry-After": Fault(status=503, first=2, retry_after="0.05"),
    "429": Fault(status=429, first=3, retry_after="0"),
    "408": Fault(status=408, first=2),
    "sends in chunks": Fault(chunked=True),
    "flips a byte": Fault(flip_at=30_000, first=1),
    "ignores ranges": Fault(ignores_range=True),
    "ignores ranges at times": Fault(ignores_range=True, first=2, skip=1),
    "ignores If-Match": Fault(ignores_if_match=True),
}


@pytest.mark.parametrize("data", [BIG, SMALL], ids=["large", "small"])
@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_what_passes_costs_time_and_nothing_else(
    server: HostileServer, target: Path, fault: Fault, data: bytes
) -> None:
    manifest = served(server, "a.bin", data, faults=[fault])
    resolve(target, manifest=manifest, settings=QUICK)
    assert files_in(target) == {"a.bin": data}


LASTING = {
    "closes": Fault(close_after=0),
    "resets": Fault(reset_after=0),
    "stalls": Fault(stall_after=0),
    "hangs up": Fault(hangs_up=True),
    "speaks another protocol": Fault(raw=b"220 mail.example.com ESMTP\r\n"),
    "says another size": Fault(total_off=5),
    "503": Fault(status=503),
    "compresses": Fault(gzipped=True),
}


@pytest.mark.parametrize("fault", LASTING.values(), ids=LASTING)
def test_what_lasts_ends_in_a_clear_error(server: HostileServer, target: Path, fault: Fault) -> None:
    settings = TransferSettings(read_timeout_secs=0.1)
    with pytest.raises((UnreachableError, ConflictError), match=r"a\.bin"):
        resolve(target, manifest=served(server, "a.bin", BIG, faults=[fault]), settings=settings)
    assert files_in(target) == {}
    server.put("/a.bin", BIG)
    resolve(target, manifest=Manifest((pointer(server.url("/a.bin"), "a.bin", BIG),)))
    assert files_in(target) == {"a.bin": BIG}


def test_a_byte_that_is_always_wrong_is_never_under_a_final_name(server: HostileServer, target: Path) -> None:
    manifest = served(server, "a.bin", BIG, faults=[Fault(flip_at=5 * MEBIBYTE)])
    with pytest.raises(DamagedError, match="each time it is fetched"):
        resolve(target, manifest=manifest)
    assert files_in(target) == {}
    assert list((target / ".chariots-transfer").glob("*.part")) == []


def test_retry_after_is_waited_for(server: HostileServer, target: Path) -> None:
    resolve(target, manifest=served(server, "a.bin", SMALL, faults=[Fault(status=429, first=1, retry_after="1")]))
    first, second = server.requests("/a.bin")
    assert second.at - first.at >= 1.0


def test_an_object_that_is_replaced_halfway_is_fetched_anew(server: HostileServer, target: Path) -> None:
    new = some_bytes(len(BIG), seed=7)
    resource = server.put("/a.bin", BIG, replacement=new, replace_after=6 * MEBIBYTE, rate=20e6)
    manifest = Manifest((pointer(server.url("/a.bin"), "a.bin", new),))
    resolve(target, manifest=manifest)
    assert files_in(target) == {"a.bin": new}
    assert resource.data == new
    tags = {one.headers.get("if-match") for one in server.requests("/a.bin")}
    assert len(tags - {None}) == 2  # parts of the first state are never mixed with those of the second


def test_without_hashes_states_are_not_mixed_either(server: HostileServer, target: Path) -> None:
    new = some_bytes(len(BIG), seed=7)
    server.put("/a.bin", BIG, replacement=new, replace_after=6 * MEBIBYTE, rate=20e6)
    manifest = Manifest((pointer(server.url("/a.bin"), "a.bin", new),))
    resolve(target, manifest=manifest, verify=False)
    assert files_in(target)["a.bin"] in (BIG, new)


def test_an_object_of_another_size_is_told(server: HostileServer, target: Path) -> None:
    for data in (BIG + b"x", BIG[:-1]):
        server.put("/a.bin", data)
        with pytest.raises(ConflictError, match=f"{len(data)} bytes|fewer bytes"):
            resolve(target, manifest=Manifest((pointer(server.url("/a.bin"), "a.bin", BIG),)))
    assert files_in(target) == {}


def test_an_address_that_expires_is_asked_for_again(server: HostileServer, target: Path) -> None:
    with HostileServer() as far:
        far.put("/there", BIG, signed=True, rate=20e6)
        server.put("/a.bin", redirect=lambda: far.signed_url("/there", uses=3))
        resolve(target, manifest=Manifest((pointer(server.url("/a.bin"), "a.bin", BIG),)))
        assert files_in(target) == {"a.bin": BIG}
        assert 1 < len(server.requests("/a.bin")) < len(far.requests("/there"))


def test_redirects_without_an_end_are_not_followed(server: HostileServer, target: Path) -> None:
    server.put("/a.bin", redirect=server.url("/a.bin"))
    with pytest.raises(UnreachableError, match="without an end"):
        resolve(target, manifest=Manifest((pointer(server.url("/a.bin"), "a.bin", BIG),)))
    assert len(server.requests("/a.bin")) < 20


def test_a_redirect_that_leads_out_of_tls_to_another_machine_is_not_followed(
    target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with HostileServer(tls=True) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.trusted_in(tmp_path)))
        server.put("/a.bin", redirect="http://192.0.2.1/a.bin")
        server.put("/b.bin", BIG)
        with pytest.raises(InputError, match="without TLS"):
            resolve(target, manifest=Manifest((pointer(server.url("/a.bin", "localhost"), "a.bin", BIG),)))
        resolve(target, manifest=Manifest((pointer(server.url("/b.bin", "localhost"), "b.bin", BIG),)))
    assert files_in(target) == {"b.bin": BIG}


def test_a_certificate_that_nobody_vouches_for_is_told(target: Path) -> None:
    with HostileServer(tls=True) as server:
        server.put("/a.bin", BIG)
        with pytest.raises(UnreachableError, match=r"(?i)certificate"):
            resolve(target, manifest=Manifest((pointer(server.url("/a.bin"), "a.bin", BIG),)))
        assert server.requests("/a.bin") == []


def test_a_server_that_is_gone_or_a_name_that_nobody_knows_is_told(server: HostileServer, target: Path) -> None:
    server.stop()
    for url in (server.url("/a.bin"), "https://no-such-host.invalid/a.bin"):
        with pytest.raises(UnreachableError, match=r"'a\.bin' could not be fetched: .*reached"):
            resolve(target, manifest=Manifest((pointer(url, "a.bin", BIG),)))


def test_signatures_are_told_to_nobody(server: HostileServer, target: Path, caplog: pytest.LogCaptureFixture) -> None:
    server.put("/a.bin", SMALL, faults=[Fault(status=503)])
    server.put("/b.bin", redirect="https://user:geheim@example.com/x?signature=geheim")
    with caplog.at_level(logging.DEBUG):
        for name in ("a.bin", "b.bin"):
            url = f"{server.url(f'/{name}')}?X-Amz-Signature=geheim&token=geheim"
            with pytest.raises(ChariotsError) as caught:
                resolve(target, manifest=Manifest((pointer(url, name, SMALL),)))
            error: BaseException | None = caught.value
            while error is not None:
                assert "geheim" not in f"{error} {error!r}"
                error = error.__cause__ or error.__context__
    assert "geheim" not in caplog.text
    assert "geheim" not in repr(pointer(f"{server.url('/a')}?token=geheim", "a", SMALL))


def test_a_failure_of_one_file_leaves_the_others_that_are_complete(server: HostileServer, target: Path) -> None:
    manifests = [served(server, f"{number}.bin", some_bytes(2000, seed=number)) for number in range(50)]
    bad = Manifest((pointer(server.url("/none"), "none", SMALL),))
    with pytest.raises(ChariotsError, match="/none was answered with 404"):
        resolve(target, manifest=Manifest.merged([*manifests, bad]))
    resolve(target, manifest=Manifest.merged(manifests))
    assert len(files_in(target)) == 50
    assert server.bytes_sent() <= 51 * 2000 + 2000


def test_ctrl_c_in_the_middle_keeps_what_has_come(
    server: HostileServer, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = served(server, "a.bin", BIG, rate=4e6)

    def interrupt(progress: object) -> None:
        if progress.there > len(BIG) // 2:  # type: ignore[attr-defined]
            raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        resolve(target, manifest=manifest, settings=FEW, progress=interrupt)
    assert threading.active_count() <= before + server.connections + 1
    assert files_in(target) == {}
    sent = server.bytes_sent()
    server.put("/a.bin", BIG)
    resolve(target, manifest=manifest)
    assert files_in(target) == {"a.bin": BIG}
    assert server.bytes_sent() - sent < len(BIG) * 0.75


@pytest.mark.parametrize("damage", ["part", "journal", "half a journal", "no journal", "no part"])
def test_only_what_a_checksum_vouches_for_is_gone_on_with(server: HostileServer, target: Path, damage: str) -> None:
    manifest = served(server, "a.bin", BIG, rate=4e6)

    def interrupt(progress: object) -> None:
        if progress.there > len(BIG) // 2:  # type: ignore[attr-defined]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        resolve(target, manifest=manifest, settings=FEW, progress=interrupt)
    (part,) = (target / ".chariots-transfer").glob("*.part")
    (journal,) = (target / ".chariots-transfer").glob("*.journal")
    if damage == "part":
        content = bytearray(part.read_bytes())
        content[1000] ^= 1
        part.write_bytes(content)
    elif damage == "journal":
        journal.write_bytes(journal.read_bytes().replace(b'"hash":"', b'"hash":"0'))
    elif damage == "half a journal":
        journal.write_bytes(journal.read_bytes()[:-7])
    elif damage == "no journal":
        journal.unlink()
    else:
        part.unlink()
    server.put("/a.bin", BIG)
    resolve(target, manifest=manifest)
    assert files_in(target) == {"a.bin": BIG}


def test_a_part_of_another_state_of_the_object_is_thrown_away(server: HostileServer, target: Path) -> None:
    new = some_bytes(len(BIG), seed=7)
    server.put("/a.bin", BIG, rate=4e6)
    target_of = pointer(server.url("/a.bin"), "a.bin", new)

    def interrupt(progress: object) -> None:
        if progress.there > len(BIG) // 2:  # type: ignore[attr-defined]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        resolve(target, manifest=Manifest((target_of,)), settings=FEW, progress=interrupt)
    server.put("/a.bin", new)
    resolve(target, manifest=Manifest((target_of,)))
    assert files_in(target) == {"a.bin": new}
