"""Which computations run, in which order, what they need of the events, and what they share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from audiences.definitions.computation import Computation, Level
from audiences.errors import DefinitionError, Problem
from audiences.events.accounts import GROUP_ID
from audiences.events.needs import EventNeeds
from audiences.language import suggest
from audiences.language.event_uses import event_uses
from audiences.language.requirements import references, requirements
from audiences.language.tree import Path
from audiences.language.walk import trait_uses
from audiences.stages import Stage, make_stages


@dataclass(frozen=True)
class Plan:
    """What one run computes.

    ``order`` has every computation that was asked for and everything it depends on, each after what it uses,
    else in file order. ``given`` are disabled computations that others use: they aren't computed, their last
    snapshots are read. ``dependencies`` and ``dependents`` have the keys directly used, and using, by key, in
    file order.
    """

    order: tuple[Computation, ...]
    given: tuple[Computation, ...]
    needs: EventNeeds
    dependencies: Mapping[str, tuple[str, ...]]
    dependents: Mapping[str, tuple[str, ...]]

    def stages(self) -> tuple[Stage, ...]:
        """The passes over users and accounts, in order; one over users if there are no account-level computations."""
        return make_stages(self.order, [*self.dependencies, *(item.key for item in self.given)])


def make_plan(computations: Mapping[str, Computation], keys: Sequence[str] | None = None) -> Plan:
    """The plan for ``keys`` (None: every enabled computation) and all that they depend on.

    ``computations`` has all that there are, by key, in file order. A disabled computation is computed only if
    it is named in ``keys``; where another one uses it, it is in ``Plan.given``.

    Raises: DefinitionError: a key that doesn't exist (with the nearest one), or definitions that use each
        other in a circle (naming the whole path).
    """
    wanted = [key for key, item in computations.items() if item.enabled] if keys is None else list(dict.fromkeys(keys))
    refuse_unknown(wanted, computations)
    used = {key: references(item.expression, computations) for key, item in computations.items()}
    computed, given = closure(wanted, used, computations)
    positions = {key: position for position, key in enumerate(computations)}
    order = topological(computed, used, positions)
    if len(order) < len(computed):
        refuse_circle(circle(computed, order, used, positions), computations)
    needed = [key for key in computations if key in computed or key in given]
    dependencies = {key: tuple(sorted(used[key], key=positions.__getitem__)) for key in needed if key in computed}
    dependents: dict[str, list[str]] = {key: [] for key in needed}
    for key, sources in dependencies.items():
        for source in sources:
            dependents[source].append(key)
    return Plan(
        order=tuple(computations[key] for key in order),
        given=tuple(computations[key] for key in needed if key in given),
        needs=event_needs([computations[key] for key in order], computations),
        dependencies=dependencies,
        dependents={key: tuple(names) for key, names in dependents.items()},
    )


def usable(
    computations: Mapping[str, Computation],
    *,
    broken: Collection[str] = (),
    refusals: Callable[[Computation], list[Problem]],
) -> tuple[dict[str, Computation], list[Problem]]:
    """The computations that can run, and a problem for each that can't.

    Left out are those with refusals of the engine, and all that use one of these or a broken definition,
    directly or not: computing them without it would give a wrong answer.
    """
    problems: list[Problem] = []
    out: dict[str, bool] = dict.fromkeys(broken, False)  # key → whether it is left out only for now
    for key, computation in computations.items():
        if computation.enabled and (found := refusals(computation)):
            problems += found
            out[key] = True
    names = {*computations, *broken}
    changed = True
    while changed:
        changed = False
        for key, computation in computations.items():
            if key in out:
                continue
            for source in references(computation.expression, names):
                if source in out:
                    problems.append(uses_unusable(computation, source, not_yet=out[source]))
                    out[key] = out[source]
                    changed = True
                    break
    positions = {key: position for position, key in enumerate(computations)}
    problems.sort(key=lambda problem: positions[problem.key])
    return {key: item for key, item in computations.items() if key not in out}, problems


def uses_unusable(computation: Computation, source: str, *, not_yet: bool) -> Problem:
    """The problem of a computation that can't run because of another one."""
    why = "which is not computed yet" if not_yet else "whose definition is broken"
    return Problem(where=computation.location, what=f"it uses {source!r}, {why}", key=computation.key, not_yet=not_yet)


