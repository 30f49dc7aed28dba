"""What a destination has acknowledged, kept apart from runs: it is a fact, whatever is computed later.

One Delta table per destination, one transaction per sync; the newest version is the truth. A sync adds the rows that it
delivered, and of the rows of one identifier the one of the latest sync is valid. Now and then, when many rows were
added, a computation's rows are written anew: without those that aren't valid, sorted by profile.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl
from deltalake.transaction import AddAction

from audiences.errors import StateError
from audiences.events.instants import INSTANT
from audiences.state.selections import Between, OneOf, Selection, ranges
from audiences.state.storage import Storage
from audiences.state.tables import Table, valid_key

ACKNOWLEDGED: Final[dict[str, pl.DataType]] = {
    "computation": pl.String(),
    "call": pl.String(),
    "identifier_type": pl.String(),
    "identifier_value": pl.String(),
    "profile_id": pl.String(),
    "value": pl.String(),
    "attempts": pl.Int64(),
    "as_of": INSTANT,
    "run": pl.Int64(),
    "message_id": pl.String(),
    "strategy": pl.String(),
    "sync": pl.Int64(),
}
"""Of each computation, call (identify, track, group) and identifier the row with the highest ``sync`` is valid.

``value`` is the JSON text that was acknowledged last: ``false`` for an exit, null for a cleared trait.
``attempts`` counts the messages made for the identifier. ``as_of`` and ``run`` are of the run that was delivered,
``message_id`` is null where nothing was sent (``first_sync: changes_only``), ``strategy`` is how the
profile's identifiers were chosen, ``sync`` the number of the sync.
"""

LAYOUT_1: Final = {name: dtype for name, dtype in ACKNOWLEDGED.items() if name != "sync"}
"""Before ``sync`` was kept there was one row per identifier. It is read as it is; what is recorded next adds it."""

IDENTIFIER: Final = ("identifier_type", "identifier_value")
ROW: Final = ("call", *IDENTIFIER)
"""What identifies a row within a computation."""

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
TIDY_EVERY: Final = 64  # syncs
ROWS_PER_FILE: Final = 262_144
FEW_ADDED: Final = 20_000
"""So many rows may have been added before all are written anew, or a tenth of all if that is more."""
MOST_FILES: Final = 200
ONE_IN: Final = 4_096  # of the ids, where it is only to be known where they would be cut


@dataclass(frozen=True, slots=True)
class Settled:
    """After a sync that delivered all there was to deliver: of which run, and what was counted then.

    ``run_id`` and ``configuration`` tell runs and configurations apart (see ``number_of``). With ``again``, what the
    sync recorded may make a difference to the next one. ``no_identifier`` and ``conflicts`` are those of all profiles.
    """

    run: int
    run_id: int
    configuration: int
    no_identifier: int
    conflicts: int
    again: bool

    def numbers(self, key: str) -> dict[str, int]:
        """What is stored of it for a computation."""
        return {f"{key}/{name}": int(getattr(self, name)) for name in _SETTLED}


_SETTLED: Final = ("run", "run_id", "configuration", "no_identifier", "conflicts", "again")


def number_of(text: str) -> int:
    """A number of 60 bits for a text."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:15], 16)


