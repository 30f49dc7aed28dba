"""The ``audiences`` command. Thin: it reads arguments, calls ``Project`` and prints.

Exit codes: 0 done, 1 a failure (input, state, delivery), 2 the user's mistake. Neither shows a traceback; set
``AUDIENCES_DEBUG=1`` to see one. Heavy modules are imported inside the commands, to keep ``--help`` quick.
"""

from __future__ import annotations

import os
import sys
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from audiences.errors import AudiencesError, DefinitionError

if TYPE_CHECKING:
    from audiences.project import Project

app = typer.Typer(
    name="audiences",
    help="Computed traits and audiences from Segment-style events in Parquet.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

ProjectFolder = Annotated[
    Path, typer.Option("--project", "-p", help="The folder that holds definitions/.", show_default="here")
]
Environment = Annotated[
    str | None, typer.Option("--environment", "-e", help="Lay definitions/space.NAME.yml over space.yml.")
]
AsOf = Annotated[
    str | None,
    typer.Option("--as-of", help="Evaluate at this instant (ISO 8601, UTC). Default: the space's, or now."),
]
NoDeliver = Annotated[bool, typer.Option("--no-deliver", help="Compute and keep the result, send nothing.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would change and be sent; write and send nothing.")]
Confirm = Annotated[bool, typer.Option("--confirm", help="Allow a first sync of more than 1,000 messages.")]
Full = Annotated[bool, typer.Option("--full", help="Compute all values anew, not only those that may have changed.")]
Verify = Annotated[
    str | None,
    typer.Option(
        "--verify", metavar="SHARE", help="Compute such a share of all profiles (1%) once more, plainly, and compare."
    ),
]
SkipUnreadable = Annotated[
    bool, typer.Option("--skip-unreadable", help="Count event files that can't be read as rejected, and go on.")
]


class CSVFormat(StrEnum):
    """The layouts of a CSV download."""

    UNFORMATTED = "unformatted"
    COLUMNS = "columns"
    ROWS = "rows"
    ADS = "ads"


@app.command()
def run(
    keys: Annotated[list[str] | None, typer.Argument(help="Computations to run; all when none is named.")] = None,
    as_of: AsOf = None,
    no_deliver: NoDeliver = False,
    dry_run: DryRun = False,
    confirm: Confirm = False,
    full: Full = False,
    verify: Verify = None,
    skip_unreadable: SkipUnreadable = False,
    project: ProjectFolder = Path(),
    environment: Environment = None,
) -> None:
    """Compute, keep what changed, deliver the difference."""
    from audiences import console

    opened = _open(project, environment)
    with console.progress() as progress:
        done = opened.run(
            as_of=_instant(as_of),
            keys=keys or None,
            deliver=not no_deliver,
            dry_run=dry_run,
            confirm=confirm,
            full=full,
            verify=_share(verify),
            skip_unreadable=skip_unreadable,
            progress=progress,
        )
    console.print_run(done, opened)
    if done.exit_code:
        raise typer.Exit(done.exit_code)


@app.command()
def ingest(
    as_of: AsOf = None,
    skip_unreadable: SkipUnreadable = False,
    project: ProjectFolder = Path(),
    environment: Environment = None,
) -> None:
    """Read new events into the store of events; compute nothing."""
    from audiences import console

    opened = _open(project, environment)
    with console.progress() as progress:
        counts, note = opened.ingest(as_of=_instant(as_of), skip_unreadable=skip_unreadable, progress=progress)
    console.print_ingest(counts, note)


@app.command()
def preview(
    target: Annotated[str, typer.Argument(help="A key, or a YAML file with new definitions.")],
    as_of: AsOf = None,
    skip_unreadable: SkipUnreadable = False,
    project: ProjectFolder = Path(),
    environment: Environment = None,
) -> None:
    """Show the size and ten ids; save nothing."""
    from audiences import console

    opened = _open(project, environment)
    with console.progress() as progress:
        previews = opened.preview(target, as_of=_instant(as_of), skip_unreadable=skip_unreadable, progress=progress)
    console.print_previews(previews, opened.as_of(_instant(as_of)))


@app.command()
def validate(
    against_data: Annotated[
        bool, typer.Option("--against-data", help="Warn of names that are nowhere in the data. Reads all events.")
    ] = False,
    project: ProjectFolder = Path(),
    environment: Environment = None,
) -> None:
    """Check every definition and report all mistakes at once."""
    from audiences import console

    opened = _open(project, environment)
    console.print_problems(opened.problems, opened.definitions.warnings)
    if against_data:
        with console.progress() as progress:
            warnings = opened.validate_against_data(progress=progress)
        console.print_problems((), warnings)
    console.print_valid(opened)
    if opened.problems:
        raise typer.Exit(2)


@app.command("list")
def list_computations(project: ProjectFolder = Path(), environment: Environment = None) -> None:
    """List the computations, their size and when they were computed."""
    from audiences import console

    opened = _open(project, environment)
    console.print_list(opened)
    if opened.problems:
        console.print_problems(opened.problems, ())
        raise typer.Exit(2)


@app.command()
def show(
    key: Annotated[str, typer.Argument(help="A computation.")],
    project: ProjectFolder = Path(),
    environment: Environment = None,
) -> None:
    """Show a computation: both written forms, what it depends on, what uses it, its last run."""
    from audiences import console

    console.print_computation(_open(project, environment).describe(key))


@app.command()
def explain(
    keys: Annotated[list[str] | None, typer.Argument(help="Computations; all when none is named.")] = None,
    project: ProjectFolder = Path(),
    environment: Environment = None,
) -> None:
    """Show what a run reads and computes once, what shares it, and what each part cost."""
    from audiences import console

    console.print_plan(_open(project, environment).explain(keys or ()))


@app.command()
def why(
    key: Annotated[str, typer.Argument(help="A computation.")],
    identifier: Annotated[
        str, typer.Argument(metavar="ID", help="A profile or account id, or type:value such as email:x@y.z.")
    ],
    as_of: AsOf = None,
    skip_unreadable: SkipUnreadable = False,
    project: ProjectFolder = Path(),
    environment: Environment = None,
) -> None:
    """Explain why a profile or account is in an audience, or has its value, and until when."""
    from audiences import console

    opened = _open(project, environment)
    with console.progress() as progress:
        explanation = opened.why(
            key, identifier, as_of=_instant(as_of), skip_unreadable=skip_unreadable, progress=progress
        )
    console.print_explanation(explanation)


@app.command()
def export(
    key: Annotated[str, typer.Argument(help="A computation that has been run.")],
    layout: Annotated[CSVFormat, typer.Option("--format", "-f", help="The CSV's layout.")] = CSVFormat.COLUMNS,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", help="File or folder; - prints.", show_default="here, named by key"),
    ] = None,
    traits: Annotated[str, typer.Option("--traits", help="Trait columns to add, separated by commas.")] = "",
    users: Annotated[
        bool, typer.Option("--users", help="Of an account-level audience, list the users of its accounts.")
    ] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Leave cells that a spreadsheet would run as a formula.")] = False,
    as_of: Annotated[str | None, typer.Option("--as-of", help="The snapshot of an earlier run.")] = None,
    project: ProjectFolder = Path(),
    environment: Environment = None,
) -> None:
    """Write the snapshot of a computation as CSV."""
    from audiences import console

    opened = _open(project, environment)
    written = opened.export(
        key,
        format=layout.value,
        output=output,
        traits=tuple(name.strip() for name in traits.split(",") if name.strip()),
        users=users,
        raw=raw,
        as_of=_instant(as_of),
    )
    if output != "-":
        console.print_export(written)


