"""Of twelve edits to a project, the fingerprint of an op notices exactly the eight that matter."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import chariots
from chariots.versioning import code_fingerprint
from tests.versioning.sources import Sources

REPOSITORY = Path(chariots.__file__).parent.parent

FILES = {
    "shop/__init__.py": "",
    "shop/helpers.py": '''
        def scale(x):
            """Doubles."""
            return x * factor()

        def factor():
            return 2

        def apart():
            return 5
        ''',
    "shop/settings.py": """
        LIMIT = 10
        TABLE = {"a": 1}

        class Config:
            threshold = 0.5

            def cut(self, x):
                return x > self.threshold
        """,
    "shop/ops.py": '''
        from chariots.versioning import VersionableMeta

        from shop.helpers import scale
        from shop.settings import LIMIT, TABLE, Config

        def apart(x):
            return x

        class Base(metaclass=VersionableMeta):
            """What every op shares."""

        def op_with(weight):
            class Op(Base):
                # How it starts.
                def execute(self, x, start=0):
                    """Adds up."""
                    total = scale(x) + start * weight
                    return Config().cut(total) and total < LIMIT and TABLE["a"]

            return Op

        Op = op_with(3)
        ''',
}

MATTERS = {
    "body": ("shop/ops.py", "scale(x) + start", "scale(x) - start"),
    "default argument": ("shop/ops.py", "start=0", "start=1"),
    "helper body": ("shop/helpers.py", "return 2", "return 3"),
    "global constant": ("shop/settings.py", "LIMIT = 10", "LIMIT = 11"),
    "global dict": ("shop/settings.py", '{"a": 1}', '{"a": 2}'),
    "closure value": ("shop/ops.py", "op_with(3)", "op_with(4)"),
    "attribute of a used class": ("shop/settings.py", "0.5", "0.6"),
    "method of a used class": ("shop/settings.py", "x > self", "x >= self"),
}
DOES_NOT = {
    "comment": ("shop/ops.py", "# How it starts.", "# Where it begins."),
    "docstring": ("shop/ops.py", '"""Adds up."""', '"""Sums."""'),
    "reformatting": ("shop/ops.py", 'total < LIMIT and TABLE["a"]', "(\n                total < LIMIT) and TABLE['a']"),
    "unrelated function": ("shop/helpers.py", "return 5", "return 6"),
}

PROGRAM = """
import sys
sys.path[:0] = sys.argv[1:3]
from chariots.versioning import code_fingerprint
from shop.ops import Op
print(code_fingerprint(Op))
"""


def fingerprint_in_a_fresh_process(sources: Sources) -> str:
    sources.write()
    command = [sys.executable, "-B", "-c", PROGRAM, str(sources.folder), str(REPOSITORY)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> str:
    return fingerprint_in_a_fresh_process(Sources(tmp_path_factory.mktemp("original"), FILES))


@pytest.mark.parametrize("edit", MATTERS)
def test_an_edit_that_matters_moves_the_fingerprint(tmp_path: Path, original: str, edit: str) -> None:
    assert fingerprint_in_a_fresh_process(Sources(tmp_path, FILES).edited(*MATTERS[edit])) != original


@pytest.mark.parametrize("edit", DOES_NOT)
def test_an_edit_that_does_not_matter_leaves_the_fingerprint(tmp_path: Path, original: str, edit: str) -> None:
    assert fingerprint_in_a_fresh_process(Sources(tmp_path, FILES).edited(*DOES_NOT[edit])) == original


def test_the_same_sources_give_the_same_fingerprint_in_another_folder(tmp_path: Path, original: str) -> None:
    assert fingerprint_in_a_fresh_process(Sources(tmp_path / "elsewhere", FILES)) == original
    assert len(original) == 64


def test_an_edit_within_the_same_second_is_seen_in_one_process(tmp_path: Path) -> None:
    sources = Sources(tmp_path, FILES)
    before = sources.fingerprint("shop.ops:Op")
    stamp = (tmp_path / "shop/helpers.py").stat()
    edited = sources.edited(*MATTERS["helper body"])
    edited.write()
    os.utime(tmp_path / "shop/helpers.py", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    with edited.imported("shop.ops") as module:
        assert code_fingerprint(module.Op) != before
