"""When an answer may change though nothing happens: an event leaves or enters a window, a date comes near or passes.

These are candidates. Whether the answer changes at one of them is for the engine to say.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import polars as pl

from audiences.definitions.computation import Computation, Level
from audiences.events.values import VALUE, instant_of_text
from audiences.language import tree
from audiences.language.print import duration, query
from audiences.language.selections import microseconds
from audiences.language.walk import children, walk
from audiences.why.bench import Answers, Part
from audiences.why.events import Timeline, column_of, windowless

Flip = tuple[int, int, str]
"""How many durations after the date, how many microseconds after that, and what is true of the date then."""

FLIPS: Final[dict[tree.Operator, tuple[Flip, ...]]] = {
    tree.Operator.WITHIN_LAST: ((0, 0, "is reached"), (1, 1, "is more than {} ago")),
    tree.Operator.BEFORE_LAST: ((1, 0, "is {} ago"),),
    tree.Operator.WITHIN_NEXT: ((-1, 0, "is {} away"), (0, 1, "has passed")),
    tree.Operator.AFTER_NEXT: ((-1, 1, "is less than {} away"),),
}
"""The first instants at which a comparison with as-of is different, the bounds of each being inclusive."""


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """What happens at ``at`` (microseconds since 1970) to what is of the instant ``when``: a date, or ``events``.

    ``does`` is what it does then (``leave``: a window, ``is 4 days away``), ``detail`` what it is about (``Order
    Completed, within 90 days``).
    """

    at: int
    when: int
    events: int
    does: str
    detail: str


@dataclass(frozen=True, slots=True)
class Window:
    """A lookback window, ages in microseconds, of the events of ``part``, or (None) of all of a name."""

    event: str
    part: Part | None
    newest: int
    oldest: int
    detail: str

    def changes(self, timeline: Timeline, answers: Answers) -> Iterator[Change]:
        """When each event enters and leaves. One that is exactly as old as the window is long still counts."""
        events = timeline.named(self.event) if self.part is None else timeline.of(answers.events(self.part))
        counts = events.group_by(pl.col("timestamp").dt.timestamp("us")).len().sort("timestamp")
        for when, count in counts.iter_rows():
            yield Change(when + self.newest + 1, when, count, "enter", self.detail)
            yield Change(when + self.oldest + 1, when, count, "leave", self.detail)


@dataclass(frozen=True, slots=True)
class RelativeDate:
    """A comparison with as-of: of a trait (``part``), or of a column of the events of a name."""

    operator: tree.Operator
    length: tree.Duration
    detail: str
    part: Part | None = None
    event: str = ""
    column: str = ""

    def changes(self, timeline: Timeline, answers: Answers) -> Iterator[Change]:
        """When the comparison is different for each of the dates."""
        length, written = microseconds(self.length), duration(self.length)
        for when in instants(self._values(timeline, answers)):
            for lengths, after, does in FLIPS[self.operator]:
                yield Change(when + lengths * length + after, when, 0, does.format(written), self.detail)

    def _values(self, timeline: Timeline, answers: Answers) -> Iterator[object]:
        if self.part is None:
            yield from texts_of(timeline.named(self.event)[self.column])
            return
        for value in answers.all_values(self.part):
            found = json.loads(value)
            yield from found if isinstance(found, list) else [found]


Watch = Window | RelativeDate


def texts_of(values: pl.Series) -> Iterator[str]:
    """The texts among values, or among the elements of lists of values."""
    flat = values if values.dtype == VALUE else values.explode(empty_as_null=False, keep_nulls=False)
    yield from flat.struct.unnest().filter(pl.col("kind") == "string")["text"].to_list()


def instants(values: Iterable[object]) -> list[int]:
    """The ISO 8601 dates and timestamps among values, in microseconds since 1970, each once, sorted."""
    column = pl.Series("text", [value for value in values if isinstance(value, str)], dtype=pl.String)
    read = column.to_frame().select(instant_of_text(pl.col("text")).dt.timestamp("us")).to_series()
    return read.drop_nulls().unique().sort().to_list()


def watches(computation: Computation, keys: Collection[str], *, name_it: bool) -> Iterator[Watch]:
    """All in a definition that depends on as-of. ``keys`` are those of the computations; ``name_it``: say whose it is.

    Windows relative to a parent event are not among them: as long as no event arrives, they stay what they are.
    """
    finder = Finder(computation, frozenset(keys), f", in {computation.key}" if name_it else "")
    yield from finder.found(computation.expression, ())


@dataclass(frozen=True, slots=True)
class Finder:
    """Finds what depends on as-of in a definition, with the streams that a node is inside of."""

    computation: Computation
    keys: frozenset[str]
    suffix: str

    def found(self, node: tree.Node, streams: tuple[tree.Stream, ...], *, of_users: bool = False) -> Iterator[Watch]:
        """What depends on as-of in a node; ``of_users``: it is inside of ANY or ALL."""
        match node:
            case tree.Stream():
                yield from self._windows(node, nested=bool(streams), of_users=of_users)
                streams = (*streams, node)
            case tree.Comparison(left=left, operator=operation, arguments=(tree.Duration() as length,)):
                yield from self._dates(left, operation, length, streams, of_users=of_users)
            case tree.AnyUser() | tree.AllUsers():
                of_users = True
        for child in children(node):
            yield from self.found(child, streams, of_users=of_users)

    def _windows(self, stream: tree.Stream, *, nested: bool, of_users: bool) -> Iterator[Window]:
        part = None
        if not nested and not of_users and self._is_constant(stream):
            part = Part(self.computation.key, windowless(stream), self.computation.level)
        for item in stream.filters:
            match item:
                case tree.Within(duration=length, of_parent=False):
                    detail = f"{stream.event}, within {duration(length)}{self.suffix}"
                    yield Window(stream.event, part, 0, microseconds(length), detail)
                case tree.Between(nearest=nearest, farthest=farthest, of_parent=False):
                    detail = f"{stream.event}, between {duration(nearest)} and {duration(farthest)}{self.suffix}"
                    yield Window(stream.event, part, microseconds(nearest), microseconds(farthest), detail)

    def _is_constant(self, stream: tree.Stream) -> bool:
        """Whether the same events pass the conditions whenever they are looked at."""
        for item in stream.filters:
            for node in walk(item):
                match node:
                    case tree.Stream():
                        return False
                    case tree.Comparison(arguments=(tree.Duration(),)):
                        return False
                    case tree.Trait(path=path) if path[0] in self.keys:
                        return False
        return True

    def _dates(
        self,
        left: tree.Scalar,
        operation: tree.Operator,
        length: tree.Duration,
        streams: tuple[tree.Stream, ...],
        *,
        of_users: bool,
    ) -> Iterator[RelativeDate]:
        """The dates that a comparison may look at: of events all that are there, whichever they come from."""
        detail = f"{query(left)}{self.suffix}"
        match left:
            case tree.Trait():
                level = Level.USER if of_users else self.computation.level
                yield RelativeDate(operation, length, detail, Part(self.computation.key, left, level))
            case tree.Property(of_parent=True):
                yield RelativeDate(operation, length, detail, event=streams[-2].event, column=column_of(left))
            case tree.Property() | tree.Context():
                yield RelativeDate(operation, length, detail, event=streams[-1].event, column=column_of(left))
            case tree.Count():
                return
            case _:
                column = column_of(left.operand.value)
                yield RelativeDate(operation, length, detail, event=left.stream.event, column=column)
