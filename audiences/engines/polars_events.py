"""The events of one name in a bucket: which of them each selection counts, one Boolean column each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Final, Protocol

import polars as pl

from audiences.engines.polars_comparisons import clamped, microseconds_since_epoch
from audiences.engines.polars_conditions import Rows, Scope, holds
from audiences.engines.polars_profiles import COUNTED, Profiles
from audiences.engines.polars_segments import Segments
from audiences.events.buckets import Form
from audiences.events.needs import column_name
from audiences.language import tree
from audiences.language.selections import Measure, Selection, measure, reductions
from audiences.language.walk import walk

OWNER: Final = "owner"
"""The row of the event's profile among the bucket's profiles (UInt32)."""

TIME: Final = "time"
"""The event's time in microseconds since 1970 (Int64)."""

SOURCE: Final = "source_id"

PLACE: Final = "place"
"""The place of an event in the bucket, in the order of time, message id and content among those of its profile
(UInt32)."""


@dataclass(frozen=True)
class Selected:
    """Events, those of an owner together and in total order, and the Boolean column that says which of them a
    selection counts.

    ``masks`` has None for a selection that counts every row. There are ``owners`` profiles in the bucket. ``forms``
    are those of the frame's columns.
    """

    frame: pl.DataFrame
    masks: Mapping[Selection, str | None]
    owners: int
    forms: Mapping[str, Form] = field(default_factory=dict)

    @cached_property
    def segments(self) -> Segments:
        """The runs of rows of each owner."""
        return Segments(self.frame.get_column(OWNER), self.owners)


class Nested(Protocol):
    """Computes the events that are nested in others."""

    def values(self, item: Measure, parents: EventScope) -> pl.Series:
        """The value of a nested measure for every row of ``parents``, in order; null where there is none.

        Counts are Int64; sum, avg, min and max Float64; ``mode`` and ``as string`` String; first, last and
        unique lists VALUE.
        """
        ...


class EventScope(Scope):
    """Events of one name; traits are those of each event's profile.

    ``since`` is the instant (UTC) before which nested events don't count.
    """

    def __init__(
        self,
        frame: pl.DataFrame | Rows,
        as_of: datetime,
        profiles: Profiles,
        nested: Nested,
        since: datetime | None = None,
    ) -> None:
        super().__init__(Rows(frame) if isinstance(frame, pl.DataFrame) else frame, as_of)
        self.profiles = profiles
        self.nested = nested
        self.since = since
        self._traits: dict[tree.Path, str] = {}
        self._measures: dict[Measure, str] = {}

    def with_since(self, since: datetime | None) -> EventScope:
        """The same rows with another beginning of nested events; what was computed is shared."""
        scope = EventScope(self.rows, self.as_of, self.profiles, self.nested, since)
        scope._traits, scope._measures = self._traits, self._measures
        return scope

    def column(self, scalar: tree.Scalar) -> str:
        """The column of a property, context field or trait, or of a reduction of nested events."""
        return self.rows.plain(self.stored(scalar))

    def stored(self, scalar: tree.Scalar) -> str:
        """The same, in the form in which the bucket has it."""
        match scalar:
            case tree.Property(path=path, of_parent=False):
                return column_name("property", path)
            case tree.Context(path=path):
                return column_name("context", path)
            case tree.Trait(path=path):
                if path not in self._traits:
                    trait = self.profiles.column(self.profiles.trait(path)).gather(self.rows.frame[OWNER])
                    self._traits[path] = self.rows.add(trait.values, trait.form)
                return self._traits[path]
            case tree.Property():
                raise TypeError("an event that isn't nested has no parent")
        item = measure(scalar, self.since)
        if item not in self._measures:
            values = self.nested.values(item, self)
            # Inside a condition nothing is a number of events, too.
            values = values.fill_null(0) if item.statistic in COUNTED else values
            self._measures[item] = self.rows.add(values)
        return self._measures[item]


def select(
    events: Rows,
    measures: Sequence[Measure],
    as_of: datetime,
    profiles: Profiles,
    nested: Nested,
) -> Selected:
    """Finds out which events each selection counts; rows that none counts are dropped.

    ``events`` are those of one name, with OWNER, TIME, PLACE and the columns of the bucket. The measures are of
    events that aren't nested; columns that none of them reads are dropped.
    """
    moment = microseconds_since_epoch(as_of)
    selections = list(dict.fromkeys(item.selection for item in measures))
    windows = {selection: bounds(selection, moment) for selection in selections}
    widest = widest_window(windows)
    frame = events.frame.select(column for column in read_by(measures) if column in events.frame.columns)
    inside = in_window(widest, (None, moment))
    scope = EventScope(Rows(frame.filter(*inside) if inside else frame, events.forms), as_of, profiles, nested)
    conditions = condition_columns(scope, selections)
    made: dict[Selection, pl.Expr] = {}
    for selection in selections:
        parts = [in_window(windows[selection], widest)]
        parts += [[pl.col(conditions[asked(condition, selection)])] for condition in selection.conditions]
        parts.append(from_other_sources(selection))
        expressions = [expression for part in parts for expression in part]
        if expressions or selection.session is not None:
            made[selection] = pl.all_horizontal(expressions) if expressions else pl.lit(True)
    return Selected(*masked(scope.rows.frame, selections, made), profiles.frame.height, scope.rows.forms)


