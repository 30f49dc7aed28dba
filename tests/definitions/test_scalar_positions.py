"""Places of characters inside scalars: exact for every style."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from audiences.definitions.positions import read_yaml
from audiences.definitions.scalar_positions import ScalarPlaces, location_of, offset_of
from audiences.definitions.yaml_nodes import YamlMapping, YamlScalar, node_of


def _scalar(text: str) -> YamlScalar:
    file = read_yaml(text.encode(), "f.yml")
    assert not file.problems
    assert isinstance(file.root, YamlMapping)
    scalar = file.root.get("d")
    assert isinstance(scalar, YamlScalar)
    return scalar


@pytest.mark.parametrize(
    "text",
    [
        "d: one <two> three\n",
        "d:   one <two> three   # comment\n",
        "d: one\n  <two>\n  three\n",
        "d: one\n\n\n     <two>\n",
        "d: 'it''s ''one'' <two>'\n",
        "d: 'one\n\n   it''s   <two>'\n",
        'd: "a \\"b\\" \\t \\u00e9 \\x41 \\U0001F6D2 <two>"\n',
        'd: "one \\\n   more \\n <two>"\n',
        "d: |\n  one\n  <two>\n",
        "d: |2-  # comment\n    one\n\n  <two>\n",
        "d: >-\n  one\n  one\n\n    deeper\n    deeper\n\n  <two>\n",
        "d: >\n\n\n  one\n  <two>\n\n",
        "{d: one <two>, e: x}\n",
        "# é日本🛒\nd: é日本🛒 <two>\n",
        "d: |\r\n  one\r\n  <two>\r\n",
        "e: 1\n\n# comment\nd: <two>\n",
    ],
)
def test_the_marked_word_is_found(text: str) -> None:
    scalar = _scalar(text)
    places = ScalarPlaces(scalar, text)

    location = places.location(scalar.text.index("<two>"))

    expected = text.index("<two>")
    assert places.offset(scalar.text.index("<two>")) == expected
    before = text[:expected].replace("\r\n", "\n")
    assert (location.line, location.column) == (
        before.count("\n") + 1,
        expected - text.rfind("\n", 0, expected),
    )
    assert offset_of(text, location) == expected
    assert location_of(text, expected, "f.yml") == location


WORDS = st.lists(st.sampled_from(["a", "it's", 'say "x"', "b: c", "# d", "é", "🛒", "\\", "{}"]), min_size=1)


@given(WORDS, st.sampled_from(["'", '"', "|", ">", None]), st.integers(10, 80), st.data())
def test_every_visible_character_is_found(words: list[str], style: str, width: int, data: st.DataObject) -> None:
    """PyYAML writes a text in any style; each visible character must be found where it was written."""
    value = data.draw(st.sampled_from([" ", "\n", "\n\n"])).join(words)
    text = yaml.safe_dump({"d": value}, default_style=style, width=width, allow_unicode=True)
    if style is not None:
        text = text.replace(f"{style}d{style}", "d", 1) if style in "'\"" else text
    file = read_yaml(text.encode(), "f.yml")
    if not isinstance(file.root, YamlMapping) or file.problems:
        return
    scalar = file.root.entries[0].value
    assert isinstance(scalar, YamlScalar)
    assert scalar.text == value
    places = ScalarPlaces(scalar, text)

    for offset, character in enumerate(value):
        if character.isspace():
            continue
        written = text[places.offset(offset)]
        # In double quotes a character may be escaped: then its escape is what is pointed at.
        assert written == character or (scalar.style == '"' and written == "\\")


def test_behind_the_end_is_one_past_the_last_character() -> None:
    text = "d: one\ne: x\n"
    places = ScalarPlaces(_scalar(text), text)

    assert places.offset(3) == places.offset(99) == 6


def test_a_scalar_from_python_has_its_own_place() -> None:
    scalar = node_of("event('A')", "computations[0].definition")
    assert isinstance(scalar, YamlScalar)

    assert str(ScalarPlaces(scalar, "").location(5)) == "computations[0].definition"
