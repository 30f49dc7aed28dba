from __future__ import annotations

import gc
import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiences.events.documents import document
from audiences.events.values import VALUE, value_of
from audiences.language.tree import EACH, Path

OBJECT: dict[str, Any] = {
    "price": 7.5,
    "whole": 7.0,
    "integer": 7,
    "text": "7",
    "word": "shoes",
    "empty": "",
    "zero": 0,
    "no": False,
    "nothing": None,
    "big": 2**63,
    "a.b": "dot",
    "a": {"b": "nested", "c": {"d": 1}},
    "tags": ["x", None, "y", 5],
    "none": [],
    "products": [
        {"sku": "1", "sizes": ["s", "m"]},
        {"sku": 2, "sizes": []},
        {"name": "no sku"},
        "not an object",
        None,
    ],
    "matrix": [[1, 2], [3], []],
}

PATHS: list[tuple[Path, Any]] = [
    (("price",), 7.5),
    (("whole",), 7),
    (("integer",), 7),
    (("text",), "7"),
    (("empty",), ""),
    (("zero",), 0),
    (("no",), False),
    (("nothing",), None),
    (("absent",), None),
    (("PRICE",), None),
    (("big",), 2**63),
    (("a.b",), "dot"),
    (("a", "b"), "nested"),
    (("a", "c", "d"), 1),
    (("a", "c"), {"d": 1}),
    (("a", "x", "d"), None),
    (("word", "x"), None),
    (("tags",), ["x", None, "y", 5]),
    (("tags", "x"), None),
    (("products", "sku"), None),
]

LISTS: list[tuple[Path, list[Any]]] = [
    (("tags", EACH), ["x", "y", 5]),
    (("none", EACH), []),
    (("absent", EACH), []),
    (("word", EACH), []),
    (("a", EACH), []),
    ((EACH, "a"), []),
    (("products", EACH, "sku"), ["1", 2]),
    (("products", EACH, "absent"), []),
    (("products", EACH, "sizes", EACH), ["s", "m"]),
    (("products", EACH, "sizes"), [["s", "m"], []]),
    (("matrix", EACH), [[1, 2], [3], []]),
    (("matrix", EACH, EACH), [1, 2, 3]),
]


def of(value: dict[str, Any] | None) -> Any:
    return None if value is None else (value["kind"], value["text"], value["number"])


@pytest.mark.parametrize(("path", "expected"), PATHS, ids=lambda value: str(value))
def test_a_path_into_json(path: Path, expected: object) -> None:
    column = pl.Series([json.dumps(OBJECT), None, "{}"])
    values = document(column).values(path)
    assert values.dtype == VALUE
    assert [of(value) for value in values.to_list()] == [value_of(expected), None, None]


@pytest.mark.parametrize(("path", "expected"), LISTS, ids=lambda value: str(value))
def test_a_path_through_arrays(path: Path, expected: list[object]) -> None:
    column = pl.Series([None, json.dumps(OBJECT), "{}", json.dumps(OBJECT)])
    values = document(column).values(path)
    assert values.dtype == pl.List(VALUE)
    found = [[of(value) for value in row] for row in values.to_list()]
    elements = [value_of(one) for one in expected]
    assert found == [[], elements, [], elements]


WRONG = [
    "[]",
    "5",
    '"text"',
    "true",
    "",
    " ",
    "{",
    '{"a":1} x',
    '{"a":1}{"b":2}',
    '{"a":NaN}',
    '{"a":Infinity}',
    '{"a":1e400}',
    "{'a':1}",
    '{"a":1,}',
    '{"a":"\\ud800"}',
    "nil",
    "[" * 2000,
]


@pytest.mark.parametrize("text", WRONG, ids=lambda text: text[:12])
def test_text_that_is_no_json_object(text: str) -> None:
    one = document(pl.Series([text, '{"a":1}']))
    assert one.is_wrong().to_list() == [True, False]
    assert [of(value) for value in one.values(("a",)).to_list()] == [None, ("number", "1", 1.0)]
    assert one.sizes().to_list() == [0, 1]


@pytest.mark.parametrize(
    ("text", "size"), [("null", 0), (" { } ", 0), ('{"a":null}', 1), ('{"a":1,"b":{"c":1,"d":2}}', 2)]
)
def test_text_that_is_an_object_or_missing(text: str, size: int) -> None:
    one = document(pl.Series([text]))
    assert one.is_wrong().to_list() == [False]
    assert one.sizes().to_list() == [size]


def test_of_equal_keys_the_last_counts() -> None:
    values = document(pl.Series(['{"a":1,"a":2}'])).values(("a",))
    assert of(values[0]) == ("number", "2", 2.0)


def test_repeated_texts_are_parsed_right() -> None:
    texts = [json.dumps({"n": number % 3}) if number % 5 else None for number in range(3_000)]
    values = document(pl.Series(texts)).values(("n",))
    expected = [str(number % 3) if number % 5 else None for number in range(3_000)]
    assert values.struct.field("text").to_list() == expected


def test_rows_that_are_not_wanted_have_no_value() -> None:
    one = document(pl.Series(['{"a":1}', '{"a":2}']))
    values = one.values(("a",), pl.Series([False, True]))
    assert [of(value) for value in values.to_list()] == [None, ("number", "2", 2.0)]
    assert one.values(("a",)).null_count() == 0


def test_garbage_collection_is_as_before() -> None:
    assert gc.isenabled()
    document(pl.Series(['{"a":1}', "{"])).values(("a",))
    assert gc.isenabled()


