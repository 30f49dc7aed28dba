"""What is not computed is refused by name, whichever way it gets to the engine."""

from __future__ import annotations

import pytest

from audiences.definitions.computation import Computation, Level
from audiences.engines.polars import PolarsEngine
from audiences.errors import NotYetError
from fakes import computation, snapshots

FUNNEL = "event('A').where(event('B').expires_after(1 hour).count() >= 1).count()"
REFUSED = [
    (computation("session", FUNNEL), ["session windows of nested events: not yet"]),
    (
        computation("deep", f"trait('x') = 1 OR NOT (event('C').where({FUNNEL} >= 1).count() = 0)"),
        ["session windows of nested events: not yet"],
    ),
    (
        computation("account", f"ANY ({FUNNEL} >= 1) AND ALL ({FUNNEL} >= 2)", level=Level.ACCOUNT),
        ["session windows of nested events: not yet"],
    ),
]


@pytest.mark.parametrize(("refused", "expected"), REFUSED, ids=[item.key for item, _ in REFUSED])
def test_refused_by_name(refused: Computation, expected: list[str]) -> None:
    problems = PolarsEngine().refusals(refused)
    assert [problem.what for problem in problems] == expected
    assert all(problem.not_yet and problem.key == refused.key and problem.hint for problem in problems)
    with pytest.raises(NotYetError, match=expected[0]):
        snapshots([refused, computation("fine", "event('A').count()")], profiles=[{"id": "p"}])


@pytest.mark.parametrize(
    "definition",
    [
        "event('A').within(7 days).where(property('x.$.y') = trait('z')).sources({exclude: 's'}).count()",
        "event('A').between(7 days, 9 days).max(context('a') as string) = 'x'",
        "NOT (trait('x').within_last(3 days) AND trait('y').omits('a'))",
        "event('A').expires_after(1 hour).count()",
        "event('A').where(event('B').within(parent: 1 day).count() = 0).count() >= 1",
        "event('A').where(NOT event('B').between(parent: 1 hour, 1 day)"
        ".where(property('y') = property(parent: 'y')).sum(property('z')) >= 5).count()",
    ],
)
def test_everything_else_is_not_refused(definition: str) -> None:
    assert PolarsEngine().refusals(computation("it", definition)) == []
