"""What is done about a store when a run is kept: it is put in order, and the next run is told what this one saw."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

import polars as pl

from audiences.events.store.account_tables import Accounts
from audiences.events.store.affected import accounts_of_news
from audiences.events.store.basis import Bases, Basis, KeptAccounts, KeptFiles, Touched
from audiences.events.store.compact import compact, gather
from audiences.events.store.current import Before, Current
from audiences.events.store.files import Files
from audiences.events.store.kept_universe import KeptUniverse
from audiences.events.store.layout import out_of_place, placed
from audiences.events.store.limits import Limits
from audiences.events.store.manifest import Counts, StoreManifest

_OUT_OF_PLACE: Final = 0.15  # of all rows
MOST_GENERATIONS: Final = 64
_LARGEST_SHARE: Final = 20
"""From a twentieth of the profiles changed on, they are written as a whole."""
_LONGEST: Final = 1_000
"""So many runs are remembered: a computation that is run less often is computed as a whole."""


@dataclass(frozen=True)
class Keeper:
    """Keeps what a run saw. ``profiles`` and ``rejects`` are of the table of profiles and its suppressed ids."""

    folder: Path
    files: Files
    manifest: StoreManifest
    current: Current
    before: Before | None
    accounts: Accounts
    as_of: datetime
    profiles: str
    rejects: Counts
    limits: Limits

    def keep(self, run: int, run_id: str) -> None:
        """Writes the basis of a run that is about to become visible."""
        bases = Bases(self.folder)
        manifest, kept = self._in_order()
        kept = self._rewritten(kept)
        later, touched = bases.new_folder(), bases.new_folder()
        kept.write_later(later)
        news = self.current.news
        earlier: tuple[Touched, ...] = ()
        if self.before is not None and news is not None:
            earlier = (*self.before.basis.touched[1 - _LONGEST :], Touched(run=run, folder=touched))
            changes = self.accounts.changes if self.accounts.were_read else None
            moved = [accounts_of_news(news), *([] if changes is None else [changes.alias("id")])]
            kept.files.write(f"{touched}/profiles", news.touched.to_frame("id"))
            kept.files.write(f"{touched}/arrived", news.arrived)
            kept.files.write(f"{touched}/accounts", pl.concat(moved).unique().sort().to_frame("id"))
        bases.save(
            Basis(
                run=run,
                run_id=run_id,
                as_of=self.as_of,
                files={file.name: file.version for file in manifest.files},
                generations=tuple(generation.name for generation in manifest.generations),
                profiles=self.profiles,
                rejects=self.rejects,
                universe=KeptFiles(base=kept.base, later=later, conflicts=kept.conflicts),
                accounts=self._kept_accounts(bases, kept.files, run),
                touched=earlier,
            )
        )

    def clean(self, run_id: str) -> None:
        """Removes what a run that is visible now doesn't need."""
        bases = Bases(self.folder)
        basis = bases.load(run_id)
        if basis is not None:
            bases.clean(basis)

    def _in_order(self) -> tuple[StoreManifest, KeptUniverse]:
        """The store put in order, if so much is out of place that this costs less than reading it as it is."""
        manifest, kept = self.manifest, self.current.kept
        rows = sum(generation.rows for generation in manifest.generations)
        scattered = out_of_place(manifest, kept) > max(_OUT_OF_PLACE * rows, self.limits.rows_in_bucket / 10)
        many = len(manifest.later) > MOST_GENERATIONS
        if scattered or (many and any(one.replaced for one in manifest.later)):
            manifest = compact(self.files, self.folder, manifest, kept, self.limits)
        elif many:
            manifest = gather(self.files, self.folder, manifest, kept, self.limits)
        return manifest, kept if manifest is self.manifest else placed(self.files, manifest, kept)

    def _rewritten(self, kept: KeptUniverse) -> KeptUniverse:
        """The universe with a base of its own where much has changed since that was written."""
        if (kept.changed.height + len(kept.gone)) * _LARGEST_SHARE <= kept.profiles.height:
            return kept
        folder = Bases.new_folder()
        kept.files.write(f"{folder}/profiles", kept.whole())
        kept.files.write(f"{folder}/holders", kept.holders)
        return replace(kept, base=folder, changed=kept.changed.clear(), gone=kept.gone.clear())

    def _kept_accounts(self, bases: Bases, files: Files, run: int) -> KeptAccounts | None:
        known = self.before.basis.accounts if self.before and self.current.news else None
        if not self.accounts.were_read:
            return known
        changes = self.accounts.changes
        if known is not None and changes is not None and not len(changes):
            return known.model_copy(update={"run": run, "table": self.accounts.table, "rejects": self.accounts.counts})
        folder = bases.new_folder()
        files.write(f"{folder}/accounts", self.accounts.rows)
        return KeptAccounts(run=run, folder=folder, table=self.accounts.table, rejects=self.accounts.counts)
