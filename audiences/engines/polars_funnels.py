"""Funnels: for each event, a value of the events that are nested in it.

Nested events are always later than their parent, and what they are is decided from the inside out: first
each nested event by itself, with what is nested in it, then the run of them that belongs to each parent
(``polars_links``), then the statistic of each run (``polars_runs``, ``polars_run_sums``). None of this looks
at pairs of a parent and a nested event, so the time is about n log n for n events, whoever owns them.

Nested events are compared with their parent (``property(parent: …)``) by values that must be equal, also
under ``NOT`` and ``OR`` and in ``differs``, ``one_of`` and ``none_of``, which counts, sums and averages add
up and subtract, in counts by elements of the parent's arrays, and by one order comparison. Only what is left
needs pairs (``polars_pairs``), in bounded memory: other comparisons with the parent, arrays on both sides,
several order comparisons, statistics that can't be subtracted, and lists of unique values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Protocol

import polars as pl

from audiences.engines import polars_run_sums, polars_runs
from audiences.engines.funnel_terms import Link, Term, common, several, terms
from audiences.engines.polars_comparisons import microseconds_since_epoch
from audiences.engines.polars_conditions import Scope, holds
from audiences.engines.polars_events import (
    OWNER,
    PLACE,
    SOURCE,
    TIME,
    EventScope,
    bounds,
    from_other_sources,
    in_window,
)
from audiences.engines.polars_links import Equal, Items, Question, Runs, items_of, run_lengths, runs
from audiences.engines.polars_orders import ordered_count
from audiences.engines.polars_pairs import by_pairs
from audiences.engines.polars_profiles import COUNTED
from audiences.engines.polars_statistics import operand, operand_column
from audiences.errors import NotYetError
from audiences.language import tree
from audiences.language.selections import Measure, Statistic
from audiences.language.walk import walk

NUMERIC: Final = frozenset({Statistic.SUM, Statistic.AVERAGE, Statistic.MINIMUM, Statistic.MAXIMUM})
"""Statistics of values that are numbers."""

ADDITIVE: Final = frozenset({Statistic.COUNT, Statistic.SUM, Statistic.AVERAGE})
"""Statistics that can be subtracted."""


class Events(Protocol):
    """Events by name: in total order within each owner, all of an owner's together."""

    def of(self, name: str) -> pl.DataFrame:
        """The events of a name, with OWNER, TIME, PLACE and the columns of the bucket."""
        ...


class Funnels:
    """Computes nested events; see ``Nested``."""

    def __init__(self, events: Events) -> None:
        self.events = events

    def values(self, item: Measure, parents: EventScope) -> pl.Series:
        """The value of a nested measure for every row of ``parents``; see ``Nested.values``.

        Raises:
            NotYetError: a session window, which nested events don't have.
        """
        selection = item.selection
        if selection.session is not None:
            raise NotYetError("session windows of nested events: not yet")
        moment = microseconds_since_epoch(parents.as_of)
        frame = read_by(item, self.events.of(selection.event)).filter(
            *in_window(bounds(selection, moment), (None, moment)), *from_other_sources(selection)
        )
        nested = EventScope(frame, parents.as_of, parents.profiles, self, selection.since)
        found = Funnel(item, nested, parents).values()
        return found.fill_null(0) if item.statistic in COUNTED else found


def read_by(item: Measure, frame: pl.DataFrame) -> pl.DataFrame:
    """The columns that a nested measure may read, and those that all events have."""
    read = dict.fromkeys((OWNER, TIME, PLACE, SOURCE))
    nodes = [node for condition in item.selection.conditions for node in walk(condition)]
    for node in (*nodes, item.operand):
        if isinstance(node, tree.Property | tree.Context):
            read[operand_column(node)] = None
    return frame.select(column for column in read if column in frame.columns)


