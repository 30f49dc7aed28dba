"""Every example of Segment's documents, and what follows from their sentences, through the public API.

A case has a ``definition`` (``kind``, ``level``) over ``profiles``, ``accounts`` and ``events`` at ``as_of``,
and what to ``expect``: the ``members`` of an audience, the ``values`` of a trait (an id that isn't listed may
be absent or null), or an ``error``. ``source`` is the document and section, ``note`` the sentence that decides.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import audiences

Case = dict[str, Any]

CASES: list[Case] = [
    case for path in sorted((Path(__file__).parent / "cases").glob("*.json")) for case in json.loads(path.read_text())
]

NOT_YET: dict[str, str] = {}
"""Cases that aren't computed yet, and what they are refused for. A case that is computed must leave."""


def table(rows: list[dict[str, Any]], columns: list[str]) -> pl.DataFrame:
    """Rows as an events, profiles or accounts table: objects and lists of objects are JSON text."""
    return pl.DataFrame(
        {column: pl.Series([cell(column, row.get(column)) for row in rows], dtype=dtype(column)) for column in columns}
    )


def dtype(column: str) -> pl.DataType:
    return pl.List(pl.String) if column == "account_ids" else pl.String()


def cell(column: str, value: Any) -> Any:
    return json.dumps(value) if column in ("properties", "context", "traits", "external_ids") else value


def evaluated(case: Case) -> dict[str, Any]:
    """id → value."""
    memberships = any("account_ids" in profile for profile in case["profiles"])
    found = audiences.evaluate(
        [
            {
                "key": "it",
                "kind": case["kind"],
                "level": case["level"],
                "definition": case["definition"],
            }
        ],
        events=table(
            case["events"],
            ["message_id", "profile_id", "type", "event", "name", "timestamp", "properties", "context"],
        ),
        profiles=table(
            case["profiles"],
            ["profile_id", "traits", "external_ids", *(["account_ids"] if memberships else [])],
        ),
        accounts=table(case["accounts"], ["account_id", "traits"]) if case["accounts"] else None,
        as_of=case["as_of"],
    )
    return dict(found["it"].iter_rows())


def same(value: Any, expected: Any) -> bool:
    """Equal; floats as far as the documents give them."""
    if isinstance(value, float) and isinstance(expected, int | float):
        return math.isclose(value, expected, rel_tol=1e-9)
    return type(value) is type(expected) and bool(value == expected)


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_case(case: Case) -> None:
    expect = case["expect"]
    if case["id"] in NOT_YET:
        with pytest.raises(audiences.NotYetError, match=NOT_YET[case["id"]]):
            evaluated(case)
    elif "error" in expect:
        with pytest.raises(audiences.DefinitionError) as raised:
            evaluated(case)
        assert not isinstance(raised.value, audiences.NotYetError)
    elif "members" in expect:
        assert sorted(evaluated(case)) == sorted(expect["members"])
    else:
        found = evaluated(case)
        for id, value in expect["values"].items():
            assert same(found.get(id), value), (id, found.get(id), value)
        assert {id for id, value in found.items() if value is not None} <= set(expect["values"])


def test_every_mark_is_of_a_case() -> None:
    assert set(NOT_YET) <= {case["id"] for case in CASES}


def test_ids_are_unique() -> None:
    assert len({case["id"] for case in CASES}) == len(CASES) >= 203
