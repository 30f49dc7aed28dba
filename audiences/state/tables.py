"""The Delta tables of a state: their columns, and the few ways in which they are read and written.

Every write names the version it builds on and is refused if another writer was there first, so a version,
once it is in a manifest, means the same for ever.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final, Literal
from urllib.parse import unquote, urlsplit

import polars as pl
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Schema, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, create_table_with_add_actions

from audiences.errors import StateError
from audiences.events.instants import INSTANT
from audiences.state.storage import Storage
from audiences.state.table_files import Frame, write_file

EXTERNAL_ID: Final = pl.Struct({"type": pl.String(), "value": pl.String(), "created_at": INSTANT})

SNAPSHOTS: Final[dict[str, pl.DataType]] = {
    "computation": pl.String(),
    "id": pl.String(),
    "value": pl.String(),
    "as_of": INSTANT,
}
"""Values of a computation after its ``checkpoint_run`` (see the run's manifest, ``manifests/<run>.json``).

``value`` is JSON text, ``as_of`` that of the run in which the value became what it is. The current values are these
rows and the rows of ``history`` that came later; where ``changes_since_checkpoint`` is 0, which it always is for a
small computation, they are these rows alone. In SQL, for a computation ``c`` with the checkpoint run ``r``:

    SELECT id, value, as_of FROM snapshots
    WHERE computation = 'c' AND id NOT IN (SELECT id FROM history WHERE computation = 'c' AND run > r)
    UNION ALL
    SELECT id, arg_max(value, run), arg_max(as_of, run) FROM history WHERE computation = 'c' AND run > r
    GROUP BY id HAVING arg_max(change, run) NOT IN ('exited', 'cleared')
"""

HISTORY: Final[dict[str, pl.DataType]] = {
    "computation": pl.String(),
    "id": pl.String(),
    "change": pl.String(),
    "value": pl.String(),
    "previous": pl.String(),
    "as_of": INSTANT,
    "run": pl.Int64(),
}
"""Every change of every computation, appended run by run, except those of a computation's first run.

There, every value is new: what was entered or set is the snapshot after ``first_run``. (A computation whose record
says ``first_in_history`` is older than this rule: its rows are there.)
"""

PROFILES: Final[dict[str, pl.DataType]] = {
    "id": pl.String(),
    "external_ids": pl.List(EXTERNAL_ID),
    "traits": pl.String(),
    "account_ids": pl.List(pl.String()),
}
"""The universe: what exports and messages need to know of a profile. ``traits`` is JSON text.

It is that of the manifest's ``profiles_run``. Where ``profile_changes_since`` isn't 0, the rows of ``profile_changes``
of later runs replace those of the same id.
"""

PROFILE_CHANGES: Final[dict[str, pl.DataType]] = {**PROFILES, "gone": pl.Boolean(), "run": pl.Int64()}
"""Profiles that were new or changed in a run; of those that were ``gone`` only the id."""

ACCOUNTS: Final[dict[str, pl.DataType]] = {"id": pl.String(), "traits": pl.String()}
"""The accounts of the latest run that had account-level computations. ``traits`` is JSON text."""

COMPUTATION: Final = "computation"
"""The column that tables are partitioned by, where they are."""

KEY: Final = re.compile(r"[a-z][a-z0-9_]{0,254}")
ALREADY_THERE: Final = "already exists"  # how a table that another writer made meanwhile is refused
HOURS_KEPT: Final = 6  # how long a reader of an older version may go on reading

_COMMIT: Final = CommitProperties(max_commit_retries=0)
# Old log entries are only removed when the newest version is one that a manifest names: see Table.tidy.
_AFTER_COMMIT: Final = PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False)


class Table:
    """One Delta table below a state location."""

    def __init__(
        self, storage: Storage, name: str, schema: dict[str, pl.DataType], *, partitioned: bool = False
    ) -> None:
        self.storage, self.name, self.schema = storage, name, schema
        self.partition = COMPUTATION if partitioned else None
        self.uri = storage.uri(name)
        self._opened: tuple[int, DeltaTable] | None = None

    def latest(self) -> int | None:
        """The newest version, whoever wrote it; None if there is no table."""
        handle = self._open(None)
        return None if handle is None else handle.version()

    def scan(self, version: int | None, key: str | None = None) -> pl.LazyFrame:
        """The table as of a version (None: without rows); with ``key``, the rows of that computation only."""
        columns = [pl.col(name).cast(dtype) for name, dtype in self.schema.items()]
        found = pl.LazyFrame(schema=self.schema) if version is None else self._scan_files(version, key)
        found = found.select(columns)
        return found if key is None else found.filter(pl.col(COMPUTATION) == valid_key(key))

    def recover(self, recorded: int | None) -> int | None:
        """Takes back what was written after the recorded version (None: anything), by runs that were killed.

        Returns the version to build on, whose rows are those of the recorded one; None if there is no table.

        Raises:
            StateError: if the recorded version is gone.
        """
        latest = self.latest()
        if latest is None and recorded is None:
            return None
        if latest is None or (recorded is not None and latest < recorded):
            raise StateError(
                f"the table '{self.name}' has lost what run manifests say it has (version {recorded})",
                where=self.storage.location,
                hint="restore the folder from a backup, or remove the whole state to start anew",
            )
        if recorded is None:
            return self.overwrite(pl.DataFrame(schema=self.schema), base=latest)
        if latest > recorded:
            handle = self._at(latest)
            self._refused_by_others(
                lambda: handle.restore(recorded, commit_properties=_COMMIT, post_commithook_properties=_AFTER_COMMIT)
            )
            return latest + 1
        return recorded

    def append(self, rows: Frame, *, base: int | None) -> int:
        """Adds rows to a version; returns the new one."""
        return self._write([("", rows)], base, mode="append")

    def write(self, rows: Frame, key: str = "") -> AddAction | None:
        """Writes rows (of a computation) as a file that is part of no version yet; None if there are none."""
        columns = {name: dtype for name, dtype in self.schema.items() if name != self.partition}
        return write_file(self.storage, self.name, rows, columns, self._partition(key))

    def add_files(
        self,
        files: Iterable[AddAction],
        *,
        base: int | None,
        numbers: Mapping[str, int],
        replacing: Collection[str] = (),
    ) -> int:
        """Adds files that were written to a version, in place of all rows of some computations; returns the new one.

        ``numbers``, by name, are stored in the same transaction (see ``number``).
        """
        mode: Literal["append", "overwrite"] = "overwrite" if replacing else "append"
        return self._commit(list(files), base, mode=mode, keys=replacing, numbers=numbers)

    def overwrite(self, rows: Frame, *, base: int | None) -> int:
        """Replaces all rows of a version; returns the new one."""
        return self._write([("", rows)], base, mode="overwrite")

    def replace(
        self,
        parts: Iterable[tuple[str, Frame]],
        keys: Collection[str],
        *,
        base: int | None,
    ) -> int:
        """Replaces the rows of some computations; returns the new version.

        ``parts`` are computations with all their rows, one after another.
        """
        return self._write(parts, base, mode="overwrite", keys=keys)

    def number(self, name: str, version: int | None) -> int:
        """The number last stored under a name, as of a version; 0 if none was."""
        return 0 if version is None else self._opened_at(version).transaction_version(name) or 0

    def columns(self, version: int) -> tuple[str, ...]:
        """The names of the columns that a version has."""
        return tuple(field.name for field in self._opened_at(version).schema().fields)

    def files(self, version: int) -> tuple[str, ...]:
        """The names of a version's files, sorted: another content has other names."""
        return tuple(sorted(uri.rsplit("/", 1)[-1] for uri in self._opened_at(version).file_uris()))

    def drop_runs(self, last: int, *, base: int) -> int:
        """Removes the rows of all runs up to ``last`` (a column ``run``); returns the new version."""
        handle = self._at(base)
        self._refused_by_others(
            lambda: handle.delete(
                f"run <= {last:d}",
                commit_properties=_COMMIT,
                post_commithook_properties=_AFTER_COMMIT,
            )
        )
        return handle.version()

    def compact(self, *, base: int, above: int) -> int:
        """Rewrites small files as large ones if a version has more than ``above``; returns the version."""
        handle = self._at(base)
        if len(handle.file_uris()) <= above:
            return base
        self._refused_by_others(
            lambda: handle.optimize.compact(commit_properties=_COMMIT, post_commithook_properties=_AFTER_COMMIT)
        )
        return handle.version()

    def tidy(self, *, base: int) -> int:
        """Removes files and log entries that no recent version needs; returns the version to build on.

        ``base`` must be the newest version and be in a manifest: nothing it needs is removed.
        """
        handle = self._at(base)
        self._refused_by_others(
            lambda: handle.vacuum(
                retention_hours=HOURS_KEPT,
                dry_run=False,
                enforce_retention_duration=False,
                full=True,
                keep_versions=[base],
                commit_properties=_COMMIT,
                post_commithook_properties=_AFTER_COMMIT,
            )
        )
        handle.cleanup_metadata()
        return handle.version()

    def _write(
        self,
        parts: Iterable[tuple[str, Frame]],
        base: int | None,
        *,
        mode: Literal["append", "overwrite"],
        keys: Collection[str] = (),
    ) -> int:
        """Writes the files first, each as its rows come, then the transaction that adds them."""
        written = (self.write(rows, key) for key, rows in parts)
        files = [file for file in written if file is not None]
        return self._commit(files, base, mode=mode, keys=keys, numbers={})

    def _commit(
        self,
        files: list[AddAction],
        base: int | None,
        *,
        mode: Literal["append", "overwrite"],
        keys: Collection[str] = (),
        numbers: Mapping[str, int],
    ) -> int:
        stored = [Transaction(name, number) for name, number in numbers.items()]
        commit = CommitProperties(max_commit_retries=0, app_transactions=stored) if stored else _COMMIT
        schema = Schema.from_arrow(pl.DataFrame(schema=self.schema).to_arrow().schema)
        partition = [self.partition] if self.partition else None
        if base is None:
            self._refused_by_others(
                lambda: create_table_with_add_actions(
                    self.uri,
                    schema,
                    files,
                    mode="error",
                    partition_by=partition,
                    storage_options=self.storage.options or None,
                    commit_properties=commit,
                    post_commithook_properties=_AFTER_COMMIT,
                )
            )
            return 0
        handle = self._at(base)
        filters = [(COMPUTATION, "in", [valid_key(key) for key in sorted(keys)])] if keys else None
        self._refused_by_others(
            lambda: handle.create_write_transaction(
                [*files],
                mode,
                schema,
                partition,
                partition_filters=filters,
                commit_properties=commit,
                post_commithook_properties=_AFTER_COMMIT,
            )
        )
        return base + 1  # not handle.version(): that may already be another writer's

    def _partition(self, key: str) -> dict[str, str]:
        return {self.partition: valid_key(key)} if self.partition and key else {}

    def _scan_files(self, version: int, key: str | None) -> pl.LazyFrame:
        """Reads the files by their paths, which Delta gives as parts of a URL, with escapes.

        Polars' own reader of Delta tables doesn't find files below a folder whose name has a blank.
        """
        handle = self._opened_at(version)
        root = handle.table_uri if self.storage.folder is None else urlsplit(handle.table_uri).path
        files: dict[str, list[str]] = {}
        for escaped in handle.file_uris():
            name = unquote(escaped.removeprefix(root)).removeprefix("/")
            value = name.split("/")[0].removeprefix(f"{COMPUTATION}=") if self.partition else ""
            if key is None or value in ("", key):
                files.setdefault(value, []).append(f"{self.uri}/{name}")
        parts = [
            pl.scan_parquet(
                paths, glob=False, hive_partitioning=False, storage_options=self.storage.options or None
            ).with_columns([pl.lit(value).alias(COMPUTATION)] if value else [])
            for value, paths in sorted(files.items())
        ]
        return pl.concat(parts) if parts else pl.LazyFrame(schema=self.schema)

    def _refused_by_others(self, write: Callable[[], object]) -> None:
        try:
            write()
        except CommitFailedError as error:
            raise another_run(self.storage.location) from error
        except DeltaError as error:
            if ALREADY_THERE in str(error):
                raise another_run(self.storage.location) from error
            raise

    def _open(self, version: int | None) -> DeltaTable | None:
        folder = self.storage.folder
        if folder is not None and not (folder / self.name / "_delta_log").exists():
            return None
        try:
            return DeltaTable(self.uri, version=version, storage_options=self.storage.options or None)
        except TableNotFoundError:
            return None

    def _at(self, version: int) -> DeltaTable:
        handle = self._open(version)
        if handle is None:
            raise StateError(f"the table '{self.name}' is gone", where=self.storage.location)
        return handle

    def _opened_at(self, version: int) -> DeltaTable:
        """A version for reading only. It stays open: computations are read one by one."""
        if self._opened is None or self._opened[0] != version:
            self._opened = (version, self._at(version))
        return self._opened[1]


def another_run(location: str) -> StateError:
    """The refusal of a run whose state was changed by another one meanwhile."""
    return StateError(
        "another run changed the state meanwhile, so this one was not kept",
        where=location,
        hint="run again when the other one is done",
    )


def valid_key(key: str) -> str:
    """The key, if it is one: only such text may become part of a predicate or a path.

    Raises:
        StateError: otherwise.
    """
    if KEY.fullmatch(key) is None:
        raise StateError(f"{key!r} is not the key of a computation")
    return key
