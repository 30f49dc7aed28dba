"""Planning in parts, and from what changed, is the same as planning everybody at once, whatever happened before.

What a destination has acknowledged is kept by the test itself, and the plain planner is asked with all that the state
has, after every run of a random course. The plan, what is counted, and the messages that arrive must be the same.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings

from audiences.definitions.computation import Computation, DestinationEntry, Kind, Level
from audiences.delivery import deliver
from audiences.delivery.directory import Directory
from audiences.delivery.identifiers import Chosen, identifiers_of, strategy_text
from audiences.delivery.jobs import Job
from audiences.delivery.messages import GROUP
from audiences.delivery.planner import MESSAGES, DeliveryPlan, Situation, plan
from audiences.delivery.subjects import ACCOUNTS, group_ids
from audiences.delivery.syncs import _jobs
from audiences.language.parse import parse
from audiences.state import ProfileChanges, State
from audiences.state.account_users import account_users, departures_of_users, values_of_users
from audiences.state.acknowledged import ACKNOWLEDGED
from audiences.state.tables import PROFILES
from delivery_strategies import ACCOUNTS as ACCOUNT_IDS
from delivery_strategies import IDS, STRATEGIES, Ending, Person, Step, courses
from stateful import committed, day, profile, profiles, result, space


class KilledError(BaseException):
    """Stands for the end of the process."""


class Course:
    """A state, a destination, and what the test knows of both."""

    def __init__(self, root: Path, computation: Computation, patch: pytest.MonkeyPatch) -> None:
        self.root, self.computation, self.patch = root, computation, patch
        self.space = space(root, crm={"path": "out", "confirmed": True})
        self.state = State.open(str(root / "state"), create=True)
        self.people: dict[str, Person] = {}
        self.values: dict[str, str] = {}
        self.acknowledged: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.number = 0

    def take(self, step: Step) -> None:
        """A run, its plan compared, its delivery, what arrived compared."""
        self.number += 1
        asked = DestinationEntry("crm", send=step.calls, identifiers=step.strategy)
        self.computation = replace(self.computation, destinations=(asked,))
        self._run(step)
        if step.ending is Ending.MISSED:
            return
        self.patch.setattr("audiences.delivery.changed_plans.MOST", 0 if step.wide else 100)
        expected = self._plain(step)
        self._compare(expected)
        with self._ending(step.ending):
            (found,) = deliver(self.state, self.state, [self.computation], self.space)
            assert (found.problem is not None) == (
                step.ending is Ending.FAILED and found.delivered == 0 and rows_of(expected) > 0
            )
        if step.ending in (Ending.DONE, Ending.KILLED_AFTER) or not rows_of(expected):
            self._arrived(expected, step.strategy)
        self._compare_acknowledged()

    def _run(self, step: Step) -> None:
        changed = {id_: person for id_, person in step.people.items() if person is not None}
        gone = [id_ for id_, person in step.people.items() if person is None and id_ in self.people]
        self.people = {id_: person for id_, person in {**self.people, **changed}.items() if id_ not in gone}
        self.values |= {id_: value for id_, value in step.values.items() if value is not None}
        cleared = {id_ for id_, value in step.values.items() if value is None}
        owners = ACCOUNT_IDS if self.computation.level is Level.ACCOUNT else tuple(self.people)
        self.values = {id_: value for id_, value in self.values.items() if id_ in owners and id_ not in cleared}
        audience = self.computation.kind is Kind.AUDIENCE
        snapshot: Any = sorted(self.values) if audience else self.values
        run = result(
            day(self.number), [(self.computation, snapshot)], people_frame(self.people), inputs=str(self.number)
        )
        if not step.whole:
            run = replace(run, profiles=ProfileChanges(people_frame(changed), pl.Series(gone, dtype=pl.String)))
        self.patch.setattr("audiences.state.writing.LARGEST_SHARE", 1_000 if step.folded else 0)
        accounts = pl.DataFrame({"id": sorted(ACCOUNT_IDS), "traits": ["{}"] * len(ACCOUNT_IDS)})
        committed(self.state, replace(run, accounts=accounts))

    # ── the plan ────────────────────────────────────────────────────────────────────────────────────────────

    def _plain(self, step: Step) -> list[DeliveryPlan]:
        """The plain planner over everything: about accounts, about users."""
        key, found = self.computation.key, []
        snapshot, departures = self.state.scan_snapshot(key).collect(), self.state.departures(key)
        everybody = self.state.profiles()
        if GROUP in step.calls:
            found.append(self._planned(snapshot, departures, group_ids(snapshot), (GROUP,), ACCOUNTS))
        others = tuple(call for call in step.calls if call != GROUP)
        if not others:
            return found
        several = 0
        if self.computation.level is Level.ACCOUNT:
            users = account_users(everybody, include_anonymous=self.computation.include_anonymous_users)
            if self.computation.kind is Kind.TRAIT:
                having = users.join(snapshot.lazy(), left_on="account", right_on="id", how="semi")
                several = having.group_by("id").len().filter(pl.col("len") > 1).collect().height
            departures = departures_of_users(departures, users)
            snapshot = values_of_users(snapshot.lazy(), users, self.computation.kind).collect()
        planned = self._planned(snapshot, departures, identifiers_of(everybody), others, step.strategy)
        return [*found, replace(planned, conflicts=planned.conflicts + several)]

    def _planned(
        self,
        snapshot: pl.DataFrame,
        departures: pl.DataFrame,
        identifiers: pl.DataFrame,
        calls: tuple[str, ...],
        strategy: Chosen,
    ) -> DeliveryPlan:
        known = [row for row in self.acknowledged.values() if (row["call"] == GROUP) == (GROUP in calls)]
        return plan(
            Situation(
                kind=self.computation.kind,
                snapshot=snapshot,
                departures=departures,
                identifiers=identifiers,
                acknowledged=pl.DataFrame(known, schema=ACKNOWLEDGED),
                calls=calls,
                strategy=strategy,
                as_of=day(self.number),
            )
        )

    def _compare(self, expected: list[DeliveryPlan]) -> None:
        with self._job() as job:
            planned = job.plan()
            messages = pl.concat([pl.DataFrame(schema=MESSAGES), *planned.messages.slices(2)])
            assert messages.rows(named=True) == [row for one in expected for row in one.messages.rows(named=True)]
            assert planned.no_identifier == sum(one.no_identifier for one in expected)
            assert planned.conflicts == sum(one.conflicts for one in expected)

    @contextmanager
    def _job(self) -> Iterator[Job]:
        with tempfile.TemporaryDirectory() as folder:
            directory = Directory(self.state, Path(folder))
            jobs, _ = _jobs(self.state, self.state, [self.computation], self.space, "crm", directory, Path(folder))
            yield jobs[0]

    # ── the delivery ────────────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def _ending(self, ending: Ending) -> Iterator[None]:
        def fails(*_: Any, **__: Any) -> Any:
            raise OSError("no")

        def dies(*_: Any, **__: Any) -> Any:
            raise KilledError

        with self.patch.context() as now:
            if ending is Ending.FAILED:
                now.setattr("audiences.delivery.destinations.jsonl.LocalFolder.writing", fails)
            elif ending is Ending.KILLED_BEFORE:
                now.setattr("audiences.state.acknowledged.Recording.commit", dies)
            elif ending is Ending.KILLED_AFTER:
                now.setattr("audiences.delivery.destinations.jsonl.JsonLines.finish", dies)
            with suppress(KilledError):
                yield
        self.state = State.open(str(self.root / "state"), create=True)

    def _arrived(self, expected: list[DeliveryPlan], strategy: Chosen) -> None:
        """What was to be sent was acknowledged."""
        for one in expected:
            for row in one.messages.iter_rows(named=True):
                about = (row["call"], row["identifier_type"], row["identifier_value"])
                self.acknowledged[about] = {
                    **{name: row[name] for name in ("call", "identifier_type", "identifier_value", "profile_id")},
                    "computation": self.computation.key,
                    "value": row["value"],
                    "attempts": row["attempt"],
                    "as_of": day(self.number),
                    "run": self.number,
                    "message_id": None,
                    "strategy": strategy_text(ACCOUNTS if row["call"] == GROUP else strategy),
                    "sync": None,
                }

    def _compare_acknowledged(self) -> None:
        columns = [name for name in ACKNOWLEDGED if name not in ("message_id", "sync")]
        found = self.state.acknowledged("crm").rows(self.computation.key).select(columns).rows(named=True)
        mine = [{name: row[name] for name in columns} for _, row in sorted(self.acknowledged.items())]
        assert found == mine


def rows_of(plans: list[DeliveryPlan]) -> int:
    return sum(one.messages.height for one in plans)


def people_frame(people: dict[str, Person]) -> pl.DataFrame:
    made = [profile(id_, *person.identifiers, account_ids=person.accounts) for id_, person in sorted(people.items())]
    return profiles(*made) if made else pl.DataFrame(schema=PROFILES)


COMPUTED = {
    kind: Computation(
        f"the_{kind.value}", kind, parse("event('Order').count()" + (" >= 1" if kind is Kind.AUDIENCE else ""))
    )
    for kind in Kind
}
EXAMPLES = 400 if os.environ.get("HYPOTHESIS_PROFILE") == "long" else 8
SMALL = {
    "audiences.delivery.directory_files.PROFILES_PER_PART": 2,
    "audiences.delivery.directory_files.ROWS_PER_INDEX": 3,
    "audiences.delivery.subjects.PROFILES_PER_PART": 2,
    "audiences.delivery.plans.PARTS_PER_READ": 2,
    "audiences.delivery.plans.LINKED_PER_PART": 2,
    "audiences.delivery.spool.ROWS_IN_MEMORY": 2,
    "audiences.delivery.syncs.ROWS_PER_BATCH": 2,
    "audiences.state.acknowledged.FEW_ADDED": 3,
    "audiences.state.acknowledged.ROWS_PER_FILE": 2,
    "audiences.state.acknowledged.ONE_IN": 1,
}


def follow(computation: Computation, steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        for name, size in SMALL.items():
            patch.setattr(name, size)
        course = Course(Path(folder), computation, patch)
        for step in steps:
            course.take(step)


@pytest.mark.slow
@pytest.mark.parametrize("kind", Kind)
def test_users(kind: Kind) -> None:
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(courses(IDS, (("identify",), ("track", "identify"))))
    def check(steps: list[Step]) -> None:
        follow(COMPUTED[kind], steps)

    check()


@pytest.mark.slow
@pytest.mark.parametrize("kind", Kind)
def test_accounts(kind: Kind) -> None:
    @settings(max_examples=EXAMPLES // 2, deadline=None, suppress_health_check=list(HealthCheck))
    @given(courses(ACCOUNT_IDS, (("group",), ("group", "identify"), ("track",))))
    def check(steps: list[Step]) -> None:
        follow(replace(COMPUTED[kind], level=Level.ACCOUNT), steps)

    check()


# ── what chance seldom brings about ─────────────────────────────────────────────────────────────────────────


def having(*identifiers: str) -> Person:
    """A profile with identifiers such as ``email e0``."""
    return Person(tuple((text.split()[0], text.split()[1]) for text in identifiers), ())


BOTH, LAST_EMAIL, FIRST_USER_ID = STRATEGIES

SCENARIOS = {
    "lost by somebody else than the one who was known by it": [
        Step({"p1": having("email e0"), "p2": having("email e0")}, {"p2": "1"}, whole=True),
        Step({}, {"p1": "1"}),
        Step({}, {"p2": None}),
        Step({"p1": having("user_id u1")}, {}),
    ],
    "shared with somebody who didn't change": [
        Step({"p1": having("email e0"), "p2": having("email e0")}, {"p1": "1", "p2": "2"}, whole=True),
        Step({}, {"p1": None}),
        Step({}, {"p1": "2"}),
    ],
    "more to send after a sync, because of an earlier strategy": [
        Step({"p1": having("email e0", "user_id u0"), "p2": having("email e0", "email e1")}, {"p2": "1"}, whole=True),
        Step({}, {"p1": "1"}, strategy=FIRST_USER_ID),
        Step({}, {"p2": "2"}, strategy=LAST_EMAIL),
        Step({}, {}, strategy=LAST_EMAIL),
        Step({}, {}, strategy=LAST_EMAIL),
    ],
    "moved to a profile in another part": [
        Step({"p0": having("email e0"), "p2": having("email e1"), "p4": having("user_id u0")}, {"p4": "1"}, whole=True),
        Step({"p0": having("user_id u0"), "p4": having()}, {"p0": "2"}, wide=True),
    ],
    "moved to a profile that left long ago": [
        Step({"p1": having("user_id u1"), "p2": having("user_id u2")}, {"p1": "1", "p2": "1"}, whole=True),
        Step({}, {"p2": None}),
        Step({"p1": having(), "p2": having("user_id u2", "user_id u1")}, {}),
    ],
    "another call": [
        Step({"p1": having("user_id u1"), "p2": having("user_id u2")}, {"p1": "1", "p2": "1"}, whole=True),
        Step({}, {}, calls=("track", "identify")),
        Step({}, {"p1": None}, calls=("track", "identify")),
    ],
    "identifiers changed when all profiles were written": [
        Step({"p1": having("user_id u1"), "p2": having("user_id u2")}, {"p1": "1", "p2": "1"}, whole=True),
        Step({"p1": having("user_id u1", "email e0"), "p2": having()}, {}, whole=True),
        Step({"p3": having("user_id u2")}, {"p3": "1"}, folded=True),
        Step({"p3": None}, {}),
    ],
    "all profiles written again and again": [
        Step({"p0": having(), "p1": having()}, {"p0": "1"}, whole=True),
        Step({"p0": Person((), ("p1",))}, {}, whole=True),
        Step({"p0": having()}, {}, folded=True),
    ],
    "missed, failed, killed": [
        Step({"p1": having("user_id u1"), "p2": having("email e0")}, {"p1": "1"}, whole=True),
        Step({"p2": having("email e1")}, {"p2": "1"}, ending=Ending.MISSED),
        Step({}, {"p1": None}, ending=Ending.FAILED),
        Step({"p3": having("user_id u1", "email e0")}, {"p3": "2"}, ending=Ending.KILLED_BEFORE),
        Step({"p2": None}, {}, ending=Ending.KILLED_AFTER),
        Step({}, {"p1": "2"}),
    ],
}


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenarios(scenario: str, kind: Kind) -> None:
    follow(COMPUTED[kind], SCENARIOS[scenario])


@pytest.mark.parametrize("kind", Kind)
def test_only_what_changed_is_planned(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first sync, nothing that these steps bring about needs everybody."""
    first, *later = SCENARIOS["missed, failed, killed"] + [
        Step({"p1": having("user_id u1", "email e0")}, {}, whole=True),
        Step({"p3": having("user_id u2")}, {}, folded=True),
        Step({}, {"p3": "1"}),
    ]
    with tempfile.TemporaryDirectory() as folder:
        course = Course(Path(folder), COMPUTED[kind], monkeypatch)
        course.take(first)
        monkeypatch.setattr("audiences.delivery.jobs.plan_everybody", None)
        for step in later:
            course.take(step)
