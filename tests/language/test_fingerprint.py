"""Fingerprints change when a result could, and not when only the spelling does."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings

from audiences.language import tree
from audiences.language.fingerprint import fingerprint
from audiences.language.parse import parse
from audiences.language.print import query
from language_strategies import Definition, definitions

FIXTURE = Path(__file__).parent / "fixtures" / "fingerprints.txt"


def pairs(separator: str) -> list[tuple[str, str]]:
    lines = FIXTURE.read_text(encoding="utf-8").splitlines()
    found = [tuple(line.split(f"  {separator}  ")) for line in lines if not line.startswith("#")]
    return [(pair[0], pair[1]) for pair in found if len(pair) == 2]


@pytest.mark.parametrize(("one", "other"), pairs("<=>"))
def test_what_computes_the_same_has_the_same_fingerprint(one: str, other: str) -> None:
    assert fingerprint(parse(one)) == fingerprint(parse(other))


@pytest.mark.parametrize(("one", "other"), pairs("<!>"))
def test_what_computes_something_else_has_another_fingerprint(one: str, other: str) -> None:
    assert fingerprint(parse(one)) != fingerprint(parse(other))


def test_a_fingerprint_is_a_sha256_and_stays_the_same_between_releases() -> None:
    found = fingerprint(parse("trait('plan') = 'free'"))

    # printf '1\n["equals",["trait","plan"],["text","free"]]' | sha256sum
    assert found == "c9c0d7d84ba0c015566af7b1d0205e70357a14caaa54a9c2f6481d97d64a8787"


@settings(max_examples=150, deadline=None)
@given(definitions())
def test_a_fingerprint_survives_printing_and_reading(definition: Definition) -> None:
    again = parse(query(definition.expression))

    assert fingerprint(again) == fingerprint(definition.expression)


@settings(max_examples=150, deadline=None)
@given(definitions())
def test_order_and_units_of_time_mean_nothing(definition: Definition) -> None:
    other = respelled(definition.expression)

    assert fingerprint(other) == fingerprint(definition.expression)


NodeT = TypeVar("NodeT", bound=tree.Node)


def respelled(node: NodeT) -> NodeT:
    """The same with days as hours, and with everything backwards whose order means nothing."""
    changes: dict[str, Any] = {}
    for field in fields(node):
        value = getattr(node, field.name)
        if isinstance(value, tree.Duration) and value.unit is tree.Unit.DAY:
            changes[field.name] = tree.Duration(value.amount * 24, tree.Unit.HOUR)
        elif isinstance(value, tree.Node):
            changes[field.name] = respelled(value)
        elif isinstance(value, tuple):
            items = [respelled(item) if isinstance(item, tree.Node) else item for item in value]
            changes[field.name] = tuple(reversed(items) if is_unordered(node, field.name) else items)
    return replace(node, **changes)


def is_unordered(node: tree.Node, name: str) -> bool:
    if isinstance(node, tree.Comparison):
        return node.operator in {"one_of", "none_of", "contains", "omits"}
    return (type(node), name) in {
        (tree.And, "operands"),
        (tree.Or, "operands"),
        (tree.Stream, "filters"),
        (tree.Sources, "exclude"),
    }