@app.command()
def schema() -> None:
    """Print the JSON Schema of the YAML, for editors."""
    import json

    from audiences.definitions.schema import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))


@app.command()
def init(folder: Annotated[Path, typer.Argument(help="A new or empty folder.")]) -> None:
    """Write a small project of your own that runs."""
    from audiences import console
    from audiences.starter.create import create_project

    console.print_created(folder, create_project(folder))


def _open(folder: Path, environment: str | None) -> Project:
    from audiences.project import Project

    return Project.load(folder, environment=environment)


def _share(text: str | None) -> float:
    """A share such as ``1%`` or ``0.01``; none is 0."""
    if text is None:
        return 0.0
    number, percent, rest = text.strip().partition("%")
    try:
        share = float(number) / (100 if percent else 1)
    except ValueError:
        share = -1.0
    if rest or not 0 < share <= 1:
        raise DefinitionError(f"'{text}' is no share of all profiles", hint="for example: --verify 1%")
    return share


def _instant(text: str | None) -> datetime | None:
    from audiences.clock import parse_as_of

    return None if text is None else parse_as_of(text)


def main() -> None:
    """The entry point: runs the command and turns every error into one paragraph and an exit code."""
    try:
        app()
    except AudiencesError as error:
        _fail(error, error.exit_code)
    except KeyboardInterrupt as stop:
        _stopped(stop)
    except SystemExit as leaving:
        interrupt = _interrupt(leaving)
        if interrupt is None:
            raise
        _stopped(interrupt)
    except Exception as error:
        _fail(
            AudiencesError(f"unexpected {type(error).__name__}: {error}", hint="AUDIENCES_DEBUG=1 shows where"),
            1,
        )


def _interrupt(error: BaseException | None) -> KeyboardInterrupt | None:
    """What the user's Ctrl-C raised, if it is why the program is left: Typer makes an exit of it, without a word."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error


def _stopped(stop: KeyboardInterrupt) -> NoReturn:
    typer.echo(str(stop) or "Stopped; nothing was changed.", err=True)
    sys.exit(130)


def _fail(error: AudiencesError, code: int) -> None:
    if os.environ.get("AUDIENCES_DEBUG"):
        raise error
    from audiences import console

    if isinstance(error, DefinitionError) and error.problems:
        console.print_problems(error.problems, ())
    else:
        console.print_error(str(error))
    sys.exit(code)
