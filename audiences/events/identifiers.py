"""External ids: reading them from a profiles table, and finding who owns what an event's ids say."""

from __future__ import annotations

from typing import Final

import orjson
import polars as pl

from audiences.events.columns import known_columns
from audiences.events.ids import id_texts
from audiences.events.instants import INSTANT, instants
from audiences.events.row_lists import row_lists
from audiences.events.texts import is_text, texts
from audiences.events.value_texts import value_of
from audiences.events.values import explode_lists

IDENTIFIERS: Final = pl.Schema(
    {"profile_id": pl.String(), "type": pl.String(), "value": pl.String(), "created_at": INSTANT}
)
HELD: Final = pl.Schema({"type": pl.Categorical(), "value": pl.String(), "created_at": INSTANT})
"""Identifiers of profiles that are told by something else; there are few types."""

EXTERNAL_IDS: Final = pl.List(pl.Struct({"type": pl.String, "value": pl.String, "created_at": INSTANT}))

_FIELDS: Final = ("type", "value", "created_at")
_ALIASES: Final = {"id": "value"}


def read_external_ids(column: pl.Series, where: str) -> tuple[pl.Series, pl.DataFrame, list[int]]:
    """A column ``external_ids`` to identifiers: the row of each (UInt32, ascending); the identifiers (``HELD``); and
    the rows in which something is no identifier.

    The column is a list of structs ``{type, value, created_at?}``, or JSON text of such a list. A value is
    an id: text, an integer or a whole float. Type and value must both be there.
    """
    if is_text(column.dtype):
        rows, parts, wrong = _from_json(texts(column))
    elif isinstance(column.dtype, pl.List) and isinstance(column.dtype.inner, pl.Struct):
        rows, parts, wrong = _from_structs(column, where)
    else:
        known = column.dtype == pl.List(pl.Null)
        wrong = [] if known else column.is_not_null().arg_true().to_list()
        return pl.Series([], dtype=pl.UInt32), HELD.to_frame(), wrong
    complete = parts.get_column("type").is_not_null() & parts.get_column("value").is_not_null()
    wrong += rows.filter(~complete).to_list()
    return rows.filter(complete), parts.filter(complete), sorted(set(wrong))


def _from_structs(column: pl.Series, where: str) -> tuple[pl.Series, pl.DataFrame, list[int]]:
    rows, elements = explode_lists(column)
    fields = elements.struct.unnest()
    found = known_columns(fields.columns, _FIELDS, where=f"{where}, external_ids", aliases=_ALIASES)
    missing = pl.Series([None], dtype=pl.Null).new_from_index(0, fields.height)
    given = {name: fields.get_column(found[name]) if name in found else missing for name in _FIELDS}
    return rows, _typed(given), []


def _from_json(column: pl.Series) -> tuple[pl.Series, pl.DataFrame, list[int]]:
    rows: list[int] = []
    wrong: list[int] = []
    given: dict[str, list[str | None]] = {name: [] for name in _FIELDS}
    for row, text in enumerate(column.to_list()):
        if text is None:
            continue
        try:
            elements = orjson.loads(text)
        except orjson.JSONDecodeError:
            elements = False
        if not isinstance(elements, list):
            wrong += [] if elements is None else [row]
            continue
        for element in elements:
            members = element if isinstance(element, dict) else {}
            rows.append(row)
            given["type"].append(_id(members.get("type")))
            given["value"].append(_id(members.get("value", members.get("id"))))
            given["created_at"].append(_id(members.get("created_at", members.get("createdAt"))))
    columns = {name: pl.Series(values, dtype=pl.String) for name, values in given.items()}
    return pl.Series(rows, dtype=pl.UInt32), _typed(columns), wrong


def _id(value: object) -> str | None:
    """Text, or a whole number as text."""
    known = value_of(value)
    if known is None or known[0] not in ("string", "number"):
        return None
    kind, text, _ = known
    return text if kind == "string" or text.lstrip("-").isdigit() else None


def _typed(given: dict[str, pl.Series]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "type": id_texts(given["type"])[0].cast(pl.Categorical()),
            "value": id_texts(given["value"])[0],
            "created_at": instants(given["created_at"]),
        }
    )


def external_ids(identifiers: pl.DataFrame, rows: pl.Series, height: int) -> pl.Series:
    """Identifiers and whose they are (``rows``, UInt32, of ``height`` profiles) as EXTERNAL_IDS, one list a row.

    In: ``HELD``. Each identifier is there once, with its earliest time. They are sorted by
    time (missing last), then type and value.
    """
    frame = identifiers.select("type", "value", "created_at", row=rows)
    types = frame.get_column("type")
    names = types.unique().cast(pl.String).sort()
    number = types.cast(pl.Enum(names)).to_physical().cast(pl.Int64).alias("number")
    kind = rows.cast(pl.Int64) * max(1, number.n_unique()) + number
    several = kind.is_duplicated()
    if not several.any():
        ordered = _in_order(frame, number)
    else:  # several of a type: they may be the same, and their values may decide their order
        holds_several = pl.zeros(height, dtype=pl.Boolean, eager=True).scatter(rows.filter(several).unique(), True)
        exact = holds_several.gather(rows)
        others = _in_order(frame.filter(~exact), number.filter(~exact))
        ordered = pl.concat([others, _one_by_one(frame.filter(exact))]).sort("row", maintain_order=True)
    structs = ordered.select(pl.struct(pl.col("type").cast(pl.String), "value", "created_at")).to_series()
    return row_lists(ordered.get_column("row"), structs, height).cast(EXTERNAL_IDS).alias("external_ids")


def _in_order(frame: pl.DataFrame, number: pl.Series) -> pl.DataFrame:
    """The identifiers of each row by time and type; ``number`` is the place of the type in the alphabet."""
    keys = frame.select("row", "created_at", number)
    if frame.get_column("created_at").null_count() == frame.height:
        keys = keys.drop("created_at")
    order = keys.select(pl.arg_sort_by(keys.columns, nulls_last=True)).to_series()
    return frame.select(pl.all().gather(order))


def _one_by_one(frame: pl.DataFrame) -> pl.DataFrame:
    return (
        frame.group_by("row", "type", "value")
        .agg(pl.col("created_at").min())
        .sort("row", "created_at", pl.col("type").cast(pl.String), "value", nulls_last=True)
        .select(frame.columns)
    )


def is_anonymous() -> pl.Expr:
    """Whether a profile has an anonymous_id and no other identifier, by its ``external_ids``."""
    types = pl.col("external_ids").list.eval(pl.element().struct.field("type") == "anonymous_id")
    return (pl.col("external_ids").list.len() > 0) & types.list.all()
