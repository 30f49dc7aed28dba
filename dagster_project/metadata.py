"""What an asset's page says: about the definition (static), and about each time it was computed."""

import hashlib
import re
import warnings
from collections.abc import Collection, Sequence
from pathlib import Path
from textwrap import dedent

import dagster as dg
import polars as pl

from audiences.clock import readable
from audiences.definitions.computation import Computation, Kind, Space
from audiences.definitions.structured_print import print_structured
from audiences.delivery import DeliveryResult
from audiences.errors import Location, Problem
from audiences.language.check import ResultType, result_type
from audiences.language.print import query
from audiences.run import ComputationResult, Run
from dagster_project.folding import fold_query, fold_yaml

PREVIEW_ROWS = 10
HIDDEN = "(hidden)"

_COLUMN_TYPES = {
    ResultType.BOOLEAN: "boolean",
    ResultType.INTEGER: "integer",
    ResultType.NUMBER: "number",
    ResultType.TEXT: "string",
    ResultType.LIST: "list of strings",
    ResultType.ANY: "any JSON value",
}
# An id made from an identifier ("user_id:someone@example.com") can be a person's address or telephone number.
_PERSONAL = re.compile(r"[^:\s]+@\S+|\+[0-9][0-9 ().-]{5,}")

# ── the definition ──────────────────────────────────────────────────────────────────────────────────────────


def place(file: str, root: Path) -> str:
    """A file's path as people write it: relative to the project where it is inside it."""
    path = Path(file)
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def computation_metadata(
    computation: Computation, space: Space, audiences: Collection[str]
) -> dict[str, dg.MetadataValue]:
    """Where the definition is written, both of its forms, and the columns of the result.

    ``audiences``: the keys of those that the definition uses.
    """
    return {
        "definition": _code(fold_query(query(computation.expression, multiline=True))),
        "as_yaml": _code(fold_yaml(print_structured(computation, audiences=audiences))),
        "schedule": dg.MetadataValue.text(f"{computation.schedule} (UTC)" if computation.schedule else "manual"),
        "destinations": dg.MetadataValue.text(
            ", ".join(entry.destination for entry in computation.destinations) or "none"
        ),
        "dagster/column_schema": dg.MetadataValue.table_schema(_columns(computation)),
        "dagster/code_references": _code_reference(computation.location, space.root),
    }


def problem_metadata(problems: Sequence[Problem], root: Path) -> dict[str, dg.MetadataValue]:
    """Where a broken definition is written; its mistakes are in the description, the excerpts here."""
    excerpts = [dedent(problem.excerpt) for problem in problems if problem.excerpt]
    return {
        **({"problem": _code("\n\n".join(excerpts))} if excerpts else {}),
        "dagster/code_references": _code_reference(problems[0].where, root),
    }


def _code(text: str) -> dg.MetadataValue:
    return dg.MetadataValue.md(f"```\n{text.strip()}\n```")


def _columns(computation: Computation) -> dg.TableSchema:
    if computation.kind is Kind.AUDIENCE:
        value = dg.TableColumn("value", "boolean", description="Always true: only members are listed.")
    else:
        value_type = _COLUMN_TYPES[result_type(computation.expression)]
        absent = f"{_subject(computation).capitalize()}s without a value are not listed."
        value = dg.TableColumn("value", value_type, description=absent)
    identifier = dg.TableColumn("id", "string", description=f"The id of the {_subject(computation)}.")
    return dg.TableSchema(columns=[identifier, value])


def _subject(computation: Computation) -> str:
    return "account" if str(computation.level) == "account" else "profile"


def _code_reference(location: Location, root: Path) -> dg.CodeReferencesMetadataValue:
    # The page cuts long labels in the middle; that it is in definitions/ goes without saying.
    file = place(location.file, root).removeprefix("definitions/")
    label = f"{file}:{location.line}" if location.line else file
    with warnings.catch_warnings():
        # These two are a beta feature of Dagster; every process would say so again.
        warnings.simplefilter("ignore", dg.BetaWarning)
        reference = dg.LocalFileCodeReference(
            file_path=str(root / location.file), line_number=location.line or None, label=label
        )
        return dg.CodeReferencesMetadataValue(code_references=[reference])


