"""Hints with the nearest right thing."""

from __future__ import annotations

import pytest

from audiences.language.suggest import did_you_mean, nearest, nearest_names
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
        # The beginning of only one of them is an abbreviation.
        ("dest", ["destination", "send"], "destination"),
        ("des", ["destination", "description"], None),
        ("de", ["destination"], None),
    ],
)
def test_the_nearest_candidate(word: str, candidates: list[str], expected: str | None) -> None:
    assert nearest(word, candidates) == expected


@pytest.mark.parametrize(
    ("word", "counts", "expected"),
    [
        ("totl", {"total": 1, "title": 9, "sku": 99}, ["total"]),
        ("order_completed", {"Order Completed": 1, "Order Cancelled": 9}, ["Order Completed"]),
        # Equally near: the more frequent first, then by name; three at most.
        ("price_a", {"price_b": 1, "price_c": 5, "price_e": 1, "price_d": 1}, ["price_c", "price_b", "price_d"]),
        ("sku", {"total": 5}, []),
        ("", {"total": 5}, []),
    ],
)
def test_the_nearest_names(word: str, counts: dict[str, int], expected: list[str]) -> None:
    assert nearest_names(word, counts) == expected


def test_a_hint_is_a_question_or_nothing() -> None:
    assert did_you_mean("wihtin", ["within"]) == "did you mean 'within'?"
    assert did_you_mean("xyz", ["within"]) == ""


def test_known_synonyms_come_before_likeness() -> None:
    assert function_hint("average", REDUCERS) == "did you mean 'avg'?"
    assert function_hint("zzz", ("count", "sum")) == "possible here: count, sum"
    assert set(SYNONYMS.values()) <= set(FUNCTIONS)
    assert not set(SYNONYMS) & set(FUNCTIONS)
