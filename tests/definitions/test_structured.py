"""The structured form against the query language, pair by pair (structured_pairs.txt)."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from audiences.definitions.positions import read_yaml
from audiences.definitions.structured import parse_structured
from audiences.definitions.structured_print import print_structured
from audiences.definitions.yaml_nodes import YamlMapping
from audiences.errors import DefinitionError
from audiences.language import tree
from audiences.language.parse import parse


def _pairs() -> list[tuple[str, bool, str, str]]:
    text = Path(__file__).with_name("structured_pairs.txt").read_text(encoding="utf-8")
    pairs = []
    for block in re.split(r"^=== ", text, flags=re.MULTILINE)[1:]:
        name, _, rest = block.partition("\n")
        written, _, query = rest.partition("--- ")
        pairs.append((name.removeprefix("= "), name.startswith("= "), written, query.strip()))
    return pairs


PAIRS = _pairs()


def _root(text: str) -> YamlMapping:
    file = read_yaml(text.encode(), "definition.yml")
    assert not file.problems
    assert isinstance(file.root, YamlMapping)
    return file.root


def _kind(query: str) -> str:
    return "audience" if isinstance(parse(query), tree.Condition) else "trait"


@pytest.mark.parametrize(("written", "query"), [pair[2:] for pair in PAIRS], ids=[pair[0] for pair in PAIRS])
def test_both_forms_are_the_same_tree(written: str, query: str) -> None:
    assert parse_structured(_root(written), kind=_kind(query)) == parse(query)


PRINTED = [pair for pair in PAIRS if pair[1]]


@pytest.mark.parametrize(("written", "query"), [pair[2:] for pair in PRINTED], ids=[pair[0] for pair in PRINTED])
def test_the_query_language_prints_as_structured_yaml(written: str, query: str) -> None:
    assert print_structured(parse(query)) == written.rstrip("\n") + "\n"


@pytest.mark.parametrize(("written", "query"), [pair[2:] for pair in PAIRS], ids=[pair[0] for pair in PAIRS])
def test_spans_are_dropped(written: str, query: str) -> None:
    pending: list[tree.Node] = [parse_structured(_root(written), kind=_kind(query))]
    while pending:
        node = pending.pop()
        assert node.span is None
        for name in type(node).__dataclass_fields__:
            value = getattr(node, name)
            items = value if isinstance(value, tuple) else (value,)
            pending.extend(item for item in items if isinstance(item, tree.Node))


def test_audiences_are_printed_as_such_where_they_are_known() -> None:
    expression = parse("trait('vip') = true AND NOT (trait('staff') = true) AND trait('other') = true")

    printed = print_structured(expression, audiences=["vip", "staff"])

    assert printed == (
        "all:\n  - {audience: vip}\n  - {audience: staff, member: false}\n  - {trait: other, equals: true}\n"
    )
    assert parse_structured(_root(printed), kind="audience") == expression


def test_plain_mappings_are_read_as_well() -> None:
    expression = parse_structured({"event_counter": {"event": "A"}, "within": "7 days"}, kind="trait")

    assert expression == parse("event('A').within(7 days).count()")


def test_all_mistakes_are_raised_together() -> None:
    with pytest.raises(DefinitionError) as raised:
        parse_structured({"all": [{"trait": "a"}, {"event": "A", "within": 7}]}, kind="audience")

    assert [problem.where.file for problem in raised.value.problems] == [
        "definition.all[0]",
        "definition.all[1].within",
    ]


CASES = Path(__file__).parent.parent / "conformance" / "cases"


@pytest.mark.parametrize("path", sorted(CASES.rglob("*.json")), ids=lambda path: path.stem)
def test_definitions_of_the_conformance_cases_survive(path: Path) -> None:
    cases = json.loads(path.read_text(encoding="utf-8"))
    for case in cases if isinstance(cases, list) else [cases]:
        if "definition" not in case or "error" in case.get("expect", {}):
            continue
        expression = parse(case["definition"])
        printed = print_structured(expression)
        assert parse_structured(_root(printed), kind=case["kind"]) == expression, printed
