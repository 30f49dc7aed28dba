"""Which values a run has to compute anew: everyone's of a definition that is new or was edited, else only those of
profiles and accounts for whom something changed since.

What makes a profile affected: events of it came, or a copy of one that counts instead; an event of it entered or left a
window, at any depth of a funnel, or got into the past; a trait that is compared with as-of is a date that crossed an
edge; its traits, its accounts or its identifiers are others, or it came or went; and, where accounts are computed,
anything of this in one of its accounts. What compares other dates with as-of is computed for everyone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final

import polars as pl

from audiences.definitions.computation import Computation, Level
from audiences.edges import Dates, Interval, crossing, crossing_dates
from audiences.events import Affected, PreparedInputs, Span, StoredInputs, dates_in
from audiences.language.tree import Path
from audiences.plan import Plan, make_plan

if TYPE_CHECKING:
    from audiences.state import State

MOST: Final = 0.35
"""From such a share of all profiles on, everyone's values are computed: that costs no more."""


@dataclass(frozen=True)
class Pass:
    """A part of a run: ``plan`` is computed over some inputs, and the values of ``keys`` are kept.

    ``users`` and ``accounts`` are the ids that are computed, those that are gone with them; None: all there are.
    ``given`` are snapshots from before, of what isn't computed for all that it is asked of.
    """

    plan: Plan
    keys: tuple[str, ...]
    inputs: PreparedInputs
    users: pl.Series | None = None
    accounts: pl.Series | None = None
    given: Mapping[str, pl.DataFrame] = field(default_factory=dict)

    def limits(self, level: Level) -> pl.Series | None:
        """The ids of a level that are computed; None: all."""
        return self.users if level is Level.USER else self.accounts


def whole(plan: Plan, inputs: PreparedInputs) -> tuple[Pass, ...]:
    """Everything for everyone."""
    return (Pass(plan, tuple(item.key for item in plan.order), inputs),)


def passes(
    plan: Plan, inputs: StoredInputs, state: State, fingerprints: Mapping[str, str], as_of: datetime
) -> tuple[Pass, ...]:
    """The passes of a run: one over everyone, for what has to be, and those over the affected."""
    affected = inputs.affected
    if affected is None or state.manifest is None:
        return whole(plan, inputs)
    some = _Choice(plan, inputs, affected, state, fingerprints, as_of)
    return some.passes()


