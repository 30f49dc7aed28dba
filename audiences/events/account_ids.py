"""The accounts of each profile, as a table of profiles says."""

from __future__ import annotations

from collections.abc import Iterable

import orjson
import polars as pl

from audiences.events.row_lists import row_lists
from audiences.events.texts import is_text, texts
from audiences.events.values import explode_lists


def read_account_ids(column: pl.Series) -> pl.Series:
    """A column of lists of ids, or of JSON text of such lists, as List(String): sorted, each once.

    Null where the column says nothing, which is not the same as an empty list. What is no id (text that isn't empty, or
    a whole number) is left out of its list.
    """
    if is_text(column.dtype):
        return _from_objects([_json_list(text) for text in texts(column).to_list()])
    if not isinstance(column.dtype, pl.List | pl.Array):
        return pl.Series([None], dtype=pl.List(pl.String)).new_from_index(0, len(column))
    inner = column.dtype.inner
    if isinstance(column.dtype, pl.List) and (inner == pl.String or inner.is_integer()):
        rows, elements = explode_lists(column)
        return _lists(column.is_not_null(), rows, elements.cast(pl.String))
    return _from_objects(None if row is None else list(row) for row in column.to_list())


def _from_objects(lists: Iterable[list[object] | None]) -> pl.Series:
    there: list[bool] = []
    rows: list[int] = []
    ids: list[str | None] = []
    for row, one in enumerate(lists):
        there.append(one is not None)
        found = [] if one is None else list(map(_id_text, one))
        rows += [row] * len(found)
        ids += found
    return _lists(pl.Series(there, dtype=pl.Boolean), pl.Series(rows, dtype=pl.UInt32), pl.Series(ids, dtype=pl.String))


def _lists(there: pl.Series, rows: pl.Series, ids: pl.Series) -> pl.Series:
    frame = pl.DataFrame({"row": rows, "id": ids}).filter(pl.col("id") != "")
    row = pl.col("row")
    several = frame.select((row == row.shift(1)).fill_null(False) | (row == row.shift(-1)).fill_null(False)).to_series()
    if several.any():  # nearly all profiles have one account: there is nothing to sort
        some = frame.filter(several).unique().sort("row", "id")
        frame = pl.concat([frame.filter(~several), some]).sort("row", maintain_order=True)
    lists = row_lists(frame.get_column("row"), frame.get_column("id"), len(there))
    return lists if there.all() else pl.select(pl.when(there).then(lists)).to_series()


def _json_list(text: str | None) -> list[object] | None:
    try:
        value = None if text is None else orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, list) else None


def _id_text(value: object) -> str | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return str(int(value))
    return value if isinstance(value, str) else None
