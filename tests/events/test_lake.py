"""The data lake layout gives the same as one table, whatever the calls are in it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from audiences.errors import DefinitionError
from audiences.events import EventNeeds, Limits
from event_tables import AS_OF, event, everything, needs, prepared, table, texts
from lakes import NOON, put, said, values, write_lake

DAY = timedelta(days=1)


ROWS: Sequence[Mapping[str, Any]] = [
    event(
        "m01",
        event="Order Completed",
        properties={
            "cartId": "c1",
            "total": 12.5,
            "count": 3,
            "express": True,
            "products": [{"sku": "a", "price": 1.25}, {"sku": "b", "price": 7}, {"price": 0.000001}],
            "address": {"city": "Köln"},
            "tags": ["x", "y"],
            "at": "2024-05-01T10:00:00Z",
        },
        context={"page": {"url": "https://x.test/"}, "groupId": "g1"},
    ),
    event("m02", event="Order Completed", properties={"total": 7, "products": [], "tags": ["z"]}, user_id="u2"),
    event("m03", event="Order Completed", properties={"cartId": "", "count": 0}, timestamp=NOON - 40 * DAY),
    event("m04", event="Order Completed", properties={"total": 1}, user_id=None, anonymous_id="a1"),
    event("m05", event="Order Completed", properties={"total": 2}, timestamp=AS_OF),
    event("m05", event="Order Completed", properties={"total": 3}, received_at=NOON + DAY),
    event("m06", event="Page Viewed", properties={"path": "/"}),
    event("m07", type="page", event=None, properties={"name": "Home", "path": "/home"}),
    event("m08", type="screen", event=None, properties={"name": "Start"}),
    event("m09", event="Not Needed", user_id="u3", properties={"x": 1}),
    event("m10", event="Not Needed", user_id="u3", timestamp=None),
    event("m11", event="Not Needed", user_id=None),
    event("m12", type="alias", event=None, user_id="u4"),
    event("m13", type="identify", event=None, user_id="u5", traits={"plan": "free", "firstName": "Ann"}),
    event(
        "m14",
        type="identify",
        event=None,
        user_id="u5",
        timestamp=NOON + DAY,
        traits={"plan": "pro", "address": {"city": "Rome", "zip": 1}, "tags": ["a", "b"], "age": 40},
        context={"page": {"url": "?"}},
    ),
    event("m15", type="group", event=None, user_id="u5", group_id="g1", traits={"plan": "big", "seatCount": 12.5}),
    event("m16", type="group", event=None, user_id="u5", group_id="", traits={"plan": "none"}),
]
WANTED = EventNeeds(
    events=frozenset({"Order Completed", "Page Viewed", "Screen Viewed"}),
    properties=frozenset(
        {
            ("cartId",),
            ("total",),
            ("count",),
            ("express",),
            ("products", "$", "sku"),
            ("products", "$", "price"),
            ("address", "city"),
            ("tags", "$"),
            ("at",),
            ("path",),
            ("page_name",),
            ("screen_name",),
            ("name",),
            ("absent",),
            ("absent", "$"),
        }
    ),
    contexts=frozenset({("page", "url"), ("groupId",)}),
    traits=frozenset({("plan",), ("firstName",), ("address", "city"), ("tags", "$"), ("age",)}),
    account_traits=frozenset({("plan",), ("seatCount",)}),
)


def one_table() -> pl.DataFrame:
    objects = ("properties", "traits", "context")
    rows = [
        {"received_at": NOON, "group_id": None, "source_id": "src1"}
        | {name: json.dumps(value) if name in objects and value is not None else value for name, value in row.items()}
        for row in ROWS
    ]
    return table(rows)


@pytest.mark.parametrize("limits", [None, Limits(rows_in_memory=3, rows_in_bucket=4)])
def test_the_same_events_in_both_layouts_give_the_same(tmp_path: Path, limits: Limits | None) -> None:
    in_one = one_table()
    folder = write_lake(tmp_path, in_one.drop("source_id"))
    with (
        prepared(in_one, WANTED, limits=limits) as expected,
        prepared(folder, WANTED, limits=limits) as actual,
    ):
        assert expected.rejects.counts == {"no_user_anon_id": 1, "bad_timestamp": 1, "bad_group_id": 1}
        assert actual.rejects.counts == expected.rejects.counts
        assert everything(expected).events.height == 7
        assert_frame_equal(everything(actual).events, everything(expected).events)
        assert_frame_equal(everything(actual).profiles, everything(expected).profiles)
        assert_frame_equal(actual.profiles.drop("traits"), expected.profiles.drop("traits"))
        assert said(actual.profiles) == [
            {"address_zip" if name == "zip" else name: value for name, value in traits.items()}
            for traits in map(flat_zip, said(expected.profiles))
        ]
        assert said(actual.accounts()) == said(expected.accounts()) == [{"plan": "big", "seatCount": 12.5}]
        different = {"bytes_read", "files"}
        assert {k: v for k, v in actual.statistics.as_mapping().items() if k not in different} == {
            k: v for k, v in expected.statistics.as_mapping().items() if k not in different
        }
        assert actual.statistics.files == len(list(folder.rglob("*.parquet")))


def flat_zip(traits: dict[str, Any]) -> dict[str, Any]:
    """What no definition asks for stays under the name of its column."""
    address = traits.get("address")
    return traits | ({"address": {"city": address["city"]}, "zip": address["zip"]} if address else {})


@pytest.mark.parametrize("prefix", ["", "traits_"])
@pytest.mark.parametrize(
    ("users", "accounts"), [("identify", "group"), ("identifies", "groups"), ("Identifies", "GROUPS")]
)
def test_identify_and_group_calls(tmp_path: Path, prefix: str, users: str, accounts: str) -> None:
    own = {"project_id": ["x"], "channel": ["server"], "type": ["identify"], "version": [2], "metadata_a": [1]}
    put(tmp_path, users, {f"{prefix}first_name": ["Ann"], f"{prefix}plan": ["pro"], "sent_at": [NOON], **own})
    put(tmp_path, accounts, {"group_id": ["g1"], f"{prefix}type": ["shop"], "context_x": ["y"]})
    wanted = EventNeeds(traits=frozenset({("firstName",)}))
    with prepared(tmp_path, wanted) as inputs:
        assert said(inputs.profiles) == [{"firstName": "Ann", "plan": "pro"}]
        assert inputs.profiles["account_ids"].to_list() == [["g1"]]
        assert inputs.accounts()["account_id"].to_list() == ["g1"]
        assert said(inputs.accounts()) == [{"type": "shop"}]
        assert texts(everything(inputs).profiles["trait:firstName"]) == ["Ann"]


def test_traits_that_are_objects_and_arrays(tmp_path: Path) -> None:
    flat = {"user_id": ["u1"], "address_city": ["Rome"], "tags_0": ["a"], "tags_1": [None], "tags_2": ["c"], "n": [1]}
    put(tmp_path, "identify", flat, file="a")
    put(
        tmp_path,
        "identify",
        {"user_id": ["u2"], "address": ['{"city":"Bonn"}'], "tags": ['["x"]'], "n": ["2"]},
        file="b",
    )
    put(tmp_path, "identify", {"user_id": ["u3"], "address": ["none"]}, file="c")
    put(tmp_path, "identify", {"user_id": ["u4"], "address": pl.Series([{"city": "Oslo"}])}, file="d")
    wanted = EventNeeds(traits=frozenset({("address", "city"), ("tags", "$")}))
    with prepared(tmp_path, wanted) as inputs:
        assert texts(everything(inputs).profiles["trait:address.city"]) == ["Rome", "Bonn", None, "Oslo"]
        tags = everything(inputs).profiles["trait:tags.$"].to_list()
        assert [[value["text"] for value in row] for row in tags] == [["a", "c"], ["x"], [], []]
        assert said(inputs.profiles)[:3] == [
            {"address": {"city": "Rome"}, "tags": ["a", "c"], "n": 1},
            {"address": {"city": "Bonn"}, "tags": ["x"], "n": "2"},
            {"address": "none"},
        ]


@pytest.mark.parametrize(("page", "screen"), [("page", "screen"), ("pages", "screens")])
def test_page_and_screen_calls(tmp_path: Path, page: str, screen: str) -> None:
    put(tmp_path, page, {"message_id": ["m1"], "name": ["Home"], "url": ["u"]})
    put(tmp_path, screen, {"message_id": ["m2"], "name": ["Start"]})
    put(tmp_path, "page_viewed", {"message_id": ["m3"], "page_name": ["Track"]})
    wanted = needs("page_name", "screen_name", "name", "url", events=["Page Viewed", "Screen Viewed"])
    with prepared(tmp_path, wanted) as inputs:
        rows = everything(inputs).events.sort("message_id")
        assert rows["event"].to_list() == ["Page Viewed", "Screen Viewed", "Page Viewed"]
        assert values(inputs, "property:page_name") == ["Home", None, "Track"]
        assert values(inputs, "property:screen_name") == [None, "Start", None]
        assert values(inputs, "property:name") == ["Home", "Start", None]
        assert values(inputs, "property:url") == ["u", None, None]


def test_a_table_with_an_event_column_is_an_event_whatever_its_name(tmp_path: Path) -> None:
    put(tmp_path, "page", {"event": ["Page"], "price": [1]})
    put(tmp_path, "group", {"event_text": ["Group"], "price": [2]})
    put(tmp_path, "track", {"price": [3]})
    with prepared(tmp_path, needs("price", events=["Page", "group", "Track", "Page Viewed"])) as inputs:
        rows = everything(inputs).events
        assert dict(zip(rows["event"], texts(rows["property:price"]), strict=True)) == {
            "Page": "1",
            "group": "2",
            "Track": "3",
        }
        assert inputs.rejects.counts == {}


@pytest.mark.parametrize("name", ["track", "tracks"])
def test_a_table_of_all_tracks(tmp_path: Path, name: str) -> None:
    names = {"event_text": ["Bought", "Was Sold", None, None], "event": ["bought", "was_sold", "was_returned", None]}
    put(tmp_path, name, {"message_id": ["m1", "m2", "m3", "m4"], "price": [1, 2, 3, 4], **names})
    with prepared(tmp_path, needs("price", events=["Bought", "wasSold", "Was Returned"])) as inputs:
        rows = everything(inputs).events.sort("message_id")
        assert rows["event"].to_list() == ["Bought", "wasSold", "Was Returned"]
        assert texts(rows["property:price"]) == ["1", "2", "3"]
        assert inputs.rejects.counts == {"event_not_defined": 1}
    exact = needs(events=["Was Sold", "wasSold", "Bought"])
    prepared(tmp_path, exact).close()
    put(tmp_path, name, {"event": ["was_sold"]}, file="b")
    with pytest.raises(DefinitionError, match="'Was Sold' and 'wasSold' are both the event 'was_sold'") as caught:
        prepared(tmp_path, exact)
    assert "one of the two names" in caught.value.hint


def test_a_table_of_all_tracks_beside_the_events_own(tmp_path: Path) -> None:
    put(
        tmp_path,
        "tracks",
        {"message_id": ["m1", "m2"], "event": ["bought", "viewed"], "event_text": ["Bought", "Viewed"]},
    )
    put(tmp_path, "bought", {"message_id": ["m1"], "price": [5]})
    put(tmp_path, "viewed", {"message_id": ["m2"], "price": [6]})
    with prepared(tmp_path, needs("price")) as inputs:
        assert values(inputs, "property:price") == ["5"]
        assert inputs.statistics.duplicates == 2
        assert everything(inputs).events.height == 1


def test_events_that_are_no_text(tmp_path: Path) -> None:
    put(tmp_path, "tracks", {"event": [5]})
    with prepared(tmp_path, needs()) as inputs:
        assert inputs.rejects.counts == {"event_not_string": 1}