@dataclass(frozen=True)
class _Choice:
    plan: Plan
    inputs: StoredInputs
    affected: Affected
    state: State
    fingerprints: Mapping[str, str]
    as_of: datetime

    def passes(self) -> tuple[Pass, ...]:
        found: list[Pass] = []
        everyone = {item.key for item in self.plan.order} - self._continued()
        for keys in self._groups(everyone):
            part = self._of_some(keys)
            if part is None:
                everyone |= set(keys)
            else:
                found.append(part)
        if everyone:
            keys = tuple(item.key for item in self.plan.order if item.key in everyone)
            found.insert(0, Pass(self._plan(keys), keys, self.inputs))
        return tuple(found)

    # ── which definitions ───────────────────────────────────────────────────────────────────────────────────

    def _continued(self) -> set[str]:
        """The keys of which the values before are known, and still those of everyone who isn't affected."""
        chains = self.state.chains()
        found: set[str] = set()
        moving = {item.key for item in self.plan.order if self._dates(item, self.as_of) is None}
        for item in self.plan.order:  # each after what it uses
            moving |= {item.key} if moving.intersection(self.plan.dependencies[item.key]) else set()
            if item.key in chains and item.key not in moving and self._is_as_before(item):
                found.add(item.key)
        return found

    def _is_as_before(self, item: Computation) -> bool:
        records = self.state.manifest.computations if self.state.manifest else {}
        record = records.get(item.key)
        if record is None or record.fingerprint != self.fingerprints[item.key]:
            return False
        later = [key for key in self._given_to(item.key) if key in records and records[key].run > record.run]
        return record.run <= self.affected.run and not later

    def _given_to(self, key: str) -> set[str]:
        """The disabled computations that one uses, directly or not: their values are others after a run of theirs."""
        used = set(self.plan.dependencies.get(key, ()))
        return used.intersection(one.key for one in self.plan.given).union(*map(self._given_to, used))

    def _groups(self, everyone: Collection[str]) -> Iterable[tuple[str, ...]]:
        """Those that have to do with accounts, for which more profiles are affected, and all others."""
        with_accounts: set[str] = set()
        for item in self.plan.order:
            if item.level is Level.ACCOUNT or with_accounts.intersection(self.plan.dependencies[item.key]):
                with_accounts.add(item.key)
        keys = [item.key for item in self.plan.order if item.key not in everyone]
        for group in ([key for key in keys if key not in with_accounts], [key for key in keys if key in with_accounts]):
            if group:
                yield tuple(group)

    def _plan(self, keys: Sequence[str]) -> Plan:
        return make_plan({item.key: item for item in (*self.plan.order, *self.plan.given)}, keys)

    # ── whom ────────────────────────────────────────────────────────────────────────────────────────────────

    def _of_some(self, keys: tuple[str, ...]) -> Pass | None:
        """The pass over those who are affected; None where that isn't known, or they are too many."""
        plan = self._plan(keys)
        users = self._users(keys)
        if users is None:
            return None
        accounts = pl.Series("id", dtype=pl.String)
        rounds = sum(stage.level is Level.ACCOUNT for stage in plan.stages())
        if rounds:
            touched = self.affected.accounts(self._oldest(keys))
            if touched is None:
                return None
            accounts = touched
        for number in range(rounds):
            users = pl.concat([users, self.affected.users_of(accounts)]).unique().sort() if number else users
            accounts = pl.concat([accounts, self.affected.accounts_of(users)]).unique().sort()
        if rounds:
            users = pl.concat([users, self.affected.users_of(accounts)]).unique().sort()
        if len(users) > MOST * self.affected.kept.height:
            return None
        inputs = self.inputs.few(users, accounts, plan.needs)
        return Pass(plan, keys, inputs, users, accounts, self._given(plan))

    def _users(self, keys: Sequence[str]) -> pl.Series | None:
        """The profiles whose own events, traits or accounts may give others values than before."""
        records = self.state.manifest.computations if self.state.manifest else {}
        found = [pl.Series("id", dtype=pl.String)]
        for run in sorted({records[key].run for key in keys}):
            own = [key for key in keys if records[key].run == run]
            since = min(records[key].as_of for key in own)
            plan = self._plan(own)
            one = self.affected.profiles(run, plan.needs.events, spans(crossing(plan.order, since, self.as_of)))
            if one is None:
                return None
            found += [one, *self._with_dates(plan, since)]
        return pl.concat(found).unique().sort()

    def _dates(self, item: Computation, since: datetime) -> Sequence[Dates] | None:
        """The dates of profiles that cross an edge; None where they can't be told."""
        found = crossing_dates(item, since, self.as_of)
        keys = {one.key for one in (*self.plan.order, *self.plan.given)}
        unknown = found is None or any(one.path[0] in keys and len(one.path) > 1 for one in found)
        return None if unknown else found

    def _with_dates(self, plan: Plan, since: datetime) -> Iterable[pl.Series]:
        """The profiles that have such a date."""
        wanted: dict[Path, list[Span]] = {}
        for item in plan.order:
            for one in self._dates(item, since) or ():
                wanted.setdefault(one.path, []).append(Span(one.start, one.end))
        computed = {item.key for item in (*plan.order, *plan.given)}.intersection(self.state.keys())
        for path, some in wanted.items():
            if path[0] in computed:
                values = self.state.snapshot(path[0])
                yield values.get_column("id").filter(dates_in(values.get_column("value").str.strip_chars('"'), some))
            else:
                yield self.affected.with_dates(path, some)

    def _oldest(self, keys: Sequence[str]) -> int:
        records = self.state.manifest.computations if self.state.manifest else {}
        return min(records[key].run for key in keys)

    def _given(self, plan: Plan) -> Mapping[str, pl.DataFrame]:
        """The values before of accounts, which users ask for that have others than the affected ones."""
        used = {key for stage in plan.stages() if stage.level is Level.USER for key in stage.uses}
        accounts = [item.key for item in plan.order if item.level is Level.ACCOUNT and item.key in used]
        known = set(self.state.keys())
        return {key: self.state.snapshot(key) for key in accounts if key in known}


def spans(intervals: Iterable[Interval]) -> dict[str, list[Span]]:
    """Intervals by the name of their event."""
    found: dict[str, list[Span]] = {}
    for one in intervals:
        found.setdefault(one.event, []).append(Span(one.start, one.end))
    return found
