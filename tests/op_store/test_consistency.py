"""Is it the newest set that fits, whatever fits what, and is it found without trying everything?"""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chariots.op_store.resolution.consistency import Constraint, SearchLimitError, newest_consistent

Candidates = dict[str, dict[int, int]]

NODES, VERSIONS = 30, 200


def by_trying_everything(candidates: Candidates, constraints: Sequence[Constraint]) -> Mapping[str, int] | None:
    """The newest of all sets that fit."""
    fitting = []
    for numbers in itertools.product(*candidates.values()):
        chosen = dict(zip(candidates, numbers, strict=True))
        if all(fits(candidates, constraint, chosen) for constraint in constraints):
            fitting.append((sorted(numbers, reverse=True), chosen))
    return max(fitting, key=lambda pair: pair[0], default=(None, None))[1]


def fits(candidates: Candidates, constraint: Constraint, chosen: Mapping[str, int]) -> bool:
    """Whether one edge holds."""
    key = candidates[constraint.upstream][chosen[constraint.upstream]]
    return key in constraint.common or key in constraint.accepts[chosen[constraint.downstream]]


@st.composite
def problems(draw: st.DrawFn) -> tuple[Candidates, list[Constraint]]:
    """A few nodes, a few versions of each, and any links between them."""
    names = [f"op{position}" for position in range(draw(st.integers(1, 4)))]
    numbers = iter(draw(st.permutations(range(1, 4 * len(names) + 1))))
    sizes = st.integers(1, 4)
    candidates = {name: {next(numbers): draw(st.integers(0, 2)) for _ in range(draw(sizes))} for name in names}
    keys = st.sets(st.integers(0, 2), max_size=2)
    constraints = [
        Constraint(up, down, {number: draw(keys) for number in candidates[down]}, draw(st.sampled_from([set(), {0}])))
        for up, down in itertools.combinations(names, 2)
        if draw(st.booleans())
    ]
    return candidates, constraints


@settings(max_examples=500, deadline=None)
@given(problems())
def test_the_newest_set_is_found(problem: tuple[Candidates, list[Constraint]]) -> None:
    candidates, constraints = problem
    assert newest_consistent(candidates, constraints) == by_trying_everything(candidates, constraints)


def trained(names: Sequence[str], edges: Sequence[tuple[str, str]], shuffled: int | None = None) -> Candidates:
    """Two hundred versions of every node, saved together; or, shuffled, in any order."""
    numbers = list(range(1, len(names) * VERSIONS + 1))
    if shuffled is not None:
        random.Random(shuffled).shuffle(numbers)
    rounds = iter(numbers)
    candidates: Candidates = {name: {} for name in names}
    for training in range(VERSIONS):
        for name in names:
            candidates[name][next(rounds)] = training
    return candidates


def steps_for(candidates: Candidates, constraints: Sequence[Constraint]) -> tuple[int, Mapping[str, int] | None]:
    """What was found, and in how many steps."""
    steps: list[int] = []
    found = newest_consistent(candidates, constraints, counted=steps.append)
    return steps[0], found


def linked(candidates: Candidates, up: str, down: str, shift: int = 0) -> Constraint:
    """Each version of the reader was trained with the version of the same training, or one so many trainings off."""
    return Constraint(
        up, down, {number: {(training + shift) % VERSIONS} for number, training in candidates[down].items()}
    )


@pytest.mark.parametrize("shuffled", [None, 1])
def test_a_long_chain_is_settled_in_few_steps(shuffled: int | None) -> None:
    names = [f"op{position}" for position in range(NODES)]
    edges = list(itertools.pairwise(names))
    candidates = trained(names, edges, shuffled)
    steps, found = steps_for(candidates, [linked(candidates, *edge) for edge in edges])
    assert found is not None
    assert len({candidates[name][number] for name, number in found.items()}) == 1
    assert steps < 20 * NODES * VERSIONS


def test_a_chain_whose_every_link_skips_a_training_is_settled_in_few_steps() -> None:
    names = [f"op{position}" for position in range(NODES)]
    candidates = trained(names, [])
    constraints = [linked(candidates, up, down, shift=1) for up, down in itertools.pairwise(names)]
    steps, found = steps_for(candidates, constraints)
    assert found is not None
    assert steps < 20 * NODES * VERSIONS


def diamonds(broken: int | None) -> tuple[Candidates, list[Constraint]]:
    """A row of diamonds, each the beginning of the next; in a broken one, the two sides want different beginnings."""
    count = NODES // 3
    starts = [f"start{number}" for number in range(count + 1)]
    names = [*starts, *(f"{side}{number}" for number in range(count) for side in ("left", "right"))]
    candidates = trained(names, [])
    constraints = []
    chance = random.Random(3)
    for number in range(count):
        for side in ("left", "right"):
            middle, off = f"{side}{number}", 1 if side == "right" and number == broken else 0
            constraints.append(linked(candidates, starts[number], middle, off))
            # The end accepts some trainings of its sides beside its own, so that many sets look as if they could do.
            others = {
                name: {training, *(chance.randrange(VERSIONS) for _ in range(5))} if number != broken else {training}
                for name, training in candidates[starts[number + 1]].items()
            }
            constraints.append(Constraint(middle, starts[number + 1], others))
    return candidates, constraints


def test_a_row_of_diamonds_is_settled_in_few_steps() -> None:
    candidates, constraints = diamonds(None)
    steps, found = steps_for(candidates, constraints)
    assert found is not None
    assert all(fits(candidates, constraint, found) for constraint in constraints)
    assert steps < 100 * NODES * VERSIONS


@pytest.mark.parametrize("broken", [0, 5, 9])
def test_one_diamond_that_cannot_fit_is_found_wherever_it_is(broken: int) -> None:
    steps, found = steps_for(*diamonds(broken))
    assert found is None
    assert steps < 200 * NODES * VERSIONS


def test_a_search_that_gets_nowhere_ends() -> None:
    chance = random.Random(4)
    names = [f"op{position}" for position in range(NODES)]
    candidates = trained(names, [], shuffled=4)
    constraints = [
        Constraint(up, down, {n: set(chance.sample(range(VERSIONS), 4)) for n in candidates[down]})
        for place, down in enumerate(names)
        for up in chance.sample(names[:place], min(place, 3))
    ]
    steps: list[int] = []
    with pytest.raises(SearchLimitError, match="20000 steps"):
        newest_consistent(candidates, constraints, limit=20_000, counted=steps.append)
    assert steps[0] < 200_000


def test_when_the_steps_are_used_up_what_was_found_is_returned() -> None:
    candidates, constraints = diamonds(None)
    for limit in (20_000, 40_000, 80_000):
        try:
            found = newest_consistent(candidates, constraints, limit=limit)
        except SearchLimitError:
            continue
        assert found is not None
        assert all(fits(candidates, constraint, found) for constraint in constraints)


def test_nodes_without_a_constraint_get_their_newest() -> None:
    assert newest_consistent({"a": {1: 0, 5: 0}, "b": {3: 0}}, []) == {"a": 5, "b": 3}


def test_a_node_without_candidates_leaves_no_set() -> None:
    assert newest_consistent({"a": {}, "b": {3: 0}}, [Constraint("a", "b", {3: {0}})]) is None
