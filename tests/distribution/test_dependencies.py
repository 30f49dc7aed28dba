"""What the package declares is what it imports."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
IMPORT_NAMES = {"pyyaml": "yaml"}
# Comes with pydantic, in the one version that fits it.
PART_OF = {"pydantic_core": "pydantic"}
NOT_IMPORTED = {
    "dagster_webserver",  # started as a program by `dagster dev`
    "pyarrow",  # Polars imports it to hand frames to Delta Lake (DataFrame.to_arrow)
}


def imported_packages() -> set[str]:
    found: set[str] = set()
    for folder in ("audiences", "dagster_project"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    found.update(alias.name.split(".")[0] for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and node.module:
                    found.add(node.module.split(".")[0])
    found = {PART_OF.get(name, name) for name in found}
    return found - set(sys.stdlib_module_names) - {"audiences", "dagster_project"}


def test_declared_and_imported_packages_are_the_same() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    declared = {re.split(r"[^A-Za-z0-9._-]", entry)[0] for entry in project["project"]["dependencies"]}
    names = {IMPORT_NAMES.get(name, name.replace("-", "_")) for name in declared}
    assert names - NOT_IMPORTED == imported_packages() - NOT_IMPORTED
