"""Who holds which identifiers, who owns the rows of each identity, and therefore who there is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from audiences.events.identifiers import IDENTIFIERS
from audiences.events.profiles import ProfilesTable, inverse
from audiences.events.text_places import joined_by_text

GIVEN: Final = "profile_id:"
"""What identities begin with that name their profile."""


@dataclass(frozen=True, slots=True)
class Held:
    """Who holds which identifiers: ``identifiers`` (``type``, ``value``, ``created_at``) with ``holder`` (UInt32), the
    row of ``holders``, which are sorted ids: those of the ``table``, and of profiles that only events name.
    """

    identifiers: pl.DataFrame
    holders: pl.Series
    table: pl.Series

    @classmethod
    def of(cls, table: ProfilesTable, companions: pl.DataFrame) -> Held:
        """What the table says, and the ids on events that name their profile, for profiles that it doesn't have."""
        ids = table.profiles.get_column("id")
        held = table.identifiers.with_columns(table.holders.alias("holder"))
        others = _companion_identifiers(companions, ids)
        if others.is_empty():
            return cls(held, ids, ids)
        both = pl.concat([ids, others.get_column("profile_id").unique()])
        order = both.arg_sort()
        rows = inverse(order)
        named = pl.DataFrame({"profile_id": both.slice(len(ids)), "holder": rows.slice(len(ids))})
        others = others.join(named, on="profile_id", how="left", maintain_order="left")
        held = held.with_columns(holder=rows.gather(table.holders))
        return cls(
            pl.concat([held, others.select(pl.col(name).cast(dtype) for name, dtype in held.schema.items())]),
            both.gather(order),
            ids,
        )


@dataclass(frozen=True, slots=True)
class Owned:
    """Who owns the rows of each of the ``identities``: the ``holder`` (UInt32, null where nobody is), a row of
    ``holders``; else the profile whose id is the ``name`` (null where there is a holder).
    """

    identities: pl.Series
    holder: pl.Series
    name: pl.Series
    holders: pl.Series


def owners(identities: pl.Series, held: Held, known: pl.DataFrame) -> tuple[Owned, int]:
    """Who owns the rows of each identity, and how many identities several profiles hold.

    ``profile_id:p`` belongs to p. Another identity (``user_id:17``) belongs to the profile that holds it,
    the lowest profile id if there are several, else to the implicit profile of that name. ``known``: see
    ``holders_of``.
    """
    found = joined_by_text(identities, known.get_column("identity"))
    holder, number = (known.get_column(name).gather(found) for name in ("holder", "number"))
    frame = pl.DataFrame({"identity": identities, "holder": holder})
    is_given = pl.col("identity").str.starts_with(GIVEN)
    name = pl.when(is_given).then(pl.col("identity").str.strip_prefix(GIVEN)).otherwise("identity")
    frame = frame.select(
        pl.when(~is_given).then("holder").alias("holder"),
        pl.when(is_given | pl.col("holder").is_null()).then(name).alias("name"),
    )
    owned = Owned(identities, frame.get_column("holder"), frame.get_column("name"), held.holders)
    return owned, int((number > 1).sum())


def holders_of(held: Held) -> pl.DataFrame:
    """Identities that somebody holds: ``identity`` (each once), ``holder``, the first by id, and the ``number`` of
    them (UInt32).
    """
    named = held.identifiers.select("type", "value", "holder").filter(pl.col("type").is_in(["user_id", "anonymous_id"]))
    found = named.select("holder", identity=pl.concat_str(pl.col("type").cast(pl.String), pl.lit(":"), "value"))
    several = found.get_column("identity").hash().is_duplicated()
    once = found.filter(~several).select("identity", "holder", number=pl.lit(1, pl.UInt32))
    if not several.any():
        return once
    more = (
        found.filter(several)
        .group_by("identity")
        .agg(pl.col("holder").min(), number=pl.col("holder").n_unique().cast(pl.UInt32))
    )
    return pl.concat([once, more])


@dataclass(frozen=True, slots=True)
class Everyone:
    """All profiles: ``ids``, sorted. ``table`` has the ids of the table, ``others`` those of implicit profiles;
    ``order`` (UInt32) says which of both together each profile is, None: the same.
    """

    ids: pl.Series
    table: pl.Series
    others: pl.Series
    order: pl.Series | None

    @classmethod
    def of(cls, table: pl.Series, owned: Owned) -> Everyone:
        """The profiles of the table, and those that own an identity."""
        names = owned.name.drop_nulls().unique()
        if owned.holders is not table:
            names = pl.concat([names, owned.holders.gather(owned.holder.drop_nulls().unique())]).unique()
        others = names.filter(joined_by_text(names, table).is_null())
        if others.is_empty():
            return cls(table, table, others, None)
        both = pl.concat([table, others.sort()])
        order = None if both.is_sorted() else both.arg_sort()
        return cls(both if order is None else both.gather(order), table, both.slice(len(table)), order)

    @property
    def is_implicit(self) -> pl.Series:
        """Which profiles aren't in the table."""
        order = pl.int_range(len(self.ids), dtype=pl.UInt32, eager=True) if self.order is None else self.order
        return order >= len(self.table)

    def places(self, holders: pl.Series) -> pl.Series | None:
        """The row of each of the holders (UInt32), null if they own nothing; None: they are all, in their order."""
        if holders is not self.table:
            return joined_by_text(holders, self.ids)
        return None if self.order is None else inverse(self.order).head(len(holders))

    def rows_of(self, owned: Owned, places: pl.Series | None) -> pl.Series:
        """The row (UInt32) of the owner of each identity; ``places`` are those of the holders."""
        found = owned.holder if places is None else places.gather(owned.holder)
        named = owned.name.is_not_null()
        if not named.any():
            return found
        return found.scatter(named.arg_true(), joined_by_text(owned.name.filter(named), self.ids))

    def without(self, left_out: pl.Series) -> Everyone:
        """Some are left out (Boolean)."""
        order = pl.int_range(len(self.ids), dtype=pl.UInt32, eager=True) if self.order is None else self.order
        return Everyone(self.ids.filter(~left_out), self.table, self.others, order.filter(~left_out))

    def of_both(self, of_table: pl.Series, of_others: pl.Series) -> pl.Series:
        """A value for each profile, of those for the table and for the others."""
        both = of_table if of_others.is_empty() else pl.concat([of_table, of_others])
        return both if self.order is None else both.gather(self.order)


def _companion_identifiers(companions: pl.DataFrame, known: pl.Series) -> pl.DataFrame:
    """The ids on events that name their profile, for profiles that the table doesn't have."""
    if companions.is_empty():
        return IDENTIFIERS.to_frame()
    rows = companions.filter(joined_by_text(companions.get_column("profile_id"), known).is_null())
    parts = [
        rows.select("profile_id", type=pl.lit(name), value=pl.col(name), created_at=pl.col("first_seen"))
        for name in ("user_id", "anonymous_id")
    ]
    return pl.concat([IDENTIFIERS.to_frame(), *parts]).drop_nulls("value")
