"""The rows of a CSV download, as frames of text. Pure; ``export`` reads, batches and writes.

A batch is a frame ``id``, ``value`` (JSON text, only for traits) and further trait columns (JSON text). Its
profiles' identifiers come beside it, one row each (see ``delivery.identifiers.identifiers_of``). Columns of
the results are numbered; their headings are given separately, because two may be alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from audiences.events.values import json_of_value, value_expression, value_of_json

FORMULA_STARTS: Final = r"^[=+\-@\t\r]"
"""How a cell begins that a spreadsheet would run as a formula."""

KEY: Final = "key"
VALUE: Final = "value"
EXTERNAL_IDS: Final = "external_ids"


def guarded(text: pl.Expr, *, raw: bool) -> pl.Expr:
    """Text that a spreadsheet shows instead of running it: a leading ``'`` where it would be a formula."""
    if raw:
        return text
    return pl.when(text.str.contains(FORMULA_STARTS)).then("'" + text).otherwise(text)


def cell(json: pl.Expr, *, raw: bool) -> pl.Expr:
    """A JSON value as a cell: text without its quotes (guarded), anything else as it is written; null is
    empty.
    """
    text = value_of_json(json).struct.field("text")
    return pl.when(json.str.starts_with('"')).then(guarded(text, raw=raw)).otherwise(text)


def leading(batch: pl.DataFrame, identifiers: pl.DataFrame, values: Sequence[str], *, raw: bool) -> pl.DataFrame:
    """The columns that every layout begins with: ``id`` as it is, then ``0`` key, the value, external_ids and
    traits.

    ``values`` are the columns of JSON text: the computation's own first, if it is a trait, then the others.
    """
    own = [VALUE] if VALUE in values else []
    others = [name for name in values if name != VALUE]
    rows = batch.join(external_ids(identifiers), on="id", how="left", maintain_order="left")
    columns = [
        guarded(pl.col("id"), raw=raw),
        *(cell(pl.col(name), raw=raw) for name in own),
        pl.col(EXTERNAL_IDS).fill_null("{}"),
        *(cell(pl.col(name), raw=raw) for name in others),
    ]
    return rows.select("id", *(column.alias(str(number)) for number, column in enumerate(columns)))


def external_ids(identifiers: pl.DataFrame) -> pl.DataFrame:
    """``id`` and ``external_ids``: a JSON object of lists, types in alphabetical order, values in order of
    adding.
    """
    quoted = [json_of_value(value_expression("string", pl.col(name))).alias(name) for name in ("type", "value")]
    lists = (
        identifiers.sort("id", "type", "place")
        .select("id", *quoted)
        .group_by("id", "type", maintain_order=True)
        .agg(pl.col("value").str.join(","))
    )
    return lists.group_by("id", maintain_order=True).agg(
        ("{" + (pl.col("type") + ":[" + pl.col("value") + "]").str.join(",") + "}").alias(EXTERNAL_IDS)
    )


def column_headings(widths: Mapping[str, int]) -> list[str]:
    """Headings of the ``columns`` layout: a type's name, then ``name_1``, ``name_2`` for further values."""
    return [name if place == 0 else f"{name}_{place}" for name, width in widths.items() for place in range(width)]


def as_columns(start: pl.DataFrame, identifiers: pl.DataFrame, widths: Mapping[str, int]) -> pl.DataFrame:
    """One row per profile, one column per identifier type and place. ``start`` is from ``leading``."""
    result = start
    for name, width in widths.items():
        of_type = identifiers.filter(pl.col("type") == name).select("id", "place", "value")
        for place in range(width):
            one = of_type.filter(pl.col("place") == place).select("id", pl.col("value").alias(str(result.width - 1)))
            result = result.join(one, on="id", how="left", maintain_order="left")
    return result.drop("id")


def as_rows(start: pl.DataFrame, identifiers: pl.DataFrame, types: Sequence[str]) -> pl.DataFrame:
    """One row per profile with the first identifier of each type, and one more for each further identifier.

    The further rows repeat the first columns and have one identifier each, by type in the order of ``types``.
    """
    further = identifiers.filter(pl.col("place") > 0).select(
        "id", "type", "place", "value", order=_order_of(pl.col("type"), types)
    )
    rows = start.select("id", order=pl.lit(-1, pl.Int64), place=pl.lit(0, pl.Int64))
    rows = pl.concat([rows, further.select("id", "order", pl.col("place").cast(pl.Int64))])
    result = rows.join(start, on="id", how="left", maintain_order="left")
    for number, name in enumerate(types):
        of_type = identifiers.filter(pl.col("type") == name).select(
            "id",
            pl.col("place").cast(pl.Int64),
            pl.col("value").alias(str(start.width - 1 + number)),
            order=pl.when(pl.col("place") == 0).then(-1).otherwise(number).cast(pl.Int64),
        )
        result = result.join(of_type, on=["id", "order", "place"], how="left", maintain_order="left")
    return result.sort("id", "order", "place").drop("id", "order", "place")


def _order_of(type_: pl.Expr, types: Sequence[str]) -> pl.Expr:
    return type_.replace_strict(list(types), list(range(len(types))), default=len(types), return_dtype=pl.Int64)


def email_hashes(identifiers: pl.DataFrame) -> list[str]:
    """The SHA-256, upper-case hex, of each e-mail address, trimmed and in lower case; each once."""
    emails = (
        identifiers.filter(pl.col("type") == "email")
        .select(pl.col("value").str.strip_chars().str.to_lowercase())
        .to_series()
        .unique()
    )
    return [hashlib.sha256(email.encode()).hexdigest().upper() for email in emails.to_list() if email]