@dataclass
class Funnel:
    """One nested measure: ``nested`` are the events of its name and window, before its conditions."""

    item: Measure
    nested: EventScope
    parents: EventScope

    def values(self) -> pl.Series:
        """The value for each parent, null where there is none."""
        found = terms(self.item.selection.conditions)
        if found == ():  # a contradiction
            found = (Term(sign=0),)
        statistic = self.item.statistic
        if found is None or statistic is Statistic.UNIQUE_LIST:
            return self.by_pairs()
        if statistic is Statistic.COUNT and not any(term.order and has_array(term) for term in found):
            return self.count(found)
        if any(term.order or has_array(term) for term in found):
            return self.by_pairs()
        if statistic in ADDITIVE:
            return self.added(found)
        if len(found) > 1 or found[0].sign < 1:
            return self.by_pairs()
        return self.of_runs(self.runs(found[0]))

    @cached_property
    def items(self) -> Items:
        """What is reduced."""
        frame = self.nested.rows.frame
        values = None if self.item.operand is None else frame[operand(self.item)]
        return items_of(frame, values, numeric=self.item.statistic in NUMERIC)

    def question(self, term: Term) -> Question:
        """Which items belong to which parents, by a term's conditions and equalities."""
        return Question(
            self.items,
            truths(term.own, self.nested),
            self.parents.rows.frame,
            truths(term.parent, self.parents),
            [self.sides(link) for link in term.equal],
            self.item.selection,
        )

    def runs(self, term: Term) -> Runs:
        """The runs of the items of a term."""
        return runs(self.question(term))

    def sides(self, link: Link) -> Equal:
        """The values on both sides of a link."""
        own, theirs = self.nested.column(link.own), self.parents.column(link.theirs)
        return Equal(self.nested.rows.frame[own], self.parents.rows.frame[theirs])

    def count(self, found: Sequence[Term]) -> pl.Series:
        """The numbers of events."""
        counts = [self.count_of(term) * term.sign for term in found]
        return sum(counts[1:], start=counts[0])

    def count_of(self, term: Term) -> pl.Series:
        """The number of events of one term."""
        if term.order is None:
            return run_lengths(self.question(term))
        sides = self.sides(term.order)
        return ordered_count(self.runs(term), self.items, sides, term.order.operator)

    def added(self, found: Sequence[Term]) -> pl.Series:
        """The sums or averages."""
        numbers = polars_run_sums.numbers_of(self.valued)
        sums = [(term.sign, polars_run_sums.run_sums(self.runs(term), numbers)) for term in found]
        average = self.item.statistic is Statistic.AVERAGE
        return polars_run_sums.finished(polars_run_sums.together(sums), numbers, average=average)

    @property
    def valued(self) -> pl.Series:
        """The values of the items of a measure with an operand."""
        if self.items.values is None:
            raise TypeError(f"{self.item.statistic.value} needs an operand")
        return self.items.values

    def of_runs(self, found: Runs) -> pl.Series:
        """The statistics of single runs."""
        values = self.valued
        texts, numbers = values.struct.field("text"), values.struct.field("number")
        match self.item.statistic:
            case Statistic.MINIMUM | Statistic.MAXIMUM as statistic:
                return polars_runs.extreme(found, numbers, greatest=statistic is Statistic.MAXIMUM)
            case Statistic.LEAST_TEXT | Statistic.GREATEST_TEXT as statistic:
                greatest = statistic is Statistic.GREATEST_TEXT
                return polars_runs.extreme_text(found, texts, greatest=greatest)
            case Statistic.FIRST:
                return polars_runs.first(found, values)
            case Statistic.LAST:
                return polars_runs.last(found, values)
            case Statistic.UNIQUE_COUNT:
                return polars_runs.unique_count(found, texts)
            case Statistic.MOST_FREQUENT:
                return polars_runs.most_frequent(found, texts, self.item.minimum_frequency)
        raise NotYetError(f"{self.item.statistic.value} of nested events: not yet")

    def by_pairs(self) -> pl.Series:
        """Whatever the conditions are: windows and plain conditions first, then pair by pair."""
        base, rest = common(self.item.selection.conditions, arrays=False)
        return by_pairs(self.item, rest, self.items, self.runs(base), self.nested, self.parents)


def has_array(term: Term) -> bool:
    """Whether a value must equal an element of the parent's array."""
    return any(several(link.theirs) for link in term.equal)


def truths(conditions: Sequence[tree.Condition], scope: Scope) -> pl.Series | None:
    """On which rows all conditions hold; None: on all."""
    if not conditions:
        return None
    held = [holds(condition, scope) for condition in conditions]
    return scope.rows.frame.with_columns(pl.all_horizontal(held).alias("held")).get_column("held")
