"""The rows of some profiles, or of all, out of a store: where they are is looked up, and only that is read.

Who is in place has all rows in one bucket of the base, in order; buckets of which little is wanted make one part
together. The rows of everyone else are taken from wherever they are, and put in order.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from audiences.at_once import each_at_once
from audiences.events.buckets import BucketPlan, Form
from audiences.events.encoding import decoded
from audiences.events.store.bucket_rows import BucketReader, Place, Wanted
from audiences.events.store.homes import bucket_of
from audiences.events.store.kept_universe import KeptUniverse
from audiences.events.store.manifest import StoreManifest
from audiences.events.store.merging import Merged, Piece, merged
from audiences.events.store.ordering import by_owner_and_place, put_in_order


@dataclass(frozen=True, slots=True)
class Part:
    """Some profiles (``rows`` of those that are read, UInt32, ascending) with their events, as ``Bucket`` has them."""

    rows: pl.Series
    events: pl.DataFrame
    forms: Mapping[str, Form]

    def with_values(self) -> pl.DataFrame:
        """The events with values instead of integers."""
        columns = (decoded(self.events.get_column(name), form) for name, form in self.forms.items())
        return self.events.with_columns(columns)


class ProfileRows:
    """The needed rows of ``profiles`` (with ``id``, sorted), all of which exist."""

    def __init__(
        self,
        reader: BucketReader,
        kept: KeptUniverse,
        profiles: pl.DataFrame,
        rows_in_bucket: int,
    ) -> None:
        self._reader, self._kept, self._rows_in_bucket = reader, kept, rows_in_bucket
        self._ids = profiles.get_column("id")
        is_moved = self._ids.is_in(kept.moved.implode())
        self._moved, self._still = (mask.arg_true().cast(pl.UInt32) for mask in (is_moved, ~is_moved))

    @property
    def _manifest(self) -> StoreManifest:
        return self._reader.manifest

    # ── which parts there are ───────────────────────────────────────────────────────────────────────────────

    @property
    def numbers(self) -> range:
        """The numbers of all parts."""
        return range(len(self._in_place) + len(self._out_of_place))

    def part(self, number: int, *, events: Collection[str] | None = None, texts: Collection[str] = ()) -> Part:
        """A part: every profile is in exactly one of them.

        ``events`` are the names that are read (all that are needed); ``texts`` are those of ``TEXTS`` that are read,
        too.
        """
        needs = self._reader.needs
        names = needs.events if events is None else needs.events.intersection(events)
        if number < len(self._in_place):
            return self._part_in_place(self._in_place[number], names, texts)
        return self._part_of_moved(self._out_of_place[number - len(self._in_place)], names, texts)

    def no_events(self, texts: Collection[str] = ()) -> pl.DataFrame:
        """The columns of a part, without rows; values as ``VALUE`` or ``List(VALUE)``."""
        return self._reader.no_events(texts)

    @cached_property
    def _by_bucket(self) -> dict[int, pl.Series]:
        """The rows of profiles in place by their bucket of the base, each ascending."""
        numbers = bucket_of(self._ids.gather(self._still), len(self._manifest.base.buckets))
        frame = pl.DataFrame({"row": self._still, "number": numbers})
        parts = frame.partition_by("number", as_dict=True, include_key=False, maintain_order=True)
        return {int(key[0]): part.get_column("row") for key, part in parts.items()}

    @cached_property
    def _in_place(self) -> Sequence[Sequence[int]]:
        """Buckets of the base that are read together: as many as have the rows of one bucket."""
        found: list[list[int]] = []
        weight = float(self._rows_in_bucket)
        for number, rows in sorted(self._by_bucket.items()):
            bucket = self._manifest.base.buckets[number]
            own = bucket.rows * min(1.0, len(rows) / max(bucket.homes, 1))
            if not found or weight + own > self._rows_in_bucket:
                found.append([])
                weight = 0.0
            found[-1].append(number)
            weight += own
        return found

    @cached_property
    def _out_of_place(self) -> Sequence[pl.Series]:
        """Those who moved, in parts of about as many rows as a bucket has."""
        if not len(self._moved):
            return []
        owners = pl.DataFrame({"owner": self._moved})
        sizes = [wanted.sizes() for wanted in self._wanted_of_all_moved]
        counted = pl.concat([owners.select("owner", size=pl.lit(0, pl.Int64)), *sizes]).group_by("owner").sum()
        weights = owners.join(counted, on="owner", how="left", maintain_order="left").get_column("size")
        plan = BucketPlan.cut(weights, rows=self._rows_in_bucket, most=len(self._moved))
        return [self._moved.slice(first, height) for first, height in plan.slices()]

    # ── those who are in place ──────────────────────────────────────────────────────────────────────────────

    def _part_in_place(self, buckets: Sequence[int], names: Collection[str], texts: Collection[str]) -> Part:
        by_bucket = self._by_bucket
        rows = pl.concat([by_bucket[number] for number in buckets]).sort()
        base = self._manifest.base
        read = [number for number in buckets if base.buckets[number].rows]
        if not read:
            return Part(rows, self.no_events(texts), {})
        pieces = list(each_at_once(lambda number: self._piece(number, names, texts), read))
        found = merged(pieces, self._reader.columns)
        if len(read) > 1:
            found = Merged(by_owner_and_place(found.rows), found.forms)
        return self._part(rows, found, texts)

    def _part(self, rows: pl.Series, found: Merged, texts: Collection[str]) -> Part:
        """A part of some profiles, of rows in order whose ``owner`` is that of the profile among all."""
        if not found.rows.height:
            return Part(rows, self.no_events(texts), {})
        places = rows.search_sorted(found.rows.get_column("owner")).cast(pl.UInt32).alias("owner")
        return Part(rows, self._reader.as_events(found.rows.with_columns(places), texts), found.forms)

    def _piece(self, number: int, names: Collection[str], texts: Collection[str]) -> Piece:
        base = self._manifest.base
        wanted = Wanted(Place(base, number), self._codes(base.name, number, self._by_bucket[number]), names)
        return self._reader.read(wanted, texts)

    def _codes(self, generation: str, number: int, rows: pl.Series) -> pl.DataFrame:
        """The numbers of homes in a bucket: ``code``, and whose home it is: ``owner``; sorted by both."""
        homes = self._reader.homes(generation, number)
        ids = self._ids.gather(rows)
        if not len(homes) or not len(ids):
            return pl.DataFrame(schema={"code": pl.UInt32, "owner": pl.UInt32})
        if len(homes) == len(ids) and homes.equals(ids):
            return pl.DataFrame({"code": pl.int_range(len(homes), dtype=pl.UInt32, eager=True), "owner": rows})
        near = homes.search_sorted(ids).clip(upper_bound=len(homes) - 1).cast(pl.UInt32)
        hit = homes.gather(near) == ids
        return pl.DataFrame({"code": near.filter(hit), "owner": rows.filter(hit)})

    # ── those who moved ─────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def _wanted_of_all_moved(self) -> Sequence[Wanted]:
        wanted = self._wanted_of_moved(self._moved, self._reader.needs.events)
        return list(each_at_once(lambda one: one.found(self._reader), wanted))

    def _wanted_of_moved(self, rows: pl.Series, names: Collection[str]) -> Sequence[Wanted]:
        """Where their rows may be: in the buckets of their homes, and where identities are that are away."""
        ids = pl.DataFrame({"home": self._ids.gather(rows), "owner": rows})
        away = self._kept.away.join(
            ids.rename({"home": "id", "owner": "to"}), left_on="owner", right_on="id", how="left"
        )
        found = []
        for generation in self._manifest.generations:
            numbers = bucket_of(ids.get_column("home"), len(generation.buckets))
            own = ids.with_columns(number=numbers).partition_by("number", as_dict=True, include_key=False)
            gone = away.filter(pl.col("generation") == generation.name)
            for number, bucket in enumerate(generation.buckets):
                if not bucket.rows:
                    continue
                here = own.get((number,))
                others = gone.filter(pl.col("bucket") == number) if gone.height else gone
                if here is None and not others.height:
                    continue
                nobody = pl.Series(dtype=pl.UInt32)
                codes = self._codes(generation.name, number, nobody if here is None else here.get_column("owner"))
                if others.height:
                    codes = pl.concat([codes, self._left_homes(generation.name, number, others, codes)]).sort("code")
                if codes.height:
                    exceptions = others.select(identity="code", to="to").sort("identity")
                    found.append(Wanted(Place(generation, number), codes, names, exceptions))
        return found

    def _left_homes(self, generation: str, number: int, away: pl.DataFrame, codes: pl.DataFrame) -> pl.DataFrame:
        """The numbers of homes in a bucket that somebody who is wanted has left, and nobody who is wanted owns."""
        names = away.filter(pl.col("to").is_not_null()).get_column("home").unique().sort()
        extra = self._home_codes(generation, number, names)
        return extra.filter(~pl.col("code").is_in(codes.get_column("code").implode()))

    def _home_codes(self, generation: str, number: int, names: pl.Series) -> pl.DataFrame:
        """The numbers of some homes in a bucket, without an owner."""
        homes = self._reader.homes(generation, number)
        codes = names.to_frame("home").join(homes.to_frame("home").with_row_index("code"), on="home").get_column("code")
        return pl.DataFrame({"code": codes, "owner": pl.Series([None] * len(codes), dtype=pl.UInt32)})

    def _part_of_moved(self, rows: pl.Series, names: Collection[str], texts: Collection[str]) -> Part:
        everything = len(rows) == len(self._moved) and names == self._reader.needs.events
        wanted = self._wanted_of_all_moved if everything else self._wanted_of_moved(rows, names)
        if not wanted:
            return Part(rows, self.no_events(texts), {})
        pieces = list(each_at_once(lambda one: self._reader.read(one, texts, located=True), wanted))
        pieces = [_numbered(piece, number) for number, piece in enumerate(pieces)]
        found = merged(pieces, self._reader.columns)
        ordered = put_in_order(found.rows, [one.place for one in wanted], self._reader)
        return self._part(rows, Merged(ordered, found.forms), texts)


def _numbered(piece: Piece, number: int) -> Piece:
    """A piece that says where it is from."""
    return Piece(piece.rows.with_columns(source=pl.lit(number, pl.UInt32)), piece.forms)
