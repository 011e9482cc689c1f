"""Does a report read the same in a terminal, in a review and in a picture, whatever the ops are called?"""

from __future__ import annotations

import io
import itertools
import json
import re
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest

from chariots.checking import NodeCheck, OpCheck, PipelineCheck, Report, Step, as_markdown, as_svg, as_text
from chariots.checking.markdown import LARGEST
from chariots.checking.text import print_report
from chariots.pipelines.store import FieldChange, Refusal

HOSTILE = "a|b`c`` <img src=x onerror=alert(1)> *d* _e_ @everyone [f](http://g) \x1b[31m\x07 <!-- h"
SENTENCE = "node 'embedding' has saved versions, but its code changed since."


def report(embedding: str = "embedding", value: str = "256") -> Report:
    """A report with something of everything; the name of an op and a value may be anything."""
    change = FieldChange("dimensions", "major", "128", value)
    ops = [
        OpCheck("clean", "changed", ("minor",), [FieldChange("lower", "minor", None, "True")]),
        OpCheck(embedding, "changed", ("major",), [change], 5, True, ("a" * 64, "b" * 64), True, True),
        OpCheck("intent", "same", number=6, is_live=True, retrain=True),
        OpCheck("language", "moved", number=7, fingerprints=("a" * 64, "b" * 64)),
        OpCheck("answer", "new"),
        OpCheck("quiet", "same", number=8),
    ]
    nodes = [
        NodeCheck("clean", "code"),
        NodeCheck(embedding, "load", 5),
        NodeCheck("intent", "load", 6),
        NodeCheck("language", "load", 7),
        NodeCheck("answer", "code"),
    ]
    links = [("clean", embedding), (embedding, "intent"), ("intent", "answer"), ("clean", "answer")]
    refusal = Refusal(embedding, "code", SENTENCE, changes=[change])
    return Report(
        "shop:app",
        "http://store",
        ops,
        [
            PipelineCheck("predict", "refuses", True, False, (), {}, [refusal], [SENTENCE], nodes, links, [links[1]]),
            PipelineCheck("quiet pipeline", "fits", False, False, (), {}, (), (), [NodeCheck("quiet", "load", 8)]),
        ],
        [Step("train_embedding", [embedding]), Step("train_intent", ["intent"], [embedding])],
        ["lost"],
        ["elsewhere"],
        ["The code of 'language' moved."],
    )


def drawn(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def test_the_tree_says_everything_and_wraps_nothing() -> None:
    text = as_text(report())
    for told in (
        "predict would refuse to load. Run and save train_embedding, then train_intent again.",
        "shop:app, held against http://store",
        f"{SENTENCE.rstrip('.')} (cause: code).",
        "dimensions: 128 -> 256 (major)",
        "lower: (not declared) -> True (minor)",
        "1. run and save train_embedding (trains embedding)",
        "2. load, run and save train_intent (trains intent)",
        "lost: no pipeline of this app trains it",
        "then load predict",
        "fingerprint: aaaaaaaa -> bbbbbbbb",
        "unchanged: quiet",
        "also live in this store, and not in this app: elsewhere",
    ):
        assert any(line.endswith(told) for line in text.splitlines()), told


def test_the_tree_goes_to_a_log_as_it_goes_to_a_file() -> None:
    printed = io.StringIO()
    print_report(report(), printed)
    assert printed.getvalue() == as_text(report())


def test_a_name_cannot_colour_the_terminal() -> None:
    assert "\x1b" not in as_text(report(HOSTILE))
    assert "\x07" not in as_text(report(HOSTILE))


def test_markdown_lets_no_name_or_value_be_anything_but_itself() -> None:
    comment = as_markdown(report(HOSTILE, HOSTILE))
    outside = re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", comment)  # everything but the code spans
    assert "<img" not in outside
    assert "@everyone" not in outside
    assert "](http" not in outside
    assert "\x1b" not in comment
    rows = [line for line in comment.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {5, 6}  # two tables, of four and of five columns


def test_markdown_fits_into_a_comment() -> None:
    many = [OpCheck(f"op {number}", "changed", ("minor",), number=number) for number in range(5_000)]
    comment = as_markdown(replace(report(), ops=many))
    assert len(comment) <= LARGEST + 200
    assert "too long for a comment" in comment
    assert "train&#95;embedding" in comment


def test_a_report_is_json_with_the_outcome_first() -> None:
    found = json.loads(json.dumps(report().as_json()))
    assert list(found)[:3] == ["format", "harmless", "headline"]
    assert found["pipelines"][0]["broken"] == [["embedding", "intent"]]
    assert found["pipelines"][0]["refusals"][0]["changes"][0]["after"] == "256"


def test_the_picture_draws_what_is_touched_and_breaks_links_in_red() -> None:
    picture = drawn(as_svg(report()))
    texts = [text.text for text in picture.findall(".//{*}text")]
    assert "embedding" in texts
    assert "quiet" not in texts
    assert "1 more pipeline: nothing changes there" in texts
    broken = picture.findall(".//{*}g[@class='broken']")
    assert [group.findtext("{*}title") for group in broken] == ["intent was not trained with this embedding"]
    line = broken[0].find("{*}path")
    assert line is not None
    assert line.get("stroke") == "#c62828"
    lines = picture.findall(".//{*}path[@class='line'][@stroke='#78909c']")
    assert len(lines) == 3


@pytest.mark.parametrize("name", [HOSTILE, "x" * 10_000, "\u202eright to left", "&lt;", "\ud800"])
def test_the_picture_is_one_whatever_an_op_is_called(name: str) -> None:
    svg = as_svg(report(name, name))
    picture = drawn(svg)
    assert not picture.findall(".//{*}img")
    assert len(picture.findall(".//{*}g[@class='broken']")) == 1
    assert max(len(text.text or "") for text in picture.findall(".//{*}text")) <= 110


def test_of_a_large_pipeline_only_what_matters_is_drawn() -> None:
    names = [f"op {number}" for number in range(2_000)]
    links = list(itertools.pairwise(names))
    ops = [OpCheck(name, "same", number=1) for name in names]
    ops[1_000] = OpCheck(names[1_000], "changed", ("major",), retrain=True)
    pipeline = PipelineCheck(
        "long", "refuses", True, nodes=[NodeCheck(name, "load") for name in names], links=links, broken=[links[1_000]]
    )
    picture = drawn(as_svg(Report("a", "b", ops, [pipeline])))
    texts = [text.text or "" for text in picture.findall(".//{*}text")]
    assert sum(text.startswith("op ") for text in texts) == 4
    assert any("1996 untouched nodes are not drawn" in text for text in texts)


def test_where_nothing_happens_everything_is_drawn() -> None:
    quiet = report().pipelines[1]
    picture = drawn(as_svg(Report("a", "b", [OpCheck("quiet", "same", number=8)], [quiet])))
    assert "quiet" in [text.text for text in picture.findall(".//{*}text")]


@pytest.mark.parametrize("make", [as_text, as_markdown, as_svg])
def test_an_empty_report_can_be_shown(make: Any) -> None:
    assert "Harmless" in make(Report("a", "b"))
