"""What a run leaves for the next one, so that this one can tell what changed since.

``universe/<run id>.json`` says from which files of events and which tables a run was computed, as of when, and where
the universe is kept that it saw; ``universe/<folder>`` has the universe. They count only together with the run of the
state that has this id: a run that was killed, or is over, leaves nothing that is looked at. Without a basis everything
is computed.
"""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError

from audiences.events.store.files import Files
from audiences.events.store.manifest import Counts

LAYOUT: Final = 1
FOLDER: Final = "universe"
_OURS: Final = re.compile(r"[0-9a-f]{32}(\.json)?")


class KeptFiles(BaseModel):
    """Where a universe is: ``base`` has all profiles as of some run, ``later`` what changed since, both folders."""

    model_config = ConfigDict(frozen=True)

    base: str
    later: str
    conflicts: int
    """Identities on events that several profiles hold."""


class Touched(BaseModel):
    """What a run found changed against the run before: in a folder, the tables ``profiles`` and ``accounts`` of ids,
    and ``arrived``: who owns new rows of which events.

    Accounts are those whose users changed and, if the run looked at accounts, those whose traits did since they were
    looked at before.
    """

    model_config = ConfigDict(frozen=True)

    run: int
    folder: str


class KeptAccounts(BaseModel):
    """All accounts as some run saw them: a folder, and what had been rejected of their table."""

    model_config = ConfigDict(frozen=True)

    run: int
    folder: str
    table: str
    """Fingerprint of the table of accounts."""
    rejects: Counts


class Basis(BaseModel):
    """What a run was computed from. ``files`` are those of events, by name, with their versions."""

    model_config = ConfigDict(frozen=True)

    layout: int = LAYOUT
    polars: str = pl.__version__
    run: int
    run_id: str
    as_of: datetime
    files: Mapping[str, str]
    generations: tuple[str, ...]
    """Of the store, by whose names the universe says what is out of place."""
    profiles: str
    """Fingerprint of the tables of profiles and of suppressed identifiers."""
    rejects: Counts
    """What had been rejected of the table of profiles."""
    universe: KeptFiles
    accounts: KeptAccounts | None = None
    touched: tuple[Touched, ...] = ()
    """Of the runs before, newest last, and of this one."""

    def folders(self) -> frozenset[str]:
        """The folders that it needs."""
        folders = {self.universe.base, self.universe.later, *(one.folder for one in self.touched)}
        return frozenset(folders | ({self.accounts.folder} if self.accounts else set()))

    def touched_since(self, run: int) -> Sequence[Touched] | None:
        """The runs after one, oldest first; None if they aren't all known."""
        found = [one for one in self.touched if one.run > run]
        return found if [one.run for one in found] == list(range(run + 1, self.run + 1)) else None


class Bases:
    """The bases beside a store of events in a folder."""

    def __init__(self, store: Path) -> None:
        self.folder = store / FOLDER

    def load(self, run_id: str) -> Basis | None:
        """The basis of a run; None if there is none, it is damaged, or another version wrote it."""
        try:
            found = Basis.model_validate_json(self._path(run_id).read_bytes())
        except (OSError, ValidationError):
            return None
        if found.layout != LAYOUT or found.polars != pl.__version__ or found.run_id != run_id:
            return None
        whole = all(_OURS.fullmatch(name) and (self.folder / name).is_dir() for name in found.folders())
        return found if whole else None

    def save(self, basis: Basis) -> None:
        """Writes the basis of a run that is about to become visible."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._path(basis.run_id).write_bytes(basis.model_dump_json().encode())

    def files(self) -> Files:
        """The tables of all universes."""
        return Files(self.folder)

    @staticmethod
    def new_folder() -> str:
        """The name of a folder for tables, which no basis names yet."""
        return uuid.uuid4().hex

    def clean(self, basis: Basis) -> None:
        """Removes what a basis doesn't need."""
        needed = {*basis.folders(), f"{basis.run_id}.json"}
        for path in sorted(self.folder.iterdir()) if self.folder.is_dir() else ():
            if path.name in needed or _OURS.fullmatch(path.name) is None:
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def _path(self, run_id: str) -> Path:
        if _OURS.fullmatch(run_id) is None:
            raise ValueError(f"{run_id!r} is not the id of a run")
        return self.folder / f"{run_id}.json"
