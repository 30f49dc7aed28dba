"""``PreparedInputs.only``: some profiles with all their events, as they are among everyone's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from audiences.events import Bucket, Limits
from audiences.events.encoding import decoded
from event_tables import event, everything, needs, prepared, readable, table, texts

START = datetime(2024, 5, 1, tzinfo=UTC)
EVENTS = table(
    event(
        None if number % 5 == 0 else f"m{number * 7 % 100:02}",
        user_id=f"u{number % 10}",
        timestamp=START + timedelta(hours=number % 3),
        properties=f'{{"n": {number}}}',
    )
    for number in range(100)
)


@pytest.mark.parametrize("limits", [None, Limits(rows_in_memory=10, rows_in_bucket=20)])
@pytest.mark.parametrize("ids", [["user_id:u3"], ["user_id:u9", "user_id:u0"], ["nobody"], []])
def test_the_same_events_in_the_same_order(ids: list[str], limits: Limits | None) -> None:
    with prepared(EVENTS, needs("n"), limits=limits) as inputs:
        every = everything(inputs)
        some = inputs.only(ids, [], mark="mark")
        (bucket,) = some.buckets()
    rows = readable(bucket).drop("mark")
    expected = every.events.filter(pl.col("profile").is_in(ids))
    assert rows.drop("place").equals(expected.drop("place"))
    assert rows.sort("profile", "place").drop("place").equals(expected.sort("profile", "place").drop("place"))
    assert bucket.profiles.equals(every.profiles.filter(pl.col("id").is_in(ids)))
    marks = marks_of(bucket)
    assert sorted(marks) == list(range(expected.height))
    again = some.only(ids[:1], [])
    (one,) = again.buckets()
    owners = bucket.profiles["id"].gather(bucket.events["owner"])
    assert marks_of(one) == [mark for mark, who in zip(marks, owners, strict=True) if who in ids[:1]], "the marks stay"


def marks_of(bucket: Bucket) -> list[int]:
    return [int(text or "") for text in texts(decoded(bucket.events["mark"], bucket.forms["mark"]))]


def test_accounts() -> None:
    group = [event(f"g{name}", type="group", event=None, group_id=name, user_id="u1") for name in "abc"]
    with prepared(table(group)) as inputs:
        assert inputs.only(["user_id:u1"], ["a", "c"]).accounts()["account_id"].to_list() == ["a", "c"]
