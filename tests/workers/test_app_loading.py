"""Does the text "module:app" find the app, and say what is wrong where it does not?"""

from __future__ import annotations

import sys
import textwrap

import pytest

from chariots.serving import load_app


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module into the current folder; gives its name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)

    def write(text):
        name = f"app_{abs(hash(tmp_path))}"
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
        return name

    yield write
    for name in set(sys.modules) - before:
        if name.startswith("app_"):
            del sys.modules[name]


ONE = """
    from chariots.serving import PipelinesServer
    app = PipelinesServer([], "one")
    same = app
"""


@pytest.mark.parametrize("form", ["{}:app", "{}", "{}.py:app", " {}:app "])
def test_an_app_is_found_by_name_or_alone(module, form):
    location = form.format(module(ONE))
    app = load_app(location)
    assert app.name == "one"
    assert app.location == location


@pytest.mark.parametrize("form", ["{}:make", "{}:make()"])
def test_a_function_that_makes_an_app_is_called(module, form):
    name = module("""
        from chariots.serving import PipelinesServer
        def make():
            return PipelinesServer([], "made")
    """)
    assert load_app(form.format(name)).name == "made"


def test_create_app_is_found_where_there_is_no_app(module):
    name = module("""
        from chariots.serving import PipelinesServer
        def create_app():
            return PipelinesServer([], "made")
    """)
    assert load_app(name).name == "made"


def test_an_attribute_may_be_dotted(module):
    name = module("""
        from chariots.serving import PipelinesServer
        class Holder:
            app = PipelinesServer([], "held")
    """)
    assert load_app(f"{name}:Holder.app").name == "held"


def test_several_apps_need_a_name(module):
    name = module("""
        from chariots.serving import PipelinesServer
        first = PipelinesServer([], "first")
        second = PipelinesServer([], "second")
    """)
    with pytest.raises(ValueError, match="holds several: first, second"):
        load_app(name)


def test_a_missing_module_is_named():
    with pytest.raises(ValueError, match="no module 'nowhere_to_be_found'"):
        load_app("nowhere_to_be_found:app")


@pytest.mark.parametrize("location", ["", ":app", "..:app"])
def test_a_text_that_names_no_module_is_refused(location):
    with pytest.raises(ValueError, match="was asked for"):
        load_app(location)


def test_a_missing_name_suggests_the_nearest(module):
    with pytest.raises(ValueError, match=r"Did you mean 'app'\?"):
        load_app(f"{module(ONE)}:aap")


def test_what_is_no_app_is_refused(module):
    with pytest.raises(ValueError, match="is a int"):
        load_app(f"{module('app = 3')}:app")


def test_a_module_that_holds_no_app_is_refused(module):
    with pytest.raises(ValueError, match="holds no PipelinesServer"):
        load_app(module("x = 3"))


def test_an_import_that_fails_inside_the_module_is_shown_as_it_is(module):
    with pytest.raises(ModuleNotFoundError, match="something_not_installed"):
        load_app(module("import something_not_installed"))
