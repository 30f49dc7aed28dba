"""What is found in the rows of each owner, against lists in plain Python."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import Final

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from audiences.engines.polars_segments import Segments

OWNERS: Final = 6

ROWS = st.lists(st.tuples(st.integers(0, OWNERS - 1), st.integers(0, 3), st.booleans()), max_size=20)


@given(ROWS, st.sampled_from((1, 2**40, 2**61)))
def test_each_owner_for_itself(drawn: list[tuple[int, int, bool]], scale: int) -> None:
    rows = [(row, owner, number * scale, true) for row, (owner, number, true) in enumerate(sorted(drawn))]
    groups = [list(group) for _, group in groupby(rows, itemgetter(1))]
    frame = pl.DataFrame(rows, schema=["row", "owner", "number", "true"], orient="row", infer_schema_length=None)
    frame = frame.cast({"row": pl.UInt32, "owner": pl.UInt32, "number": pl.Int64, "true": pl.Boolean})
    segments = Segments(frame["owner"], OWNERS)
    assert segments.owners.to_list() == [group[0][1] for group in groups]
    assert segments.lengths.to_list() == [len(group) for group in groups]
    assert segments.first.to_list() == [group[0][0] for group in groups]
    assert segments.last.to_list() == [group[-1][0] for group in groups]
    assert segments.greatest(frame["number"]).to_list() == [max(number for *_, number, _ in group) for group in groups]
    hits = [[row for row, *_, true in group if true] for group in groups]
    there = {"it": pl.col("true")}
    assert segments.earliest(frame, there)["it"].to_list() == [found[0] if found else None for found in hits]
    assert segments.latest(frame, there)["it"].to_list() == [found[-1] if found else None for found in hits]
    counts = segments.sums(frame, {"it": pl.col("true").cast(pl.UInt32)})["it"]
    assert counts.to_list() == [len(found) for found in hits]
    by_owner = {group[0][1]: len(group) for group in groups}
    assert segments.for_all(segments.lengths).to_list() == [by_owner.get(owner) for owner in range(OWNERS)]


def test_sums_of_large_and_negative_numbers() -> None:
    """The running total leaves 64 bits, the sums of the segments don't: only their difference counts."""
    frame = pl.DataFrame({"owner": [0, 0, 2, 3, 3], "number": [2**62, -5, 2**62, 2**62, -(2**61)]})
    segments = Segments(frame["owner"].cast(pl.UInt32), 4)
    found = segments.sums(frame, {"it": pl.col("number")})["it"]
    assert segments.for_all(found).to_list() == [2**62 - 5, None, 2**62, 2**61]
