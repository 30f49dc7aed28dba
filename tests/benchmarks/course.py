"""What is measured, one step after the other, each in a process of its own, on the same data in the same run.

The history ends at midnight. The first run is as of then, the full run from the store as of an hour later, and the
hourly run as of two hours later, with the events of that hour in a new file.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import yaml

from benchmarks.measuring import Measured, measured

WORKLOAD: Final = Path(__file__).parent / "workload"
FIRST, FULL, HOURLY = "2025-01-01T00:00:00Z", "2025-01-01T01:00:00Z", "2025-01-01T02:00:00Z"
SCAN_STEP: Final = "bare scan of the needed columns"
FIRST_STEP: Final = "first run, from raw files"
FULL_STEP: Final = "full run, from the store"
INGEST_STEP: Final = "ingest of the hour's events"
HOURLY_STEP: Final = "hourly run"
CSV_STEP: Final = "CSV, columns format"
DATABASES: Final = {"duckdb": "DuckDB, one query per definition", "chdb": "ClickHouse (chdb), one query per definition"}
MODULES: Final = {"duckdb": "benchmarks.duckdb_queries", "chdb": "benchmarks.clickhouse_queries"}
HOUR_FILE: Final = "events/2025-01-01T010000Z.parquet"
PROFILES_PER_CSV_ROW: Final = 100 / 99  # one user in a hundred has no row in the table of profiles

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """What is asked for. ``variant`` is ``typed`` or ``json``; ``skip`` names databases."""

    work: Path
    events: int = 20_000_000
    variant: str = "typed"
    bursty: bool = False
    skip: frozenset[str] = frozenset()
    definitions: int = 52
    hour_events: int = 15_000
    csv_rows: int = 1_000_000

    @property
    def made(self) -> dict[str, Any]:
        """What the data depends on."""
        return {"events": self.events, "variant": self.variant, "bursty": self.bursty}

    @property
    def asked(self) -> dict[str, Any]:
        """What else the figures depend on."""
        return {"definitions": self.definitions, "hour_events": self.hour_events}


@dataclass
class Findings:
    """``steps`` by name; ``extra`` and ``cpu`` are (CPU) seconds of parts of steps; by comparison, the number of values
    ``compared``, the ``differences`` of each definition that has some, and the definitions that are ``empty``.
    """

    steps: dict[str, Measured] = field(default_factory=dict)
    extra: dict[str, float] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)
    slowest: dict[str, dict[str, float]] = field(default_factory=dict)
    compared: dict[str, int] = field(default_factory=dict)
    differences: dict[str, dict[str, Any]] = field(default_factory=dict)
    empty: dict[str, list[str]] = field(default_factory=dict)
    full_is_full: bool = False


class Course:
    """Runs the steps; ``report`` is told what is done now."""

    def __init__(self, options: Options, report: Report) -> None:
        self.options = options
        self.report = report
        self.findings = Findings()
        self.project = options.work / "project"

    @cached_property
    def keys(self) -> list[str]:
        """The definitions of this run: the first so many of the workload, which use none after them."""
        return [entry["key"] for _, entries in _definitions() for entry in entries][: self.options.definitions]

    def run(self) -> Findings:
        """All steps."""
        self._make()
        self._scan()
        databases = [name for name in DATABASES if name not in self.options.skip]
        for name in databases:
            self._ask(name, FULL, DATABASES[name])
        self._audiences(FIRST_STEP, FIRST)
        self._check(databases[:1], FIRST, "first run")
        self._audiences(FULL_STEP, FULL, *self._full)
        for name in databases:
            self._compare(name, FULL, f"full run and {name}")
        self._hour(databases)
        if self.options.csv_rows:
            self._csv()
        return self.findings

    # ── steps ──────────────────────────────────────────────────────────────────────────────────────────────

    def _make(self) -> None:
        """Makes the data, unless the same is there from a run before."""
        made = self.project / "made.json"
        if not made.exists() or json.loads(made.read_text()) != self.options.made:
            shutil.rmtree(self.project, ignore_errors=True)
            self._python("making the events", "benchmarks.history", self.project, *self._history)
            made.write_text(json.dumps(self.options.made))
        (self.project / HOUR_FILE).unlink(missing_ok=True)
        shutil.rmtree(self.project / "state", ignore_errors=True)
        shutil.rmtree(self.project / "definitions", ignore_errors=True)
        write_definitions(self.project / "definitions", self.keys)

    def _scan(self) -> None:
        found = self._python(SCAN_STEP, "benchmarks.scan", self.project, *self._json)
        self.findings.steps[SCAN_STEP] = found
        self.findings.extra["scan"], self.findings.cpu["scan"] = map(float, found.output.split())

    def _ask(self, name: str, as_of: str, step: str) -> Measured:
        output = self._output(name, as_of)
        shutil.rmtree(output, ignore_errors=True)
        arguments = ["--as-of", as_of, "--keys", ",".join(self.keys), *self._json]
        found = self._python(step, MODULES[name], self.project, output, *arguments)
        if as_of == FULL:
            seconds = json.loads((output / "seconds.json").read_text())
            self.findings.steps[step] = found
            self.findings.extra[name] = sum(seconds["definitions"].values())
            self.findings.cpu[name] = seconds["cpu"]
            self.findings.extra[f"{name}: finding the copies"] = seconds["preparation"]
            self.findings.slowest[name] = seconds["definitions"]
        return found

    def _audiences(self, step: str, as_of: str, *arguments: str) -> None:
        command = ["run", "--project", str(self.project), "--as-of", as_of, "--no-deliver", *arguments]
        self.findings.steps[step] = self._python(step, "audiences", *command)

    def _hour(self, databases: list[str]) -> None:
        """A new hour arrives: the hourly run, and the same answers from a database that starts anew."""
        hour = ["--hour", str(self.options.hour_events)]
        self._python("making the events of an hour", "benchmarks.history", self.project, *self._history, *hour)
        if self._offers("ingest"):
            found = self._python(INGEST_STEP, "audiences", "ingest", "--project", self.project)
            self.findings.steps[INGEST_STEP] = found
        self._audiences(HOURLY_STEP, HOURLY)
        self._check(databases[:1], HOURLY, "hourly run")

    def _check(self, databases: list[str], as_of: str, run: str) -> None:
        """Asks again, at another time than that which is timed, and compares."""
        for name in databases:
            self._ask(name, as_of, f"{name} again, to check the {run}")
            self._compare(name, as_of, f"{run} and {name}")

    def _compare(self, name: str, as_of: str, step: str) -> None:
        places = (self.project, self._output(name, as_of))
        command = ("-m", "benchmarks.compare", *places, "--as-of", as_of, "--keys", ",".join(self.keys))
        self.report(f"comparing: {step}")
        found = measured(command, self._log(f"comparing {step}"), may_fail=True)
        if not found.output.startswith("{"):
            raise SystemExit(f"comparing failed, see {self._log(f'comparing {step}').with_suffix('.errors.txt')}")
        said = json.loads(found.output)
        self.findings.compared[step] = said["compared"]
        self.findings.differences[step] = said["different"]
        self.findings.empty[step] = said["empty"]

    def _csv(self) -> None:
        """The download of a trait that very many profiles have."""
        folder = self.options.work / "csv"
        shutil.rmtree(folder, ignore_errors=True)
        rows = self.options.csv_rows
        users = str(int(rows * PROFILES_PER_CSV_ROW) + 1)
        self._python("making profiles", "benchmarks.history", folder, "--events", str(rows // 10), "--profiles", users)
        write_definitions(folder / "definitions", ["orders_90_days"])
        self._python("a run for the download", "audiences", "run", "--project", folder, "--as-of", FIRST)
        file = folder / "orders.csv"
        export = ("orders_90_days", "--format", "columns", "--project", folder, "--output", file)
        self.findings.steps[CSV_STEP] = self._python(CSV_STEP, "audiences", "export", *export)
        with file.open("rb") as lines:
            self.findings.extra["csv rows"] = sum(1 for _ in lines) - 1
        shutil.rmtree(folder)

    # ── how ────────────────────────────────────────────────────────────────────────────────────────────────

    def _python(self, step: str, module: str, *arguments: str | Path) -> Measured:
        self.report(step)
        return measured(["-m", module, *arguments], self._log(step))

    def _log(self, step: str) -> Path:
        return self.options.work / "logs" / f"{step}.txt".replace(" ", "-").replace(",", "")

    def _output(self, name: str, as_of: str) -> Path:
        return self.options.work / "answers" / f"{name}-{as_of[11:13]}"

    def _offers(self, word: str, *command: str) -> bool:
        """Whether the command line of the program knows a command or an option."""
        found = measured(["-m", "audiences", *command, "--help"], self._log("help"))
        return word in found.output.split()

    @property
    def _full(self) -> Iterator[str]:
        self.findings.full_is_full = self._offers("--full", "run")
        if self.findings.full_is_full:
            yield "--full"

    @property
    def _json(self) -> list[str]:
        return ["--json"] if self.options.variant == "json" else []

    @property
    def _history(self) -> list[str]:
        return ["--events", str(self.options.events), *self._json, *(["--bursty"] if self.options.bursty else [])]


def _definitions() -> list[tuple[str, list[dict[str, Any]]]]:
    """The kind (``traits``, ``audiences``) and the definitions of each, in the order of the workload."""
    found = []
    for kind in ("traits", "audiences"):
        text = (WORKLOAD / f"{kind}.yml").read_text(encoding="utf-8")
        found.append((kind, yaml.safe_load(text)[kind]))
    return found


def write_definitions(folder: Path, keys: list[str]) -> None:
    """A ``definitions/`` folder with ``space.yml`` and these definitions of the workload."""
    folder.mkdir(parents=True)
    shutil.copy(WORKLOAD / "space.yml", folder)
    for kind, entries in _definitions():
        chosen = [entry for entry in entries if entry["key"] in keys]
        if chosen:
            text = yaml.safe_dump({kind: chosen}, sort_keys=False, allow_unicode=True)
            (folder / f"{kind}.yml").write_text(text, encoding="utf-8")
