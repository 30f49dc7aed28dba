"""`audiences validate --against-data`: names that are nowhere in the data are told with their place and the nearest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from audiences import Project
from audiences.definitions.computation import Level
from audiences.errors import InputError
from audiences.events.catalogue import Field
from audiences.language.parse import parse
from audiences.validation import uses_of
from lakes import write_lake

SPACE = """\
sources:
  events: data/events
  profiles: data/profiles.parquet
  accounts: data/accounts.parquet
"""
Call = tuple[str, str | None, dict[str, object], dict[str, object]]
"""Type, event, properties, context."""

ORDER: dict[str, object] = {
    "total": 25,
    "currency": "EUR",
    "cart_id": "c1",
    "products": [{"sku": "s1", "price": 5}],
    "coupon": None,
}
CALLS: tuple[Call, ...] = (
    ("track", "Order Completed", ORDER, {"page": {"url": "/order"}}),
    ("track", "Order Completed", {"total": "7"}, {}),
    ("track", "Order Cancelled", {"cart_id": "c1"}, {}),
    ("track", "Order Confirmed", {"cart_id": "c1"}, {}),
    ("track", "Order Confirmed", {"cart_id": "c2"}, {}),
    ("track", "Product Added", {"cart_id": "c1", "price": 20}, {}),
    ("page", None, {"name": "Home"}, {}),
)


def events_frame(calls: Sequence[Call]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "message_id": [f"m{number}" for number in range(len(calls))],
            "type": [call[0] for call in calls],
            "event": [call[1] for call in calls],
            "user_id": ["ann"] * len(calls),
            "timestamp": [datetime(2024, 6, 1, number, tzinfo=UTC) for number in range(len(calls))],
            "properties": [json.dumps(call[2]) for call in calls],
            "context": [json.dumps(call[3]) for call in calls],
        },
        schema_overrides={"event": pl.String, "timestamp": pl.Datetime("us", "UTC")},
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "definitions").mkdir()
    (tmp_path / "data/events").mkdir(parents=True)
    (tmp_path / "definitions/space.yml").write_text(SPACE)
    events_frame(CALLS).write_parquet(tmp_path / "data/events/all.parquet")
    profile = {"plan": "pro", "age": "n/a", "visits": 3, "address": {"city": "Berlin"}, "orders": 2}
    pl.DataFrame({"profile_id": ["ann"], "traits": [json.dumps(profile)]}).write_parquet(
        tmp_path / "data/profiles.parquet"
    )
    pl.DataFrame({"account_id": ["acme"], "traits": [json.dumps({"plan": "team", "seats": 5})]}).write_parquet(
        tmp_path / "data/accounts.parquet"
    )
    return tmp_path


def warnings(root: Path, definitions: str) -> list[str]:
    (root / "definitions/shop.yml").write_text(definitions, encoding="utf-8")
    project = Project.load(root)
    assert project.definitions.problems == ()
    return [str(warning) for warning in project.validate_against_data()]


def told(root: Path, query: str, *, kind: str = "audience", level: str = "user") -> list[str]:
    """What is said of one definition, without place and excerpt."""
    lines = [f"{kind}s:", "  - key: x", f"    level: {level}", "    definition: |", f"      {query}"]
    found = warnings(root, "\n".join(lines))
    return [warning.split("\n")[0].partition(": ")[2] for warning in found]


# ── what is told ────────────────────────────────────────────────────────────────────────────────────────────


def test_an_event_that_nobody_sent(root: Path) -> None:
    definitions = """\
audiences:
  - key: buyers
    definition: trait('plan') = 'pro' AND event('Order Complted').within(7 days).count() >= 1