class Acknowledged:
    """The acknowledged values of one destination, as of when this was made; ``record`` adds to them."""

    def __init__(self, storage: Storage, destination: str) -> None:
        if NAME.fullmatch(destination) is None:
            raise StateError(
                f"{destination!r} can't be the name of a destination",
                where=storage.location,
                hint="use letters, digits, '_', '-' and '.', and begin with a letter or digit",
            )
        self.destination = destination
        self._storage = storage
        self._name = f"acknowledged/{destination}"
        self._table = Table(storage, self._name, ACKNOWLEDGED, partitioned=True)
        self._added: dict[str, tuple[int | None, pl.DataFrame]] = {}
        with storage.guarded("read"):
            self._version = self._table.latest()

    # ── reading ─────────────────────────────────────────────────────────────────────────────────────────────

    def rows(self, computation: str) -> pl.DataFrame:
        """The valid rows of a computation (see ``ACKNOWLEDGED``), sorted by call and identifier."""
        return self.about(computation, Between()).sort(*ROW)

    def about(self, computation: str, selection: Selection) -> pl.DataFrame:
        """The valid rows of a computation that are about some profiles, in no order."""
        chosen = selection.of("profile_id")
        with self._storage.guarded("read"):
            added = self._newest(computation)
            rows = self._scan(computation).filter(pl.col("sync") <= self._number(computation, "whole"), chosen)
            found = rows.collect().join(added.select(ROW), on=ROW, how="anti")
        return pl.concat([found, added.filter(chosen)])

    def touching(self, computation: str, profiles: pl.Series, identifiers: pl.DataFrame) -> pl.DataFrame:
        """All rows, valid or not, about some profiles (ids) or some ``identifiers`` (``type``, ``value``)."""
        values = identifiers.get_column("value").unique()
        about = OneOf(profiles).of("profile_id")
        with self._storage.guarded("read"):
            found = self._scan(computation).filter(about | OneOf(values).of("identifier_value")).collect()
        named = identifiers.select(identifier_type="type", identifier_value="value")
        of_those = found.join(named, on=IDENTIFIER, how="semi")
        others = found.filter(about).join(named, on=IDENTIFIER, how="anti")
        return pl.concat([of_those, others])

    def syncs(self, computation: str) -> int:
        """How many syncs of a computation were recorded; 0: it was never synced."""
        with self._storage.guarded("read"):
            return self._table.number(valid_key(computation), self._version)

    def settled(self, computation: str) -> Settled | None:
        """What is known of the last sync that delivered everything; None: nothing."""
        with self._storage.guarded("read"):
            run, run_id, configuration, no_identifier, conflicts, again = (
                self._number(computation, name) for name in _SETTLED
            )
        return Settled(run, run_id, configuration, no_identifier, conflicts, bool(again)) if run else None

    def of_last_sync(self, computation: str) -> pl.Series:
        """The ids of the profiles that the rows of the last sync are about."""
        last = pl.col("sync") == self.syncs(computation)
        with self._storage.guarded("read"):
            return self._scan(computation).filter(last).select(pl.col("profile_id").unique()).collect().to_series()

    # ── writing ─────────────────────────────────────────────────────────────────────────────────────────────

    def recording(self, computation: str, *, sync: int) -> Recording:
        """What takes the outcome of a sync; ``sync`` is its number, one more than ``syncs`` says."""
        return Recording(self, valid_key(computation), sync)

    def record(self, computation: str, rows: pl.DataFrame, *, sync: int, settled: Settled | None = None) -> None:
        """Stores the outcome of a sync in one transaction; see ``Recording``."""
        recording = self.recording(computation, sync=sync)
        recording.add(rows)
        recording.commit(settled)

    def note(self, settled: Mapping[str, Settled]) -> None:
        """Stores, by computation, that there is nothing to deliver."""
        numbers: dict[str, int] = {}
        for computation, what in settled.items():
            numbers |= what.numbers(valid_key(computation))
        self._store([], numbers)

    def tidy(self) -> None:
        """Removes files that earlier versions needed, now and then."""
        if self._version and self._version % TIDY_EVERY == 0:
            with self._storage.guarded("write"):
                self._version = self._table.tidy(base=self._version)

    def write(self, computation: str, rows: pl.DataFrame) -> AddAction | None:
        """Writes rows that don't count yet; None if there are none."""
        with self._storage.guarded("write"):
            self._keep_syncs()
            return self._table.write(rows, computation)

    def finish(self, computation: str, files: list[AddAction], rows: int, sync: int, settled: Settled | None) -> None:
        """Makes what was written count, all of it in one transaction."""
        numbers = {computation: sync, f"{computation}/run": 0}
        if self.syncs(computation) == 0:
            numbers |= {f"{computation}/whole": sync, f"{computation}/rows": rows}
        self._store(files, numbers | (settled.numbers(computation) if settled else {}))
        if self._many_added(computation, sync):
            self._write_anew(computation, sync)

    def _store(self, files: list[AddAction], numbers: dict[str, int], *replacing: str) -> None:
        with self._storage.guarded("write"):
            self._keep_syncs()
            self._version = self._table.add_files(files, base=self._version, numbers=numbers, replacing=replacing)

    def _many_added(self, computation: str, sync: int) -> bool:
        added = self._scan(computation).filter(pl.col("sync") > self._number(computation, "whole"))
        with self._storage.guarded("read"):
            rows = int(added.select(pl.len()).collect().item())
            few = max(FEW_ADDED, self._number(computation, "rows") // 10)
            return rows > few or (rows > 0 and sync - self._number(computation, "whole") > MOST_FILES)

    def _write_anew(self, computation: str, sync: int) -> None:
        """Only the valid rows stay; a range of profiles is in memory at a time."""
        files, rows = [], 0
        for part in ranges(self._edges(computation)):
            valid = self.about(computation, part).sort("profile_id", *ROW)
            rows += valid.height
            file = self.write(computation, valid)
            files += [file] if file is not None else []
        self._store(files, {f"{computation}/whole": sync, f"{computation}/rows": rows}, computation)

    def _edges(self, computation: str) -> list[str]:
        """Ids of profiles that cut the rows into parts of about ``ROWS_PER_FILE``."""
        some = pl.col("profile_id").hash() % ONE_IN == 0
        with self._storage.guarded("read"):
            found = self._scan(computation).select("profile_id").filter(some).collect().to_series().sort()
        edges: list[str] = (
            found.gather_every(ROWS_PER_FILE // ONE_IN, ROWS_PER_FILE // ONE_IN).unique().sort().to_list()
        )
        return edges

    # ── how ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _scan(self, computation: str) -> pl.LazyFrame:
        if not self._has_syncs():
            rows = Table(self._storage, self._name, LAYOUT_1, partitioned=True).scan(self._version, computation)
            return rows.with_columns(sync=pl.lit(0, dtype=pl.Int64))
        return self._table.scan(self._version, valid_key(computation))

    def _newest(self, computation: str) -> pl.DataFrame:
        """Of the rows that were added since all were written anew, the valid ones."""
        version, rows = self._added.get(computation, (None, None))
        if rows is None or version != self._version:
            added = self._scan(computation).filter(pl.col("sync") > self._number(computation, "whole"))
            rows = newest(added.collect())
            self._added[computation] = (self._version, rows)
        return rows

    def _number(self, computation: str, name: str) -> int:
        return self._table.number(f"{valid_key(computation)}/{name}", self._version)

    def _has_syncs(self) -> bool:
        return self._version is None or "sync" in self._table.columns(self._version)

    def _keep_syncs(self) -> None:
        """Writes a table of the first layout anew."""
        if self._has_syncs() or self._version is None:
            return
        older = Table(self._storage, self._name, LAYOUT_1, partitioned=True)
        keys = older.scan(self._version).select(pl.col("computation").unique().sort()).collect().to_series()
        parts = ((key, self._scan(key).collect().sort("profile_id", *ROW)) for key in keys)
        self._version = self._table.replace(parts, keys.to_list(), base=self._version)


class Recording:
    """Takes what a sync delivered (``add``); it counts when all of it is there (``commit``)."""

    def __init__(self, acknowledged: Acknowledged, computation: str, sync: int) -> None:
        self._acknowledged, self._computation, self._sync = acknowledged, computation, sync
        self._files: list[AddAction] = []
        self._waiting: list[pl.DataFrame] = []
        self.rows = 0

    def add(self, rows: pl.DataFrame) -> None:
        """Takes rows (the columns ``ACKNOWLEDGED``, but ``sync``), at most one per call and identifier in all."""
        numbered = rows.with_columns(sync=pl.lit(self._sync, dtype=pl.Int64))
        self._waiting.append(numbered.select(*ACKNOWLEDGED))
        self.rows += rows.height
        if sum(frame.height for frame in self._waiting) >= ROWS_PER_FILE:
            self._write()

    def commit(self, settled: Settled | None) -> None:
        """Stores all that was added, in one transaction.

        Raises:
            StateError: if it can't be written, or another process recorded something meanwhile.
        """
        self._write()
        self._acknowledged.finish(self._computation, self._files, self.rows, self._sync, settled)

    def _write(self) -> None:
        if not self._waiting:
            return
        file = self._acknowledged.write(self._computation, pl.concat(self._waiting))
        self._files += [file] if file is not None else []
        self._waiting.clear()


def newest(rows: pl.DataFrame) -> pl.DataFrame:
    """The valid ones of rows: those of the latest sync of each call and identifier."""
    return rows.sort("sync").unique(ROW, keep="last", maintain_order=True)