STRUCT = pl.Series(
    [
        {
            "price": 7.0,
            "a": {"b": "x"},
            "tags": ["x", None, "y"],
            "items": [{"sku": 1}, {"sku": None}, {"sku": 3}],
        },
        None,
        {"price": None, "a": None, "tags": [], "items": None},
    ]
)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (("price",), [value_of(7), None, None]),
        (("a", "b"), [value_of("x"), None, None]),
        (("a",), [value_of({"b": "x"}), None, None]),
        (("A",), [None, None, None]),
        (("tags",), [value_of(["x", None, "y"]), None, value_of([])]),
        (("items", "sku"), [None, None, None]),
    ],
)
def test_a_path_into_a_struct(path: Path, expected: list[object]) -> None:
    one = document(STRUCT)
    assert [of(value) for value in one.values(path).to_list()] == expected
    assert not one.is_wrong().any()
    assert one.sizes().to_list() == [4, 0, 1]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (("tags", EACH), [["x", "y"], [], []]),
        (("items", EACH, "sku"), [["1", "3"], [], []]),
        (("price", EACH), [[], [], []]),
        (("absent", EACH, "x"), [[], [], []]),
    ],
)
def test_a_path_through_typed_arrays(path: Path, expected: list[list[str]]) -> None:
    values = document(STRUCT).values(path)
    assert values.dtype == pl.List(VALUE)
    assert [[value["text"] for value in row] for row in values.to_list()] == expected


def maps() -> list[pl.Series]:
    rows = [{"a": "1", "b": None}, None, {}]
    entries = [[{"key": "a", "value": "1"}, {"key": "b", "value": None}], None, []]
    listed = pl.Series(entries, dtype=pl.List(pl.Struct({"key": pl.String, "value": pl.String})))
    return [pl.Series(rows, dtype=pl.Map(pl.String, pl.String)), listed]


@pytest.mark.parametrize("column", maps(), ids=["map", "list of entries"])
def test_a_map(column: pl.Series) -> None:
    one = document(column)
    assert [of(value) for value in one.values(("a",)).to_list()] == [("string", "1", 1.0), None, None]
    assert one.values(("b",)).null_count() == one.values(("c", "d")).null_count() == 3
    assert one.sizes().to_list() == [2, 0, 0]
    assert one.texts().to_list() == ['{"a":"1"}', None, "{}"]


def test_a_map_of_structs() -> None:
    column = pl.Series([{"a": {"x": [1, 2]}}], dtype=pl.Map(pl.String, pl.Struct({"x": pl.List(pl.Int64)})))
    values = document(column).values(("a", "x", EACH))
    assert [value["text"] for value in values[0]] == ["1", "2"]


def test_python_objects() -> None:
    one = document(pl.Series([{"a": 1}, None, [1]], dtype=pl.Object))
    assert one.is_wrong().to_list() == [False, False, True]
    assert [of(value) for value in one.values(("a",)).to_list()] == [("number", "1", 1.0), None, None]
    assert one.texts().to_list() == ['{"a":1}', None, "[1]"]


def test_bytes() -> None:
    one = document(pl.Series([b'{"a":1}', b"\xff", None]))
    assert one.is_wrong().to_list() == [False, True, False]
    assert of(one.values(("a",))[0]) == ("number", "1", 1.0)


@pytest.mark.parametrize("column", [pl.Series([5, None]), pl.Series([[1], None]), pl.Series([True, None])])
def test_a_column_that_cannot_hold_objects(column: pl.Series) -> None:
    one = document(column)
    assert one.is_wrong().to_list() == [True, False]
    assert one.values(("a",)).null_count() == 2
    assert one.values(("a", EACH)).to_list() == [[], []]


def test_an_empty_column() -> None:
    for dtype in (
        pl.String(),
        pl.Null(),
        pl.Struct({"a": pl.Int64}),
        pl.Map(pl.String, pl.Int64),
        pl.Int64(),
    ):
        one = document(pl.Series([], dtype=dtype))
        assert len(one.is_wrong()) == len(one.sizes()) == len(one.texts()) == 0
        assert one.values(("a",)).dtype == VALUE
        assert one.values(("a", EACH)).dtype == pl.List(VALUE)


SCALARS = st.none() | st.booleans() | st.integers(-10, 10) | st.floats(-10, 10) | st.sampled_from("ab")
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=8,
)
SEGMENTS = st.lists(st.sampled_from(["a", "b", EACH]), min_size=1, max_size=4).map(tuple)


def walked(value: object, path: Path) -> list[object]:
    """All values at a path, the plain way."""
    if not path:
        return [value]
    segment, *rest = path
    if segment == EACH:
        return [found for one in value for found in walked(one, tuple(rest))] if isinstance(value, list) else []
    return walked(value.get(segment), tuple(rest)) if isinstance(value, dict) else []


@given(st.lists(st.dictionaries(st.sampled_from("ab"), JSON, max_size=2), max_size=4), SEGMENTS)
def test_any_path_equals_walking_it(objects: list[dict[str, object]], path: Path) -> None:
    values = document(pl.Series([json.dumps(one) for one in objects], dtype=pl.String)).values(path)
    expected = [[value_of(found) for found in walked(one, path)] for one in objects]
    if EACH in path:
        assert [[of(value) for value in row] for row in values.to_list()] == [
            [value for value in row if value is not None] for row in expected
        ]
    else:
        assert [of(value) for value in values.to_list()] == [row[0] if row else None for row in expected]
