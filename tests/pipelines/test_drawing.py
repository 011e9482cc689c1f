"""Does the picture of a pipeline show what there is, whatever it is called, and stay a picture?"""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from chariots.errors import UnknownNameError
from chariots.pipelines import Pipeline
from chariots.pipelines.callbacks import TimingCallback
from chariots.pipelines.drawing import Drawing
from chariots.pipelines.nodes import ABTestNode, BaseNode, Node
from chariots.pipelines.runners import SequentialRunner
from chariots.versioning import Version
from tests.pipelines.sample_ops import Add, AddOne, Constant, Double, Pair

IN, OUT = "__pipeline_input__", "__pipeline_output__"
HOSTILE = [
    "</text><script>alert(1)</script>",
    '"] --> n0["',
    "end",
    "one\ntwo",
    "a smile 😀, 日本語",
    "%%{init: {}}%%",
    "`code` | pipe",
    "\x1b[31m \ud800 \u202e",
    "&quot; <b> 1. list",
    "x" * 5_000,
]


def nested() -> Pipeline:
    inner = Pipeline([Node(AddOne(), [IN], "more", name="scale"), Node(Double(), ["more"], OUT)], "inner")
    choice = ABTestNode(
        {"old": Node(AddOne(), name="old_op"), "new": Node(Double(), name="new_op")},
        ["prepared"], "chosen", name="choice", weights={"old": 3, "new": 1},
    )  # fmt: skip
    return Pipeline(
        [
            Node(Pair(), [IN], ["left", "right"]),
            Node(inner, ["left"], "prepared", name="prepare"),
            choice,
            Node(Add(), ["chosen", "right"], OUT, name="together"),
        ],
        "outer",
    )


def chain(count: int) -> Pipeline:
    names = [IN, *(f"value {number}" for number in range(count - 1)), OUT]
    return Pipeline(
        [Node(AddOne(), [before], after, name=f"node {n}") for n, (before, after) in enumerate(pairwise(names))],
        "chain",
    )


def hostile() -> Pipeline:
    values = [IN, *(f"{name} out" for name in HOSTILE[:-1]), OUT]
    nodes = [
        Node(AddOne(), [before], after, name=name)
        for name, (before, after) in zip(HOSTILE, pairwise(values), strict=True)
    ]
    return Pipeline(nodes, '<&"hostile">')


def words(svg: str) -> list[str]:
    return [text.text or "" for text in ElementTree.fromstring(svg).findall(".//{*}text")]


def test_a_picture_shows_names_ops_versions_outputs_and_ends() -> None:
    pipeline = Pipeline([Node(Pair(), [IN], ["one", "two"], name="split"), Node(Add(), ["one", "two"], OUT)], "pairs")
    shown = words(pipeline.draw().svg)
    version = pipeline.pipeline_nodes[0].node_version
    assert shown[:2] == ["pairs", "2 nodes"]
    for told in ("input", "split", "Pair", "one", "two", "add", "output", f"{version.major[:5]}.{version.minor[:5]}."):
        assert any(text.startswith(told) for text in shown), told
    assert "Add" not in shown  # the name of the node says it


def test_every_link_is_drawn_once_with_the_name_of_its_output() -> None:
    mermaid = nested().draw().mermaid
    names = dict(re.findall(r'(n\d+)(?:\[|\(\[)"([\w# ;]+?)(?:<br>|")', mermaid))
    links = re.findall(r"^ +(n\d+) -->(?:\|\"(.*?)\"\|)? (n\d+)$", mermaid, re.MULTILINE)
    assert sorted((names[one], output, names[other]) for one, output, other in links) == [
        ("choice", "chosen", "together"),
        ("double", "", "output"),
        ("input", "", "pair"),
        ("input", "", "scale"),
        ("pair", "left", "prepare"),
        ("pair", "right", "together"),
        ("prepare", "prepared", "choice"),
        ("scale", "more", "double"),
        ("together", "", "output"),
    ]


