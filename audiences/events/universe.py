"""Who exists: the rows of the profiles table, and the implicit profiles that events make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from audiences.events.calls import latest_traits, memberships
from audiences.events.identifiers import IDENTIFIERS
from audiences.events.instants import INSTANT
from audiences.events.people import ROWS_AT_ONCE, People, put_together
from audiences.events.profiles import ProfilesTable, inverse
from audiences.events.text_places import joined_by_text

GIVEN: Final = "profile_id:"


@dataclass(frozen=True, slots=True)
class Seen:
    """What the accepted events before as-of say about identities.

    - ``identities``: ``identity``, ``events`` (those that are needed), ``first_seen``;
    - ``companions``: ``profile_id``, ``user_id``, ``anonymous_id``, ``first_seen`` of rows with a profile id;
    - ``calls``: identify and group calls: ``identity``, ``type``, ``timestamp``, ``message_id``, ``content``,
      ``group_id``, ``traits``.
    """

    identities: pl.DataFrame
    companions: pl.DataFrame
    calls: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Universe:
    """``profiles``, sorted by id: ``id``, ``account_ids``, ``implicit``, and ``anonymous``: has an anonymous_id and no
    other identifier; ``people`` has everything that is known of them, in the same order.

    ``holders``: ``identity``, ``profile`` (id, also of profiles that are left out), ``several``: who holds what by the
    tables, and whether others do, too. ``conflicts``: identities on events that several profiles hold.
    """

    profiles: pl.DataFrame
    people: People
    holders: pl.DataFrame
    conflicts: int


def make_universe(table: ProfilesTable, seen: Seen, suppressed: pl.DataFrame, most: int = ROWS_AT_ONCE) -> Universe:
    """All profiles of the table, and one for every identity on an event that none of them holds.

    An implicit profile's traits are those of its identify calls, its external ids those of its events; a
    profile of the table has what the table says. Account ids come from group calls where the table has
    none. Profiles that hold a suppressed identifier are left out, and so are their events. ``most``: see
    ``put_together``.
    """
    held = Held.of(table, seen.companions)
    holders = _holders(held)
    owned, conflicts = owners(seen.identities.get_column("identity"), held, holders)
    everyone = Everyone.of(table, owned)
    owner = everyone.rows_of(owned)
    identifiers = _identifiers(held, seen.identities, owned, owner, everyone)
    named = pl.DataFrame({"identity": owned.identities, "profile": everyone.ids.gather(owner)})
    calls = seen.calls.join(named, on="identity", how="left") if seen.calls.height else _without_calls(seen.calls)
    left_out = _suppressed(suppressed, identifiers, everyone.ids)
    if left_out is not None:
        places = pl.select(pl.when(~left_out).then((~left_out).cast(pl.UInt32).cum_sum() - 1)).to_series()
        everyone, owner = everyone.without(left_out), places.gather(owner)
        identifiers = identifiers.with_columns(row=places.gather(identifiers.get_column("row"))).drop_nulls("row")
    profiles = pl.DataFrame(
        {
            "id": everyone.ids,
            "account_ids": _account_ids(table, everyone, calls),
            "implicit": everyone.is_implicit,
            "anonymous": _anonymous(identifiers, len(everyone.ids)),
        }
    )
    people = put_together(profiles.with_columns(traits=_traits(table, everyone, calls)), identifiers, most)
    profile = held.holders.gather(holders.get_column("holder")).alias("profile")
    who = holders.select("identity", profile, several=pl.col("number") > 1)
    return Universe(profiles, people, who, conflicts)


# ── who holds what, and who there is ────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Held:
    """Who holds which identifiers: ``identifiers`` (``type``, ``value``, ``created_at``) with ``holder`` (UInt32), the
    row of ``holders``, which are sorted ids: of the table, and of profiles that only events name. ``rows`` (UInt32):
    where those of the table are among them; None: at the same places.
    """

    identifiers: pl.DataFrame
    holders: pl.Series
    rows: pl.Series | None

    @classmethod
    def of(cls, table: ProfilesTable, companions: pl.DataFrame) -> Held:
        """What the table says, and the ids on events that name their profile, for profiles that it doesn't have."""
        ids = table.profiles.get_column("id")
        held = table.identifiers.with_columns(table.holders.alias("holder"))
        others = _companion_identifiers(companions, ids)
        if others.is_empty():
            return cls(held, ids, None)
        both = pl.concat([ids, others.get_column("profile_id").unique()])
        order = both.arg_sort()
        rows = inverse(order)
        named = pl.DataFrame({"profile_id": both.slice(len(ids)), "holder": rows.slice(len(ids))})
        others = others.join(named, on="profile_id", how="left", maintain_order="left")
        held = held.with_columns(holder=rows.gather(table.holders))
        return cls(pl.concat([held, others.select(held.columns)]), both.gather(order), rows.head(len(ids)))


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
    the lowest profile id if there are several, else to the implicit profile of that name. ``known``: see ``_holders``.
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


