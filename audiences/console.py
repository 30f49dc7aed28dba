"""What the command line prints. Tables go to standard output; progress, problems and errors to standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from audiences.clock import readable
from audiences.errors import Problem

if TYPE_CHECKING:
    from datetime import datetime

    from audiences.events import Counts
    from audiences.explain import Branch
    from audiences.export import Export
    from audiences.project import Description, Preview, Project
    from audiences.run import ComputationResult, ProgressReport, Run
    from audiences.why import Explanation

MESSAGES_SHOWN = 10

# In a file or a pipe nothing must be cut off at the width of a screen that isn't there.
_out = Console(highlight=False, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else 120)
_err = Console(stderr=True, highlight=False, soft_wrap=True)


class _Done(ProgressColumn):
    """How much is done, of how much; nothing where that is not known."""

    def render(self, task: Task) -> Text:
        of_all = "" if task.total is None else f"{task.completed:,.0f} of {task.total:,.0f}"
        return Text(of_all, style="progress.download")


@contextmanager
def progress() -> Iterator[ProgressReport]:
    """A progress bar on standard error, with how much is done and the time that is left, if that is a terminal; gone
    when the work is done.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), _Done(), TimeRemainingColumn())
    with Progress(*columns, console=_err, transient=True, disable=not _err.is_terminal) as bar:
        task = bar.add_task("starting", total=None)

        shown = ""

        def report(what: str, done: int, total: int) -> None:
            nonlocal shown
            if what != shown:  # the time that is left is that of what is done now
                bar.reset(task, description=what, total=total or None)
                shown = what
            bar.update(task, completed=done, total=total or None)

        yield report


def print_error(message: str) -> None:
    """One paragraph on standard error."""
    _err.print(Text.assemble(("Error: ", "bold red"), message))


def print_problems(problems: Sequence[Problem], warnings: Sequence[Problem]) -> None:
    """Every problem, then every warning, each with its place and excerpt."""
    for problem in problems:
        _err.print(Text.assemble(("Error: ", "bold red"), str(problem)))
    for warning in warnings:
        _err.print(Text.assemble(("Warning: ", "bold yellow"), str(warning)))


def print_run(run: Run, project: Project) -> None:
    """The table of a run, and beneath it all that was left out, held back or refused, with counts and reasons."""
    table = _table(_title(run, project))
    table.add_column("computation", overflow="fold")
    for heading in ("size", "entered\nor set", "exited or\ncleared", "changed", "seconds"):
        table.add_column(heading, justify="right", no_wrap=True)
    for result in run.results:
        table.add_row(*_cells(result))
    _out.print(table)
    for line in (run.note, _read(run), *_rejected(run)):
        if line:
            _out.print(line[0].upper() + line[1:], soft_wrap=True, markup=False)
    _print_deliveries(run, project)
    print_problems(run.problems, run.warnings)


def print_ingest(counts: Counts, note: str) -> None:
    """What a store of events holds now."""
    if note:
        _out.print(note, soft_wrap=True, markup=False)
    _out.print(_events(counts.read, counts.accepted, counts.duplicates), soft_wrap=True, markup=False)
    for reason, count in sorted(counts.rejects.items()):
        _out.print(f"Rejected: {count:,} {reason}", soft_wrap=True, markup=False)


def _events(read: float, accepted: float, duplicates: float) -> str:
    line = f"Events: {read:,} read, {accepted:,} accepted"
    return line + (f", {duplicates:,} duplicates" if duplicates else "")


def _read(run: Run) -> str:
    """One line about the input."""
    numbers = run.statistics
    if not numbers:
        return ""
    conflicts = numbers.get("identifier_conflicts", 0)
    line = _events(numbers.get("rows_read", 0), numbers.get("rows_accepted", 0), numbers.get("duplicates", 0))
    held = "identifier is" if conflicts == 1 else "identifiers are"
    line += f"; {conflicts:,} {held} held by several profiles" if conflicts else ""
    return line


def _rejected(run: Run) -> Iterator[str]:
    """A line per reason: how many rows, and the first of them."""
    for reason, count in sorted(run.rejects.items()):
        samples = [str(sample.get("message_id") or sample.get("path") or "") for sample in run.samples.get(reason, ())]
        examples = ", ".join(sample for sample in samples if sample)
        yield f"Rejected: {count:,} {reason}" + (
            f" ({examples}{', …' if count > len(samples) else ''})" if examples else ""
        )


def _print_deliveries(run: Run, project: Project) -> None:
    """What each destination got, and, in a dry run, the first ten messages."""
    told = [delivery for delivery in run.deliveries if delivery.created or delivery.problem or delivery.unsent]
    if run.deliveries and not told:
        _out.print(f"Destinations: nothing to send for {len(run.deliveries)} computations")
    for delivery in told:
        _out.print(str(delivery).replace(f"{project.space.root}/", ""), soft_wrap=True, markup=False)
    messages = [sample for delivery in told for sample in delivery.samples]
    for message in messages[:MESSAGES_SHOWN]:
        _out.print(message, soft_wrap=True, markup=False)


def _title(run: Run, project: Project) -> str:
    fixed = " (fixed by space.yml)" if project.space.as_of == run.as_of else ""
    number = f"run {run.number}, " if run.number is not None else ""
    return f"{project.space.slug}: {number}as of {readable(run.as_of)}{fixed}"


