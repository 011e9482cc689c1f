"""Does the store remember what a pipeline served last?"""

from __future__ import annotations

from pathlib import Path

import pytest

from chariots.errors import InputError, UnknownNameError
from chariots.op_store import BaseOpStoreClient
from tests.op_store.support import count_rows, file_store, save_pair


def test_a_pipeline_that_never_served_has_no_deployment(client: BaseOpStoreClient) -> None:
    save_pair(client, 1)
    assert client.last_deployment("train") is None
    assert client.last_deployment("nobody") is None


def test_the_last_deployment_comes_back(client: BaseOpStoreClient) -> None:
    first, second = save_pair(client, 1), save_pair(client, 2)
    client.record_deployment("predict", second)
    client.record_deployment("predict", first)
    client.record_deployment("other", second)
    assert client.last_deployment("predict") == first


def test_a_pipeline_that_loads_nothing_has_an_empty_deployment(client: BaseOpStoreClient) -> None:
    client.record_deployment("predict", {})
    assert client.last_deployment("predict") == {}


def test_recording_the_same_deployment_again_adds_no_row(client: BaseOpStoreClient, tmp_path: Path) -> None:
    numbers = save_pair(client, 1)
    client.record_deployment("predict", numbers)
    rows = count_rows(tmp_path)
    client.record_deployment("predict", dict(reversed(numbers.items())))
    assert count_rows(tmp_path) == rows


def test_going_back_to_an_earlier_deployment_is_a_new_one(client: BaseOpStoreClient, tmp_path: Path) -> None:
    first, second = save_pair(client, 1), save_pair(client, 2)
    for numbers in (first, second, first):
        client.record_deployment("predict", numbers)
    assert count_rows(tmp_path)["deployment"] == 3


def test_a_deployment_outlives_the_server(client: BaseOpStoreClient, tmp_path: Path) -> None:
    numbers = save_pair(client, 1)
    client.record_deployment("a / pipeline ..", numbers)
    assert file_store(tmp_path).client().last_deployment("a / pipeline ..") == numbers


def test_a_version_that_does_not_exist_is_not_deployed(client: BaseOpStoreClient, tmp_path: Path) -> None:
    numbers = save_pair(client, 1)
    with pytest.raises(UnknownNameError, match="version number 999"):
        client.record_deployment("predict", {**numbers, "forest": 999})
    assert client.last_deployment("predict") is None
    assert count_rows(tmp_path)["deployment_version"] == 0


def test_who_names_a_version_that_does_not_exist_is_told_of_those_that_do(client: BaseOpStoreClient) -> None:
    first, second = save_pair(client, 1), save_pair(client, 2)
    with pytest.raises(UnknownNameError, match=f"newest saved versions are {second['forest']}, {first['forest']}"):
        client.record_deployment("predict", {"forest": 999})
    with pytest.raises(UnknownNameError, match=r"no saved version\. Did you mean 'forest'\?"):
        client.record_deployment("predict", {"forst": 999})
    with pytest.raises(UnknownNameError, match=r"no saved version\. Did you mean 'forest'\? \(nothing was changed\)"):
        client.promote("train", versions={"forst": 1})


def test_a_deployment_needs_a_name(client: BaseOpStoreClient) -> None:
    with pytest.raises(InputError, match="pipeline"):
        client.record_deployment("", {})
