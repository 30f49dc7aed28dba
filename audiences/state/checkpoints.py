"""When a computation's rows in the table ``snapshots`` are written anew. Pure.

Writing them after every run would cost as much as the whole snapshot, however few values changed. So a large one is
left as it is for a while, and its current values are these rows and the rows of ``history`` that came later.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from audiences.state.manifest import ComputationRecord, Manifest

SMALL: Final = 20_000
"""Up to so many rows, writing them anew costs little: whoever reads the table finds the current values there."""

LARGEST_SHARE: Final = 5
"""From a fifth of the rows changed on, writing them anew is worth it."""


def due(record: ComputationRecord) -> bool:
    """Whether a computation's rows are written anew."""
    changed = record.changes_since_checkpoint
    return changed > 0 and (record.size <= SMALL or changed * LARGEST_SHARE > record.size)


def depending(manifest: Manifest, last_dropped: int) -> set[str]:
    """The computations whose current values need rows of ``history`` up to a run that is to be dropped."""
    return {
        key
        for key, record in manifest.computations.items()
        if record.changes_since_checkpoint and record.checkpoint_run < last_dropped
    }


def with_checkpoints(manifest: Manifest, keys: Collection[str]) -> dict[str, ComputationRecord]:
    """The records of all computations after the rows of some were written anew."""
    now = {"checkpoint_run": manifest.run, "changes_since_checkpoint": 0}
    return {
        key: record.model_copy(update=now) if key in keys else record for key, record in manifest.computations.items()
    }
