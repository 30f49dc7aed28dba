"""What is said about wrong definitions: message, hint, place and excerpt."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiences.errors import DefinitionError, Location, NotYetError, Problem
from audiences.language.check import check
from audiences.language.parse import parse, parse_condition

FIXTURE = Path(__file__).parent / "fixtures" / "errors.txt"


def cases() -> list[tuple[str, str, str, str]]:
    """Kind, level, definition, expected problems."""
    kind = level = ""
    found = []
    for line in FIXTURE.read_text(encoding="utf-8").splitlines():
        if line.startswith("@"):
            _, kind, level = line.split()
        elif line.strip() and not line.startswith("#"):
            definition, _, expected = line.partition("  -->  ")
            found.append((kind, level, definition, expected))
    return found


def problems_of(definition: str, kind: str = "audience", level: str = "user") -> list[Problem]:
    try:
        expression = parse(definition)
    except DefinitionError as error:
        return list(error.problems)
    return check(expression, kind=kind, level=level, source=definition)


@pytest.mark.parametrize(("kind", "level", "definition", "expected"), cases())
def test_each_mistake_is_named_with_its_column(kind: str, level: str, definition: str, expected: str) -> None:
    said = [
        f"{problem.where.column}: {problem.what}{f' ({problem.hint})' if problem.hint else ''}"
        for problem in problems_of(definition, kind, level)
    ]

    assert "  ||  ".join(said) == expected


def test_a_message_has_place_hint_and_underlined_excerpt() -> None:
    with pytest.raises(DefinitionError) as raised:
        parse("trait('a') = 1 AND event('x').cuont() > 1")

    assert str(raised.value) == (
        "<definition>:1:31: unknown function 'cuont' (did you mean 'count'?)\n"
        "    trait('a') = 1 AND event('x').cuont() > 1\n"
        "                                  ^^^^^"
    )


def test_places_count_within_the_text_of_several_lines() -> None:
    with pytest.raises(DefinitionError) as raised:
        parse("trait('a') = 1\nAND event('x').within(3 weeks).count() > 1\n")

    (problem,) = raised.value.problems
    assert problem.where == Location("", 2, 25)
    assert problem.excerpt == (
        "    AND event('x').within(3 weeks).count() > 1\n"
        "                            ^^^^^"
    )  # fmt: skip


def test_places_count_from_where_the_definition_stands_in_its_file() -> None:
    where = Location("definitions/shop.yml", 12, 9)
    text = "trait('a') = 1\nAND property('x') = 1\nAND trait('') = 1"
    expression = parse(text, where=where)

    first, second = check(expression, kind="audience", where=where, source=text)

    assert str(first.where) == "definitions/shop.yml:13:13"
    assert str(second.where) == "definitions/shop.yml:14:13"


def test_an_unknown_column_stays_unknown() -> None:
    with pytest.raises(DefinitionError) as raised:
        parse("trait('a') = gold", where=Location("shop.yml", 7))

    assert raised.value.problems[0].where == Location("shop.yml", 7, 0)


@pytest.mark.parametrize("text", ["trait('a') =", "trait('a') =\n\n  ", "trait('a') = 1 AND\n"])
def test_a_definition_that_ends_too_early_is_marked_at_its_end(text: str) -> None:
    with pytest.raises(DefinitionError) as raised:
        parse(text)

    (problem,) = raised.value.problems
    assert problem.where == Location("", 1, len(text.rstrip()) + 1)


@pytest.mark.parametrize("text", ["", "   ", "\n\t "])
def test_an_empty_definition_is_named(text: str) -> None:
    with pytest.raises(DefinitionError, match="the definition is empty"):
        parse(text)


def test_a_long_line_is_cut_around_the_mistake() -> None:
    definition = " OR ".join(f"trait('number_{index}') = 'y'" for index in range(20)) + " OR trait('last') = gold"
    with pytest.raises(DefinitionError) as raised:
        parse(definition)

    line, underline = raised.value.problems[0].excerpt.splitlines()
    assert len(line) <= 4 + 100 + 2
    assert line.startswith("    …")
    assert line[underline.index("^") : underline.rindex("^") + 1] == "gold"


def test_the_underline_stands_below_wide_characters() -> None:
    with pytest.raises(DefinitionError) as raised:
        parse("trait('東京') = gold")

    _, underline = raised.value.problems[0].excerpt.splitlines()
    # Each of the two characters takes two columns of a terminal.
    assert underline == "    " + " " * (len("trait('東京') = ") + 2) + "^^^^"


def test_tabs_do_not_shift_the_underline() -> None:
    with pytest.raises(DefinitionError) as raised:
        parse("\ttrait('a')\t= gold")

    line, underline = raised.value.problems[0].excerpt.splitlines()
    assert line[underline.index("^") :] == "gold"


def test_problems_of_a_whole_definition_come_at_once_and_in_order() -> None:
    definition = """
        event('A').within(3 weeks).count() >= 1
        AND evnt('B').count() >= 1
        AND trait('x') = gold
        AND event('C').sum('price') > 1
    """

    assert [(problem.where.line, problem.what) for problem in problems_of(definition)] == [
        (2, "unknown unit 'weeks'"),
        (3, "unknown function 'evnt'"),
        (4, "unknown word 'gold'"),
        (5, "sum(…) needs a property or context field"),
    ]


def test_what_is_not_supported_yet_has_an_error_of_its_own() -> None:
    with pytest.raises(NotYetError) as raised:
        parse("entity('account').where(property('plan') = 'free').count() >= 1")

    (problem,) = raised.value.problems
    assert problem.not_yet
    assert "entity" in problem.what


def test_a_mistake_next_to_what_is_not_supported_yet_is_a_mistake() -> None:
    with pytest.raises(DefinitionError) as raised:
        parse("entity('account').count() >= 1 AND trait('x') = gold")

    assert not isinstance(raised.value, NotYetError)
    assert [problem.not_yet for problem in raised.value.problems] == [True, False]


def test_a_condition_is_asked_for_where_one_is_needed() -> None:
    with pytest.raises(DefinitionError, match="this is a value, not a condition"):
        parse_condition("event('x').count()")


@pytest.mark.parametrize("nest", ["({})", "NOT {}", "NOT ({})", "event('x').where({}).count() >= 1", "ANY {}"])
@pytest.mark.parametrize("depth", [60, 2_000])
def test_no_depth_breaks_the_parser(nest: str, depth: int) -> None:
    definition = "trait('a') = 1"
    before, after = nest.split("{}")

    # Either it is valid or refused; never a RecursionError.
    problems_of(before * depth + definition + after * depth, level="account")


@given(st.text(alphabet="etvn('\")=.<>!&|{}[],:-0123 \\\n‘’ANDORwithincountday", max_size=60))
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    for problem in problems_of(text):
        assert problem.what
        assert problem.where.line >= 1
        assert problem.where.column >= 1
        assert "^" in problem.excerpt
