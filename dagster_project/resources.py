"""Where the project is that Dagster shows, and how the ops get at it."""

import os
from pathlib import Path

import dagster as dg

from audiences import Project

PROJECT_VARIABLE = "AUDIENCES_PROJECT"
SPACE_FILE = Path("definitions", "space.yml")


def project_root() -> Path:
    """The project folder: the one that holds ``definitions/space.yml``.

    ``AUDIENCES_PROJECT`` if it is set; else the current folder if it is a project; else the folder above this
    package, which is the repository with its sample project.
    """
    if given := os.environ.get(PROJECT_VARIABLE):
        return Path(given).resolve()
    here = Path.cwd()
    if (here / SPACE_FILE).is_file():
        return here.resolve()
    return Path(__file__).resolve().parents[1]


class ProjectResource(dg.ConfigurableResource[Project]):
    """Gives ops the project. Its definitions are read anew in every run, so a run never uses old ones."""

    root: str

    def load(self) -> Project:
        """Reads the definitions.

        Raises:
            audiences.DefinitionError: if ``definitions/space.yml`` is missing or unusable.
        """
        return Project.load(self.root)
