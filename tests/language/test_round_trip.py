"""parse → print → parse: over definitions as Segment writes them, and over arbitrary trees."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings

from audiences.language.check import check
from audiences.language.fingerprint import fingerprint
from audiences.language.parse import parse
from audiences.language.print import query
from language_strategies import Definition, definitions

FIXTURE = Path(__file__).parent / "fixtures" / "round_trip.txt"


def cases() -> list[tuple[str, str, str, str]]:
    """Kind, level, definition, canonical form."""
    kind = level = ""
    found = []
    for line in FIXTURE.read_text(encoding="utf-8").splitlines():
        if line.startswith("@"):
            _, kind, level = line.split()
        elif line.strip() and not line.startswith("#"):
            definition, _, canonical = line.partition("  -->  ")
            found.append((kind, level, definition, canonical or definition))
    return found


@pytest.mark.parametrize(("kind", "level", "definition", "canonical"), cases())
def test_each_definition_is_valid_and_prints_in_one_way(kind: str, level: str, definition: str, canonical: str) -> None:
    expression = parse(definition)

    assert check(expression, kind=kind, level=level, source=definition) == []
    assert query(expression) == canonical
    assert parse(canonical) == expression
    assert parse(query(expression, multiline=True)) == expression
    assert fingerprint(parse(canonical)) == fingerprint(expression)


@settings(max_examples=300, deadline=None)
@given(definitions())
def test_any_valid_tree_can_be_printed_and_read_back(definition: Definition) -> None:
    expression, kind, level = definition

    assert check(expression, kind=kind, level=level) == []
    text = query(expression)
    assert "\n" not in text
    again = parse(text)
    assert again == expression
    assert hash(again) == hash(expression)
    assert check(again, kind=kind, level=level, source=text) == []


@settings(max_examples=150, deadline=None)
@given(definitions())
def test_printing_over_several_lines_means_the_same(definition: Definition) -> None:
    expression = definition.expression
    again = parse(query(expression, multiline=True))

    assert again == expression
    assert fingerprint(again) == fingerprint(expression)
