"""The manifest of a run: the one small file that makes it visible.

Delta has no transaction across tables, so a run writes its tables first and its manifest last, as
``manifests/<run number, 10 digits>.json``. The newest manifest is the current state; table versions that no
manifest names are what a killed run left.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from audiences.costs import Costs
from audiences.definitions.computation import Kind, Level
from audiences.errors import StateError

SCHEMA_VERSION: Final = 2
"""The layout of manifests and tables that this version writes, and the newest that it reads.

1: ``snapshots`` has the current values of every computation, and ``history`` the changes of its first run, too. It is
read as it is, and the next run makes it 2.
"""

FOLDER: Final = "manifests"
FILE_NAME: Final = re.compile(r"(\d{10})\.json$")


class ComputationRecord(BaseModel):
    """A computation as of the run that last computed it. Instants are UTC."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    key: str
    kind: Kind
    level: Level
    as_of: datetime
    run: int
    computed_at: datetime
    size: int
    """Members, or profiles with a value."""
    entered: int = 0
    exited: int = 0
    set: int = 0
    changed: int = 0
    cleared: int = 0
    seconds: float = 0.0
    fingerprint: str
    """Of the definition and all it depends on."""
    inputs: str
    """Fingerprint of the inputs it was computed from."""
    first_run: int
    first_as_of: datetime
    first_in_history: bool = False
    """Whether the table ``history`` has the changes of the first run, which say no more than the snapshot then."""
    checkpoint_run: int = 0
    """The rows in the table ``snapshots`` are the values after this run; those of later runs are in ``history``."""
    changes_since_checkpoint: int = 0
    """How many rows of ``history`` came after the checkpoint; 0: ``snapshots`` has the current values."""


class Manifest(BaseModel):
    """A committed run: what was computed, from what, and which table versions hold the result. Instants are
    UTC.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: int = SCHEMA_VERSION
    run: int
    """Counts from 1, without gaps."""
    run_id: str
    as_of: datetime
    revision: int
    """Which run at this as-of it is; counts from 1."""
    computed_at: datetime
    inputs: str
    tables: Mapping[str, int] = Field(default_factory=dict)
    """Delta table name to version."""
    computations: Mapping[str, ComputationRecord] = Field(default_factory=dict)
    """Every computation that has a snapshot, computed in this run or earlier, by key."""
    computed: tuple[str, ...] = ()
    """The keys that this run computed, in its order."""
    rejects: Mapping[str, int] = Field(default_factory=dict)
    """Rows of the inputs that were not computed, by reason."""
    statistics: Mapping[str, int | float] = Field(default_factory=dict)
    costs: Costs | None = None
    """What the run spent on what; None: nobody measured it."""
    history_since: datetime | None = None
    """Snapshots at instants before this can't be had any more; None: nothing was dropped."""
    history_oldest: datetime | None = None
    """No row of ``history`` is older; None: not known."""
    universe: str | None = None
    """Fingerprint of the profiles; None: not known."""
    profiles_run: int = 0
    """The table ``profiles`` is the universe of this run; what changed later is in ``profile_changes``."""
    profile_changes_since: int = 0
    """How many rows of ``profile_changes`` came later; 0: ``profiles`` is the current universe."""
    profiles_size: int | None = None
    """How many profiles the table ``profiles`` has; None: not known."""


def path_of(run: int) -> str:
    """Where a run's manifest is, relative to the state location."""
    return f"{FOLDER}/{run:010d}.json"


def encode(manifest: Manifest) -> bytes:
    """The bytes of a manifest: JSON, indented, because people look at it."""
    return (manifest.model_dump_json(indent=1) + "\n").encode()


def decode(content: bytes, *, where: str) -> Manifest:
    """Reads a manifest.

    Raises:
        StateError: if it was written by a newer version of this program, or is not a manifest.
    """
    try:
        raw = json.loads(content)
        version = raw["schema_version"]
        if not isinstance(version, int):
            raise TypeError("schema_version is not a number")
    except (ValueError, KeyError, TypeError) as error:
        raise StateError(
            "this is not a manifest of a run",
            where=where,
            hint="the file is damaged; removing it makes the run before it the current one",
        ) from error
    if version > SCHEMA_VERSION:
        raise StateError(
            f"the state was written by a newer version of audiences (state schema {version}, "
            f"this version knows up to {SCHEMA_VERSION})",
            where=where,
            hint="upgrade audiences, or use another state location",
        )
    try:
        return Manifest.model_validate(_upgraded(raw) if version == 1 else raw)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise StateError(
            f"the manifest of the run is damaged: {place}: {first['msg']}",
            where=where,
            hint="removing the file makes the run before it the current one",
        ) from error


def _upgraded(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest of schema 1 as one of schema 2."""
    records = raw.get("computations")
    current = {"checkpoint_run": raw.get("run"), "first_in_history": True}
    if isinstance(records, dict):
        known = {key: {**record, **current} for key, record in records.items() if isinstance(record, dict)}
        records = {**records, **known}
    return {**raw, "schema_version": SCHEMA_VERSION, "computations": records or {}}
