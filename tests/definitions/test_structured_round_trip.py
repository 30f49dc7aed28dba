"""Tree → structured YAML → tree: the same tree, for everything the language can say."""

from __future__ import annotations

import yaml
from hypothesis import given, settings

from audiences.definitions.loader import load_mappings
from audiences.definitions.positions import read_yaml
from audiences.definitions.structured import parse_structured, without_spans
from audiences.definitions.structured_print import plain_of, print_structured
from audiences.language.print import query
from language_strategies import Definition, definitions


@settings(max_examples=400, deadline=None)
@given(definitions())
def test_every_tree_survives(definition: Definition) -> None:
    text = print_structured(definition.expression)

    file = read_yaml(text.encode(), "printed.yml")
    assert not file.problems
    assert file.root is not None
    again = parse_structured(file.root, kind=definition.kind)

    assert again == definition.expression, query(again)
    assert print_structured(again) == text


@settings(max_examples=100, deadline=None)
@given(definitions())
def test_other_readers_of_yaml_read_the_same_text(definition: Definition) -> None:
    """What is printed is YAML 1.1 that PyYAML's own loader reads: same keys, same texts, same numbers."""
    expected = plain_of(definition.expression)

    read = yaml.safe_load(print_structured(definition.expression))

    assert read == expected


@settings(max_examples=100, deadline=None)
@given(definitions())
def test_plain_mappings_load_as_they_are(definition: Definition) -> None:
    entry = {"key": "a", "kind": definition.kind, "level": definition.level}

    loaded = load_mappings([{**entry, **plain_of(definition.expression)}])

    assert not loaded.problems
    assert loaded.computations["a"].expression == without_spans(definition.expression)
