"""Every value of every sample definition, against DuckDB queries written by hand from what it means.

``expected/base.sql`` prepares the two samples by the rules for inputs, ``shop.sql`` and ``business.sql`` make
a table per computation, named by its key. Nothing in them comes from this package.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import pytest

from audiences import Project
from audiences.definitions.computation import Kind, Level
from audiences.run import Run

ROOT = Path(__file__).parents[2]
EXPECTED = Path(__file__).parent / "expected"
KEYS = [
    key
    for name in ("shop", "business")
    for key in re.findall(r"^create table (\w+)", (EXPECTED / f"{name}.sql").read_text(), flags=re.MULTILINE)
]

EVERYONE = {Level.USER: "profile", Level.ACCOUNT: "account"}


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:") as connection:
        for name in ("base", "shop", "business"):
            connection.execute((EXPECTED / f"{name}.sql").read_text().replace("{data}", str(ROOT / "data")))
        yield connection


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The sample project with a state folder of its own."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "definitions", folder / "definitions")
    (folder / "data").symlink_to(ROOT / "data", target_is_directory=True)
    return Project.load(folder)


@pytest.fixture(scope="module")
def run(project: Project) -> Run:
    return project.run(deliver=False)


def expected_values(database: duckdb.DuckDBPyConnection, key: str) -> dict[str, Any]:
    """id → value. A table of ids is an audience, a sum and a number of values an average.

    Numbers are exact decimals until here, and are rounded once.
    """
    rows = database.sql(f"select * from {key}").fetchall()
    values = {
        row[0]: True if len(row) == 1 else row[1] if len(row) == 2 else float(Fraction(row[1]) / row[2]) for row in rows
    }
    assert len(values) == len(rows), f"{key}.sql gives an id twice"
    return {key: float(value) if isinstance(value, Decimal) else value for key, value in values.items()}


def test_every_definition_has_its_query(project: Project) -> None:
    assert not project.definitions.problems
    assert sorted(project.definitions.computations) == sorted(KEYS)


@pytest.mark.parametrize("key", KEYS)
def test_values(database: duckdb.DuckDBPyConnection, run: Run, key: str) -> None:
    expected = expected_values(database, key)
    actual = dict(run.snapshot(key).select("id", "value").iter_rows())
    assert actual.keys() == expected.keys()
    different = {id: (actual[id], value) for id, value in expected.items() if actual[id] != value}
    assert not different


@pytest.mark.parametrize("key", KEYS)
def test_sizes_are_sensible(database: duckdb.DuckDBPyConnection, project: Project, key: str) -> None:
    computation = project.definitions.computations[key]
    size = len(expected_values(database, key))
    everyone = len(database.sql(f"select id from {EVERYONE[computation.level]}").fetchall())
    assert size > 0
    if computation.kind is Kind.AUDIENCE:
        assert size < everyone / 2
    assert 20 < len(computation.description) < 120
    assert computation.name


def test_rejects_are_counted_by_reason(database: duckdb.DuckDBPyConnection, run: Run) -> None:
    query = "select reason, count(*) from judged where reason is not null group by reason"
    assert dict(run.rejects) == dict(database.sql(query).fetchall())


def test_copies_are_counted(database: duckdb.DuckDBPyConnection, run: Run) -> None:
    query = "select (select count(*) from judged where reason is null) - (select count(*) from accepted)"
    assert database.sql(query).fetchall() == [(run.statistics["duplicates"],)]
