"""Who exists: the rows of the profiles table, and the implicit profiles that events make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from audiences.events.calls import latest_traits, memberships
from audiences.events.identifiers import EXTERNAL_IDS, IDENTIFIERS, external_ids, owners
from audiences.events.instants import INSTANT
from audiences.events.profiles import PROFILES, ProfilesTable

UNIVERSE: Final = pl.Schema(
    {
        "id": pl.String(),
        "external_ids": EXTERNAL_IDS,
        "traits": pl.String(),
        "account_ids": pl.List(pl.String),
        "implicit": pl.Boolean(),
    }
)


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
    """``profiles`` (``UNIVERSE``, sorted by id); ``held`` (``IDENTIFIERS``): who holds what by the tables, also of
    profiles that are left out; ``conflicts``: identities on events that several profiles hold.
    """

    profiles: pl.DataFrame
    held: pl.DataFrame
    conflicts: int


def make_universe(table: ProfilesTable, seen: Seen, suppressed: pl.DataFrame) -> Universe:
    """All profiles of the table, and one for every identity on an event that none of them holds.

    An implicit profile's traits are those of its identify calls, its external ids those of its events; a
    profile of the table has what the table says. Account ids come from group calls where the table has
    none. Profiles that hold a suppressed identifier are left out, and so are their events.
    """
    from_events = _companion_identifiers(seen.companions, table.profiles.get_column("id"))
    held = pl.concat([table.identifiers, from_events])
    owned, conflicts = owners(seen.identities, held)
    implicit = owned.select(id=pl.col("profile").unique()).join(table.profiles, on="id", how="anti")
    identifiers = pl.concat([held, _own_identifiers(seen.identities, owned, implicit)])
    calls = seen.calls.join(owned, on="identity", how="left")
    profiles = pl.concat(
        [
            table.profiles.with_columns(implicit=pl.lit(False)),
            _implicit_profiles(implicit, calls),
        ]
    )
    profiles = profiles.join(_suppressed_profiles(suppressed, identifiers), on="id", how="anti")
    profiles = (
        profiles.join(external_ids(identifiers), on="id", how="left")
        .join(_accounts_of(calls), on="id", how="left")
        .with_columns(
            pl.col("external_ids").fill_null(pl.lit(pl.Series([[]], dtype=EXTERNAL_IDS))),
            account_ids=pl.coalesce("account_ids", "joined", pl.lit(pl.Series([[]], dtype=pl.List(pl.String)))),
        )
        .select(list(UNIVERSE))
        .sort("id")
    )
    return Universe(profiles, held, conflicts)


def _companion_identifiers(companions: pl.DataFrame, known: pl.Series) -> pl.DataFrame:
    """The ids on events that name their profile, for profiles that the table doesn't have."""
    rows = companions.filter(~pl.col("profile_id").is_in(known.implode()))
    parts = [
        rows.select("profile_id", type=pl.lit(name), value=pl.col(name), created_at=pl.col("first_seen"))
        for name in ("user_id", "anonymous_id")
    ]
    return pl.concat([IDENTIFIERS.to_frame(), *parts]).drop_nulls("value")


def _own_identifiers(identities: pl.DataFrame, owned: pl.DataFrame, implicit: pl.DataFrame) -> pl.DataFrame:
    """``user_id:17`` holds the user_id 17, since its first event."""
    parts = pl.col("identity").str.splitn(":", 2)
    return (
        identities.join(owned, on="identity")
        .join(implicit, left_on="profile", right_on="id", how="semi")
        .filter(pl.col("profile") == pl.col("identity"))
        .select(
            profile_id="profile",
            type=parts.struct.field("field_0"),
            value=parts.struct.field("field_1"),
            created_at=pl.col("first_seen").cast(INSTANT),
        )
    )


def _implicit_profiles(implicit: pl.DataFrame, calls: pl.DataFrame) -> pl.DataFrame:
    identifies = calls.filter(pl.col("type") == "identify").join(implicit, left_on="profile", right_on="id", how="semi")
    traits = latest_traits(identifies, "profile").rename({"profile": "id"})
    return implicit.join(traits, on="id", how="left").select(
        "id",
        pl.col("traits").fill_null("{}"),
        pl.lit(None, dtype=PROFILES["account_ids"]).alias("account_ids"),
        pl.lit(True).alias("implicit"),
    )


def _accounts_of(calls: pl.DataFrame) -> pl.DataFrame:
    joined = memberships(calls.filter(pl.col("type") == "group"))
    return joined.select(id="profile", joined="account_ids")


def _suppressed_profiles(suppressed: pl.DataFrame, identifiers: pl.DataFrame) -> pl.DataFrame:
    """Ids of the profiles that hold a suppressed identifier, or are named by their own id."""
    holders = identifiers.join(suppressed, on=["type", "value"], how="semi").select(id="profile_id")
    by_id = suppressed.filter(pl.col("type").is_in(["profile_id", "segment_id"])).select(id="value")
    return pl.concat([holders, by_id]).unique()
