"""Writing a run's tables: only what it changed, computation by computation."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Final

import polars as pl

from audiences.state.checkpoints import depending, due, with_checkpoints
from audiences.state.draft import Draft, stored_accounts
from audiences.state.housekeeping import Old, few_files, old_history, without_old
from audiences.state.manifest import Manifest
from audiences.state.storage import Storage
from audiences.state.tables import ACCOUNTS, HISTORY, PROFILE_CHANGES, PROFILES, SNAPSHOTS, Table
from audiences.state.universe import LARGEST_SHARE, ProfileChanges, fingerprint

TIDY_EVERY: Final = 16  # runs


class Tables:
    """The tables of a state."""

    def __init__(self, storage: Storage) -> None:
        self.snapshots = Table(storage, "snapshots", SNAPSHOTS, partitioned=True)
        self.history = Table(storage, "history", HISTORY)
        self.profiles = Table(storage, "profiles", PROFILES)
        self.profile_changes = Table(storage, "profile_changes", PROFILE_CHANGES)
        self.accounts = Table(storage, "accounts", ACCOUNTS)

    def write(self, draft: Draft, recorded: Manifest | None, keep_history: timedelta | None) -> Manifest:
        """Writes what a draft changes, on top of what ``recorded`` names; the manifest that makes it visible.

        What a run that was killed left is taken back first.
        """
        bases = {table.name: self._base(table, draft, recorded) for table in self._all()}
        manifest = draft.manifest
        old = Old(None, manifest.history_oldest)
        if keep_history is not None:
            cutoff = draft.as_of - keep_history
            old = old_history(self.history, bases["history"], cutoff=cutoff, oldest=old.oldest)
            if old.last is not None:
                manifest = manifest.model_copy(update={"history_since": cutoff})
        anew = _written_anew(draft, old)
        versions = {
            "snapshots": self._write_snapshots(draft, anew, bases["snapshots"]),
            "history": self._write_history(draft, old, bases["history"]),
        }
        profiles = self._write_profiles(draft, bases)
        versions |= {name: base for name in ("profiles", "profile_changes") if (base := bases[name]) is not None}
        accounts = self._write_accounts(draft, bases["accounts"])
        if accounts is not None:
            versions["accounts"] = accounts
        return manifest.model_copy(
            update={
                "tables": versions,
                "computations": with_checkpoints(manifest, anew),
                "history_oldest": old.oldest,
                **profiles,
            }
        )

    def _all(self) -> tuple[Table, ...]:
        return self.snapshots, self.history, self.profiles, self.profile_changes, self.accounts

    def _base(self, table: Table, draft: Draft, recorded: Manifest | None) -> int | None:
        """The version to build on."""
        known = recorded.tables.get(table.name) if recorded else None
        base = table.recover(known)
        untouched = base is not None and base == known
        tidy = untouched and draft.run % TIDY_EVERY == 0
        return table.tidy(base=base) if tidy and base is not None else base

    def _write_snapshots(self, draft: Draft, anew: Collection[str], base: int | None) -> int:
        if base is not None and not anew:
            return base
        parts = ((key, draft.scan_snapshot(key).collect().sort("id")) for key in sorted(anew))
        return self.snapshots.replace(parts, anew, base=base)

    def _write_history(self, draft: Draft, old: Old, base: int | None) -> int:
        base = without_old(self.history, base, old)
        rows = draft.history_rows()
        if base is not None and rows is None:
            return base
        return self.history.append(pl.DataFrame(schema=HISTORY) if rows is None else rows, base=base)

    def _write_profiles(self, draft: Draft, bases: dict[str, int | None]) -> dict[str, object]:
        """Writes the universe, or what changed of it, if it changed; puts the new versions into ``bases``.

        Returns what the manifest says of it.
        """
        known, given, base = draft.manifest, draft.result.profiles, bases["profiles"]
        if isinstance(given, ProfileChanges) and base is not None:
            universe = draft.result.universe or (None if len(given) else known.universe)
            since = known.profile_changes_since + len(given)
            if not len(given):
                return {"universe": universe}
            if since * LARGEST_SHARE <= (known.profiles_size or 0):
                later = bases["profile_changes"]
                later = None if later is None else few_files(self.profile_changes, later)
                bases["profile_changes"] = self.profile_changes.append(given.rows(draft.run), base=later)
                return {"universe": universe, "profile_changes_since": since}
        else:
            universe = draft.result.universe or fingerprint(draft.profiles())
            if base is not None and universe == known.universe:
                return {}
        bases["profiles"] = self.profiles.overwrite(draft.profiles(), base=base)
        if known.profile_changes_since:
            nothing = pl.DataFrame(schema=PROFILE_CHANGES)
            bases["profile_changes"] = self.profile_changes.overwrite(nothing, base=bases["profile_changes"])
        size = int(self.profiles.scan(bases["profiles"]).select(pl.len()).collect().item())
        return {
            "universe": universe,
            "profiles_run": draft.run,
            "profile_changes_since": 0,
            "profiles_size": size,
        }

    def _write_accounts(self, draft: Draft, base: int | None) -> int | None:
        """A state without account-level computations has no such table."""
        if draft.result.accounts is None:
            return base
        accounts = stored_accounts(draft.result.accounts)
        if base is not None and self.accounts.scan(base).collect().sort("id").equals(accounts):
            return base
        return self.accounts.overwrite(accounts, base=base)


def _written_anew(draft: Draft, old: Old) -> set[str]:
    """The computations whose rows in ``snapshots`` the run writes."""
    records = draft.manifest.computations
    anew = draft.new | {key for key in draft.result.computed if due(records[key])}
    return anew if old.last is None else anew | depending(draft.manifest, old.last)
