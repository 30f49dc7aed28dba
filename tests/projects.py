"""A small project on disk: a few events, profiles and definitions, written anew for each test."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

SPACE = """\
space: {id: spa_test, slug: test}
sources:
  events: data/events.parquet
  profiles: data/profiles.parquet
state: .audiences
as_of: 2024-06-15T12:00:00Z
destinations:
  crm: {type: jsonl, path: deliveries/crm, confirmed: true}
"""

DEFINITIONS = """\
traits:
  - key: orders
    name: Orders
    definition: event('Order Completed').count()
    destinations: [crm]
  - key: revenue
    aggregation: {event: Order Completed, function: sum, property: total}
audiences:
  - key: buyers
    name: Buyers
    definition: trait('orders') >= 1
    destinations:
      - {destination: crm, send: [identify, track]}
  - key: big_buyers
    all:
      - {audience: buyers}
      - {trait: revenue, at_least: 100}
"""

Event = tuple[str, str, str, str, dict[str, object]]
"""Message id, user id, event name, ISO timestamp, properties."""

EVENTS: tuple[Event, ...] = (
    ("m1", "ann", "Order Completed", "2024-06-01T10:00:00Z", {"total": 80.5}),
    ("m2", "ann", "Order Completed", "2024-06-10T10:00:00Z", {"total": 40}),
    ("m3", "bob", "Order Completed", "2024-06-11T10:00:00Z", {"total": 7}),
    ("m4", "cleo", "Page Closed", "2024-06-12T10:00:00Z", {}),
)


def write_events(file: Path, events: Sequence[Event]) -> None:
    """Writes events as the one-table layout, properties as JSON text."""
    pl.DataFrame(
        {
            "message_id": [event[0] for event in events],
            "type": ["track"] * len(events),
            "event": [event[2] for event in events],
            "user_id": [event[1] for event in events],
            "timestamp": [datetime.fromisoformat(event[3]).astimezone(UTC) for event in events],
            "properties": [json.dumps(event[4]) for event in events],
        },
        schema_overrides={"timestamp": pl.Datetime("us", "UTC")},
    ).write_parquet(file)


def write_profiles(file: Path, users: Sequence[str]) -> None:
    """Writes a profile per user id, with an e-mail address."""
    external = [
        json.dumps([{"type": "user_id", "value": user}, {"type": "email", "value": f"{user}@example.com"}])
        for user in users
    ]
    pl.DataFrame(
        {
            "profile_id": [f"p_{user}" for user in users],
            "traits": ["{}"] * len(users),
            "external_ids": external,
        }
    ).write_parquet(file)


def write_project(
    root: Path, *, space: str = SPACE, definitions: str = DEFINITIONS, events: Sequence[Event] = EVENTS
) -> Path:
    """Writes the whole project and returns its folder."""
    (root / "definitions").mkdir(parents=True, exist_ok=True)
    (root / "data").mkdir(exist_ok=True)
    (root / "definitions/space.yml").write_text(space)
    (root / "definitions/shop.yml").write_text(definitions)
    write_events(root / "data/events.parquet", events)
    write_profiles(root / "data/profiles.parquet", ["ann", "bob", "cleo"])
    return root
