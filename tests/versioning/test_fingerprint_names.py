"""Which edits elsewhere in a project a fingerprint notices, and which it rightly does not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.versioning.sources import Sources


@dataclass
class Case:
    """A project, an edit, and whether the fingerprint of ``app.ops:Op`` should move."""

    name: str
    files: dict[str, str]
    edit: tuple[str, str, str]
    moves: bool = True
    target: str = "app.ops:Op"


def project(ops: str, **others: str) -> dict[str, str]:
    """Files of a package; ``helpers`` becomes ``app/helpers.py``, ``sub__init`` becomes ``app/sub/__init__.py``."""
    files = {"app/__init__.py": "", "app/ops.py": ops}
    for name, text in others.items():
        files["app/" + name.replace("__", "/").replace("init", "__init__") + ".py"] = text
    return files


def op(body: str, head: str = "") -> str:
    """A module with one op that returns an expression."""
    return f"{head}\nclass Op:\n    def execute(self, x):\n        return {body}\n"


HELP = "def help(x):\n    return x + 1\n\ndef other(x):\n    return x + 2\n"
EDIT = ("app/helpers.py", "x + 1", "x + 10")
APART = ("app/helpers.py", "x + 2", "x + 20")

IMPORTS = {
    "from x import y": op("help(x)", "from app.helpers import help"),
    "from x import y as z": op("z(x)", "from app.helpers import help as z"),
    "relative": op("help(x)", "from .helpers import help"),
    "module attribute": op("app.helpers.help(x)", "import app.helpers"),
    "module alias": op("h.help(x)", "import app.helpers as h"),
    "module from its package": op("helpers.help(x)", "from app import helpers"),
    "relative module": op("helpers.help(x)", "from . import helpers"),
    "star": op("help(x)", "from app.helpers import *"),
    "inside the method": op("help(x)").replace("        return", "        from .helpers import help\n        return"),
    "module inside the method": op("h.help(x)").replace(
        "        return", "        import app.helpers as h\n        return"
    ),
    "under a condition": op("help(x)", "try:\n    from app.helpers import help\nexcept ImportError:\n    help = None"),
    "as a base class attribute": "from app import helpers\nclass Op:\n    execute = staticmethod(helpers.help)\n",
    "as a decorator": "from app.helpers import help\n@help\nclass Op:\n    pass\n".replace(
        "@help", "@(lambda c: help(0) and c)"
    ),
    "as a default": (
        "from app.helpers import help\nclass Op:\n    def execute(self, x, by=help):\n        return by(x)\n"
    ),
    "in an annotation": "from __future__ import annotations\nfrom app.helpers import help\nclass Op:\n    x: help\n",
    "through a global": "from app.helpers import help\nVIA = {'k': [help]}\n" + op("VIA['k'][0](x)"),
    "through another function": "from app.helpers import help\ndef via(x):\n    return help(x)\n" + op("via(x)"),
    "through a lambda": "from app.helpers import help\nvia = lambda x: help(x)\n" + op("via(x)"),
    "through a class": "from app.helpers import help\nclass Via:\n    go = help\n" + op("Via.go(x)"),
    "through a comprehension": "from app.helpers import help\n" + op("[help(y) for y in x]"),
    "through a global that a function sets": (
        "from app.helpers import help\nvia = None\ndef set_up():\n    global via\n    via = help\nset_up()\n"
        + op("via(x)")
    ),
}
CASES = [Case(name, project(text, helpers=HELP), EDIT) for name, text in IMPORTS.items()]
CASES += [
    Case(f"another function beside: {name}", project(text, helpers=HELP), APART, moves=False)
    for name, text in IMPORTS.items()
]
CASES += [
    Case("an unused import", project("import app.helpers\n" + op("x"), helpers=HELP), EDIT, moves=False),
    Case(
        "an import added",
        project(op("x", "import math"), helpers=HELP),
        ("app/ops.py", "import math", "import os"),
        False,
    ),
    Case(
        "re-exported",
        project(op("help(x)", "from app import help"), init="from .helpers import help\n", helpers=HELP),
        EDIT,
    ),
    Case(
        "re-exported with a star",
        project(op("help(x)", "from app import help"), init="from .helpers import *\n", helpers=HELP),
        EDIT,
    ),
    Case(
        "re-exported twice, in a circle",
        project(
            op("help(x)", "from app import help"),
            init="from app.sub import help\n",
            sub__init="from .part import help\nimport app\n",
            sub__part="from app.helpers import help\n",
            helpers=HELP,
        ),
        EDIT,
    ),
    Case(
        "a name that __all__ hides",
        project(op("help(x)", "from app.helpers import *"), helpers="__all__ = ['other']\n" + HELP),
        EDIT,
        False,
    ),
    Case(
        "a name added to __all__",
        project(
            op("help(x)", "from app.helpers import *"), helpers="__all__ = ['other']\n__all__ += ['help']\n" + HELP
        ),
        EDIT,
    ),
    Case(
        "a name appended to __all__",
        project(op("help(x)", "from app.helpers import *"), helpers="__all__ = []\n__all__.append('help')\n" + HELP),
        EDIT,
    ),
    Case(
        "a module that its package imports",
        project(op("helpers.help(x)", "from app import helpers"), init="from . import helpers\n", helpers=HELP),
        EDIT,
    ),
    Case(
        "a module and a function of one name",
        project(
            op("helpers(x)", "from app import helpers"), init="from .helpers import help as helpers\n", helpers=HELP
        ),
        EDIT,
    ),
    Case("a module handed on", project(op("getattr(helpers, x)", "from app import helpers"), helpers=HELP), EDIT),
    Case(
        "a local of the same name",
        project(op("[help for help in x]", "from app.helpers import help"), helpers=HELP),
        EDIT,
        False,
    ),
    Case(
        "a parameter of the same name",
        project(
            "from app.helpers import help\nclass Op:\n    def execute(self, help):\n        return help\n", helpers=HELP
        ),
        EDIT,
        False,
    ),
    Case(
        "a class attribute read in a method",
        project(
            (
                "from app.helpers import help\nclass Op:\n    help = 1\n    def execute(self, x):\n"
                "        return self.help\n"
            ),
            helpers=HELP,
        ),
        EDIT,
        False,
    ),
    Case(
        "a name read before the class binds it",
        project("from app.helpers import help\nclass Op:\n    help = help\n", helpers=HELP),
        EDIT,
    ),
    Case(
        "a helper made on demand",
        project(
            op("help(x)", "from app import lazy\nhelp = lazy.made"), lazy="def __getattr__(name):\n    return 1 + 0\n"
        ),
        ("app/lazy.py", "1 + 0", "1 + 1"),
    ),
    Case("another external function", project(op("f(x)", "from math import sin as f")), ("app/ops.py", "sin", "cos")),
    Case(
        "a standard module of another name",
        project(op("m.sin(x)", "import math as m")),
        ("app/ops.py", "import math", "import cmath"),
    ),
    Case(
        "a folder without __init__",
        {"app/ops.py": op("help(x)", "from .deep.helpers import help"), "app/deep/helpers.py": HELP},
        ("app/deep/helpers.py", "x + 1", "x + 10"),
    ),
    Case(
        "a sibling of the package",
        {**project(op("help(x)", "from beside import help")), "beside.py": HELP},
        ("beside.py", "x + 1", "x + 10"),
    ),
    Case(
        "scripts in one folder",
        {"main.py": op("help(x)", "from side import help"), "side.py": HELP},
        ("side.py", "x + 1", "x + 10"),
        True,
        "main:Op",
    ),
    Case(
        "an installed package",
        {
            **project(
                op(
                    "help(x)",
                    (
                        "import sys, pathlib\n"
                        "sys.path.append(str(pathlib.Path(__file__).parent.parent / 'site-packages'))\n"
                        "from installed import help"
                    ),
                )
            ),
            "site-packages/installed.py": HELP,
        },
        ("site-packages/installed.py", "x + 1", "x + 10"),
        False,
    ),
]

ANCESTORS = {
    "parent": "class Up:\n    def helped(self):\n        return 1 + 1\nclass Op(Up):\n    pass\n",
    "grandparent": "class Top:\n    a = 1 + 1\nclass Up(Top):\n    pass\nclass Op(Up):\n    pass\n",
    "mixin": "class Mix:\n    a = 1 + 1\nclass Op(dict, Mix):\n    pass\n",
    "metaclass": "class Meta(type):\n    a = 1 + 1\nclass Op(metaclass=Meta):\n    pass\n",
    "class keyword": (
        "K = 1 + 1\nclass Up:\n    def __init_subclass__(cls, k):\n        pass\nclass Op(Up, k=K):\n    pass\n"
    ),
    "base from a call": "def base():\n    class Up:\n        a = 1 + 1\n    return Up\nclass Op(base()):\n    pass\n",
    "decorator": "def deco(cls):\n    return cls if 1 + 1 else None\n@deco\nclass Op:\n    pass\n",
    "decorator argument": (
        "N = 1 + 1\ndef deco(n):\n    return lambda f: f\nclass Op:\n    @deco(N)\n"
        "    def execute(self):\n        pass\n"
    ),
    "nested class": "class Op:\n    class Inner:\n        a = 1 + 1\n",
    "property": "class Op:\n    @property\n    def a(self):\n        return 1 + 1\n",
    "keyword-only default": "class Op:\n    def a(self, *, k=1 + 1):\n        return k\n",
    "class variable annotation": "class Op:\n    a: int = 1 + 1\n",
}
CASES += [
    Case(f"ancestors: {name}", project(text), ("app/ops.py", "1 + 1", "1 + 2")) for name, text in ANCESTORS.items()
]

CHANGES = {
    "a key": "T = {}\nT['k'] = 1 + 1\n",
    "a key of a key": "T = {'a': {}}\nT['a']['k'] = 1 + 1\n",
    "update": "T = {}\nT.update(k=1 + 1)\n",
    "append": "T = []\nT.append(1 + 1)\n",
    "added to": "T = 0\nT += 1 + 1\n",
    "deleted": "T = [1, 2, 3, 4]\ndel T[1 + 1]\n",
    "an attribute": "class T:\n    pass\nT.k = 1 + 1\n",
    "setattr": "class T:\n    pass\nsetattr(T, 'k', 1 + 1)\n",
    "given to a function": "def fill(t, x):\n    t[0] = x\nT = {}\nfill(T, 1 + 1)\n",
    "filled by a function": "T = {}\ndef fill(x):\n    T[0] = x\nfill(1 + 1)\n",
    "registered": (
        "T = {}\ndef register(f):\n    T[f.__name__] = f\n    return f\n@register\ndef f():\n    return 1 + 1\n"
    ),
    "registered by method": (
        "class R(list):\n    def add(self, f):\n        self.append(f)\nT = R()\n@T.add\ndef f():\n    return 1 + 1\n"
    ),
    "in a loop": "T = {}\nfor k in range(1 + 1):\n    T[k] = k\n",
    "in a branch": "T = {}\nif 1 + 1:\n    T['k'] = 1\n",
    "in a with": "from contextlib import suppress\nT = {}\nwith suppress(KeyError):\n    T['k'] = 1 + 1\n",
    "popped in passing": "T = {2: 0, 3: 0}\nP = T.pop(1 + 1)\n",
    "bound twice": "T = 0\nT = T + 1 + 1\n",
    "unpacked": "S, T = 0, 1 + 1\n",
    "bound by a walrus": "[T := 1 + 1]\n",
    "bound in a match": "match 1 + 1:\n    case T:\n        pass\n",
    "bound by a for": "for T in [1 + 1]:\n    pass\n",
    "bound by a with": "from contextlib import nullcontext\nwith nullcontext(1 + 1) as T:\n    pass\n",
}
CASES += [
    Case(f"changes: {name}", project(text + op("T")), ("app/ops.py", "1 + 1", "1 + 2"))
    for name, text in CHANGES.items()
]
UNCHANGED = {
    "printed": "T = {}\nprint(T, 1 + 1)\n",
    "another table": "T = {}\nU = {}\nU['k'] = 1 + 1\n",
    "the program part": "T = {}\nif __name__ == '__main__':\n    T['k'] = 1 + 1\n",
    "read by another": "T = {}\nU = [T, 1 + 1]\n",
    "a function that does not touch it": "T = {}\ndef fill(x):\n    return x\nfill(1 + 1)\n",
    "the op run at the end": "T = {}\ndef use(*a):\n    return a\nif T:\n    use(Op, 1 + 1)\n",
}
CASES += [
    Case(f"no change: {name}", project(text + op("T")), ("app/ops.py", "1 + 1", "1 + 2"), moves=False)
    for name, text in UNCHANGED.items()
]
TABLES = "TABLE = {}\nOTHER = {}\n"
CASES += [
    Case(
        "an imported table",
        project("from .tables import TABLE\nTABLE['k'] = 1 + 1\n" + op("TABLE"), tables=TABLES),
        ("app/ops.py", "1 + 1", "1 + 2"),
    ),
    Case(
        "an attribute of an imported module",
        project("from . import tables\ntables.TABLE['k'] = 1 + 1\n" + op("tables.TABLE"), tables=TABLES),
        ("app/ops.py", "1 + 1", "1 + 2"),
    ),
    Case(
        "another attribute of that module",
        project("from . import tables\ntables.OTHER['k'] = 1 + 1\n" + op("tables.TABLE"), tables=TABLES),
        ("app/ops.py", "1 + 1", "1 + 2"),
        False,
    ),
    Case(
        "a call on an imported module",
        project("import random\nrandom.seed(1 + 1)\n" + op("random.random()")),
        ("app/ops.py", "1 + 1", "1 + 2"),
        False,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_the_fingerprint_moves_with_what_the_op_uses(tmp_path: Path, case: Case) -> None:
    sources = Sources(tmp_path, case.files)
    before = sources.fingerprint(case.target)
    after = sources.edited(*case.edit).fingerprint(case.target)
    assert before is not None
    assert (before != after) is case.moves
