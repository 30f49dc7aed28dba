"""The sample data of a new project: made-up visitors of a made-up bicycle shop, the same each time.

No random generator is used: multiples of primes look irregular enough, and give the same rows on every
machine and with every Python.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl

AS_OF: Final = datetime(2026, 6, 1, tzinfo=UTC)
"""The instant at which the new project's space looks at the data."""

CUSTOMERS: Final = 41
VISITORS: Final = 6
VISITS: Final = 210
PRODUCTS: Final = (
    ("Tail light", "lights", 14.9),
    ("Head light", "lights", 29.5),
    ("Saddle bag", "bags", 39.0),
    ("Rain jacket", "clothing", 79.95),
    ("Gloves", "clothing", 24.5),
    ("City bike", "bikes", 649.0),
    ("Helmet", "clothing", 54.9),
)
NAMES: Final = ("Alma", "Bruno", "Cleo", "Dario", "Edda", "Felix", "Gina", "Henrik", "Iris", "Jakob")
COUNTRIES: Final = ("DE", "AT", "CH", "NL")
TIME: Final = pl.Datetime("us", "UTC")


def sample_events() -> pl.DataFrame:
    """Events of the last 120 days: Product Viewed, and for every third visit an Order Completed.

    Columns: ``message_id``, ``type``, ``event``, ``user_id``, ``anonymous_id`` (String), ``timestamp``
    (Datetime, microseconds, UTC), ``properties`` (String, JSON).
    """
    rows: list[tuple[str, str, str, str | None, str | None, datetime, str]] = []

    def track(event: str, person: int, at: datetime, properties: dict[str, str | int | float]) -> None:
        user, visitor = (f"c{person:03d}", None) if person < CUSTOMERS else (None, f"visitor-{person}")
        rows.append((f"m{len(rows) + 1:05d}", "track", event, user, visitor, at, json.dumps(properties)))

    for visit in range(VISITS):
        person = visit * 31 % (CUSTOMERS + VISITORS)
        at = AS_OF - timedelta(hours=(visit * 53) % 2880, minutes=1 + visit % 59)
        for view in range(1 + visit % 3):
            name, category, price = PRODUCTS[(visit + 2 * view + person) % len(PRODUCTS)]
            seen: dict[str, str | int | float] = {"name": name, "category": category, "price": price}
            track("Product Viewed", person, at + timedelta(seconds=17 * view), seen)
        if visit % 3 == 0 and person < CUSTOMERS:
            name, category, price = PRODUCTS[(visit + person) % len(PRODUCTS)]
            quantity = 1 + visit % 2
            bought: dict[str, str | int | float] = {
                "order_id": f"o{visit:04d}",
                "category": category,
                "quantity": quantity,
                "revenue": round(price * quantity, 2),
            }
            track("Order Completed", person, at + timedelta(seconds=49), bought)
    schema = {
        "message_id": pl.String(),
        "type": pl.String(),
        "event": pl.String(),
        "user_id": pl.String(),
        "anonymous_id": pl.String(),
        "timestamp": TIME,
        "properties": pl.String(),
    }
    return pl.DataFrame(rows, schema=schema, orient="row").sort("timestamp", "message_id")


def sample_profiles() -> pl.DataFrame:
    """The customers: ``profile_id`` (String), ``traits`` (String, JSON), ``external_ids`` (structs)."""
    rows = []
    for person in range(CUSTOMERS):
        name = NAMES[person % len(NAMES)]
        traits = {
            "first_name": name,
            "country": COUNTRIES[person % len(COUNTRIES)],
            "newsletter": person % 4 != 1,
        }
        since = AS_OF - timedelta(days=(person * 37) % 400)
        identifiers = [
            {"type": "user_id", "value": f"c{person:03d}", "created_at": since},
            {"type": "email", "value": f"{name.lower()}.{person}@customers.example", "created_at": since},
        ]
        rows.append((f"customer-{person:03d}", json.dumps(traits), identifiers))
    identifier = pl.Struct({"type": pl.String(), "value": pl.String(), "created_at": TIME})
    schema = {"profile_id": pl.String(), "traits": pl.String(), "external_ids": pl.List(identifier)}
    return pl.DataFrame(rows, schema=schema, orient="row")