def test_what_a_node_holds_is_drawn_inside_of_it() -> None:
    drawing = nested().draw()
    shown = words(drawing.svg)
    for told in ("prepare", "pipeline inner", "scale", "choice", "old_op", "old: 75 %", "new_op", "new: 25 %"):
        assert told in shown
    assert drawing.mermaid.count("subgraph ") == 2
    assert drawing.mermaid.count("\n  end\n") == 2


def test_states_are_shown_in_words_and_colours() -> None:
    states = {"pair": "cached", "prepare": "running", "prepare/scale": "ran", "choice": "waiting", "a stranger": "ran"}
    drawing = nested().draw(states)
    assert [text for text in words(drawing.svg) if text in ("ran", "cached", "running", "waiting")] == [
        "running", "ran", "waiting", "cached",
    ]  # fmt: skip
    assert len(ElementTree.fromstring(drawing.svg).findall(".//{*}rect[@class='t-blue']")) == 1
    assert re.search(r"^  class n\d+ cached$", drawing.mermaid, re.MULTILINE)


def test_states_of_a_run_are_those_of_the_picture() -> None:
    timing = TimingCallback()
    inner = Pipeline([Node(AddOne(), [IN], OUT, name="deep")], "inner", [timing])
    choice = ABTestNode({"only": Node(inner, name="variant")}, [IN], OUT, name="choice")
    pipeline = Pipeline([choice], "chooses", [timing])
    SequentialRunner().run(pipeline, 1)
    assert timing.states == {"choice": "ran", "choice/deep": "ran"}
    assert words(pipeline.draw(timing).svg).count("ran") == 2


def test_states_may_be_those_of_an_object() -> None:
    class Known:
        states = {"pair": "failed"}

    assert "failed" in words(nested().draw(Known()).svg)


def test_an_unknown_state_is_refused() -> None:
    with pytest.raises(ValueError, match=r"node 'pair' was given the state 'rann'.*'ran'"):
        nested().draw({"pair": "rann"})
    with pytest.raises(TypeError, match="give a mapping"):
        nested().draw(["pair"])


def test_names_are_nothing_but_text_in_a_picture() -> None:
    drawing = hostile().draw(dict.fromkeys(HOSTILE, "ran"))
    picture = ElementTree.fromstring(drawing.svg)
    assert not picture.findall(".//{*}script")
    assert not picture.findall(".//{*}b")
    assert picture.findtext("{*}title") == 'Pipeline <&"hostile">: 10 nodes'
    assert max(map(len, words(drawing.svg))) <= 60
    assert not re.findall(r"(?:href|src|url\()", drawing.svg)


def test_names_are_nothing_but_text_in_mermaid() -> None:
    mermaid = hostile().draw(dict.fromkeys(HOSTILE, "failed")).mermaid
    label = r"[\w #;<>]*"
    forms = (
        r"flowchart TB",
        rf'  n\d+(\[|\(\[)"{label}"(\]|\]\))',
        rf'  n\d+ -->(\|"{label}"\|)? n\d+',
        r"  classDef failed [\w:#,]+",
        r"  class n\d+ failed",
    )
    for line in mermaid.splitlines():
        assert any(re.fullmatch(form, line) for form in forms), line
    labels = re.findall(r'"(.*?)"', mermaid)
    assert all(re.fullmatch(r"(?:<br>|[\w ]|#\d+;)*", one) for one in labels)


def test_a_drawing_is_saved_in_the_form_that_its_suffix_says(tmp_path) -> None:
    drawing = nested().draw()
    assert drawing.save(tmp_path / "a.svg").read_text("utf-8") == drawing.svg
    assert drawing.save(str(tmp_path / "a.MMD")).read_text("utf-8") == drawing.mermaid == str(drawing)
    assert drawing.save(tmp_path / "a.mermaid").read_text("utf-8") == drawing.mermaid
    assert drawing.save(tmp_path / "a.md").read_text("utf-8") == f"```mermaid\n{drawing.mermaid}```\n"
    with pytest.raises(ValueError, match=r"the suffix '.png' stands for no form.*\.svg, \.mmd"):
        drawing.save(tmp_path / "a.png")


