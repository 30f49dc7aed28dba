"""A computation planned for a destination: everybody in parts that fit into memory, or only those who changed.

Both give what ``planner.plan`` gives of everybody at once. That holds because parts are closed: whoever shares an
identifier, or did, or is known to a destination by one that another one has, is in the same part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from audiences.delivery.directory import several
from audiences.delivery.directory_files import IDENTIFIER, hashes_of
from audiences.delivery.links import groups, packed
from audiences.delivery.planner import KNOWN, ORDER, DeliveryPlan, Situation, acknowledging, plan
from audiences.delivery.spool import Spool
from audiences.delivery.subjects import Subjects, Users
from audiences.state import Acknowledged
from audiences.state.selections import Between, OneOf, Selection, ranges

LINKED_PER_PART: Final = 100_000
PARTS_PER_READ: Final = 4
"""So many parts are read at once: values may have to be found in a long history."""


@dataclass
class Planned:
    """``messages`` in their order, and what was counted (see ``planner.DeliveryPlan``).

    ``no_identifier_after`` and ``conflicts_after`` are the same when the messages have arrived, and ``again`` says
    whether there will be more to send then. All of that is different only where strategies were changed. ``looked_at``
    is 0 if nothing changed since the last sync.
    """

    looked_at: int = 1
    messages: Spool = field(default_factory=Spool)
    no_identifier: int = 0
    conflicts: int = 0
    no_identifier_after: int = 0
    conflicts_after: int = 0
    again: bool = False

    def count(self, situation: Situation, found: DeliveryPlan, run: int) -> None:
        """Counts in a part that was planned."""
        self.no_identifier += found.no_identifier
        self.conflicts += found.conflicts
        after = found
        if found.earlier_strategies and not found.messages.is_empty():
            after = plan(acknowledging(situation, found.messages, run))
            self.again |= not after.messages.is_empty()
        self.no_identifier_after += after.no_identifier
        self.conflicts_after += after.conflicts

    def uncount(self, found: DeliveryPlan) -> None:
        """Takes out of the count a part as it was before."""
        self.add(-found.no_identifier, -found.conflicts)

    def add(self, no_identifier: int, conflicts: int) -> None:
        """Counts what is the same before and after."""
        self.no_identifier += no_identifier
        self.no_identifier_after += no_identifier
        self.conflicts += conflicts
        self.conflicts_after += conflicts


def plan_everybody(subjects: Subjects, acknowledged: Acknowledged, planned: Planned) -> None:
    """Plans all ``subjects``, part by part; the messages come in the order that one plan of all would have."""
    every = _Everybody(subjects, acknowledged)
    run = subjects.source.run
    grouped = groups(every.links())
    aside = Spool()
    for ids in packed(grouped, LINKED_PER_PART):
        situation = every.read(OneOf(ids))
        found = plan(situation)
        planned.count(situation, found, run)
        aside.add(found.messages)
    linked = grouped.select("id")
    for part, situation in every.parts():
        alone = _without(situation, linked)
        found = plan(alone)
        planned.count(alone, found, run)
        messages = found.messages if not aside.rows else pl.concat([found.messages, aside.about(part)]).sort(ORDER)
        planned.messages.add(messages)
        planned.add(0, subjects.conflicts(part))


@dataclass(frozen=True, slots=True)
class _Everybody:
    """Reads the situations of parts of all subjects."""

    subjects: Subjects
    acknowledged: Acknowledged

    def parts(self) -> Iterator[tuple[Between, Situation]]:
        """Those of ranges of ids, in order. A range is closed but for those that are linked to others."""
        for wide, parts in _wide(self.subjects.edges):
            read = self.read(wide)
            for part in parts:
                inside = part.of()
                values = read.snapshot.filter(inside)
                yield (
                    part,
                    Situation(
                        kind=read.kind,
                        snapshot=values,
                        departures=read.departures.filter(inside),
                        identifiers=self.subjects.identifiers(part, values),
                        acknowledged=read.acknowledged.filter(part.of("profile_id")),
                        calls=read.calls,
                        strategy=read.strategy,
                        as_of=read.as_of,
                    ),
                )

    def read(self, selection: Selection) -> Situation:
        """The situation of some. That of a range is without identifiers: these are read part by part."""
        subjects = self.subjects
        values, known = subjects.values(selection), self._known(selection)
        none = pl.DataFrame(schema={"id": pl.String, "as_of": values.schema["as_of"]})
        few = isinstance(selection, OneOf)
        return Situation(
            kind=subjects.computation.kind,
            snapshot=values,
            departures=none if known.is_empty() else subjects.departures(selection),
            identifiers=subjects.identifiers(selection, values) if few else pl.DataFrame(),
            acknowledged=known,
            calls=subjects.calls,
            strategy=subjects.strategy,
            as_of=subjects.source.as_of,
        )

    def links(self) -> pl.DataFrame:
        """Who is linked to somebody else, and by what: ``hash``, ``id``."""
        if not isinstance(self.subjects, Users):
            return pl.DataFrame(schema={"hash": pl.UInt64, "id": pl.String})
        directory = self.subjects.directory
        moved = self._moved(directory.edges)
        if moved.is_empty():
            return directory.shared
        holders = directory.edges_of(moved.get_column("hash").unique())
        return several(pl.concat([directory.shared, moved, holders]))

    def _moved(self, edges: Sequence[str]) -> pl.DataFrame:
        """``hash``, ``id`` of the identifiers that a destination knows, of profiles that don't have them now."""
        found = [pl.DataFrame(schema={"hash": pl.UInt64, "id": pl.String})]
        key = self.subjects.computation.key
        for wide, parts in _wide(edges) if self.acknowledged.syncs(key) else ():
            known = self._known(wide).select(id="profile_id", type="identifier_type", value="identifier_value").unique()
            for part in parts:
                here, held = known.filter(part.of()), self.subjects.identifiers(part, known)
                gone = here.join(held, on=["id", *IDENTIFIER], how="anti")
                found.append(pl.DataFrame([hashes_of(gone), gone.get_column("id")]))
        return pl.concat(found)

    def _known(self, selection: Selection) -> pl.DataFrame:
        rows = self.acknowledged.about(self.subjects.computation.key, selection)
        return rows.filter(self.subjects.called).select(KNOWN)


def _wide(edges: Sequence[str]) -> Iterator[tuple[Between, list[Between]]]:
    """Some parts at a time, and the range that they are together."""
    parts = list(ranges(edges))
    for first in range(0, len(parts), PARTS_PER_READ):
        some = parts[first : first + PARTS_PER_READ]
        yield Between(some[0].low, some[-1].high), some


def _without(situation: Situation, linked: pl.DataFrame) -> Situation:
    """The situation of a range without those that are planned elsewhere."""
    if linked.is_empty():
        return situation

    def rest(frame: pl.DataFrame, column: str = "id") -> pl.DataFrame:
        return frame.join(linked, left_on=column, right_on="id", how="anti")

    return Situation(
        kind=situation.kind,
        snapshot=rest(situation.snapshot),
        departures=situation.departures,
        identifiers=rest(situation.identifiers),
        acknowledged=rest(situation.acknowledged, "profile_id"),
        calls=situation.calls,
        strategy=situation.strategy,
        as_of=situation.as_of,
    )
