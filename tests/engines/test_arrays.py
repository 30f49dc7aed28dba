"""`$` reaches into arrays: comparisons hold for an element, reducers see every element."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from fakes import members, values

PRODUCTS: dict[str, Any] = {
    "both": [{"sku": "a", "n": 1}, {"sku": "b", "n": 2}],
    "only_a": [{"sku": "a", "n": 1}],
    "c": [{"sku": "c", "n": "30"}],
    "partly": [{"sku": None}, {"n": 4}, {"sku": "a"}],
    "empty": [],
    "no_array": {"sku": "a"},
    "null": None,
}
PROFILES = [{"id": key, "traits": {"products": value}} for key, value in PRODUCTS.items()]
EVENTS = [
    {"profile": key, "event": "A", "timestamp": timedelta(1), "properties": {"products": value}}
    for key, value in PRODUCTS.items()
]
EVERYONE = set(PRODUCTS)
WITH_A = {"both", "only_a", "partly"}

CASES: list[tuple[str, str, set[str]]] = [
    ("products.$.sku", "= 'a'", WITH_A),
    ("products.$.sku", "!= 'a'", {"both", "c"}),
    ("products.$.sku", ".one_of('b', 'c')", {"both", "c"}),
    ("products.$.sku", ".none_of('a', 'b')", {"c"}),
    ("products.$.sku", ".contains('a')", WITH_A),
    ("products.$.sku", ".omits('a')", EVERYONE - WITH_A),
    ("products.$.sku", ".omits('a', 'c')", EVERYONE - WITH_A - {"c"}),
    ("products.$.sku", ".exists()", WITH_A | {"c"}),
    ("products.$.sku", ".absent()", {"empty", "no_array", "null"}),
    ("products.$.sku", ".starts_with('b')", {"both"}),
    ("products.$.n", "> 2", {"c", "partly"}),
    ("products.$.n", "= 30", {"c"}),
    ("products.$.n", "<= 1", {"both", "only_a"}),
    ("products.$", ".exists()", EVERYONE - {"empty", "no_array", "null"}),
    ("products.$", '= \'{"sku":"c","n":"30"}\'', {"c"}),
    ("products", ".exists()", EVERYONE - {"null"}),
    ("products", "= '[]'", {"empty"}),
    ("products", ".contains('\"a\"')", WITH_A | {"no_array"}),
    ("products.$.sku", "> 'q'", set()),
]


@pytest.mark.parametrize(("path", "comparison", "expected"), CASES, ids=[f"{p} {c}" for p, c, _ in CASES])
def test_comparison(path: str, comparison: str, expected: set[str]) -> None:
    assert set(members(f"trait('{path}') {comparison}", profiles=PROFILES)) == expected
    counted = f"event('A').where(property('{path}') {comparison}).count() = 1"
    assert set(members(counted, EVENTS, PROFILES)) == expected


@pytest.mark.parametrize(
    ("reducer", "expected"),
    [
        ("sum(property('products.$.n'))", {"both": 3.0, "only_a": 1.0, "c": 30.0, "partly": 4.0}),
        ("max(property('products.$.n'))", {"both": 2.0, "only_a": 1.0, "c": 30.0, "partly": 4.0}),
        ("first(property('products.$.sku'))", {"both": "a", "only_a": "a", "c": "c", "partly": "a"}),
        ("last(property('products.$.sku'))", {"both": "b", "only_a": "a", "c": "c", "partly": "a"}),
        (
            "unique(property('products.$.sku'))",
            {"both": ["a", "b"], "only_a": ["a"], "c": ["c"], "partly": ["a"]},
        ),
        ("unique(property('products.$.sku')).count()", {"both": 2, "only_a": 1, "c": 1, "partly": 1}),
        ("mode(property('products.$.sku'), 1)", {"both": "a", "only_a": "a", "c": "c", "partly": "a"}),
    ],
)
def test_a_reducer_sees_every_element(reducer: str, expected: dict[str, Any]) -> None:
    assert values(f"event('A').{reducer}", EVENTS, PROFILES) == expected


def test_nested_arrays_are_flattened() -> None:
    events = [
        {
            "profile": "p",
            "event": "A",
            "timestamp": timedelta(1),
            "properties": {"o": [{"i": [1, 2]}, {"i": [3]}, {"i": []}]},
        }
    ]
    assert values("event('A').sum(property('o.$.i.$'))", events, [{"id": "p"}]) == {"p": 6.0}


def test_two_conditions_on_an_array_may_be_met_by_different_elements() -> None:
    both = "trait('products.$.sku') = 'a' AND trait('products.$.n') = 2"
    assert members(both, profiles=PROFILES) == ["both"]


def test_a_property_against_the_elements_of_a_trait() -> None:
    events = [{"profile": key, "event": "A", "timestamp": timedelta(1), "properties": {"sku": "a"}} for key in PRODUCTS]
    condition = "event('A').where(property('sku') = trait('products.$.sku')).count() = 1"
    assert set(members(condition, events, PROFILES)) == WITH_A


def test_a_list_on_both_sides_is_compared_element_by_element() -> None:
    profiles = [{"id": "same", "traits": {"v": ["x"]}}, {"id": "different", "traits": {"v": ["x", "y"]}}]
    assert members("trait('v.$') != trait('v.$')", profiles=profiles) == ["different"]
    assert members("trait('v.$') = trait('v.$')", profiles=profiles) == ["different", "same"]


def test_the_elements_of_a_trait_are_a_list() -> None:
    profiles = [{"id": "two", "traits": {"v": ["x", 1, None]}}, {"id": "none", "traits": {"v": []}}]
    assert values("trait('v.$')", profiles=profiles) == {"two": '["x",1]'}
