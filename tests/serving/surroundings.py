"""Ops that are told apart by what surrounds them, from a module that does not use Flask."""

from __future__ import annotations

import sys

from chariots.pipelines.ops import BaseOp


class Surroundings(BaseOp):
    """Tells whether it runs within a request of Flask."""

    def execute(self, value):
        return getattr(sys.modules["".join(("fla", "sk"))], "has_request_context")()  # noqa: B009  # unseen


class Through(BaseOp):
    """Does what a function does that it was given."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def execute(self, value):
        return self.function(value)
