"""When does a worker of gunicorn answer many requests at once, and what must be known of gunicorn for it?"""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chariots.cli.express import Express, Verdict
    from chariots.cli.plain_requests import PlainRequests

__all__ = ["express_of"]


def express_of(
    app: Any,
    cfg: Any,
    plain: PlainRequests | None,
    *,
    give_back: Callable[[Any, Verdict], None],
    send_rest: Callable[[Any, bytes, bool], None],
    most: int,
) -> Express | None:
    """Makes and starts what answers ordinary calls of quick pipelines together.

    Args:
        app: the WSGI application.
        cfg: the configuration of gunicorn.
        plain: what reads requests; None where gunicorn is to read all.
        give_back: takes a connection back; see `Express`.
        send_rest: sends what a connection does not take at once; see `Express`.
        most: how many runs may wait at once.

    Returns:
        None where threads must answer everything: gunicorn is to read all requests, one of them is to run at a time,
        the connections speak TLS, the application is no server of pipelines, or the system is not Linux.
    """
    has_means = hasattr(select, "epoll") and hasattr(os, "eventfd")
    is_simple = cfg.threads > 1 and not cfg.is_ssl
    if plain is None or not has_means or not is_simple or "chariots.serving.server" not in sys.modules:
        return None
    from chariots.serving.together import Together

    together = Together.of(app)
    if together is None:
        return None
    from chariots.cli.express import Express

    express = Express(together, plain, give_back=give_back, send_rest=send_rest, most=most)
    express.start()
    return express
