from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from event_tables import event, everything, needs, prepared, table, texts

EARLY, LATE = datetime(2024, 6, 1, tzinfo=UTC), datetime(2024, 6, 2, tzinfo=UTC)


def price(number: int, **columns: Any) -> dict[str, Any]:
    return event("m1", properties=f'{{"price":{number}}}', **columns)


# The copy that counts has the price 1.
COPIES = [
    [price(1, received_at=EARLY, timestamp=LATE), price(2, received_at=LATE, timestamp=EARLY)],
    [price(1, received_at=LATE, timestamp=LATE), price(2, received_at=None, timestamp=EARLY)],
    [price(1, received_at=EARLY, timestamp=EARLY), price(2, received_at=EARLY, timestamp=LATE)],
    [price(1, timestamp=EARLY), price(2, timestamp=LATE)],
    [price(1, received_at=EARLY), price(2, received_at=EARLY)],
    [price(1), price(2), price(3)],
    [price(1, event="Bought"), price(2, event="Sold")],
    [price(1, user_id="u1"), price(2, user_id="u2")],
    [price(1), price(1), price(1)],
]


@pytest.mark.parametrize("copies", COPIES)
def test_the_copy_that_counts(copies: list[dict[str, Any]]) -> None:
    for order in itertools.permutations(copies):
        with prepared(
            table(order, received_at=pl.Datetime("us", "UTC")), needs("price", events=["Bought", "Sold"])
        ) as inputs:
            events = everything(inputs).events
            assert texts(events["property:price"]) == ["1"]
            assert inputs.statistics.duplicates == len(copies) - 1
            assert inputs.statistics.rows_accepted == 1


def test_a_rejected_row_is_no_copy() -> None:
    rows = [price(1, timestamp=None, received_at=EARLY), price(2, received_at=LATE)]
    with prepared(table(rows), needs("price")) as inputs:
        assert texts(everything(inputs).events["property:price"]) == ["2"]
        assert inputs.statistics.duplicates == 0


def test_copies_are_dropped_before_as_of_is_looked_at() -> None:
    future = datetime(2030, 1, 1, tzinfo=UTC)
    rows = [price(1, timestamp=future, received_at=EARLY), price(2, received_at=LATE)]
    with prepared(table(rows), needs("price")) as inputs:
        assert everything(inputs).events.height == 0
        assert inputs.profiles.height == 0


def test_rows_without_a_message_id_are_never_copies() -> None:
    rows = [event(None), event(None), event("")]
    with prepared(table(rows)) as inputs:
        assert everything(inputs).events.height == 3
        assert inputs.statistics.duplicates == 0


def test_equal_rows_under_two_message_ids_are_two_events() -> None:
    with prepared(table([event("m1"), event("m2")])) as inputs:
        assert everything(inputs).events.height == 2


def test_a_number_and_its_text_are_one_message_id() -> None:
    frames = [table([event(17)]), table([event("17")]), table([event(17.0)])]  # type: ignore[arg-type]
    frame = pl.concat(
        [
            one.select(pl.col("message_id").cast(pl.String).str.strip_suffix(".0"), pl.exclude("message_id"))
            for one in frames
        ]
    )
    with prepared(frame) as inputs:
        assert inputs.statistics.duplicates == 2


def test_order_and_places() -> None:
    rows = [
        event("m2", user_id="b"),
        event("m1", user_id="b"),
        event(None, user_id="b", properties='{"price":2}'),
        event(None, user_id="b", properties='{"price":1}'),
        event("m3", user_id="b", timestamp=EARLY.replace(month=5)),
        event("m4", user_id="a", event="Sold"),
        event("m5", user_id="a"),
    ]
    expected = [
        ("user_id:a", "Bought", "m5", None, 1),
        ("user_id:b", "Bought", "m3", None, 2),
        ("user_id:b", "Bought", "m1", None, 3),
        ("user_id:b", "Bought", "m2", None, 4),
        ("user_id:b", "Bought", None, "1", 5),
        ("user_id:b", "Bought", None, "2", 6),
        ("user_id:a", "Sold", "m4", None, 0),
    ]
    for order in (rows, rows[::-1], rows[3:] + rows[:3]):
        with prepared(table(order), needs("price", events=["Bought", "Sold"])) as inputs:
            events = everything(inputs).events
        price = pl.col("property:price").struct.field("text")
        assert events.select("profile", "event", "message_id", price, "place").rows() == expected
        assert events.schema["place"] == pl.UInt32
