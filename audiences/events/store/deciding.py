"""Which of the copies of an event counts: among those that are read, and against what a store has already."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Final

import polars as pl

from audiences.events.copies import without_copies
from audiences.events.store.arrivals import Arrivals
from audiences.events.store.manifest import Generation
from audiences.events.store.message_ids import copies, sorted_by_hash, stored_copies, without
from audiences.events.store.pieces import Spill
from audiences.events.store.reading import AGAIN, Reading

_ROWS_AT_ONCE: Final = 100_000
_SEED: Final = 53
_NO_PLACES: Final = pl.Series("place", [], dtype=pl.UInt64)
DECIDED: Final = pl.Schema(
    {name: AGAIN[name] for name in ("message_id", "identity", "profile_id", "user_id", "anonymous_id", "timestamp")}
)


@dataclass(frozen=True, slots=True)
class Stored:
    """What there is already: the generations of a store in a folder, and the files that they were made of."""

    root: Path
    generations: Sequence[Generation]
    arrivals: Arrivals


class Lost:
    """The places of rows that don't count, because another copy does; of ``places`` in all: a bit for each."""

    def __init__(self, places: int) -> None:
        self.count = 0
        self._places = places
        self._mask: pl.Series | None = None

    def add(self, lost: pl.Series) -> None:
        """More of them, none twice."""
        if len(lost):
            mask = pl.zeros(self._places, dtype=pl.Boolean, eager=True) if self._mask is None else self._mask
            self._mask = mask.scatter(lost, True)
            self.count += len(lost)

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


@dataclass(frozen=True, slots=True)
class Decided:
    """Which rows that were read are ``lost``. ``replaced``: rows of the store that don't count any more; ``winners``:
    those that were read and count instead of them; both as ``DECIDED``.
    """

    lost: Lost
    replaced: pl.DataFrame
    winners: pl.DataFrame


@dataclass(slots=True)
class _Open:
    """What only the rows themselves can tell: ``places`` of copies that were read, and ``stored``: of rows of the store
    that some of them meet. ``parts``: where they are.
    """

    places: list[pl.Series] = field(default_factory=list)
    stored: list[pl.Series] = field(default_factory=list)
    parts: list[int] = field(default_factory=list)


def decide(
    spill: Spill, parts: int, reading: Reading, stored: Stored | None, keep: Callable[[int, pl.DataFrame], None]
) -> Decided:
    """Decides about all that was put down as ``keys``. ``keep`` is called with each part and those of its rows that
    count (``KEYS``, sorted by hash).
    """
    lost, left = Lost(reading.places), _Open()
    for part in range(parts):
        frames = spill.take("keys", part)
        if not frames:
            continue
        keys = sorted_by_hash(pl.concat(frames))
        losing, undecided = copies(keys)
        keys = without(keys, losing)
        lost.add(losing)
        if stored:
            hits = stored_copies(stored.root, stored.generations, keys)
            gone = hits.filter(pl.col("last") | pl.col("same")).get_column("place")
            lost.add(gone)
            keys, undecided = without(keys, gone), undecided.filter(~undecided.is_in(gone.implode()))
            met = hits.filter(~pl.col("last") & ~pl.col("same"))
            left.stored.append(met.get_column("stored"))
            undecided = pl.concat([undecided, met.get_column("place")]).unique()
        if len(undecided):
            left.places.append(undecided)
            left.parts.append(part)
            spill.put("undecided", part, keys)
        else:
            keep(part, keys)
    losing, replaced, winners = _by_rows(left, reading, stored, spill)
    lost.add(losing)
    for part in left.parts:
        keep(part, without(pl.concat(spill.take("undecided", part)), losing))
    return Decided(lost, replaced, winners)


def _by_rows(
    left: _Open, reading: Reading, stored: Stored | None, spill: Spill
) -> tuple[pl.Series, pl.DataFrame, pl.DataFrame]:
    """The places that lose, and what is ``replaced`` by which ``winners``."""
    places = pl.concat([_NO_PLACES, *left.places]).sort()
    of_store = pl.concat([_NO_PLACES, *left.stored]).unique().sort()
    parts = max(1, ceil((len(places) + len(of_store)) / _ROWS_AT_ONCE))
    part = (pl.col("message_id").hash(seed=_SEED) % parts).alias("part")
    for rows in stored.arrivals.rows(of_store) if stored else ():
        spill.share("copies", rows.with_columns(part, known=pl.lit(value=True)), "part")
    for rows in reading.again(places):
        spill.share("copies", rows.with_columns(part, known=pl.lit(value=False)), "part")
    found = [(_NO_PLACES, DECIDED.to_frame(), DECIDED.to_frame())]
    found += [_among(pl.concat(spill.take("copies", number))) for number in spill.numbers("copies")]
    losing, replaced, winners = zip(*found, strict=True)
    return pl.concat(losing), pl.concat(replaced), pl.concat(winners)


def _among(rows: pl.DataFrame) -> tuple[pl.Series, pl.DataFrame, pl.DataFrame]:
    """All rows that compete, those of the store first: they count where nothing tells copies apart."""
    kept, _ = without_copies(rows)
    losing = rows.join(kept.select("place", "known"), on=["place", "known"], how="anti", maintain_order="left")
    replaced = losing.filter("known")
    winners = kept.filter(~pl.col("known")).join(replaced.select("message_id"), on="message_id", how="semi")
    lost = losing.filter(~pl.col("known")).get_column("place")
    return lost, replaced.select(list(DECIDED)), winners.select(list(DECIDED))
