"""What is new about profiles between two runs of the same tables, found in what is new in the store.

An event can make a profile, or make it older than it was thought; identify and group calls say its traits and accounts.
All that is looked at is what came since, what happened since, and the profiles that it is about.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from audiences.events.calls import latest_traits, memberships
from audiences.events.identifiers import EXTERNAL_IDS
from audiences.events.instants import INSTANT
from audiences.events.store.files import Files
from audiences.events.store.kept_universe import PROFILES, KeptUniverse, Owners
from audiences.events.store.manifest import Generation, StoreManifest

_OWN_IDS = ("user_id", "anonymous_id")


@dataclass(frozen=True, slots=True)
class News:
    """How a universe differs from the one before.

    ``changed`` (``PROFILES``, sorted by id) are those that are new or not what they were, ``gone`` the ids of those
    that are no longer there, ``before`` what both were (``PROFILES``). ``touched`` (ids, sorted) are all whose values
    may be others for another reason than the passing of time: these, and the owners of rows that came or went.
    """

    changed: pl.DataFrame
    gone: pl.Series
    before: pl.DataFrame
    touched: pl.Series
    moved: pl.Series
    conflicts: int


@dataclass(frozen=True, slots=True)
class Since:
    """What is compared: a store now, of which the ``new`` generations came since, and two instants (UTC)."""

    files: Files
    manifest: StoreManifest
    new: Collection[str]
    previous: datetime
    as_of: datetime

    def generations(self) -> Sequence[Generation]:
        """All of them, in order."""
        return self.manifest.generations

    def tables(self, table: str, instant: str) -> Iterator[pl.DataFrame]:
        """The rows of a table of each generation that are there now and weren't before."""
        before, now = (pl.lit(moment).cast(INSTANT) for moment in (self.previous, self.as_of))
        for generation in self.generations():
            is_new = pl.lit(generation.name in self.new)
            there = (pl.col(instant) < now) & (is_new | (pl.col(instant) >= before))
            yield self.files.mapped(f"{generation.name}/{table}").filter(there)


def news(since: Since, kept: KeptUniverse, suppressed: pl.DataFrame) -> News | None:
    """What is new; None where only the whole universe can tell.

    That is where events name profiles that the table doesn't have, whose identifiers are then on their events; and
    where copies count instead of rows of the store.
    """
    if any(generation.replaced for generation in since.generations()):
        return None
    seen = _seen(since)
    who = kept.owners(seen.get_column("identity"))
    if not _in_table(kept, who.profiles.filter(who.given)) or not _in_table(kept, _companions(since)):
        return None
    calls = pl.concat([rows.select("identity") for rows in since.tables("calls", "timestamp")])
    called = _called(kept, calls.get_column("identity").unique())
    rows = _implicit(kept, seen, who, suppressed)
    others = called.filter(~called.is_in(rows.get_column("id").implode()))
    rows = pl.concat([rows, kept.some(others)]).sort("id")
    rows = _as_called(since, kept, rows, called)
    before = kept.some(rows.get_column("id"))
    changed = _different(rows, before)
    came = _owners_of_new_rows(since, kept)
    alive = pl.concat([kept.some(came).get_column("id"), changed.get_column("id")]).unique().sort()
    return News(
        changed=changed,
        gone=pl.Series("id", dtype=pl.String),
        before=before.join(changed.select("id"), on="id", how="semi", maintain_order="left"),
        touched=alive,
        moved=pl.concat([kept.moved, came]).unique().sort(),
        conflicts=kept.conflicts + _new_conflicts(since, seen, who),
    )


def _seen(since: Since) -> pl.DataFrame:
    """``identity``, ``first_seen``: whom new events, and events that happened since, are of."""
    found = [rows.select("identity", "first_seen") for rows in since.tables("identities", "first_seen")]
    return pl.concat(found).group_by("identity").agg(pl.col("first_seen").min()).sort("identity")


def _companions(since: Since) -> pl.Series:
    """The ids of profiles that new events name."""
    found = pl.concat([rows.select("identity") for rows in since.tables("companions", "first_seen")])
    return found.get_column("identity").unique().str.strip_prefix("profile_id:")


