"""Is an app found under a name that another process can import, and is it refused where there is none?"""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from chariots import PipelinesServer
from chariots.errors import ConflictError, UnknownNameError
from chariots.workers import app_reference


@pytest.fixture
def module(tmp_path, monkeypatch, request):
    """Writes a module of that name and makes it importable."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(name, text):
        path = tmp_path / f"{name.replace('.', '/')}.py"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(textwrap.dedent(text))
        request.addfinalizer(lambda: sys.modules.pop(name, None))

    return write


APP = """
    from chariots import PipelinesServer
    app = PipelinesServer([], import_name=__name__)
"""


def test_an_app_at_the_top_of_a_module_is_named_by_both(module):
    module("found_app", APP)
    import found_app

    assert app_reference.find(found_app.app) == "found_app:app"


def test_the_module_the_app_calls_its_own_comes_first(module):
    module("pack.deep.origin", APP)
    module("again", "from pack.deep.origin import app as the_app")
    import again

    assert app_reference.find(again.the_app) == "pack.deep.origin:app"


def test_what_the_configuration_says_decides(module):
    module("told_app", APP)
    import told_app

    told_app.app.config["CHARIOTS_APP"] = "elsewhere:server"
    assert app_reference.find(told_app.app) == "elsewhere:server"


def test_an_app_that_a_function_made_is_named_as_it_was_loaded():
    app = PipelinesServer([], import_name="made")
    app.location = "made:create_app()"
    assert app_reference.find(app) == "made:create_app()"


def test_an_app_inside_a_function_is_refused_with_a_way_out():
    app = PipelinesServer([], import_name="local")
    with pytest.raises(ConflictError, match=r"inside a function.*at the top of a module.*CHARIOTS_APP"):
        app_reference.find(app)


def test_an_app_of_a_script_is_refused_by_the_name_of_the_script(tmp_path):
    script = tmp_path / "my_script.py"
    script.write_text(
        "from chariots import PipelinesServer\n"
        "from chariots.workers import app_reference\n"
        "app = PipelinesServer([], import_name='my_script')\n"
        "app_reference.find(app)\n"
    )
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert "it is 'app' of my_script.py, which runs as a script" in ended.stderr


def test_an_app_of_an_interactive_session_is_refused_as_one():
    code = (
        "from chariots import PipelinesServer\n"
        "from chariots.workers import app_reference\n"
        "app = PipelinesServer([], import_name='session')\n"
        "app_reference.find(app)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert "it is 'app' of a notebook or an interactive session" in ended.stderr


def test_an_app_is_loaded_by_its_name_and_only_once(module):
    module("loaded_app", APP)
    app = app_reference.load("loaded_app:app")
    sys.modules.pop("loaded_app")
    assert app_reference.load("loaded_app:app") is app


def test_a_dotted_attribute_and_a_function_that_makes_the_app_are_loaded(module):
    module(
        "nested_app",
        """
        from chariots import PipelinesServer
        class Holder:
            app = PipelinesServer([], import_name=__name__)
        def create_app():
            return Holder.app
        """,
    )
    app = app_reference.load("nested_app:Holder.app")
    assert app_reference.load("nested_app:create_app") is app
    assert app_reference.load("nested_app:create_app()") is app


def test_a_module_in_the_current_folder_is_found(tmp_path, monkeypatch, request):
    (tmp_path / "app_of_here.py").write_text(textwrap.dedent(APP))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    request.addfinalizer(lambda: sys.modules.pop("app_of_here", None))
    assert app_reference.load("app_of_here:app").import_name == "app_of_here"


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("no_such_module:app", "there is no module 'no_such_module'"),
        (":app", "there is no module ''"),
        ("wrong_app:ap", "has no 'ap'. Did you mean 'app'?"),
        ("wrong_app:text", "that is a str"),
        ("wrong_app:PipelinesServer", "that is the class PipelinesServer"),
        ("wrong_app:returns_nothing", "that is a NoneType"),
    ],
)
def test_what_is_not_an_app_is_refused(module, reference, words):
    module("wrong_app", APP + "    text = 'app'\n    def returns_nothing(): return None\n")
    with pytest.raises(UnknownNameError) as refused:
        app_reference.load(reference)
    assert words in str(refused.value)
    assert repr(reference) in str(refused.value)


def test_what_an_app_fails_to_import_itself_is_not_blamed_on_its_name(module):
    module("broken_app", "import a_package_nobody_has")
    with pytest.raises(ModuleNotFoundError, match="a_package_nobody_has"):
        app_reference.load("broken_app:app")
