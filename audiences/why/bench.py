"""Parts of a definition, computed by the engine for the subject of an explanation.

A part (a condition, a value, the events of a chain) becomes a computation of its own, with the level and settings of
the one it is a part of. So a part is computed exactly as it is inside the whole.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import polars as pl

from audiences.definitions.computation import NO_DEFAULT, Computation, JSONValue, Kind, Level, Missing
from audiences.engines.base import Engine
from audiences.events import PreparedInputs
from audiences.events.needs import column_name
from audiences.language import tree
from audiences.plan import Plan, make_plan

MARK: Final[tree.Path] = ("\0event",)
"""The property that tells the events of a bench apart: their number, as text. No event has such a property."""

MARK_COLUMN: Final = column_name("property", MARK)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a computation: a condition, a scalar, or a stream, which stands for the numbers of its events.

    ``level`` is the level at which it is computed, ``default`` the value of nothing.
    """

    owner: str  # a key
    expression: tree.Condition | tree.Scalar | tree.Stream
    level: Level
    default: int | None = None


def as_computation(part: Part, key: str, owner: Computation) -> Computation:
    """A computation that has the part's value.

    Anonymous profiles are in it, since they are left out of an audience last. At account level the setting says who
    the users of an account are, so there it stays.
    """
    expression = part.expression
    if isinstance(expression, tree.Stream):
        expression = tree.UniqueList(expression, tree.Operand(tree.Property(MARK)))
    default: JSONValue | Missing = NO_DEFAULT if part.default is None else part.default
    is_condition = isinstance(
        expression, tree.Comparison | tree.And | tree.Or | tree.Not | tree.AnyUser | tree.AllUsers
    )
    return replace(
        owner,
        key=key,
        kind=Kind.AUDIENCE if is_condition else Kind.TRAIT,
        expression=expression,
        level=part.level,
        default=NO_DEFAULT if is_condition else default,
        include_anonymous_users=owner.include_anonymous_users or part.level is Level.USER,
        enabled=True,
    )


class Bench:
    """A few profiles and accounts with their events, and the engine.

    ``computations`` are all that can be used, by key; ``given`` the last snapshots of disabled ones.
    """

    def __init__(
        self,
        engine: Engine,
        computations: Mapping[str, Computation],
        prepared: PreparedInputs,
        given: Mapping[str, pl.DataFrame],
    ) -> None:
        self.computations = computations
        self.prepared = prepared
        self._engine, self._given = engine, given

    def only(self, profiles: Collection[str], account: str, frozen: Mapping[str, pl.DataFrame]) -> Bench:
        """The same with some profiles, as if they were the account's only users.

        ``frozen`` has the snapshots of the computations that are used: they stay what they are with everyone.
        """
        alone = self.prepared.only(profiles, [account])
        computations = {
            key: replace(item, enabled=False) if key in frozen else item for key, item in self.computations.items()
        }
        return Bench(self._engine, computations, alone, {**self._given, **frozen})

    def question(self, keys: Iterable[str], parts: Sequence[Part]) -> Question:
        """Something to compute, at any instant."""
        made = {f"\0{number}": part for number, part in enumerate(dict.fromkeys(parts))}
        temporary = {key: as_computation(part, key, self.computations[part.owner]) for key, part in made.items()}
        plan = make_plan({**self.computations, **temporary}, [*keys, *temporary])
        return Question(self, plan, {part: key for key, part in made.items()})

    def compute(self, plan: Plan, as_of: datetime) -> dict[str, pl.DataFrame]:
        """The snapshots of a plan's computations, by key: of every profile or account there is."""
        return self._engine.compute(plan, self.prepared, as_of, given=self._given)


@dataclass(frozen=True)
class Question:
    """A plan, and under which key it has which part."""

    bench: Bench
    plan: Plan
    keys: Mapping[Part, str]

    def at(self, as_of: datetime) -> Answers:
        """The answers at an instant (UTC)."""
        return Answers(self.bench.compute(self.plan, as_of), self.keys)


class Answers:
    """What the engine found, by computation and by part: the stored ``snapshots``, and values of one of their ids."""

    def __init__(self, snapshots: Mapping[str, pl.DataFrame], keys: Mapping[Part, str]) -> None:
        self.snapshots = snapshots
        self._keys = keys
        self._values: dict[str, dict[str, str]] = {}

    def _of(self, key: str) -> dict[str, str]:
        if key not in self._values:
            self._values[key] = dict(self.snapshots[key].iter_rows())
        return self._values[key]

    def answer(self, computation: Computation, subject: str) -> str | None:
        """The value of a computation as JSON text; of an audience ``true`` or ``false``."""
        found = self._of(computation.key).get(subject)
        return "false" if found is None and computation.kind is Kind.AUDIENCE else found

    def holds(self, part: Part, subject: str) -> bool:
        """Whether a condition holds."""
        return subject in self._of(self._keys[part])

    def value(self, part: Part, subject: str) -> str | None:
        """A scalar's value as JSON text."""
        return self._of(self._keys[part]).get(subject)

    def all_values(self, part: Part) -> list[str]:
        """A scalar's value as JSON text, of everyone who has one."""
        return list(self._of(self._keys[part]).values())

    def events(self, part: Part, subject: str | None = None) -> list[int]:
        """The numbers of the events of a stream, of one profile or account, or (None) of all."""
        values = self._of(self._keys[part])
        texts = list(values.values()) if subject is None else [values.get(subject, "[]")]
        return sorted({int(number) for text in texts for number in json.loads(text)})