def _holders(held: Held) -> pl.DataFrame:
    """Identities that somebody holds: ``identity`` (each once), ``holder``, the first by id, and the ``number`` of
    them (UInt32).
    """
    named = held.identifiers.filter(pl.col("type").is_in(["user_id", "anonymous_id"]))
    found = named.select("holder", identity=pl.concat_str("type", pl.lit(":"), "value"))
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
    """All profiles: ``ids``, sorted, and whether each ``is_implicit``: not in the table. ``table_rows`` (UInt32): the
    row of the table, null for an implicit one; None: all are those of the table.
    """

    ids: pl.Series
    is_implicit: pl.Series
    table_rows: pl.Series | None

    @classmethod
    def of(cls, table: ProfilesTable, owned: Owned) -> Everyone:
        """The profiles of the table, and those that own an identity."""
        ids = table.profiles.get_column("id")
        holders = owned.holders.gather(owned.holder.drop_nulls().unique()) if len(owned.holders) > len(ids) else None
        names = owned.name.drop_nulls().unique()
        names = names if holders is None else pl.concat([names, holders]).unique()
        others = names.filter(joined_by_text(names, ids).is_null())
        if others.is_empty():
            return cls(ids, pl.repeat(False, len(ids), dtype=pl.Boolean, eager=True), None)
        both = pl.concat([ids, others])
        order = both.arg_sort()
        rows = pl.select(pl.when(order < len(ids)).then(order)).to_series().cast(pl.UInt32)
        return cls(both.gather(order), rows.is_null(), rows)

    def rows_of(self, owned: Owned) -> pl.Series:
        """The row (UInt32) of the owner of each identity."""
        rows = joined_by_text(owned.holders, self.ids) if owned.holders is not self.ids else None
        found = owned.holder if rows is None else rows.gather(owned.holder)
        named = owned.name.is_not_null()
        if not named.any():
            return found
        return found.scatter(named.arg_true(), joined_by_text(owned.name.filter(named), self.ids))

    def without(self, left_out: pl.Series) -> Everyone:
        """Some are left out (Boolean)."""
        rows = pl.int_range(len(self.ids), dtype=pl.UInt32, eager=True) if self.table_rows is None else self.table_rows
        return Everyone(self.ids.filter(~left_out), self.is_implicit.filter(~left_out), rows.filter(~left_out))

    def of_table(self, values: pl.Series) -> pl.Series:
        """A value for each row of the table as one for each profile; null for an implicit one."""
        return values if self.table_rows is None else values.gather(self.table_rows)


# ── what there is of them ───────────────────────────────────────────────────────────────────────────────────


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


def _identifiers(
    held: Held,
    identities: pl.DataFrame,
    owned: Owned,
    owner: pl.Series,
    everyone: Everyone,
) -> pl.DataFrame:
    """All identifiers: ``row`` (UInt32) of their profile, ``type``, ``value``, ``created_at``.

    ``user_id:17`` holds the user_id 17, since its first event.
    """
    rows = None if held.holders is everyone.ids else joined_by_text(held.holders, everyone.ids)
    holder = held.identifiers.get_column("holder")
    found = held.identifiers.select("type", "value", "created_at", row=holder if rows is None else rows.gather(holder))
    found = found.drop_nulls("row")
    if everyone.table_rows is None:
        return found
    implicit = everyone.is_implicit.gather(owner)
    own = pl.DataFrame(
        {"identity": owned.identities, "row": owner, "created_at": identities.get_column("first_seen")}
    ).filter(implicit)
    own = own.filter(own.get_column("identity") == everyone.ids.gather(own.get_column("row")))
    parts = pl.col("identity").str.splitn(":", 2)
    made = own.select(
        parts.struct.field("field_0").alias("type"),
        parts.struct.field("field_1").alias("value"),
        pl.col("created_at").cast(INSTANT),
        "row",
    )
    return pl.concat([found, made])


def _anonymous(identifiers: pl.DataFrame, height: int) -> pl.Series:
    """Which profiles have an anonymous_id and no other identifier."""
    row, anonymous = identifiers.get_column("row"), identifiers.get_column("type") == "anonymous_id"
    nobody = pl.repeat(False, height, dtype=pl.Boolean, eager=True)
    found = nobody.scatter(row.filter(anonymous).unique(), True)
    return found.scatter(row.filter(~anonymous).unique(), False)


def _traits(table: ProfilesTable, everyone: Everyone, calls: pl.DataFrame) -> pl.Series:
    traits = everyone.of_table(table.profiles.get_column("traits"))
    if everyone.table_rows is None:
        return traits
    identifies = calls.filter(pl.col("type") == "identify")
    implicit = everyone.ids.filter(everyone.is_implicit).to_frame("profile")
    said = latest_traits(identifies.join(implicit, on="profile", how="semi"), "profile")
    places = joined_by_text(said.get_column("profile"), everyone.ids)
    return traits.scatter(places, said.get_column("traits")).fill_null("{}")


def _account_ids(table: ProfilesTable, everyone: Everyone, calls: pl.DataFrame) -> pl.Series:
    given = everyone.of_table(table.profiles.get_column("account_ids"))
    if given.null_count():
        joined = memberships(calls.filter(pl.col("type") == "group"))
        places = joined_by_text(everyone.ids, joined.get_column("profile"))
        from_calls = joined.get_column("account_ids").gather(places)
        empty = pl.lit(pl.Series([[]], dtype=pl.List(pl.String)))
        return pl.select(pl.coalesce(given, from_calls, empty)).to_series()
    return given


def _without_calls(calls: pl.DataFrame) -> pl.DataFrame:
    return calls.with_columns(profile=pl.lit(None, pl.String))


def _suppressed(suppressed: pl.DataFrame, identifiers: pl.DataFrame, ids: pl.Series) -> pl.Series | None:
    """Which profiles hold a suppressed identifier, or are named by their own id (Boolean); None: nobody."""
    if suppressed.is_empty():
        return None
    rows = identifiers.join(suppressed, on=["type", "value"], how="semi").get_column("row")
    named = suppressed.filter(pl.col("type").is_in(["profile_id", "segment_id"])).get_column("value").unique()
    by_id = joined_by_text(named, ids).drop_nulls()
    both = pl.concat([rows, by_id]).unique()
    return pl.repeat(False, len(ids), dtype=pl.Boolean, eager=True).scatter(both, True) if len(both) else None
