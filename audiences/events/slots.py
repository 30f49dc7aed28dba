"""Tables by hash that stay while rows stream by: a gather looks hashes up, not a join that is built each time."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True, slots=True)
class _Level:
    """Slots of a power of two: a hash is in the slot of its lowest bits, or on the next level."""

    hashes: pl.Series  # 0 where a slot is free
    numbers: pl.Series


class Numbers:
    """A number for each of some hashes."""

    def __init__(self, hashes: pl.Series, numbers: pl.Series) -> None:
        """``hashes`` (UInt64) with their ``numbers`` (UInt32); of equal hashes one counts."""
        self._levels: list[_Level] = []
        left = pl.DataFrame({"hash": hashes, "number": numbers}).unique("hash", keep="first", maintain_order=True)
        while left.height:
            level = _level(left)
            self._levels.append(level)
            left = left.filter(_in_slots(level.hashes, left.get_column("hash")) != left.get_column("hash"))

    def find(self, hashes: pl.Series) -> pl.Series:
        """The number of each hash; null where there is none."""
        found = pl.Series("number", [None], dtype=pl.UInt32).new_from_index(0, len(hashes))
        rows = None  # those that are still to be found; all of them at first
        for level in self._levels:
            wanted = hashes if rows is None else hashes.gather(rows)
            slots = _slots(wanted, len(level.hashes))
            is_here = level.hashes.gather(slots) == wanted
            numbers = pl.select(pl.when(is_here).then(level.numbers.gather(slots))).to_series()
            found = numbers if rows is None else found.scatter(rows.filter(is_here), numbers.filter(is_here))
            missing = (~is_here).arg_true()
            rows = missing if rows is None else rows.gather(missing)
            if rows.is_empty():
                break
        return found


def _level(frame: pl.DataFrame) -> _Level:
    size = _power_of_two(2 * frame.height)
    slots = _slots(frame.get_column("hash"), size)
    hashes = pl.zeros(size, dtype=pl.UInt64, eager=True).scatter(slots, frame.get_column("hash"))
    # The numbers are those of the hashes that are there now: of several in a slot one stays.
    stays = frame.filter(hashes.gather(slots) == frame.get_column("hash"))
    numbers = pl.Series([None], dtype=pl.UInt32).new_from_index(0, size)
    return _Level(hashes, numbers.scatter(_slots(stays.get_column("hash"), size), stays.get_column("number")))


class Noted:
    """Remembers pairs of hashes, as many as fit: which of some haven't been noted, as far as it remembers."""

    def __init__(self, size: int) -> None:
        """Room for about ``size`` pairs."""
        size = _power_of_two(size)
        self._hashes = pl.zeros(size, dtype=pl.UInt64, eager=True)
        self._checks = pl.zeros(size, dtype=pl.UInt64, eager=True)

    def note(self, pairs: pl.DataFrame) -> None:
        """Remembers ``hash`` and ``check`` (UInt64), which may put others out of mind."""
        slots = _slots(pairs.get_column("hash"), len(self._hashes))
        self._hashes.scatter(slots, pairs.get_column("hash"))
        self._checks.scatter(slots, pairs.get_column("check"))

    def is_noted(self, pairs: pl.DataFrame) -> pl.Series:
        """Whether each pair is remembered."""
        slots = _slots(pairs.get_column("hash"), len(self._hashes))
        hashes, checks = self._hashes.gather(slots), self._checks.gather(slots)
        return (hashes == pairs.get_column("hash")) & (checks == pairs.get_column("check"))


def _power_of_two(least: int) -> int:
    return int(2 ** max(4, (least - 1).bit_length()))


def _slots(hashes: pl.Series, size: int) -> pl.Series:
    return (hashes % size).cast(pl.UInt32)


def _in_slots(held: pl.Series, hashes: pl.Series) -> pl.Series:
    return held.gather(_slots(hashes, len(held)))
