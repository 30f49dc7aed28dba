"""The values that a run computes, written column by column as they come, and read one column at a time.

Results are derived: all that they say is in the state's tables, too. They are there because comparing typed columns,
and reading a few rows of each, takes a fraction of the time that the tables would.
"""

from __future__ import annotations

import shutil
import tempfile
import uuid
import weakref
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import polars as pl

from audiences.definitions.computation import Computation, Level
from audiences.state.columns import column_of, column_of_json
from audiences.state.sheets import Sheet, SheetWriter


class Results:
    """Takes what an engine computes (``limit``, ``add``), and has it as sheets after ``finish``.

    ``folder`` is where sheets are written, each in a folder of its own; None: a temporary folder, which is removed
    together with this object.
    """

    def __init__(self, computations: Iterable[Computation], folder: Path | None = None) -> None:
        self._computations = {item.key: item for item in computations}
        self.folder = temporary_folder(self) if folder is None else folder
        self.limits: dict[str, pl.Series] = {}
        self.sheets: dict[str, Sheet] = {}
        self._writers: dict[frozenset[str], SheetWriter] = {}

    def limit(self, keys: Iterable[str], ids: pl.Series) -> None:
        """Says, before anything is added, that some computations are computed anew for some ids (String) only.

        For all others they stay what they were. An id that nothing is added for is no longer there.
        """
        unique = ids.cast(pl.String).unique().sort()
        self.limits |= dict.fromkeys(keys, unique)

    def add(self, level: Level, ids: pl.Series, values: Mapping[str, pl.Series]) -> None:
        """Adds the values of some profiles (or accounts), of which every one comes once for each computation.

        ``ids`` String; ``values`` by key, one per id, null where there is none, in the types that ``column_of`` takes.
        """
        for keys in self._apart(values):
            columns = {key: column_of(values[key], self._computations[key].kind) for key in keys}
            self._writer(level, keys).add(ids, columns)

    def add_snapshots(self, level: Level, ids: pl.Series, snapshots: Mapping[str, pl.DataFrame]) -> None:
        """Adds stored snapshots (``id``, ``value`` JSON text), whose ids are among ``ids``."""
        everyone = pl.DataFrame({"id": ids})
        for keys in self._apart(snapshots):
            writer = self._writer(level, keys)
            writer.add_ids(ids)
            for key in sorted(keys):
                joined = everyone.join(snapshots[key], on="id", how="left", maintain_order="left")
                writer.add_column(key, column_of_json(joined.get_column("value"), self._computations[key]))
                writer.flush_column(key)

    def finish(self) -> None:
        """Writes what still waits. Afterwards ``sheets`` has the sheet of every computation."""
        missing = set(self._computations) - {key for keys in self._writers for key in keys}
        for key in sorted(missing):
            self._writer(self._computations[key].level, frozenset([key]))
        for keys, writer in self._writers.items():
            self._add_those_gone(keys, writer)
            self.sheets |= dict.fromkeys(keys, writer.finish())
        self._writers.clear()

    def discard(self) -> None:
        """Removes what was written: the run isn't kept."""
        folders = {sheet.folder for sheet in self.sheets.values()} | {made.folder for made in self._writers.values()}
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)

    def _apart(self, keys: Iterable[str]) -> Sequence[frozenset[str]]:
        """Computations with the same limits share a sheet."""
        groups: dict[int, set[str]] = {}
        for key in keys:
            groups.setdefault(id(self.limits.get(key)), set()).add(key)
        return [frozenset(group) for group in groups.values()]

    def _writer(self, level: Level, keys: frozenset[str]) -> SheetWriter:
        if keys not in self._writers:
            whole = not any(key in self.limits for key in keys)
            self._writers[keys] = SheetWriter(self.folder / uuid.uuid4().hex, level, keys, whole=whole)
        return self._writers[keys]

    def _add_those_gone(self, keys: frozenset[str], writer: SheetWriter) -> None:
        """Those that were to be computed and are no longer there get a row without values."""
        limit = next((self.limits[key] for key in keys if key in self.limits), None)
        if limit is None:
            return
        there = writer.finish().ids()
        writer.add_ids(limit.filter(~limit.is_in(there.implode())))


class Only:
    """Hands on the values of some computations, and drops those of others."""

    def __init__(self, results: Results, keys: frozenset[str]) -> None:
        self._results, self._keys = results, keys

    def add(self, level: Level, ids: pl.Series, values: Mapping[str, pl.Series]) -> None:
        """See ``Results.add``."""
        some = {key: column for key, column in values.items() if key in self._keys}
        if some:
            self._results.add(level, ids, some)


def temporary_folder(owner: object) -> Path:
    """A new folder that is removed when its owner is, or when the program ends."""
    folder = tempfile.mkdtemp(prefix="audiences-")
    weakref.finalize(owner, shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
