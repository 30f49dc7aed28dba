"""The tables of profiles, accounts and suppressed identifiers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import orjson
import polars as pl

from audiences.errors import InputError
from audiences.events.columns import (
    ACCOUNT_ALIASES,
    ACCOUNT_COLUMNS,
    PROFILE_COLUMNS,
    SUPPRESSED_ALIASES,
    SUPPRESSED_COLUMNS,
    known_columns,
    require,
)
from audiences.events.documents import document
from audiences.events.identifiers import IDENTIFIERS, read_external_ids
from audiences.events.ids import id_texts
from audiences.events.rejects import Reason, Rejects, Sample
from audiences.events.tables import Table
from audiences.events.texts import is_text, texts

PROFILES: Final = pl.Schema({"id": pl.String(), "traits": pl.String(), "account_ids": pl.List(pl.String)})
ACCOUNTS: Final = pl.Schema({"account_id": pl.String(), "traits": pl.String()})
SUPPRESSED: Final = pl.Schema({"type": pl.String(), "value": pl.String()})


@dataclass(frozen=True, slots=True)
class ProfilesTable:
    """``profiles``: ``id``, ``traits`` (JSON text of an object), ``account_ids`` (null where the table has
    none).

    ``identifiers``: one row for each external id (``IDENTIFIERS``).
    """

    profiles: pl.DataFrame
    identifiers: pl.DataFrame


def read_profiles(tables: Sequence[Table], rejects: Rejects) -> ProfilesTable:
    """All profiles, sorted by id.

    A row without a profile id is rejected. A profile whose traits or external ids can't be read keeps its
    place without them, and is counted. Raises ``InputError`` for two different rows of one profile.
    """
    profiles, identifiers = [PROFILES.to_frame()], [IDENTIFIERS.to_frame()]
    for table in tables:
        found = known_columns(table.schema.names(), PROFILE_COLUMNS, where=table.path)
        if found or table.rows:
            require(found, "profile_id", where=table.path, what="profiles")
        first = 0
        for batch in table.batches(list(found.values())):
            raw = batch.rename({name: known for known, name in found.items()})
            ids = _ids(raw, "profile_id", rejects, table.path, first)
            frame = pl.DataFrame(
                {
                    "id": ids,
                    "traits": _traits(raw, rejects, table.path, first),
                    "account_ids": _account_ids(raw),
                }
            )
            profiles.append(frame.drop_nulls("id"))
            if "external_ids" in raw.columns:
                held, wrong = read_external_ids(raw.get_column("external_ids"), ids, table.path)
                identifiers.append(held.drop_nulls("profile_id"))
                _count(rejects, Reason.ID_NOT_STRING, table.path, first, wrong, ids)
            first += raw.height
    all_profiles = pl.concat(profiles).unique(maintain_order=True).sort("id")
    _once(all_profiles.get_column("id"), "profile", tables)
    return ProfilesTable(all_profiles, pl.concat(identifiers))


def read_accounts(tables: Sequence[Table], rejects: Rejects) -> pl.DataFrame:
    """All accounts as ``ACCOUNTS``, sorted by id. Raises ``InputError`` for two different rows of one
    account.
    """
    accounts = [ACCOUNTS.to_frame()]
    for table in tables:
        found = known_columns(table.schema.names(), ACCOUNT_COLUMNS, where=table.path, aliases=ACCOUNT_ALIASES)
        if found or table.rows:
            require(found, "account_id", where=table.path, what="accounts")
        first = 0
        for batch in table.batches(list(found.values())):
            raw = batch.rename({name: known for known, name in found.items()})
            ids = _ids(raw, "account_id", rejects, table.path, first)
            frame = pl.DataFrame({"account_id": ids, "traits": _traits(raw, rejects, table.path, first)})
            accounts.append(frame.drop_nulls("account_id"))
            first += raw.height
    all_accounts = pl.concat(accounts).unique(maintain_order=True).sort("account_id")
    _once(all_accounts.get_column("account_id"), "account", tables)
    return all_accounts


def read_suppressed(tables: Sequence[Table]) -> pl.DataFrame:
    """The suppressed identifiers as ``SUPPRESSED``, each once."""
    if not tables:
        return SUPPRESSED.to_frame()
    suppressed = [SUPPRESSED.to_frame()]
    for table in tables:
        found = known_columns(table.schema.names(), SUPPRESSED_COLUMNS, where=table.path, aliases=SUPPRESSED_ALIASES)
        if found or table.rows:
            require(found, "type", where=table.path, what="suppressed identifiers")
            require(found, "value", where=table.path, what="suppressed identifiers")
        for batch in table.batches(list(found.values())):
            raw = batch.rename({name: known for known, name in found.items()})
            suppressed.append(pl.DataFrame({name: id_texts(raw.get_column(name))[0] for name in SUPPRESSED}))
    return pl.concat(suppressed).drop_nulls().unique().sort("type", "value")


def _ids(raw: pl.DataFrame, name: str, rejects: Rejects, path: str, first: int) -> pl.Series:
    ids, wrong = id_texts(raw.get_column(name))
    missing = ids.is_null() & ~wrong
    _count(rejects, Reason.ID_NOT_STRING, path, first, wrong.arg_true().to_list())
    _count(rejects, Reason.NO_ID, path, first, missing.arg_true().to_list())
    return ids


def _traits(raw: pl.DataFrame, rejects: Rejects, path: str, first: int) -> pl.Series:
    if "traits" not in raw.columns:
        return pl.Series(["{}"]).new_from_index(0, raw.height)
    traits = document(raw.get_column("traits"))
    wrong = traits.is_wrong()
    _count(rejects, Reason.TRAITS_NOT_OBJECT, path, first, wrong.arg_true().to_list())
    frame = pl.DataFrame({"text": traits.texts(), "wrong": wrong})
    text = pl.col("text").str.strip_chars()
    empty = pl.col("wrong") | text.is_null() | (text == "null")
    return frame.select(pl.when(empty).then(pl.lit("{}")).otherwise("text")).to_series()


def _account_ids(raw: pl.DataFrame) -> pl.Series:
    """Sorted account ids; null where the table says nothing, which is not the same as an empty list."""
    if "account_ids" not in raw.columns:
        return pl.Series([None], dtype=pl.List(pl.String)).new_from_index(0, raw.height)
    column = raw.get_column("account_ids")
    if is_text(column.dtype):
        lists = [_json_list(text) for text in texts(column).to_list()]
    elif isinstance(column.dtype, pl.List | pl.Array):
        lists = [None if row is None else list(row) for row in column.to_list()]
    else:
        lists = [None] * len(column)
    cleaned = [None if one is None else sorted(filter(None, set(map(_id_text, one)))) for one in lists]
    return pl.Series(cleaned, dtype=pl.List(pl.String))


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


def _count(
    rejects: Rejects, reason: Reason, path: str, first: int, rows: Sequence[int], ids: pl.Series | None = None
) -> None:
    if not rows:
        return
    rejects.count(reason, len(rows))
    for row in rows[: rejects.wanted(reason)]:
        excerpt = "" if ids is None else str(ids[row])
        rejects.sample(Sample(reason.value, path, first + row, excerpt=excerpt))


def _once(ids: pl.Series, what: str, tables: Sequence[Table]) -> None:
    repeated = ids.filter(ids.is_duplicated())
    if not repeated.is_empty():
        raise InputError(
            f"the {what} '{repeated[0]}' has several rows that differ",
            where=tables[0].path if len(tables) == 1 else f"{tables[0].path} and {len(tables) - 1} more",
            hint=f"there must be one row for each {what}",
        )
