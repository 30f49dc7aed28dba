"""The events of one name in a bucket: which of them each selection counts, one Boolean column each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

import polars as pl

from audiences.engines.polars_comparisons import clamped, microseconds_since_epoch
from audiences.engines.polars_conditions import Rows, Scope, holds
from audiences.engines.polars_profiles import COUNTED, Profiles
from audiences.events.needs import column_name
from audiences.language import tree
from audiences.language.selections import Measure, Selection, measure, reductions

OWNER: Final = "owner"
"""The row of the event's profile among the bucket's profiles (UInt32)."""

TIME: Final = "time"
"""The event's time in microseconds since 1970 (Int64)."""

SOURCE: Final = "source_id"

PLACE: Final = "place"
"""The place of an event among those of its profile in the total order of time, message id and position
(UInt32)."""


@dataclass(frozen=True)
class Selected:
    """Events in total order within each owner, and the Boolean column that says which of them a selection
    counts.

    ``masks`` has None for a selection that counts every row. There are ``owners`` profiles in the bucket.
    """

    frame: pl.DataFrame
    masks: Mapping[Selection, str | None]
    owners: int


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
        match scalar:
            case tree.Property(path=path, of_parent=False):
                return column_name("property", path)
            case tree.Context(path=path):
                return column_name("context", path)
            case tree.Trait(path=path):
                if path not in self._traits:
                    name = self.profiles.trait(path)
                    self._traits[path] = self.rows.add(self.profiles.frame[name].gather(self.rows.frame[OWNER]))
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
    frame: pl.DataFrame,
    selections: Sequence[Selection],
    as_of: datetime,
    profiles: Profiles,
    nested: Nested,
) -> Selected:
    """Finds out which events each selection counts; rows that none counts are dropped.

    ``frame`` has the events of one name with OWNER, TIME, PLACE and the columns of the bucket. The
    selections are of events that aren't nested.
    """
    moment = microseconds_since_epoch(as_of)
    windows = {selection: bounds(selection, moment) for selection in selections}
    widest = widest_window(windows)
    scope = EventScope(frame.filter(*in_window(widest, (None, moment))), as_of, profiles, nested)
    conditions = condition_columns(scope, selections)
    masks: dict[Selection, str | None] = {}
    made: dict[str, pl.Expr] = {}
    for number, selection in enumerate(selections):
        parts = [in_window(windows[selection], widest)]
        parts += [[pl.col(conditions[asked(condition, selection)])] for condition in selection.conditions]
        parts.append(from_other_sources(selection))
        expressions = [expression for part in parts for expression in part]
        if expressions or selection.session is not None:
            masks[selection] = f"selected {number}"
            made[f"selected {number}"] = pl.all_horizontal(expressions) if expressions else pl.lit(True)
        else:
            masks[selection] = None
    result = scope.rows.frame.with_columns(**made)
    for selection, mask in masks.items():
        if selection.session is not None and mask is not None:
            result = result.with_columns(last_session(result, mask, selection.session).alias(mask))
    if None not in masks.values():
        result = result.filter(pl.any_horizontal(list(made)))
    return Selected(result, masks, profiles.frame.height)


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
