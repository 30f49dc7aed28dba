"""The events behind a value: which count, which of them decided it, and which don't count and why."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import polars as pl

from audiences.clock import as_utc
from audiences.events.encoding import decoded_columns
from audiences.events.needs import column_name
from audiences.events.values import VALUE, json_of_value
from audiences.language import tree
from audiences.language.print import path as written
from audiences.language.walk import children
from audiences.why.bench import MARK, MARK_COLUMN, Bench
from audiences.why.explanation import Evidence, SeenEvent

SHOWN: Final = 10
"""So many events are shown at most; of those that don't count fewer."""

SHOWN_LEFT_OUT: Final = 3

NUMBER: Final = "number"


def windowless(stream: tree.Stream) -> tree.Stream:
    """The stream without the filters that depend on when an event was: lookback windows and the session."""
    return replace(stream, filters=tuple(item for item in stream.filters if not depends_on_time(item)))


def depends_on_time(item: tree.Filter) -> bool:
    """Whether a filter of an outer stream looks at the time of the event alone."""
    match item:
        case tree.Within(of_parent=False) | tree.Between(of_parent=False) | tree.ExpiresAfter():
            return True
        case _:
            return False


def decisive(reduction: tree.Reduction) -> tree.First | tree.Last | None:
    """What gives the number of the one event that ``first`` or ``last`` took its value from."""
    match reduction:
        case tree.First(stream=stream, operand=operand) | tree.Last(stream=stream, operand=operand):
            present = tree.Where(tree.Comparison(operand.value, tree.Operator.EXISTS))
            marked = replace(stream, filters=(*stream.filters, present))
            return type(reduction)(marked, tree.Operand(tree.Property(MARK)))
        case _:
            return None


def looked_at(reduction: tree.Reduction) -> dict[str, str]:
    """What the reducer and the conditions read of each event: how it is shown, and its column."""
    found: dict[str, str] = {}
    operand = None if isinstance(reduction, tree.Count) else reduction.operand
    for value in (*own_values(reduction.stream), *([] if operand is None else [operand.value])):
        label = written(value.path) if isinstance(value, tree.Property) else f"context.{written(value.path)}"
        found[label] = column_of(value)
    return found


def column_of(value: tree.Property | tree.Context) -> str:
    """The bucket's column of a property or context field."""
    return column_name("property" if isinstance(value, tree.Property) else "context", value.path)


def own_values(stream: tree.Stream) -> Iterator[tree.Property | tree.Context]:
    """The properties and context fields of the stream's own events, also where nested events look at them."""
    for item in stream.filters:
        yield from _values(item, of_parent=False)


def _values(node: tree.Node, *, of_parent: bool) -> Iterator[tree.Property | tree.Context]:
    match node:
        case tree.Property(of_parent=parents):
            if parents is of_parent:
                yield node
        case tree.Context():
            if not of_parent:
                yield node
        case tree.Stream():
            if not of_parent:
                for item in node.filters:
                    yield from _values(item, of_parent=True)
        case _:
            for child in children(node):
                yield from _values(child, of_parent=of_parent)


@dataclass(frozen=True, slots=True)
class Counted:
    """Numbers of events, each list in ascending order.

    ``counted`` count for the reduction, ``unwindowed`` would without its windows, ``named`` have its event name.
    ``decided`` is the one that ``first`` or ``last`` took.
    """

    counted: Sequence[int]
    unwindowed: Sequence[int]
    named: Sequence[int]
    decided: int | None = None

    def left_out(self) -> tuple[tuple[str, list[int]], ...]:
        """Those that don't count, by the reason."""
        outside = {*self.unwindowed}.difference(self.counted)
        filtered = {*self.named}.difference(self.unwindowed, self.counted)
        return ("outside the window", sorted(outside)), ("left out by the conditions", sorted(filtered))


Nested = Mapping[int, tuple[SeenEvent, ...]]
"""Events that are nested in another one, by its number."""


