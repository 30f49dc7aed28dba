"""What every engine offers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

import polars as pl

from audiences.costs import Costs
from audiences.definitions.computation import Computation, Level
from audiences.errors import Problem
from audiences.plan import Plan

if TYPE_CHECKING:
    from audiences.events import PreparedInputs

Progress = Callable[[int, int], None]
"""Called with (profiles or accounts done, how many there are in all) after each bucket; each pass counts them again."""


class Sink(Protocol):
    """Takes the values that an engine computes, as it computes them."""

    def add(self, level: Level, ids: pl.Series, values: Mapping[str, pl.Series]) -> None:
        """The values of some profiles, or accounts, for several computations, by key.

        ``ids`` (String) are in no particular order; all calls together have every profile once for each computation.
        ``values`` have one value per id, null where there is none: Boolean of an audience; of a trait Int64, Float64,
        String (plain text), or VALUE where the kinds differ, and not always the same of these.
        """
        ...


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
    ) -> dict[str, pl.DataFrame]:
        """The snapshot of every computation of the plan, by key, in plan order.

        Each frame has ``id`` (String, unique, sorted by code point) and ``value`` (String, canonical JSON
        text, never null); an audience's frame has its members only, with ``true``. For ``given`` see
        ``compute_into``.

        Raises:
            NotYetError: the plan has a computation with refusals.
        """
        ...

    def compute_into(
        self,
        sink: Sink,
        plan: Plan,
        prepared: PreparedInputs,
        as_of: datetime,
        progress: Progress | None = None,
        *,
        given: Mapping[str, pl.DataFrame] | None = None,
    ) -> Costs:
        """Computes the plan bucket by bucket, and hands what it finds to ``sink``; never all values in memory.

        ``given`` has the last snapshots (``id``, ``value`` JSON text) of the disabled computations in ``plan.given``;
        without one they have no values. Where ``prepared`` has some profiles and accounts only, it also has the last
        snapshots of computations that are asked about others.

        Raises:
            NotYetError: the plan has a computation with refusals.
        """
        ...
