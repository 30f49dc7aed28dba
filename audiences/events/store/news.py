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
from audiences.events.store.replacing import calls_together, seen_together

_OWN_IDS = ("user_id", "anonymous_id")


@dataclass(frozen=True, slots=True)
class News:
    """How a universe differs from the one before.

    ``changed`` (``PROFILES``, sorted by id) are those that are new or not what they were, ``gone`` the ids of those
    that are no longer there, ``before`` what both were (``PROFILES``). ``touched`` (ids, sorted) are these, and those
    who own other rows than before, of any event; ``arrived`` says who owns new rows of which events: ``id``, ``event``.
    """

    changed: pl.DataFrame
    gone: pl.Series
    before: pl.DataFrame
    touched: pl.Series
    arrived: pl.DataFrame
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

    @property
    def was_replaced(self) -> bool:
        """Whether rows of some generation don't count any more."""
        return any(generation.replaced for generation in self.generations())

    def seen(self, identities: pl.Series, *, before: bool) -> pl.DataFrame:
        """``identity``, ``first_seen`` of those that are seen now, or were before."""
        known = [one for one in self.generations() if not before or one.name not in self.new]
        moment = pl.lit(self.previous if before else self.as_of).cast(INSTANT)
        found = seen_together(self.files, known, identities)
        return found.filter(pl.col("first_seen") < moment).select("identity", "first_seen")

    def tables(self, table: str, instant: str) -> Iterator[pl.DataFrame]:
        """The rows of a table of each generation that are there now and weren't before."""
        before, now = (pl.lit(moment).cast(INSTANT) for moment in (self.previous, self.as_of))
        for generation in self.generations():
            is_new = pl.lit(generation.name in self.new)
            there = (pl.col(instant) < now) & (is_new | (pl.col(instant) >= before))
            yield self.files.mapped(f"{generation.name}/{table}").filter(there)


def news(since: Since, kept: KeptUniverse, suppressed: pl.DataFrame) -> News | None:
    """What is new; None where only the whole universe can tell.

    That is where events name profiles that the table doesn't have, whose identifiers are then on their events.
    """
    replaced = _replaced(since)
    seen = _seen(since, replaced)
    who = kept.owners(seen.get_column("identity"))
    if not _in_table(kept, who.profiles.filter(who.given)) or not _in_table(kept, _companions(since)):
        return None
    calls = pl.concat([rows.get_column("identity") for rows in since.tables("calls", "timestamp")])
    called = kept.owners(pl.concat([calls, replaced]).unique()).profiles.unique().alias("id")
    rows, gone = _implicit(kept, seen if since.was_replaced else _earliest(kept, seen), who, suppressed)
    others = called.filter(~called.is_in(rows.get_column("id").implode()) & ~called.is_in(gone.implode()))
    rows = pl.concat([rows, kept.some(others)]).sort("id")
    rows = _as_called(since, kept, rows, called)
    before = kept.some(pl.concat([rows.get_column("id"), gone]))
    changed = _different(rows, before)
    gone = gone.filter(gone.is_in(before.get_column("id").implode()))
    arrived = _arrived(since, kept)
    touched = pl.concat([changed.get_column("id"), gone, *_owners_of_replaced(since, kept)])
    return News(
        changed=changed,
        gone=gone,
        before=before.filter(pl.col("id").is_in(pl.concat([changed.get_column("id"), gone]).implode())),
        touched=touched.unique().sort(),
        arrived=arrived,
        moved=pl.concat([kept.moved, arrived.get_column("id")]).unique().sort(),
        conflicts=kept.conflicts + _new_conflicts(since, seen, who),
    )


def _replaced(since: Since) -> pl.Series:
    """The identities of rows that don't count any more because of new ones."""
    found = [
        since.files.mapped(f"{generation.name}/replaced").get_column("identity")
        for generation in since.generations()
        if generation.name in since.new and generation.replaced
    ]
    return pl.concat([pl.Series("identity", dtype=pl.String), *found]).unique()


def _seen(since: Since, replaced: pl.Series) -> pl.DataFrame:
    """``identity``, ``first_seen``: whom new events, and events that happened since, are of; and those ``replaced``.

    ``first_seen`` is null where nobody is seen any more. Where nothing was ever replaced, somebody may have been seen
    earlier.
    """
    found = [rows.select("identity", "first_seen") for rows in since.tables("identities", "first_seen")]
    first = pl.concat(found).group_by("identity").agg(pl.col("first_seen").min())
    if not since.was_replaced:
        return first.sort("identity")
    identities = pl.concat([first.get_column("identity"), replaced]).unique().sort()
    seen = since.seen(identities, before=False)
    return identities.to_frame().join(seen, on="identity", how="left", maintain_order="left")


def _companions(since: Since) -> pl.Series:
    """The ids of profiles that new events name."""
    found = pl.concat([rows.select("identity") for rows in since.tables("companions", "first_seen")])
    return found.get_column("identity").unique().str.strip_prefix("profile_id:")


def _in_table(kept: KeptUniverse, ids: pl.Series) -> bool:
    """Whether all of these profiles are rows of the table."""
    different = ids.unique()
    return int((~kept.some(different).get_column("implicit")).sum()) == len(different)


