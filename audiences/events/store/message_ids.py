"""Message ids, as two hashes each, over all history: which rows are copies, and the index of those that count.

A hash of 64 bits and a check of 32 stand for a message id. The copy that counts is the first by ``received_at``
(missing last), then ``timestamp``, then the bytes of the row. ``tie`` is a hash of the instant and of all that is
needed of a row: between rows that were received together and have the same one there is nothing to decide. Where they
haven't, the rows themselves decide.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import polars as pl

from audiences.events.instants import INSTANT
from audiences.events.needs import EventNeeds
from audiences.events.rows import Accepted
from audiences.events.store.files import mapped_file
from audiences.events.store.manifest import Generation

KEYS: Final = pl.Schema(
    {"place": pl.UInt64(), "hash": pl.UInt64(), "check": pl.UInt32(), "received_at": INSTANT, "tie": pl.UInt64()}
)
INDEX: Final = ("hash", "check", "received_at", "tie", "place")
_HASH, _CHECK, _TIE = 11, 23, 37  # seeds
_STORED: Final = pl.Schema(
    {"place": pl.UInt64(), "stored": pl.UInt64(), "first": pl.Boolean(), "last": pl.Boolean(), "same": pl.Boolean()}
)


def keys_of(batch: Accepted, first: int, needs: EventNeeds) -> pl.DataFrame:
    """``KEYS`` of a batch, of the rows that have a message id; ``first`` is the place of its table's first row."""
    ids = batch.rows.get_column("message_id")
    if ids.null_count() == len(ids):
        return KEYS.to_frame()
    tie = pl.struct("timestamp", digest=pl.lit(batch.digests(needs))).hash(seed=_TIE)
    frame = batch.rows.select(
        (pl.col("row") + first).alias("place"),
        pl.col("message_id").hash(seed=_HASH).alias("hash"),
        pl.col("message_id").hash(seed=_CHECK).cast(pl.UInt32, wrap_numerical=True).alias("check"),
        "received_at",
        tie.alias("tie"),
    )
    return frame if not ids.null_count() else frame.filter(ids.is_not_null())


def hashed_ids(ids: pl.Series) -> pl.DataFrame:
    """``hash`` and ``check`` of message ids."""
    check = ids.hash(seed=_CHECK).cast(pl.UInt32, wrap_numerical=True)
    return pl.DataFrame({"hash": ids.hash(seed=_HASH), "check": check})


def sorted_by_hash(keys: pl.DataFrame) -> pl.DataFrame:
    """The rows in the order of ``hash``."""
    bits = max(1, (keys.height - 1).bit_length())
    row = pl.int_range(pl.len(), dtype=pl.UInt64)
    above = (
        pl.col("hash") // 2**bits * 2**bits
    )  # a number that holds most of the hash and the row is sorted much faster
    order = keys.select((above + row).sort() % 2**bits).to_series().cast(pl.UInt32)
    found = keys.select(pl.all().gather(order))
    return found if found.get_column("hash").is_sorted() else found.sort("hash", maintain_order=True)


def without(keys: pl.DataFrame, places: pl.Series) -> pl.DataFrame:
    """The rows at other places."""
    return keys.filter(~pl.col("place").is_in(places.implode())) if len(places) else keys


