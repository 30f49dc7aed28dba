"""What is not computed is refused by name, whichever way it gets to the engine."""

from __future__ import annotations

import pytest

from audiences.definitions.computation import Computation, Level
from audiences.engines.polars import PolarsEngine
from audiences.errors import NotYetError
from fakes import computation, snapshots

FUNNEL = "event('A').where(event('B').count() >= 1).count() >= 1"
REFUSED = [
    (computation("funnel", FUNNEL), ["funnel conditions: not yet"]),
    (
        computation(
            "funnel_in_a_trait",
            "event('A').where(property('x') = 1 AND NOT event('B').within(parent: 1 day)"
            ".where(property('y') = property(parent: 'y')).count() = 0).count()",
        ),
        ["funnel conditions: not yet"],
    ),
    (computation("deep", f"trait('x') = 1 OR NOT ({FUNNEL})"), ["funnel conditions: not yet"]),
    (computation("any_user", "ANY (event('A').count() >= 1)"), ["ANY and ALL: not yet"]),
    (
        computation("account", "ALL (event('A').count() >= 1) AND trait('x') = 1", level=Level.ACCOUNT),
        ["account-level computations: not yet", "ANY and ALL: not yet"],
    ),
    (
        computation("account_trait", "event('A').count()", level=Level.ACCOUNT),
        ["account-level computations: not yet"],
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
    ],
)
def test_everything_else_is_not_refused(definition: str) -> None:
    assert PolarsEngine().refusals(computation("it", definition)) == []
