"""What Dagster loads: the computations of a project as assets, one job, and their schedules."""

import dagster as dg

from audiences import Project
from dagster_project.assets import project_assets
from dagster_project.automation import compute_job, schedules
from dagster_project.resources import ProjectFolder, project_root


def build(project: Project) -> dg.Definitions:
    """The code location of a project."""
    return dg.Definitions(
        assets=project_assets(project),
        jobs=[compute_job()],
        schedules=schedules(project),
        resources={"project": ProjectFolder(project.space.root)},
        # A run has a process of its own already, and one step.
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What Dagster asks for: the project of this folder (see ``project_root``).

    Raises:
        audiences.DefinitionError: if its ``definitions/space.yml`` is missing or unusable.
    """
    return build(Project.load(project_root()))
