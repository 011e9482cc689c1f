"""What do all services share on the wire? (the HTTP base, the client session, problems as JSON)"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chariots._lazy import lazy_names

if TYPE_CHECKING:
    from chariots.web import deadline
    from chariots.web.access import Access, needs, open_to_all
    from chariots.web.async_client import AsyncSession
    from chariots.web.client import Session
    from chariots.web.hosts import is_loopback
    from chariots.web.problems import PROBLEM_TYPE, error_from_problem, problem_of
    from chariots.web.remote import remote_stack, render_stack
    from chariots.web.replies import Reply, Stream
    from chariots.web.request_ids import current_request_id
    from chariots.web.retry import RetryPolicy
    from chariots.web.service import (
        accept_any_size,
        install,
        json_response,
        openapi_document,
        read_body,
        read_json,
        surrounding,
    )
    from chariots.web.tracing import start as start_tracing

_HOMES = {
    "install": "chariots.web.service",
    "surrounding": "chariots.web.service",
    "Access": "chariots.web.access",
    "needs": "chariots.web.access",
    "open_to_all": "chariots.web.access",
    "is_loopback": "chariots.web.hosts",
    "read_json": "chariots.web.service",
    "read_body": "chariots.web.service",
    "json_response": "chariots.web.service",
    "accept_any_size": "chariots.web.service",
    "openapi_document": "chariots.web.service",
    "remote_stack": "chariots.web.remote",
    "render_stack": "chariots.web.remote",
    "problem_of": "chariots.web.problems",
    "error_from_problem": "chariots.web.problems",
    "PROBLEM_TYPE": "chariots.web.problems",
    "Session": "chariots.web.client",
    "AsyncSession": "chariots.web.async_client",
    "Reply": "chariots.web.replies",
    "Stream": "chariots.web.replies",
    "RetryPolicy": "chariots.web.retry",
    "current_request_id": "chariots.web.request_ids",
    "deadline": "chariots.web.deadline:",
    "start_tracing": "chariots.web.tracing:start",
}

__getattr__, __dir__, _ = lazy_names(__name__, _HOMES)
__all__ = [
    "install",
    "surrounding",
    "Access",
    "needs",
    "open_to_all",
    "is_loopback",
    "read_json",
    "read_body",
    "json_response",
    "accept_any_size",
    "openapi_document",
    "remote_stack",
    "render_stack",
    "problem_of",
    "error_from_problem",
    "PROBLEM_TYPE",
    "Session",
    "AsyncSession",
    "Reply",
    "Stream",
    "RetryPolicy",
    "current_request_id",
    "deadline",
    "start_tracing",
]
