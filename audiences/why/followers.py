"""The events nested in an event of a funnel: which later events its conditions found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import polars as pl

from audiences.language import tree
from audiences.language.selections import reductions, selection
from audiences.why.bench import MARK, Bench, Part
from audiences.why.events import NUMBER, Timeline, looked_at, seen
from audiences.why.explanation import SeenEvent

LOOKED_AT: Final = 5
"""So many later events are tried for each event that is shown, the nearest ones in the window after it."""

MOST_EVENTS: Final = 20_000
"""Beyond so many events on the bench it takes too long to look for nested ones."""


@dataclass(frozen=True)
class Followers:
    """Finds nested events; ``part`` makes a part of a stream. ``one_user``: they are the same profile's."""

    bench: Bench
    timeline: Timeline
    part: Callable[[tree.Stream], Part]
    as_of: datetime
    one_user: bool

    def of(self, stream: tree.Stream, numbers: Sequence[int]) -> Mapping[int, tuple[SeenEvent, ...]]:
        """For some events of a stream, by their numbers: the events that its nested conditions found after them.

        Only the nearest are looked at: this is to be read, nothing depends on it.
        """
        nested = dict.fromkeys(nested_reductions(stream))
        if not nested or not numbers or self.timeline.frame.height > MOST_EVENTS:
            return {}
        parents = self.timeline.of(numbers)
        found: dict[int, list[SeenEvent]] = {number: [] for number in numbers}
        for reduction in nested:
            tried = self._near(reduction, parents)
            parts = {number: self.part(linked(stream.event, reduction, number)) for number in tried}
            answers = self.bench.question([], list(parts.values())).at(self.as_of)
            for number, part in parts.items():
                (event,) = seen(self.timeline.of([number]), looked_at(reduction))
                for parent in set(answers.events(part)).intersection(numbers):
                    found[parent].append(event)
        return {number: tuple(events) for number, events in found.items() if events}

    def _near(self, reduction: tree.Reduction, parents: pl.DataFrame) -> list[int]:
        """The numbers of later events that may be nested in one of the parents, in order of time."""
        wanted = selection(reduction.stream)
        events = self.timeline.named(wanted.event)
        time = pl.col("timestamp").dt.timestamp("us")
        near: set[int] = set()
        for profile, moment in parents.select("profile", time).iter_rows():
            later = events.filter(time >= moment + max(1, wanted.parent_nearest))
            if self.one_user:
                later = later.filter(pl.col("profile") == profile)
            if wanted.parent_farthest is not None:
                later = later.filter(time <= moment + wanted.parent_farthest)
            near.update(later.head(LOOKED_AT)[NUMBER].to_list())
        found: list[int] = self.timeline.of(sorted(near))[NUMBER].to_list()
        return found


def nested_reductions(stream: tree.Stream) -> Iterator[tree.Reduction]:
    """The reductions of nested events right inside a stream's conditions, in reading order."""
    for item in stream.filters:
        if isinstance(item, tree.Where):
            yield from reductions(item.condition)


def linked(event: str, reduction: tree.Reduction, number: int) -> tree.Stream:
    """The events in which one event, by its number, is nested as the reduction says."""
    is_it = tree.Comparison(tree.Property(MARK), tree.Operator.EQUALS, (tree.Text(str(number)),))
    only = replace(reduction.stream, filters=(*reduction.stream.filters, tree.Where(is_it)))
    there = tree.Comparison(tree.Count(only), tree.Operator.AT_LEAST, (tree.Number(1),))
    return tree.Stream(event, (tree.Where(there),))
