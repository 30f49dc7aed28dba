"""Editors check the sample's YAML against a schema file in the project; it is the package's own."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from audiences.definitions.schema import json_schema

ROOT = Path(__file__).parents[2]
YAML = sorted((ROOT / "definitions").rglob("*.yml"))


def test_the_schema_file_is_current() -> None:
    """`audiences schema > .definitions.schema.json` makes it anew."""
    assert json.loads((ROOT / ".definitions.schema.json").read_text(encoding="utf-8")) == json_schema()


@pytest.mark.parametrize("path", YAML, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_names_the_schema(path: Path) -> None:
    first_line = path.read_text(encoding="utf-8").splitlines()[0]
    named = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first_line)
    assert named is not None
    assert (path.parent / named.group(1)).resolve() == ROOT / ".definitions.schema.json"
