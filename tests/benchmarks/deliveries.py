"""How long deliveries take, and the most memory they have: a first sync, an hour with nothing new, and one with some.

    python -m benchmarks.deliveries --help

Beside them, what planning everybody at once takes, on the same data; its messages must be the same, byte by byte.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.measuring import CommandFailed, measured

MEGABYTE = 1024**2


@dataclass(frozen=True, slots=True)
class Measure:
    """A step: ``found`` is what it printed (see ``benchmarks.delivery_steps``), ``peak_bytes`` the most memory."""

    name: str
    found: dict[str, Any]
    peak_bytes: int


class Deliveries:
    """Runs the steps in a folder, one after the other."""

    def __init__(self, work: Path, messages: int, changed: int, *, plain: bool, progress: Console) -> None:
        self.work, self.messages, self.changed, self.plain = work, messages, changed, plain
        self.progress = progress
        self.measures: list[Measure] = []
        self.different: list[str] = []

    def run(self) -> None:
        """All steps."""
        self._step("making the first run", "make")
        self._delivered("first sync")
        self._step("making an hour with nothing new", "run", "--hour", "1")
        self._delivered("an hour with nothing new", same=False)
        self._step("making an hour with changes", "run", "--hour", "2", "--changed", str(self.changed))
        self._delivered(f"an hour with {self.changed:,} changed profiles")

    def _delivered(self, name: str, *, same: bool = True) -> None:
        expected = self._step(f"{name}: everybody at once", "plain") if self.plain and same else None
        found = self._step(name, "deliver")
        self.measures += [found, *([expected] if expected else [])]
        if expected and expected.found["digest"] != found.found["digest"]:
            self.different.append(name)

    def _step(self, name: str, step: str, *more: str) -> Measure:
        self.progress.print(f"… {name}", style="dim")
        command: list[str | Path] = [
            "-m",
            "benchmarks.delivery_steps",
            step,
            self.work,
            "--messages",
            str(self.messages),
            *more,
        ]
        used = measured(command, self.work / "logs" / f"{step}.txt")
        return Measure(name, json.loads(used.output), used.peak_bytes)


def table(title: str, measures: list[Measure]) -> Table:
    """What was measured; seconds are without the start of the program."""
    made = Table(title=title, title_justify="left")
    for name in ("step", "messages", "seconds", "CPU seconds", "peak MB"):
        made.add_column(name, justify="left" if name == "step" else "right")
    for one in measures:
        made.add_row(
            one.name,
            f"{one.found['messages']:,}",
            f"{one.found['seconds']:.2f}",
            f"{one.found['cpu_seconds']:.2f}",
            f"{one.peak_bytes / MEGABYTE:,.0f}",
        )
    return made


def main() -> int:
    """Measures and reports; 1 if messages differ or a step failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.deliveries", description=__doc__)
    parser.add_argument("--messages", type=int, default=2_000_000, help="of the first sync; a profile has one")
    parser.add_argument("--changed", type=int, default=33_000, help="profiles with another value an hour later")
    parser.add_argument("--no-plain", action="store_true", help="nobody at once: for sizes that don't fit into memory")
    parser.add_argument("--work", type=Path, help="folder for states and logs, kept; default: a temporary one")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers to a file")
    given = parser.parse_args()
    work = given.work or Path(tempfile.mkdtemp(prefix="audiences-deliveries-"))
    progress = Console(stderr=True)
    course = Deliveries(work.resolve(), given.messages, given.changed, plain=not given.no_plain, progress=progress)
    try:
        course.run()
    except CommandFailed as error:
        progress.print(str(error), style="red", markup=False)
        return 1
    finally:
        if given.work is None:
            shutil.rmtree(work)
    Console().print(table(f"{given.messages:,} profiles, one message each", course.measures))
    if given.json:
        numbers = {one.name: {**one.found, "peak_bytes": one.peak_bytes} for one in course.measures}
        given.json.write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
    for name in course.different:
        progress.print(f"{name}: the messages are not those of everybody planned at once", style="red")
    return int(bool(course.different))


if __name__ == "__main__":
    sys.exit(main())
