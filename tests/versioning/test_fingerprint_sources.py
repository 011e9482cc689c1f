"""Where a fingerprint finds the source of a class, and what it says where there is none."""

from __future__ import annotations

import doctest
import linecache
import runpy
import subprocess
import sys
import types
import zipfile
from pathlib import Path

import pytest

import chariots
from chariots.versioning import Version, VersionableMeta, VersionType, code_fingerprint, content_hash
from tests.versioning.sources import Sources

REPOSITORY = Path(chariots.__file__).parent.parent

OPS = """
from app.helpers import help

class Op:
    def execute(self, x):
        return help(x)

    class Inner:
        a = 1

def function(x):
    return help(x)
"""
PROJECT = {"app/__init__.py": "", "app/ops.py": OPS, "app/helpers.py": "def help(x):\n    return f'{x:>{3}}' + 'é'\n"}

# Computed once and written down: a later release of chariots or Python must come to the same.
PINNED = {
    "app.ops:Op": "7ef97ff239018e1b7c3aeff6804ec597e0b7b553422ac1731f1bc52500d7979c",
    "app.ops:Op.Inner": "f7a77ff5226ce4eb79a9d9069b272625b81ccf3227c3d0a9f66ec4b9a56bebb8",
    "app.ops:function": "19a5a4a9a2b50e7138f7c556a82fc5ea683451ae4dbd48087b30b1b15226f5e3",
}


@pytest.mark.parametrize("target", PINNED)
def test_a_fingerprint_is_the_same_everywhere(tmp_path: Path, target: str) -> None:
    assert Sources(tmp_path, PROJECT).fingerprint(target) == PINNED[target]


def test_a_method_stands_for_its_class(tmp_path: Path) -> None:
    assert Sources(tmp_path, PROJECT).fingerprint("app.ops:Op.execute") == PINNED["app.ops:Op"]


def test_an_instance_stands_for_its_class(tmp_path: Path) -> None:
    with Sources(tmp_path, PROJECT).written().imported("app.ops") as ops:
        assert code_fingerprint(ops.Op()) == PINNED["app.ops:Op"]
        assert code_fingerprint(ops.Op().execute) == PINNED["app.ops:Op"]


def test_a_program_has_the_fingerprint_of_the_module_it_is(tmp_path: Path) -> None:
    program = "from helpers import help\nclass Op:\n    def execute(self, x):\n        return help(x)\n"
    program += "if __name__ == '__main__':\n    from chariots.versioning import code_fingerprint, content_hash\n"
    program += "    print(code_fingerprint(Op), content_hash(Op))\n"
    sources = Sources(tmp_path, {"main.py": program, "helpers.py": "def help(x):\n    return x\n"})
    with sources.written().imported("main") as module:
        imported = f"{code_fingerprint(module.Op)} {content_hash(module.Op)}"
    command = [sys.executable, str(tmp_path / "main.py")]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, env={"PYTHONPATH": str(REPOSITORY)})
    assert ran.stdout.strip() == imported


def test_a_package_in_a_zip_has_the_same_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "app.zip", "w") as archive:
        for name, text in PROJECT.items():
            archive.writestr(name.replace("app/", "zipped/"), text.replace("app.", "zipped."))
    monkeypatch.syspath_prepend(str(tmp_path / "app.zip"))
    import zipped.ops  # type: ignore[import-not-found]

    assert code_fingerprint(zipped.ops.Op) == PINNED["app.ops:Op"]


def test_a_file_with_an_encoding_of_its_own_is_read(tmp_path: Path) -> None:
    sources = Sources(tmp_path, {"latin.py": ""})
    sources.write()
    (tmp_path / "latin.py").write_bytes("# coding: latin-1\nclass Op:\n    a = 'é'\n".encode("latin-1"))
    with sources.imported("latin") as module:
        first = code_fingerprint(module.Op)
    assert first == Sources(tmp_path, {"utf.py": "class Op:\n    a = 'é'\n"}).fingerprint("utf:Op")


def cell(number: int, text: str, namespace: dict[str, object]) -> None:
    """Runs text the way a notebook does: compiled under a name that only linecache knows."""
    name = f"<cell {number} of {namespace['__name__']}>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    exec(compile(text, name, "exec"), namespace)


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    module = types.ModuleType("notebook_session")
    monkeypatch.setitem(sys.modules, "notebook_session", module)
    return vars(module)


def test_a_class_in_a_notebook_follows_helpers_in_other_cells(notebook: dict[str, object]) -> None:
    cell(1, "def help(x):\n    return x + 1\n", notebook)
    cell(2, "class Op:\n    def execute(self, x):\n        return help(x)\n", notebook)
    before = code_fingerprint(notebook["Op"])
    cell(3, "def help(x):\n    return x + 2\n", notebook)
    assert before is not None
    assert code_fingerprint(notebook["Op"]) != before


def test_a_class_in_a_notebook_follows_values_in_other_cells(notebook: dict[str, object]) -> None:
    cell(1, "LIMIT = 3\nOTHER = 4\n", notebook)
    cell(2, "class Op:\n    def execute(self, x):\n        return x < LIMIT\n", notebook)
    before = code_fingerprint(notebook["Op"])
    cell(3, "OTHER = 5\n", notebook)
    assert code_fingerprint(notebook["Op"]) == before
    cell(4, "LIMIT = 4\n", notebook)
    assert code_fingerprint(notebook["Op"]) != before


