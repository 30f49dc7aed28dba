"""Where the project is that Dagster shows, and how the ops get at it."""

import os
from dataclasses import dataclass
from pathlib import Path

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


@dataclass(frozen=True)
class ProjectFolder:
    """Gives ops the project. A plain object: as a configurable resource, its path would be asked for at each launch."""

    root: Path

    def load(self) -> Project:
        """Reads the definitions anew, so that a run never uses old ones.

        Raises:
            audiences.DefinitionError: if ``definitions/space.yml`` is missing or unusable.
        """
        return Project.load(self.root)
