"""A run that is computed and not yet committed: what would change, in memory.

``State.draft`` makes one, ``State.commit`` writes it. It answers the same questions as a state, so that a dry
run can be shown, and its messages planned, without writing anything.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from audiences import changes as changing
from audiences.definitions.computation import Computation
from audiences.errors import DefinitionError, StateError
from audiences.snapshots import empty, stored
from audiences.state.decision import reused
from audiences.state.manifest import ComputationRecord, Manifest
from audiences.state.rewind import departures
from audiences.state.tables import ACCOUNTS, HISTORY, PROFILES, SNAPSHOTS, valid_key

if TYPE_CHECKING:
    from audiences.state.store import State


@dataclass(frozen=True, slots=True)
class Computed:
    """One result of a run: ``snapshot`` is ``id``, ``value`` (JSON text); ``fingerprint`` is of all it
    depends on.
    """

    computation: Computation
    snapshot: pl.DataFrame
    fingerprint: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """All that a run has to hand over. Instants are UTC.

    ``computed`` has what was computed in this run, in its order; a computation that is not in it keeps its
    old snapshot. ``profiles`` is the universe: ``id``, ``external_ids`` (a list of type, value, created_at),
    ``traits`` (JSON text), ``account_ids``; further columns are dropped. ``accounts`` are all accounts, ``id`` and
    ``traits``; None (nothing account-level was computed): those of the run before are kept.
    """

    as_of: datetime
    inputs: str
    computed: Mapping[str, Computed]
    profiles: pl.DataFrame
    computed_at: datetime
    accounts: pl.DataFrame | None = None
    rejects: Mapping[str, int] = field(default_factory=dict)
    statistics: Mapping[str, int | float] = field(default_factory=dict)


class Draft:
    """A run as it would be after its commit. Made by ``State.draft``.

    At an as-of before the latest committed one (``past``) it can be looked at, not committed; its changes are
    those since what was known at that instant.
    """

    def __init__(self, base: State, result: RunResult) -> None:
        previous = base.manifest
        self.base = base
        self.base_run = previous.run if previous else 0
        self.result = result
        self.past = previous is not None and result.as_of < previous.as_of
        problems = reused(previous, (computed.computation for computed in result.computed.values()))
        if problems:
            raise DefinitionError(problems=problems)
        self.changed: dict[str, pl.DataFrame] = {}
        self.values: dict[str, pl.DataFrame] = {}
        for key, computed in result.computed.items():
            before = self._before(valid_key(key))
            current = stored(computed.snapshot)
            self.changed[key] = changing.changes(before, current, computed.computation.kind)
            self.values[key] = with_as_of(current, before, result.as_of)
        self.manifest = self._manifest(previous)

    @property
    def location(self) -> str:
        """The location of the state that it is a draft for."""
        return self.base.location

    @property
    def as_of(self) -> datetime:
        """The instant of the run, UTC."""
        return self.manifest.as_of

    @property
    def run(self) -> int:
        """The number that the run would get."""
        return self.manifest.run

    @property
    def revision(self) -> int:
        """Which run at this as-of it would be."""
        return self.manifest.revision

    def keys(self) -> tuple[str, ...]:
        """Every computation that would have a snapshot, sorted."""
        return tuple(sorted(self.manifest.computations))

    def snapshot(self, key: str) -> pl.DataFrame:
        """The values of a computation after this run: ``id``, ``value`` (JSON text), sorted by id."""
        return self.scan_snapshot(key).select("id", "value").collect()

    def scan_snapshot(self, key: str) -> pl.LazyFrame:
        """``id``, ``value`` and ``as_of``, the instant at which the value was decided."""
        known = self.values.get(key)
        return self.base.scan_snapshot(key) if known is None else known.lazy()

    def changes(self, key: str) -> pl.DataFrame:
        """What this run would change: ``id``, ``change``, ``value``, ``previous``."""
        known = self.changed.get(key)
        return changing.empty() if known is None else known

    def departures(self, key: str) -> pl.DataFrame:
        """When ids last left the audience, or lost the trait's value: ``id``, ``as_of``."""
        known = self.changed.get(key)
        earlier = self.base.history(key).select("id", "change", "as_of")
        if known is not None:
            now = known.select("id", "change", pl.lit(self.as_of).cast(earlier.schema["as_of"]).alias("as_of"))
            earlier = pl.concat([earlier, now])
        return departures(earlier)

    def profiles(self) -> pl.LazyFrame:
        """The universe of this run: ``id``, ``external_ids``, ``traits``, ``account_ids``."""
        return stored_profiles(self.result.profiles).lazy()

    def accounts(self) -> pl.LazyFrame:
        """The accounts of this run, else those of the run before: ``id``, ``traits``."""
        accounts = self.result.accounts
        return self.base.accounts() if accounts is None else stored_accounts(accounts).lazy()

    def history_rows(self) -> pl.DataFrame:
        """The rows that the run adds to the history."""
        rows = [
            changed.select(pl.lit(key).alias("computation"), pl.all())
            for key, changed in self.changed.items()
            if not changed.is_empty()
        ]
        everything = pl.concat(rows).sort("computation", "id") if rows else pl.DataFrame(schema=HISTORY)
        return everything.with_columns(
            pl.lit(self.as_of).cast(HISTORY["as_of"]).alias("as_of"), pl.lit(self.run, pl.Int64).alias("run")
        ).select(*HISTORY)

    def snapshot_rows(self) -> tuple[pl.DataFrame, tuple[str, ...]]:
        """The whole new snapshots of the computations that changed, and their keys."""
        keys = tuple(sorted(key for key, changed in self.changed.items() if not changed.is_empty()))
        rows = [self.values[key].select(pl.lit(key).alias("computation"), pl.all()) for key in keys]
        return (pl.concat(rows) if rows else pl.DataFrame(schema=SNAPSHOTS)).select(*SNAPSHOTS), keys

    def _before(self, key: str) -> pl.DataFrame:
        """What the run is compared with: the current snapshot, or for a look into the past the one known
        then.
        """
        if not self.past:
            return self.base.scan_snapshot(key).collect()
        try:
            known = self.base.snapshot_at(key, as_of=self.result.as_of)
        except StateError:  # not computed by then, or its history is gone: then everything is new
            known = empty()
        return known.with_columns(pl.lit(self.result.as_of).cast(SNAPSHOTS["as_of"]).alias("as_of"))

    def _manifest(self, previous: Manifest | None) -> Manifest:
        result = self.result
        again = previous is not None and previous.as_of == result.as_of
        records = dict(previous.computations) if previous else {}
        records |= {key: self._record(key, computed, records.get(key)) for key, computed in result.computed.items()}
        return Manifest(
            run=self.base_run + 1,
            run_id=uuid.uuid4().hex,
            as_of=result.as_of,
            revision=previous.revision + 1 if previous and again else 1,
            computed_at=result.computed_at,
            inputs=result.inputs,
            tables=dict(previous.tables) if previous else {},
            computations=dict(sorted(records.items())),
            computed=tuple(result.computed),
            rejects=dict(result.rejects),
            statistics=dict(result.statistics),
            history_since=previous.history_since if previous else None,
        )

    def _record(self, key: str, computed: Computed, before: ComputationRecord | None) -> ComputationRecord:
        run = self.base_run + 1
        return ComputationRecord(
            key=key,
            kind=computed.computation.kind,
            level=computed.computation.level,
            as_of=self.result.as_of,
            run=run,
            computed_at=self.result.computed_at,
            size=self.values[key].height,
            seconds=computed.seconds,
            fingerprint=computed.fingerprint,
            inputs=self.result.inputs,
            first_run=before.first_run if before else run,
            first_as_of=before.first_as_of if before else self.result.as_of,
            **changing.counts(self.changed[key]),
        )


def with_as_of(current: pl.DataFrame, before: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """A snapshot with the instant at which each value was decided: kept where the value is the one before."""
    decided = SNAPSHOTS["as_of"]
    same = before.select("id", "value", earlier=pl.col("as_of").cast(decided))
    return (
        current.join(same, on=["id", "value"], how="left", maintain_order="left")
        .with_columns(as_of=pl.coalesce("earlier", pl.lit(as_of).cast(decided)))
        .select("id", "value", "as_of")
    )


def stored_profiles(profiles: pl.DataFrame) -> pl.DataFrame:
    """The columns of a profiles frame that are kept, sorted by id."""
    return profiles.select(pl.col(name).cast(dtype) for name, dtype in PROFILES.items()).sort("id")


def stored_accounts(accounts: pl.DataFrame) -> pl.DataFrame:
    """The columns of an accounts frame that are kept, sorted by id."""
    return accounts.select(pl.col(name).cast(dtype) for name, dtype in ACCOUNTS.items()).sort("id")