def _in_table(kept: KeptUniverse, ids: pl.Series) -> bool:
    """Whether all of these profiles are rows of the table."""
    different = ids.unique()
    return int((~kept.some(different).get_column("implicit")).sum()) == len(different)


def _owners_of_new_rows(since: Since, kept: KeptUniverse) -> pl.Series:
    """Who owns the rows of new generations, whenever they happened (ids, each once)."""
    found = [
        since.files.mapped(f"{name}/identities").filter(pl.col("events") > 0).select("identity")
        for name in sorted(since.new)
    ]
    if not found:
        return pl.Series("id", dtype=pl.String)
    return kept.owners(pl.concat(found).get_column("identity").unique()).profiles.unique().alias("id")


def _owners_of_replaced(since: Since, kept: KeptUniverse) -> Iterator[pl.Series]:
    """Who owns rows that don't count any more because of new ones (ids)."""
    for generation in since.generations():
        if generation.name in since.new and generation.replaced:
            gone = since.files.mapped(f"{generation.name}/replaced").get_column("identity").unique()
            yield kept.owners(gone).profiles.alias("id")


def _implicit(kept: KeptUniverse, seen: pl.DataFrame, who: Owners, suppressed: pl.DataFrame) -> pl.DataFrame:
    """The profiles of identities that nobody holds (``PROFILES``), as events make them."""
    own = seen.filter(who.profiles == seen.get_column("identity"))
    known = kept.some(own.get_column("identity"))
    in_table = known.filter(~pl.col("implicit")).get_column("id")
    parts = pl.col("identity").str.splitn(":", 2)
    own = own.filter(~pl.col("identity").is_in(in_table.implode())).with_columns(
        type=parts.struct.field("field_0"), value=parts.struct.field("field_1")
    )
    own = own.join(suppressed, on=["type", "value"], how="anti")
    by_id = suppressed.filter(pl.col("type").is_in(["profile_id", "segment_id"])).get_column("value")
    own = own.filter(~pl.col("identity").is_in(by_id.implode()))
    first = pl.col("external_ids").list.first().struct.field("created_at")
    earlier = known.select("traits", "account_ids", identity="id", earlier=first)
    rows = own.join(earlier, on="identity", how="left", maintain_order="left")
    external_id = pl.struct("type", "value", created_at=pl.min_horizontal("first_seen", "earlier"))
    return rows.select(
        id="identity",
        external_ids=pl.concat_list(external_id).cast(EXTERNAL_IDS),
        traits=pl.col("traits").fill_null("{}"),
        account_ids=pl.coalesce("account_ids", pl.lit(pl.Series([[]], dtype=pl.List(pl.String)))),
        implicit=pl.lit(True),
        anonymous=pl.col("type") == "anonymous_id",
        own_accounts=pl.lit(False),
    ).cast(PROFILES)


# ── calls ───────────────────────────────────────────────────────────────────────────────────────────────────


def _called(kept: KeptUniverse, identities: pl.Series) -> pl.Series:
    """The profiles (ids, each once) that own some identities."""
    return kept.owners(identities).profiles.unique().alias("id")


def _as_called(since: Since, kept: KeptUniverse, rows: pl.DataFrame, called: pl.Series) -> pl.DataFrame:
    """The rows with the traits and accounts that calls say, of those who were called."""
    about = rows.filter(pl.col("id").is_in(called.implode()) & ~(pl.col("own_accounts") & ~pl.col("implicit")))
    if not about.height:
        return rows
    owned = _identities_of(kept, about)
    calls = _calls_of(since, owned)
    traits = latest_traits(calls.filter(pl.col("type") == "identify"), "profile").rename({"profile": "id"})
    accounts = memberships(calls.filter(pl.col("type") == "group")).rename({"profile": "id"})
    said = (
        about.select("id")
        .join(traits.rename({"traits": "said"}), on="id", how="left")
        .join(accounts.rename({"account_ids": "joined"}), on="id", how="left")
        .with_columns(called=pl.lit(True))
    )
    none = pl.lit(pl.Series([[]], dtype=pl.List(pl.String)))
    is_called = pl.col("called").fill_null(False)
    return (
        rows.join(said, on="id", how="left", maintain_order="left")
        .with_columns(
            traits=pl.when(is_called & pl.col("implicit")).then(pl.col("said").fill_null("{}")).otherwise("traits"),
            account_ids=pl.when(is_called & ~pl.col("own_accounts"))
            .then(pl.coalesce("joined", none))
            .otherwise("account_ids"),
        )
        .select(list(PROFILES))
    )


