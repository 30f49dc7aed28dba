"""The benchmark itself, at a small size: every value of its 52 definitions equals DuckDB's and ClickHouse's.

That is a test of the product as much as of the benchmark: the first run, a full run an hour later, and a run another
hour later with new, late and copied events. No time is asserted.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import polars as pl
import pytest
import yaml

from benchmarks.clickhouse_queries import STRUCTS as CLICKHOUSE
from benchmarks.compare import differences
from benchmarks.course import CSV_STEP, FIRST_STEP, FULL_STEP, HOURLY_STEP, SCAN_STEP, Findings, write_definitions
from benchmarks.duckdb_queries import STRUCTS as DUCKDB
from benchmarks.figures import GIGABYTE, figures
from benchmarks.history import History, write_history, write_hour
from benchmarks.measuring import CommandFailed, Measured, measured
from benchmarks.queries import WORKLOAD, queries

TESTS = Path(__file__).parents[1]
EVENTS = 20_000


def keys() -> list[str]:
    files = [yaml.safe_load((WORKLOAD / f"{kind}.yml").read_text())[kind] for kind in ("traits", "audiences")]
    return [entry["key"] for entries in files for entry in entries]


def benchmark(folder: Path, *options: str) -> dict[str, Any]:
    """Runs all of it as a person would; the numbers it wrote."""
    paths = os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
    sizes = ["--events", str(EVENTS), "--hour-events", "300", "--csv-rows", "2000", "--work", str(folder / "work")]
    files = ["--json", str(folder / "numbers.json"), "--chart", str(folder / "chart.svg")]
    found = subprocess.run(
        [sys.executable, "-m", "benchmarks", *sizes, *files, *options],
        env={**os.environ, "PYTHONPATH": paths, "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    numbers: dict[str, Any] = json.loads((folder / "numbers.json").read_text())
    return numbers


@pytest.mark.slow
@pytest.mark.parametrize("options", [["--variant", "typed"], ["--variant", "json", "--bursty"]], ids=["typed", "json"])
def test_every_value_is_that_of_duckdb_and_clickhouse(tmp_path: Path, options: list[str]) -> None:
    numbers = benchmark(tmp_path, *options)
    runs = ["first run and duckdb", "full run and duckdb", "full run and chdb", "hourly run and duckdb"]
    assert sorted(numbers["compared"]) == sorted(runs)
    assert numbers["differences"] == {name: {} for name in numbers["compared"]}
    assert numbers["empty"] == {name: [] for name in numbers["compared"]}
    assert all(number > 100 * 52 for number in numbers["compared"].values())
    assert numbers["seconds"]["csv rows"] >= 2_000
    assert {SCAN_STEP, FIRST_STEP, FULL_STEP, HOURLY_STEP, CSV_STEP} <= numbers["steps"].keys()
    assert all(step["seconds"] > 0 and step["peak_bytes"] > 10_000_000 for step in numbers["steps"].values())
    bars = ElementTree.fromstring((tmp_path / "chart.svg").read_text()).iter("{http://www.w3.org/2000/svg}rect")  # noqa: S314
    assert len(list(bars)) == len(numbers["steps"]) - 1  # all but the download


def test_the_workload_is_what_it_says() -> None:
    assert len(keys()) == len(set(keys())) == 52
    assert sorted(queries(DUCKDB)) == sorted(queries(CLICKHOUSE)) == sorted(keys())


def test_a_part_of_the_workload(tmp_path: Path) -> None:
    write_definitions(tmp_path / "definitions", keys()[:3])
    assert sorted(path.name for path in (tmp_path / "definitions").iterdir()) == ["space.yml", "traits.yml"]
    traits = yaml.safe_load((tmp_path / "definitions" / "traits.yml").read_text())["traits"]
    assert [entry["key"] for entry in traits] == keys()[:3]


def test_differences_are_found() -> None:
    ours = pl.DataFrame({"id": ["a", "b", "c", "d"], "value": [1.0, 2.0, 3.0, 0.1 + 0.2]})
    theirs = pl.DataFrame({"id": ["a", "b", "d", "e"], "value": [1.0, 2.5, 0.3, 4.0]})
    assert differences(ours, theirs).rows() == [
        ("b", 2.0, 2.5),
        ("c", 3.0, None),
        ("d", 0.30000000000000004, 0.3),
        ("e", None, 4.0),
    ]
    lists = pl.DataFrame({"id": ["a", "b"], "value": [["x", "y"], ["x"]]})
    others = pl.DataFrame({"id": ["a", "b"], "value": [["y", "x"], ["x"]]})
    assert differences(lists, others).rows() == [("a", ["x", "y"], ["y", "x"])]


@pytest.mark.parametrize("bursty", [False, True])
def test_history(tmp_path: Path, bursty: bool) -> None:
    history = History(tmp_path / "one", 20_000, bursty=bursty)
    write_history(history)
    write_history(History(tmp_path / "other", 20_000, bursty=bursty))
    paths = sorted((tmp_path / "one" / "events").iterdir())
    again = sorted((tmp_path / "other" / "events").iterdir())
    assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in again]
    rows = pl.concat([pl.read_parquet(path) for path in paths])
    assert rows["message_id"].n_unique() == 20_000
    assert 20_000 < rows.height < 20_060  # one in a thousand comes twice
    assert rows["received_at"].n_unique() == rows.height and rows["received_at"].is_sorted()
    assert (rows["timestamp"] > rows["received_at"]).any()
    shares = Counter(rows["user_id"]).most_common(1)[0][1] / rows.height
    assert (0.25 < shares < 0.4) if bursty else shares < 0.01
    write_hour(history, 200)
    added = pl.read_parquet(max((tmp_path / "one" / "events").iterdir()))
    copies = added.join(rows, on="message_id", how="inner")
    assert copies.height == 15
    assert (copies["received_at"] < copies["received_at_right"]).sum() == 5
    assert added["message_id"].n_unique() == added.height == 215


def test_figures_by_hand() -> None:
    found = Findings()
    for step, seconds, memory in ((FIRST_STEP, 30.0, 0.7), (FULL_STEP, 6.0, 0.4), (HOURLY_STEP, 1.2, 0.2)):
        found.steps[step] = Measured(seconds, seconds * 1.5, int(memory * GIGABYTE), "")
    found.extra, found.cpu = {"scan": 2.0, "duckdb": 40.0}, {"scan": 3.0, "duckdb": 60.0}
    earlier = {"options": {"events": 20}, "steps": {FULL_STEP: {"cpu_seconds": 1.5}}}
    by_name = {figure.name: figure for figure in figures(found, 100, earlier)}
    expected = {
        "full run from the store ÷ bare scan": (3.0, "enough"),
        "full run from the store ÷ DuckDB per definition": (0.15, "enough"),
        "first run from raw ÷ DuckDB per definition": (0.75, "enough"),
        "hourly run ÷ full run from the store": (0.2, "missed"),
        "ingest of an hour's events ÷ full run from the store": (None, "not measured"),
        "growth of the CPU seconds ÷ growth of the events": (1.2, "missed"),
        "peak memory of runs from the store": (0.4, "reached"),
        "peak memory of the first run, with the ingest": (0.7, "enough"),
        "CSV, columns format": (None, "not measured"),
    }
    assert {name: figure.verdict for name, figure in by_name.items()} == {
        name: verdict for name, (_, verdict) in expected.items()
    }
    for name, (value, _) in expected.items():
        assert by_name[name].by_cpu is None or by_name[name].by_cpu == pytest.approx(by_name[name].measured)
        assert by_name[name].measured == (value if value is None else pytest.approx(value, rel=1e-6))


def test_a_command_is_measured(tmp_path: Path) -> None:
    found = measured(["-c", "print(len(bytearray(200_000_000)))"], tmp_path / "log.txt")
    assert found.output == "200000000\n"
    assert found.peak_bytes > 200_000_000
    with pytest.raises(CommandFailed, match="no such thing"):
        measured(["-c", "raise SystemExit('no such thing')"], tmp_path / "log.txt")
