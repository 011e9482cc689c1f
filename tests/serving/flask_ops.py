"""Ops that look at Flask's request, as some of the users' do."""

from __future__ import annotations

from flask import has_request_context, request

from chariots.pipelines.ops import BaseOp

SEEN: list[str] = []


def header(_value):
    """What the request has in a header."""
    return request.headers.get("X-Name")


class ReadsHeader(BaseOp):
    def execute(self, value):
        return header(value)


class MayRead(BaseOp):
    def execute(self, value):
        return header(value) if has_request_context() else "nobody"