"""

    assert warnings(root, definitions) == [
        "definitions/shop.yml:3:49: no event 'Order Complted' in the data; did you mean 'Order Completed'?\n"
        "    definition: trait('plan') = 'pro' AND event('Order Complted').within(7 days).count() >= 1\n"
        "                                                ^^^^^^^^^^^^^^^^"
    ]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("order completed", "; did you mean 'Order Completed'?"),
        ("order_completed", "; did you mean 'Order Completed'?"),
        ("Page Veiwed", "; did you mean 'Page Viewed'?"),
        # The nearest first, and never more than three.
        ("Order Con", "; did you mean 'Order Confirmed', 'Order Completed' or 'Order Cancelled'?"),
        ("Signed Up", ""),
    ],
)
def test_the_nearest_events(root: Path, name: str, meant: str) -> None:
    assert told(root, f"event('{name}').count() >= 1") == [f"no event '{name}' in the data{meant}"]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (
            "event('Order Completed').sum(property('totl')) > 5",
            "no event 'Order Completed' in the data has a property 'totl'; did you mean 'total'?",
        ),
        (
            "event('Order Completed').where(property('coupon') = 'x').count() >= 1",
            "no event 'Order Completed' in the data has a property 'coupon' "
            "(there are 'total', 'cart_id', 'currency', 'products', 'products.$.price' and others)",
        ),
        (
            "event('Order Completed').where(property('products.sku') = 's1').count() >= 1",
            "no event 'Order Completed' in the data has a property 'products.sku'; "
            "did you mean 'products.$.sku' or 'products'?",
        ),
        (
            "event('Product Added').where(property('total') > 5).count() >= 1",
            "no event 'Product Added' in the data has a property 'total' (there are 'cart_id' and 'price')",
        ),
        (
            "event('Order Completed').where(context('page.ulr') = '/').count() >= 1",
            "no event 'Order Completed' in the data has a context field 'page.ulr'; did you mean 'page.url'?",
        ),
        (
            "event('Product Added').where(context('page.url') = '/').count() >= 1",
            "no event 'Product Added' in the data has a context field 'page.url' (it has none)",
        ),
        # A property of the parent is looked for in the parent.
        (
            "event('Product Added').where(event('Order Completed')"
            ".where(property('currency') = property(parent: 'currency')).count() = 0).count() >= 1",
            "no event 'Product Added' in the data has a property 'currency' (there are 'cart_id' and 'price')",
        ),
        (
            "trait('plna') = 'pro'",
            "no profile in the data has a trait 'plna', and no computation has this key; did you mean 'plan'?",
        ),
        (
            "trait('address.cty') = 'Berlin'",
            "no profile in the data has a trait 'address.cty'; did you mean 'address.city'?",
        ),
    ],
)
def test_fields_that_are_nowhere(root: Path, query: str, message: str) -> None:
    assert told(root, query) == [message]


def test_accounts_have_traits_of_their_own(root: Path) -> None:
    query = "trait('vist') > 1 AND ANY (trait('vists') = 1 AND event('Order Complete').count() >= 1)"

    assert told(root, query, level="account") == [
        "no account in the data has a trait 'vist', and no computation has this key (there are 'plan' and 'seats')",
        "no profile in the data has a trait 'vists', and no computation has this key; did you mean 'visits'?",
        "no event 'Order Complete' in the data; did you mean 'Order Completed'?",
    ]


def test_a_computation_is_a_trait_and_can_be_meant(root: Path) -> None:
    definitions = """\
traits:
  - {key: revenue, definition: "event('Order Completed').sum(property('total'))"}
  - {key: revenue_of_accounts, level: account, definition: "event('Order Completed').sum(property('total'))"}
audiences:
  - {key: a, definition: trait('revenue') > 5}
  - {key: b, definition: trait('revenu') > 5}
  - {key: c, level: account, definition: trait('revenue_of_acounts') > 5}
"""

    assert [warning.split("\n")[0] for warning in warnings(root, definitions)] == [
        "definitions/shop.yml:6:32: no profile in the data has a trait 'revenu', and no computation has this key; "
        "did you mean 'revenue'?",
        "definitions/shop.yml:7:48: no account in the data has a trait 'revenue_of_acounts', and no computation has "
        "this key; did you mean 'revenue_of_accounts'?",
    ]


@pytest.mark.parametrize(
    "query",
    [
        "event('Order Completed').where(property('currency') > 5).count() >= 1",
        "event('Order Completed').where(property('currency') = 5).count() >= 1",
        "event('Order Completed').where(property('currency') >= '5').count() >= 1",
        "event('Order Completed').sum(property('currency')) >= 1",
        "event('Order Completed').max(property('currency')) >= 1",
    ],
)
def test_a_field_that_is_never_a_number(root: Path, query: str) -> None:
    assert told(root, query) == [
        "the property 'currency' of event 'Order Completed' is used as a number here, and is never one in the data "
        "(there is, for example, 'EUR')"
    ]


def test_a_trait_that_is_never_a_number(root: Path) -> None:
    assert told(root, "trait('age') >= 18 AND trait('visits') > 1") == [
        "the trait 'age' is used as a number here, and is never one in the data (there is, for example, 'n/a')"
    ]


@pytest.mark.parametrize(
    "query",
    [
        "event('Order Completed').where(property('total') > 5).count() >= 1",
        "event('Order Completed').where(property('currency') = '5').count() >= 1",
        "event('Order Completed').where(property('currency') > 2024-01-31).count() >= 1",
        "event('Order Completed').max(property('currency') as string) = 'EUR'",
        "event('Order Completed').where(property('products.$.price') > 2).count() >= 1",
        "event('Order Completed').where(context('page.url').contains('order')).count() >= 1",
        "event('Page Viewed').where(property('page_name') = 'Home' AND property('name') = 'Home').count() >= 1",
        "trait('plan') = 'pro' AND trait('address.city') = 'Berlin' AND trait('address').exists()",
        "event('Product Added').where(event('Order Cancelled').where(property('cart_id') = property(parent: 'cart_id'))"
        ".within(parent: 1 day).count() = 0).count() >= 1",
    ],
)
def test_what_is_there_is_not_mentioned(root: Path, query: str) -> None:
    assert told(root, query) == []


def test_a_key_that_hides_a_custom_trait(root: Path) -> None:
    definitions = """\
