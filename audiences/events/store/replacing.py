"""Rows of a store that don't count any more, because a copy that was read later does.

They stay in their files until all is written anew. The generation that replaces them has three more tables:
``replaced`` says which rows they are; ``amended`` and ``amended-companions`` what the generations before it say
together about the identities of these rows, now that they are gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import polars as pl

from audiences.events.instants import INSTANT
from audiences.events.store.deciding import Decided, Stored
from audiences.events.store.files import Files
from audiences.events.store.homes import is_profile
from audiences.events.store.manifest import Generation
from audiences.events.store.message_ids import hashed_ids, stored_places

REPLACED: Final = pl.Schema(
    {
        "message_id": pl.String(),
        "identity": pl.String(),
        "generation": pl.String(),
        "bucket": pl.UInt32(),
        "row": pl.UInt32(),
    }
)
"""``row`` is the row of the bucket's file; it, the bucket and the generation are null where there is none, because
nothing needs the event.
"""

COMPANIONS: Final = pl.Schema(
    {"identity": pl.String(), "user_id": pl.String(), "anonymous_id": pl.String(), "first_seen": INSTANT}
)
SEEN: Final = pl.Schema({"identity": pl.String(), "events": pl.UInt32(), "first_seen": INSTANT})
"""``first_seen`` is null in ``amended`` where an identity has no row any more."""

_KEY: Final = ("identity", "user_id", "anonymous_id")


# ── what the generations say together ───────────────────────────────────────────────────────────────────────


def seen_together(files: Files, generations: Sequence[Generation], identities: pl.Series | None = None) -> pl.DataFrame:
    """``SEEN`` of all generations; only of some ``identities``, if given."""
    found: list[pl.DataFrame] = []
    some = [] if identities is None else [pl.col("identity").is_in(identities.implode())]
    for generation in generations:
        if generation.replaced:
            amended = files.mapped(f"{generation.name}/amended").filter(*some)
            together = _seen(found).join(amended, on="identity", how="anti", maintain_order="left")
            found = [together, amended.drop_nulls("first_seen")]
        found.append(files.mapped(f"{generation.name}/identities").filter(*some).select(list(SEEN)))
    return _seen(found)


def _seen(found: Sequence[pl.DataFrame]) -> pl.DataFrame:
    if len(found) == 1:
        return found[0]
    every = pl.concat([SEEN.to_frame(), *found]).group_by("identity", maintain_order=True)
    return every.agg(pl.col("events").sum(), pl.col("first_seen").min())


def companions_together(files: Files, generations: Sequence[Generation]) -> pl.DataFrame:
    """``COMPANIONS`` of all generations."""
    found: list[pl.DataFrame] = []
    for generation in generations:
        if generation.replaced:
            gone = files.mapped(f"{generation.name}/amended").select("identity")
            found = [one.join(gone, on="identity", how="anti", maintain_order="left") for one in found]
            found.append(files.mapped(f"{generation.name}/amended-companions"))
        found.append(files.mapped(f"{generation.name}/companions"))
    if len(found) == 1:
        return found[0]
    return _companions(pl.concat([COMPANIONS.to_frame(), *found]))


def _companions(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.group_by(_KEY, maintain_order=True).agg(pl.col("first_seen").min())


def calls_together(
    files: Files, generations: Sequence[Generation], identities: pl.Series | None = None
) -> pl.DataFrame:
    """The calls of all generations; only those of some ``identities``, if given."""
    found: list[pl.DataFrame] = []
    some = [] if identities is None else [pl.col("identity").is_in(identities.implode())]
    for generation in generations:
        if generation.replaced:
            gone = files.mapped(f"{generation.name}/replaced").select("message_id")
            found = [one.join(gone, on="message_id", how="anti", maintain_order="left") for one in found]
        found.append(files.mapped(f"{generation.name}/calls").filter(*some))
    return pl.concat(found)


class Replaced:
    """Which rows of the files of a store don't count any more."""

    def __init__(self, files: Files, generations: Sequence[Generation]) -> None:
        tables = [files.mapped(f"{one.name}/replaced") for one in generations if one.replaced]
        every = pl.concat([REPLACED.to_frame(), *tables]).drop_nulls("row")
        self._rows = {
            (str(key[0]), int(key[1])): part.get_column("row").sort()
            for key, part in every.group_by("generation", "bucket")
        }

    def of(self, generation: str, bucket: int) -> pl.Series | None:
        """The rows of a bucket's file that don't count (UInt32, sorted); None if all do."""
        return self._rows.get((generation, bucket))


# ── what is written ─────────────────────────────────────────────────────────────────────────────────────────