def _arrived(since: Since, kept: KeptUniverse) -> pl.DataFrame:
    """Who owns rows of new generations, whenever they happened, and of which events: ``id``, ``event``."""
    names = pl.Series("event", since.manifest.coverage.events, dtype=pl.String)
    found = [pl.DataFrame(schema={"id": pl.String, "event": pl.String})]
    for generation in since.generations():
        if generation.name not in since.new:
            continue
        identities = since.files.mapped(f"{generation.name}/identities").get_column("identity")
        for number, bucket in enumerate(generation.buckets):
            if not bucket.rows:
                continue
            first = generation.offsets[number]
            rows = since.files.mapped(f"{generation.name}/bucket-{number:03}").select("event", "identity").unique()
            who = kept.owners(identities.gather(rows.get_column("identity") + first)).profiles.alias("id")
            found.append(pl.DataFrame([who, names.gather(rows.get_column("event"))]).unique())
    return pl.concat(found).unique().sort("id", "event")


def _owners_of_replaced(since: Since, kept: KeptUniverse) -> Iterator[pl.Series]:
    """Who owns rows that don't count any more because of new ones (ids)."""
    for generation in since.generations():
        if generation.name in since.new and generation.replaced:
            gone = since.files.mapped(f"{generation.name}/replaced").get_column("identity").unique()
            yield kept.owners(gone).profiles.alias("id")


def _earliest(kept: KeptUniverse, seen: pl.DataFrame) -> pl.DataFrame:
    """The same, with what is known of implicit profiles: when they were seen first before."""
    first = pl.col("external_ids").list.first().struct.field("created_at")
    known = kept.some(seen.get_column("identity")).filter("implicit").select(identity="id", earlier=first)
    both = seen.join(known, on="identity", how="left", maintain_order="left")
    return both.select("identity", first_seen=pl.min_horizontal("first_seen", "earlier"))


def _implicit(
    kept: KeptUniverse, seen: pl.DataFrame, who: Owners, suppressed: pl.DataFrame
) -> tuple[pl.DataFrame, pl.Series]:
    """The profiles of identities that nobody holds (``PROFILES``), as events make them; and the ids of those that no
    event makes any more.
    """
    own = seen.filter(who.profiles == seen.get_column("identity"))
    known = kept.some(own.get_column("identity"))
    in_table = known.filter(~pl.col("implicit")).get_column("id")
    parts = pl.col("identity").str.splitn(":", 2)
    own = own.filter(~pl.col("identity").is_in(in_table.implode())).with_columns(
        type=parts.struct.field("field_0"), value=parts.struct.field("field_1")
    )
    gone = own.filter(pl.col("first_seen").is_null()).get_column("identity").alias("id")
    own = own.drop_nulls("first_seen").join(suppressed, on=["type", "value"], how="anti")
    by_id = suppressed.filter(pl.col("type").is_in(["profile_id", "segment_id"])).get_column("value")
    own = own.filter(~pl.col("identity").is_in(by_id.implode()))
    rows = own.join(known.select("traits", "account_ids", identity="id"), on="identity", how="left")
    external_id = pl.struct("type", "value", created_at="first_seen")
    return rows.select(
        id="identity",
        external_ids=pl.concat_list(external_id).cast(EXTERNAL_IDS),
        traits=pl.col("traits").fill_null("{}"),
        account_ids=pl.coalesce("account_ids", pl.lit(pl.Series([[]], dtype=pl.List(pl.String)))),
        implicit=pl.lit(True),
        anonymous=pl.col("type") == "anonymous_id",
        own_accounts=pl.lit(False),
    ).cast(PROFILES), gone


# ── calls ───────────────────────────────────────────────────────────────────────────────────────────────────


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
    calls = calls_together(since.files, since.generations(), owned.get_column("identity"))
    return calls.filter(pl.col("timestamp") < pl.lit(since.as_of).cast(INSTANT)).join(owned, on="identity", how="left")


# ── differences ─────────────────────────────────────────────────────────────────────────────────────────────


def _different(rows: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """The rows that are new, or not as they were before."""
    joined = rows.join(before.with_columns(there=pl.lit(True)), on="id", how="left", maintain_order="left")
    columns = [name for name in PROFILES if name != "id"]
    differs = [pl.col(name).ne_missing(pl.col(f"{name}_right")) for name in columns]
    is_new = pl.col("there").is_null()
    return rows.filter(joined.select(is_new | pl.any_horizontal(differs)).to_series())


def _new_conflicts(since: Since, seen: pl.DataFrame, who: Owners) -> int:
    """How many more identities with several holders are seen than before."""
    several = seen.filter(who.several).get_column("identity")
    if not len(several):
        return 0
    return since.seen(several, before=False).height - since.seen(several, before=True).height


def compared(since: Since, kept: KeptUniverse, now: KeptUniverse, identities: pl.Series) -> News:
    """What differs between two whole universes; ``identities`` are those of all rows that were ever accepted.

    ``now`` has nothing but a base, and who is moved there.
    """
    before, rows = kept.whole(), now.whole()
    changed = _different(rows, before)
    gone = before.join(rows.select("id"), on="id", how="anti", maintain_order="left").get_column("id")
    then, today = kept.owners(identities).profiles, now.owners(identities).profiles
    replaced = [ids for universe in (kept, now) for ids in _owners_of_replaced(since, universe)]
    moved = [then.filter(then != today), today.filter(then != today)]
    touched = pl.concat([changed.get_column("id"), gone, *replaced, *(ids.alias("id") for ids in moved)])
    known = pl.concat([rows.get_column("id"), gone])
    return News(
        changed=changed,
        gone=gone,
        before=kept.some(pl.concat([changed.get_column("id"), gone])),
        touched=touched.unique().sort().to_frame("id").join(known.to_frame("id"), on="id", how="semi")["id"].sort(),
        arrived=_arrived(since, now),
        moved=now.moved,
        conflicts=now.conflicts,
    )