traits:
  - {key: orders, definition: "event('Order Completed').count()"}
  - {key: seats, definition: "event('Order Completed').count()"}
  - {key: plan, level: account, definition: "event('Order Completed').count()"}
"""

    assert [warning.split("\n")[0] for warning in warnings(root, definitions)] == [
        "definitions/shop.yml:2:5: the trait 'orders' hides the custom trait of that name "
        "(give it another key to use both)",
        "definitions/shop.yml:4:5: the trait 'plan' hides the custom trait of that name "
        "(give it another key to use both)",
    ]


# ── where it is told ────────────────────────────────────────────────────────────────────────────────────────


def test_structured_definitions_have_places_too(root: Path) -> None:
    definitions = """\
traits:
  - key: spent
    aggregation:
      function: sum
      event: "Order Completed"
      property: 'totl'
audiences:
  - key: funnel
    all:
      - event: Product Added
        where:
          - {property: price, at_least: 5}
          - {property: pirce, at_most: 500}
        then_not:
          event: Order Complted
          where: [{property: cart_id, equals: {parent: cartid}}]
      - {trait: plna, equals: pro}
"""

    assert warnings(root, definitions) == [
        "definitions/shop.yml:6:17: no event 'Order Completed' in the data has a property 'totl'; "
        "did you mean 'total'?\n"
        "    property: 'totl'\n"
        "              ^^^^^^",
        "definitions/shop.yml:13:24: no event 'Product Added' in the data has a property 'pirce'; "
        "did you mean 'price'?\n"
        "    - {property: pirce, at_most: 500}\n"
        "                 ^^^^^",
        "definitions/shop.yml:15:18: no event 'Order Complted' in the data; did you mean 'Order Completed'?\n"
        "    event: Order Complted\n"
        "           ^^^^^^^^^^^^^^",
        "definitions/shop.yml:16:56: no event 'Product Added' in the data has a property 'cartid'; "
        "did you mean 'cart_id'?\n"
        "    where: [{property: cart_id, equals: {parent: cartid}}]\n"
        "                                                 ^^^^^^",
        "definitions/shop.yml:17:17: no profile in the data has a trait 'plna', and no computation has this key; "
        "did you mean 'plan'?\n"
        "    - {trait: plna, equals: pro}\n"
        "              ^^^^",
    ]


def test_places_in_quotes_and_blocks(root: Path) -> None:
    definitions = """\
audiences:
  - key: quoted
    definition: "event(\\"Order Complted\\").count() >= 1"
  - key: folded
    definition: >-
      event('Order Completed')
        .where( property( "totl" ) > 5 )
        .count() >= 1