class Timeline:
    """All events of a bench, in order of time, found by their numbers."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    @cached_property
    def frame(self) -> pl.DataFrame:
        """The bucket's events with ``number`` and ``profile`` (id of the owner), values as VALUE, in order of time."""
        (bucket,) = self._bench.prepared.buckets()
        events = decoded_columns(bucket.events, bucket.forms)
        number = pl.col(MARK_COLUMN).struct.field("text").cast(pl.Int64)
        profiles = bucket.profiles["id"].gather(events["owner"]).alias("profile")
        return events.with_columns(number.alias(NUMBER), profiles).sort(
            "timestamp", "message_id", "owner", "place", nulls_last=True
        )

    def of(self, numbers: Sequence[int]) -> pl.DataFrame:
        """The events of these numbers."""
        return self.frame.filter(pl.col(NUMBER).is_in(list(numbers)))

    def named(self, event: str) -> pl.DataFrame:
        """All events of a name."""
        return self.frame.filter(pl.col("event") == event)

    def evidence(
        self, reduction: tree.Reduction, value: str | None, numbers: Counted, nested: Callable[[Sequence[int]], Nested]
    ) -> Evidence:
        """The events to show for a reduction that has this value (JSON text); ``nested`` finds those nested in them."""
        counted = self.of(numbers.counted)
        chosen, what = chosen_events(reduction, value, counted, numbers.decided)
        reasons = {} if counted.height else self._left_out(numbers)
        shown = chosen.tail(SHOWN) if counted.height else self.of(list(reasons))
        return Evidence(
            counted.height,
            seen(shown, looked_at(reduction), reasons, nested(shown[NUMBER].to_list())),
            which(chosen, counted, what) if counted.height else "the latest that don't count" if shown.height else "",
            tuple(f"{len(found):,} {reason}" for reason, found in numbers.left_out() if found),
        )

    def _left_out(self, numbers: Counted) -> dict[int, str]:
        """The latest of the events that don't count and why, those first that only the window leaves out."""
        reasons: dict[int, str] = {}
        for reason, found in numbers.left_out():
            latest = self.of(found).tail(SHOWN_LEFT_OUT - len(reasons))[NUMBER].to_list()
            reasons |= dict.fromkeys(latest, reason)
        return reasons


def which(chosen: pl.DataFrame, counted: pl.DataFrame, what: str) -> str:
    """Which of the counted events are shown: nothing if they all are."""
    if chosen.height > SHOWN:
        return f"the latest {SHOWN}" + (f" of the {chosen.height:,} {what}" if chosen.height < counted.height else "")
    if chosen.height == counted.height:
        return ""
    return f"the one {what}" if chosen.height == 1 else f"those {what}"


def chosen_events(
    reduction: tree.Reduction, value: str | None, frame: pl.DataFrame, decided: int | None
) -> tuple[pl.DataFrame, str]:
    """Those of the counted events that made the value, and which these are."""
    match reduction:
        case tree.Count():
            return frame, ""
        case tree.First():
            return frame.filter(pl.col(NUMBER).eq_missing(pl.lit(decided))), "that is the first with a value"
        case tree.Last():
            return frame.filter(pl.col(NUMBER).eq_missing(pl.lit(decided))), "that is the last with a value"
        case tree.Aggregate(function=tree.Function.MINIMUM | tree.Function.MAXIMUM) | tree.MostFrequent():
            if value is not None:
                return with_value(frame, reduction.operand, value), "with this value"
        case _:
            pass
    return with_value(frame, reduction.operand, None), "with a value"


def with_value(frame: pl.DataFrame, operand: tree.Operand, value: str | None) -> pl.DataFrame:
    """The events whose operand, or an element of it, is ``value`` (JSON text; None: whatever it is)."""
    name = column_of(operand.value)
    column = pl.col(name)
    if frame.schema[name] == VALUE:
        return frame.filter(is_value(column, value))
    return frame.filter(column.list.eval(is_value(pl.element(), value)).list.any())


def is_value(column: pl.Expr, value: str | None) -> pl.Expr:
    """Whether a column of VALUE has this number or text, or (None) any."""
    found = None if value is None else json.loads(value)
    if found is None:
        return column.struct.field("text").is_not_null()
    if isinstance(found, str):
        return column.struct.field("text") == found
    return column.struct.field("number") == float(found)


def seen(
    frame: pl.DataFrame,
    columns: Mapping[str, str],
    left_out: Mapping[int, str] | None = None,
    nested: Nested | None = None,
) -> tuple[SeenEvent, ...]:
    """Events as they are shown; ``columns`` are those of ``looked_at``, the others go by the events' numbers."""
    values = (shown_value(frame, name) for name in columns.values())
    shown = frame.select(NUMBER, "event", "timestamp", "message_id", "profile", *values)
    return tuple(
        SeenEvent(
            name,
            as_utc(timestamp),
            message_id,
            profile,
            tuple(zip(columns, found, strict=True)),
            (left_out or {}).get(number, ""),
            (nested or {}).get(number, ()),
        )
        for number, name, timestamp, message_id, profile, *found in shown.iter_rows()
    )


def shown_value(frame: pl.DataFrame, name: str) -> pl.Expr:
    """A column of values as JSON text; several values through ``$`` as an array."""
    if frame.schema[name] == VALUE:
        return json_of_value(pl.col(name)).alias(name)
    texts = pl.col(name).list.eval(json_of_value(pl.element()))
    return pl.format("[{}]", texts.list.join(",")).alias(name)
