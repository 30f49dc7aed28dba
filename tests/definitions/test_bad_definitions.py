"""Every way to get a definition wrong: the place, the sentence, and nothing else (bad_definitions.txt)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from audiences.definitions.loader import load_project

SPACE = "destinations: {crm: {type: jsonl, path: out}}\n"


def _cases() -> list[tuple[str, str, list[str]]]:
    text = Path(__file__).with_name("bad_definitions.txt").read_text(encoding="utf-8")
    cases = []
    for block in re.split(r"^=== ", text, flags=re.MULTILINE)[1:]:
        name, _, rest = block.partition("\n")
        lines = rest.rstrip().split("\n")
        expected = [line.removeprefix("--- ") for line in lines if line.startswith("--- ")]
        written = [line for line in lines if not line.startswith("--- ")]
        # A document separator would look like an expectation: it is written with one dash more.
        cases.append((name, "\n".join(written).replace("\n---- ", "\n--- ") + "\n", expected))
    return cases


CASES = _cases()


@pytest.mark.parametrize(("text", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_mistake_is_told_with_its_place(tmp_path: Path, text: str, expected: list[str]) -> None:
    folder = tmp_path / "definitions"
    folder.mkdir()
    (folder / "space.yml").write_text(SPACE, encoding="utf-8")
    (folder / "bad.yml").write_text(text, encoding="utf-8")

    definitions = load_project(tmp_path)

    found = [f"{problem}".split("\n")[0] for problem in definitions.problems]
    assert len(found) == len(expected), "\n".join(found)
    for message, fragment in zip(found, expected, strict=True):
        place, _, sentence = fragment.partition(" ")
        assert message.startswith(f"definitions/bad.yml:{place}: "), f"{message}\nexpected at {place}"
        assert sentence in message


@pytest.mark.parametrize(("text", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_mistake_is_shown(tmp_path: Path, text: str, expected: list[str]) -> None:
    folder = tmp_path / "definitions"
    folder.mkdir()
    (folder / "space.yml").write_text(SPACE, encoding="utf-8")
    (folder / "bad.yml").write_text(text, encoding="utf-8")

    for problem in load_project(tmp_path).problems:
        assert "^" in problem.excerpt
        assert "pydantic" not in str(problem)
        assert "not yet" not in problem.what or problem.not_yet
