"""Hints with the nearest right thing."""

from __future__ import annotations

import pytest

from audiences.language.suggest import did_you_mean, nearest
from audiences.language.vocabulary import FUNCTIONS, REDUCERS, SYNONYMS, function_hint


@pytest.mark.parametrize(
    ("word", "candidates", "expected"),
    [
        ("wihtin", ["where", "within", "between"], "within"),
        ("Order Compleeted", ["Order Completed", "Order Cancelled"], "Order Completed"),
        ("order completed", ["Order Completed", "Order Cancelled"], "Order Completed"),
        ("COUNT", ["count", "sum"], "count"),
        ("xyz", ["count", "sum"], None),
        ("", ["count"], None),
        ("count", [], None),
    ],
)
def test_the_nearest_candidate(word: str, candidates: list[str], expected: str | None) -> None:
    assert nearest(word, candidates) == expected


def test_a_hint_is_a_question_or_nothing() -> None:
    assert did_you_mean("wihtin", ["within"]) == "did you mean 'within'?"
    assert did_you_mean("xyz", ["within"]) == ""


def test_known_synonyms_come_before_likeness() -> None:
    assert function_hint("average", REDUCERS) == "did you mean 'avg'?"
    assert function_hint("zzz", ("count", "sum")) == "possible here: count, sum"
    assert set(SYNONYMS.values()) <= set(FUNCTIONS)
    assert not set(SYNONYMS) & set(FUNCTIONS)
