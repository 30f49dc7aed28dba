"""A small project in a temporary folder: three known profiles and one that only the events know.

The orders, by profile, in dollars:

    p1                        30.00 on 2024-01-05, 50.50 on 2024-02-20
    p2                        100.00 on 2024-01-20
    p3                        12.00 on 2024-02-25
    user_id:ann@example.com   95.00 on 2024-02-10

Of the last 30 days are, as of 2024-02-01, those of January; as of 2024-03-01, those of February.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

SPACE = """\
space: {id: spa_test, slug: test}
sources: {events: data/events.parquet, profiles: data/profiles.parquet}
state: .audiences
as_of: 2024-03-01T00:00:00Z
destinations:
  archive: {type: jsonl, path: out, confirmed: true}
"""

TRAITS = """\
traits:
  - key: orders
    name: Orders
    description: How many orders a person placed in the last 30 days.
    owner: team:growth
    tags: [shop, money & orders]
    definition: event('Order Completed').within(30 days).count()
    schedule: "0 */8 * * *"

  - key: revenue
    name: Revenue
    definition: event('Order Completed').sum(property('revenue'))
    schedule: "30 6 * * *"
"""

AUDIENCES = """\
audiences:
  - key: buyers
    name: Buyers
    definition: trait('orders') >= 1
    schedule: "0  */8 * * *"
    destinations: [archive]

  - key: big_buyers
    definition: trait('revenue') > 90 AND trait('buyers') = true
"""

EVENTS = pl.DataFrame(
    {
        "message_id": ["m1", "m2", "m3", "m4", "m5"],
        "type": ["track"] * 5,
        "event": ["Order Completed"] * 5,
        "user_id": ["u1", "u1", "u2", "u3", "ann@example.com"],
        "timestamp": [
            datetime(2024, 1, 5, tzinfo=UTC),
            datetime(2024, 2, 20, tzinfo=UTC),
            datetime(2024, 1, 20, tzinfo=UTC),
            datetime(2024, 2, 25, tzinfo=UTC),
            datetime(2024, 2, 10, tzinfo=UTC),
        ],
        "properties": [f'{{"revenue": {amount}}}' for amount in ("30", "50.5", "100", "12", "95")],
    }
)

PROFILES = pl.DataFrame(
    {
        "profile_id": ["p1", "p2", "p3"],
        "traits": ['{"plan": "free"}'] * 3,
        "external_ids": [
            [{"type": "user_id", "value": user}, {"type": "email", "value": f"{user}@example.com"}]
            for user in ("u1", "u2", "u3")
        ],
    }
)


@pytest.fixture
def make_project(tmp_path: Path) -> Callable[[dict[str, str]], Path]:
    """Writes a project with the test data and these files, by their path below definitions/; returns its folder."""

    def make(files: dict[str, str]) -> Path:
        root = tmp_path / "project"
        (root / "data").mkdir(parents=True)
        EVENTS.write_parquet(root / "data" / "events.parquet")
        PROFILES.write_parquet(root / "data" / "profiles.parquet")
        for name, text in {"space.yml": SPACE, **files}.items():
            path = root / "definitions" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return root

    return make


@pytest.fixture
def project_folder(make_project: Callable[[dict[str, str]], Path]) -> Path:
    """The test project: two traits and two audiences in the folder shop."""
    return make_project({"shop/traits.yml": TRAITS, "shop/audiences.yml": AUDIENCES})