def copies(keys: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
    """Places that lose, and places that nothing known here decides between. ``keys`` are sorted by hash."""
    same = pl.col("hash") == pl.col("hash").shift(1)
    copied = keys.select((same | same.shift(-1)).fill_null(False)).to_series()
    none = pl.Series("place", dtype=pl.UInt64)
    if not copied.any():
        return none, none
    order = ["hash", "check", "received_at", "tie", "place"]
    found = keys.filter(copied).sort(order, nulls_last=True)
    group = ["hash", "check"]
    found = found.with_columns(
        number=pl.int_range(pl.len()).over(group),
        top=pl.col("received_at").eq_missing(pl.col("received_at").first().over(group)),
    )
    found = found.with_columns(
        open=(pl.col("tie").filter("top").n_unique().over(group) > 1),
    )
    losing = found.filter((pl.col("open") & ~pl.col("top")) | (~pl.col("open") & (pl.col("number") > 0)))
    return losing.get_column("place"), found.filter(pl.col("open") & pl.col("top")).get_column("place")


# ── the index of a store ────────────────────────────────────────────────────────────────────────────────────


def write_index(path: Path, keys: pl.DataFrame) -> None:
    """Writes a part of an index (``KEYS``, sorted by hash), so that it can be searched without being read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    keys.select(INDEX).rechunk().write_ipc(path, compression="uncompressed", record_batch_size=max(1, keys.height))


def stored_copies(root: Path, known: Sequence[Generation], keys: pl.DataFrame) -> pl.DataFrame:
    """Which rows (``KEYS``) are copies of one that counts in a store: ``place``, ``stored`` (the place of that one),
    and whether the row was received ``first``, received ``last``, or is the ``same``; none of it: that is open.
    """
    found = [_copies_in(root / title, keys, generation, number) for number, title, generation in _titles(known)]
    hits = pl.concat([_STORED.to_frame(), *found])
    return hits.unique("place", keep="last", maintain_order=True)  # what a later generation has counts instead


def stored_places(root: Path, known: Sequence[Generation], ids: pl.DataFrame) -> pl.Series:
    """For each of some message ids (``hash``, ``check``) the place of the row that counts; null where there is none."""
    keys = ids.with_row_index("place").with_columns(
        pl.col("place").cast(pl.UInt64), received_at=pl.lit(None, INSTANT), tie=pl.lit(0, pl.UInt64)
    )
    found = stored_copies(root, known, keys.select(list(KEYS))).select("place", "stored")
    return keys.join(found, on="place", how="left", maintain_order="left").get_column("stored")


def _titles(known: Sequence[Generation]) -> Iterator[tuple[int, str, Generation]]:
    for generation in known:
        for title in generation.indexes:
            yield int(title.removesuffix(".arrow").rpartition("-")[2]), title, generation


def _copies_in(path: Path, keys: pl.DataFrame, generation: Generation, part: int) -> pl.DataFrame:
    if generation.parts > 1:
        keys = keys.filter(pl.col("hash") % generation.parts == part)
    if not keys.height:
        return _STORED.to_frame()
    index = mapped_file(path)
    hashes = index.get_column("hash")
    firsts = hashes.search_sorted(keys.get_column("hash"), side="left")
    ends = hashes.search_sorted(keys.get_column("hash"), side="right")
    hits = keys.with_columns(at=pl.select(pl.int_ranges(firsts, ends)).to_series()).filter(firsts < ends).explode("at")
    old = [index.get_column(name).gather(hits.get_column("at")).alias(f"old_{name}") for name in INDEX]
    now, before = pl.col("received_at"), pl.col("old_received_at")
    together = now.eq_missing(before)
    return (
        hits.hstack(old)
        .filter(pl.col("check") == pl.col("old_check"))
        .select(
            "place",
            pl.col("old_place").alias("stored"),
            ((now < before).fill_null(False) | (now.is_not_null() & before.is_null())).alias("first"),
            ((now > before).fill_null(False) | (now.is_null() & before.is_not_null())).alias("last"),
            (together & (pl.col("tie") == pl.col("old_tie"))).alias("same"),
        )
    )


def index_part(root: Path, known: Sequence[Generation], part: int, parts: int) -> pl.DataFrame:
    """What counts of the index of all generations, of the message ids in one of so many parts; sorted by hash."""
    found = [
        mapped_file(root / title).filter(pl.col("hash") % parts == part)
        for number, title, generation in _titles(known)
        if generation.parts != parts or number == part
    ]
    if not found:
        return KEYS.to_frame().select(INDEX)
    keys = sorted_by_hash(pl.concat(found))
    if any(generation.replaced for generation in known):
        keys = keys.unique(["hash", "check"], keep="last", maintain_order=True)
    return keys
