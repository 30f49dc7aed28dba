"""The figures that the product is judged by, from what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.course import CSV_STEP, FIRST_STEP, FULL_STEP, HOURLY_STEP, INGEST_STEP, Findings

GIGABYTE = 1024**3


@dataclass(frozen=True, slots=True)
class Figure:
    """``measured`` should be at most ``must``, better at most ``aim``; None: not measured, and ``note`` says why.

    ``by_cpu`` is the same ratio of CPU seconds, which tells more where other programs keep the machine busy.
    """

    name: str
    must: float
    aim: float
    measured: float | None
    unit: str = ""
    note: str = ""
    by_cpu: float | None = None

    @property
    def verdict(self) -> str:
        """In a word."""
        if self.measured is None:
            return "not measured"
        return "reached" if self.measured <= self.aim else "enough" if self.measured <= self.must else "missed"


@dataclass(frozen=True, slots=True)
class _Cost:
    seconds: float | None
    cpu_seconds: float | None


def figures(found: Findings, events: int, earlier: Mapping[str, Any] | None = None) -> list[Figure]:
    """All figures; ``earlier`` is the JSON of a run with fewer events, for the growth of the cost.

    Our runs count with the start of the program, the scan and the queries of DuckDB without it, and the queries without
    the time to find the copies of events.
    """
    full, first, hourly, ingest = (_step(found, step) for step in (FULL_STEP, FIRST_STEP, HOURLY_STEP, INGEST_STEP))
    scan, duckdb = (_Cost(found.extra.get(name), found.cpu.get(name)) for name in ("scan", "duckdb"))
    no_store = "" if found.full_is_full else "the program has no run --full yet: an ordinary second run"
    no_ingest = "" if INGEST_STEP in found.steps else "part of the hourly run: there is no command for it alone"
    growth, growth_note = _growth(found, events, earlier)
    return [
        _quotient("full run from the store ÷ bare scan", (4, 2), full, scan, no_store),
        _quotient("full run from the store ÷ DuckDB per definition", (0.2, 0.1), full, duckdb, no_store),
        _quotient("first run from raw ÷ DuckDB per definition", (1.2, 0.7), first, duckdb),
        _quotient("hourly run ÷ full run from the store", (0.15, 0.05), hourly, full),
        _quotient("ingest of an hour's events ÷ full run from the store", (0.3, 0.05), ingest, full, no_ingest),
        Figure("growth of the CPU seconds ÷ growth of the events", 1.1, 1.0, growth, note=growth_note),
        Figure("peak memory of runs from the store", 1, 0.5, _peak(found, FULL_STEP, HOURLY_STEP), "GB"),
        Figure("peak memory of the first run, with the ingest", 1, 0.5, _peak(found, FIRST_STEP, INGEST_STEP), "GB"),
        Figure(_csv_name(found), 3, 1, _step(found, CSV_STEP).seconds, "s"),
    ]


def _step(found: Findings, name: str) -> _Cost:
    step = found.steps.get(name)
    return _Cost(None, None) if step is None else _Cost(step.seconds, step.cpu_seconds)


def _quotient(name: str, limits: tuple[float, float], above: _Cost, below: _Cost, note: str = "") -> Figure:
    by_cpu = _ratio(above.cpu_seconds, below.cpu_seconds)
    return Figure(name, *limits, _ratio(above.seconds, below.seconds), note=note, by_cpu=by_cpu)


def _ratio(above: float | None, below: float | None) -> float | None:
    return above / below if above is not None and below else None


def _peak(found: Findings, *steps: str) -> float | None:
    peaks = [found.steps[step].peak_bytes / GIGABYTE for step in steps if step in found.steps]
    return max(peaks) if peaks else None


def _growth(found: Findings, events: int, earlier: Mapping[str, Any] | None) -> tuple[float | None, str]:
    if earlier is None:
        return None, "needs --growth-from, the JSON file of a run with a fifth of the events"
    before = earlier["steps"].get(FULL_STEP)
    if before is None or FULL_STEP not in found.steps:
        return None, "one of the two has no full run"
    times = events / earlier["options"]["events"]
    return found.steps[FULL_STEP].cpu_seconds / before["cpu_seconds"] / times, f"{times:g} times the events"


def _csv_name(found: Findings) -> str:
    rows = found.extra.get("csv rows")
    return "CSV, columns format" + ("" if rows is None else f", {rows:,.0f} rows")
