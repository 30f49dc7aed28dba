"""Who exists: the rows of the profiles table, and the implicit profiles that events make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from audiences.events.calls import latest_traits, memberships
from audiences.events.instants import INSTANT
from audiences.events.owners import Everyone, Held, Owned, holders_of, owners
from audiences.events.people import ROWS_AT_ONCE, People, put_together
from audiences.events.profiles import ProfilesTable
from audiences.events.text_places import joined_by_text

FORMAT: Final = "1"
"""Changes whenever other profiles are made of the same inputs."""


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
    holders = holders_of(held)
    owned, conflicts = owners(seen.identities.get_column("identity"), held, holders)
    everyone = Everyone.of(held.table, owned)
    places = everyone.places(held.holders)
    owner = everyone.rows_of(owned, places)
    identifiers = _identifiers(held, seen.identities, owned, owner, everyone, places)
    named = pl.DataFrame({"identity": owned.identities, "profile": everyone.ids.gather(owner)})
    calls = seen.calls.join(named, on="identity", how="left") if seen.calls.height else _without_calls(seen.calls)
    left_out = _suppressed(suppressed, identifiers, everyone.ids)
    if left_out is not None:
        kept = pl.select(pl.when(~left_out).then((~left_out).cast(pl.UInt32).cum_sum() - 1)).to_series()
        everyone, owner = everyone.without(left_out), kept.gather(owner)
        identifiers = identifiers.with_columns(row=kept.gather(identifiers.get_column("row"))).drop_nulls("row")
    profiles = pl.DataFrame(
        {
            "id": everyone.ids,
            "account_ids": _account_ids(table, everyone, calls),
            "implicit": everyone.is_implicit,
            "anonymous": _anonymous(identifiers, len(everyone.ids)),
        }
    )
    known = profiles.select("id", "account_ids", "implicit", _traits(table, everyone, calls).alias("traits"))
    people = put_together(known, identifiers, most)
    profile = held.holders.gather(holders.get_column("holder")).alias("profile")
    who = holders.select("identity", profile, several=pl.col("number") > 1)
    return Universe(profiles, people, who, conflicts)


def _identifiers(
    held: Held,
    identities: pl.DataFrame,
    owned: Owned,
    owner: pl.Series,
    everyone: Everyone,
    places: pl.Series | None,
) -> pl.DataFrame:
    """All identifiers: ``row`` (UInt32) of their profile, ``type``, ``value``, ``created_at``.

    ``user_id:17`` holds the user_id 17, since its first event.
    """
    holder = held.identifiers.get_column("holder")
    row = (holder if places is None else places.gather(holder)).alias("row")
    found = held.identifiers.select("type", "value", "created_at", row)
    if row.null_count():
        found = found.filter(row.is_not_null())
    if everyone.others.is_empty():
        return found
    implicit = everyone.is_implicit.gather(owner)
    own = pl.DataFrame(
        {"identity": owned.identities, "row": owner, "created_at": identities.get_column("first_seen")}
    ).filter(implicit)
    own = own.filter(own.get_column("identity") == everyone.ids.gather(own.get_column("row")))
    parts = pl.col("identity").str.splitn(":", 2)
    made = own.select(
        parts.struct.field("field_0").cast(pl.Categorical()).alias("type"),
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
    identifies = calls.filter(pl.col("type") == "identify")
    implicit = everyone.others.to_frame("profile")
    said = latest_traits(identifies.join(implicit, on="profile", how="semi"), "profile")
    places = joined_by_text(everyone.others, said.get_column("profile"))
    return everyone.of_both(
        table.profiles.get_column("traits"), said.get_column("traits").gather(places).fill_null("{}")
    )


def _account_ids(table: ProfilesTable, everyone: Everyone, calls: pl.DataFrame) -> pl.Series:
    """Those of the table, else those of group calls."""
    joined = memberships(calls.filter(pl.col("type") == "group"))
    given = table.profiles.get_column("account_ids")
    if given.null_count():
        missing = given.is_null()
        called = _called(joined, everyone.table.filter(missing))
        places = pl.select(
            pl.when(missing)
            .then(missing.cast(pl.UInt32).cum_sum() - 1 + len(given))
            .otherwise(pl.int_range(len(given), dtype=pl.UInt32))
        ).to_series()
        given = pl.concat([given, called]).gather(places)
    return everyone.of_both(given, _called(joined, everyone.others))


def _called(joined: pl.DataFrame, ids: pl.Series) -> pl.Series:
    """The accounts of profiles by group calls; ``[]`` where there are none."""
    found = joined.get_column("account_ids").gather(joined_by_text(ids, joined.get_column("profile")))
    empty = pl.lit(pl.Series([[]], dtype=pl.List(pl.String)))
    return found.to_frame("it").select(pl.col("it").fill_null(empty)).to_series()


def _without_calls(calls: pl.DataFrame) -> pl.DataFrame:
    return calls.with_columns(profile=pl.lit(None, pl.String))


def _suppressed(suppressed: pl.DataFrame, identifiers: pl.DataFrame, ids: pl.Series) -> pl.Series | None:
    """Which profiles hold a suppressed identifier, or are named by their own id (Boolean); None: nobody."""
    if suppressed.is_empty():
        return None
    told = identifiers.filter(pl.col("value").is_in(suppressed.get_column("value").implode()))
    rows = told.cast({"type": pl.String}).join(suppressed, on=["type", "value"], how="semi").get_column("row")
    named = suppressed.filter(pl.col("type").is_in(["profile_id", "segment_id"])).get_column("value").unique()
    by_id = joined_by_text(named, ids).drop_nulls()
    both = pl.concat([rows, by_id]).unique()
    return pl.repeat(False, len(ids), dtype=pl.Boolean, eager=True).scatter(both, True) if len(both) else None
