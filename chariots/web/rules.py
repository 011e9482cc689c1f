"""How does a service learn its routes without learning the way back, from a view to its URL?"""

from __future__ import annotations

from collections.abc import Callable

from werkzeug.routing import Rule

__all__ = ["OneWayRule"]


class OneWayRule(Rule):
    """A rule that learns to write URLs when it is first asked for one.

    Werkzeug compiles two functions for that as soon as a rule is there: with thirty routes, 4 ms of the start of a
    server, and few servers ever write a URL.
    """

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        # Were this to have another name one day, werkzeug would compile at once, as it does by itself.
        compile_builder, builder = super()._compile_builder, None

        def build(rule: Rule, **values: object) -> tuple[str, str]:
            nonlocal builder
            if builder is None:
                builder = compile_builder(append_unknown)
            return builder(rule, **values)

        return build
