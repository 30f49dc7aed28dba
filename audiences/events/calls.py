"""Identify and group calls: the latest traits of profiles and accounts, and who belongs to which account."""

from __future__ import annotations

import orjson
import polars as pl

from audiences.events.value_texts import json_text


def latest_traits(calls: pl.DataFrame, key: str) -> pl.DataFrame:
    """The traits that calls add up to, as ``key`` and ``traits`` (JSON text), sorted by key.

    Per top-level trait the latest value wins, by timestamp, then message id (calls without one are later),
    then the bytes of the row. A null says nothing: it is the same as a missing value.
    """
    ordered = calls.drop_nulls(key).sort(key, "timestamp", "message_id", "content", nulls_last=True)
    merged: dict[str, dict[str, object]] = {}
    for name, text in ordered.select(key, "traits").iter_rows():
        said = (orjson.loads(text) if text else None) or {}
        known = merged.setdefault(name, {})
        known.update({trait: value for trait, value in said.items() if value is not None})
    return pl.DataFrame(
        {key: list(merged), "traits": [json_text(traits) for traits in merged.values()]},
        schema={key: pl.String, "traits": pl.String},
    )


def memberships(calls: pl.DataFrame) -> pl.DataFrame:
    """Group calls with their ``profile`` to the accounts of each: ``profile``, ``account_ids`` (sorted)."""
    return (
        calls.drop_nulls(["profile", "group_id"])
        .group_by("profile")
        .agg(account_ids=pl.col("group_id").unique().sort())
        .sort("profile")
    )
