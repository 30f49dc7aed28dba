"""Copies of events: found by two hashes of the message id each, over all history, without holding the ids.

Two hashes of 64 bits each stand for a message id. The copy that counts is the first by ``received_at`` (missing last),
then ``timestamp``, then the bytes of the row. ``tie`` is a hash of the instant and of all that was read of a row: rows
that were received together and have the same one are the same. Where they aren't, the rows themselves decide.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import polars as pl

from audiences.events.copies import without_copies
from audiences.events.instants import INSTANT
from audiences.events.rows import Accepted
from audiences.events.store.pieces import Spill

KEYS: Final = pl.Schema(
    {"place": pl.UInt64(), "hash": pl.UInt64(), "check": pl.UInt64(), "received_at": INSTANT, "tie": pl.UInt64()}
)
INDEX: Final = ("hash", "check", "received_at", "tie")
_HASH, _CHECK, _TIE = 11, 23, 37  # seeds

ReadAgain = Callable[[pl.Series], pl.DataFrame]
"""Rows at some places (sorted UInt64), with all texts and ``place``."""


def keys_of(batch: Accepted, first: int) -> pl.DataFrame:
    """``KEYS`` of a batch, of the rows that have a message id; ``first`` is the place of its table's first row."""
    ids = batch.rows.get_column("message_id")
    if ids.null_count() == len(ids):
        return KEYS.to_frame()
    tie = pl.struct("timestamp", digest=pl.lit(batch.digests())).hash(seed=_TIE)
    frame = batch.rows.select(
        pl.col("row") + first,
        pl.col("message_id").hash(seed=_HASH).alias("hash"),
        pl.col("message_id").hash(seed=_CHECK).alias("check"),
        "received_at",
        tie.alias("tie"),
    ).rename({"row": "place"})
    return frame if not ids.null_count() else frame.filter(ids.is_not_null())


class UndecidedError(Exception):
    """A new row may be the copy that counts of a row that is in the store: only reading all again can tell."""


class Lost:
    """The places of rows that don't count, because another copy does; of ``places`` in all."""

    def __init__(self, lost: pl.Series, places: int) -> None:
        self.count = len(lost)
        self._mask = pl.zeros(places, dtype=pl.Boolean, eager=True).scatter(lost, True) if len(lost) else None

    def kept(self, rows: pl.DataFrame) -> pl.Series | None:
        """The numbers (UInt32) of the rows that count, by their ``place``; None where all do."""
        if self._mask is None:
            return None
        lost = self._mask.gather(rows.get_column("place"))
        return (~lost).arg_true().cast(pl.UInt32) if lost.any() else None

    def without(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows that count, by their ``place``."""
        if self._mask is None:
            return rows
        return rows.filter(~self._mask.gather(rows.get_column("place")))


def find_copies(
    spill: Spill, parts: int, read_again: ReadAgain, settle: Callable[[int, pl.DataFrame], pl.Series]
) -> pl.Series:
    """The places (UInt64) that don't count, of what was put down as ``keys``.

    ``settle`` is called with each part and its rows that count (``KEYS``, sorted by hash), and says which of them don't
    count all the same.
    """
    lost = [pl.Series("place", dtype=pl.UInt64)]
    undecided: list[pl.Series] = []
    waiting: list[int] = []
    for part in range(parts):
        frames = spill.take("keys", part)
        if not frames:
            continue
        keys = pl.concat(frames).sort("hash", maintain_order=True)
        losing, open_ = _copies(keys)
        lost.append(losing)
        kept = _without(keys, losing)
        if len(open_):
            undecided.append(open_)
            waiting.append(part)
            spill.put("undecided", part, kept)
        else:
            lost.append(settle(part, kept))
    if undecided:
        rows = read_again(pl.concat(undecided).sort())
        winners, _ = without_copies(rows)
        losing = rows.join(winners, on="place", how="anti").get_column("place")
        lost.append(losing)
        lost += [settle(part, _without(pl.concat(spill.take("undecided", part)), losing)) for part in waiting]
    return pl.concat(lost)


def _without(keys: pl.DataFrame, places: pl.Series) -> pl.DataFrame:
    return keys.filter(~pl.col("place").is_in(places.implode())) if len(places) else keys


def _copies(keys: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
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


def copies_in_index(path: Path, keys: pl.DataFrame) -> pl.Series:
    """The places of new rows (``KEYS``) that are copies of rows in a part of an index.

    Raises:
        UndecidedError: if one of them may count instead of the row in the store.
    """
    index = _mapped(path)
    hashes = index.get_column("hash")
    firsts = hashes.search_sorted(keys.get_column("hash"), side="left")
    ends = hashes.search_sorted(keys.get_column("hash"), side="right")
    hits = keys.with_columns(at=pl.select(pl.int_ranges(firsts, ends)).to_series()).filter(firsts < ends).explode("at")
    old = [index.get_column(name).gather(hits.get_column("at")).alias(f"old_{name}") for name in INDEX]
    hits = hits.hstack(old).filter(pl.col("check") == pl.col("old_check"))
    later = (pl.col("received_at") > pl.col("old_received_at")) | (
        pl.col("received_at").is_null() & pl.col("old_received_at").is_not_null()
    )
    together = pl.col("received_at").eq_missing(pl.col("old_received_at"))
    loses = later.fill_null(False) | (together & (pl.col("tie") == pl.col("old_tie")))
    if not hits.select(loses.all()).item():
        raise UndecidedError
    return hits.get_column("place")


def index_part(path: Path, part: int, parts: int) -> pl.DataFrame:
    """The rows of an index file whose message ids are in one of so many parts."""
    return _mapped(path).filter(pl.col("hash") % parts == part)


def _mapped(path: Path) -> pl.DataFrame:
    import pyarrow as pa  # type: ignore[import-untyped]

    found = pl.from_arrow(pa.ipc.open_file(pa.memory_map(str(path))).read_all())
    if not isinstance(found, pl.DataFrame):
        raise TypeError(f"{path} is no table")
    return found
