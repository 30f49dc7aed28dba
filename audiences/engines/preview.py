"""Computing without keeping anything."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import polars as pl

from audiences.engines.base import Engine
from audiences.events import Inputs
from audiences.plan import Plan

ProgressReport = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


def compute_in_memory(
    engine: Engine, plan: Plan, inputs: Inputs, as_of: datetime, progress: ProgressReport | None = None
) -> dict[str, pl.DataFrame]:
    """The stored form of every computation's snapshot (``id``, ``value`` JSON text) at ``as_of`` (UTC), by
    key.

    Raises:
        InputError: inputs that can't be read. NotYetError: a computation that the engine refuses.
    """
    report = progress or (lambda what, done, total: None)
    with inputs.prepare(
        plan.needs, as_of=as_of, progress=lambda done, total: report("reading events", done, total)
    ) as prepared:
        return engine.compute(plan, prepared, as_of, lambda done, total: report("computing", done, total))
