"""Which profile has which identifiers, now and after an earlier run; and who has an identifier."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

import polars as pl

from audiences.delivery.directory_files import IDENTIFIER, WrittenDirectory, hashes_of, written
from audiences.delivery.identifiers import identifiers_of
from audiences.delivery.mapped_files import copied
from audiences.errors import StateError
from audiences.state.selections import Between, OneOf, Selection, ranges
from audiences.state.since import KnowingProfiles, WrittenProfiles
from audiences.state.source import reading

ALL: Final = ["id", *IDENTIFIER, "place", "last"]


@dataclass(frozen=True)
class _Later:
    """Profiles that changed since all were written: their ``ids``, and the ``identifiers`` that they have now."""

    ids: pl.Series
    identifiers: pl.DataFrame

    @cached_property
    def hashes(self) -> pl.DataFrame:
        """``hash``, ``id`` of each of the identifiers."""
        return pl.DataFrame([hashes_of(self.identifiers), self.identifiers.get_column("id")])

    def without(self, frame: pl.DataFrame) -> pl.DataFrame:
        """What is still true of a frame with a column ``id`` that says how it was."""
        return frame if self.ids.is_empty() else frame.join(self.ids.to_frame(), on="id", how="anti")


class Directory:
    """The identifiers of the profiles of a source, read when they are asked for.

    Files that make them quick to read are made at need: beside the state if they are ``kept`` there, else in a
    ``temporary`` folder. Whatever is asked raises StateError if the profiles can't be read.
    """

    def __init__(self, source: KnowingProfiles, temporary: Path, *, kept: bool = True) -> None:
        self._source, self._temporary, self._kept = source, temporary, kept
        self._earlier: dict[int, Directory | None] = {}
        self._changed: dict[int, pl.Series] = {}

    def knows(self, run: int) -> bool:
        """Whether it is known what profiles were after an earlier run."""
        return self._since <= run or self._as_after(run) is not None

    @property
    def edges(self) -> tuple[str, ...]:
        """Ids that cut the profiles into parts which fit into memory."""
        return self._written.edges

    def held(self, selection: Selection) -> pl.DataFrame:
        """The identifiers of some profiles, as ``identifiers.identifiers_of`` gives them, in no order."""
        return self._held(selection, self._now)

    def held_after(self, run: int, ids: pl.Series) -> pl.DataFrame:
        """Those that some profiles had after an earlier run."""
        earlier = self._as_after(run)
        if earlier is not None:
            return earlier.held(OneOf(ids))
        return self._held(OneOf(ids), _later(self._changes.filter(pl.col("run") <= run)))

    def changed_since(self, run: int) -> pl.Series:
        """The ids of the profiles whose identifiers are not those that they had after an earlier run."""
        if run not in self._changed:
            self._changed[run] = pl.concat([self._differing(run, part) for part in self._touched(run)]).unique()
        return self._changed[run]

    def touched_since(self, run: int) -> pl.Series | None:
        """The ids of the profiles that were written after an earlier run; None: it isn't known of all."""
        if self._as_after(run) is not None:
            return None
        with reading(self._source):
            rows = self._source.profile_changes().filter(pl.col("run") > run).select(pl.col("id").unique())
            return rows.collect().to_series()

    def _touched(self, run: int) -> Iterator[Selection]:
        touched = self.touched_since(run)
        return ranges(self.edges) if touched is None else iter([OneOf(touched)])

    def _differing(self, run: int, selection: Selection) -> pl.Series:
        if isinstance(selection, OneOf):
            if selection.ids.is_empty():
                return selection.ids
            now, before = self.held(selection), self.held_after(run, selection.ids)
        else:
            earlier = self._as_after(run) or self
            now, before = self.held(selection), earlier.held(selection)
        more, less = now.join(before, on=ALL, how="anti"), before.join(now, on=ALL, how="anti")
        return copied(pl.concat([more, less]).select(pl.col("id").unique())).to_series()

    def holders(self, identifiers: pl.DataFrame) -> pl.Series:
        """The ids of all who have one of some identifiers (``type``, ``value``), and seldom of somebody else, too."""
        return self.edges_of(hashes_of(identifiers).unique()).get_column("id").unique()

    def edges_of(self, hashes: pl.Series) -> pl.DataFrame:
        """``hash``, ``id`` of all who have identifiers with some hashes (unique)."""
        now = self._now
        later = now.hashes.filter(pl.col("hash").is_in(hashes.implode()))
        return pl.concat([now.without(self._written.holders(hashes)), later])

    @cached_property
    def shared(self) -> pl.DataFrame:
        """``hash``, ``id`` of the identifiers that several have."""
        now = self._now
        edges = now.without(self._written.shared())
        if not now.ids.is_empty():
            edges = pl.concat([edges, self.edges_of(now.hashes.get_column("hash").unique())])
        return several(edges)

    def _as_after(self, run: int) -> Directory | None:
        """How everything was after an earlier run, if all profiles were written since; None, too: it isn't known."""
        if self._since <= run:
            return None
        if run not in self._earlier:
            self._earlier[run] = self._made_after(run)
        return self._earlier[run]

    def _made_after(self, run: int) -> Directory | None:
        then = self._source.profiles_after(run)
        # Files that are kept put older ones out: so those of now come first, and none are kept of an earlier run.
        if then is None or not self._can_be_read():
            return None
        earlier = Directory(then, self._temporary / f"after-run-{run}", kept=False)
        return earlier if earlier._can_be_read() else None

    def _can_be_read(self) -> bool:
        """False if the files are no longer there."""
        try:
            return bool(self._written.folder.exists() and self._changes.width)
        except StateError:
            return False

    @cached_property
    def _since(self) -> int:
        """The run from which on the changes are known."""
        return self._profiles.run

    @cached_property
    def _profiles(self) -> WrittenProfiles:
        return self._source.written_profiles()

    @cached_property
    def _written(self) -> WrittenDirectory:
        profiles = self._profiles if self._kept else replace(self._profiles, writable=False)
        with reading(self._source):
            return written(profiles, self._temporary)

    @cached_property
    def _changes(self) -> pl.DataFrame:
        with reading(self._source):
            return self._source.profile_changes().select("id", "external_ids", "gone", "run").collect()

    @cached_property
    def _now(self) -> _Later:
        return _later(self._changes)

    def _held(self, selection: Selection, later: _Later) -> pl.DataFrame:
        if isinstance(selection, OneOf):
            ids = selection.ids.unique()
            found = self._written.of(ids if later.ids.is_empty() else ids.filter(~ids.is_in(later.ids.implode())))
        else:
            found = later.without(self._part(selection))
        return pl.concat([found.select(ALL), later.identifiers.filter(selection.of()).select(ALL)])

    def _part(self, selection: Between) -> pl.DataFrame:
        edges = self._written.edges
        first = 0 if selection.low is None else sum(edge <= selection.low for edge in edges)
        end = len(edges) + 1 if selection.high is None else sum(edge < selection.high for edge in edges) + 1
        numbers = range(first, max(end, first + 1))
        return pl.concat([self._written.part(number).filter(selection.of()) for number in numbers])


def several(edges: pl.DataFrame) -> pl.DataFrame:
    """Of the rows ``hash``, ``id`` those of hashes that several ids have."""
    edges = edges.unique()
    return edges.filter(pl.len().over("hash") > 1)


def _later(changes: pl.DataFrame) -> _Later:
    last = changes.sort("run").unique("id", keep="last")
    return _Later(last.get_column("id"), identifiers_of(last.lazy().filter(~pl.col("gone"))))
