"""What if a bucket answers the n-th request of a save or a load badly, once or from then on? (for every n)"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from chariots.errors import StoreUnavailableError
from chariots.op_store import OpStoreServer
from tests.faults.checking import check_rows, served_pair
from tests.faults.counting import counted, rounds
from tests.faulty_proxy import Fault, FaultyProxy, faulty_proxy
from tests.object_stores import KINDS, ObjectStores, make_bucket, open_saver
from tests.op_store.support import save_pair

FAULTS = {
    "500": Fault(status=500),
    "503": Fault(status=503, code="SlowDown"),
    "a reset": Fault(reset=True),
    "a reset mid-body": Fault(after=3),
    "nothing, slowly": Fault(stall=0),
}
SERVICES = {"s3": "S3", "google": "Google", "azure": "Azure"}
# An ordinary run of the tests asks one service; `tests/op_store/test_object_store_faults.py` asks them all.
IN_FULL = rounds(200) == 200
ASKED = KINDS if IN_FULL else KINDS[:1]


@pytest.fixture(scope="module")
def object_stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStores]:
    """The servers of this module."""
    servers = ObjectStores(tmp_path_factory.mktemp("object_stores"))
    yield servers
    servers.close()


@pytest.fixture(params=ASKED)
def service(request: pytest.FixtureRequest) -> str:
    """Each kind of object store, one after the other."""
    return str(request.param)


@pytest.fixture
def proxy(service: str, object_stores: ObjectStores) -> Iterator[FaultyProxy]:
    """What stands between a store and its bucket."""
    with faulty_proxy(object_stores.url(service)) as between:
        yield between


def store_behind(proxy: FaultyProxy, service: str, bucket: str, folder: Path, deadline: float) -> OpStoreServer:
    """A store that reaches its bucket by way of the proxy."""
    return OpStoreServer(open_saver(service, proxy.url, bucket, deadline=deadline), f"sqlite:///{folder / 'db.sqlite'}")


@pytest.mark.parametrize("fault", [name for name in FAULTS if name != "nothing, slowly"] if IN_FULL else ["503"])
def test_a_save_goes_on_after_a_request_that_was_answered_badly(
    object_stores: ObjectStores, proxy: FaultyProxy, service: str, tmp_path: Path, fault: str
) -> None:
    bucket = make_bucket(service, object_stores.url(service))
    store = store_behind(proxy, service, bucket, tmp_path, deadline=20.0)
    save_pair(store.client(), 0)
    for limit in itertools.count(1):
        proxy.plan.extend([*([None] * (limit - 1)), FAULTS[fault]])
        with counted(f"the n-th request to a bucket gets {fault} once, every n ({SERVICES[service]})"):
            save_pair(store.client(), limit)
            assert served_pair(store.client()) == str(limit)
        if proxy.plan:
            break
        assert check_rows(store) == limit + 1
    assert limit > 2


@pytest.mark.parametrize("fault", FAULTS if IN_FULL else ["a reset mid-body"])
def test_a_save_is_refused_whole_when_a_bucket_fails_from_the_nth_request_on(
    object_stores: ObjectStores, proxy: FaultyProxy, service: str, tmp_path: Path, fault: str
) -> None:
    bucket = make_bucket(service, object_stores.url(service))
    hasty = store_behind(proxy, service, bucket, tmp_path, deadline=0.3)  # for what has to fail
    store = store_behind(proxy, service, bucket, tmp_path, deadline=20.0)
    save_pair(store.client(), 0)
    last, refused = "0", 0
    for limit in itertools.count(0):
        proxy.plan.extend([None] * limit)
        proxy.always = FAULTS[fault]
        with counted(f"a bucket answers {fault} from the n-th request on, every n ({SERVICES[service]})"):
            try:
                save_pair(hasty.client(), limit + 1)
            except StoreUnavailableError as error:
                refused += 1
                assert error.status == 503
            else:
                last = str(limit + 1)
            proxy.always = None
            proxy.plan.clear()
            assert served_pair(store.client()) == last
        if last != "0":
            break
    assert refused > 2
    check_rows(store)
