"""What do hostile texts and numbers do in every place of every route? (they are refused, or names like any other)"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from chariots.op_store import tables
from tests.faults.counting import counted, rounds
from tests.op_store.support import CODE, count_rows, everything_below, file_store, query, save_pair, version

CYRILLIC, WIDE = "\u0440\u0441\u0430", "\uff50\uff43\uff41"  # both look like "pca"
TEXTS = {
    "empty": "",
    "a blank": " ",
    "dots": "..",
    "a way out": "../../etc/passwd",
    "the root": "/",
    "a quoted way out": "..%2f..%2fdb.sqlite",
    "NUL": "\0",
    "a NUL inside": "pca\0.txt",
    "a line end": "pca\r\nX-Injected: yes",
    "10,000 characters": "a" * 10_000,
    "Cyrillic letters": CYRILLIC,
    "wide letters": WIDE,
    "a combining accent": "pca\u0301",
    "right to left": "\u202eacp",
    "half a pair": "\ud800",
    "SQL": "'; DROP TABLE op; --",
    "a pattern": "%_",
    "a format": "%(name)s {0} %s",
    "an emoji": "🦆" * 60,
}
if rounds(200) < 200:  # an ordinary run of the tests: those which databases and file systems mind most
    TEXTS = {name: TEXTS[name] for name in ("a way out", "a NUL inside", "10,000 characters", "half a pair", "SQL")}
NUMBERS = [-1, 0, 2**31, 2**63 - 1, 2**63, 2**80]
SHA = hashlib.sha256(b"pca 1").hexdigest()
# What else than a name a text has to be, by the name of its field.
USUAL = {
    "sha256": SHA,
    "shelf": SHA[:2],
    "after": "",
    "bytes": "cGNhIDE=",
    "op_bytes": "cGNhIDE=",
    "query": "{ ops { items { name } } }",
    "alias": "production",
}


def usual_text(field: str) -> str:
    """A text that a field accepts."""
    if "version" in field:
        return str(version("pca 1")) if "code" not in field else str(CODE)
    return USUAL.get(field, "forest" if field.startswith("down") or field == "last_op" else "pca")


def usual(schema: dict[str, Any], models: dict[str, Any], field: str) -> Any:
    """A value that a schema accepts, as full as it may be."""
    if "$ref" in schema:
        return usual(models[schema["$ref"].rpartition("/")[2]], models, field)
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return usual(schema[choice][0], models, field)
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    kind = schema.get("type")
    if kind == "object" and "properties" in schema:
        return {name: usual(part, models, name) for name, part in schema["properties"].items()}
    if kind == "object":
        inner = schema.get("additionalProperties")
        return {"pca": usual(inner, models, field) if isinstance(inner, dict) else "3"}
    if kind == "array" and "prefixItems" in schema:
        return ["pca", "pca"][: len(schema["prefixItems"])]
    if kind == "array":
        return [usual(schema.get("items", {}), models, field)]
    return {"string": usual_text(field), "integer": 1, "number": 1.0, "boolean": True, "null": None}.get(kind, "pca")


def variants(body: Any) -> Iterator[Any]:
    """The body with one text or number after the other replaced by each that is hostile, keys of objects too."""
    for place in list(places(body)):
        old = reach(body, place)
        is_number = isinstance(old, int | float) and not isinstance(old, bool)
        for value in [*TEXTS.values(), *(NUMBERS if is_number else ())]:
            changed = copy.deepcopy(body)
            reach(changed, place[:-1])[place[-1]] = value
            yield changed
            if place[-1] == "pca":
                changed = copy.deepcopy(body)
                holder = reach(changed, place[:-1])
                holder[str(value)] = holder.pop("pca")
                yield changed


def places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where in a body its texts and numbers are."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in inside:
        yield from places(part, (*above, name))
        if isinstance(part, str | int | float):
            yield (*above, name)


def reach(value: Any, place: tuple[Any, ...]) -> Any:
    """The part of a body at a place."""
    for step in place:
        value = value[step]
    return value


def check(application: FlaskClient, method: str, path: str, **options: Any) -> int:
    """Sends a request; fails unless it is answered like one of a careless person."""
    answer = application.open(path, method=method, **options)
    data = answer.get_data()
    assert answer.status_code < 500, f"{method} {path[:200]} {str(options)[:500]}: {data[:500]!r}"
    if answer.status_code >= 400:
        problem = json.loads(data)
        assert {"type", "title", "detail"} <= set(problem)
        assert len(problem["detail"]) < 20_000  # it may name what was sent, not repeat it
    assert "X-Injected" not in answer.headers
    return answer.status_code


def test_no_route_comes_to_harm_by_what_it_is_told(folder: Path, kind: str) -> None:
    store = file_store(folder)
    client = store.client()
    numbers = save_pair(client, 1)
    client.record_deployment("predict", numbers)
    application = store.flask.test_client()
    document = application.get("/openapi.json").json
    models = document["components"]["schemas"]
    statuses: dict[str, set[int]] = {}
    for path, item in document["paths"].items():
        seen = statuses.setdefault(path, set())
        if "post" in item and "requestBody" in item["post"]:
            schema = next(iter(item["post"]["requestBody"]["content"].values()))["schema"]
            body = usual(schema, models, "")
            seen.add(check(application, "POST", path, json=body))
            for changed in variants(body):
                with counted(f"hostile names and numbers in every field of every route ({kind})"):
                    seen.add(check(application, "POST", path, data=json.dumps(changed)))
            assert client.pipeline_exists("train"), path
        for method in {"get", "put"} & set(item):
            for text in TEXTS.values():
                fine = text.encode("utf-8", "surrogatepass")
                asked = [q["name"] for q in item[method].get("parameters", []) if q["in"] == "query"]
                with counted(f"hostile names and numbers in every field of every route ({kind})"):
                    where = path.replace("{sha256}", quote(fine, safe=""))
                    check(application, method.upper(), f"{where}?{urlencode(dict.fromkeys(asked, fine))}")
    refused = {path: seen for path, seen in statuses.items() if seen and not any(code < 300 for code in seen)}
    # What a person would have sent was right, or this test would only ever meet the first check of each route.
    assert len(refused) <= 4, refused
    check_harmless(folder)
    assert client.resolve("predict", [query("pca")], []).problems == []
    store.registry.database.engine.dispose()


def check_harmless(folder: Path) -> None:
    """Fails if a file came to be where none belongs, or a table is gone."""
    for path in everything_below(folder):
        inside = path.relative_to(folder).parts
        assert inside[0] in ("ops", "db.sqlite", "db.sqlite-wal", "db.sqlite-shm"), inside
        if path.is_file() and inside[0] == "ops":
            assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name
    assert set(tables.metadata.tables) <= set(count_rows(folder))


PAIRS = [("pca", CYRILLIC), ("pca", WIDE), ("\u00e9", "e\u0301"), ("\ufb00", "ff"), ("I", "\u0131"), ("a", "A")]


@pytest.mark.parametrize("pair", PAIRS)
def test_names_that_look_alike_are_different_ops(folder: Path, kind: str, pair: tuple[str, str]) -> None:
    store = file_store(folder)
    client = store.client()
    with counted(f"look-alike names of two ops ({kind})"):
        for name in pair:
            client.save_op_bytes(name, version("same"), f"bytes of {name}".encode())
        for name in pair:
            assert client.get_op_bytes_for_version(name, version("same")) == f"bytes of {name}".encode()
        with store.registry.database.reading() as connection:
            assert set(connection.scalars(sa.select(tables.op.c.name))) == set(pair)
    store.registry.database.engine.dispose()
