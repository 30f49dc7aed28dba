"""Stores of events for tests: what comes out of one, as plain Python, and of a fresh reading of the same files."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from audiences.events import EventNeeds, InputFrames, Limits, Place, PreparedInputs, open_inputs
from audiences.events.store.basis import Bases
from event_tables import AS_OF, everything

TINY = Limits(rows_in_memory=5, rows_in_bucket=7)


def from_store(
    folder: Path,
    wanted: EventNeeds,
    *,
    profiles: pl.DataFrame | None = None,
    as_of: datetime = AS_OF,
    limits: Limits | None = None,
    writable: bool = True,
    run: int | None = None,
) -> PreparedInputs:
    """The inputs of ``folder/events``, through the store in ``folder/store``, as a ``run`` that is kept, if given."""
    if run is not None:
        return _of_run(folder, wanted, profiles, as_of, limits, run)
    inputs = open_inputs(InputFrames(events=str(folder / "events"), profiles=profiles))
    place = Place(folder / "store", writable=writable)
    return inputs.prepare(wanted, as_of=as_of, limits=limits, store=place)


def _of_run(
    folder: Path,
    wanted: EventNeeds,
    profiles: pl.DataFrame | None,
    as_of: datetime,
    limits: Limits | None,
    run: int,
) -> PreparedInputs:
    inputs = open_inputs(InputFrames(events=str(folder / "events"), profiles=profiles))
    before = None if run == 1 else f"{run - 1:032x}"
    bases = Bases(folder / "store")
    basis = bases.load(before) if before else None
    if basis is not None:
        bases.clean(basis)
    place = Place(folder / "store", keeps=True, run_id=before)
    prepared = inputs.prepare(wanted, as_of=as_of, limits=limits, store=place)
    assert prepared.keeper is not None
    prepared.keeper.keep(run, f"{run:032x}")
    return prepared  # what it doesn't need is cleaned away when nobody reads it any more


def read_afresh(
    folder: Path, wanted: EventNeeds, *, profiles: pl.DataFrame | None = None, as_of: datetime = AS_OF
) -> PreparedInputs:
    """The same inputs without a store."""
    return open_inputs(InputFrames(events=str(folder / "events"), profiles=profiles)).prepare(wanted, as_of=as_of)


def outcome(inputs: PreparedInputs) -> dict[str, Any]:
    """All that a run sees of its inputs."""
    with inputs:
        bucket = everything(inputs)
        return {
            "events": bucket.events.select(sorted(bucket.events.columns)).to_dicts(),
            "profiles": bucket.profiles.to_dicts(),
            "universe": inputs.profiles.to_dicts(),
            "accounts": inputs.accounts().to_dicts(),
            "statistics": inputs.statistics.as_mapping(),
            "rejects": inputs.rejects.counts,
            "samples": inputs.rejects.samples,
        }


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, with its bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
