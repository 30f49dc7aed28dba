"""The computations of a project as one multi-asset: whatever is selected is computed in one shared pass."""

from collections.abc import Iterator
from datetime import datetime
from time import monotonic

import dagster as dg
from pydantic import Field

from audiences import Project
from audiences.clock import parse_as_of, readable
from audiences.errors import AudiencesError
from audiences.run import ProgressReport, Run
from dagster_project.downloads import Downloads
from dagster_project.metadata import data_version, materialization_metadata
from dagster_project.resources import ProjectFolder
from dagster_project.specs import KEY_PREFIX, asset_key, disabled_specs, enabled_specs, problems_by_name

POOL = "audience_state"
"""Steps of one pool wait for each other: the state of a space has one writer at a time."""

DATA_VERSION_TAG = "dagster/data_version"

_SECONDS_BETWEEN_REPORTS = 5.0  # each report is a row in Dagster's event log


class RunSettings(dg.Config):
    """What can be set in the launchpad."""

    # Not None: the launchpad lists a setting only if its default can be written.
    as_of: str = Field(
        default="",
        description="Evaluate at this instant: ISO 8601, UTC (2010-12-10 or 2010-12-10T08:00:00Z). Empty: the "
        "fixed clock of the space, else the current time truncated to the hour. An instant before the latest run "
        "is a look into the past: it is shown, but neither kept nor delivered.",
    )
    deliver: bool = Field(default=True, description="Send what changed to the destinations.")
    confirm: bool = Field(default=False, description="Allow a first sync of more than 1,000 messages (--confirm).")

    def instant(self) -> datetime | None:
        """The as-of that was asked for, UTC.

        Raises:
            audiences.DefinitionError: if it is neither a date nor a timestamp.
        """
        return parse_as_of(self.as_of) if self.as_of else None


def project_assets(project: Project) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """Everything the project defines: what can be materialised in one multi-asset, disabled ones beside it."""
    specs = enabled_specs(project)
    return [*([computations_asset(specs)] if specs else []), *disabled_specs(project)]


def computations_asset(specs: list[dg.AssetSpec]) -> dg.AssetsDefinition:
    """One step that computes whatever is selected of these assets; each run reads the definitions anew."""

    @dg.multi_asset(name=KEY_PREFIX, specs=specs, can_subset=True, pool=POOL)
    def audiences(
        context: dg.AssetExecutionContext, config: RunSettings, project: dg.ResourceParam[ProjectFolder]
    ) -> Iterator[dg.MaterializeResult[None]]:
        try:
            yield from _materialize(context, config, project.load())
        except AudiencesError as error:
            raise dg.Failure(str(error), allow_retries=False) from None

    return audiences


def _materialize(
    context: dg.AssetExecutionContext, config: RunSettings, project: Project
) -> Iterator[dg.MaterializeResult[None]]:
    """Runs what is selected; the good ones are materialised before one failure names all that went wrong."""
    broken = problems_by_name(project)
    defined = project.definitions.computations
    selected = sorted(key.path[-1] for key in context.selected_asset_keys)
    wrong = [str(problem) for name in selected for problem in broken.get(name, ())]
    gone = [name for name in selected if name not in defined and name not in broken]
    wrong += [f"{name} is not defined any more: reload the definitions" for name in gone]
    if wanted := [name for name in selected if name in defined and name not in broken]:
        run = project.run(
            as_of=config.instant(),
            keys=wanted,
            deliver=config.deliver,
            confirm=config.confirm,
            progress=_progress_log(context),
        )
        yield from _results(context, config, project, run)
        wrong += [str(problem) for problem in run.problems if problem.key in wanted]
        wrong += [str(delivery) for delivery in run.deliveries if delivery.problem or delivery.held]
    if wrong:
        raise dg.Failure("\n".join(wrong), allow_retries=False)


def _results(
    context: dg.AssetExecutionContext, config: RunSettings, project: Project, run: Run
) -> Iterator[dg.MaterializeResult[None]]:
    clock = _clock(config, project)
    context.log.info(f"As of {readable(run.as_of)} ({clock}). {run.note}")
    downloads = Downloads(context.instance, project, run)
    for result in run.results:
        metadata = materialization_metadata(
            run, result, clock=clock, download=downloads.markdown(run.computations[result.key])
        )
        key, version = asset_key(result.key), data_version(run.frames[result.key].snapshot())
        if key in context.selected_asset_keys:
            yield dg.MaterializeResult(asset_key=key, metadata=metadata, data_version=dg.DataVersion(version))
        else:
            # What the selected ones use was computed and kept in the same run, so its page says so, too.
            _report_unselected(
                context, dg.AssetMaterialization(key, metadata=metadata, tags={DATA_VERSION_TAG: version})
            )
    for delivery in run.deliveries:
        context.log.info(str(delivery))


def _report_unselected(context: dg.AssetExecutionContext, materialization: dg.AssetMaterialization) -> None:
    context.log_event(materialization)
    # Dagster read the versions of unselected inputs when the step began. Without this, what is computed from the
    # new one would be shown as out of date.
    context.get_step_execution_context().wipe_input_asset_version_info(materialization.asset_key)


def _clock(config: RunSettings, project: Project) -> str:
    if config.as_of:
        return "given to the run"
    return "fixed by definitions/space.yml" if project.space.as_of else "the current time, to the hour"


def _progress_log(context: dg.AssetExecutionContext) -> ProgressReport:
    """Progress in the run's log: when something else is being done, and now and then while it is."""
    current, reported = "", 0.0

    def report(what: str, done: int, total: int) -> None:
        nonlocal current, reported
        if what == current and monotonic() - reported < _SECONDS_BETWEEN_REPORTS:
            return
        current, reported = what, monotonic()
        context.log.info(f"{what}: {done:,} of {total:,}" if total else what)

    return report
