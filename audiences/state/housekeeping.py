"""Keeping the state small: old history is dropped, many small files become few."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from audiences.state import manifest as manifests
from audiences.state.manifest import Manifest
from audiences.state.storage import Storage
from audiences.state.tables import Table

SLACK: Final = timedelta(days=1)
"""Rows are dropped a day's worth at a time: dropping rewrites files."""

SMALL_FILES: Final = 100
"""From this many files on, the history is rewritten as few."""


@dataclass(frozen=True, slots=True)
class Old:
    """What of the history is to be dropped: the rows of all runs up to ``last``, if it isn't None.

    ``oldest`` is the as-of of the oldest row that stays, as far as known.
    """

    last: int | None
    oldest: datetime | None


def old_history(history: Table, base: int | None, *, cutoff: datetime, oldest: datetime | None) -> Old:
    """The changes before ``cutoff``, if there are enough of them; ``oldest`` is what is known of the oldest row."""
    if base is None or (oldest is not None and oldest >= cutoff - SLACK):
        return Old(None, oldest)
    rows = history.scan(base)
    before = pl.col("as_of") < cutoff
    found = rows.select(
        oldest=pl.col("as_of").min(),
        last=pl.col("run").filter(before).max(),
        left=pl.col("as_of").filter(~before).min(),
    )
    first, last, left = found.collect(engine="streaming").row(0)
    if first is None or first >= cutoff - SLACK:
        return Old(None, first)
    return Old(last, left)


def without_old(history: Table, base: int | None, old: Old) -> int | None:
    """Drops what is old, and makes few files of many small ones; the version to build on."""
    if base is None:
        return None
    if old.last is not None:
        base = history.drop_runs(old.last, base=base)
    return few_files(history, base)


def few_files(table: Table, base: int) -> int:
    """Makes few files of many small ones; the version to build on."""
    return table.compact(base=base, above=SMALL_FILES)


def drop_old_manifests(storage: Storage, newest: Manifest) -> None:
    """Removes the manifests of runs that can't be gone back to any more, oldest first."""
    for name in storage.list(manifests.FOLDER):
        path = f"{manifests.FOLDER}/{name}"
        match = manifests.FILE_NAME.fullmatch(name)
        if match is None:
            continue
        if int(match[1]) >= newest.run or newest.history_since is None:
            return
        if manifests.decode(storage.read(path), where=storage.uri(path)).as_of >= newest.history_since:
            return
        storage.delete(path)