def write_replaced(files: Files, name: str, stored: Stored, decided: Decided) -> None:
    """Writes what a generation says about the rows that it replaces.

    Raises:
        InputError: if files that were read before can't be read again.
    """
    generations = stored.generations
    gone = decided.replaced
    found = pl.concat([REPLACED.to_frame(), *_found(files, generations, gone)])
    elsewhere = gone.join(found, on="message_id", how="anti").select("message_id", "identity")
    nowhere = [pl.lit(None, dtype).alias(name) for name, dtype in REPLACED.items() if name not in elsewhere.columns]
    replaced = pl.concat([found, elsewhere.with_columns(nowhere).select(list(REPLACED))])
    files.write(f"{name}/replaced", replaced.sort("message_id"))

    identities = gone.select(pl.col("identity").unique().sort())
    seen = identities.join(seen_together(files, generations), on="identity", how="left", maintain_order="left")
    companions = companions_together(files, generations).join(identities, on="identity", how="semi")
    fewer = found.group_by("identity").agg(pl.len().cast(pl.UInt32).alias("fewer"))
    seen = seen.join(fewer, on="identity", how="left", maintain_order="left").select(
        "identity", pl.col("events") - pl.col("fewer").fill_null(0), "first_seen"
    )
    unsure = _unsure(decided, seen, companions)
    if len(unsure):
        left = _companions(pl.concat([COMPANIONS.to_frame(), *_seen_left(stored, unsure, gone)]))
        first = left.group_by("identity").agg(pl.col("first_seen").min().alias("found"))
        is_unsure = pl.col("identity").is_in(unsure.implode())
        seen = seen.join(first, on="identity", how="left", maintain_order="left").select(
            "identity", "events", pl.when(is_unsure).then("found").otherwise("first_seen").alias("first_seen")
        )
        companions = pl.concat([companions.filter(~is_unsure), left.filter(is_profile(pl.col("identity")))])
    files.write(f"{name}/amended", seen.select(list(SEEN)))
    files.write(f"{name}/amended-companions", companions.sort(*_KEY, nulls_last=True))


def _found(files: Files, generations: Sequence[Generation], gone: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Where the rows are: ``REPLACED``, of those that are in a bucket."""
    known = Replaced(files, generations)
    who, ids = (gone.get_column(name).unique() for name in ("identity", "message_id"))
    for generation in generations:
        identities = files.mapped(f"{generation.name}/identities").get_column("identity")
        places = identities.is_in(who.implode()).arg_true()
        for number, (first, end) in enumerate(zip(generation.offsets, generation.offsets[1:], strict=False)):
            here = places.filter((places >= first) & (places < end)) - first
            if here.is_empty() or not generation.buckets[number].rows:
                continue
            title = f"{generation.name}/bucket-{number:03}"
            rows = files.mapped(title).select("identity").with_row_index("row")
            rows = rows.filter(pl.col("identity").is_in(here.cast(pl.UInt32).implode()))
            without = known.of(generation.name, number)
            if without is not None:
                rows = rows.filter(~pl.col("row").is_in(without.implode()))
            texts = files.scan_apart(f"{title}-texts").select("message_id").collect().get_column("message_id")
            message_id = texts.gather(rows.get_column("row")).alias("message_id")
            found = rows.with_columns(message_id).filter(message_id.is_in(ids.implode()))
            yield found.select(
                "message_id",
                identities.gather(found.get_column("identity") + first),
                pl.lit(generation.name).alias("generation"),
                pl.lit(number, pl.UInt32).alias("bucket"),
                "row",
            )


def _unsure(decided: Decided, seen: pl.DataFrame, companions: pl.DataFrame) -> pl.Series:
    """The identities of which a row is gone that may have been the first, without an earlier one in its place."""
    gone, won = (_keyed(rows) for rows in (decided.replaced, decided.winners))
    first = seen.select("identity", pl.col("first_seen").alias("first"))
    pairs = gone.join(won, on="message_id", how="left", suffix=" now").join(first, on="identity", how="left")
    pairs = pairs.join(companions, on=_KEY, how="left", nulls_equal=True)
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"{name} now")) for name in _KEY)
    has_other = (pl.col("timestamp") > pl.col("first")) & (pl.col("timestamp") > pl.col("first_seen")).fill_null(True)
    sure = has_other | (same & (pl.col("timestamp now") <= pl.col("timestamp")))
    return pairs.filter(~sure).get_column("identity").unique().sort()


def _keyed(rows: pl.DataFrame) -> pl.DataFrame:
    """What rows say about an identity: the ids next to it only where it is a profile's."""
    has_profile = pl.col("profile_id").is_not_null()
    ids = [pl.when(has_profile).then(name).alias(name) for name in _KEY[1:]]
    return rows.select("message_id", "identity", *ids, "timestamp")


def _seen_left(stored: Stored, identities: pl.Series, gone: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """``COMPANIONS`` of the rows of some identities that count now, of what was read before; also of those that are no
    profile's, whose ids are null.
    """
    for each in stored.arrivals.rows_of(identities):
        rows = each.join(gone.select("message_id"), on="message_id", how="anti", maintain_order="left")
        places = stored_places(stored.root, stored.generations, hashed_ids(rows.get_column("message_id")))
        counts = pl.col("message_id").is_null() | (pl.lit(places) == pl.col("place")).fill_null(value=False)
        yield _companions(_keyed(rows.filter(counts)).rename({"timestamp": "first_seen"}).select(list(COMPANIONS)))
