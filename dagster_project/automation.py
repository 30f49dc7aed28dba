"""When computations run by themselves: one schedule for each distinct cron in the YAML. And a job for all."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import dagster as dg

from audiences import Project
from audiences.clock import iso, readable
from dagster_project.schedule_names import normalise, schedule_name
from dagster_project.specs import KEY_PREFIX, asset_key, problems_by_name

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

JOB_NAME = "compute"


def compute_job() -> "UnresolvedAssetJobDefinition":
    """The job that computes everything."""
    return dg.define_asset_job(
        JOB_NAME,
        selection=dg.AssetSelection.key_prefixes([KEY_PREFIX]).materializable(),
        description="Computes all traits and audiences in one pass, keeps what changed and delivers it.",
    )


@dataclass(frozen=True)
class Due:
    """A cron and the computations that have it."""

    cron: str
    keys: list[str]


def due_by_schedule(project: Project) -> dict[str, Due]:
    """What is due together, by the name of the schedule; broken and disabled computations are left out."""
    broken = problems_by_name(project)
    found: dict[str, Due] = {}
    for computation in project.definitions.computations.values():
        if computation.schedule and computation.enabled and computation.key not in broken:
            due = Due(normalise(computation.schedule), [])
            found.setdefault(schedule_name(due.cron), due).keys.append(computation.key)
    return found


def schedules(project: Project) -> list[dg.ScheduleDefinition]:
    """A schedule per distinct cron, UTC, whose runs compute all that is due at the tick in one pass.

    They are on from the start, because the YAML says so; under a fixed clock they would compute the same again
    and again, so there they are off until someone switches them on.
    """
    return [_schedule(name, due, project.space.as_of) for name, due in due_by_schedule(project).items()]


def _schedule(name: str, due: Due, fixed: datetime | None) -> dg.ScheduleDefinition:
    def request(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        # The tick is the as-of, however late the run starts; a fixed clock stays what it is.
        as_of = {} if fixed else {"as_of": iso(context.scheduled_execution_time)}
        return dg.RunRequest(run_config={"ops": {KEY_PREFIX: {"config": as_of}}} if as_of else {})

    clock = f"The clock of this space is fixed: as of {readable(fixed)}. " if fixed else ""
    return dg.ScheduleDefinition(
        name=name,
        cron_schedule=due.cron,
        execution_timezone="UTC",
        # Not the job of all with a selection per run: the page of every asset would show every schedule.
        target=dg.AssetSelection.assets(*(asset_key(key) for key in due.keys)),
        execution_fn=request,
        description=f"{clock}Computes {', '.join(due.keys)}.",
        default_status=dg.DefaultScheduleStatus.STOPPED if fixed else dg.DefaultScheduleStatus.RUNNING,
    )
