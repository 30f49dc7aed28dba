"""Copies of an event, and the order of events that nothing else puts in order."""

from __future__ import annotations

from typing import Final

import polars as pl

from audiences.events.rows import CONTENT

_SEPARATOR: Final = "\0"


def content() -> pl.Expr:
    """The bytes of a row, so that the same rows in other files, or in another order, give the same result."""
    parts = [pl.col(name).cast(pl.String).fill_null("") for name in CONTENT]
    return pl.concat_str(parts, separator=_SEPARATOR)


def without_copies(rows: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """One row for each message id, and how many copies were dropped.

    The copy that counts is the first by ``received_at`` (missing last), then ``timestamp``, then the bytes
    of the row; of the same rows the first. Rows without a message id are never copies.
    """
    message_ids = rows.get_column("message_id")
    copied = message_ids.is_duplicated() & message_ids.is_not_null()
    if not copied.any():
        return rows, 0
    copies = rows.filter(copied)
    kept = (
        copies.with_columns(content=content())
        .sort("message_id", "received_at", "timestamp", "content", nulls_last=True, maintain_order=True)
        .unique("message_id", keep="first", maintain_order=True)
        .drop("content")
    )
    return pl.concat([rows.filter(~copied), kept]), copies.height - kept.height
