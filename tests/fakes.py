"""Prepared inputs made of Python rows, for tests of the engine without files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from audiences.definitions.computation import Computation, Kind
from audiences.engines.polars import PolarsEngine
from audiences.events.buckets import Bucket
from audiences.events.needs import EventNeeds, column_name
from audiences.events.prepared import encoded_bucket
from audiences.events.values import VALUE, value_of
from audiences.language.parse import parse
from audiences.plan import make_plan
from audiences.snapshots import typed

AS_OF = datetime(2024, 6, 15, 12, tzinfo=UTC)

Event = Mapping[str, Any]
"""``profile``, ``event``, ``timestamp`` (datetime, or age as timedelta), and optionally ``properties``,
``context``, ``message_id``, ``source_id``."""

Profile = Mapping[str, Any]
"""``id`` and optionally ``traits``, ``anonymous``."""


@dataclass(frozen=True)
class FakePrepared:
    members: pl.DataFrame
    parts: tuple[Bucket, ...]

    def buckets(self) -> Iterator[Bucket]:
        yield from self.parts


def reached(value: object, path: Sequence[str]) -> list[object]:
    """The values at the end of a path, missing ones left out."""
    if not path:
        return [] if value is None else [value]
    first, rest = path[0], path[1:]
    if first == "$":
        return [found for item in value for found in reached(item, rest)] if isinstance(value, list) else []
    return reached(value.get(first), rest) if isinstance(value, dict) else []


def column(objects: Sequence[object], path: Sequence[str]) -> pl.Series:
    def row(value: object) -> dict[str, object] | None:
        found = value_of(value)
        return None if found is None else dict(zip(("kind", "text", "number"), found, strict=True))

    found = [reached(item, path) for item in objects]
    if "$" in path:
        return pl.Series([[row(value) for value in values] for values in found], dtype=pl.List(VALUE))
    return pl.Series([row(values[0]) if values else None for values in found], dtype=VALUE)


def moment(event: Event) -> datetime:
    when = event["timestamp"]
    return AS_OF - when if isinstance(when, timedelta) else when


def prepared(
    events: Sequence[Event],
    profiles: Sequence[Profile],
    needs: EventNeeds,
    as_of: datetime = AS_OF,
    parts: int = 1,
) -> FakePrepared:
    """The rows as the engine gets them, dealt out to ``parts`` buckets."""
    rows = [
        (event, position)
        for position, event in enumerate(events)
        if event["event"] in needs.events and moment(event) < as_of
    ]
    rows.sort(
        key=lambda row: (
            row[0]["profile"],
            moment(row[0]),
            row[0].get("message_id") is None,
            row[0].get("message_id") or "",
            row[1],
        )
    )
    every = [
        profile_frame(sorted(profiles, key=lambda profile: profile["id"])[part::parts], needs) for part in range(parts)
    ]
    buckets = []
    for frame in every:
        owners = {id: row for row, id in enumerate(frame["id"])}
        own = [event for event, _ in rows if event["profile"] in owners]
        buckets.append(encoded_bucket(event_frame(own, owners, needs), frame))
    return FakePrepared(pl.concat(every).sort("id"), tuple(buckets))


def event_frame(events: Sequence[Event], owners: Mapping[str, int], needs: EventNeeds) -> pl.DataFrame:
    """Events in the order of ``owners``, which has their rows, and of time, as they are before they are encoded."""
    frame = pl.DataFrame(
        {
            "owner": pl.Series([owners[event["profile"]] for event in events], dtype=pl.UInt32),
            "event": pl.Series([event["event"] for event in events], dtype=pl.Enum(sorted(needs.events))),
            "timestamp": pl.Series([moment(event) for event in events], dtype=pl.Datetime("us", "UTC")),
            "place": pl.Series(range(len(events)), dtype=pl.UInt32),
            "source_id": pl.Series([event.get("source_id") for event in events], dtype=pl.String),
        }
    )
    values = [
        *(
            column([event.get("properties") for event in events], path).alias(column_name("property", path))
            for path in sorted(needs.properties)
        ),
        *(
            column([event.get("context") for event in events], path).alias(column_name("context", path))
            for path in sorted(needs.contexts)
        ),
    ]
    return frame.with_columns(values).sort("event", "owner", "place")


def profile_frame(profiles: Sequence[Profile], needs: EventNeeds) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "id": pl.Series([profile["id"] for profile in profiles], dtype=pl.String),
            "anonymous": pl.Series([profile.get("anonymous", False) for profile in profiles], dtype=pl.Boolean),
        }
    ).with_columns(
        column([profile.get("traits") for profile in profiles], path).alias(column_name("trait", path))
        for path in sorted(needs.traits)
    )


def computation(key: str, definition: str, **settings: Any) -> Computation:
    """A computation from the query language; an audience if the definition is a condition."""
    expression = parse(definition)
    comparing = type(expression).__name__ in {"Comparison", "And", "Or", "Not", "AnyUser", "AllUsers"}
    kind = Kind.AUDIENCE if comparing else Kind.TRAIT
    return Computation(key=key, kind=kind, expression=expression, **settings)


def snapshots(
    computations: Sequence[Computation],
    events: Sequence[Event] = (),
    profiles: Sequence[Profile] = (),
    *,
    as_of: datetime = AS_OF,
    parts: int = 1,
    given: Mapping[str, pl.DataFrame] | None = None,
) -> dict[str, dict[str, str]]:
    """The stored snapshots by key: id → JSON text."""
    plan = make_plan({item.key: item for item in computations})
    inputs = prepared(events, profiles, plan.needs, as_of, parts)
    frames = PolarsEngine().compute(plan, inputs, as_of, given=given)  # type: ignore[arg-type]
    return {key: dict(frame.iter_rows()) for key, frame in frames.items()}


def values(
    definition: str, events: Sequence[Event] = (), profiles: Sequence[Profile] = (), **settings: Any
) -> dict[str, Any]:
    """The typed values of one definition: id → value; an audience's members are True."""
    item = computation("it", definition, **settings)
    plan = make_plan({"it": item})
    frames = PolarsEngine().compute(plan, prepared(events, profiles, plan.needs), AS_OF)  # type: ignore[arg-type]
    return dict(typed(frames["it"], item).iter_rows())


def members(
    definition: str, events: Sequence[Event] = (), profiles: Sequence[Profile] = (), **settings: Any
) -> list[str]:
    """The ids of an audience's members."""
    return list(values(definition, events, profiles, **settings))
