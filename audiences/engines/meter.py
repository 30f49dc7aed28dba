"""What each computation costs in a pass that serves all: shared work is divided among those that share it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from time import perf_counter

from audiences.language.selections import Measure
from audiences.plan import Plan
from audiences.stages import UserQuestion, measures, questions

Part = Measure | UserQuestion | str
"""What takes time: a measure, a question to users, or a computation by its key."""


class Meter:
    """Seconds by key of the computation.

    Measures of one event name are taken together: each has an equal part of the time, and each computation that uses
    a measure an equal part of that. Finding the events in the inputs is nobody's share.
    """

    def __init__(self, plan: Plan) -> None:
        self.seconds: dict[str, float] = {item.key: 0.0 for item in plan.order}
        self._users: dict[Part, list[str]] = {}
        for item in plan.order:
            asked = tuple(dict.fromkeys(questions(item)))
            parts: list[Part] = [
                item.key,
                *measures(item),
                *asked,
                *(part for step in asked for part in measures(step)),
            ]
            for part in dict.fromkeys(parts):
                self._users.setdefault(part, []).append(item.key)

    @contextmanager
    def running(self, parts: Collection[Part]) -> Iterator[None]:
        """Measures the block, and divides its time among those that use ``parts``."""
        started = perf_counter()
        yield
        share = (perf_counter() - started) / max(len(parts), 1)
        for part in parts:
            users = self._users.get(part, ())
            for key in users:
                self.seconds[key] += share / len(users)
