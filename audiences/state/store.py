"""The state of a space: read it as of its newest manifest, and commit a run to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta

import filelock
import polars as pl

from audiences import changes as changing
from audiences.changes import SCHEMA as CHANGE_COLUMNS
from audiences.definitions.computation import Computation
from audiences.errors import Problem, StateError
from audiences.events.value_texts import instant_text
from audiences.snapshots import stored
from audiences.state import manifest as manifests
from audiences.state.acknowledged import Acknowledged
from audiences.state.decision import Decision, decide, reused
from audiences.state.draft import Draft, RunResult
from audiences.state.housekeeping import drop_old_manifests
from audiences.state.kept_results import KeptResults
from audiences.state.manifest import ComputationRecord, Manifest
from audiences.state.results import Results
from audiences.state.rewind import departures, overlaid, rewind
from audiences.state.sheets import Chain
from audiences.state.since import ProfilesThen, WrittenProfiles
from audiences.state.storage import Storage
from audiences.state.tables import another_run, valid_key
from audiences.state.universe import changed
from audiences.state.writing import Tables

WAIT_SECONDS = 30.0
"""How long a run waits for another one on the same local state before it gives up."""


class State:
    """A state location. Made by ``State.open``; reads what the newest manifest names, and nothing later."""

    def __init__(self, storage: Storage, *, writable: bool) -> None:
        self.location = storage.location
        self.manifest: Manifest | None = None
        self._storage = storage
        self._writable = writable
        self._tables = Tables(storage)
        self._kept = KeptResults(storage)
        self._lock: filelock.BaseFileLock | None = None
        self._reload()

    @classmethod
    def open(cls, location: str, *, create: bool = False, storage_options: Mapping[str, str] | None = None) -> State:
        """Opens a folder or an object store URL (``s3://…``, ``gs://…``, ``az://…``).

        Without ``create`` nothing is ever written, and a location that has no state yet gives one whose
        ``manifest`` is None. With it, a local folder is made and tried out, so that a run fails before it
        computes anything.

        Raises:
            StateError: if the location isn't a folder, can't be read (or, with ``create``, written), or was
            written
                by a newer version.
        """
        storage = Storage(location, storage_options)
        if create:
            storage.create()
        return cls(storage, writable=create)

    # ── reading ─────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def as_of(self) -> datetime:
        """The instant of the newest run, UTC. Raises StateError before the first run."""
        return self._current().as_of

    @property
    def run(self) -> int:
        """The number of the newest run, 0 before the first."""
        return self.manifest.run if self.manifest else 0

    def keys(self) -> tuple[str, ...]:
        """Every computation that has a snapshot, sorted."""
        return tuple(sorted(self.manifest.computations)) if self.manifest else ()

    def record(self, key: str) -> ComputationRecord:
        """What is known of a computation's last run.

        Raises:
            StateError: if it was never computed.
        """
        known = self.manifest.computations.get(key) if self.manifest else None
        if known is None:
            raise StateError(
                f"'{key}' was never computed here", where=self.location, hint=f"run it: audiences run {key}"
            )
        return known

    def snapshot(self, key: str) -> pl.DataFrame:
        """The current values of a computation, ``id``, ``value`` (JSON text), sorted by id.

        Raises:
            StateError: if it was never computed, or can't be read.
        """
        self.record(key)
        with self._storage.guarded("read"):
            return stored(self.scan_snapshot(key).select("id", "value").collect())

    def scan_snapshot(self, key: str) -> pl.LazyFrame:
        """``id``, ``value`` and ``as_of``, the instant at which the value was decided; no rows if never
        computed.
        """
        record = self.manifest.computations.get(valid_key(key)) if self.manifest else None
        with self._storage.guarded("read"):
            rows = self._tables.snapshots.scan(self._version("snapshots"), key).select("id", "value", "as_of")
            if record is None or record.changes_since_checkpoint == 0:
                return rows
            later = self._recorded(key).filter(pl.col("run") > record.checkpoint_run)
            return overlaid(rows, later.sort("run").unique("id", keep="last", maintain_order=True))

    def snapshot_at(self, key: str, *, run: int | None = None, as_of: datetime | None = None) -> pl.DataFrame:
        """The values of a computation after an earlier run, or as they were known at an instant (see
        ``manifest_at``).

        Raises:
            StateError: if the run is not known, the computation did not exist, or the history was dropped.
        """
        then = self.manifest_at(run=run, as_of=as_of)
        current = self.record(key)
        if then.run < current.first_run:
            raise StateError(
                f"'{key}' was first computed in run {current.first_run}, as of {instant_text(current.first_as_of)}",
                where=self.location,
            )
        return self._snapshot_after(current, then.run)

    def manifest_at(self, *, run: int | None = None, as_of: datetime | None = None) -> Manifest:
        """The manifest of a run, or of the last run at or before an instant; without either, the newest.

        Raises:
            StateError: if there is none, or what is needed to go back to it was dropped.
        """
        current = self._current()
        if run is None and (as_of is None or as_of >= current.as_of):
            return current
        with self._storage.guarded("read"):
            found = self._load(run) if run is not None else self._last_before(as_of or current.as_of)
        since = current.history_since
        if found is None or (since is not None and found.as_of < since):
            asked = f"run {run}" if run is not None else f"run at or before {instant_text(as_of or current.as_of)}"
            hint = f"history is kept since {instant_text(since)}" if since else f"the newest is run {current.run}"
            raise StateError(f"there is no {asked}", where=self.location, hint=hint)
        return found

    def changes(self, key: str, *, run: int | None = None) -> pl.DataFrame:
        """What a run (the newest, if not given) changed: ``id``, ``change``, ``value``, ``previous``, sorted by id."""
        number = self.run if run is None else run
        first = self._first_changes(key, number)
        if first is not None:
            return first
        with self._storage.guarded("read"):
            rows = self._recorded(key).filter(pl.col("run") == number)
            return rows.select(*CHANGE_COLUMNS).collect().sort("id")

    def history(self, key: str) -> pl.DataFrame:
        """All kept changes: ``id``, ``change``, ``value``, ``previous``, ``as_of``, ``run``, sorted by run and id.

        Those of the first run are not in the table ``history``: they are what the snapshot was then.
        """
        with self._storage.guarded("read"):
            rows = self._recorded(key).collect()
        record = self.manifest.computations.get(key) if self.manifest else None
        first = self._first_changes(key, record.first_run) if record else None
        if record is not None and first is not None:
            as_of, run = pl.lit(record.first_as_of).cast(rows.schema["as_of"]), pl.lit(record.first_run, pl.Int64)
            rows = pl.concat([first.with_columns(as_of=as_of, run=run), rows])
        return rows.sort("run", "id")

    def departures(self, key: str) -> pl.DataFrame:
        """When ids last left the audience, or lost the trait's value: ``id``, ``as_of``."""
        with self._storage.guarded("read"):
            return departures(self._recorded(key))

    def _recorded(self, key: str) -> pl.LazyFrame:
        """The rows of a computation in the table ``history``, without its key."""
        rows = self._tables.history.scan(self._version("history"), valid_key(key))
        return rows.select(pl.exclude("computation"))

    def _first_changes(self, key: str, run: int) -> pl.DataFrame | None:
        """The changes of a computation's first run, where they are known and the table doesn't have them."""
        record = self.manifest.computations.get(key) if self.manifest else None
        if self.manifest is None or record is None or record.first_run != run or record.first_in_history:
            return None
        since = self.manifest.history_since
        if since is not None and record.first_as_of < since:
            return None
        return changing.first(self._snapshot_after(record, run), record.kind)

    def _snapshot_after(self, record: ComputationRecord, run: int) -> pl.DataFrame:
        """The values of a computation after a run, if its history since then is there."""
        with self._storage.guarded("read"):
            later = self._recorded(record.key).filter(pl.col("run") > run).collect()
        return rewind(self.snapshot(record.key), later, record.kind)

    def profiles(self) -> pl.LazyFrame:
        """The newest run's universe: ``id``, ``external_ids``, ``traits`` (JSON text), ``account_ids``."""
        with self._storage.guarded("read"):
            rows = self._tables.profiles.scan(self._version("profiles"))
            if self.manifest is None or self.manifest.profile_changes_since == 0:
                return rows
            return changed(rows, self.profile_changes())

    def accounts(self) -> pl.LazyFrame:
        """The accounts of the newest run that had account-level computations: ``id``, ``traits`` (JSON text)."""
        with self._storage.guarded("read"):
            return self._tables.accounts.scan(self._version("accounts"))

    # ── what changed, for deliveries: see ``audiences.state.since`` ─────────────────────────────────────────

    def run_id(self, run: int) -> str | None:
        """The id of a run; None if it isn't known any more, or the changes after it aren't."""
        with self._storage.guarded("read"):
            found = self.manifest if run == self.run else self._load(run)
        since = self.manifest.history_since if self.manifest else None
        return None if found is None or (since is not None and found.as_of < since) else found.run_id

    def changes_since(self, key: str, run: int) -> pl.LazyFrame:
        """The changes of a computation after a run; see ``since.Changing``."""
        with self._storage.guarded("read"):
            return self._recorded(key).filter(pl.col("run") > run)

    def written_profiles(self) -> WrittenProfiles:
        """All profiles, as of some run up to now."""
        return self._written_profiles(self.manifest, writable=self._writable)

    def profile_changes(self) -> pl.LazyFrame:
        """The profiles that changed after those were written."""
        return self._profile_changes(self.manifest)

    def profiles_after(self, run: int) -> ProfilesThen | None:
        """The profiles as they were after an earlier run; None if that isn't known."""
        with self._storage.guarded("read"):
            then = self._load(run)
            if then is None:
                return None
            return ProfilesThen(
                self.location, self._written_profiles(then, writable=False), self._profile_changes(then)
            )

    def _written_profiles(self, manifest: Manifest | None, *, writable: bool) -> WrittenProfiles:
        table, version = self._tables.profiles, manifest.tables.get("profiles") if manifest else None
        with self._storage.guarded("read"):
            files = table.files(version) if version is not None else ()
            run = manifest.profiles_run if manifest else 0
            return WrittenProfiles(table.scan(version), run, files, self._storage.folder, writable)

    def _profile_changes(self, manifest: Manifest | None) -> pl.LazyFrame:
        version = manifest.tables.get("profile_changes") if manifest else None
        run = manifest.profiles_run if manifest else 0
        with self._storage.guarded("read"):
            return self._tables.profile_changes.scan(version).filter(pl.col("run") > run)

    def acknowledged(self, destination: str) -> Acknowledged:
        """What a destination has acknowledged, as of now."""
        return Acknowledged(self._storage, destination)

    def decide(self, *, as_of: datetime, definitions: Mapping[str, str], inputs: str, again: bool = False) -> Decision:
        """What a run would mean here; see ``audiences.state.decide``."""
        return decide(self.manifest, as_of=as_of, definitions=definitions, inputs=inputs, again=again)

    def reused(self, computations: Iterable[Computation]) -> list[Problem]:
        """A problem for every key that was used for something else before; such computations can't be run."""
        return reused(self.manifest, computations)

    # ── results ────────────────────────────────────────────────────────────────────────────────────────────────

    def chains(self) -> dict[str, Chain]:
        """Where the current values of computations are as columns, by key; without those of which it isn't known."""
        return self._kept.load(self.manifest.run_id) if self.manifest else {}

    def results(self, computations: Iterable[Computation], *, kept: bool) -> Results:
        """What takes the values of a run: beside the state if they are to be ``kept``, else in a temporary folder."""
        folder = self._kept.folder if kept and self._writable else None
        return Results(computations, folder)

    # ── writing ─────────────────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def exclusive(self, wait: float = WAIT_SECONDS) -> Iterator[None]:
        """Keeps other runs out while one decides, commits and delivers; and sees what they did before.

        A local state is locked for other processes; a killed one leaves no lock. On an object store there is
        no lock: there, the run that commits second is refused. May be nested.

        Raises:
            StateError: if another run holds the lock for longer than ``wait`` seconds.
        """
        if not self._writable:
            raise StateError("the state was opened for reading only", where=self.location)
        if self._storage.folder is None:
            self._reload()
            yield
            return
        if self._lock is None:
            self._lock = filelock.FileLock(self._storage.folder / ".lock")
        try:
            with self._storage.guarded("write"):
                self._lock.acquire(timeout=wait)
        except StateError as error:
            if isinstance(error.__cause__, filelock.Timeout):
                raise StateError(
                    "another run is using the state", where=self.location, hint="try again when it is done"
                ) from error
            raise
        try:
            self._reload()
            yield
        finally:
            self._lock.release()

    def draft(self, result: RunResult) -> Draft:
        """A run as it would be after its commit. Nothing is written.

        Raises:
            StateError: if the state can't be read.
            DefinitionError: if a key was used for something else before.
        """
        with self._storage.guarded("read"):
            return Draft(self, result)

    def commit(self, draft: Draft, *, keep_history: timedelta | None = None) -> Manifest:
        """Writes a run: its tables first, its manifest last. Returns the manifest, which is now the newest.

        What a run that was killed left in the tables is taken back first. With ``keep_history``, changes
        older than that (seen from the run's as-of) are dropped; current snapshots are not touched by it.

        Raises:
            StateError: if it can't be written, or another run was committed since the draft was made; the
            state is
                then what it was.
        """
        with self.exclusive(), self._storage.guarded("write"):
            if draft.past:
                raise StateError(
                    f"a run at {instant_text(draft.as_of)} is before the latest committed one "
                    f"({instant_text(self.as_of)}) and can't be kept",
                    where=self.location,
                )
            if self.run != draft.base_run:
                raise another_run(self.location)
            manifest = self._tables.write(draft, self.manifest, keep_history)
            chains = self._kept.save(manifest.run_id, self._kept.shortened(draft.chains()))
            if not self._storage.create_file(manifests.path_of(manifest.run), manifests.encode(manifest)):
                raise another_run(self.location)
            self.manifest = manifest
            self._kept.clean(manifest.run_id, chains)
            if manifest.history_since is not None:
                drop_old_manifests(self._storage, manifest)
            return manifest

    # ── manifests ───────────────────────────────────────────────────────────────────────────────────────────

    def _reload(self) -> None:
        """Makes the newest manifest the one that is read from here on."""
        if not self._storage.exists():
            return
        with self._storage.guarded("read"):
            numbers = self._runs()
            if numbers and numbers[-1] != self.run:
                self.manifest = self._load(numbers[-1])

    def _runs(self) -> list[int]:
        names = self._storage.list(manifests.FOLDER)
        return sorted(int(match[1]) for name in names if (match := manifests.FILE_NAME.fullmatch(name)))

    def _load(self, run: int) -> Manifest | None:
        path = manifests.path_of(run)
        if run not in self._runs():
            return None
        return manifests.decode(self._storage.read(path), where=self._storage.uri(path))

    def _last_before(self, as_of: datetime) -> Manifest | None:
        """Bisects: the as-ofs of runs never decrease."""
        runs = self._runs()
        found: Manifest | None = None
        while runs:
            middle = len(runs) // 2
            candidate = self._load(runs[middle])
            if candidate is not None and candidate.as_of <= as_of:
                found, runs = candidate, runs[middle + 1 :]
            else:
                runs = runs[:middle]
        return found

    def _version(self, table: str) -> int | None:
        return self.manifest.tables.get(table) if self.manifest else None

    def _current(self) -> Manifest:
        if self.manifest is None:
            raise StateError("nothing was computed here yet", where=self.location, hint="audiences run")
        return self.manifest
