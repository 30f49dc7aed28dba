"""YAML with places: what is read, what is refused, and what a hostile file can't do."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
import yaml

from audiences.definitions import positions
from audiences.definitions.positions import read_yaml
from audiences.definitions.yaml_nodes import YamlList, YamlMapping, YamlScalar, node_of, plain
from audiences.errors import Location


def _read(text: str) -> object:
    file = read_yaml(text.encode(), "f.yml")
    assert not file.problems
    assert file.root is not None
    return plain(file.root)


def _problems(content: str | bytes) -> list[str]:
    return [str(problem) for problem in read_yaml(_bytes(content), "f.yml").problems]


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("text", "text"),
        ("'5'", "5"),
        ('"a\\tb"', "a\tb"),
        ("!!str 5", "5"),
        ("5", 5),
        ("-5", -5),
        ("+5", 5),
        ("30.00", 30),
        ("0.1", 0.1),
        (".5", 0.5),
        ("1e3", 1000),
        ("1.5E-3", 0.0015),
        ("12345678901234567890", 12345678901234567890),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("2024-01-31", date(2024, 1, 31)),
        ("2024-01-31T10:00:00Z", datetime(2024, 1, 31, 10, tzinfo=UTC)),
        ("2024-01-31 10:00:00", datetime(2024, 1, 31, 10, tzinfo=UTC)),
        ("2024-01-31T12:00:00.1234567+02:00", datetime(2024, 1, 31, 10, 0, 0, 123456, tzinfo=UTC)),
        ("1-800-FLOWERS", "1-800-FLOWERS"),
        ("7 days", "7 days"),
        ("=", "="),
        ("nope", "nope"),
        ("y", "y"),
        ("0", 0),
        ("1.2.3", "1.2.3"),
    ],
)
def test_scalars(written: str, value: object) -> None:
    read = _read(f"a: {written}\n")

    assert read == {"a": value}
    assert isinstance(read, dict)
    assert type(read["a"]) is type(value)


@pytest.mark.parametrize(
    "written",
    ["yes", "No", "on", "OFF", "010", "08", "-01.5", "0x1F", "0o17", "0b11", "1_000", "1:30", "12:30:45.5"],
)
def test_scalars_that_yaml_1_1_and_1_2_read_differently_are_refused(written: str) -> None:
    assert _problems(f"a: {written}\n")[0].startswith(f"f.yml:1:4: {written} without quotes")
    assert _read(f"a: '{written}'\n") == {"a": written}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: 1\na: 2", "f.yml:2:1: the key 'a' is given twice, first at line 1"),
        ("{a: 1, a: 2}", "f.yml:1:8: the key 'a' is given twice, first at column 2"),
        ("1: a", "f.yml:1:1: a key must be text, '1' is not (put it in quotes)"),
        ("? [a]\n: b", "f.yml:1:3: a key must be text"),
        ("a: !env HOME", "f.yml:1:4: tags such as !env are not accepted"),
        ("a: !!set {b}", "f.yml:1:4: tags such as !!set are not accepted"),
        (
            "a: !!python/object/apply:os.system [ls]",
            "f.yml:1:4: tags such as !!python/object/apply:os.system",
        ),
        ("a: !!binary aGk=", "f.yml:1:4: tags such as !!binary are not accepted"),
        ("a: &x [*x]", "f.yml:1:4: an alias inside the value that it stands for"),
        ("a: *x", "f.yml:1:4: the alias has no anchor before it"),
        ("a: 'b", "f.yml:1:4: not valid YAML: this quote is never closed"),
        ("a: [b", "f.yml:1:4: not valid YAML: this '[' is never closed"),
        ("a: `b`", "f.yml:1:4: not valid YAML: a plain text can't start with '`' (put it in quotes)"),
        ("a: @b", "f.yml:1:4: not valid YAML: a plain text can't start with '@'"),
        ("a:\n\tb: 1", "a tab can't be used to indent"),
        ("a: b: c", "f.yml:1:5: not valid YAML: ':' starts a value here"),
        ("a: 1\n--- \nb: 2", "f.yml:2:1: a second YAML document starts here"),
        (b"a: b\nc: \xff", "f.yml:2:4: not UTF-8 text (save the file as UTF-8)"),
        (b"a: b\nc: d\x00", "f.yml:2:5: the control character U+0000 can't be in YAML"),
        ("<<: 5\na: 1", "f.yml:1:5: '<<' takes a mapping"),
        ("a: 1e999", "f.yml:1:4: the number 1e999 is too large"),
        ("a: .nan", "f.yml:1:4: .nan is not a number to compare with"),
        ("a: 2023-02-29", "f.yml:1:4: 2023-02-29 is not a date of the calendar"),
        ("a: 2024-1-5", "f.yml:1:4: 2024-1-5 is not a date of the calendar"),
    ],
)
def test_what_is_refused(content: str | bytes, message: str) -> None:
    assert any(message in problem for problem in _problems(content)), _problems(content)


@pytest.mark.parametrize("content", ["", "# a comment\n", "\ufeff", "---\n"])
def test_empty_files_are_fine(content: str) -> None:
    file = read_yaml(content.encode(), "f.yml")

    assert file.valid
    assert not file.problems
    assert file.root is None or plain(file.root) is None


def test_places_count_from_one_and_in_characters() -> None:
    file = read_yaml("\ufeffa: 1\n'日本🛒': [x, 'y']\r\nb:\n  - {c: d}\n".encode(), "f.yml")

    assert isinstance(file.root, YamlMapping)
    names = {entry.name: entry for entry in file.root.entries}
    assert names["日本🛒"].value.where == Location("f.yml", 2, 8)
    listed = names["日本🛒"].value
    assert isinstance(listed, YamlList)
    assert [item.where.column for item in listed.items] == [9, 12]
    inner = names["b"].value
    assert isinstance(inner, YamlList)
    assert isinstance(inner.items[0], YamlMapping)
    assert inner.items[0].where == Location("f.yml", 4, 5)
    assert inner.items[0].entries[0].key.where == Location("f.yml", 4, 6)
    scalar = inner.items[0].entries[0].value
    assert isinstance(scalar, YamlScalar)
    assert file.text[scalar.start : scalar.end] == "d"


def test_aliases_and_merged_mappings() -> None:
    text = (
        "base: &base {a: 1, b: 2}\n"
        "more: &more {b: 3, c: 4}\n"
        "one: {<<: *base, b: 5}\n"
        "two: {<<: [*base, *more]}\n"
        "same: *base\n"
    )

    read = _read(text)

    assert isinstance(read, dict)
    assert read["one"] == {"a": 1, "b": 5}
    assert read["two"] == {"a": 1, "b": 2, "c": 4}
    assert read["same"] == {"a": 1, "b": 2}


def test_a_billion_laughs_are_refused() -> None:
    lines = ["l0: &l0 [ha, ha, ha, ha, ha, ha, ha, ha, ha, ha]"]
    lines += [f"l{level}: &l{level} [{', '.join([f'*l{level - 1}'] * 10)}]" for level in range(1, 10)]

    file = read_yaml("\n".join(lines).encode(), "f.yml")

    assert not file.valid
    assert file.root is None
    assert "its aliases expand to more than 100,000 values" in file.problems[0].what


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        "a: " + "[" * 500 + "]" * 500,
        "a: " + "{b: " * 500 + "}" * 500,
        "- " * 5_000 + "a",
        "\n".join(" " * level + f"k{level}:" for level in range(3_000)),
    ],
    ids=["open brackets", "lists", "mappings", "dashes", "indented"],
)
def test_deep_nesting_is_refused_without_ending_the_process(text: str) -> None:
    file = read_yaml(text.encode(), "f.yml")

    assert not file.valid
    assert file.problems[0].what == "nested more than 100 deep"


def test_a_long_line_is_no_deep_nesting() -> None:
    assert _read("a: " + "x" * 10_000) == {"a": "x" * 10_000}
    assert _read("a: [" + ", ".join(["[x]"] * 3_000) + "]") == {"a": [["x"]] * 3_000}


def test_everything_works_without_the_c_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(positions, "_LOADER", yaml.SafeLoader)

    assert _read("a: &x [1, 'b']\nb: *x\n") == {"a": [1, "b"], "b": [1, "b"]}
    assert _problems("a: b: c") == [
        "f.yml:1:5: not valid YAML: ':' starts a value here (a text with ': ' in it needs quotes)"
    ]
    assert _problems("a:\n\tb: 1")[0].startswith("f.yml:2:1: not valid YAML: a tab can't be used to indent")


def test_python_values_have_paths_for_places() -> None:
    node = node_of({"where": [{"property": "p"}], "n": 5, "d": date(2024, 1, 31)}, "computations[0]")

    assert isinstance(node, YamlMapping)
    where = node.get("where")
    assert isinstance(where, YamlList)
    inner = where.items[0]
    assert isinstance(inner, YamlMapping)
    value = inner.get("property")
    assert value is not None
    assert str(value.where) == "computations[0].where[0].property"


@pytest.mark.parametrize("value", [{"a": object()}, {1: "a"}, {"a": {1, 2}}, {"a": b"bytes"}])
def test_python_values_that_yaml_does_not_have_are_refused(value: object) -> None:
    with pytest.raises(TypeError):
        node_of(value, "computations[0]")


def test_python_values_that_contain_themselves_are_refused() -> None:
    endless: dict[str, object] = {}
    endless["a"] = endless

    with pytest.raises(TypeError, match="nested more than 100 deep"):
        node_of(endless, "computations[0]")
