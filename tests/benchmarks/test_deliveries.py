from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.deliveries import Measure, table

TESTS = Path(__file__).parents[1]


@pytest.mark.slow
def test_deliveries_are_those_of_everybody_planned_at_once(tmp_path: Path) -> None:
    sizes = ["--messages", "3000", "--changed", "200", "--work", str(tmp_path / "work")]
    found = subprocess.run(
        [sys.executable, "-m", "benchmarks.deliveries", *sizes, "--json", str(tmp_path / "numbers.json")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    assert {name: step["messages"] for name, step in numbers.items()} == {
        "first sync": 3_000,
        "first sync: everybody at once": 3_000,
        "an hour with nothing new": 0,
        "an hour with 200 changed profiles": 200,
        "an hour with 200 changed profiles: everybody at once": 200,
    }
    assert all(step["peak_bytes"] > 10_000_000 for step in numbers.values())


def test_the_table_has_a_line_for_each_step() -> None:
    found = {"messages": 2_000, "seconds": 1.5, "cpu_seconds": 2.25}
    made = table("deliveries", [Measure("first sync", found, 300 * 1024**2)])
    cells = [list(column.cells) for column in made.columns]
    assert cells == [["first sync"], ["2,000"], ["1.50"], ["2.25"], ["300"]]
