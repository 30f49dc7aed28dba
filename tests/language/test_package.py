"""What importing the language costs, and what the package must carry along."""

from __future__ import annotations

import subprocess
import sys
from importlib.resources import files

MODULES = ["tree", "parse", "print", "check", "fingerprint", "requirements", "suggest", "construct", "walk"]

PROGRAM = f"""
import sys
for name in {MODULES!r}:
    __import__("audiences.language." + name)
loaded = {{name.split(".")[0] for name in sys.modules}}
print(sorted(loaded & {{"lark", "polars", "pyarrow", "sqlglot", "duckdb", "dagster", "pydantic", "yaml"}}))
from audiences.language.parse import parse
parse("trait('a') = 1")
print("lark" in sys.modules)
"""


def test_importing_loads_neither_the_parser_generator_nor_data_libraries() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)

    assert done.stdout.split("\n")[:2] == ["[]", "True"]


def test_the_grammar_is_part_of_the_package() -> None:
    grammar = files("audiences.language").joinpath("grammar.lark").read_text(encoding="utf-8")

    assert "start: disjunction" in grammar
