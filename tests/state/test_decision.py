from __future__ import annotations

from datetime import timedelta

import pytest

from audiences.definitions.computation import Computation, Kind, Level
from audiences.state import ComputationRecord, Manifest, Occasion, decide
from audiences.state.decision import reused
from stateful import COMPUTED_AT, audience, day, trait


def record(key: str, *, as_of: int = 5, inputs: str = "i", kind: Kind = Kind.TRAIT) -> ComputationRecord:
    return ComputationRecord(
        key=key,
        kind=kind,
        level=Level.USER,
        as_of=day(as_of),
        run=3,
        computed_at=COMPUTED_AT,
        size=1,
        fingerprint="f",
        inputs=inputs,
        first_run=1,
        first_as_of=day(1),
    )


def manifest(*records: ComputationRecord) -> Manifest:
    return Manifest(
        run=7,
        run_id="x",
        as_of=day(5),
        revision=2,
        computed_at=COMPUTED_AT,
        inputs="i",
        computations={item.key: item for item in records},
    )


def test_the_first_run() -> None:
    decision = decide(None, as_of=day(1), definitions={"a": "f"}, inputs="i")
    assert (decision.occasion, decision.run, decision.revision, decision.commits) == (
        Occasion.FIRST,
        1,
        1,
        True,
    )


def test_a_later_as_of_is_a_new_run() -> None:
    decision = decide(manifest(record("a")), as_of=day(6), definitions={"a": "f"}, inputs="i")
    assert (decision.occasion, decision.run, decision.revision, decision.commits) == (
        Occasion.NEW,
        8,
        1,
        True,
    )


def test_the_same_again_is_a_no_op() -> None:
    decision = decide(manifest(record("a"), record("b")), as_of=day(5), definitions={"a": "f"}, inputs="i")
    assert (decision.occasion, decision.run, decision.revision) == (Occasion.NOTHING_NEW, 7, 2)
    assert not decision.commits
    assert decision.note == "nothing new since run 7 at 2024-01-05T00:00:00Z"


@pytest.mark.parametrize(
    ("definitions", "inputs"),
    [
        ({"a": "other"}, "i"),  # the definition changed
        ({"a": "f"}, "other"),  # the inputs changed
        ({"a": "f", "new": "f"}, "i"),  # a computation was added
        ({"a": "f", "old": "f"}, "i"),  # one was last computed at an earlier as-of
    ],
)
def test_the_same_as_of_with_anything_else_is_a_revision(definitions: dict[str, str], inputs: str) -> None:
    known = manifest(record("a"), record("old", as_of=4))
    decision = decide(known, as_of=day(5), definitions=definitions, inputs=inputs)
    assert (decision.occasion, decision.run, decision.revision, decision.commits) == (
        Occasion.REVISION,
        8,
        3,
        True,
    )


def test_a_computation_from_other_inputs_is_not_there_yet() -> None:
    known = manifest(record("a"), record("b", inputs="earlier inputs"))
    assert decide(known, as_of=day(5), definitions={"b": "f"}, inputs="i").occasion is Occasion.REVISION
    assert decide(known, as_of=day(5), definitions={"a": "f"}, inputs="i").occasion is Occasion.NOTHING_NEW


def test_an_earlier_as_of_is_a_look_into_the_past() -> None:
    earlier = day(5) - timedelta(microseconds=1)
    decision = decide(manifest(record("a")), as_of=earlier, definitions={"a": "f"}, inputs="i")
    assert (decision.occasion, decision.run, decision.commits) == (Occasion.PAST, None, False)
    assert "not kept or delivered" in decision.note


@pytest.mark.parametrize(
    ("computation", "wrong"),
    [
        (trait("a"), False),
        (trait("unknown"), False),
        (audience("a"), True),
        (Computation("a", Kind.TRAIT, trait("a").expression, level=Level.ACCOUNT), True),
    ],
)
def test_a_key_cannot_become_something_else(computation: Computation, wrong: bool) -> None:
    problems = reused(manifest(record("a")), [computation])
    assert bool(problems) == wrong
    if wrong:
        assert problems[0].key == "a"
        assert "'a' was the key of a user-level trait until run 3" in problems[0].what


def test_before_the_first_run_every_key_is_free() -> None:
    assert reused(None, [trait("a")]) == []
