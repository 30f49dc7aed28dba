"""Events, properties and ids of a data lake: names of tables, names and types of columns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from audiences.errors import DefinitionError, InputError
from audiences.events import EventNeeds
from audiences.language.event_uses import EventUse
from event_tables import everything, needs, prepared
from lakes import NOON, put, values


@pytest.mark.parametrize("folder", ["page_viewed", "Page Viewed", "Page%20Viewed", "PageViewed", "pageViewed"])
def test_an_events_table(tmp_path: Path, folder: str) -> None:
    put(tmp_path, folder, {"price": [5]})
    with prepared(tmp_path, needs("price", events=["Page Viewed"])) as inputs:
        assert everything(inputs).events["event"].to_list() == ["Page Viewed"]
        assert values(inputs, "property:price") == ["5"]


def test_an_exact_name_comes_first(tmp_path: Path) -> None:
    put(tmp_path, "Page Viewed", {"cartId": ["exact"], "cart_id": ["snake"]})
    put(tmp_path, "page_viewed", {"cart_id": ["other"]})
    with prepared(tmp_path, needs("cartId", events=["Page Viewed"])) as inputs:
        assert values(inputs, "property:cartId") == ["exact"]
    with prepared(tmp_path, needs("cart_id", events=["Page Viewed", "page_viewed"])) as inputs:
        assert values(inputs, "property:cart_id") == ["snake", "other"]


@pytest.mark.parametrize("path", [("cart", "id"), ("cartId",), ("Cart ID",), ("cart_id",)])
def test_a_property(tmp_path: Path, path: tuple[str, ...]) -> None:
    put(tmp_path, "bought", {"cart_id": ["c1"]})
    with prepared(tmp_path, needs(path)) as inputs:
        assert values(inputs, "property:" + ".".join(path)) == ["c1"]


@pytest.mark.parametrize("path", [("page", "url"), ("pageUrl",), ("page_url",)])
@pytest.mark.parametrize("column", ["context_page_url", "context_pageUrl", "contextPageUrl"])
def test_a_field_of_the_context(tmp_path: Path, path: tuple[str, ...], column: str) -> None:
    put(tmp_path, "bought", {column: ["here"], "page_url": ["not here"]})
    with prepared(tmp_path, needs(contexts=[path])) as inputs:
        assert values(inputs, "context:" + ".".join(path)) == ["here"]


def used(*properties: tuple[str, ...], event: str = "Bought", contexts: Sequence[tuple[str, ...]] = ()) -> EventNeeds:
    """Needs that say what is used of which event."""
    use = EventUse(event, frozenset(properties), frozenset(contexts))
    return EventNeeds(frozenset({event}), use.properties, use.contexts, uses=frozenset({use}))


def test_two_events_that_are_one_table(tmp_path: Path) -> None:
    put(tmp_path, "page_viewed", {"x": [1]})
    with pytest.raises(
        DefinitionError, match="'Page Viewed' and 'page_viewed' are both the table 'page_viewed'"
    ) as caught:
        prepared(tmp_path, needs(events=["Page Viewed", "page_viewed"]))
    assert caught.value.where == str(tmp_path / "data" / "src1")
    put(tmp_path, "Page Viewed", {"x": [2]})
    with prepared(tmp_path, needs(events=["Page Viewed", "page_viewed"])) as inputs:
        assert sorted(everything(inputs).events["event"]) == ["Page Viewed", "page_viewed"]


def test_an_event_that_may_be_two_tables(tmp_path: Path) -> None:
    put(tmp_path, "pageViewed", {"x": [1]})
    put(tmp_path, "page_viewed", {"x": [1]})
    with pytest.raises(InputError, match="'pageViewed' and 'page_viewed' are both the event 'Page Viewed'"):
        prepared(tmp_path, needs(events=["Page Viewed"]))
    prepared(tmp_path, needs(events=["Other"])).close()


def test_two_properties_that_are_one_column(tmp_path: Path) -> None:
    path = put(tmp_path, "bought", {"cart_id": ["c1"], "context_page_url": ["here"]})
    with pytest.raises(DefinitionError, match=r"'cartId' and 'cart_id' are both the column 'cart_id'") as caught:
        prepared(tmp_path, used(("cartId",), ("cart_id",)))
    assert caught.value.where == str(path)
    with pytest.raises(
        DefinitionError, match=r"context fields 'page.url' and 'pageUrl' are both the column 'page_url'"
    ):
        prepared(tmp_path, used(contexts=[("page", "url"), ("pageUrl",)]))
    put(tmp_path, "sold", {"cart_id": ["c2"]})
    of_two_events = EventNeeds(
        frozenset({"Bought", "Sold"}),
        frozenset({("cartId",), ("cart_id",)}),
        uses=used(("cartId",)).uses | used(("cart_id",), event="Sold").uses,
    )
    prepared(tmp_path, of_two_events).close()


def test_a_property_that_may_be_two_columns(tmp_path: Path) -> None:
    path = put(tmp_path, "bought", {"cartId": ["c1"], "cart_id": ["c2"]})
    with pytest.raises(InputError, match=r"'cartId' and 'cart_id' are both the Cart ID of the properties") as caught:
        prepared(tmp_path, used(("Cart ID",)))
    assert caught.value.where == str(path)
    put(tmp_path, "sold", {"tags_0": ["x"], "Tags 0": ["y"]})
    with pytest.raises(InputError, match="both the TAGS"):
        prepared(tmp_path, used(("TAGS", "$"), event="Sold"))


def test_decimals_lose_their_zeros(tmp_path: Path) -> None:
    numbers = [Decimal("12.500000"), Decimal("7.000000"), Decimal("-0.000001"), Decimal("100"), None]
    put(tmp_path, "bought", {"price": pl.Series(numbers, dtype=pl.Decimal(38, 6))})
    with prepared(tmp_path, needs("price")) as inputs:
        assert values(inputs, "property:price") == ["12.5", "7", "-0.000001", "100", None]
        assert everything(inputs).events["property:price"].struct.field("kind").to_list() == ["number"] * 4 + [None]


def test_all_types(tmp_path: Path) -> None:
    columns = {
        "n": [5],
        "b": [True],
        "d": pl.Series([Decimal("1.5")], dtype=pl.Decimal(38, 6)),
        "s": ["x"],
        "t": [NOON],
    }
    put(tmp_path, "bought", columns)
    with prepared(tmp_path, needs(*columns)) as inputs:
        row = everything(inputs).events.row(0, named=True)
    kinds = {name: (row[f"property:{name}"]["kind"], row[f"property:{name}"]["text"]) for name in columns}
    assert kinds == {
        "n": ("number", "5"),
        "b": ("boolean", "true"),
        "d": ("number", "1.5"),
        "s": ("string", "x"),
        "t": ("string", "2024-06-01T12:00:00Z"),
    }


def test_timestamps_as_spark_writes_them(tmp_path: Path) -> None:
    path = put(tmp_path, "bought", {"x": [1]})
    columns = pl.read_parquet(path).to_arrow()
    instants = pa.array([datetime(2024, 6, 1, 12, 0, 0, 5)], pa.timestamp("ns"))  # noqa: DTZ001 (without a zone on purpose)
    place = columns.column_names.index("timestamp")
    pq.write_table(columns.set_column(place, "timestamp", instants), path, use_deprecated_int96_timestamps=True)
    with prepared(tmp_path, needs()) as inputs:
        assert everything(inputs).events["timestamp"].to_list() == [NOON + timedelta(microseconds=5)]


@pytest.mark.parametrize(
    ("columns", "message_id"),
    [
        ({"id": ["i1"]}, "i1"),
        ({"ID": ["i1"]}, "i1"),
        ({"messageId": ["m1"]}, "m1"),
        ({"message_id": ["m1"], "id": ["i1"]}, "m1"),
    ],
)
def test_the_message_id(tmp_path: Path, columns: dict[str, list[str]], message_id: str) -> None:
    put(tmp_path, "bought", columns)
    with prepared(tmp_path, needs("id")) as inputs:
        assert everything(inputs).events["message_id"].to_list() == [message_id]
        assert values(inputs, "property:id") == (["i1"] if message_id == "m1" and "id" in columns else [None])


def test_ids_are_text_whatever_their_type(tmp_path: Path) -> None:
    put(tmp_path, "bought", {"user_id": [17]})
    put(tmp_path, "bought", {"user_id": pl.Series([Decimal("17.000000")], dtype=pl.Decimal(38, 6))}, file="b")
    with prepared(tmp_path, needs()) as inputs:
        assert everything(inputs).events["profile"].to_list() == ["user_id:17"] * 2


def test_the_folder_above_is_the_source_unless_a_column_says_so(tmp_path: Path) -> None:
    put(tmp_path, "bought", {"x": [1]})
    put(tmp_path, "bought", {"source_id": ["other"], "segment_id": ["p1"], "user_id": ["u2"]}, file="b")
    with prepared(tmp_path, needs("source_id", "segment_id")) as inputs:
        rows = everything(inputs).events.sort("message_id")
        assert rows["source_id"].to_list() == ["src1", "other"]
        assert rows["profile"].to_list() == ["user_id:u1", "p1"]
        assert values(inputs, "property:source_id") == [None, "other"]
        assert values(inputs, "property:segment_id") == [None, "p1"]


def test_columns_that_every_call_has_are_no_properties(tmp_path: Path) -> None:
    given = ["sent_at", "original_timestamp", "uuid_ts", "event", "event_text", "received_at", "user_id", "context_ip"]
    names = [*given, "price", "type", "version"]
    put(
        tmp_path,
        "bought",
        {"price": [1], "type": ["gift"], "version": [2]} | {name: ["x"] for name in given[:5]} | {"context_ip": ["x"]},
    )
    with prepared(tmp_path, needs(*names)) as inputs:
        row = everything(inputs).events.row(0, named=True)
    assert [name for name in names if row[f"property:{name}"] is not None] == ["price", "type", "version"]


@pytest.mark.parametrize("name", ["products_0_sku", "products"])
def test_columns_stay_as_they_are(tmp_path: Path, name: str) -> None:
    put(tmp_path, "bought", {name: ['[{"sku":"a"}]']})
    with prepared(tmp_path, needs(name)) as inputs:
        assert values(inputs, f"property:{name}") == ['[{"sku":"a"}]']


def test_arrays_are_columns_with_numbers_or_a_column_of_arrays(tmp_path: Path) -> None:
    items = pl.Series(
        [[{"sku": "f", "n": 1}, {"sku": None, "n": 2}]], dtype=pl.List(pl.Struct({"sku": pl.String, "n": pl.Int64}))
    )
    put(tmp_path, "bought", {f"products_{n}_sku": [str(n)] for n in (10, 2, 0)} | {"products_0_n": [5]}, file="a")
    put(tmp_path, "bought", {"products": ['[{"sku":"d"},{"sku":5},{}]', "text", None]}, file="b")
    put(tmp_path, "bought", {"products": items}, file="c")
    put(tmp_path, "bought", {"other": [1]}, file="d")
    put(tmp_path, "bought", {"products_0_sku": ["g", None], "products": ["[]", '[{"sku":"h"}]']}, file="e")
    with prepared(tmp_path, needs(("products", "$", "sku"))) as inputs:
        skus = values(inputs, "property:products.$.sku")
    assert skus == [["0", "2", "10"], ["d", "5"], [], [], ["f"], [], ["g"], ["h"]]


def test_objects_are_columns_or_a_column_of_objects(tmp_path: Path) -> None:
    struct = pl.Series([{"total": 3, "items": [1]}])
    put(tmp_path, "bought", {"cart_total": [1], "cart": ['{"total":9,"items":[4]}']}, file="a")
    put(tmp_path, "bought", {"cart": ['{"total":2,"items":[5,6]}', "{"]}, file="b")
    put(tmp_path, "bought", {"cart": struct}, file="c")
    put(tmp_path, "bought", {"cart": [5]}, file="d")
    with prepared(tmp_path, needs(("cart", "total"), ("cart", "items", "$"))) as inputs:
        assert values(inputs, "property:cart.total") == ["1", "2", None, "3", None]
        assert values(inputs, "property:cart.items.$") == [["4"], ["5", "6"], [], ["1"], []]


def test_many_columns_that_are_mostly_empty(tmp_path: Path) -> None:
    columns = {f"tags_{number}": [f"t{number}", None, None, None] for number in range(60)}
    columns |= {"tags_7": [None, 'a "quoted" one', None, None], "tags_9": [None, None, "x", None]}
    put(tmp_path, "bought", {"message_id": ["whole", "copied", "copied", "empty"], **columns})
    with prepared(tmp_path, needs(("tags", "$"))) as inputs:
        # {"tags_7":…} is before {"tags_9":…}: the bytes of a row decide which copy counts
        assert values(inputs, "property:tags.$") == [
            ['a "quoted" one'],
            [],
            [f"t{number}" for number in range(60) if number not in (7, 9)],
        ]