def masked(
    frame: pl.DataFrame, selections: Sequence[Selection], made: Mapping[Selection, pl.Expr]
) -> tuple[pl.DataFrame, dict[Selection, str | None]]:
    """The rows that at least one selection counts, and the columns that say which; ``made`` says it of each row.

    A selection that isn't in ``made`` counts all.
    """
    masks: dict[Selection, str | None] = dict.fromkeys(selections)
    if len(selections) == 1 and made and selections[0].session is None:
        return frame.filter(made[selections[0]]), masks
    masks |= {selection: f"selected {number}" for number, selection in enumerate(made)}
    result = frame.with_columns(
        expression.alias(f"selected {number}") for number, expression in enumerate(made.values())
    )
    for selection, mask in masks.items():
        if selection.session is not None and mask is not None:
            result = result.with_columns(last_session(result, mask, selection.session).alias(mask))
    if len(made) == len(selections):
        result = result.filter(pl.any_horizontal([mask for mask in masks.values() if mask is not None]))
    return result, masks


def read_by(measures: Iterable[Measure]) -> Iterable[str]:
    """The columns of the bucket that measures may read, and that those nested in them may read of their parents."""
    read = dict.fromkeys((OWNER, TIME))
    for item in measures:
        selection = item.selection
        if selection.excluded_sources:
            read[SOURCE] = None
        if selection.session is not None or any(True for one in selection.conditions for _ in reductions(one)):
            read[PLACE] = None
        nodes = [node for condition in selection.conditions for node in walk(condition)]
        for node in (*nodes, item.operand):
            if isinstance(node, tree.Property | tree.Context):
                read[column_of(node)] = None
    return read


def column_of(value: tree.Property | tree.Context) -> str:
    """The column of a bucket's events that has a property or context field."""
    return column_name("property" if isinstance(value, tree.Property) else "context", value.path)


Window = tuple[int | None, int]
"""Start (None: the beginning of time) and end, exclusive, in microseconds since 1970."""


def bounds(selection: Selection, as_of: int) -> Window:
    """The half-open interval of the times of the events that a selection counts."""
    starts = [] if selection.oldest is None else [clamped(as_of - selection.oldest)]
    if selection.since is not None:
        starts.append(microseconds_since_epoch(selection.since))
    return max(starts, default=None), clamped(as_of - selection.newest)


def widest_window(windows: Mapping[Selection, Window]) -> Window:
    """The smallest interval that has all windows in it."""
    starts = [start for start, _ in windows.values() if start is not None]
    return min(starts) if len(starts) == len(windows) else None, max(end for _, end in windows.values())


def in_window(window: Window, known: Window) -> list[pl.Expr]:
    """The conditions on TIME that aren't already known to hold."""
    (start, end), (known_start, known_end) = window, known
    parts = []
    if start is not None and start != known_start:
        parts.append(pl.col(TIME) >= start)
    if end != known_end:
        parts.append(pl.col(TIME) < end)
    return parts


def from_other_sources(selection: Selection) -> list[pl.Expr]:
    """The condition that an event isn't from an excluded source, if there are any."""
    if not selection.excluded_sources:
        return []
    return [~pl.col(SOURCE).is_in(list(selection.excluded_sources)).fill_null(False)]


Asked = tuple[tree.Condition, datetime | None]
"""A condition, and since when events that are nested in it count."""


def asked(condition: tree.Condition, selection: Selection) -> Asked:
    """What makes two conditions of selections of one event name the same."""
    funnel = any(True for _ in reductions(condition))
    return condition, selection.since if funnel else None


def condition_columns(scope: EventScope, selections: Sequence[Selection]) -> dict[Asked, str]:
    """Evaluates every different condition of the selections once; returns the column of each."""
    conditions = dict.fromkeys(
        asked(condition, selection) for selection in selections for condition in selection.conditions
    )
    made = {(condition, since): holds(condition, scope.with_since(since)) for condition, since in conditions}
    names = {condition: f"condition {number}" for number, condition in enumerate(made)}
    scope.rows.frame = scope.rows.frame.with_columns(**{names[condition]: made[condition] for condition in made})
    return names


def last_session(frame: pl.DataFrame, mask: str, gap: int) -> pl.Series:
    """Which rows are in the last session of their owner: the selected events after the last gap longer than
    ``gap``.

    Only the selected events keep a session alive.
    """
    counted = frame.lazy().filter(pl.col(mask)).select(OWNER, TIME, PLACE)
    begins = (pl.col(OWNER) != pl.col(OWNER).shift(1)).fill_null(True) | (pl.col(TIME).diff() > gap)
    starts = counted.filter(begins).group_by(OWNER).agg(pl.col(PLACE).max().alias("start"))
    rows = frame.lazy().select(OWNER, PLACE, mask).join(starts, on=OWNER, how="left", maintain_order="left")
    return rows.select(pl.col(mask) & (pl.col(PLACE) >= pl.col("start")).fill_null(False)).collect().to_series()
