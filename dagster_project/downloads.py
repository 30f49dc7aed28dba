"""CSV files that an asset's page links to.

Dagster's webserver hands out what lies in the folder of the captured logs: ``GET /logs/a/b/c/csv`` is the file
``a/b/c.csv`` in it, as an attachment called ``a__b__c.csv``. So the files are written there, and no second server is
needed. The route isn't documented: a test boots the webserver and downloads through it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import dagster as dg

from audiences import Project
from audiences.definitions.computation import Computation, Kind, Level
from audiences.export import Format, export
from audiences.run import Run
from audiences.state import State

FOLDER = "exports"
KEPT_RUNS = 5
"""The files of the newest runs of a computation; older ones are deleted."""


@runtime_checkable
class LogFolder(Protocol):
    """A log manager of Dagster that keeps the captured logs in a local folder, from where the webserver has them."""

    def get_captured_local_path(self, log_key: Sequence[str], extension: str) -> str:
        """The path of a file in that folder."""
        ...


class Downloads:
    """Writes the CSV files of one run."""

    def __init__(self, instance: dg.DagsterInstance, project: Project, run: Run) -> None:
        self._project, self._run = project, run
        logs = instance.compute_log_manager
        self._logs = logs if isinstance(logs, LogFolder) else None
        self._state: State | None = project.state() if run.number is not None else None
        self._missing = ""
        if self._logs is None:
            self._missing = "The logs of this instance are not in a local folder: use `audiences export`."
        elif self._state is None:
            self._missing = "This run was a look into the past, which is not kept."

    def markdown(self, computation: Computation) -> str:
        """Writes the files and links to them; where there is nothing to link to it says why."""
        links = self.links(computation)
        return " · ".join(f"[{layout}]({link})" for layout, link in links.items()) or self._missing

    def links(self, computation: Computation) -> dict[str, str]:
        """Writes the files of a computation, every one that makes sense for it.

        Returns:
            The address of each file by name, relative to the site; none where there is nothing to link to.
        """
        if self._logs is None or self._state is None:
            return {}
        links = {}
        key = computation.key
        for name, (layout, users) in files(computation).items():
            log_key = [FOLDER, key, self._stem(name)]
            path = Path(self._logs.get_captured_local_path(log_key, "csv"))
            path.parent.mkdir(parents=True, exist_ok=True)
            if not self._is_current(path):
                # Written beside it and moved: a download never sees half a file.
                partial = path.with_suffix(".partial")
                number = self._run.number
                export(self._state, self._project.definitions, key, layout, partial, users=users, run=number)
                partial.replace(path)
            links[name] = "/".join(["/logs", *log_key, "csv"])
        prune(path.parent, KEPT_RUNS * len(links))
        return links

    def _is_current(self, path: Path) -> bool:
        """Whether the file is there since an earlier run that this one only repeats."""
        if self._run.committed or not path.exists() or self._state is None or self._state.manifest is None:
            return False
        return path.stat().st_mtime > self._state.manifest.computed_at.timestamp()

    def _stem(self, name: str) -> str:
        return f"{name}_{self._run.as_of:%Y-%m-%dT%H%M%SZ}_run_{self._run.number}"


def files(computation: Computation) -> dict[str, tuple[Format, bool]]:
    """The files of a computation by name: the format, and whether the users of accounts are listed.

    A list of hashed e-mail addresses makes sense for members only. Accounts have no identifiers: one format says all.
    """
    audience = computation.kind is Kind.AUDIENCE
    if computation.level is Level.USER:
        return {str(layout): (layout, False) for layout in Format if audience or layout is not Format.ADS}
    accounts = {str(Format.UNFORMATTED): (Format.UNFORMATTED, False)}
    return {**accounts, "users": (Format.COLUMNS, True)} if audience else accounts


def prune(folder: Path, kept: int) -> None:
    """Deletes all but the newest files of a folder."""
    newest = sorted(folder.glob("*.csv"), key=lambda file: file.stat().st_mtime_ns, reverse=True)
    for file in newest[kept:]:
        file.unlink(missing_ok=True)
