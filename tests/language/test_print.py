"""How trees are written, trees built by hand among them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from audiences.language import tree
from audiences.language.parse import parse
from audiences.language.print import argument, duration, path, query
from audiences.language.tree import Operator, Unit


def equals(value: tree.Argument) -> tree.Comparison:
    return tree.Comparison(tree.Trait(("x",)), Operator.EQUALS, (value,))


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (tree.Text("it's"), r"'it\'s'"),
        (tree.Text('say "hi"'), "'say \"hi\"'"),
        (tree.Text("back\\slash"), r"'back\\slash'"),
        (tree.Text("ends in \\"), r"'ends in \\'"),
        (tree.Text("\\'"), r"'\\\''"),
        (tree.Text("line\nbreak\ttab\rreturn"), r"'line\nbreak\ttab\rreturn'"),
        (tree.Text("\x00\x7f\u2028\u00a0"), r"'\u0000\u007f\u2028\u00a0'"),
        (tree.Text("ünïcode 日本 😀"), "'ünïcode 日本 😀'"),
        (tree.Text("\\n"), r"'\\n'"),
        (tree.Number(-5), "-5"),
        (tree.Number(30.0), "30"),
        (tree.Number(-0.25), "-0.25"),
        (tree.Number(1e-7), "1e-07"),
        (tree.Number(1e22), "10000000000000000000000"),
        (tree.Boolean(True), "true"),
        (tree.Boolean(False), "false"),
        (tree.Instant(datetime(2024, 1, 31, tzinfo=UTC)), "2024-01-31T00:00:00Z"),
        (tree.Instant(datetime(2024, 1, 31, tzinfo=UTC), date_only=True), "2024-01-31"),
        (tree.Instant(datetime(2024, 1, 31, 1, 2, 3, 450, tzinfo=UTC)), "2024-01-31T01:02:03.00045Z"),
        (tree.Instant(datetime(2024, 1, 31, 2, tzinfo=timezone(timedelta(hours=2)))), "2024-01-31T00:00:00Z"),
        (tree.Instant(datetime(33, 4, 3, tzinfo=UTC), date_only=True), "0033-04-03"),
        (tree.Trait(("a.b", "c")), r"trait('a\.b.c')"),
        (tree.Trait(("it's", "$", "x")), r"trait('it\'s.$.x')"),
        (tree.Trait(("a\\b",)), r"trait('a\\b')"),
        (tree.Trait(("ends in \\",)), r"trait('ends in \\')"),
        (tree.Trait((".", "..")), r"trait('\..\.\.')"),
    ],
)
def test_values_built_by_hand(value: tree.Argument, written: str) -> None:
    assert argument(value) == written
    assert query(equals(value)) == f"trait('x') = {written}"
    assert parse(query(equals(value))) == equals(value)


def test_a_date_is_printed_as_it_is_written_in_a_calendar() -> None:
    day = date(1999, 12, 31)
    value = tree.Instant(datetime(day.year, day.month, day.day, tzinfo=UTC), date_only=True)

    assert argument(value) == day.isoformat()


def test_durations_and_paths() -> None:
    assert duration(tree.Duration(1, Unit.DAY)) == "1 day"
    assert duration(tree.Duration(36, Unit.HOUR)) == "36 hours"
    assert path(("items", "$", "a.b")) == r"items.$.a\.b"


def test_parentheses_stand_only_where_they_mean_something() -> None:
    a, b, c = (tree.Comparison(tree.Trait((name,)), Operator.EXISTS) for name in "abc")
    shown = {
        query(tree.Or((tree.And((a, b)), c))): "A AND B OR C",
        query(tree.And((tree.Or((a, b)), c))): "(A OR B) AND C",
        query(tree.Not(tree.And((a, b)))): "NOT (A AND B)",
        query(tree.And((tree.Not(a), b))): "NOT (A) AND B",
        query(tree.AllUsers(tree.Not(a))): "ALL NOT (A)",
        query(tree.Not(tree.AnyUser(tree.Or((a, b))))): "NOT ANY (A OR B)",
    }
    for text, expected in shown.items():
        short = text
        for name in "abc":
            short = short.replace(f"trait('{name}').exists()", name.upper())
        assert short == expected


def test_what_fits_on_a_line_stays_on_it() -> None:
    text = "trait('a') = 1 AND (trait('b') = 2 OR trait('c') = 3)"

    assert query(parse(text), multiline=True) == text


def test_a_long_definition_is_broken_and_indented() -> None:
    text = """
trait('country').one_of('Germany', 'France', 'Belgium', 'Netherlands', 'Luxembourg')
AND (
  event('Product Added').where(
    property('price') > 20
    AND NOT (
      event('Order Completed').where(
        property('cart_id') = property(parent: 'cart_id')
      ).within(parent: 1 day).count() >= 1
    )
  ).between(1 day, 8 days).count() >= 1
  OR (
    trait('a_rather_long_trait_name') = 'and a rather long value of it'
    AND trait('another_long_trait_name') != 'and another value'
  )
  OR NOT (
    trait('a_rather_long_trait_name') = 'and a rather long value of it, longer than that'
  )
)
AND (trait('b') = 2 OR trait('c') = 3)
""".strip()

    assert query(parse(text), multiline=True) == text


def test_a_long_trait_is_broken_in_its_conditions() -> None:
    text = """
event('Order Completed').where(
  property('category').one_of('cosmetics', 'perfume', 'shoes')
).sources({exclude: 'QgRHeujRJBM9j18yChyC'}).where(
  property('total') > 100
).within(90 days).mode(property('category'), 2)
""".strip()

    assert query(parse(text), multiline=True) == text