"""

    assert [warning.partition(" ")[2].split("\n", 1)[1] for warning in warnings(root, definitions)] == [
        '    definition: "event(\\"Order Complted\\").count() >= 1"\n                       ^^^^^^^^^^^^^^^^^',
        '    .where( property( "totl" ) > 5 )\n                      ^^^^^^',
    ]


# ── the data ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("typed", [False, True], ids=["text", "struct"])
def test_names_in_any_of_several_files_count(root: Path, typed: bool) -> None:
    later = events_frame([("track", "Order Refunded", {"reason": "broken"}, {})])
    if typed:
        later = later.with_columns(pl.col("properties").str.json_decode(pl.Struct({"reason": pl.String})))
    later.write_parquet(root / "data/events/later.parquet")

    assert told(root, "event('Order Refunded').where(property('reason') = 'x').count() >= 1") == []
    assert told(root, "event('Order Refunded').where(property('reasn') = 'x').count() >= 1") == [
        "no event 'Order Refunded' in the data has a property 'reasn'; did you mean 'reason'?"
    ]


def test_a_data_lake(root: Path) -> None:
    (root / "data/events/all.parquet").unlink()
    write_lake(root / "data/events", events_frame(CALLS))

    query = (
        "event('Order Completed').where(property('cartId') = 'c1' AND context('page.url') = '/').count() >= 1 "
        "AND event('Page Viewed').where(property('name') = 'Home').count() >= 1"
    )
    assert told(root, query) == []
    assert told(root, "event('Order Complted').count() >= 1") == [
        "no event 'Order Complted' in the data; did you mean 'order_completed'?"
    ]
    assert told(root, "event('Order Completed').sum(property('totl')) > 5") == [
        "no event 'Order Completed' in the data has a property 'totl'; did you mean 'total'?"
    ]
    assert told(root, "event('Order Completed').sum(property('currency')) > 5") == [
        "the property 'currency' of event 'Order Completed' is used as a number here, and is never one in the data "
        "(there is, for example, 'EUR')"
    ]


def test_traits_of_calls_where_there_is_no_table(root: Path) -> None:
    (root / "definitions/space.yml").write_text("sources: {events: data/events}\n")
    calls = events_frame([("identify", None, {}, {}), ("group", None, {}, {})])
    calls.with_columns(traits=pl.Series(['{"plan": "pro"}', '{"seats": 5}'])).write_parquet(
        root / "data/events/calls.parquet"
    )

    assert told(root, "trait('plan') = 'pro'") == []
    assert told(root, "trait('seats') = 5", level="account") == []
    assert told(root, "trait('plna') = 'pro'") == [
        "no profile in the data has a trait 'plna', and no computation has this key; did you mean 'plan'?"
    ]


def test_no_data_is_said_once(root: Path) -> None:
    (root / "definitions/space.yml").write_text("{}\n")

    assert told(root, "event('A').count() >= 1 AND event('B').count() >= 1 AND trait('c') = 1") == [
        "there are no events in the data: the names of events, properties and context fields were not checked",
        "the profiles in the data have no traits: the names of their traits were not checked",
    ]


def test_a_file_that_cannot_be_read_is_named(root: Path) -> None:
    (root / "data/events/all.parquet").write_bytes(b"no Parquet")

    with pytest.raises(InputError, match="events"):
        told(root, "event('A').count() >= 1")


# ── the command ─────────────────────────────────────────────────────────────────────────────────────────────


def validate(root: Path, definitions: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (root / "definitions/shop.yml").write_text(definitions)
    return subprocess.run(
        [sys.executable, "-m", "audiences", "validate", *arguments],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "COLUMNS": "160", "NO_COLOR": "1"},
    )


UNKNOWN = "audiences:\n  - {key: a, definition: event('Order Complted').count() >= 1}\n"
BROKEN = "  - {key: b, definition: event('Order Completed').count()}\n"


def test_warnings_do_not_fail(root: Path) -> None:
    done = validate(root, UNKNOWN, "--against-data")

    assert done.returncode == 0
    assert done.stderr == (
        "Warning: definitions/shop.yml:2:32: no event 'Order Complted' in the data; did you mean 'Order Completed'?\n"
        "    - {key: a, definition: event('Order Complted').count() >= 1}\n"
        "                                 ^^^^^^^^^^^^^^^^\n"
    )
    assert done.stdout == "1 definition is valid.\n"


def test_without_the_option_no_data_is_read(root: Path) -> None:
    (root / "data/events/all.parquet").write_bytes(b"no Parquet")

    assert validate(root, UNKNOWN).returncode == 0
    assert validate(root, UNKNOWN, "--against-data").returncode == 1


def test_errors_fail_and_the_rest_is_checked_all_the_same(root: Path) -> None:
    done = validate(root, UNKNOWN + BROKEN, "--against-data")

    assert done.returncode == 2
    error, warning = done.stderr.index("Error: definitions/shop.yml:3"), done.stderr.index("Warning: ")
    assert error < warning
    assert done.stdout == "1 definition is valid, 1 is broken.\n"


# ── what a definition uses ──────────────────────────────────────────────────────────────────────────────────


def test_uses_know_their_event() -> None:
    query = (
        "event('A').where(property('p') > 1 AND event('B').where(property('q') = property(parent: 'r')"
        " AND context('c') = trait('t')).count() = 0).sum(property('s')) > trait('u')"
    )

    uses = uses_of(parse(query), Level.USER)

    assert [stream.event for stream in uses.events] == ["A", "B"]
    assert {(use.field, use.as_number) for use in uses.fields} == {
        (Field("property", ("p",), "A"), True),
        (Field("property", ("q",), "B"), False),
        (Field("property", ("r",), "A"), False),
        (Field("context", ("c",), "B"), False),
        (Field("trait", ("t",)), False),
        (Field("property", ("s",), "A"), True),
        (Field("trait", ("u",)), False),
    }
