from __future__ import annotations

from datetime import date

import pytest

from audiences.errors import DefinitionError, InputError
from audiences.events.lake_columns import LakeColumns, call_of_table
from audiences.events.lake_documents import member_of
from audiences.events.lake_names import FlatNames, FlatPath, events_of_tables, needed_event, snake
from audiences.events.lake_places import lake_place


# What Segment's package go-snakecase says in its own tests, and what its code does with digits.
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sample text", "sample_text"),
        ("sample-text", "sample_text"),
        ("sample_text", "sample_text"),
        ("sample___text", "sample_text"),
        ("sampleText", "sample_text"),
        ("inviteYourCustomersAddInvites", "invite_your_customers_add_invites"),
        ("sample 2 Text", "sample_2_text"),
        ("   sample   2    Text   ", "sample_2_text"),
        ("   $#$sample   2    Text   ", "sample_2_text"),
        ("SAMPLE 2 TEXT", "sample_2_text"),
        ("___$$Base64Encode", "base64_encode"),
        ("FOO:BAR$BAZ", "foo_bar_baz"),
        ("FOO#BAR#BAZ", "foo_bar_baz"),
        ("something.com", "something_com"),
        ("$something%", "something"),
        ("•¶§ƒ˚foo˙∆˚¬", "foo"),
        ("Page Viewed", "page_viewed"),
        ("cartId", "cart_id"),
        ("URLPath", "urlpath"),
        ("line2Text", "line_2text"),
        ("products_0_sku", "products_0_sku"),
        ("_leading", "_leading"),
        ("trailing_", "trailing"),
        ("2Text", "2text"),
        ("", ""),
        ("購入", ""),
    ],
)
def test_snake_case(name: str, expected: str) -> None:
    assert snake(name) == expected


def test_events_of_tables() -> None:
    tables = ["page_viewed", "Order Completed", "order_completed", "SoldOut", "購入"]
    events = ["Page Viewed", "Order Completed", "order_completed", "Sold Out", "購入", "閲覧", "Absent"]
    assert events_of_tables(events, tables, "lake") == {
        "page_viewed": "Page Viewed",
        "Order Completed": "Order Completed",
        "order_completed": "order_completed",
        "SoldOut": "Sold Out",
        "購入": "購入",
    }


def test_an_exact_name_and_another_spelling_of_it_are_one_table() -> None:
    with pytest.raises(DefinitionError, match="'Page Viewed' and 'page_viewed' are both the table 'page_viewed'"):
        events_of_tables(["page_viewed", "Page Viewed"], ["page_viewed"], "lake")
    with pytest.raises(InputError, match="tables 'PageViewed' and 'page_viewed' are both the event 'Page Viewed'"):
        events_of_tables(["Page Viewed"], ["page_viewed", "PageViewed"], "lake")


def test_the_event_of_a_row() -> None:
    assert needed_event("page_viewed", ["Page Viewed"], "lake") == "Page Viewed"
    assert needed_event("page_viewed", ["Page Viewed", "page_viewed"], "lake") == "page_viewed"
    assert needed_event("Other", ["Page Viewed"], "lake") == "Other"
    assert needed_event("購入", ["閲覧"], "lake") == "購入"


def test_where_the_values_at_a_path_are() -> None:
    names = FlatNames(["cart", "cart_total", "cart_items_10_sku", "cart_items_2_sku", "a_1_b_2_c", "TAGS_0"], "x", "y")
    assert names.find(("cart", "total")) == (FlatPath((((), "cart_total"),)), FlatPath((((), "cart"),), ("total",)))
    assert names.find(("cart", "items", "$", "sku")) == (
        FlatPath((((2,), "cart_items_2_sku"), ((10,), "cart_items_10_sku"))),
        FlatPath((((), "cart"),), ("items", "$", "sku")),
    )
    assert names.find(("a", "$", "b", "$", "c")) == (FlatPath((((1, 2), "a_1_b_2_c"),)),)
    assert names.find(("tags", "$")) == (FlatPath((((0,), "TAGS_0"),)),)
    assert names.find(("tags",)) == ()
    assert names.find(("cart", "items", "2", "sku"))[0] == FlatPath((((), "cart_items_2_sku"),))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (
            "s3://b/data/src/segment_type=page_viewed/day=2024-06-01/hr=07/x.parquet",
            ("src", "page_viewed", "2024-06-01"),
        ),
        ("/d/src/segment_type=Page%20Viewed/day=2024-06-01/x.parquet", ("src", "Page Viewed", "2024-06-01")),
        ("/d/src/SEGMENT_TYPE=a=b/x.parquet", ("src", "a=b", None)),
        ("/d/src/segment_type=a/day=2024-13-01/x.parquet", ("src", "a", None)),
        ("segment_type=a/x.parquet", ("", "a", None)),
        ("/d/src/segment_type=a.parquet", None),
        ("/d/events/x.parquet", None),
    ],
)
def test_what_folders_say(path: str, expected: tuple[str, str, str | None] | None) -> None:
    place = lake_place(path)
    assert (place and (place.source, place.table, place.day)) == (
        expected and (*expected[:2], date.fromisoformat(expected[2]) if expected[2] else None)
    )


@pytest.mark.parametrize(
    ("table", "columns", "expected"),
    [
        ("identifies", ["plan"], ("identify", False)),
        ("GROUP", [], ("group", False)),
        ("pages", ["name"], ("page", False)),
        ("pages", ["name", "Event"], ("track", True)),
        ("aliases", [], ("alias", False)),
        ("tracks", ["event"], ("track", False)),
        ("track", ["event_text"], ("track", False)),
        ("tracks", ["price"], ("track", True)),
        ("order_completed", ["event", "event_text"], ("track", True)),
        ("users", [], ("track", True)),
    ],
)
def test_which_call_a_tables_rows_are(table: str, columns: list[str], expected: tuple[str, bool]) -> None:
    assert call_of_table(table, columns) == expected


def test_two_columns_that_are_one_id() -> None:
    with pytest.raises(InputError, match="'userId' and 'UserID' are both user_id"):
        _ = LakeColumns(["userId", "UserID"], "x.parquet").known
    assert LakeColumns(["userId", "user_id"], "x.parquet").known == {"user_id": "user_id"}


@pytest.mark.parametrize(
    ("column", "member"),
    [
        ("products_0_sku", "products"),
        ("tags_12", "tags"),
        ("a_1_b_2_c", "a"),
        ("a1_b", "a1_b"),
        ("_5", "_5"),
        ("a", "a"),
    ],
)
def test_the_member_that_a_column_belongs_to(column: str, member: str) -> None:
    assert member_of(column) == member
