"""What trees come out of the parser."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from audiences.errors import DefinitionError
from audiences.language import tree
from audiences.language.parse import parse, parse_condition, parse_instant, parse_path
from audiences.language.tree import Operator, Unit


def comparison(definition: str) -> tree.Comparison:
    expression = parse(definition)
    assert isinstance(expression, tree.Comparison)
    return expression


def right_side(definition: str) -> tree.Argument:
    (argument,) = comparison(definition).arguments
    return argument


def test_the_example_of_a_funnel() -> None:
    definition = """
        event('Shoes Bought').where(
        property('price') >= trait('avg_spend')
        AND
        event('Shoes Returned').within(parent: 5 days).count() >= 1
        ).within(30 days).count() >= 1
    """

    returned = tree.Stream("Shoes Returned", (tree.Within(tree.Duration(5, Unit.DAY), of_parent=True),))
    expensive = tree.Comparison(tree.Property(("price",)), Operator.AT_LEAST, (tree.Trait(("avg_spend",)),))
    came_back = tree.Comparison(tree.Count(returned), Operator.AT_LEAST, (tree.Number(1),))
    bought = tree.Stream(
        "Shoes Bought",
        (tree.Where(tree.And((expensive, came_back))), tree.Within(tree.Duration(30, Unit.DAY))),
    )
    assert parse(definition) == tree.Comparison(tree.Count(bought), Operator.AT_LEAST, (tree.Number(1),))


def test_not_binds_before_and_and_and_before_or() -> None:
    a, b, c = (tree.Comparison(tree.Trait((name,)), Operator.EXISTS) for name in "abc")

    text = "trait('a').exists() OR NOT trait('b').exists() AND trait('c').exists()"
    assert parse(text) == tree.Or((a, tree.And((tree.Not(b), c))))


def test_any_and_all_apply_to_the_next_condition_only() -> None:
    a, b = (tree.Comparison(tree.Trait((name,)), Operator.EXISTS) for name in "ab")

    assert parse("ANY trait('a').exists() AND trait('b').exists()") == tree.And((tree.AnyUser(a), b))
    assert parse("ALL NOT trait('a').exists()") == tree.AllUsers(tree.Not(a))
    assert parse("NOT ANY (trait('a').exists() OR trait('b').exists())") == tree.Not(tree.AnyUser(tree.Or((a, b))))


@pytest.mark.parametrize(
    ("symbol", "function"),
    [
        ("=", "equals"),
        ("==", "equals"),
        ("!=", "differs"),
        (">", "greater_than"),
        (">=", "at_least"),
        ("<", "less_than"),
        ("<=", "at_most"),
    ],
)
def test_symbols_and_functions_give_the_same_tree(symbol: str, function: str) -> None:
    assert parse(f"trait('x') {symbol} 5") == parse(f"trait('x').{function}(5)")
    assert comparison(f"trait('x'){symbol}5").operator == Operator(function)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("30.00", 30),
        ("-3", -3),
        ("+3", 3),
        ("0.1", 0.1),
        (".5", 0.5),
        ("-.5", -0.5),
        ("1e3", 1000),
        ("2.5e-3", 0.0025),
        ("9007199254740993", 9007199254740993),
        ("9007199254740993.0", 9007199254740993),
        ("-0", 0),
    ],
)
def test_numbers(written: str, value: float) -> None:
    argument = right_side(f"trait('x') = {written}")

    assert isinstance(argument, tree.Number)
    assert argument.value == value
    assert type(argument.value) is type(value)


@pytest.mark.parametrize(
    ("written", "value", "date_only"),
    [
        ("2024-01-31", datetime(2024, 1, 31, tzinfo=UTC), True),
        ("2024-01-31T18:30", datetime(2024, 1, 31, 18, 30, tzinfo=UTC), False),
        ("2024-01-31T18:30:15Z", datetime(2024, 1, 31, 18, 30, 15, tzinfo=UTC), False),
        ("2024-01-31T18:30:15+02:00", datetime(2024, 1, 31, 16, 30, 15, tzinfo=UTC), False),
        ("2024-01-31 18:30:15.5-01:30", datetime(2024, 1, 31, 20, 0, 15, 500_000, tzinfo=UTC), False),
        ("2024-01-31T00:00:00.0000019Z", datetime(2024, 1, 31, 0, 0, 0, 1, tzinfo=UTC), False),
    ],
)
def test_dates_and_times(written: str, value: datetime, date_only: bool) -> None:
    assert right_side(f"trait('x') > {written}") == tree.Instant(value, date_only)
    assert right_side(f"trait('x') > '{written}'") == tree.Text(written)
    assert parse_instant(written) == tree.Instant(value, date_only)


@pytest.mark.parametrize(
    "written",
    [
        "2024-02-30",
        "2023-02-29",
        "24-01-31",
        "2024-01",
        "2024-01-31T",
        "2024-01-31T24:00",
        "2024-01-31T10:00+2",
        "2024-01-31T10:00:00 Z",
        "0001-01-01T00:00:00+10:00",
        " 2024-01-31",
        "20240131",
        "yesterday",
        "",
    ],
)
def test_what_is_no_date_or_time(written: str) -> None:
    assert parse_instant(written) is None


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (r"'it\'s'", "it's"),
        (r"""'"'""", '"'),
        (r'''"it's"''', "it's"),
        (r'"\"x\""', '"x"'),
        (r"'a\\b'", "a\\b"),
        (r"'a\nb\tc\rd'", "a\nb\tc\rd"),
        (r"'\u00e9\u20ac'", "é€"),
        (r"'\ud83d\ude00'", "😀"),
        (r"'\.\d\q'", r"\.\d\q"),
        (r"'\u12'", r"\u12"),
        ("'  blanks  '", "  blanks  "),
        ("'# -- ; ‘ ’ “ ”'", "# -- ; ‘ ’ “ ”"),
        ("''", ""),
    ],
)
def test_strings(written: str, value: str) -> None:
    assert right_side(f"trait('x') = {written}") == tree.Text(value)


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ("plan", ("plan",)),
        ("address.city", ("address", "city")),
        ("products.$.category", ("products", "$", "category")),
        (r"a\.b", ("a.b",)),
        (r"a\\.b.c", ("a.b", "c")),
        (r"a\\\.b\.c", ("a.b.c",)),
        (r"a\b.c", (r"a\b", "c")),
        ("a..b", ("a", "", "b")),
        ("", ("",)),
        ("a.", ("a", "")),
    ],
)
def test_paths(raw: str, path: tree.Path) -> None:
    assert parse_path(raw) == path


def test_a_dot_after_backslashes_is_part_of_a_name_however_often_they_were_escaped() -> None:
    names = [r"trait('a\.b') = 1", r"trait('a\\.b') = 1", r"trait('a\\\\.b') = 1"]

    assert {parse(name) for name in names} == {
        tree.Comparison(tree.Trait(("a.b",)), Operator.EQUALS, (tree.Number(1),))
    }


@pytest.mark.parametrize(
    ("written", "duration"),
    [
        ("1 hour", tree.Duration(1, Unit.HOUR)),
        ("2 hours", tree.Duration(2, Unit.HOUR)),
        ("7 DAYS", tree.Duration(7, Unit.DAY)),
        ("1 days", tree.Duration(1, Unit.DAY)),
        ("30 minutes", tree.Duration(30, Unit.MINUTE)),
        ("1 second", tree.Duration(1, Unit.SECOND)),
    ],
)
def test_durations(written: str, duration: tree.Duration) -> None:
    expression = parse(f"event('x').expires_after({written}).count()")

    assert expression == tree.Count(tree.Stream("x", (tree.ExpiresAfter(duration),)))


def test_the_bounds_of_between_come_in_either_order() -> None:
    expected = tree.Between(tree.Duration(24, Unit.HOUR), tree.Duration(3, Unit.DAY))

    for bounds in ("24 hours, 3 days", "3 days, 24 hours"):
        assert parse(f"event('x').between({bounds}).count()") == tree.Count(tree.Stream("x", (expected,)))


def test_reducers() -> None:
    stream, price = tree.Stream("x"), tree.Operand(tree.Property(("p",)))
    text = tree.Operand(tree.Property(("p",)), tree.Cast.STRING)
    expected: dict[str, tree.Reduction] = {
        "count()": tree.Count(stream),
        "sum(property('p'))": tree.Aggregate(stream, tree.Function.SUM, price),
        "avg(property('p'))": tree.Aggregate(stream, tree.Function.AVERAGE, price),
        "min(property('p') as string)": tree.Aggregate(stream, tree.Function.MINIMUM, text),
        "max(property('p'))": tree.Aggregate(stream, tree.Function.MAXIMUM, price),
        "mode(property('p'))": tree.MostFrequent(stream, price, 2),
        "mode(property('p') as string, 3)": tree.MostFrequent(stream, text, 3),
        "first(property('p'))": tree.First(stream, price),
        "last(context('p'))": tree.Last(stream, tree.Operand(tree.Context(("p",)))),
        "unique(property('p'))": tree.UniqueList(stream, price),
        "unique(property('p')).count()": tree.UniqueCount(stream, price),
    }
    for written, reduction in expected.items():
        assert parse(f"event('x').{written}") == reduction


def test_spans_say_where_each_node_was_written() -> None:
    text = "trait('a') = 1 AND (event('x').where(property('p') > -5).count() >= 2)"
    both = parse(text)

    def written(node: tree.Node) -> str:
        assert node.span is not None
        return text[node.span.start : node.span.end]

    assert isinstance(both, tree.And)
    second = both.operands[1]
    assert isinstance(second, tree.Comparison)
    assert isinstance(second.left, tree.Count)
    where = second.left.stream.filters[0]
    assert isinstance(where, tree.Where)
    assert isinstance(where.condition, tree.Comparison)
    assert [
        written(node)
        for node in (
            both,
            both.operands[0],
            second,
            second.left,
            second.left.stream,
            where,
            where.condition,
            where.condition.left,
            where.condition.arguments[0],
        )
    ] == [
        text,
        "trait('a') = 1",
        "event('x').where(property('p') > -5).count() >= 2",
        "event('x').where(property('p') > -5).count()",
        "event('x').where(property('p') > -5)",
        "where(property('p') > -5)",
        "property('p') > -5",
        "property('p')",
        "-5",
    ]


def test_blanks_that_come_with_copied_text_do_not_matter() -> None:
    assert parse("\ufefftrait('a')\u00a0=\u200b 1\r\n") == parse("trait('a') = 1")


def test_a_condition_can_be_asked_for() -> None:
    assert parse_condition("trait('a') = 1") == parse("trait('a') = 1")
    with pytest.raises(DefinitionError):
        parse_condition("trait('a')")
