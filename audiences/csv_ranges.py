"""A snapshot read for a CSV download: ranges of ids in their order, each with what is known of its profiles.

Memory does not grow with the audience: of the values a few ranges are held at a time, of the profiles as many as there
are threads at work. Ranges are cut where the state's profiles have their row groups, so each of these is read once.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import polars as pl

from audiences.at_once import each_at_once
from audiences.definitions.computation import Level
from audiences.events.identifiers import EXTERNAL_IDS
from audiences.state import ComputationRecord
from audiences.state.account_users import account_users
from audiences.state.source import Source, reading, trait_values

PROFILES_PER_RANGE: Final = 131_072  # as many as a row group of the state's table has
RANGES_PER_READ: Final = 8
"""So many ranges of values are read at once: where they come out of a long history, that takes a while."""

MOST_AT_ONCE: Final = 4  # each holds a range in memory
_PROFILES: Final = ""  # among the keys of computations

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Range:
    """A range of ids. ``values`` are ``id`` and ``value`` (JSON text) of those that have one, sorted by id."""

    values: pl.DataFrame
    source: Source
    """Knows the profiles and the values of this range only."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is exported: a computation's values, and the source of everything else about the profiles.

    ``users`` (of an account-level audience): the users of the accounts, ``with_anonymous`` ones or without.
    """

    source: Source
    key: str
    record: ComputationRecord
    users: bool = False
    with_anonymous: bool = False

    @property
    def of_profiles(self) -> bool:
        """Whether its ids are those of profiles; accounts are none."""
        return self.users or self.record.level is Level.USER

    def ranges(self) -> Iterator[Range]:
        """Those ranges that have values, in order.

        Raises:
            StateError: if the values can't be read.
        """
        whole = _Within(self.source, {}, pl.lit(True))
        with reading(self.source):
            bounds = _bounds(whole.profiles() if self.of_profiles else whole.scan_snapshot(self.key))
        for first in range(0, len(bounds) + 1, RANGES_PER_READ):
            edges = [None, *bounds, None][first : first + RANGES_PER_READ + 1]
            with reading(self.source):
                values = self._values(whole, _between(edges[0], edges[-1])).collect().sort("id")
            for part, inside in _cut(values, edges):
                yield Range(part, whole.narrowed(inside))

    def rows(self, part: Range, traits: Sequence[str] = ()) -> pl.DataFrame:
        """``id``, ``value``, ``external_ids`` (null: none known) and the traits (JSON text) of a range, sorted by id.

        Raises:
            StateError: if they can't be read.
            DefinitionError: if there can't be such a trait column (see ``trait_values``).
        """
        if not self.of_profiles:
            return part.values.with_columns(external_ids=pl.lit(None, EXTERNAL_IDS))
        known = self.source.manifest.computations if self.source.manifest else {}
        custom = any(name not in known for name in traits)
        with reading(self.source):
            profiles = part.source.profiles().select("id", "external_ids", *(["traits"] if custom else [])).collect()
        rows = _joined(part.values, profiles)
        if not traits:
            return rows
        texts = rows.select("id", traits="traits" if custom else pl.lit(None, pl.String))
        found = trait_values(part.source, texts, traits)
        return pl.concat([rows.select("id", "value", "external_ids"), found.drop("id")], how="horizontal")

    def _values(self, whole: _Within, inside: pl.Expr) -> pl.LazyFrame:
        snapshot = whole.scan_snapshot(self.key).select("id", "value")
        if not self.users:
            return snapshot.filter(inside)
        users = account_users(whole.profiles().filter(inside), include_anonymous=self.with_anonymous)
        found = users.join(snapshot.select(account="id"), on="account", how="semi").select("id").unique()
        return found.with_columns(value=pl.lit("true"))


class _Within:
    """A source with a range of ids only. Its tables are looked up once: ``scans`` is shared by all ranges."""

    def __init__(self, source: Source, scans: dict[str, pl.LazyFrame], inside: pl.Expr) -> None:
        self.manifest, self.as_of, self.run, self.location = source.manifest, source.as_of, source.run, source.location
        self.departures, self.accounts = source.departures, source.accounts
        self._source, self._scans, self._inside = source, scans, inside

    def narrowed(self, inside: pl.Expr) -> _Within:
        return _Within(self._source, self._scans, inside)

    def scan_snapshot(self, key: str) -> pl.LazyFrame:
        return self._found(key, lambda: self._source.scan_snapshot(key))

    def profiles(self) -> pl.LazyFrame:
        return self._found(_PROFILES, self._source.profiles)

    def _found(self, key: str, look: Callable[[], pl.LazyFrame]) -> pl.LazyFrame:
        if key not in self._scans:
            self._scans[key] = look()
        return self._scans[key].filter(self._inside)


def in_order(work: Callable[[Item], Result], items: Iterable[Item]) -> Generator[Result, None, None]:
    """The results of some work on each item, in the order of the items; several items are worked on at a time.

    An error ends it: what is not begun by then never is.
    """
    return each_at_once(work, items, most=min(pl.thread_pool_size(), MOST_AT_ONCE))


def _bounds(frame: pl.LazyFrame) -> list[str]:
    """Ids that cut all ids into ranges of about ``PROFILES_PER_RANGE``, in order."""
    number = pl.col("number")
    every = frame.select("id").with_row_index("number").filter((number > 0) & (number % PROFILES_PER_RANGE == 0))
    bounds: list[str] = every.collect(engine="streaming").get_column("id").unique().sort().to_list()
    return bounds


def _between(low: str | None, high: str | None) -> pl.Expr:
    inside = pl.lit(True) if low is None else pl.col("id") >= low
    return inside if high is None else inside & (pl.col("id") < high)


def _joined(values: pl.DataFrame, profiles: pl.DataFrame) -> pl.DataFrame:
    """The values with what is known of their profiles, in the order of the values.

    Profiles come sorted by id as a rule: then searching is quicker than a join. Where it finds all ids, it was right.
    """
    ids, wanted = profiles.get_column("id"), values.get_column("id")
    places = ids.search_sorted(wanted)
    if not ids.is_empty() and places.max() != len(ids):
        found = profiles[places]
        if found.get_column("id").equals(wanted):
            return values.hstack(found.drop("id"))
    return values.join(profiles, on="id", how="left", maintain_order="left")


def _cut(values: pl.DataFrame, edges: Sequence[str | None]) -> Iterator[tuple[pl.DataFrame, pl.Expr]]:
    """Values, sorted by id, in the ranges between the edges, with what is true of the ids of each."""
    ids = values.get_column("id")
    places = [0, *(int(ids.search_sorted(edge, side="left")) for edge in edges[1:-1]), len(ids)]
    for number in range(len(edges) - 1):
        part = values[places[number] : places[number + 1]]
        if not part.is_empty():
            yield part, _between(edges[number], edges[number + 1])
