"""What a version remembers, how it is written down, and when it is newer than another."""

from __future__ import annotations

import copy
import hashlib
import pickle
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chariots.versioning import Version, VersionType

EMPTY = hashlib.sha1(b"").hexdigest()
updates = st.lists(st.tuples(st.sampled_from(VersionType), st.binary(max_size=20)), max_size=6)
times = st.floats(min_value=0, max_value=4e9) | st.datetimes(
    min_value=datetime(1971, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC)
)


@st.composite
def versions(draw: st.DrawFn) -> Version:
    version = Version(creation_time=draw(times))
    for kind, data in draw(updates):
        version.update(kind, data)
    return version


def test_an_empty_version_prints_as_documented() -> None:
    assert repr(Version()) == "<Version, major:da39a, minor: da39a, patch: da39a>"


def test_a_version_is_created_now_unless_told_otherwise() -> None:
    before = time.time()
    assert before <= Version().creation_time <= time.time()


def test_the_first_bytes_of_a_subversion_are_hashed_alone() -> None:
    assert Version().update_minor(b"foo").minor == hashlib.sha1(b"foo").hexdigest()


def test_an_update_changes_only_its_subversion() -> None:
    version = Version().update(VersionType.MINOR, b"foo")
    assert (version.major, version.patch) == (EMPTY, EMPTY)
    assert version.minor != EMPTY


def test_an_update_returns_the_version_itself() -> None:
    version = Version()
    assert version.update_major(b"a").update_minor(b"b").update_patch(b"c") is version


@pytest.mark.parametrize("kind", VersionType)
def test_update_is_the_same_as_the_method_of_the_subversion(kind: VersionType) -> None:
    assert Version().update(kind, b"foo") == getattr(Version(), f"update_{kind.value}")(b"foo")


def test_digests_may_be_given_as_hashlib_objects() -> None:
    assert Version(hashlib.sha1(b"a"), hashlib.sha1(b"b").hexdigest()) == Version().update_major(b"a").update_minor(
        b"b"
    )


def test_a_sum_combines_every_subversion() -> None:
    first, second = Version(creation_time=1).update_major(b"a"), Version(creation_time=2).update_minor(b"b")
    total = first + second
    assert total.major == hashlib.sha1((first.major + EMPTY).encode()).hexdigest()
    assert total.minor == hashlib.sha1((EMPTY + second.minor).encode()).hexdigest()
    assert total.creation_time == 2


def test_the_order_of_a_sum_matters() -> None:
    first, second = Version().update_major(b"a"), Version().update_major(b"b")
    assert first + second != second + first


def test_a_version_is_equal_to_one_with_the_same_digests_of_another_time() -> None:
    assert Version(creation_time=1).update_major(b"a") == Version(creation_time=2).update_major(b"a")


def test_a_version_is_no_number() -> None:
    assert Version() != 3
    with pytest.raises(TypeError):
        _ = Version() < 3  # type: ignore[operator]
    with pytest.raises(TypeError):
        _ = Version() + 3  # type: ignore[operator]


def test_two_versions_of_the_same_instant_are_not_ordered() -> None:
    first, second = Version(creation_time=1), Version(creation_time=1).update_major(b"a")
    assert not (first < second or first > second or first <= second or first >= second)


def test_an_equal_version_is_not_newer_however_late_it_was_made() -> None:
    first, second = Version(creation_time=1), Version(creation_time=2)
    assert not second > first
    assert second >= first
    assert second <= first


@given(versions())
def test_text_is_read_back_exactly(version: Version) -> None:
    read = Version.parse(str(version))
    assert read == version
    assert read.creation_time == version.creation_time
    assert str(read) == str(version)


@given(versions(), updates)
def test_a_parsed_or_pickled_or_copied_version_goes_on_like_the_live_one(version: Version, more: list) -> None:
    twins = [Version.parse(str(version)), pickle.loads(pickle.dumps(version)), copy.copy(version)]
    for kind, data in more:
        version.update(kind, data)
        for twin in twins:
            twin.update(kind, data)
    assert all(twin == version and hash(twin) == hash(version) for twin in twins)


@given(versions(), versions())
def test_comparisons_agree_with_one_another(first: Version, second: Version) -> None:
    assert (first == second) is not (first != second)
    assert (first > second) is (second < first)
    assert (first >= second) is (first > second or first == second)
    assert (first <= second) is (first < second or first == second)
    assert not (first > second and first < second)


@given(versions())
def test_equal_versions_hash_equal(version: Version) -> None:
    assert hash(Version(version.major, version.minor, version.patch, 0)) == hash(version)


@given(st.datetimes(timezones=st.just(timezone(timedelta(hours=5))), min_value=datetime(1971, 1, 1)))
def test_a_moment_with_a_zone_is_that_moment(moment: datetime) -> None:
    assert Version(creation_time=moment).creation_time == moment.timestamp()


def test_a_time_written_as_a_date_is_read() -> None:
    digests = ".".join([EMPTY] * 3)
    assert Version.parse(f"{digests}_2020-01-01T00:00:00+00:00").creation_time == 1577836800.0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1.2.3",
        repr(Version()),
        str(Version()).rpartition("_")[0],
        str(Version())[1:],
        str(Version()).upper(),
        str(Version()) + "_",
        f"{EMPTY}.{EMPTY}_3.0",
        f"{EMPTY}.{EMPTY}.{EMPTY}.{EMPTY}_3.0",
        f"{EMPTY}.{EMPTY}.{EMPTY}_nan",
        f"{EMPTY}.{EMPTY}.{EMPTY}_inf",
        f"{EMPTY}.{EMPTY}.{EMPTY}_yesterday",
    ],
)
def test_text_of_another_form_is_refused_with_the_form(text: str) -> None:
    expected = r"does not have the form <major>\.<minor>\.<patch>_<creation time>.*pass what str\(version\) gave"
    with pytest.raises(ValueError, match=expected):
        Version.parse(text)


@given(st.text())
def test_any_other_text_is_refused_in_the_same_way(text: str) -> None:
    with pytest.raises(ValueError, match="was to be read as a version"):
        Version.parse(text)


@pytest.mark.parametrize("digest", ["", "da39a", "x" * 40, EMPTY.upper(), hashlib.sha256(b"")])
def test_a_digest_of_another_form_is_refused(digest: object) -> None:
    with pytest.raises(ValueError, match=r"minor=.*not a SHA-1 digest.*Version\.parse"):
        Version(minor=digest)  # type: ignore[arg-type]


@pytest.mark.parametrize("moment", [float("nan"), float("inf")])
def test_a_time_that_is_no_moment_is_refused(moment: float) -> None:
    with pytest.raises(ValueError, match=r"creation_time=.*finite time or leave it out"):
        Version(creation_time=moment)


def test_text_is_not_bytes() -> None:
    with pytest.raises(TypeError, match=r"str 'foo', which is not bytes; encode it"):
        Version().update_major("foo")  # type: ignore[arg-type]


def test_the_name_of_a_subversion_is_not_a_subversion() -> None:
    with pytest.raises(TypeError, match=r"'major' as the subversion.*VersionType\.MAJOR"):
        Version().update("major", b"foo")  # type: ignore[arg-type]
