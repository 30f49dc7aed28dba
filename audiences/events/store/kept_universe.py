"""A universe in files: all profiles as of some run, sorted by id, and beside it what changed since.

Looking some profiles up, or who owns an identity, costs about as much as there is to look up.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import polars as pl

from audiences.events.people import UNIVERSE
from audiences.events.store.files import Files

PROFILES: Final = pl.Schema({**UNIVERSE, "anonymous": pl.Boolean(), "own_accounts": pl.Boolean()})
"""``UNIVERSE``; ``anonymous``: has an anonymous_id and no other identifier; ``own_accounts``: the accounts of a profile
are those of the table, group calls don't change them.
"""

HOLDERS: Final = pl.Schema(
    {"hash": pl.UInt64(), "identity": pl.String(), "profile": pl.String(), "several": pl.Boolean()}
)
"""Who holds an identity by the tables, sorted by hash; ``several``: other profiles hold it, too."""

AWAY: Final = pl.Schema(
    {
        "generation": pl.String(),
        "bucket": pl.UInt32(),
        "code": pl.UInt32(),
        "home": pl.String(),
        "owner": pl.String(),
    }
)
"""Identities with rows whose owner isn't their home: where they are in a generation of the store, and whose rows they
are; ``owner`` is null where nobody exists who owns them."""

_LATER: Final = ("changed", "gone", "moved", "away")
_SEED: Final = 31
_PROFILE: Final = "profile_id:"


@dataclass(frozen=True, slots=True)
class Owners:
    """``profiles`` (String) own some identities; ``several`` (Boolean): others hold them, too; ``given``: the identity
    names its profile.
    """

    profiles: pl.Series
    several: pl.Series
    given: pl.Series


@dataclass(frozen=True)
class KeptUniverse:
    """A universe. ``changed`` (``PROFILES``, sorted by id) and ``gone`` (ids) are against the ``base``.

    All ids are sorted. ``moved`` are those who own rows that aren't in their place; ``away``: see ``AWAY``.
    """

    files: Files
    base: str
    changed: pl.DataFrame
    gone: pl.Series
    moved: pl.Series
    away: pl.DataFrame
    conflicts: int = 0

    @classmethod
    def read(cls, files: Files, base: str, later: str, conflicts: int) -> KeptUniverse:
        """Opens what ``write_base`` and ``write_later`` wrote."""
        changed, gone, moved, away = (files.mapped(f"{later}/{name}") for name in _LATER)
        return cls(files, base, changed, gone.get_column("id"), moved.get_column("id"), away, conflicts)

    def write_later(self, folder: str) -> None:
        """Writes all but the base."""
        ids = [pl.DataFrame({"id": one}, schema={"id": pl.String}) for one in (self.gone, self.moved)]
        for name, frame in zip(_LATER, (self.changed, *ids, self.away), strict=True):
            self.files.write(f"{folder}/{name}", frame)

    # ── profiles ────────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def profiles(self) -> pl.DataFrame:
        """The profiles of the base, sorted by id."""
        return self.files.mapped(f"{self.base}/profiles")

    def some(self, ids: pl.Series) -> pl.DataFrame:
        """Those of some ids (String) that exist: ``PROFILES``, sorted by id, each once."""
        wanted = ids.unique().sort()
        later = found_among(self.changed, wanted)
        others = [later.get_column("id"), found_among(self.gone.to_frame("id"), wanted).get_column("id")]
        here = wanted.filter(~wanted.is_in(pl.concat(others).implode()))
        return pl.concat([found_among(self.profiles, here), later]).sort("id")

    def whole(self) -> pl.DataFrame:
        """All profiles: ``PROFILES``, sorted by id."""
        if not self.changed.height and not len(self.gone):
            return self.profiles
        others = pl.concat([self.changed.get_column("id"), self.gone])
        kept = self.profiles.filter(~pl.col("id").is_in(others.implode()))
        return kept.merge_sorted(self.changed, key="id")

    @property
    def height(self) -> int:
        """How many profiles there are."""
        replaced = found_among(self.profiles.select("id"), self.changed.get_column("id")).height
        return self.profiles.height - replaced - len(self.gone) + self.changed.height

    # ── identities ──────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def holders(self) -> pl.DataFrame:
        """Who holds what: ``HOLDERS``."""
        return self.files.mapped(f"{self.base}/holders")

    def owners(self, identities: pl.Series) -> Owners:
        """Who owns some identities (String), whether they exist or not."""
        frame = identities.alias("identity").to_frame().with_row_index("row")
        keys = identities.hash(seed=_SEED)
        hashes = self.holders.get_column("hash")
        first, end = hashes.search_sorted(keys, side="left"), hashes.search_sorted(keys, side="right")
        hits = frame.with_columns(at=pl.select(pl.int_ranges(first, end)).to_series()).filter(first < end).explode("at")
        held = self.holders.select(pl.col("identity", "profile", "several").gather(hits.get_column("at")))
        hits = hits.hstack(held.rename({"identity": "same"})).filter(pl.col("identity") == pl.col("same"))
        found = frame.join(hits.select("row", "profile", "several"), on="row", how="left", maintain_order="left")
        identity = pl.col("identity")
        given = identity.str.starts_with(_PROFILE)
        found = found.select(
            profile=pl.when(given)
            .then(identity.str.strip_prefix(_PROFILE))
            .otherwise(pl.coalesce("profile", identity)),
            several=~given & pl.col("several").fill_null(False),
            given=given,
        )
        return Owners(*found.get_columns())


def found_among(table: pl.DataFrame, ids: pl.Series) -> pl.DataFrame:
    """The rows of a table, sorted by ``id``, that have one of the ids (sorted, each once)."""
    if not table.height or not len(ids):
        return table.clear()
    places = table.get_column("id").search_sorted(ids)
    near = places.clip(upper_bound=table.height - 1)
    hits = near.filter(table.get_column("id").gather(near) == ids)
    return table.select(pl.all().gather(hits))


def write_base(files: Files, folder: str, profiles: pl.LazyFrame, holders: pl.DataFrame) -> None:
    """Writes a universe: ``profiles`` (``PROFILES``, sorted by id), and who ``holders`` are: all but their ``hash``."""
    files.sink(f"{folder}/profiles", profiles.select(list(PROFILES)))
    hashed = holders.with_columns(hash=holders.get_column("identity").hash(seed=_SEED))
    files.write(f"{folder}/holders", hashed.select(list(HOLDERS)).sort("hash", "identity"))
