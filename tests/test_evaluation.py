from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import audiences
from audiences.errors import DefinitionError, InputError, NotYetError

AS_OF = datetime(2024, 6, 15, 12, tzinfo=UTC)


def events(**columns: Any) -> pl.DataFrame:
    size = len(columns["timestamp"])
    return pl.DataFrame({"type": ["track"] * size, "message_id": [f"m{n}" for n in range(size)], **columns})


EVENTS = events(
    event=["Bought", "Bought", "Bought"],
    user_id=["u1", "u1", "u2"],
    timestamp=["2024-06-14T12:00:00Z", "2024-06-15T11:59:59.999999Z", "2024-06-15T12:00:00Z"],
    properties=['{"total": 0.1, "sku": "b"}', '{"total": 0.2, "sku": "a"}', '{"total": 5}'],
)
PROFILES = pl.DataFrame(
    {
        "profile_id": ["p1", "p2"],
        "traits": ['{"plan": "pro"}', "{}"],
        "external_ids": ['[{"type": "user_id", "value": "u1"}]', '[{"type": "user_id", "value": "u2"}]'],
    }
)


def trait(key: str, definition: str, **settings: Any) -> dict[str, Any]:
    return {"key": key, "kind": "trait", "definition": definition, **settings}


def audience(key: str, definition: str, **settings: Any) -> dict[str, Any]:
    return {"key": key, "kind": "audience", "definition": definition, **settings}


def test_a_typed_frame_per_key() -> None:
    found = audiences.evaluate(
        [
            audience("buyers", "trait('spent') > 0"),
            trait("spent", "event('Bought').sum(property('total'))"),
            trait("orders", "event('Bought').count()", default=0),
            trait("skus", "event('Bought').unique(property('sku'))"),
            trait("last_sku", "event('Bought').last(property('sku'))"),
            audience("not_pro", "NOT (trait('plan') = 'pro')"),
            {"key": "structured", "kind": "audience", "all": [{"trait": "plan", "equals": "pro"}]},
        ],
        events=EVENTS,
        profiles=PROFILES,
        as_of=AS_OF,
    )
    assert list(found) == ["spent", "buyers", "orders", "skus", "last_sku", "not_pro", "structured"]
    expected: dict[str, tuple[pl.DataType, list[tuple[str, Any]]]] = {
        "spent": (pl.Float64(), [("p1", 0.3)]),
        "buyers": (pl.Boolean(), [("p1", True)]),
        "orders": (pl.Int64(), [("p1", 2), ("p2", 0)]),
        "skus": (pl.List(pl.String), [("p1", ["a", "b"])]),
        "last_sku": (pl.String(), [("p1", "a")]),
        "not_pro": (pl.Boolean(), [("p2", True)]),
        "structured": (pl.Boolean(), [("p1", True)]),
    }
    for key, (dtype, rows) in expected.items():
        assert found[key].schema == {"id": pl.String, "value": dtype}
        assert found[key].rows() == rows


@pytest.mark.parametrize(
    "as_of",
    [
        AS_OF,
        datetime(2024, 6, 15, 12),  # noqa: DTZ001
        datetime(2024, 6, 15, 14, tzinfo=timezone(timedelta(hours=2))),
        "2024-06-15T12:00:00Z",
        "2024-06-15 12:00",
        "2024-06-15T14:00:00+02:00",
    ],
)
def test_as_of_in_any_form(as_of: datetime | str) -> None:
    found = audiences.evaluate(
        [trait("orders", "event('Bought').count()")], events=EVENTS, profiles=PROFILES, as_of=as_of
    )
    assert found["orders"].rows() == [("p1", 2)]


def test_profiles_are_made_from_events_where_there_is_no_table() -> None:
    found = audiences.evaluate([trait("orders", "event('Bought').count()")], events=EVENTS, as_of="2024-07-01")
    assert found["orders"].rows() == [("user_id:u1", 2), ("user_id:u2", 1)]


def test_lazy_frames_and_paths(tmp_path: Path) -> None:
    definitions = [trait("orders", "event('Bought').count()")]
    EVENTS.write_parquet(tmp_path / "events.parquet")
    PROFILES.write_parquet(tmp_path / "profiles.parquet")
    for tables in (
        {"events": EVENTS.lazy(), "profiles": PROFILES.lazy()},
        {"events": tmp_path / "events.parquet", "profiles": str(tmp_path / "profiles.parquet")},
    ):
        found = audiences.evaluate(definitions, as_of=AS_OF, **tables)
        assert found["orders"].rows() == [("p1", 2)]


YAML = """
traits:
  - key: orders
    definition: event('Bought').count()
  - key: old
    enabled: false
    definition: event('Bought').count()
audiences:
  - key: buyers
    all: [{trait: orders, at_least: 2}]
"""


def test_a_yaml_file_and_a_project(tmp_path: Path) -> None:
    folder = tmp_path / "definitions"
    folder.mkdir()
    (folder / "space.yml").write_text("space: {id: spa_test, slug: test}\nsources: {events: nowhere}\n")
    (folder / "shop.yml").write_text(YAML)
    for path in (folder / "shop.yml", str(folder / "shop.yml"), tmp_path, folder):
        found = audiences.evaluate(path, events=EVENTS, profiles=PROFILES, as_of=AS_OF)
        assert list(found) == ["orders", "buyers"]
        assert found["buyers"].rows() == [("p1", True)]


def test_every_mistake_is_raised_at_once() -> None:
    with pytest.raises(DefinitionError) as raised:
        audiences.evaluate(
            [
                trait("a", "event('Bought').median(property('x'))"),
                audience("b", "event('Bought').count()"),
                audience("c", "ANY (event('Bought').count() >= 1)", level="account"),
                {"key": "d", "kind": "tarit"},
            ],
            events=EVENTS,
            as_of=AS_OF,
        )
    assert not isinstance(raised.value, NotYetError)
    assert {problem.where.file.split(".")[0] for problem in raised.value.problems} >= {
        "computations[0]",
        "computations[1]",
        "computations[3]",
    }


def test_a_disabled_computation_has_no_last_snapshot() -> None:
    with pytest.raises(DefinitionError, match="'old', which is disabled"):
        audiences.evaluate(
            [trait("old", "event('Bought').count()", enabled=False), audience("uses", "trait('old') > 1")],
            events=EVENTS,
            as_of=AS_OF,
        )


@pytest.mark.parametrize(
    ("computations", "as_of", "error"),
    [
        ([], "yesterday", DefinitionError),
        ("no_such_file.yml", "2024-01-01", DefinitionError),
        ([trait("a", "trait('b')"), trait("b", "trait('a')")], "2024-01-01", DefinitionError),
    ],
)
def test_wrong_arguments(computations: Any, as_of: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        audiences.evaluate(computations, events=EVENTS, as_of=as_of)


def test_events_that_are_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        audiences.evaluate([trait("a", "trait('b')")], events=tmp_path / "none.parquet", as_of=AS_OF)


def test_no_definitions_give_nothing() -> None:
    assert audiences.evaluate([], events=EVENTS, as_of=AS_OF) == {}
