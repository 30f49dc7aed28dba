"""Keeping the state small: old history is dropped, many small files become few."""

from __future__ import annotations

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


def prepare_history(
    history: Table, base: int | None, *, cutoff: datetime, since: datetime | None
) -> tuple[int | None, datetime | None]:
    """Drops changes before ``cutoff`` and compacts; returns the version to build on and what history starts
    at.
    """
    if base is None:
        return None, since
    old = history.scan(base).filter(pl.col("as_of") < cutoff)
    oldest, last = old.select(pl.col("as_of").min(), pl.col("run").max()).collect().row(0)
    if oldest is not None and oldest < cutoff - SLACK:
        base, since = history.drop_runs(last, base=base), cutoff
    return history.compact(base=base, above=SMALL_FILES), since


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
