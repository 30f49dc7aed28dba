"""What every engine offers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

import polars as pl

from audiences.definitions.computation import Computation
from audiences.errors import Problem
from audiences.plan import Plan

if TYPE_CHECKING:
    from audiences.events import PreparedInputs

Progress = Callable[[int, int], None]
"""Called with (profiles or accounts done, how many there are in all) after each bucket; each pass counts them again."""


class Engine(Protocol):
    """Computes traits and audiences; what it can't compute it refuses by name, and never ignores."""

    def refusals(self, computation: Computation) -> list[Problem]:
        """One problem with ``not_yet`` for each construct that this engine can't compute."""
        ...

    def compute(
        self,
        plan: Plan,
        prepared: PreparedInputs,
        as_of: datetime,
        progress: Progress | None = None,
        *,
        given: Mapping[str, pl.DataFrame] | None = None,
        seconds: dict[str, float] | None = None,
    ) -> dict[str, pl.DataFrame]:
        """The snapshot of every computation of the plan, by key, in plan order.

        Each frame has ``id`` (String, unique, sorted by code point) and ``value`` (String, canonical JSON
        text, never null); an audience's frame has its members only, with ``true``. ``given`` has frames of
        the same form for ``plan.given``: the last snapshots of disabled computations that others use; without
        one it has no values. ``seconds``, if given, gets each computation's share of the time, by key.

        Raises:
            NotYetError: the plan has a computation with refusals.
        """
        ...