def test_a_notebook_shows_the_picture() -> None:
    pipeline = nested()
    shown = pipeline._repr_html_()
    assert shown == pipeline.draw()._repr_html_()
    ElementTree.fromstring(shown)
    assert "overflow-x:auto" in shown
    assert pipeline.draw()._repr_svg_() == pipeline.draw().svg


def test_a_drawing_stays_as_it_was() -> None:
    states = {"pair": "running"}
    drawing = nested().draw(states)
    states["pair"] = "ran"
    assert "running" in words(drawing.svg)
    assert repr(drawing) == "<Drawing of pipeline 'outer', 4 nodes>"


def test_many_nodes_are_drawn() -> None:
    drawing = chain(2_000).draw()
    assert sum(text.startswith("node ") for text in words(drawing.svg)) == 2_000
    assert drawing.mermaid.count(" --> ") + drawing.mermaid.count(" -->|") == 2_001


def test_too_many_nodes_are_refused_with_a_way_out() -> None:
    pipeline = chain(20_000)
    with pytest.raises(ValueError, match=r"20,000 nodes.*pipeline\.draw\(around='node 10000', within=2\)"):
        pipeline.draw()
    assert "20,000 nodes" in pipeline._repr_html_()
    part = pipeline.draw(around="node 10000", within=2)
    assert [text for text in words(part.svg) if text.startswith("node ")] == [f"node {n}" for n in range(9998, 10003)]
    assert repr(part).startswith("<Drawing of pipeline 'chain', 5 of 20,000 nodes")


def test_what_is_nested_counts_as_well() -> None:
    inner = chain(3_000)
    pipeline = Pipeline([Node(inner, [IN], "x", name="a"), Node(inner, ["x"], OUT, name="b")], "twice")
    with pytest.raises(ValueError, match="more than 5,000 boxes"):
        pipeline.draw()


def test_a_node_to_draw_around_is_looked_for_by_its_name() -> None:
    with pytest.raises(UnknownNameError, match=r"'chioce'.*'choice'"):
        nested().draw(around="chioce")


def test_pipelines_that_are_nested_too_deep_are_one_box() -> None:
    pipeline = Pipeline([Node(Constant(), [], OUT)], "level 0")
    for level in range(1, 20):
        pipeline = Pipeline([Node(pipeline, [], OUT, name=f"holds {level}")], f"level {level}")
    shown = words(pipeline.draw().svg)
    assert "1 nodes" in shown
    assert "constant" not in shown


def test_a_node_without_a_version_says_so() -> None:
    class Lost(BaseNode):
        name = "lost"

        @property
        def node_version(self) -> Version:
            raise FileNotFoundError("no such data")

        def execute(self, *params):
            return 1

        def load_latest_version(self, store_to_look_in):
            return None

    svg = Pipeline([Lost([], OUT)], "data").draw().svg
    assert "no version yet" in words(svg)
    assert "Lost" in words(svg)
    assert "FileNotFoundError: no such data" in svg


def test_a_node_alone_is_drawn() -> None:
    drawing = Pipeline([Node(Constant())], "alone").draw()
    assert isinstance(drawing, Drawing)
    assert "constant" in words(drawing.svg)
    assert "input" not in words(drawing.svg)


def test_many_outputs_leave_together() -> None:
    names = [f"o{number}" for number in range(30)]

    class Many(Constant):
        pass

    pipeline = Pipeline([Node(Many(), [], names), *(Node(AddOne(), [name]) for name in names)], "many")
    assert "18 more" in words(pipeline.draw().svg)
