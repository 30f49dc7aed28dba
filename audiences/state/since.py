"""What deliveries ask of a state or a draft, beyond what exports do: what changed since an earlier run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import polars as pl

from audiences.changes import CLEARED, EXITED
from audiences.definitions.computation import Kind
from audiences.state.source import Located, Source


@dataclass(frozen=True, slots=True)
class WrittenProfiles:
    """The universe as it was last written as a whole, in ``run``.

    ``rows``: ``id``, ``external_ids``, ``traits``, ``account_ids``, sorted by id. ``files`` are the names of the files
    that have them, and change whenever the rows do; empty: it isn't in files. ``folder`` is where what is derived from
    them is kept, by whoever may write it (``writable``); None: nowhere.
    """

    rows: pl.LazyFrame
    run: int
    files: tuple[str, ...] = ()
    folder: Path | None = None
    writable: bool = False


@dataclass(frozen=True, slots=True)
class ProfilesThen:
    """The profiles after an earlier run; the state at ``location`` had them ``written``, and ``changes`` to that."""

    location: str
    written: WrittenProfiles
    changes: pl.LazyFrame

    def written_profiles(self) -> WrittenProfiles:
        """All profiles, as of some run up to then."""
        return self.written

    def profile_changes(self) -> pl.LazyFrame:
        """The profiles that changed after it, up to then."""
        return self.changes

    def profiles_after(self, run: int) -> ProfilesThen | None:
        """None: this is long ago enough."""
        return None


class KnowingProfiles(Located, Protocol):
    """Whoever knows profiles and what changed of them."""

    def written_profiles(self) -> WrittenProfiles:
        """All profiles, as of some run up to now."""

    def profile_changes(self) -> pl.LazyFrame:
        """The profiles that changed after it; see ``tables.PROFILE_CHANGES``."""

    def profiles_after(self, run: int) -> ProfilesThen | None:
        """The profiles as they were after an earlier run; None if that isn't known. It may be too late to read them."""


class Changing(Source, KnowingProfiles, Protocol):
    """A source that knows what changed."""

    def run_id(self, run: int) -> str | None:
        """The id of a run; None if it isn't known any more, or the changes after it aren't."""

    def changes_since(self, key: str, run: int) -> pl.LazyFrame:
        """The changes of a computation after a run: ``id``, ``change``, ``value``, ``previous``, ``as_of``, ``run``.

        Those of its first run are never among them.
        """


def net(changes: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    """What several runs changed together: ``id``, ``value``, ``as_of`` and ``before``, one row per id, sorted by it.

    ``value`` is null where there is none now, ``before`` where there was none; ``as_of`` is that of the last change.
    """
    there = ~pl.col("change").is_in([EXITED, CLEARED])
    there_before = pl.col("previous") == "true" if kind is Kind.AUDIENCE else pl.col("previous").is_not_null()
    return (
        changes.with_columns(value=pl.when(there).then("value"), previous=pl.when(there_before).then("previous"))
        .sort("id", "run")
        .group_by("id", maintain_order=True)
        .agg(pl.col("value").last(), pl.col("as_of").last(), before=pl.col("previous").first())
    )


def departed(changes: pl.LazyFrame) -> pl.LazyFrame:
    """When ids last lost their value: ``id``, ``as_of``; the same as ``rewind.departures``, read when it is needed."""
    gone = pl.col("change").is_in([EXITED, CLEARED])
    return changes.filter(gone).group_by("id").agg(pl.col("as_of").max())