def test_a_class_in_a_notebook_needs_no_methods(notebook: dict[str, object]) -> None:
    cell(1, "class Op:\n    size = 3\n", notebook)
    before = code_fingerprint(notebook["Op"])
    cell(2, "class Op:\n    size = 4\n", notebook)
    assert before is not None
    assert code_fingerprint(notebook["Op"]) != before


def test_a_cell_run_again_with_only_a_comment_added_changes_nothing(notebook: dict[str, object]) -> None:
    text = "class Op:\n    def execute(self, x):\n        return x\n"
    cell(1, text, notebook)
    before = code_fingerprint(notebook["Op"])
    cell(2, "# once more\n" + text, notebook)
    assert code_fingerprint(notebook["Op"]) == before


def test_a_class_in_a_doctest_has_a_fingerprint() -> None:
    text = """
    >>> from chariots.versioning import VersionableMeta, VersionType, code_fingerprint
    >>> class Op(metaclass=VersionableMeta):
    ...     code_version = VersionType.MINOR
    ...     def execute(self, x):
    ...         return x
    >>> len(code_fingerprint(Op))
    64
    """
    found = doctest.DocTestParser().get_doctest(text, {"__name__": "__main__"}, "ops", "ops.rst", 0)
    assert doctest.DocTestRunner().run(found) == doctest.TestResults(failed=0, attempted=3)


def test_a_class_that_was_typed_in_has_no_fingerprint() -> None:
    namespace = runpy.run_path(str(Path(__file__).parent / "sources.py"))
    exec("class Op:\n    def execute(self, x):\n        return x\n", namespace)
    assert code_fingerprint(namespace["Op"]) is None


@pytest.mark.parametrize("target", [int, len, type("Made", (), {}), 3], ids=["int", "len", "made", "value"])
def test_what_has_no_source_has_no_fingerprint(target: object) -> None:
    assert code_fingerprint(target) is None


def test_a_file_that_is_broken_by_now_gives_no_fingerprint(tmp_path: Path) -> None:
    with Sources(tmp_path, PROJECT).written().imported("app.ops") as ops:
        (tmp_path / "app/ops.py").write_text("class Op(:")
        assert code_fingerprint(ops.Op) is None


def test_a_module_that_is_gone_by_now_gives_no_fingerprint(tmp_path: Path) -> None:
    with Sources(tmp_path, PROJECT).written().imported("app.ops") as ops:
        (tmp_path / "app/ops.py").unlink()
        assert code_fingerprint(ops.Op) is None


VERSIONED = """
from chariots.versioning import VersionableMeta, VersionedField, VersionType

class Op(metaclass=VersionableMeta):
    code_version = VersionType.MINOR
    field = VersionedField(3, VersionType.MINOR)

    def execute(self, x):
        return x + 1
"""


def version_of(sources: Sources) -> Version:
    with sources.written().imported("app.ops") as ops:
        version: Version = ops.Op.__version__
        return version


def test_code_counts_for_the_version_of_a_class_that_says_so(tmp_path: Path) -> None:
    sources = Sources(tmp_path, {"app/ops.py": VERSIONED})
    before = version_of(sources)
    edited = version_of(sources.edited("app/ops.py", "x + 1", "x + 2"))
    formatted = version_of(sources.edited("app/ops.py", "x + 1", "(x + 1)  # one more"))
    assert (edited.major, edited.patch) == (before.major, before.patch)
    assert edited.minor != before.minor
    assert formatted == before


def test_code_counts_for_subclasses_of_such_a_class(tmp_path: Path) -> None:
    sources = Sources(tmp_path, {"app/ops.py": VERSIONED + "\nclass Sub(Op):\n    def more(self):\n        return 7\n"})
    with sources.written().imported("app.ops") as ops:
        before = ops.Sub.__version__
    with sources.edited("app/ops.py", "return 7", "return 8").written().imported("app.ops") as ops:
        assert before.minor != ops.Sub.__version__.minor


def test_a_class_that_does_not_say_so_keeps_its_version_when_its_code_changes(tmp_path: Path) -> None:
    sources = Sources(tmp_path, {"app/ops.py": VERSIONED.replace("VersionType.MINOR\n", "None\n", 1)})
    assert version_of(sources) == version_of(sources.edited("app/ops.py", "x + 1", "x + 2"))


def test_source_is_not_looked_at_unless_a_class_says_so() -> None:
    program = (
        "import sys; from chariots.versioning import VersionableMeta, VersionedField, VersionType;"
        "VersionableMeta('Op', (), {'a': VersionedField([3], VersionType.MAJOR)});"
        "print(*{'ast', 'chariots.versioning.fingerprint', 'chariots.versioning.project'} & set(sys.modules))"
    )
    environment = {"PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-S", "-c", program]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert ran.stdout.strip() == ""


def test_code_that_should_count_and_has_no_source_is_refused() -> None:
    with pytest.raises(TypeError, match=r"class 'Op' sets code_version=VersionType\.PATCH.*no source.*in a file"):
        VersionableMeta("Op", (), {"code_version": VersionType.PATCH})


def test_a_code_version_that_is_no_subversion_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Op\.code_version was given 'minor'.*VersionType\.MINOR"):

        class Op(metaclass=VersionableMeta):
            code_version = "minor"
