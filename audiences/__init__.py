"""Computed traits and audiences from Segment-style events in Parquet.

    import audiences

    audiences.evaluate([{"kind": "trait", "key": "orders", "definition": "event('Order Completed').count()"}],
                       events="events.parquet", as_of="2010-12-10")

    project = audiences.Project.load(".")
    run = project.run()
    run.snapshot("big_spenders")      # id, value
    run.changes("big_spenders")       # id, change, value, previous

Names are imported when they are first used, so that ``import audiences`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from audiences.errors import AudiencesError, DefinitionError, InputError, NotYetError, StateError
    from audiences.evaluation import evaluate
    from audiences.project import Project
    from audiences.run import Run

__all__ = [
    "AudiencesError",
    "DefinitionError",
    "InputError",
    "NotYetError",
    "Project",
    "Run",
    "StateError",
    "evaluate",
]

_HOMES = {
    "AudiencesError": "audiences.errors",
    "DefinitionError": "audiences.errors",
    "InputError": "audiences.errors",
    "NotYetError": "audiences.errors",
    "StateError": "audiences.errors",
    "evaluate": "audiences.evaluation",
    "Project": "audiences.project",
    "Run": "audiences.run",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'audiences' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