def _identities_of(kept: KeptUniverse, rows: pl.DataFrame) -> pl.DataFrame:
    """``identity``, ``profile``: all that some profiles own."""
    ids = (
        rows.select(
            "id",
            pl.col("external_ids").list.eval(
                pl.format("{}:{}", pl.element().struct.field("type"), pl.element().struct.field("value"))
            ),
        )
        .explode("external_ids", empty_as_null=False, keep_nulls=False)
        .select(profile="id", identity="external_ids")
    )
    starts = [pl.col("identity").str.starts_with(f"{name}:") for name in _OWN_IDS]
    held = ids.filter(pl.any_horizontal(starts))
    held = held.filter(kept.owners(held.get_column("identity")).profiles == held.get_column("profile"))
    given = rows.select(profile="id", identity=pl.format("profile_id:{}", "id"))
    return pl.concat([held, given]).select("identity", "profile").unique()


def _calls_of(since: Since, owned: pl.DataFrame) -> pl.DataFrame:
    """All calls before as-of of some identities, with their ``profile``."""
    now = pl.lit(since.as_of).cast(INSTANT)
    wanted = owned.get_column("identity")
    found = [
        since.files.mapped(f"{generation.name}/calls").filter(
            pl.col("identity").is_in(wanted.implode()) & (pl.col("timestamp") < now)
        )
        for generation in since.generations()
    ]
    return pl.concat(found).join(owned, on="identity", how="left")


# ── differences ─────────────────────────────────────────────────────────────────────────────────────────────


def _different(rows: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """The rows that are new, or not as they were before."""
    joined = rows.join(before.with_columns(there=pl.lit(True)), on="id", how="left", maintain_order="left")
    columns = [name for name in PROFILES if name != "id"]
    differs = [pl.col(name).ne_missing(pl.col(f"{name}_right")) for name in columns]
    is_new = pl.col("there").is_null()
    return rows.filter(joined.select(is_new | pl.any_horizontal(differs)).to_series())


def _new_conflicts(since: Since, seen: pl.DataFrame, who: Owners) -> int:
    """How many identities with several holders weren't seen before."""
    several = seen.filter(who.several).get_column("identity")
    if not len(several):
        return 0
    before = pl.lit(since.previous).cast(INSTANT)
    known = [
        since.files.mapped(f"{generation.name}/identities")
        .filter(pl.col("identity").is_in(several.implode()) & (pl.col("first_seen") < before))
        .select("identity")
        for generation in since.generations()
        if generation.name not in since.new
    ]
    return len(several) - pl.concat([pl.DataFrame(schema={"identity": pl.String}), *known]).n_unique()


def compared(since: Since, kept: KeptUniverse, now: KeptUniverse, identities: pl.Series) -> News:
    """What differs between two whole universes; ``identities`` are those of all rows that were ever accepted.

    ``now`` has nothing but a base, and who is moved there.
    """
    before, rows = kept.whole(), now.whole()
    changed = _different(rows, before)
    gone = before.join(rows.select("id"), on="id", how="anti", maintain_order="left").get_column("id")
    then, today = kept.owners(identities).profiles, now.owners(identities).profiles
    came = pl.concat(
        [_owners_of_new_rows(since, now), *_owners_of_replaced(since, kept), *_owners_of_replaced(since, now)]
    )
    touched = pl.concat([changed["id"], gone, came, then.filter(then != today), today.filter(then != today)])
    known = pl.concat([rows.get_column("id"), gone])
    return News(
        changed=changed,
        gone=gone,
        before=kept.some(pl.concat([changed.get_column("id"), gone])),
        touched=touched.unique().sort().to_frame("id").join(known.to_frame("id"), on="id", how="semi")["id"].sort(),
        moved=now.moved,
        conflicts=now.conflicts,
    )
