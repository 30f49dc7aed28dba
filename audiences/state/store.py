"""The state of a space: read it as of its newest manifest, and commit a run to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta

import filelock
import polars as pl

from audiences.changes import SCHEMA as CHANGE_COLUMNS
from audiences.definitions.computation import Computation
from audiences.errors import Problem, StateError
from audiences.events.value_texts import instant_text
from audiences.snapshots import stored
from audiences.state import manifest as manifests
from audiences.state.acknowledged import Acknowledged
from audiences.state.decision import Decision, decide, reused
from audiences.state.draft import Draft, RunResult, stored_accounts, stored_profiles
from audiences.state.housekeeping import drop_old_manifests, prepare_history
from audiences.state.manifest import ComputationRecord, Manifest
from audiences.state.rewind import departures, rewind
from audiences.state.storage import Storage
from audiences.state.tables import ACCOUNTS, HISTORY, PROFILES, SNAPSHOTS, Table, another_run, valid_key

WAIT_SECONDS = 30.0
"""How long a run waits for another one on the same local state before it gives up."""

TIDY_EVERY = 16  # runs


class State:
    """A state location. Made by ``State.open``; reads what the newest manifest names, and nothing later."""

    def __init__(self, storage: Storage, *, writable: bool) -> None:
        self.location = storage.location
        self.manifest: Manifest | None = None
        self._storage = storage
        self._writable = writable
        self._snapshots = Table(storage, "snapshots", SNAPSHOTS, partitioned=True)
        self._history = Table(storage, "history", HISTORY)
        self._profiles = Table(storage, "profiles", PROFILES)
        self._accounts = Table(storage, "accounts", ACCOUNTS)
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
        with self._storage.guarded("read"):
            return self._snapshots.scan(self._version("snapshots"), valid_key(key)).select("id", "value", "as_of")

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
        later = self.history(key).filter(pl.col("run") > then.run)
        return rewind(self.snapshot(key), later, current.kind)

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
        """What a run (the newest, if not given) changed: ``id``, ``change``, ``value``, ``previous``."""
        number = self.run if run is None else run
        return self.history(key).filter(pl.col("run") == number).select(*CHANGE_COLUMNS)

    def history(self, key: str) -> pl.DataFrame:
        """All kept changes: ``id``, ``change``, ``value``, ``previous``, ``as_of``, ``run``."""
        with self._storage.guarded("read"):
            rows = self._history.scan(self._version("history"), valid_key(key))
            return rows.select(pl.exclude("computation")).collect().sort("run", "id")

    def departures(self, key: str) -> pl.DataFrame:
        """When ids last left the audience, or lost the trait's value: ``id``, ``as_of``."""
        return departures(self.history(key))

    def profiles(self) -> pl.LazyFrame:
        """The newest run's universe: ``id``, ``external_ids``, ``traits`` (JSON text), ``account_ids``."""
        with self._storage.guarded("read"):
            return self._profiles.scan(self._version("profiles"))

    def accounts(self) -> pl.LazyFrame:
        """The accounts of the newest run that had account-level computations: ``id``, ``traits`` (JSON text)."""
        with self._storage.guarded("read"):
            return self._accounts.scan(self._version("accounts"))

    def acknowledged(self, destination: str) -> Acknowledged:
        """What a destination has acknowledged, as of now."""
        return Acknowledged(self._storage, destination)

    def decide(self, *, as_of: datetime, definitions: Mapping[str, str], inputs: str) -> Decision:
        """What a run would mean here; see ``audiences.state.decide``."""
        return decide(self.manifest, as_of=as_of, definitions=definitions, inputs=inputs)

    def reused(self, computations: Iterable[Computation]) -> list[Problem]:
        """A problem for every key that was used for something else before; such computations can't be run."""
        return reused(self.manifest, computations)

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
            manifest = draft.manifest.model_copy(update=self._write_tables(draft, keep_history))
            if not self._storage.create_file(manifests.path_of(manifest.run), manifests.encode(manifest)):
                raise another_run(self.location)
            self.manifest = manifest
            if manifest.history_since is not None:
                drop_old_manifests(self._storage, manifest)
            return manifest

    def _write_tables(self, draft: Draft, keep_history: timedelta | None) -> dict[str, object]:
        """Writes what changed; returns the manifest's ``tables`` and ``history_since``."""
        recorded = dict(self.manifest.tables) if self.manifest else {}
        bases: dict[str, int | None] = {}
        for table in (self._snapshots, self._history, self._profiles, self._accounts):
            known = recorded.get(table.name)
            base = table.recover(known)
            untouched = base is not None and base == known
            tidy = untouched and draft.run % TIDY_EVERY == 0
            bases[table.name] = table.tidy(base=base) if tidy and base is not None else base
        since = draft.manifest.history_since
        if keep_history is not None:
            bases["history"], since = prepare_history(
                self._history, bases["history"], cutoff=draft.as_of - keep_history, since=since
            )
        versions = {
            "snapshots": self._write_snapshots(draft, bases["snapshots"]),
            "history": self._write_history(draft, bases["history"]),
            "profiles": self._write_profiles(draft, bases["profiles"]),
        }
        accounts = self._write_accounts(draft, bases["accounts"])
        if accounts is not None:
            versions["accounts"] = accounts
        return {"tables": versions, "history_since": since}

    def _write_snapshots(self, draft: Draft, base: int | None) -> int:
        rows, keys = draft.snapshot_rows()
        if base is not None and not keys:
            return base
        return self._snapshots.replace(rows, keys, base=base)

    def _write_history(self, draft: Draft, base: int | None) -> int:
        rows = draft.history_rows()
        if base is not None and rows.is_empty():
            return base
        return self._history.append(rows, base=base)

    def _write_profiles(self, draft: Draft, base: int | None) -> int:
        profiles = stored_profiles(draft.result.profiles)
        if base is not None and self._profiles.scan(base).collect().sort("id").equals(profiles):
            return base
        return self._profiles.overwrite(profiles, base=base)

    def _write_accounts(self, draft: Draft, base: int | None) -> int | None:
        """A state without account-level computations has no such table."""
        if draft.result.accounts is None:
            return base
        accounts = stored_accounts(draft.result.accounts)
        if base is not None and self._accounts.scan(base).collect().sort("id").equals(accounts):
            return base
        return self._accounts.overwrite(accounts, base=base)

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
