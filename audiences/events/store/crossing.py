"""Who owns an event in some intervals of time: those for whom the passing of time may change something."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import polars as pl

from audiences.at_once import each_at_once
from audiences.events.store.files import Files
from audiences.events.store.kept_universe import KeptUniverse
from audiences.events.store.manifest import Generation, StoreManifest


@dataclass(frozen=True, slots=True)
class Span:
    """Instants from ``start`` up to ``end``, in microseconds since 1970 (UTC)."""

    start: int
    end: int


class Crossing:
    """Looks through the rows of a store."""

    def __init__(self, files: Files, manifest: StoreManifest, kept: KeptUniverse) -> None:
        self._files, self._manifest, self._kept = files, manifest, kept
        self._homes_of = {
            one.name: files.mapped(f"{one.name}/homes").get_column("home") for one in manifest.generations
        }

    def owners(self, spans: Mapping[str, Sequence[Span]]) -> pl.Series:
        """The ids of profiles that own an event of a name in one of its spans, and of some others; each once."""
        numbers = {number: spans[name] for number, name in enumerate(self._manifest.coverage.events) if name in spans}
        found = [pl.Series("id", dtype=pl.String)]
        for generation in self._manifest.generations:
            parts = each_at_once(partial(self._homes, numbers), self._places(generation))
            homes = pl.concat([pl.Series("home", dtype=pl.String), *parts]).unique()
            found.append(self._owners(generation, homes))
        return pl.concat(found).unique()

    @staticmethod
    def _places(generation: Generation) -> Iterable[tuple[Generation, int, int]]:
        """Each bucket that has rows, with the number of its first home."""
        first = 0
        for number, bucket in enumerate(generation.buckets):
            if bucket.rows:
                yield generation, number, first
            first += bucket.homes

    def _homes(self, numbers: Mapping[int, Sequence[Span]], place: tuple[Generation, int, int]) -> pl.Series:
        """The homes that have rows in the spans."""
        generation, number, first = place
        bucket = generation.buckets[number]
        rows = self._files.mapped(f"{generation.name}/bucket-{number:03}")
        homes = self._homes_of[generation.name].slice(first, bucket.homes)
        times = rows.get_column("timestamp").to_physical()
        codes = rows.get_column("home")
        wanted = sorted(numbers)
        events = rows.get_column("event")
        firsts = events.search_sorted(pl.Series(wanted, dtype=events.dtype), side="left")
        ends = events.search_sorted(pl.Series(wanted, dtype=events.dtype), side="right")
        found = [pl.Series("home", dtype=codes.dtype)]
        for event, start, end in zip(wanted, firsts, ends, strict=True):
            if start == end:
                continue
            own = times.slice(start, end - start)
            for span in numbers[event]:
                if bucket.first is None or bucket.last is None or bucket.last < span.start or bucket.first >= span.end:
                    continue
                inside = own.is_between(pl.lit(span.start), pl.lit(span.end), closed="left")
                if inside.any():
                    found.append(codes.gather(inside.arg_true() + start))
        return homes.gather(pl.concat(found).unique())

    def _owners(self, generation: Generation, homes: pl.Series) -> pl.Series:
        """Who may own rows with these homes."""
        away = self._kept.away.filter((pl.col("generation") == generation.name) & pl.col("home").is_in(homes.implode()))
        return pl.concat([homes.alias("id"), away.get_column("owner").drop_nulls().alias("id")])
