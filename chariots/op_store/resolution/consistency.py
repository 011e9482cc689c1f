"""Which is the newest set of versions that all fit together? (numbers and keys only; no database, no ops)

Of two sets the newer is the one that has the greatest number that only one of them has. So the numbers are gone
through from the newest to the oldest, and each is taken if what was taken before leaves a set that it fits into.
Whether it does is found by arc consistency (what has no partner left on some edge goes, until nothing goes any more),
which settles chains and trees alone; where branches join again, a search with restarts decides.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import count

__all__ = ["Constraint", "SearchLimitError", "newest_consistent"]

Key = Hashable

# A search that failed so often starts again, with the nodes that failed first; then after half as many failures more.
_FIRST_FAILURES = 30


class SearchLimitError(Exception):
    """Raised when more steps were needed than were allowed before any set was found."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """What an edge demands: the key of the upstream candidate is one that the downstream candidate accepts.

    Attributes:
        upstream: the name of the node that is read.
        downstream: the name of the node that reads.
        accepts: for each candidate of the downstream node, the keys it accepts.
        common: the keys that every candidate of it accepts.
    """

    upstream: str
    downstream: str
    accepts: Mapping[int, Set[Key]]
    common: Set[Key] = frozenset()


def newest_consistent(
    candidates: Mapping[str, Mapping[int, Key]],
    constraints: Sequence[Constraint],
    limit: int | None = None,
    counted: Callable[[int], None] | None = None,
) -> dict[str, int] | None:
    """Finds the newest set of one candidate for each node in which every constraint holds.

    Args:
        candidates: for each node its candidates, number -> key; no two nodes share a number.
        constraints: what the edges demand, one for each pair of nodes.
        limit: how many steps may be taken; by default, many for each candidate. When they are used up, the newest set
            found so far is returned.
        counted: told, at the end, how many steps were taken.

    Returns:
        the number for each node; None if there is no such set.

    Raises:
        SearchLimitError: if the steps were used up before any set was found.
    """
    network = _Network(candidates, constraints)
    if limit is None:
        limit = 5_000_000 + 50 * network.size
    network.limit = limit
    try:
        return network.newest()
    finally:
        if counted is not None:
            counted(network.steps)


class _LimitReachedError(Exception):
    """The steps are used up."""


@dataclass(slots=True)
class _Edge:
    """One constraint between candidates, which are numbered from the newest on."""

    upstream: int
    downstream: int
    gives: dict[int, int]  # upstream candidate -> class of its key
    takes: dict[int, tuple[int, ...]]  # downstream candidate -> classes it accepts
    givers: list[list[int]]  # class -> upstream candidates
    takers: list[list[int]]  # class -> downstream candidates
    giving: list[int]  # class -> how many of the givers are left
    taking: list[int]  # class -> how many of the takers are left
    support: dict[int, int]  # downstream candidate -> how many of its classes have a giver left


class _Network:
    """The candidates that are left, and what each removal makes impossible; removals can be taken back."""

    def __init__(self, candidates: Mapping[str, Mapping[int, Key]], constraints: Sequence[Constraint]) -> None:
        self.names = list(candidates)
        position = {name: index for index, name in enumerate(self.names)}
        kept = _without_twins(candidates, constraints)
        self.numbers = sorted((number for numbers in kept.values() for number in numbers), reverse=True)
        ranks = {number: rank for rank, number in enumerate(self.numbers)}
        self.domains = [sorted(ranks[number] for number in kept[name]) for name in self.names]
        self.node_of = [0] * len(self.numbers)
        for node, domain in enumerate(self.domains):
            for rank in domain:
                self.node_of[rank] = node
        self.alive = [True] * len(self.numbers)
        self.left = [len(domain) for domain in self.domains]
        self.weight = [1.0] * len(self.names)  # how often a node ran out of candidates
        self.reads: list[list[_Edge]] = [[] for _ in self.names]
        self.is_read: list[list[_Edge]] = [[] for _ in self.names]
        self.size = len(self.numbers)
        for constraint in constraints:
            edge = _edge(constraint, position, candidates, kept, ranks)
            self.reads[edge.downstream].append(edge)
            self.is_read[edge.upstream].append(edge)
            self.size += sum(map(len, edge.takes.values()))
        self.trail: list[int] = []  # what was removed, in order
        self.steps = 0
        self.limit = 0

    def newest(self) -> dict[str, int] | None:
        """The newest set; see `newest_consistent`."""
        try:
            found = self._any_set() if self._settle() else None
        except _LimitReachedError as error:
            raise SearchLimitError(f"no set of versions was found in {self.limit} steps") from error
        if found is None:
            return None
        try:
            for rank, node in enumerate(self.node_of):
                if not self.alive[rank] or self.left[node] == 1:
                    continue
                if found[node] == rank:
                    self._take(rank)
                    continue
                before = len(self.trail)
                better = self._any_set() if self._take(rank) else None
                if better is not None:
                    found = better
                else:
                    self._undo(before)
                    self._remove([rank])
        except _LimitReachedError:
            pass  # what was found fits, even if a newer set might too
        return {self.names[node]: self.numbers[rank] for node, rank in enumerate(found)}

    def _settle(self) -> bool:
        """Removes what never had a partner; tells whether every node has a candidate left."""
        alone = [
            rank
            for edges in self.reads
            for edge in edges
            for rank in [
                *(rank for rank, number in edge.support.items() if not number),
                *(rank for rank, key in edge.gives.items() if not edge.taking[key]),
            ]
        ]
        return self._remove(alone) and all(self.left)

    def _any_set(self) -> list[int] | None:
        """Some set out of what is left, the newest first; nothing is removed in the end."""
        start = len(self.trail)
        allowed = float(_FIRST_FAILURES)
        try:
            for _ in count():
                ended, found = self._search(int(allowed))
                self._undo(start)
                if ended:
                    return found
                allowed *= 1.5
        except _LimitReachedError:
            self._undo(start)
            raise
        raise AssertionError("the loop above only ends by returning")

    def _search(self, failures: int) -> tuple[bool, list[int] | None]:
        """Looks for a set.

        Args:
            failures: after how many failures to give up, so that the next search begins where it fails.

        Returns:
            whether the search came to an end, and the set, if there is one.
        """
        tried: list[tuple[int, int]] = []
        while True:
            node = self._hardest()
            if node is None:
                return True, [next(rank for rank in domain if self.alive[rank]) for domain in self.domains]
            rank = next(rank for rank in self.domains[node] if self.alive[rank])
            tried.append((len(self.trail), rank))
            fits = self._take(rank)
            while not fits:
                if not tried:
                    return True, None
                failures -= 1
                if failures < 0:
                    return False, None
                before, rank = tried.pop()
                self._undo(before)
                fits = self._remove([rank])

    def _hardest(self) -> int | None:
        """The node to decide next: with few candidates left, and known for running out of them."""
        open_nodes = [node for node, left in enumerate(self.left) if left > 1]
        self.steps += len(open_nodes)
        return min(open_nodes, key=lambda node: self.left[node] / self.weight[node], default=None)

    def _take(self, rank: int) -> bool:
        """Removes the other candidates of its node; tells whether every node has one left."""
        domain = self.domains[self.node_of[rank]]
        return self._remove([other for other in domain if other != rank and self.alive[other]])

    def _remove(self, ranks: Sequence[int]) -> bool:
        """Removes candidates and all that they leave without a partner; tells whether every node has one left."""
        if self.steps > self.limit:
            raise _LimitReachedError
        waiting = list(ranks)
        while waiting:
            rank = waiting.pop()
            if not self.alive[rank]:
                continue
            node = self.node_of[rank]
            self.alive[rank] = False
            self.left[node] -= 1
            self.trail.append(rank)
            self.steps += 1
            for edge in self.is_read[node]:
                key = edge.gives[rank]
                edge.giving[key] -= 1
                if not edge.giving[key]:
                    self.steps += len(edge.takers[key])
                    for other in edge.takers[key]:
                        edge.support[other] -= 1
                        if not edge.support[other] and self.alive[other]:
                            waiting.append(other)
            for edge in self.reads[node]:
                self.steps += len(edge.takes[rank])
                for key in edge.takes[rank]:
                    edge.taking[key] -= 1
                    if not edge.taking[key]:
                        self.steps += len(edge.givers[key])
                        waiting.extend(other for other in edge.givers[key] if self.alive[other])
            if not self.left[node]:
                self.weight[node] += 1
                return False
        return True

    def _undo(self, before: int) -> None:
        """Takes back the removals after a point of the trail."""
        while len(self.trail) > before:
            rank = self.trail.pop()
            node = self.node_of[rank]
            for edge in self.reads[node]:
                for key in edge.takes[rank]:
                    edge.taking[key] += 1
            for edge in self.is_read[node]:
                key = edge.gives[rank]
                if not edge.giving[key]:
                    self.steps += len(edge.takers[key])
                    for other in edge.takers[key]:
                        edge.support[other] += 1
                edge.giving[key] += 1
            self.left[node] += 1
            self.alive[rank] = True


def _without_twins(
    candidates: Mapping[str, Mapping[int, Key]], constraints: Sequence[Constraint]
) -> dict[str, list[int]]:
    """The candidates of each node, only the newest of those that fit the same: an older one is never better."""
    reads: dict[str, list[Constraint]] = {name: [] for name in candidates}
    is_read = {constraint.upstream for constraint in constraints}
    known: dict[str, set[Key]] = {name: set(keys.values()) for name, keys in candidates.items()}
    for constraint in constraints:
        reads[constraint.downstream].append(constraint)
    kept: dict[str, list[int]] = {}
    for name, keys in candidates.items():
        seen: set[Key] = set()
        kept[name] = []
        for number in sorted(keys, reverse=True):
            accepted = tuple(
                frozenset(constraint.accepts.get(number, ())) & known[constraint.upstream] for constraint in reads[name]
            )
            twin = (keys[number] if name in is_read else None, accepted)
            if twin not in seen:
                seen.add(twin)
                kept[name].append(number)
    return kept


def _edge(
    constraint: Constraint,
    position: Mapping[str, int],
    candidates: Mapping[str, Mapping[int, Key]],
    kept: Mapping[str, Sequence[int]],
    ranks: Mapping[int, int],
) -> _Edge:
    """The constraint in numbers: keys that every reader accepts are one class, all others a class each."""
    keys = candidates[constraint.upstream]
    classes: dict[Key, int] = {}
    gives: dict[int, int] = {}
    for number in kept[constraint.upstream]:
        key = keys[number]
        gives[ranks[number]] = 0 if key in constraint.common else classes.setdefault(key, len(classes) + 1)
    takes = {
        ranks[number]: (
            0,
            *(
                classes[key]
                for key in constraint.accepts.get(number, ())
                if key in classes and key not in constraint.common
            ),
        )
        for number in kept[constraint.downstream]
    }
    givers: list[list[int]] = [[] for _ in range(len(classes) + 1)]
    takers: list[list[int]] = [[] for _ in range(len(classes) + 1)]
    for rank, found in gives.items():
        givers[found].append(rank)
    for rank, accepted in takes.items():
        for found in accepted:
            takers[found].append(rank)
    giving = [len(ranks_of) for ranks_of in givers]
    return _Edge(
        upstream=position[constraint.upstream],
        downstream=position[constraint.downstream],
        gives=gives,
        takes=takes,
        givers=givers,
        takers=takers,
        giving=giving,
        taking=[len(ranks_of) for ranks_of in takers],
        support={rank: sum(1 for found in accepted if giving[found]) for rank, accepted in takes.items()},
    )