def refuse_unknown(keys: Sequence[str], computations: Mapping[str, Computation]) -> None:
    """Raises a DefinitionError that names every key that doesn't exist, with the nearest one that does."""
    unknown = [key for key in keys if key not in computations]
    if not unknown:
        return
    parts = []
    for key in unknown:
        near = suggest.nearest(key, computations)
        parts.append(f"{key!r}" + (f" (did you mean {near!r}?)" if near else ""))
    what = "no computation has the key " if len(parts) == 1 else "no computations have the keys "
    raise DefinitionError(what + ", ".join(parts), hint="`audiences list` shows all keys")


def closure(
    wanted: Sequence[str], used: Mapping[str, tuple[str, ...]], computations: Mapping[str, Computation]
) -> tuple[set[str], set[str]]:
    """What must be computed for ``wanted``, and which disabled ones are only read."""
    computed = set(wanted)
    given: set[str] = set()
    waiting = list(wanted)
    while waiting:
        for source in used[waiting.pop()]:
            if source in computed or source in given:
                continue
            if computations[source].enabled:
                computed.add(source)
                waiting.append(source)
            else:
                given.add(source)
    return computed, given


def topological(
    computed: Collection[str], used: Mapping[str, tuple[str, ...]], positions: Mapping[str, int]
) -> list[str]:
    """The keys, each after those it uses, else in file order. Raises a DefinitionError for a circle."""
    missing = {key: sum(source in computed for source in used[key]) for key in computed}
    users: dict[str, list[str]] = {key: [] for key in computed}
    for key in computed:
        for source in used[key]:
            if source in computed:
                users[source].append(key)
    ready = [(positions[key], key) for key, count in missing.items() if not count]
    heapify(ready)
    order: list[str] = []
    while ready:
        _, key = heappop(ready)
        order.append(key)
        for user in users[key]:
            missing[user] -= 1
            if not missing[user]:
                heappush(ready, (positions[user], user))
    return order


def circle(
    computed: Collection[str],
    order: Collection[str],
    used: Mapping[str, tuple[str, ...]],
    positions: Mapping[str, int],
) -> list[str]:
    """A path of keys from one to itself, among those without an order; it starts with the first."""
    left = sorted(set(computed) - set(order), key=positions.__getitem__)
    among = set(left)
    path = [left[0]]
    while path[-1] not in path[:-1]:
        path.append(next(source for source in used[path[-1]] if source in among))
    path = path[path.index(path[-1]) : -1]
    start = min(range(len(path)), key=lambda index: positions[path[index]])
    path = path[start:] + path[:start]
    return [*path, path[0]]


def refuse_circle(path: Sequence[str], computations: Mapping[str, Computation]) -> None:
    """Raises a DefinitionError with the whole path: ``a → b → a``."""
    first = computations[path[0]]
    raise DefinitionError(
        problems=[
            Problem(
                where=first.location,
                what=f"definitions use each other in a circle: {' → '.join(path)}",
                hint="take one of these references out",
                key=first.key,
            )
        ]
    )


def event_needs(order: Sequence[Computation], keys: Collection[str]) -> EventNeeds:
    """The union of what the computations read of events, profiles and accounts.

    A trait path that starts with the key of a computation is that computation's value, never a custom trait.
    """
    found = [requirements(computation.expression) for computation in order]
    traits: dict[bool, set[Path]] = {True: set(), False: set()}  # whether they are a user's
    for computation in order:
        for use, of_user in trait_uses(computation.expression, computation.level is Level.USER):
            if use.path[0] not in keys:
                traits[of_user].add(use.path)
    by_group = any(computation.attribute_events_by for computation in order)
    return EventNeeds(
        events=frozenset(name for item in found for name in item.events),
        properties=frozenset(path for item in found for path in item.properties),
        contexts=frozenset([*(path for item in found for path in item.contexts), *([GROUP_ID] if by_group else [])]),
        traits=frozenset(traits[True]),
        account_traits=frozenset(traits[False]),
        uses=frozenset(use for item in order for use in event_uses(item.expression, item.events_since)),
    )
