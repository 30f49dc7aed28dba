"""Which of the copies of an event counts: among those that are read, and against what a store has already."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from audiences.events.copies import without_copies
from audiences.events.store.arrivals import Arrivals
from audiences.events.store.manifest import Generation
from audiences.events.store.message_ids import copies, sorted_by_hash, stored_copies, without
from audiences.events.store.pieces import Spill
from audiences.events.store.reading import Reading


@dataclass(frozen=True, slots=True)
class Stored:
    """What there is already: the generations of a store in a folder, and the files that they were made of."""

    root: Path
    generations: Sequence[Generation]
    arrivals: Arrivals


@dataclass(frozen=True, slots=True)
class Decided:
    """``lost``: the places (UInt64) of rows that were read but don't count. ``replaced``: rows of the store that don't
    count any more, as ``Reading.again`` gives them; ``winners``: those that were read and count instead of them.
    """

    lost: pl.Series
    replaced: pl.DataFrame
    winners: pl.DataFrame


@dataclass(slots=True)
class _Open:
    """What only the rows themselves can tell: ``places`` of copies that were read, and ``met``: those that meet a row
    of the store (``place``, ``stored``). ``parts``: where they are.
    """

    places: list[pl.Series] = field(default_factory=list)
    met: list[pl.DataFrame] = field(default_factory=list)
    parts: list[int] = field(default_factory=list)


def decide(
    spill: Spill, parts: int, reading: Reading, stored: Stored | None, keep: Callable[[int, pl.DataFrame], None]
) -> Decided:
    """Decides about all that was put down as ``keys``. ``keep`` is called with each part and those of its rows that
    count (``KEYS``, sorted by hash).
    """
    lost = [pl.Series("place", [], dtype=pl.UInt64)]
    left = _Open()
    for part in range(parts):
        frames = spill.take("keys", part)
        if not frames:
            continue
        keys = sorted_by_hash(pl.concat(frames))
        losing, undecided = copies(keys)
        keys = without(keys, losing)
        lost.append(losing)
        if stored:
            hits = stored_copies(stored.root, stored.generations, keys)
            gone = hits.filter(pl.col("last") | pl.col("same")).get_column("place")
            lost.append(gone)
            keys, undecided = without(keys, gone), undecided.filter(~undecided.is_in(gone.implode()))
            met = hits.filter(~pl.col("last") & ~pl.col("same")).select("place", "stored")
            left.met.append(met)
        if len(undecided) or (stored and met.height):
            left.places.append(undecided)
            left.parts.append(part)
            spill.put("undecided", part, keys)
        else:
            keep(part, keys)
    decided = _by_rows(left, reading, stored)
    for part in left.parts:
        keep(part, without(pl.concat(spill.take("undecided", part)), decided.lost))
    return Decided(pl.concat([*lost, decided.lost]), decided.replaced, decided.winners)


def _by_rows(left: _Open, reading: Reading, stored: Stored | None) -> Decided:
    none = reading.again(pl.Series([], dtype=pl.UInt64))
    met = pl.concat(left.met) if left.met else None
    places = [*left.places, *([] if met is None else [met.get_column("place")])]
    if not left.parts:
        return Decided(none.get_column("place"), none, none)
    rows = reading.again(pl.concat(places).unique().sort())
    known = none if stored is None or met is None else stored.arrivals.rows(met.get_column("stored").unique().sort())
    is_known = pl.lit(value=True)
    every = pl.concat([known.with_columns(known=is_known), rows.with_columns(known=~is_known)])
    winners, _ = without_copies(every)  # those that are known first, where nothing tells copies apart
    of_store = winners.filter("known").select("place")
    read = winners.filter(~pl.col("known")).select("place")
    replaced = known.join(of_store, on="place", how="anti", maintain_order="left")
    return Decided(
        rows.join(read, on="place", how="anti").get_column("place"),
        replaced,
        rows.join(read, on="place", how="semi").join(replaced.select("message_id"), on="message_id", how="semi"),
    )
