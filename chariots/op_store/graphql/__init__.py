"""How is an op store asked for lineage in GraphQL? (read-only, and limited in what one question may cost)

The schema stands on strawberry, which the extra ``chariots[graphql]`` brings; nothing here imports it before the first
question comes.
"""

from __future__ import annotations

from chariots.op_store.graphql.route import ROUTES

__all__ = ["ROUTES"]
