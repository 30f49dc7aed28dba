"""Values and the rows that they belong to, as one list a row."""

from __future__ import annotations

import polars as pl


def row_lists(rows: pl.Series, values: pl.Series, height: int) -> pl.Series:
    """The values of each of ``height`` rows as a list, in their order; ``[]`` where a row has none.

    ``rows`` (UInt32, ascending) says which row each value belongs to.
    """
    # Known to be sorted, rows are grouped without hashing.
    frame = pl.DataFrame({"row": rows.set_sorted(), "value": values})
    lists = frame.group_by("row", maintain_order=True).agg("value")
    if lists.height == height:
        return lists.get_column("value")
    places = pl.repeat(None, height, dtype=pl.UInt32, eager=True)
    places = places.scatter(lists.get_column("row"), pl.int_range(lists.height, dtype=pl.UInt32, eager=True))
    found = lists.get_column("value").gather(places)
    empty = pl.lit(pl.Series([[]], dtype=found.dtype))
    return found.to_frame().select(pl.col("value").fill_null(empty)).to_series()
