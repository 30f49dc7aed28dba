"""A run that is computed and not yet committed: what would change.

``State.draft`` makes one, ``State.commit`` writes it. It answers the same questions as a state, so that a dry
run can be shown, and its messages planned, without writing anything.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from audiences import changes as changing
from audiences.at_once import each_at_once
from audiences.costs import Costs
from audiences.definitions.computation import Computation
from audiences.errors import DefinitionError, StateError
from audiences.state.chains import extended, rebuilt
from audiences.state.change_frames import ChangeFrames
from audiences.state.comparison import difference, pair
from audiences.state.decision import reused
from audiences.state.manifest import ComputationRecord, Manifest
from audiences.state.results import Results, temporary_folder
from audiences.state.rewind import departures, overlaid
from audiences.state.sheet_reader import SheetReader
from audiences.state.sheets import Chain, Sheet
from audiences.state.since import ProfilesThen, WrittenProfiles
from audiences.state.tables import ACCOUNTS, HISTORY, PROFILE_CHANGES, SNAPSHOTS, valid_key
from audiences.state.universe import ProfileChanges, Universe, changed, stored

if TYPE_CHECKING:
    from audiences.state.store import State


@dataclass(frozen=True, slots=True)
class Computed:
    """A computation that a run computed; ``fingerprint`` is of all it depends on."""

    computation: Computation
    fingerprint: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """All that a run has to hand over. Instants are UTC.

    ``computed`` has what was computed in this run, in its order, and ``results``, which are finished, its values; a
    computation that is not in it keeps its old snapshot. ``profiles`` is the universe: ``id``, ``external_ids`` (a list
    of type, value, created_at), ``traits`` (JSON text), ``account_ids``; further columns are dropped; or what changed
    of it. ``universe`` is its fingerprint (None: it is read to find whether it changed). ``accounts``
    are all accounts, ``id`` and ``traits``; None (nothing account-level was computed): those of the run before are
    kept.
    """

    as_of: datetime
    inputs: str
    computed: Mapping[str, Computed]
    results: Results
    profiles: Universe
    computed_at: datetime
    universe: str | None = None
    accounts: pl.DataFrame | None = None
    rejects: Mapping[str, int] = field(default_factory=dict)
    statistics: Mapping[str, int | float] = field(default_factory=dict)
    costs: Costs | None = None


class Draft:
    """A run as it would be after its commit. Made by ``State.draft``.

    At an as-of before the latest committed one (``past``) it can be looked at, not committed; its changes are
    those since what was known at that instant. ``new`` are the computations that had no snapshot: all their values
    are entered or set.
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
        self.earlier: dict[str, Chain] = {}
        self.new: set[str] = set()
        self.counts: dict[str, dict[str, int]] = {}
        self._changed = ChangeFrames()
        self._sizes: dict[str, int] = {}
        self._readers: dict[Sheet, SheetReader] = {}
        self._folder = temporary_folder(self)
        self._compare()
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
        return self.scan_snapshot(key).select("id", "value").collect().sort("id")

    def scan_snapshot(self, key: str) -> pl.LazyFrame:
        """``id``, ``value`` and ``as_of``, the instant at which the value was decided."""
        if key not in self.result.computed:
            return self.base.scan_snapshot(key)
        now = pl.lit(self.result.as_of).cast(SNAPSHOTS["as_of"]).alias("as_of")
        if key in self.new or self.past:
            return self._reader(key).snapshot(key).lazy().with_columns(now)
        return overlaid(self.base.scan_snapshot(key), self._changed.scan(key).with_columns(now))

    def changes(self, key: str) -> pl.DataFrame:
        """What this run would change: ``id``, ``change``, ``value``, ``previous``, sorted by id."""
        return self.scan_changes(key).collect()

    def scan_changes(self, key: str) -> pl.LazyFrame:
        """The same, read when it is needed."""
        if key in self.new:
            kind = self.result.computed[key].computation.kind
            return changing.first(self._reader(key).snapshot(key), kind).lazy()
        return self._changed.scan(key)

    def history_rows(self) -> pl.LazyFrame | None:
        """The rows that the run adds to the history, in the order of computation and id; None: there are none."""
        as_of, run = pl.lit(self.as_of).cast(HISTORY["as_of"]), pl.lit(self.run, dtype=pl.Int64)
        rows = [
            self._changed.scan(key).with_columns(computation=pl.lit(key), as_of=as_of, run=run).select(*HISTORY)
            for key in self._changed.names()
        ]
        return pl.concat(rows) if rows else None

    def departures(self, key: str) -> pl.DataFrame:
        """When ids last left the audience, or lost the trait's value: ``id``, ``as_of``."""
        earlier = self.base.departures(key)
        now = self.scan_changes(key).with_columns(pl.lit(self.as_of).cast(earlier.schema["as_of"]).alias("as_of"))
        gone = departures(now.select("id", "change", "as_of"))
        return pl.concat([earlier, gone]).group_by("id").agg(pl.col("as_of").max()).sort("id")

    def profiles(self) -> pl.LazyFrame:
        """The universe of this run: ``id``, ``external_ids``, ``traits``, ``account_ids``."""
        profiles = self.result.profiles
        if isinstance(profiles, ProfileChanges):
            return changed(self.base.profiles(), profiles.rows(self.run).lazy())
        return stored(profiles)

    def run_id(self, run: int) -> str | None:
        """The id of an earlier run; see ``since.Changing``."""
        return self.base.run_id(run)

    def changes_since(self, key: str, run: int) -> pl.LazyFrame:
        """The changes of a computation after a run, those of this one among them."""
        earlier = self.base.changes_since(key, run)
        if key not in self.result.computed or key in self.new:
            return earlier
        as_of, number = pl.lit(self.as_of).cast(HISTORY["as_of"]), pl.lit(self.run, dtype=pl.Int64)
        now = self._changed.scan(key).with_columns(as_of=as_of, run=number)
        return pl.concat([earlier, now.select(earlier.collect_schema().names())])

    def written_profiles(self) -> WrittenProfiles:
        """All profiles, as of the run in which the state's were written, or this one if it has all."""
        profiles = self.result.profiles
        if isinstance(profiles, ProfileChanges):
            return self.base.written_profiles()
        return WrittenProfiles(stored(profiles), self.run)

    def profile_changes(self) -> pl.LazyFrame:
        """The profiles that changed after those."""
        profiles = self.result.profiles
        if isinstance(profiles, ProfileChanges):
            return pl.concat([self.base.profile_changes(), profiles.rows(self.run).lazy()])
        return pl.LazyFrame(schema=PROFILE_CHANGES)

    def profiles_after(self, run: int) -> ProfilesThen | None:
        """The profiles as they were after an earlier run; None if that isn't known."""
        return self.base.profiles_after(run)

    def accounts(self) -> pl.LazyFrame:
        """The accounts of this run, else those of the run before: ``id``, ``traits``."""
        accounts = self.result.accounts
        return self.base.accounts() if accounts is None else stored_accounts(accounts).lazy()

    def chains(self) -> dict[str, Chain]:
        """Where the values of computations are after this run, by key."""
        return extended(self.earlier, self.result.results.sheets)

    def _reader(self, key: str) -> SheetReader:
        sheet = self.result.results.sheets[key]
        if sheet not in self._readers:
            self._readers[sheet] = SheetReader(sheet)
        return self._readers[sheet]

    def _compare(self) -> None:
        """Compares each column with the one before; those whose rows are the same ones, together."""
        before = self._before()
        together: dict[tuple[Sheet, Chain | None], list[str]] = {}
        for key in self.result.computed:
            together.setdefault((self.result.results.sheets[valid_key(key)], before.get(key)), []).append(key)
        for (sheet, chain), keys in together.items():
            if chain is None:
                for key in keys:
                    self._all_new(key, sheet)
            else:
                self._compare_columns(sheet, chain, keys)
        if not self.past:
            self.earlier = {**self.base.chains(), **before}

    def _compare_columns(self, sheet: Sheet, chain: Chain, keys: list[str]) -> None:
        before = chain.ids()
        pairing, rows = pair(sheet.ids(), before, whole=sheet.whole).few(of=len(before))

        def compared(key: str) -> tuple[str, pl.DataFrame, int]:
            column = sheet.column(key)
            kind = self.result.computed[key].computation.kind
            return key, difference(pairing, column, chain.column(key, rows), kind), column.count()

        for key, found, size in each_at_once(compared, keys):
            self._changed.put(key, found)
            self.counts[key] = counts = changing.counts(found)
            if not sheet.whole:
                more = counts[changing.ENTERED] + counts[changing.SET]
                size = self.base.record(key).size + more - counts[changing.EXITED] - counts[changing.CLEARED]
            self._sizes[key] = size

    def _all_new(self, key: str, sheet: Sheet) -> None:
        self.new.add(key)
        size = sheet.column(key).count()
        self._sizes[key] = size
        self.counts[key] = changing.all_new(size, self.result.computed[key].computation.kind)

    def _before(self) -> dict[str, Chain]:
        """What the run is compared with: the current values, or for a look into the past those known then."""
        if self.past:
            then = {key: known for key in self.result.computed if (known := self._known_then(key)) is not None}
            return self._rebuilt(then, then.__getitem__)
        chains = self.base.chains()
        found = {key: chains[key] for key in self.result.computed if key in chains}
        missing = (set(self.base.keys()) & set(self.result.computed)) - set(found)
        return found | self._rebuilt(sorted(missing), self.base.snapshot)

    def _rebuilt(self, keys: Iterable[str], snapshot: Callable[[str], pl.DataFrame]) -> dict[str, Chain]:
        together: dict[Sheet, list[Computation]] = {}
        for key in keys:
            together.setdefault(self.result.results.sheets[key], []).append(self.result.computed[key].computation)
        chains: dict[str, Chain] = {}
        for sheet, computations in together.items():
            chains |= rebuilt(computations, sheet.ids(), snapshot, self._folder)
        return chains

    def _known_then(self, key: str) -> pl.DataFrame | None:
        """None if it was not computed by then, or its history is gone: then everything is new."""
        try:
            return self.base.snapshot_at(key, as_of=self.result.as_of)
        except StateError:
            return None

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
            costs=result.costs,
            history_since=previous.history_since if previous else None,
            history_oldest=previous.history_oldest if previous else None,
            universe=previous.universe if previous else None,
            profiles_run=previous.profiles_run if previous else 0,
            profile_changes_since=previous.profile_changes_since if previous else 0,
            profiles_size=previous.profiles_size if previous else None,
        )

    def _record(self, key: str, computed: Computed, before: ComputationRecord | None) -> ComputationRecord:
        run = self.base_run + 1
        counts = self.counts[key]
        return ComputationRecord(
            key=key,
            kind=computed.computation.kind,
            level=computed.computation.level,
            as_of=self.result.as_of,
            run=run,
            computed_at=self.result.computed_at,
            size=self._sizes[key],
            seconds=computed.seconds,
            fingerprint=computed.fingerprint,
            inputs=self.result.inputs,
            first_run=before.first_run if before else run,
            first_as_of=before.first_as_of if before else self.result.as_of,
            first_in_history=before.first_in_history if before else False,
            checkpoint_run=before.checkpoint_run if before else run,
            changes_since_checkpoint=before.changes_since_checkpoint + sum(counts.values()) if before else 0,
            **counts,
        )


def stored_accounts(accounts: pl.DataFrame) -> pl.DataFrame:
    """The columns of an accounts frame that are kept, sorted by id."""
    return accounts.select(pl.col(name).cast(dtype) for name, dtype in ACCOUNTS.items()).sort("id")
