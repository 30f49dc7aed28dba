"""The identifiers of many profiles at once, for CSV downloads: a list of values per profile and type. Pure.

What counts, and in which order, is what ``delivery.identifiers.identifiers_of`` says. Here it is found without a sort
and without joins where a profile's identifiers are already in that order, as they are in a state.
"""

from __future__ import annotations

import polars as pl

from audiences.delivery.identifiers import identifiers_of

_ROW = "row"
_IDENTIFIERS = "external_ids"


def held(external_ids: pl.Series) -> dict[str, pl.Series]:
    """By identifier type, in alphabetical order, the values that each profile has of it: series of List(String).

    In: lists of type, value, created_at; null and empty lists are profiles without identifiers. Out: only the types
    that occur; null or an empty list where a profile has none of a type.
    """
    frame = external_ids.alias(_IDENTIFIERS).to_frame().with_row_index(_ROW)
    types = _types(frame)
    lists = _lists(frame, types)
    unusual = _unusual(frame, lists, types)
    if not unusual.is_empty():
        arranged = _lists(_arranged(frame.filter(pl.col(_ROW).is_in(unusual.implode()))), types)
        rest = lists.join(arranged.select(_ROW), on=_ROW, how="anti")
        lists = pl.concat([rest, arranged]).sort(_ROW)
        lists = frame.select(_ROW).join(lists, on=_ROW, how="left", maintain_order="left")
    return {name: lists.get_column(str(number)) for number, name in enumerate(types)}


def width(values: pl.Series) -> int:
    """The most values that one profile has, of the lists of one type."""
    lengths = values.list.len()
    most = lengths.max()
    return most if isinstance(most, int) else 0


def email_addresses(external_ids: pl.Series) -> pl.Series:
    """The e-mail addresses of all profiles, trimmed and in lower case; each once, in no order."""
    identifier = pl.col(_IDENTIFIERS).struct
    address = identifier.field("value").str.strip_chars().str.to_lowercase()
    frame = _exploded(external_ids.alias(_IDENTIFIERS).to_frame())
    found = frame.filter(identifier.field("type") == "email").select(address.alias("address")).to_series().unique()
    return found.filter(found.str.len_bytes() > 0)


def _exploded(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.explode(_IDENTIFIERS, empty_as_null=False, keep_nulls=False)


def _types(frame: pl.DataFrame) -> list[str]:
    """The types of which anyone has a value, sorted."""
    identifier = pl.col(_IDENTIFIERS).struct
    there = identifier.field("value").str.len_bytes() > 0
    types = _exploded(frame).filter(there).select(identifier.field("type").unique().sort()).to_series()
    return [name for name in types.to_list() if name]


def _lists(frame: pl.DataFrame, types: list[str]) -> pl.DataFrame:
    """``row`` and a numbered column of values per type, in the order in which they are listed."""
    identifier = pl.element().struct
    there = identifier.field("value").str.len_bytes() > 0
    columns = [
        pl.col(_IDENTIFIERS)
        .list.eval(pl.element().filter((identifier.field("type") == name) & there).struct.field("value"))
        .alias(str(number))
        for number, name in enumerate(types)
    ]
    return frame.select(_ROW, *columns)


def _unusual(frame: pl.DataFrame, lists: pl.DataFrame, types: list[str]) -> pl.Series:
    """The rows with several values of a type that may be in another order, or twice the same."""
    columns = [pl.col(str(number)) for number in range(len(types))]
    several = lists.filter(pl.any_horizontal(column.list.len() > 1 for column in columns)) if columns else lists.clear()
    if several.is_empty():
        return several.get_column(_ROW)
    at, before = pl.col("at"), pl.col("at").shift()
    times = (
        _exploded(frame.filter(pl.col(_ROW).is_in(several.get_column(_ROW).implode())))
        .select(_ROW, at=pl.col(_IDENTIFIERS).struct.field("created_at"))
        .filter((pl.col(_ROW) == pl.col(_ROW).shift()) & ((at < before) | (at.is_not_null() & before.is_null())))
    )
    twice = several.filter(pl.any_horizontal(column.list.n_unique() < column.list.len() for column in columns))
    return pl.concat([times.get_column(_ROW), twice.get_column(_ROW)]).unique()


def _arranged(frame: pl.DataFrame) -> pl.DataFrame:
    """The same profiles with only the identifiers that count, in their order; without those that have none."""
    identifiers = identifiers_of(frame.lazy().rename({_ROW: "id"}))
    return (
        identifiers.group_by("id", maintain_order=True)
        .agg(pl.struct("type", "value").alias(_IDENTIFIERS))
        .rename({"id": _ROW})
    )
