"""Computations, profiles and run results made of Python values, for tests of state, delivery and export."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from audiences.definitions.computation import (
    Computation,
    Definitions,
    Destination,
    DestinationEntry,
    Kind,
    Level,
    Space,
)
from audiences.language.parse import parse
from audiences.state import Computed, Results, RunResult, State
from audiences.state.tables import PROFILES

COMPUTED_AT = datetime(2030, 1, 1, 12, 30, tzinfo=UTC)


def day(number: int) -> datetime:
    """Midnight of a day of January 2024."""
    return datetime(2024, 1, number, tzinfo=UTC)


def audience(key: str, *destinations: DestinationEntry, level: Level = Level.USER, **more: Any) -> Computation:
    expression = parse("event('Order Completed').count() >= 1")
    return Computation(key, Kind.AUDIENCE, expression, level=level, destinations=destinations, **more)


def trait(
    key: str,
    *destinations: DestinationEntry,
    definition: str = "event('Order Completed').count()",
    **more: Any,
) -> Computation:
    return Computation(key, Kind.TRAIT, parse(definition), destinations=destinations, **more)


def snapshot(values: Mapping[str, str] | Sequence[str]) -> pl.DataFrame:
    """Values by id as JSON text, or an audience's members."""
    rows = values if isinstance(values, Mapping) else dict.fromkeys(values, "true")
    frame = {"id": list(rows), "value": list(rows.values())}
    return pl.DataFrame(frame, schema={"id": pl.String, "value": pl.String})


def profile(
    id_: str,
    *identifiers: tuple[str, str] | tuple[str, str, datetime | None],
    traits: str = "{}",
    account_ids: Sequence[str] = (),
) -> dict[str, Any]:
    """A row of a profiles frame; identifiers are type, value and optionally when they were added."""
    external_ids = [
        {"type": item[0], "value": item[1], "created_at": item[2] if len(item) > 2 else None} for item in identifiers
    ]
    return {"id": id_, "external_ids": external_ids, "traits": traits, "account_ids": list(account_ids)}


def profiles(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=PROFILES)


def result(
    as_of: datetime,
    computed: Mapping[Computation, Mapping[str, str] | Sequence[str]] | Sequence[tuple[Computation, Any]],
    people: pl.DataFrame | None = None,
    *,
    inputs: str = "inputs",
    fingerprint: str = "definition",
) -> RunResult:
    """What a run hands over: computations with their values (or members)."""
    pairs = list(computed.items()) if isinstance(computed, Mapping) else list(computed)
    return RunResult(
        as_of=as_of,
        inputs=inputs,
        computed={item.key: Computed(item, fingerprint, 0.5) for item, _ in pairs},
        results=results([(item, snapshot(values)) for item, values in pairs]),
        profiles=profiles() if people is None else people,
        computed_at=COMPUTED_AT,
        rejects={"bad_timestamp": 2},
        statistics={"rows_read": 10},
    )


def results(snapshots: Sequence[tuple[Computation, pl.DataFrame]]) -> Results:
    """Finished results, in a temporary folder."""
    made = Results(item for item, _ in snapshots)
    for level in Level:
        frames = {item.key: frame for item, frame in snapshots if item.level is level}
        if frames:
            ids = pl.concat([frame["id"] for frame in frames.values()]).unique().sort()
            made.add_snapshots(level, ids, frames)
    made.finish()
    return made


def committed(state: State, run: RunResult, **more: Any) -> State:
    """The state after a run's commit."""
    with state.exclusive():
        state.commit(state.draft(run), **more)
    return state


def rows(frame: pl.DataFrame) -> list[tuple[Any, ...]]:
    return frame.rows()


def space(root: Path, **destinations: Mapping[str, Any]) -> Space:
    """A space with destinations by name: their settings, and ``type`` if it isn't jsonl."""
    made = {}
    for name, settings in destinations.items():
        others = {key: value for key, value in settings.items() if key != "type"}
        made[name] = Destination(name, settings.get("type", "jsonl"), others)
    return Space(root=root, id="spa_1", slug="test", destinations=made)


def definitions(root: Path, *computations: Computation) -> Definitions:
    return Definitions(space(root), {item.key: item for item in computations})
