"""The benchmark's command line; see ``python -m benchmarks --help``."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from benchmarks.chart import Bar, svg
from benchmarks.course import CSV_STEP, DATABASES, SCAN_STEP, Course, Findings, Options
from benchmarks.figures import figures
from benchmarks.measuring import CommandFailed
from benchmarks.report import as_json, kind_of, show


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="52 definitions over made-up events: a bare scan, DuckDB, ClickHouse and us, each in a process of "
        "its own. All results are compared, value by value.",
        epilog="By default 20,000,000 events, typed properties, all definitions and databases, a temporary folder.",
    )
    parser.add_argument("--events", type=int, default=20_000_000, help="how many; there is a profile for every 50")
    parser.add_argument(
        "--variant", choices=["typed", "json"], default="typed", help="properties: a struct, or JSON text"
    )
    parser.add_argument("--bursty", action="store_true", help="visits, and one user who owns a quarter of the events")
    parser.add_argument("--definitions", type=int, default=52, help="only the first so many")
    parser.add_argument("--skip", default="", help=f"databases to leave out, of {','.join(DATABASES)}")
    parser.add_argument("--hour-events", type=int, default=15_000, help="new events for the hourly run")
    parser.add_argument("--csv-rows", type=int, default=1_000_000, help="rows of the download; 0: none")
    parser.add_argument("--work", type=Path, help="folder for data and logs, kept; default: a temporary one")
    parser.add_argument(
        "--growth-from", type=Path, metavar="JSON", help="file of an earlier, smaller run to compare with"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers to a file")
    parser.add_argument("--chart", type=Path, metavar="FILE", help="write the chart as SVG to a file")
    given = parser.parse_args()
    unknown = set(filter(None, given.skip.split(","))) - set(DATABASES)
    if unknown or not 1 <= given.definitions <= 52 or given.events < 1_000:
        parser.error(f"--skip takes {','.join(DATABASES)}; --definitions 1 to 52; --events at least 1000")
    return given


def bars(found: Findings) -> list[Bar]:
    """The bars of the chart: of the scan and the databases only the queries, as in the ratios."""
    alone = {SCAN_STEP: "scan", **{title: name for name, title in DATABASES.items()}}
    return [
        Bar(
            step,
            found.extra[alone[step]] if step in alone else each.seconds,
            each.peak_bytes,
            ours=step not in alone,
        )
        for step, each in found.steps.items()
        if step != CSV_STEP
    ]


def main() -> int:
    """Measures and reports; 1 if a result differs or a command failed."""
    given = arguments()
    work = given.work or Path(tempfile.mkdtemp(prefix="audiences-benchmark-"))
    options = Options(
        work=work.resolve(),
        events=given.events,
        variant=given.variant,
        bursty=given.bursty,
        skip=frozenset(filter(None, given.skip.split(","))),
        definitions=given.definitions,
        hour_events=given.hour_events,
        csv_rows=given.csv_rows,
    )
    earlier = json.loads(given.growth_from.read_text(encoding="utf-8")) if given.growth_from else None
    if earlier and {**earlier["options"], "events": options.events} != {**options.made, **options.asked}:
        raise SystemExit("--growth-from is of a run with other data or definitions: that would say nothing")
    console, progress = Console(), Console(stderr=True)
    try:
        found = Course(options, lambda step: progress.print(f"… {step}", style="dim")).run()
    except CommandFailed as error:
        progress.print(str(error), style="red", markup=False)
        return 1
    finally:
        if given.work is None:
            shutil.rmtree(work)
    judged = figures(found, options.events, earlier)
    show(console, options, found, judged)
    if given.json:
        given.json.write_text(json.dumps(as_json(options, found, judged), indent=1) + "\n", encoding="utf-8")
    if given.chart:
        title = f"{options.definitions} definitions over {options.events:,} events"
        subtitle = f"{kind_of(options)}: seconds, and the most memory at one time"
        given.chart.write_text(svg(title, subtitle, bars(found)), encoding="utf-8")
    return int(any(found.differences.values()))


if __name__ == "__main__":
    sys.exit(main())
