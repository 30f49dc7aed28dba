from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from audiences import Project
from audiences.definitions.structured_print import print_structured
from audiences.language.parse import parse
from audiences.language.print import query
from dagster_project.folding import fold_query, fold_yaml

SAMPLES = Project.load(Path(__file__).parents[2]).definitions.computations.values()


def test_a_query_is_broken_before_calls() -> None:
    assert fold_query("event('Order Completed').within(180 days).sum(property('total')) >= 2000", width=40) == (
        "event('Order Completed')\n    .within(180 days)\n    .sum(property('total')) >= 2000"
    )


def test_a_query_is_broken_before_junctions() -> None:
    assert fold_query("trait('logins') >= 5 AND trait('reports_exported') >= 8", width=40) == (
        "trait('logins') >= 5\n    AND trait('reports_exported') >= 8"
    )


def test_yaml_is_broken_after_commas() -> None:
    assert fold_yaml("all:\n  - {event: Signed In, between: [30 days, 90 days], count: {at_least: 2}}", width=40) == (
        "all:\n  - {event: Signed In,\n      between: [30 days, 90 days],\n      count: {at_least: 2}}"
    )


@pytest.mark.parametrize("width", [10, 40, 56])
def test_folded_definitions_mean_the_same(width: int) -> None:
    texts = [query(one.expression, multiline=True) for one in SAMPLES]
    texts += [
        "event('It\\'s a \"quoted\", rather long. name (of) it').where(property('a.b') = 'x.count() y').count() > 1"
    ]
    for text in texts:
        assert parse(fold_query(text, width)) == parse(text)


@pytest.mark.parametrize("width", [10, 40, 56])
def test_folded_yaml_is_the_same(width: int) -> None:
    texts = [print_structured(one) for one in SAMPLES]
    texts += [
        "all:\n  - {trait: a, one_of: ['it''s, so', \"b, c\", d's, 'e, f']}\nname: a long name, with commas, and it's"
    ]
    for text in texts:
        assert yaml.safe_load(fold_yaml(text, width)) == yaml.safe_load(text)


def test_short_lines_stay() -> None:
    assert fold_query("trait('a') > 1\nAND trait('b') > 1") == "trait('a') > 1\nAND trait('b') > 1"
