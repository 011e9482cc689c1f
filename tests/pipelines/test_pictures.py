"""Can the pictures of pipelines be read, on a phone and on a desk, by day and in the dark? (with a real browser)"""

from __future__ import annotations

from pathlib import Path

import pytest

from chariots.pipelines import Pipeline
from chariots.pipelines.callbacks import TimingCallback
from chariots.pipelines.drawing import Picture
from chariots.pipelines.nodes import Node
from chariots.pipelines.runners import SequentialRunner
from tests.browser import DESK, PHONE, asked
from tests.pipelines.sample_ops import AddOne, Double
from tests.pipelines.test_drawing import IN, OUT, hostile, nested

READER = Path(__file__).with_name("picture_reader.mjs")
DARK, LIGHT = "rgb(16, 21, 26)", "rgb(255, 255, 255)"


def timeline() -> Picture:
    timing = TimingCallback()
    inner = Pipeline([Node(AddOne(), [IN], "x"), Node(Double(), ["x"], OUT)], "inner", [timing])
    SequentialRunner().run(Pipeline([Node(inner, [IN], OUT, name="holds <it>")], "outer", [timing]), 1)
    return timing.timeline()


PICTURES = {
    "nested": lambda: nested().draw({"pair": "ran", "prepare": "failed", "choice": "waiting"}),
    "hostile": lambda: hostile().draw(),
    "timeline": timeline,
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESK])
@pytest.mark.parametrize("picture", PICTURES)
def test_every_label_can_be_read(tmp_path, picture: str, width: int, scheme: str) -> None:
    page = tmp_path / "page.html"
    shown = PICTURES[picture]()._repr_html_()
    page.write_text(f'<!doctype html><meta charset="utf-8"><body style="margin:0">{shown}', "utf-8")
    found = asked(READER, page.as_uri(), width, scheme)
    assert found["texts"] > 3
    assert found["cut"] == []
    assert found["outside"] == []
    assert found["upon"] == []
    assert found["paper"] == (DARK if scheme == "dark" else LIGHT)
    assert found["ink"] != found["paper"]
    assert not found["sideways"]  # the page stays; what is too wide moves within its own box
    assert found["size"] >= 10
    assert found["complaints"] == []
