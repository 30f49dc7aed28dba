"""Opening the inputs of a run: paths from ``space.yml``, or Polars frames."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

from audiences.definitions.computation import InputPaths
from audiences.errors import InputError
from audiences.events.catalogue import Asked, Catalogue, needs_of, read_catalogue
from audiences.events.lake import lake_tables
from audiences.events.needs import EventNeeds
from audiences.events.rejects import Reason, Rejects, Sample
from audiences.events.store.inputs import StoredInputs
from audiences.events.store.limits import Limits
from audiences.events.store.manifest import Counts, known_versions
from audiences.events.store.prepare import Place, Progress, Tables, ingest, prepare
from audiences.events.tables import InputFrames, ParquetTable, Table, open_tables

_SOURCES = ("events", "profiles", "accounts", "suppressed")


class Inputs:
    """The inputs, found but not read yet."""

    def __init__(self, sources: InputPaths | InputFrames, *, skip_unreadable: bool = False) -> None:
        self._tables = {name: open_tables(getattr(sources, name), name) for name in _SOURCES}
        self._has_accounts = sources.accounts is not None
        self._max_clock_skew = sources.max_clock_skew if isinstance(sources, InputPaths) else None
        self._skip_unreadable = skip_unreadable

    def fingerprint(self) -> str:
        """A digest (64 hex digits) of what the inputs are now: names, sizes, times and footers of all files.

        Names are relative to the source, so a project that moves keeps its fingerprint. Raises
        ``InputError`` for a file that is no Parquet.
        """
        digest = hashlib.sha256()
        for name, tables in self._tables.items():
            for table in tables:
                digest.update(f"{name}\0{self._fingerprint(table)}\n".encode())
        return digest.hexdigest()

    def _fingerprint(self, table: Table) -> str:
        try:
            return table.fingerprint()
        except InputError as error:
            if self._skip_unreadable:
                return f"unreadable\0{error}"
            raise

    def prepare(
        self,
        needs: EventNeeds,
        *,
        as_of: datetime,
        progress: Progress | None = None,
        limits: Limits | None = None,
        store: Place | None = None,
    ) -> StoredInputs:
        """Everything as of an instant (without a zone it is UTC).

        With a ``store``, only files that are new are read; without one, all of them are, each time. Use the result in a
        ``with`` statement: many events are put into a temporary folder. ``progress``
        is called with rows done and rows in all. Raises ``InputError`` for a file that can't be read (with
        ``skip_unreadable`` an event file is counted as rejected instead), and for tables without the
        columns that are required; and as ``lake.lake_tables`` does for names in a data lake.
        """
        rejects = Rejects()
        tables = self._readable(rejects, store)
        return prepare(tables, needs, _instant(as_of), rejects, progress=progress, limits=limits, place=store)

    def ingest(
        self, needs: EventNeeds, *, as_of: datetime, store: Place, progress: Progress | None = None
    ) -> tuple[Counts, str] | None:
        """Reads what is new into a store, and nothing else: what it holds then, and a sentence about it, where somebody
        may wonder. None where there can be no store.

        Raises as ``prepare`` does.
        """
        found = ingest(self._readable(Rejects(), store), needs, _instant(as_of), progress, store)
        return None if found is None else (found[0].counts, found[1])

    def _readable(self, rejects: Rejects, store: Place | None) -> Tables:
        """The tables; with ``skip_unreadable`` without those that can't be read, which are counted."""
        events: Sequence[Table] = self._tables["events"]
        if self._skip_unreadable:
            known = known_versions(store.folder) if store else frozenset()
            events = [table for table in events if _is_known(table, known) or _is_readable(table, rejects)]
        return Tables(
            events,
            self._tables["profiles"],
            self._tables["accounts"] if self._has_accounts else None,
            self._tables["suppressed"],
            self._max_clock_skew,
        )

    def catalogue(self, asked: Asked, *, progress: Progress | None = None) -> Catalogue:
        """Which of the events and fields that are asked about are in the inputs, whenever they happened.

        One pass, in little memory. Raises as ``prepare`` does.
        """
        events = lake_tables(self._tables["events"], needs_of(asked), datetime.max.replace(tzinfo=UTC))
        return read_catalogue(events, self._tables["profiles"], self._tables["accounts"], asked, progress)


def _instant(as_of: datetime) -> datetime:
    return as_of.astimezone(UTC) if as_of.tzinfo else as_of.replace(tzinfo=UTC)


def _is_known(table: Table, known: frozenset[str]) -> bool:
    try:
        return bool(known) and isinstance(table, ParquetTable) and table.fingerprint() in known
    except InputError:
        return False


def _is_readable(table: Table, rejects: Rejects) -> bool:
    """Read a table once for nothing: what fails in its middle must not have given rows before."""
    try:
        for _ in table.batches(table.schema.names()):
            pass
    except InputError as error:
        rejects.count(Reason.UNREADABLE_FILE, 1)
        rejects.sample(Sample(Reason.UNREADABLE_FILE.value, table.path, excerpt=error.what))
        return False
    return True


def open_inputs(sources: InputPaths | InputFrames, *, skip_unreadable: bool = False) -> Inputs:
    """Find the inputs. ``InputFrames`` takes Polars frames and paths alike, the same code underneath.

    Raises ``InputError`` where a source is missing, empty or not permitted.
    """
    return Inputs(sources, skip_unreadable=skip_unreadable)