# ── one materialisation ─────────────────────────────────────────────────────────────────────────────────────


def materialization_metadata(
    run: Run, result: ComputationResult, *, clock: str, download: str
) -> dict[str, dg.MetadataValue]:
    """What a run found for one computation.

    Numbers are numeric metadata, which Dagster plots over the runs. ``clock`` says where the as-of comes from;
    ``download`` is Markdown with the links to the CSV files.
    """
    values: dict[str, dg.MetadataValue] = {
        "as_of": dg.MetadataValue.text(f"{readable(run.as_of)} ({clock})"),
        "dagster/row_count": dg.MetadataValue.int(result.size),
    }
    for name, count in change_counts(result).items():
        values[name] = dg.MetadataValue.int(count)
    values["preview"] = preview(run.snapshot(result.key))
    values["download"] = dg.MetadataValue.md(download)
    values.update(delivery_metadata([one for one in run.deliveries if one.computation == result.key]))
    values["seconds"] = dg.MetadataValue.float(round(result.seconds, 3))
    values.update(reject_metadata(run))
    values["state"] = dg.MetadataValue.text(run_of_the_state(run))
    return values


def data_version(snapshot: pl.DataFrame) -> str:
    """Changes with the contents of a snapshot, so that Dagster knows what is out of date and what only ran again."""
    hashes = snapshot.hash_rows(seed=0)
    return hashlib.sha256(hashes.to_arrow().buffers()[1] or b"").hexdigest()


def change_counts(result: ComputationResult) -> dict[str, int]:
    """The changes since the run before: members of an audience, values of a trait."""
    if result.kind is Kind.AUDIENCE:
        return {"entered": result.entered, "exited": result.exited}
    return {"set": result.set, "changed": result.changed, "cleared": result.cleared}


def preview(snapshot: pl.DataFrame) -> dg.MetadataValue:
    """The first ten ids of a snapshot, in order; values are left out, and so is what is personal in an id."""
    identifiers = snapshot.get_column("id").head(PREVIEW_ROWS).to_list()
    if not identifiers:
        return dg.MetadataValue.text("nobody")
    return dg.MetadataValue.md("\n".join(f"- `{hide_personal(one).replace('`', ' ')}`" for one in identifiers))


def hide_personal(identifier: str) -> str:
    """An id without what could be a person's e-mail address or telephone number."""
    return _PERSONAL.sub(HIDDEN, identifier)


def delivery_metadata(deliveries: Sequence[DeliveryResult]) -> dict[str, dg.MetadataValue]:
    """How many messages were made and delivered, in all and by destination; nothing where there is no destination."""
    if not deliveries:
        return {}
    rows: list[list[object]] = [["destination", "created", "delivered", "no identifier"], ["---"] * 4]
    rows += [[one.destination, one.created, one.delivered, one.no_identifier] for one in deliveries]
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    notes = {one.destination: one.problem.what if one.problem else one.note for one in deliveries}
    lines += [f"\n{destination}: {note}" for destination, note in notes.items() if note]
    return {
        "messages_created": dg.MetadataValue.int(sum(one.created for one in deliveries)),
        "messages_delivered": dg.MetadataValue.int(sum(one.delivered for one in deliveries)),
        "deliveries": dg.MetadataValue.md("\n".join(lines)),
    }


def reject_metadata(run: Run) -> dict[str, dg.MetadataValue]:
    """How many event rows of the inputs were left out, in all and by reason."""
    values: dict[str, dg.MetadataValue] = {"rejected_events": dg.MetadataValue.int(sum(run.rejects.values()))}
    if run.rejects:
        lines = [f"- {reason}: {count:,}" for reason, count in sorted(run.rejects.items())]
        values["reject_reasons"] = dg.MetadataValue.md("\n".join(lines))
    return values


def run_of_the_state(run: Run) -> str:
    """Which run of the project's state the numbers belong to."""
    if run.number is None:
        return run.note or "not kept"
    revision = f", revision {run.revision}" if run.revision > 1 else ""
    return f"run {run.number}{revision}" + (f": {run.note}" if run.note else "")
