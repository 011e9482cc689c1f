"""Do routes that learn late to write their URLs write the same ones?"""

from __future__ import annotations

from typing import Any

import flask
import pytest
from werkzeug.routing import Map, Rule

from chariots.web import install
from chariots.web.rules import OneWayRule

CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("/plain", {}, {}),
    ("/plain", {}, {"page": 2, "tag": ["a", "b c"]}),
    ("/items/<int:number>/<path:rest>", {}, {"number": 7, "rest": "a/b c"}),
    ("/items/<name>", {"defaults": {"page": 1}}, {"name": "ä&b", "page": 1}),
    ("/<float:share>/of/<uuid:item>", {}, {"share": 0.5, "item": "c0ffee00-c0ff-ee00-c0ff-ee00c0ffee00"}),
]


@pytest.mark.parametrize("unknown", [True, False])
@pytest.mark.parametrize(("pattern", "options", "values"), CASES)
def test_urls_are_those_of_werkzeug(
    pattern: str, options: dict[str, Any], values: dict[str, Any], unknown: bool
) -> None:
    written = [
        Map([kind(pattern, endpoint="view", **options)])
        .bind("host", "/mounted")
        .build("view", values, append_unknown=unknown)
        for kind in (OneWayRule, Rule)
    ]
    assert written[0] == written[1]


def test_they_learn_it_once_when_they_are_first_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    learned: list[str] = []
    compile_builder = Rule._compile_builder

    def counted(rule: Rule, append_unknown: bool = True) -> Any:
        learned.append(rule.rule)
        return compile_builder(rule, append_unknown)

    monkeypatch.setattr(Rule, "_compile_builder", counted)
    urls = Map([OneWayRule("/one/<name>", endpoint="one"), OneWayRule("/two", endpoint="two")]).bind("host")
    assert urls.match("/one/a") == ("one", {"name": "a"})
    assert learned == []
    assert [urls.build("one", {"name": name}) for name in "abc"] == ["/one/a", "/one/b", "/one/c"]
    assert learned == ["/one/<name>"]


def test_views_of_a_service_find_their_urls() -> None:
    app = flask.Flask("Service")
    install(app, title="Tests")

    @app.get("/items/<int:number>")
    def item(number: int) -> str:
        return flask.url_for("item", number=number + 1, by="hand")

    assert all(isinstance(rule, OneWayRule) for rule in app.url_map.iter_rules() if rule.endpoint != "static")
    assert app.test_client().get("/items/7").get_data(as_text=True) == "/items/8?by=hand"


def test_an_application_keeps_rules_of_its_own() -> None:
    class OwnRule(Rule):
        pass

    class Own(flask.Flask):
        url_rule_class = OwnRule

    app = Own("Service")
    install(app, title="Tests")
    assert app.url_rule_class is OwnRule
