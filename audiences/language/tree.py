"""The tree of a definition: frozen nodes with typed fields and no behaviour.

Both written forms (Segment's query language and structured YAML) become this tree, and every engine starts from
it. Two definitions that are written alike compare equal and hash alike; ``span`` is left out of the comparison.

An audience is a ``Condition``; a trait is a ``Scalar``. A ``Stream`` is neither: it needs a reducer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

EACH: Final = "$"
"""The path segment that reaches into every element of an array."""


@dataclass(frozen=True, slots=True)
class Span:
    """Where a node was written: offsets into the definition's text, end exclusive."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """The base of all nodes."""

    span: Span | None = field(default=None, compare=False, repr=False)


# ── literals ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Text(Node):
    """A string literal, escapes resolved."""

    value: str


@dataclass(frozen=True, slots=True)
class Number(Node):
    """A number literal; a whole number is an ``int`` (``30.00`` is ``30``), anything else a ``float``."""

    value: int | float


@dataclass(frozen=True, slots=True)
class Boolean(Node):
    """``true`` or ``false``."""

    value: bool


@dataclass(frozen=True, slots=True)
class Instant(Node):
    """An ISO date (``date_only``: its midnight UTC) or timestamp, UTC, microseconds."""

    value: datetime
    date_only: bool = False


Literal = Text | Number | Boolean | Instant


class Unit(StrEnum):
    """Units of a duration. Windows take hours and days; ``expires_after`` takes seconds and minutes, too."""

    SECOND = "second"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class Duration(Node):
    """A number of units; a day is 24 hours."""

    amount: int
    unit: Unit


# ── extractors of one value ─────────────────────────────────────────────────────────────────────────────────

Path = tuple[str, ...]
"""Segments from the outside in; ``EACH`` stands for every element of an array."""


@dataclass(frozen=True, slots=True)
class Trait(Node):
    """``trait('key')``: a custom trait, a computation of the space, or a path into a nested trait."""

    path: Path


@dataclass(frozen=True, slots=True)
class Property(Node):
    """``property('path')``: of the event at hand; with ``of_parent`` of the enclosing event of a funnel."""

    path: Path
    of_parent: bool = False


@dataclass(frozen=True, slots=True)
class Context(Node):
    """``context('path')``: a context field of the event at hand."""

    path: Path


class Cast(StrEnum):
    """What ``as`` may name. Only ``STRING`` in ``min``/``max`` changes a result."""

    STRING = "string"
    NUMBER = "number"
    ARRAY = "array"


@dataclass(frozen=True, slots=True)
class Operand(Node):
    """What a reducer reads from each event: a property or context field, with an optional ``as``."""

    value: Property | Context
    cast: Cast | None = None


# ── filters and the stream ──────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Where(Node):
    """Keeps the events for which the condition holds; nested streams in it make a funnel."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class Sources(Node):
    """Drops events of these source ids."""

    exclude: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Within(Node):
    """Keeps events of the last ``duration`` before as-of; ``of_parent``: of the ``duration`` after the parent."""

    duration: Duration
    of_parent: bool = False


@dataclass(frozen=True, slots=True)
class Between(Node):
    """Keeps events ``nearest`` to ``farthest`` old (or after the parent). The smaller bound always comes first."""

    nearest: Duration
    farthest: Duration
    of_parent: bool = False


@dataclass(frozen=True, slots=True)
class ExpiresAfter(Node):
    """The session window of a trait: only the most recent session counts."""

    duration: Duration


Filter = Where | Sources | Within | Between | ExpiresAfter


@dataclass(frozen=True, slots=True)
class Stream(Node):
    """``event('Name')`` and its filters, in the order in which they are written."""

    event: str
    filters: tuple[Filter, ...] = ()
    event_span: Span | None = field(default=None, compare=False, repr=False, kw_only=True)  # of the name alone


# ── reducers: a stream to one value ─────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Count(Node):
    """The number of events."""

    stream: Stream


class Function(StrEnum):
    """The numeric aggregations, as the query language spells them."""

    SUM = "sum"
    AVERAGE = "avg"
    MINIMUM = "min"
    MAXIMUM = "max"


@dataclass(frozen=True, slots=True)
class Aggregate(Node):
    """``sum``, ``avg``, ``min`` or ``max`` of an operand."""

    stream: Stream
    function: Function
    operand: Operand


@dataclass(frozen=True, slots=True)
class MostFrequent(Node):
    """``mode``: the most frequent value that occurs at least ``minimum_frequency`` times."""

    stream: Stream
    operand: Operand
    minimum_frequency: int = 2


@dataclass(frozen=True, slots=True)
class First(Node):
    """The value of the earliest event that has one."""

    stream: Stream
    operand: Operand


@dataclass(frozen=True, slots=True)
class Last(Node):
    """The value of the latest event that has one."""

    stream: Stream
    operand: Operand


@dataclass(frozen=True, slots=True)
class UniqueList(Node):
    """``unique``: the different values as text, sorted."""

    stream: Stream
    operand: Operand


@dataclass(frozen=True, slots=True)
class UniqueCount(Node):
    """``unique(…).count()``: the number of different values."""

    stream: Stream
    operand: Operand


Reduction = Count | Aggregate | MostFrequent | First | Last | UniqueList | UniqueCount
Scalar = Reduction | Trait | Property | Context

# ── conditions ──────────────────────────────────────────────────────────────────────────────────────────────


class Operator(StrEnum):
    """Every comparison, by its function name."""

    EQUALS = "equals"
    DIFFERS = "differs"
    GREATER_THAN = "greater_than"
    AT_LEAST = "at_least"
    LESS_THAN = "less_than"
    AT_MOST = "at_most"
    EXISTS = "exists"
    ABSENT = "absent"
    CONTAINS = "contains"
    OMITS = "omits"
    STARTS_WITH = "starts_with"
    ENDS_WITH = "ends_with"
    ONE_OF = "one_of"
    NONE_OF = "none_of"
    BEFORE_DATE = "before_date"
    AFTER_DATE = "after_date"
    WITHIN_LAST = "within_last"
    WITHIN_NEXT = "within_next"
    BEFORE_LAST = "before_last"
    AFTER_NEXT = "after_next"


Argument = Literal | Duration | Trait | Property


@dataclass(frozen=True, slots=True)
class Comparison(Node):
    """``left.operator(arguments…)``. Relative dates take one ``Duration``; a ``Property`` argument is a parent's."""

    left: Scalar
    operator: Operator
    arguments: tuple[Argument, ...] = ()


@dataclass(frozen=True, slots=True)
class And(Node):
    """True if all operands are. At least two, none of them an ``And`` itself."""

    operands: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Or(Node):
    """True if an operand is. At least two, none of them an ``Or`` itself."""

    operands: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not(Node):
    """Two-valued: true if the operand is false."""

    operand: Condition


@dataclass(frozen=True, slots=True)
class AnyUser(Node):
    """Account level: true if the condition holds for at least one user of the account."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class AllUsers(Node):
    """Account level: true if the condition holds for every user, and there is one."""

    condition: Condition


Condition = Comparison | And | Or | Not | AnyUser | AllUsers
Expression = Condition | Scalar
