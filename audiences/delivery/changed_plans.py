"""A computation planned for a destination from what changed since its last sync: the rest can't differ.

Everything was delivered then. So an identifier can differ only if the value of somebody who has it, or had it, changed
since, or if it was gained, lost or moved.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import polars as pl

from audiences.delivery.closure import Closed, closed
from audiences.delivery.planner import KNOWN, Situation, leaving, plan
from audiences.delivery.plans import Planned
from audiences.delivery.subjects import Subjects, Users, UsersOfAccounts, group_ids
from audiences.state import Acknowledged
from audiences.state.acknowledged import Settled
from audiences.state.selections import OneOf
from audiences.state.since import departed, net
from audiences.state.source import reading

MOST: Final = 200_000
"""When more changed than this, everybody is planned: that is done in parts."""


class Changed:
    """What changed of the values of some ``subjects``, and of them, since the sync that was ``settled``."""

    def __init__(self, subjects: Subjects, acknowledged: Acknowledged, settled: Settled) -> None:
        self.subjects, self.acknowledged, self.settled = subjects, acknowledged, settled
        self.key = subjects.computation.key
        changes = subjects.source.changes_since(self.key, settled.run)
        with reading(subjects.source):
            self.too_many = int(changes.select(pl.len()).collect().item()) > MOST
            self.values = net(changes.head(MOST).collect(), subjects.computation.kind)
        changed = subjects.changed_since(settled.run)
        others = [] if changed is None else [changed]
        if settled.again:
            others.append(acknowledged.of_last_sync(self.key))
        self.ids = pl.concat([self.values.get_column("id"), *others]).unique()
        self.too_many |= changed is None or len(self.ids) > MOST

    def plan(self, planned: Planned) -> bool:
        """Plans what changed into ``planned``; False, and nothing is done, if everybody has to be planned."""
        if self.too_many or (isinstance(self.subjects, UsersOfAccounts) and len(self.ids)):
            return False
        if self.ids.is_empty():
            return True
        around = self._closed()
        now, before = self._situations(around)
        found = plan(now)
        planned.messages.add(found.messages)
        planned.count(now, found, self.subjects.source.run)
        planned.uncount(plan(before))
        return True

    def _closed(self) -> Closed:
        if isinstance(self.subjects, Users):
            return closed(self.ids, self.subjects.directory, self.acknowledged, self.key, self.settled.run)
        return Closed(self.ids, self.acknowledged.about(self.key, OneOf(self.ids)))

    def _situations(self, around: Closed) -> tuple[Situation, Situation]:
        """As it is, and as it was, of those who changed and who belongs to them."""
        columns = ("id", "value", "as_of")
        same = self._same(around.ids).select(columns)
        now = self.values.filter(pl.col("value").is_not_null()).select(columns)
        then = self.values.filter(pl.col("before").is_not_null()).select("id", "as_of", value="before").select(columns)
        snapshot, earlier = pl.concat([now, same]), pl.concat([then, same])
        subjects = self.subjects
        situation = Situation(
            kind=subjects.computation.kind,
            snapshot=snapshot,
            departures=snapshot.clear().select("id", "as_of"),
            identifiers=subjects.identifiers(OneOf(around.ids), snapshot),
            acknowledged=around.acknowledged.filter(subjects.called).select(KNOWN),
            calls=subjects.calls,
            strategy=subjects.strategy,
            as_of=subjects.source.as_of,
        )
        before = replace(situation, snapshot=earlier, identifiers=self._identifiers_then(around.ids, earlier))
        return replace(situation, departures=self._departures(leaving(situation))), before

    def _same(self, ids: pl.Series) -> pl.DataFrame:
        """The values of those among some that have the one that they had."""
        others = ids.filter(~ids.is_in(self.values.get_column("id").implode()))
        return self.values.clear() if others.is_empty() else self.subjects.values(OneOf(others))

    def _identifiers_then(self, ids: pl.Series, values: pl.DataFrame) -> pl.DataFrame:
        if isinstance(self.subjects, Users):
            return self.subjects.directory.held_after(self.settled.run, ids)
        return group_ids(values)

    def _departures(self, ids: pl.Series) -> pl.DataFrame:
        """When some last lost their value. Of those that didn't since, the whole history has to be looked through."""
        source, one_of = self.subjects.source, OneOf(ids).of()
        if ids.is_empty():
            return self.values.clear().select("id", "as_of")
        with reading(source):
            recent = departed(source.changes_since(self.key, self.settled.run).filter(one_of)).collect()
            rest = ids.filter(~ids.is_in(recent.get_column("id").implode()))
            if rest.is_empty():
                return recent
            earlier = departed(source.changes_since(self.key, 0).filter(OneOf(rest).of())).collect()
        return pl.concat([recent, earlier])
