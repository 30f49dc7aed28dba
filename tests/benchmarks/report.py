"""What was measured, as tables and as JSON."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.course import DATABASES, Findings, Options
from benchmarks.figures import Figure

COLOURS = {"reached": "green", "enough": "yellow", "missed": "red", "not measured": "dim"}
MEGABYTE = 1024**2


def show(console: Console, options: Options, found: Findings, figures: Sequence[Figure]) -> None:
    """Prints the steps, the figures, and every difference."""
    console.print(_steps(options, found))
    console.print(_figures(figures))
    for name, compared in found.compared.items():
        different = found.differences[name]
        if different:
            console.print(f"[red]{name}: {len(different)} definitions differ[/red]")
            console.print_json(data=different)
        else:
            console.print(f"{name}: all {compared:,} values of {options.definitions} definitions are equal")


def kind_of(options: Options) -> str:
    """What kind of events they are, in words."""
    properties = "properties as JSON text" if options.variant == "json" else "typed properties"
    return properties + (", one user owns a quarter of them" if options.bursty else "")


def _steps(options: Options, found: Findings) -> Table:
    table = Table(
        title=f"{options.events:,} events, {kind_of(options)}, {options.definitions} definitions", title_justify="left"
    )
    for name in ("step", "seconds", "× scan", "CPU seconds", "peak MB"):
        table.add_column(name, justify="left" if name == "step" else "right")
    scan = found.extra["scan"]
    for name, step in found.steps.items():
        table.add_row(
            name, f"{step.seconds:.2f}", f"{step.seconds / scan:.1f}", f"{step.cpu_seconds:.2f}",
            f"{step.peak_bytes / MEGABYTE:,.0f}",
        )  # fmt: skip
    table.caption = _parts(found)
    table.caption_justify = "left"
    return table


def _parts(found: Findings) -> str:
    """Seconds above include the start of the programs; ratios are made with these, which don't."""
    parts = [f"scan alone, best of three: {found.extra['scan']:.2f} s"]
    for name in DATABASES:
        if name in found.extra:
            copies = found.extra[f"{name}: finding the copies"]
            parts.append(f"{name}: queries {found.extra[name]:.2f} s, finding the copies once {copies:.2f} s")
    return "\n".join(parts)


def _figures(figures: Sequence[Figure]) -> Table:
    table = Table()
    for name in ("figure", "must", "aim", "measured", "", "by CPU"):
        table.add_column(name, justify="right" if name in ("must", "aim", "measured", "by CPU") else "left")
    for figure in figures:
        measured = "–" if figure.measured is None else f"{figure.measured:.2f} {figure.unit}".strip()
        verdict = f"[{COLOURS[figure.verdict]}]{figure.verdict}[/]"
        limits = [f"≤ {limit:g} {figure.unit}".strip() for limit in (figure.must, figure.aim)]
        table.add_row(figure.name, *limits, measured, verdict, "" if figure.by_cpu is None else f"{figure.by_cpu:.2f}")
    table.caption = "\n".join(f"{figure.name}: {figure.note}" for figure in figures if figure.note)
    table.caption_justify = "left"
    return table


def as_json(options: Options, found: Findings, figures: Sequence[Figure]) -> dict[str, Any]:
    """Everything, for a file."""
    return {
        "options": {**options.made, **options.asked},
        "machine": {
            "processors": os.cpu_count(),
            "architecture": platform.machine(),
            "python": platform.python_version(),
            **{name: version(name) for name in ("audiences", "polars", "duckdb", "chdb")},
        },
        "steps": {
            name: {"seconds": step.seconds, "cpu_seconds": step.cpu_seconds, "peak_bytes": step.peak_bytes}
            for name, step in found.steps.items()
        },
        "seconds": found.extra,
        "cpu_seconds": found.cpu,
        "seconds per definition": found.slowest,
        "compared": found.compared,
        "differences": found.differences,
        "empty": found.empty,
        "figures": [
            {"name": each.name, "must": each.must, "aim": each.aim, "measured": each.measured, "unit": each.unit,
             "by_cpu": each.by_cpu, "verdict": each.verdict, "note": each.note}
            for each in figures
        ],
    }  # fmt: skip