def _cells(result: ComputationResult) -> tuple[str, ...]:
    audience = result.kind == "audience"
    return (
        result.key,
        f"{result.size:,} {'members' if audience else 'values '}",
        _signed("+", result.entered if audience else result.set),
        _signed("-", result.exited if audience else result.cleared),
        "" if audience else _signed("", result.changed),
        f"{result.seconds:.2f}",
    )


def _signed(sign: str, count: int) -> str:
    return f"{sign}{count:,}" if count else "0"


def print_previews(previews: Sequence[Preview], as_of: datetime) -> None:
    """For each computation: its size and ten ids, with values for traits."""
    for preview in previews:
        noun = "members" if preview.kind == "audience" else "values"
        table = _table(f"{preview.key}: {preview.size:,} {noun} as of {readable(as_of)}; nothing was saved")
        table.add_column("id", no_wrap=True)
        if preview.kind == "trait":
            table.add_column("value")
        for identifier, value in preview.rows:
            table.add_row(*((identifier,) if preview.kind == "audience" else (identifier, value)))
        _out.print(table)


def print_valid(project: Project) -> None:
    """One line: how many definitions are good."""
    good = len(project.usable)
    broken = len({problem.key for problem in project.problems if problem.key})
    others = sum(not problem.key for problem in project.problems)
    text = f"{good:,} definition{' is' if good == 1 else 's are'} valid"
    text += f", {broken:,} {'is' if broken == 1 else 'are'} broken" if broken else ""
    text += f"; {others:,} other mistake{'' if others == 1 else 's'}" if others else ""
    text += f", as of {_instant(project)}" if project.space.as_of else ""
    _out.print(f"{text}.", soft_wrap=True)


def _instant(project: Project) -> str:
    """The as-of that a run would have now, and whether the space fixes it."""
    return readable(project.as_of()) + (" (fixed by space.yml)" if project.space.as_of else "")


def print_list(project: Project) -> None:
    """All computations, with size and as-of of their last run."""
    state = project.state()
    last = state.manifest.computations if state is not None and state.manifest is not None else {}
    table = _table(f"{project.space.slug}: as of {_instant(project)}")
    for heading in ("computation", "kind", "folder", "name", "schedule", "size", "last run"):
        table.add_column(heading, justify="right" if heading == "size" else "left", no_wrap=heading != "name")
    for key, computation in project.definitions.computations.items():
        entry = last.get(key)
        table.add_row(
            key,
            computation.kind.value,
            computation.group,
            computation.name + ("" if computation.enabled else " (disabled)"),
            computation.schedule or "",
            f"{entry.size:,}" if entry else "",
            readable(entry.as_of) if entry else "never",
        )
    _out.print(table)


def print_computation(description: Description) -> None:
    """A computation, whole: what it is, both forms, what it depends on and what uses it, its last run."""
    heading = Text(description.key, style="bold")
    if description.name:
        heading.append(f"  {description.name}", style="")
    _out.print(heading)
    if description.description:
        _out.print(description.description, markup=False)
    for label, value in description.facts:
        _out.print(f"  {label:<12} {value}", markup=False, soft_wrap=True)
    _out.print("\nAs a query:")
    _out.print(_indent(description.query), markup=False, soft_wrap=True)
    _out.print("\nAs YAML:")
    _out.print(_indent(description.structured), markup=False, soft_wrap=True)


def _indent(text: str) -> str:
    return "\n".join("  " + line for line in text.rstrip().splitlines())


def print_plan(branches: Sequence[Branch]) -> None:
    """The plan of a run as trees, one for each pass; shares and costs stand behind each line."""
    for branch in branches:
        _out.print(_tree(branch, None))


def _tree(branch: Branch, above: Tree | None) -> Tree:
    line = Text(branch.text, style="bold" if above is None else "")
    if branch.shared:
        line.append(f"  shared by {branch.shared}", style="green")
    if branch.cost is not None:
        line.append(f"  {_cost(branch)}", style="cyan")
    node = Tree(line) if above is None else above.add(line)
    for below in branch.below:
        _tree(below, node)
    return node


def _cost(branch: Branch) -> str:
    cost = branch.cost
    if cost is None:
        return ""
    parts = [f"{cost.rows:,} rows"] if cost.rows else []
    parts += [f"{cost.bytes / 1e6:,.1f} MB"] if cost.bytes else []
    parts.append(f"{cost.seconds:.2f} s")
    parts += [] if branch.share is None else [f"{branch.share:.1%} of the computing"]
    return ", ".join(parts)


def print_explanation(explanation: Explanation) -> None:
    """Why somebody is in an audience or has a value, as a tree."""
    from audiences.why import printing

    printing.print_explanation(explanation, _out)


def print_export(written: Export) -> None:
    """Where the CSV is, how many rows it has and for which as-of."""
    _out.print(f"{written.path}: {written.rows:,} rows, as of {readable(written.as_of)}", soft_wrap=True)


def print_created(folder: Path, files: Sequence[Path]) -> None:
    """The files of a new project and what to do next."""
    for file in files:
        _out.print(f"  {file}", soft_wrap=True)
    _out.print(f"\nNext: cd {folder} && audiences run", soft_wrap=True)


def _table(title: str) -> Table:
    """Prints the title on a line of its own, where a narrow table can't wrap it, and gives an empty table."""
    _out.print(Text(title, style="bold"), soft_wrap=True)
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
