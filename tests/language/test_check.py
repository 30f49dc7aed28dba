"""The checks on trees: with a source, without one, and built by hand."""

from __future__ import annotations

import pytest

from audiences.errors import Location, Problem
from audiences.language import tree
from audiences.language.check import check, result_type
from audiences.language.construct import between, conjunction, disjunction, seconds
from audiences.language.parse import parse
from audiences.language.tree import Operator, Unit
from audiences.language.types import ResultType

HERE = Location("shop.yml", 4, 7)


def whats(problems: list[Problem]) -> list[str]:
    return [problem.what for problem in problems]


def trait_is(name: str, value: tree.Argument, operator: Operator = Operator.EQUALS) -> tree.Comparison:
    return tree.Comparison(tree.Trait((name,)), operator, (value,))


def test_a_tree_without_spans_has_its_problems_at_the_given_place() -> None:
    stream = tree.Stream("", (tree.Within(tree.Duration(0, Unit.DAY)),))
    expression = tree.Comparison(tree.Count(stream), Operator.AT_LEAST, (tree.Number(1),))

    problems = check(expression, kind="audience", where=HERE)

    assert whats(problems) == ["an empty event name", "a window of 0 days is empty"]
    assert {problem.where for problem in problems} == {HERE}
    assert {problem.excerpt for problem in problems} == {""}


def test_places_can_be_looked_up_for_nodes_and_what_is_around_them() -> None:
    window = tree.Within(tree.Duration(0, Unit.DAY))
    comparison = tree.Comparison(tree.Count(tree.Stream("", (window,))), Operator.AT_LEAST, (tree.Number(1),))
    expression = conjunction([trait_is("", tree.Number(1)), comparison])
    places = {id(comparison): Location("shop.yml", 8, 5), id(window): Location("shop.yml", 9, 9)}

    problems = check(expression, kind="audience", where=HERE, locate=lambda node: places.get(id(node)))

    assert [(problem.where, problem.what) for problem in problems] == [
        (HERE, "an empty trait name"),
        (Location("shop.yml", 8, 5), "an empty event name"),
        (Location("shop.yml", 9, 9), "a window of 0 days is empty"),
    ]


def test_spans_without_their_text_are_not_used() -> None:
    expression = parse("trait('') = 1")

    assert [problem.where for problem in check(expression, kind="audience", where=HERE)] == [HERE]


@pytest.mark.parametrize(("count", "fine"), [(50, True), (51, False)])
def test_fifty_primary_expressions_are_the_limit_nested_ones_included(count: int, fine: bool) -> None:
    text = " OR ".join(["event('x').where(property('p') = 1).count() >= 1", *["trait('t') = 'y'"] * (count - 2)])
    problems = check(parse(text), kind="audience", source=text)

    assert (problems == []) is fine
    if not fine:
        assert whats(problems) == ["51 comparisons, and a definition may have 50"]
        assert problems[0].where.column == text.rindex("trait(") + 1


@pytest.mark.parametrize("value", [float("inf"), float("nan"), -float("inf")])
def test_numbers_that_yaml_has_and_the_language_has_not(value: float) -> None:
    expression = trait_is("a", tree.Number(value))

    assert whats(check(expression, kind="audience")) == ["infinite and undefined numbers can't be compared"]


@pytest.mark.parametrize(
    ("expression", "what"),
    [
        (tree.Comparison(tree.Trait(("a",)), Operator.ONE_OF), "one_of(…) needs a value"),
        (trait_is("a", tree.Number(1), Operator.EXISTS), "exists() takes no value"),
        (trait_is("a", tree.Number(1), Operator.WITHIN_LAST), "within_last(…) takes a duration"),
        (trait_is("a", tree.Duration(7, Unit.DAY)), "equals(…) can't take a duration"),
        (trait_is("a", tree.Property(("p",))), "property('p') can't stand on the right side of a comparison"),
        (trait_is("a", tree.Property(("p",), True)), "property(parent: …) outside of a nested event"),
        (trait_is("a", tree.Duration(-1, Unit.DAY), Operator.BEFORE_LAST), "a duration can't be negative"),
        (trait_is("a\\.b", tree.Number(1)), "a name can't have a backslash right before a dot"),
        (
            tree.Comparison(tree.Trait(("a\\", "b")), Operator.EXISTS),
            "a name can't have a backslash right before a dot",
        ),
        (tree.Comparison(tree.Trait(()), Operator.EXISTS), "an empty trait name"),
        (tree.Comparison(tree.Trait(("a", "")), Operator.EXISTS), "an empty name between two dots"),
    ],
)
def test_trees_that_the_parser_would_not_build(expression: tree.Expression, what: str) -> None:
    assert whats(check(expression, kind="audience")) == [what]


def test_a_nested_event_may_be_limited_both_ways() -> None:
    text = "event('A').where(event('B').within(parent: 1 day).between(1 day, 30 days).count() >= 1).count()"

    assert check(parse(text), kind="trait", source=text) == []


def test_very_deep_trees_are_refused() -> None:
    expression: tree.Condition = trait_is("a", tree.Number(1))
    for _ in range(60):
        expression = tree.Not(expression)

    assert whats(check(expression, kind="audience")) == ["conditions nested more than 40 deep"]


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ("trait('a') = 1", ResultType.BOOLEAN),
        ("NOT (trait('a') = 1)", ResultType.BOOLEAN),
        ("event('x').count()", ResultType.INTEGER),
        ("event('x').unique(property('p')).count()", ResultType.INTEGER),
        ("event('x').sum(property('p'))", ResultType.NUMBER),
        ("event('x').avg(property('p'))", ResultType.NUMBER),
        ("event('x').min(property('p') as number)", ResultType.NUMBER),
        ("event('x').max(property('p') as string)", ResultType.TEXT),
        ("event('x').mode(property('p') as number, 2)", ResultType.TEXT),
        ("event('x').unique(property('p'))", ResultType.LIST),
        ("event('x').first(property('p'))", ResultType.ANY),
        ("event('x').last(property('p'))", ResultType.ANY),
        ("trait('a')", ResultType.ANY),
    ],
)
def test_result_types(definition: str, expected: ResultType) -> None:
    assert result_type(parse(definition)) is expected


def test_junctions_are_flat() -> None:
    a, b, c = (trait_is(name, tree.Number(1)) for name in "abc")

    assert conjunction([conjunction([a, b]), c]) == tree.And((a, b, c))
    assert disjunction([a, disjunction([b, c])]) == tree.Or((a, b, c))
    assert conjunction([disjunction([a, b]), c]) == tree.And((tree.Or((a, b)), c))
    assert conjunction([a]) == disjunction([a]) == a
    with pytest.raises(ValueError, match="needs an operand"):
        conjunction([])
    with pytest.raises(ValueError, match="needs an operand"):
        disjunction([])


def test_bounds_are_ordered_by_length() -> None:
    short, long = tree.Duration(36, Unit.HOUR), tree.Duration(2, Unit.DAY)

    assert between(long, short) == between(short, long) == tree.Between(short, long)
    assert seconds(tree.Duration(2, Unit.MINUTE)) == 120
    assert seconds(long) == 172_800
