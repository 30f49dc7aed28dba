"""What computations say of one another: keys given twice, levels, cycles, and the use of broken ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence

from audiences.definitions.computation import NO_DEFAULT, Computation, Kind, Level
from audiences.definitions.entries import Draft
from audiences.errors import Problem
from audiences.language import tree
from audiences.language.requirements import references
from audiences.language.suggest import did_you_mean
from audiences.language.tree import Operator
from audiences.language.walk import trait_uses, walk

_BELOW: Mapping[Operator, str] = {Operator.LESS_THAN: "<", Operator.AT_MOST: "<="}


def resolve(drafts: Sequence[Draft], known: Mapping[str, Computation]) -> None:
    """Report, in each draft, what is wrong with its references.

    ``known`` are good computations from elsewhere; a draft of a key among them takes the place of that one.
    """
    _report_duplicates(drafts)
    _report_audiences(drafts, known)
    declared = {draft.key: draft for draft in drafts if draft.unread}
    declared.update({draft.key: draft for draft in drafts if draft.key and not draft.unread})
    computations = {key: computation for key, computation in known.items() if key not in declared}
    computations.update({draft.key: draft.computation for draft in drafts if draft.computation is not None})
    for draft in drafts:
        if draft.computation is not None:
            _report_levels(draft, draft.computation, computations)
    cycles = _report_cycles(declared, computations)
    _report_broken(declared, cycles)


def warnings_of(drafts: Iterable[Draft], known: Mapping[str, Computation]) -> list[Problem]:
    """Counters that have no value where a condition expects a 0."""
    drafts = list(drafts)
    computations = dict(known)
    computations.update({draft.key: draft.computation for draft in drafts if draft.computation is not None})
    found: list[Problem] = []
    for draft in drafts:
        if draft.computation is not None and not draft.problems:
            found.extend(_counters_below(draft, draft.computation, computations))
    return found


# ── keys ────────────────────────────────────────────────────────────────────────────────────────────────────


def _report_duplicates(drafts: Sequence[Draft]) -> None:
    by_key: dict[str, list[Draft]] = {}
    for draft in drafts:
        if draft.key and not draft.unread:
            by_key.setdefault(draft.key, []).append(draft)
    for key, same in by_key.items():
        for draft in same if len(same) > 1 else ():
            others = " and ".join(str(other.key_where or other.where) for other in same if other is not draft)
            hint = "traits and audiences share one namespace"
            draft.report(draft.key_where or draft.where, f"the key '{key}' is given twice: here and at {others}", hint)


def _report_audiences(drafts: Sequence[Draft], known: Mapping[str, Computation]) -> None:
    """``audience: key`` must name an audience, unlike ``trait: key``, which may be a custom trait."""
    kinds: dict[str, Kind | None] = {key: computation.kind for key, computation in known.items()}
    kinds.update({draft.key: None if draft.unread else draft.kind for draft in drafts if draft.key})
    audiences = [key for key, kind in kinds.items() if kind == Kind.AUDIENCE]
    for draft in drafts:
        for node in draft.audiences:
            key = str(node.value)
            if key not in kinds:
                hint = did_you_mean(key, audiences) or "a custom trait is written trait: …, equals: true"
                draft.report(node.where, f"there is no audience '{key}'", hint)
            elif kinds[key] == Kind.TRAIT:
                hint = f"write trait: {key} and an operator"
                draft.report(node.where, f"'{key}' is a trait, not an audience", hint)


# ── levels ──────────────────────────────────────────────────────────────────────────────────────────────────


def _report_levels(draft: Draft, computation: Computation, computations: Mapping[str, Computation]) -> None:
    for use, inside_users in trait_uses(computation.expression):
        used = computations.get(use.path[0])
        if used is None:
            continue
        of_users = computation.level == Level.USER or inside_users
        if of_users and used.level == Level.ACCOUNT and used.kind == Kind.TRAIT:
            subject = "a user-level definition" if computation.level == Level.USER else "ANY and ALL"
            what = f"{subject} can't use the account-level trait '{used.key}'"
            hint = "an account-level audience can be used: true if any of the user's accounts is a member"
            draft.report_at(use, what, hint)
        elif not of_users and used.level == Level.USER:
            what = f"an account-level definition can't use the user-level {used.kind} '{used.key}' here"
            draft.report_at(use, what, "it can inside ANY (…), ALL (…) or any_user")


# ── cycles, and what is broken by others ────────────────────────────────────────────────────────────────────


def _report_cycles(declared: Mapping[str, Draft], computations: Mapping[str, Computation]) -> dict[str, list[str]]:
    """Report each member of a cycle with its way back to itself; the ways, by key."""
    keys = set(computations)
    uses = {key: references(computation.expression, keys) for key, computation in computations.items()}
    cycles: dict[str, list[str]] = {}
    for key in _entangled(uses):
        path = _way_back(key, uses)
        draft = declared.get(key)
        if path and draft is not None and draft.computation is not None:
            cycles[key] = path
            hint = "a computation can't depend on itself"
            if len(path) == 2:
                hint = f"{hint}; it hides a custom trait of the same name: give it another key"
            use = _first_use(draft.computation, path[1])
            draft.report_at(use, f"a cycle: {' → '.join(path)}", hint)
    return cycles


def _entangled(uses: Mapping[str, Sequence[str]]) -> list[str]:
    """The keys that are left when everything that can be computed in some order is taken away."""
    waiting = {key: len(used) for key, used in uses.items()}
    users: dict[str, list[str]] = {key: [] for key in uses}
    for key, used in uses.items():
        for other in used:
            users[other].append(key)
    ready = deque(key for key, count in waiting.items() if count == 0)
    while ready:
        key = ready.popleft()
        del waiting[key]
        for user in users[key]:
            waiting[user] -= 1
            if waiting[user] == 0:
                ready.append(user)
    return list(waiting)


def _way_back(key: str, uses: Mapping[str, Sequence[str]]) -> list[str]:
    """The shortest way from a key to itself, or nothing."""
    before: dict[str, str] = {}
    queue = deque([key])
    while queue:
        current = queue.popleft()
        for used in uses[current]:
            if used == key:
                path = [current, key]
                while path[0] != key:
                    path.insert(0, before[path[0]])
                return path
            if used not in before:
                before[used] = current
                queue.append(used)
    return []


def _report_broken(declared: Mapping[str, Draft], cycles: Mapping[str, Sequence[str]]) -> None:
    """Whatever uses a broken computation is broken, too, and so on."""
    broken = {key for key, draft in declared.items() if draft.problems or draft.computation is None}
    users: dict[str, list[Draft]] = {}
    for draft in declared.values():
        if draft.computation is not None:
            for used in references(draft.computation.expression, set(declared)):
                users.setdefault(used, []).append(draft)
    queue = deque(sorted(broken))
    while queue:
        key = queue.popleft()
        for draft in users.get(key, ()):
            # Members of a cycle use each other, and have been told so.
            if draft.computation is not None and key not in cycles.get(draft.key, ()):
                use = _first_use(draft.computation, key)
                draft.report_at(use, f"it uses '{key}', which is broken", f"see {declared[key].where}")
            if draft.key not in broken:
                broken.add(draft.key)
                queue.append(draft.key)


def _first_use(computation: Computation, key: str) -> tree.Node:
    uses = (use for use, _ in trait_uses(computation.expression) if use.path[0] == key)
    return next(uses, computation.expression)


# ── warnings ────────────────────────────────────────────────────────────────────────────────────────────────


def _counters_below(
    draft: Draft, computation: Computation, computations: Mapping[str, Computation]
) -> Iterator[Problem]:
    for node in walk(computation.expression):
        if not isinstance(node, tree.Comparison) or not isinstance(node.left, tree.Trait):
            continue
        symbol = _BELOW.get(node.operator)
        if node.operator == Operator.EQUALS and _is_zero(node.arguments):
            symbol = "= 0"
        counter = computations.get(node.left.path[0]) if len(node.left.path) == 1 else None
        if symbol is None or counter is None or counter.default is not NO_DEFAULT:
            continue
        if isinstance(counter.expression, tree.Count | tree.UniqueCount):
            what = f"'{counter.key}' has no value where there is nothing to count, so '{symbol}' is false there"
            hint = f"to count that as 0, give '{counter.key}' default: 0"
            place = draft.locate(node.span)
            yield Problem(place.where, what, hint, key=draft.key, length=place.length)


def _is_zero(arguments: tuple[tree.Argument, ...]) -> bool:
    if len(arguments) != 1:
        return False
    argument = arguments[0]
    if isinstance(argument, tree.Text):
        return argument.value == "0"
    return isinstance(argument, tree.Number) and argument.value == 0


def hidden_traits(computations: Iterable[Computation], trait_names: Iterable[str]) -> list[Problem]:
    """A warning for each computation whose key hides a custom trait of that name."""
    custom = set(trait_names)
    return [
        Problem(
            computation.location,
            f"the {computation.kind} '{computation.key}' hides the custom trait of that name",
            "give it another key to use both",
            key=computation.key,
        )
        for computation in computations
        if computation.key in custom
    ]
