"""Funnels: for each event, a value of the events that are nested in it.

Nested events are always later than their parent, and what they are is decided from the inside out: first
each nested event by itself, with what is nested in it, then the run of them that belongs to each parent
(``polars_links``), then the statistic of each run (``polars_funnel_statistics``). None of this looks at pairs of
a parent and a nested event, so the time is about n log n for n events, whoever owns them.

Nested events are compared with their parent (``property(parent: …)``) by values that must be equal, also under
``NOT`` and ``OR`` and in ``differs``, ``one_of`` and ``none_of``, which counts, sums and averages add up and
subtract; in counts by elements of the parent's arrays; and by one order comparison (n log² n) or two (n log³ n),
but not in unique counts and most frequent values. That a text begins or ends with the parent's is as much work as
two order comparisons. First, last, least and greatest values may also come from any of several alternatives
(``funnel_alternatives``), among them ``NOT`` of equalities and elements of arrays on both sides.

What is left is compared by different values instead of by events (``polars_combinations``): text that contains the
parent's, more order comparisons, and ``NOT`` and ``OR`` in unique counts and most frequent values. For n
events of one owner and d different values of its parents that costs d times the number of different nested
values, and n log n times the number of ranges of values in which the answers are; in unique counts and most
frequent values d·n. So a few hundred different values are nearly as good as none, but if all n are different,
as texts compared by ``contains`` with the parent's may be, it is n². The memory is bounded all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Final, Protocol

import polars as pl

from audiences.engines.funnel_alternatives import alternatives
from audiences.engines.funnel_terms import AFFIXES, Link, Term, common, several, terms
from audiences.engines.polars_bounds import Order
from audiences.engines.polars_combinations import by_combinations, by_sets, grouped_by_values, worthwhile
from audiences.engines.polars_comparisons import microseconds_since_epoch
from audiences.engines.polars_conditions import Rows, Scope, holds
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
from audiences.engines.polars_funnel_statistics import ADDITIVE, CHOSEN, Part, Reducer
from audiences.engines.polars_links import (
    PARENT,
    Equal,
    Items,
    Question,
    Runs,
    equal,
    items_of,
    located,
    met,
    run_lengths,
    runs,
)
from audiences.engines.polars_orders import ordered_count, ordered_runs, runs_of_askers
from audiences.engines.polars_pairs import END, FIRST, VALUE, PairConditions, by_pairs
from audiences.engines.polars_profiles import COUNTED
from audiences.engines.polars_statistics import operand, operand_column
from audiences.errors import NotYetError
from audiences.language import tree
from audiences.language.selections import Measure, Statistic
from audiences.language.walk import walk

NUMERIC: Final = frozenset({Statistic.SUM, Statistic.AVERAGE, Statistic.MINIMUM, Statistic.MAXIMUM})
"""Statistics of values that are numbers."""


class Events(Protocol):
    """Events by name: in total order within each owner, all of an owner's together."""

    def of(self, name: str) -> Rows:
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
        events = self.events.of(selection.event)
        frame = read_by(item, events.frame).filter(
            *in_window(bounds(selection, moment), (None, moment)), *from_other_sources(selection)
        )
        nested = EventScope(Rows(frame, events.forms), parents.as_of, parents.profiles, self, selection.since)
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
        if self.item.statistic in CHOSEN:
            return self.chosen()
        found = terms(self.item.selection.conditions)
        if found == ():  # a contradiction
            found = (Term(sign=0),)
        if found is None or not self.by_terms(found):
            return self.by_values()
        if self.item.statistic is Statistic.COUNT:
            return self.count(found)
        if self.item.statistic in ADDITIVE:
            parts = (Part(part, term.sign) for term in found for part in self.parts(term))
            return self.reducer.together(parts, self.parents.rows.frame.height)
        return self.reducer.of_runs(runs(self.question(found[0])))

    def by_terms(self, found: Sequence[Term]) -> bool:
        """Whether the statistic of all is made of those of the terms, and each of these of a few runs."""
        statistic = self.item.statistic
        if statistic is Statistic.UNIQUE_LIST or any(has_array(term) and term.orders for term in found):
            return False
        if statistic is Statistic.COUNT:
            return True
        if any(map(has_array, found)):
            return False
        if statistic in ADDITIVE:
            return True
        return len(found) == 1 and found[0].sign == 1 and not found[0].orders

    def chosen(self) -> pl.Series:
        """The best value of all alternatives."""
        found = alternatives(self.item.selection.conditions)
        if found is None:
            return self.by_values()
        if len(found) == 1 and not (found[0].orders or has_array(found[0])):
            return self.reducer.of_runs(runs(self.question(found[0])))
        parts = (
            Part(part, parents=parents)
            for term in found
            for parents, part in runs_of_askers(self.question(term), self.orders(term))
        )
        return self.reducer.together(parts, self.parents.rows.frame.height)

    @cached_property
    def items(self) -> Items:
        """What is reduced."""
        rows = self.nested.rows
        values = None if self.item.operand is None else rows.column(operand(self.item)).plain()
        return items_of(rows.frame, values, numeric=self.item.statistic in NUMERIC)

    @cached_property
    def reducer(self) -> Reducer:
        """What makes the statistic of runs."""
        return Reducer(self.item, self.items)

    def question(self, term: Term) -> Question:
        """Which items belong to which parents, by a term's conditions and equalities."""
        return Question(
            self.items,
            truths(term.own, self.nested),
            self.parents.rows.frame,
            truths(term.parent, self.parents),
            [self.equal(link) for link in term.equal],
            self.item.selection,
        )

    def orders(self, term: Term) -> list[Order]:
        """The order comparisons of a term."""
        return [Order(self.sides(link), link.operator) for link in term.orders]

    def parts(self, term: Term) -> Iterator[Runs]:
        """Runs of the items of a term: each parent has some, and no item twice."""
        question = self.question(term)
        return ordered_runs(question, self.orders(term)) if term.orders else iter([runs(question)])

    def equal(self, link: Link) -> Equal:
        """The values on both sides of a link of values that must be equal."""
        own, theirs = self.nested.stored(link.own), self.parents.stored(link.theirs)
        return equal(self.nested.rows.column(own), self.parents.rows.column(theirs))

    def sides(self, link: Link) -> Equal:
        """The values on both sides of a link."""
        own, theirs = self.nested.column(link.own), self.parents.column(link.theirs)
        return Equal(self.nested.rows.frame[own], self.parents.rows.frame[theirs])

    # ── terms ───────────────────────────────────────────────────────────────────────────────────────────────

    def count(self, found: Sequence[Term]) -> pl.Series:
        """The numbers of events."""
        counts = [self.count_of(term) * term.sign for term in found]
        return sum(counts[1:], start=counts[0])

    def count_of(self, term: Term) -> pl.Series:
        """The number of events of one term."""
        if not term.orders:
            return run_lengths(self.question(term))
        if any(link.operator in AFFIXES for link in term.orders):
            return self.reducer.counted(map(Part, self.parts(term)), self.parents.rows.frame.height)
        *others, last = self.orders(term)
        counts = (ordered_count(part, self.items, last) for part in ordered_runs(self.question(term), others))
        return sum(counts, start=pl.zeros(self.parents.rows.frame.height, dtype=pl.Int64, eager=True))

    # ── values ──────────────────────────────────────────────────────────────────────────────────────────────

    def by_values(self) -> pl.Series:
        """Whatever the conditions are: windows and plain conditions first, then the others by values or pairs."""
        base, rest = common(self.item.selection.conditions, arrays=False)
        conditions = PairConditions(rest, self.nested, self.parents)
        entries, askers = met(self.question(base))
        first, end = located(entries, askers, self.item.selection)
        askers = askers.with_columns(first.alias(FIRST), end.alias(END)).filter(pl.col(FIRST) < pl.col(END))
        statistic, window = self.item.statistic, self.item.selection
        if statistic is Statistic.UNIQUE_LIST:
            return self.for_all(by_pairs(self.item, conditions, self.items, entries, askers))
        entries, askers = grouped_by_values(conditions, entries, askers)
        alike = worthwhile(entries, askers)
        found = by_pairs(self.item, conditions, self.items, entries, askers.filter(~alike))
        askers = askers.filter(alike)
        if statistic in ADDITIVE | CHOSEN:
            sets = (
                (parents, self.reducer.together([Part(part, parents=places)], len(parents)))
                for parents, places, part in by_sets(conditions, entries, askers, window)
            )
            found = chain(found, (pl.DataFrame({PARENT: parents, VALUE: values}) for parents, values in sets))
        else:
            found = chain(found, by_combinations(conditions, entries, askers, window, self.reducer.of_runs))
        return self.for_all(found)

    def for_all(self, found: Iterable[pl.DataFrame]) -> pl.Series:
        """The values of all parents, of which ``found`` (PARENT, VALUE) has some."""
        every = pl.DataFrame({PARENT: pl.int_range(self.parents.rows.frame.height, dtype=pl.UInt32, eager=True)})
        return every.join(pl.concat(found), on=PARENT, how="left", maintain_order="left")[VALUE]


def has_array(term: Term) -> bool:
    """Whether a value must equal an element of the parent's array."""
    return any(several(link.theirs) for link in term.equal)


def truths(conditions: Sequence[tree.Condition], scope: Scope) -> pl.Series | None:
    """On which rows all conditions hold; None: on all."""
    if not conditions:
        return None
    held = [holds(condition, scope) for condition in conditions]
    return scope.rows.frame.with_columns(pl.all_horizontal(held).alias("held")).get_column("held")
