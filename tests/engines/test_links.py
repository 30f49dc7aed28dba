"""Where the nested events of each parent are: every window, against looking at all pairs."""

from __future__ import annotations

from typing import Final

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from audiences.engines.polars_events import TIME
from audiences.engines.polars_links import GROUP, PARENT, located
from audiences.language.selections import Selection

SCALES: Final = (1, 1_000_000, 2**56)
"""Microseconds; the last one is of times so far apart that groups and times don't fit into 64 bits together."""

GROUPS_AND_TIMES = st.lists(st.tuples(st.integers(0, 40), st.integers(-4, 4)), max_size=15)


@given(
    GROUPS_AND_TIMES,
    GROUPS_AND_TIMES,
    st.integers(0, 3),
    st.one_of(st.none(), st.integers(0, 9), st.just(2**80)),
    st.sampled_from(SCALES),
    st.booleans(),
)
def test_runs_have_all_that_are_in_the_window(
    entries: list[tuple[int, int]],
    askers: list[tuple[int, int]],
    nearest: int,
    farthest: int | None,
    scale: int,
    in_order: bool,
) -> None:
    items = [(group, time * scale) for group, time in sorted(entries)]
    asking = [(group, time * scale) for group, time in (sorted(askers) if in_order else askers)]
    window = Selection("A", parent_nearest=nearest, parent_farthest=farthest)
    first, end = located(frame(items), frame(asking).with_row_index(PARENT), window)
    for (group, time), start, stop in zip(asking, first, end, strict=True):
        after = max(1, nearest)
        expected = [
            (other, moment)
            for other, moment in items
            if other == group and time + after <= moment and (farthest is None or moment <= time + farthest)
        ]
        assert items[start:stop] == expected


def frame(rows: list[tuple[int, int]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={GROUP: pl.Int64, TIME: pl.Int64}, orient="row")
