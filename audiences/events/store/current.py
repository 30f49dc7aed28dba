"""The universe of a run: made from the tables, or what the run before kept and what is new since."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl

from audiences.events.instants import INSTANT
from audiences.events.profiles import ProfilesTable
from audiences.events.store.basis import Bases, Basis
from audiences.events.store.files import Files
from audiences.events.store.kept_universe import AWAY, PROFILES, KeptUniverse, write_base
from audiences.events.store.layout import placed, seen
from audiences.events.store.manifest import StoreManifest
from audiences.events.store.news import News, Since, compared, news
from audiences.events.text_places import joined_by_text
from audiences.events.universe import make_universe


@dataclass(frozen=True, slots=True)
class Before:
    """What the run before left: its basis, and where it lies."""

    bases: Bases
    basis: Basis

    @property
    def files(self) -> Files:
        """The files of its universe."""
        return self.bases.files()

    def universe(self) -> KeptUniverse:
        """The universe that it saw."""
        where = self.basis.universe
        return KeptUniverse.read(self.files, where.base, where.later, where.conflicts)


@dataclass(frozen=True, slots=True)
class Made:
    """Where a universe is written."""

    files: Files
    folder: str = "universe"


@dataclass(frozen=True, slots=True)
class Current:
    """The universe of this run; ``news`` against that of the run before, None where that isn't known."""

    kept: KeptUniverse
    news: News | None


def new_generations(manifest: StoreManifest, known: Mapping[str, str]) -> Collection[str] | None:
    """The generations whose files a run before didn't know; None where that can't be told.

    ``known`` are the versions of the files that it knew, by name.
    """
    now = {file.name: file.version for file in manifest.files}
    if any(now.get(name) != version for name, version in known.items()):
        return None
    old = {file.generation for file in manifest.files if file.name in known}
    new = {file.generation for file in manifest.files if file.name not in known}
    return None if old & new else new


def current_universe(
    files: Files,
    manifest: StoreManifest,
    as_of: datetime,
    *,
    profiles: Callable[[], ProfilesTable],
    suppressed: pl.DataFrame,
    before: Before | None,
    same_tables: bool,
    made: Made,
) -> Current:
    """Finds the universe as of an instant.

    ``profiles`` reads the table of profiles; ``same_tables``: it and the suppressed identifiers are what they were in
    the run ``before``. ``made`` says where a universe is written that has to be made.
    """
    new = None if before is None else new_generations(manifest, before.basis.files)
    if before is None or new is None or as_of < before.basis.as_of:
        return Current(_made(files, manifest, as_of, profiles(), suppressed, made)[0], None)
    since = Since(files, manifest, new, before.basis.as_of, as_of)
    kept = before.universe()
    if same_tables:
        found = news(since, kept, suppressed)
        if found is not None:
            return Current(_later(files, manifest, kept, found, new, before.basis), found)
    universe, identities = _made(files, manifest, as_of, profiles(), suppressed, made)
    return Current(universe, compared(since, kept, universe, identities))


def _made(
    files: Files,
    manifest: StoreManifest,
    as_of: datetime,
    table: ProfilesTable,
    suppressed: pl.DataFrame,
    made: Made,
) -> tuple[KeptUniverse, pl.Series]:
    """A new universe, and all identities that were seen."""
    everyone = seen(files, manifest, pl.lit(as_of).cast(INSTANT))
    universe = make_universe(table, everyone, suppressed)
    own = table.profiles.filter(pl.col("account_ids").is_not_null()).get_column("id")
    everyone_now = universe.profiles
    own_accounts = joined_by_text(everyone_now.get_column("id"), own).is_not_null()
    profiles = universe.people.scan().with_columns(
        everyone_now.get_column("anonymous"), own_accounts.alias("own_accounts")
    )
    write_base(made.files, made.folder, profiles, universe.holders)
    nobody = pl.Series("id", dtype=pl.String)
    kept = KeptUniverse(
        made.files, made.folder, PROFILES.to_frame(), nobody, nobody, AWAY.to_frame(), universe.conflicts
    )
    return placed(files, manifest, kept), everyone.identities.get_column("identity")


def _later(
    files: Files, manifest: StoreManifest, kept: KeptUniverse, found: News, new: Collection[str], basis: Basis
) -> KeptUniverse:
    """A universe after what is new."""
    replaced = pl.concat([found.changed.get_column("id"), found.gone])
    others = kept.changed.filter(~pl.col("id").is_in(replaced.implode()))
    changed = pl.concat([others, found.changed]).sort("id")
    gone = kept.gone.filter(~kept.gone.is_in(found.changed.get_column("id").implode()))
    gone = pl.concat([gone, found.gone]).unique().sort()
    later = replace(kept, changed=changed, gone=gone, moved=found.moved, conflicts=found.conflicts)
    names = {generation.name for generation in manifest.generations}
    return later if names - set(new) <= set(basis.generations) else placed(files, manifest, later)
