"""In which turns users and accounts are computed: each can use what was computed of the other before.

Users are independent of each other, and so are accounts, but an account needs all its users and a user all its
accounts. So the computations of a plan are cut into stages of one level, each a pass over users or over accounts.
What an account-level computation asks of each user, inside ANY or ALL, is answered in the users' stage before it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from audiences.definitions.computation import Computation, Level
from audiences.language import tree
from audiences.language.requirements import references
from audiences.language.selections import Measure, measure, reductions
from audiences.language.walk import trait_uses


@dataclass(frozen=True, slots=True)
class UserQuestion:
    """A condition inside ANY or ALL, which is asked of each user of each account.

    ``since``: earlier events (UTC) don't count. ``by_group``: for an account only those events count that were made
    for it. ``include_anonymous``: anonymous users are asked, too.
    """

    condition: tree.Condition
    since: datetime | None = None
    by_group: bool = False
    include_anonymous: bool = False


Step = Computation | UserQuestion


@dataclass(frozen=True, slots=True)
class Stage:
    """A pass over users or over accounts.

    The steps of a layer use only those of the layers before it, and ``uses``: the keys of computations that an
    earlier stage computed, or whose last snapshots are read. Only a users' stage has questions.
    """

    level: Level
    layers: tuple[tuple[Step, ...], ...]
    uses: tuple[str, ...]

    @property
    def computations(self) -> tuple[Computation, ...]:
        """The computations in the order of their layers."""
        return tuple(step for layer in self.layers for step in layer if isinstance(step, Computation))


def make_stages(order: Sequence[Computation], keys: Collection[str]) -> tuple[Stage, ...]:
    """The stages of computations that are given in an order in which they can be computed, in as few as possible.

    ``keys`` are those of all computations that these may use. Without account-level computations there is one stage,
    in which everything that can be computed together is in one layer.
    """
    turns = _turns(order)
    stages: list[Stage] = []
    asked: set[UserQuestion] = set()
    for turn in range(max(turns.values(), default=-1) + 1):
        own = [item for item in order if turns[item.key] == turn]
        accounts = [item for item in own if item.level is Level.ACCOUNT]
        new = dict.fromkeys(question for item in accounts for question in questions(item))
        steps = [item for item in own if item.level is Level.USER] + [item for item in new if item not in asked]
        asked.update(new)
        stages += [_stage(Level.USER, steps, keys), _stage(Level.ACCOUNT, accounts, keys)]
    return tuple(stage for stage in stages if stage.layers)


def questions(computation: Computation) -> Iterator[UserQuestion]:
    """What a computation asks of the users of an account, in reading order."""
    yield from (question_of(asks, computation) for asks in _asking(computation.expression))


def question_of(asks: tree.AnyUser | tree.AllUsers, computation: Computation) -> UserQuestion:
    """What an ANY or ALL of a computation asks of each user."""
    return UserQuestion(
        asks.condition,
        computation.events_since,
        computation.attribute_events_by is not None,
        computation.include_anonymous_users,
    )


def measures(step: Step) -> tuple[Measure, ...]:
    """The different measures of events that a step needs itself, in reading order."""
    if isinstance(step, UserQuestion):
        found = (measure(item, step.since) for item in reductions(step.condition))
    else:
        found = (measure(item, step.events_since) for item in reductions(step.expression))
    return tuple(dict.fromkeys(found))


def _asking(expression: tree.Expression) -> Iterator[tree.AnyUser | tree.AllUsers]:
    match expression:
        case tree.AnyUser() | tree.AllUsers():
            yield expression
        case tree.And(operands=operands) | tree.Or(operands=operands):
            for operand in operands:
                yield from _asking(operand)
        case tree.Not(operand=condition):
            yield from _asking(condition)


def _turns(order: Sequence[Computation]) -> dict[str, int]:
    """A turn is users, then accounts: accounts see the users of their own turn, users the accounts of those before."""
    levels = {item.key: item.level for item in order}
    turns: dict[str, int] = {}
    for item in order:
        turn = 0
        for use, inside_users in trait_uses(item.expression, item.level is Level.USER):
            key = use.path[0]
            if key in turns:
                turn = max(turn, turns[key] + (1 if inside_users and levels[key] is Level.ACCOUNT else 0))
        turns[item.key] = turn
    return turns


def _stage(level: Level, steps: Sequence[Step], keys: Collection[str]) -> Stage:
    """Puts steps in layers."""
    own = {step.key for step in steps if isinstance(step, Computation)}
    depth: dict[str, int] = {}
    layers: list[list[Step]] = []
    uses: dict[str, None] = {}
    for step in steps:
        used = _used(step, keys)
        place = max((depth[key] + 1 for key in used if key in own), default=0)
        uses |= dict.fromkeys(key for key in used if key not in own)
        if isinstance(step, Computation):
            depth[step.key] = place
        while place >= len(layers):
            layers.append([])
        layers[place].append(step)
    return Stage(level, tuple(map(tuple, layers)), tuple(uses))


def _used(step: Step, keys: Collection[str]) -> Sequence[str]:
    """The computations whose values a step needs in its own stage."""
    if isinstance(step, UserQuestion):
        return references(step.condition, keys)
    if step.level is Level.USER:
        return references(step.expression, keys)
    uses = trait_uses(step.expression)
    return sorted({use.path[0] for use, inside_users in uses if not inside_users}.intersection(keys))
