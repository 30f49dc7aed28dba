"""The Delta tables of a state: their columns, and the few ways in which they are read and written.

Every write names the version it builds on and is refused if another writer was there first, so a version,
once it is in a manifest, means the same for ever.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Final
from urllib.parse import unquote, urlsplit

import polars as pl
from deltalake import (
    CommitProperties,
    DeltaTable,
    PostCommitHookProperties,
    Transaction,
    WriterProperties,
    write_deltalake,
)
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from audiences.errors import StateError
from audiences.events.instants import INSTANT
from audiences.state.storage import Storage

EXTERNAL_ID: Final = pl.Struct({"type": pl.String(), "value": pl.String(), "created_at": INSTANT})

SNAPSHOTS: Final[dict[str, pl.DataType]] = {
    "computation": pl.String(),
    "id": pl.String(),
    "value": pl.String(),
    "as_of": INSTANT,
}
"""Current values: JSON text, and the as-of of the run in which the value became what it is."""

HISTORY: Final[dict[str, pl.DataType]] = {
    "computation": pl.String(),
    "id": pl.String(),
    "change": pl.String(),
    "value": pl.String(),
    "previous": pl.String(),
    "as_of": INSTANT,
    "run": pl.Int64(),
}
"""Every change of every computation, appended run by run."""

PROFILES: Final[dict[str, pl.DataType]] = {
    "id": pl.String(),
    "external_ids": pl.List(EXTERNAL_ID),
    "traits": pl.String(),
    "account_ids": pl.List(pl.String()),
}
"""The universe of the latest run: what exports and messages need to know of a profile. ``traits`` is JSON
text.
"""

ACCOUNTS: Final[dict[str, pl.DataType]] = {"id": pl.String(), "traits": pl.String()}
"""The accounts of the latest run that had account-level computations. ``traits`` is JSON text."""

COMPUTATION: Final = "computation"
"""The column that tables are partitioned by, where they are."""

KEY: Final = re.compile(r"[a-z][a-z0-9_]{0,254}")
ROWS_PER_GROUP: Final = 131_072  # small enough that a range of ids is read without the whole table
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

    def append(self, frame: pl.DataFrame, *, base: int | None) -> int:
        """Adds rows to a version; returns the new one."""
        return self._write(frame, base, mode="append")

    def overwrite(self, frame: pl.DataFrame, *, base: int | None) -> int:
        """Replaces all rows of a version; returns the new one."""
        return self._write(frame, base, mode="overwrite")

    def replace(
        self,
        frame: pl.DataFrame,
        keys: Collection[str],
        *,
        base: int | None,
        sync: tuple[str, int] | None = None,
    ) -> int:
        """Replaces the rows of some computations; returns the new version.

        ``sync`` is a name and a number that are stored in the same transaction (see ``sync_number``).
        """
        if base is None:
            return self._write(frame, base, mode="overwrite", sync=sync)
        return self._write(frame, base, mode="overwrite", predicate=_one_of(keys), sync=sync)

    def sync_number(self, name: str, version: int | None) -> int:
        """The number last stored under a name, as of a version; 0 if none was."""
        handle = None if version is None else self._open(version)
        return (handle.transaction_version(name) or 0) if handle is not None else 0

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
        frame: pl.DataFrame,
        base: int | None,
        *,
        mode: str,
        predicate: str | None = None,
        sync: tuple[str, int] | None = None,
    ) -> int:
        data = frame.select(pl.col(name).cast(dtype) for name, dtype in self.schema.items()).to_arrow()
        commit = CommitProperties(max_commit_retries=0, app_transactions=[Transaction(*sync)]) if sync else _COMMIT
        writer = WriterProperties(compression="ZSTD", max_row_group_size=ROWS_PER_GROUP)
        if base is None:
            self._refused_by_others(
                lambda: write_deltalake(
                    self.uri,
                    data,
                    mode="error",
                    partition_by=self.partition,
                    storage_options=self.storage.options or None,
                    commit_properties=commit,
                    post_commithook_properties=_AFTER_COMMIT,
                    writer_properties=writer,
                )
            )
            return 0
        handle = self._at(base)
        if mode == "append":
            self._refused_by_others(
                lambda: write_deltalake(
                    handle,
                    data,
                    mode="append",
                    commit_properties=commit,
                    post_commithook_properties=_AFTER_COMMIT,
                    writer_properties=writer,
                )
            )
        else:
            self._refused_by_others(
                lambda: write_deltalake(
                    handle,
                    data,
                    mode="overwrite",
                    predicate=predicate,
                    commit_properties=commit,
                    post_commithook_properties=_AFTER_COMMIT,
                    writer_properties=writer,
                )
            )
        return base + 1  # not handle.version(): that may already be another writer's

    def _scan_files(self, version: int, key: str | None) -> pl.LazyFrame:
        """Reads the files by their paths, which Delta gives as parts of a URL, with escapes.

        Polars' own reader of Delta tables doesn't find files below a folder whose name has a blank.
        """
        handle = self._at(version)
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


def _one_of(keys: Collection[str]) -> str:
    return f"{COMPUTATION} IN (" + ", ".join(f"'{valid_key(key)}'" for key in sorted(keys)) + ")"
