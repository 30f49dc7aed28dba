"""Whatever is written, the loader answers with computations or with problems that have a place."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from audiences.definitions import models
from audiences.definitions import structured_names as names
from audiences.definitions.loader import load_file, load_mappings, load_project
from audiences.errors import DefinitionError

HERE = Path(__file__).parent
TEXTS = re.split(
    r"^=== .*\n", (HERE / "bad_definitions.txt").read_text(encoding="utf-8"), flags=re.MULTILINE
) + re.split(r"^=== .*\n", (HERE / "structured_pairs.txt").read_text(encoding="utf-8"), flags=re.MULTILINE)

KEYS = st.sampled_from(
    sorted({*models.TraitModel.model_fields, *names.TRAIT_KEYS, *names.AUDIENCE_KEYS, "property", "parent", "wait"})
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 10**20),
    st.floats(),
    st.dates(),
    st.datetimes(),
    st.text(max_size=5),
    st.sampled_from(
        ["7 days", "1 week", "A", "a", "total", "event('A').count()", "trait('a') > 1", "0 * * * *", "email"]
    ),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(KEYS, inner, max_size=4),
        st.dictionaries(st.sampled_from(["event", "property", "where", "within", "then_not", "count"]), inner),
    ),
    max_leaves=12,
)
ENTRIES = st.builds(
    lambda kind, key, entry: {**entry, "kind": kind, "key": key},
    st.sampled_from(["trait", "audience", "other"]),
    st.sampled_from(["a", "b", "Total Revenue"]),
    st.dictionaries(KEYS, VALUES, max_size=5),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(ENTRIES, max_size=3))
def test_any_mappings(entries: list[dict[str, object]]) -> None:
    definitions = load_mappings(entries)

    told = {problem.where.file.split(".")[0] for problem in definitions.problems}
    for number, entry in enumerate(entries):
        name = f"computations[{number}]"
        loaded = definitions.computations.get(str(entry["key"]))
        assert name in told or (loaded is not None and loaded.location.file == name)


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """A text of the other tests, with some characters taken out or put in."""
    text = draw(st.sampled_from(TEXTS))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        cut = draw(st.integers(0, 6))
        added = draw(
            st.sampled_from(["", " ", "\n", "- ", ": ", "'", '"', "[", "}", "&a ", "*a", "!!x ", "\t", "7", "é"])
        )
        text = text[:at] + added + text[at + cut :]
    return text


@settings(max_examples=300, deadline=None)
@given(damaged())
def test_any_file(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.yml"
        path.write_text(text, encoding="utf-8")

        definitions = load_file(path)

    lines = text.count("\n") + 1
    for problem in definitions.problems:
        assert problem.where.file == str(path)
        assert 1 <= problem.where.line <= lines + 1
        assert problem.where.column >= 1
        assert problem.what


@settings(max_examples=100, deadline=None)
@given(st.one_of(damaged(), st.dictionaries(st.sampled_from(sorted(models.SpaceModel.model_fields)), VALUES).map(str)))
def test_any_settings(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        definitions = Path(folder) / "definitions"
        definitions.mkdir()
        (definitions / "space.yml").write_text(text, encoding="utf-8")
        try:
            loaded = load_project(Path(folder))
        except DefinitionError as error:
            assert error.problems
        else:
            assert loaded.space.root == Path(folder)
