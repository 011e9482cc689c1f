"""Does another process find the jobs by a description, and is told what is wrong with it where it does not?"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chariots.errors import InputError
from chariots.workers.in_sql.store import SQLJobStore
from chariots.workers.stores import open_store


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '"sql"'])
def test_what_is_no_description_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"no JSON object with a member 'kind'"):
        open_store(text)


def test_a_password_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        open_store('{"kind": "sql", "url": "postgresql://ada:secret@host/name"')
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("kind", ["sqll", 1, None])
def test_a_store_that_nobody_knows_is_refused(kind: object) -> None:
    with pytest.raises(InputError, match=r"the kinds that are known are sql, redis"):
        open_store(json.dumps({"kind": kind}))


def test_a_relative_address_means_the_same_in_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    described = SQLJobStore("sqlite:///jobs.sqlite").describe()
    assert json.loads(described) == {"kind": "sql", "url": f"sqlite:///{tmp_path / 'jobs.sqlite'}"}
