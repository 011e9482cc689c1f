"""Do the module names of chariots 0.2 lead to the very objects of today, and load nothing before?"""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

OLD_AND_NEW = {
    "nodes": "chariots.pipelines.nodes",
    "ops": "chariots.pipelines.ops",
    "runners": "chariots.pipelines.runners",
    "callbacks": "chariots.pipelines.callbacks",
    "savers": "chariots.op_store.savers",
    "serializers": "chariots.ml.serializers",
    "sklearn": "chariots.ml.sklearn",
}
BASES = {
    "BaseOp": "chariots.pipelines.ops",
    "BaseNode": "chariots.pipelines.nodes",
    "BaseRunner": "chariots.pipelines.runners",
    "BaseMLOp": "chariots.ml",
    "BaseSaver": "chariots.op_store.savers",
    "BaseSerializer": "chariots.ml.serializers",
}


@pytest.mark.parametrize(("old", "new"), OLD_AND_NEW.items())
def test_every_old_name_is_the_object_of_today(old: str, new: str) -> None:
    alias, home = importlib.import_module(f"chariots.{old}"), importlib.import_module(new)
    assert alias.__all__
    for name in alias.__all__:
        assert getattr(alias, name) is getattr(home, name)


@pytest.mark.parametrize(("name", "home"), BASES.items())
def test_the_base_classes_are_gathered(name: str, home: str) -> None:
    gathered = importlib.import_module("chariots.base")
    assert getattr(gathered, name) is getattr(importlib.import_module(home), name)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"module 'chariots\.nodes' has no attribute 'Nod'"):
        importlib.import_module("chariots.nodes").Nod


def test_importing_the_old_modules_imports_nothing_else(tmp_path: Path) -> None:
    names = ", ".join(f"chariots.{name}" for name in [*OLD_AND_NEW, "base", "keras", "config", "cli"])
    heavy = {"flask", "sqlalchemy", "sklearn", "pandas", "numpy", "keras", "pydantic", "dill", "redis", "yaml"}
    code = f"import sys, {names}; print(sorted({heavy!r} & set(sys.modules)))"
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == "[]"
