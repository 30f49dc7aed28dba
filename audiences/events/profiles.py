"""The tables of profiles, accounts and suppressed identifiers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import polars as pl

from audiences.at_once import each_at_once
from audiences.errors import InputError
from audiences.events.account_ids import read_account_ids
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
from audiences.events.identifiers import HELD, read_external_ids
from audiences.events.ids import id_texts
from audiences.events.rejects import Reason, Rejects, Sample
from audiences.events.tables import BATCH_ROWS, TYPED_BATCH_ROWS, Table
from audiences.events.texts import is_text

PROFILES: Final = pl.Schema({"id": pl.String(), "traits": pl.String(), "account_ids": pl.List(pl.String)})
ACCOUNTS: Final = pl.Schema({"account_id": pl.String(), "traits": pl.String()})
SUPPRESSED: Final = pl.Schema({"type": pl.String(), "value": pl.String()})
NO_ROWS: Final = pl.Series([], dtype=pl.UInt32)


@dataclass(frozen=True, slots=True)
class ProfilesTable:
    """``profiles``, sorted by id: ``id``, ``traits`` (JSON text of an object), ``account_ids`` (null where the table
    has none).

    ``identifiers``: one row for each external id: ``type`` (Categorical), ``value``, ``created_at``; ``holders``
    (UInt32): the row of ``profiles`` that has it.
    """

    profiles: pl.DataFrame
    identifiers: pl.DataFrame
    holders: pl.Series

    def named_identifiers(self) -> pl.DataFrame:
        """``IDENTIFIERS``: those of all profiles, with the profile's id."""
        holder = self.profiles.get_column("id").gather(self.holders).alias("profile_id")
        return self.identifiers.select(holder, pl.col("type").cast(pl.String), "value", "created_at")


def read_profiles(tables: Sequence[Table], rejects: Rejects) -> ProfilesTable:
    """All profiles, sorted by id.

    A row without a profile id is rejected. A profile whose traits or external ids can't be read keeps its
    place without them, and is counted. Raises ``InputError`` for two different rows of one profile.
    """
    profiles, identifiers = [PROFILES.to_frame()], [HELD.to_frame()]
    holders = [pl.Series([], dtype=pl.UInt32)]
    kept = 0
    for table in tables:
        found = known_columns(table.schema.names(), PROFILE_COLUMNS, where=table.path)
        if found or table.rows:
            require(found, "profile_id", where=table.path, what="profiles")
        names = {name: known for known, name in found.items()}
        batches = table.batches(list(names), _batch_rows(table.schema, found))
        first = 0
        for part in each_at_once(partial(_read_batch, path=table.path), (batch.rename(names) for batch in batches)):
            part.count(rejects, table.path, first)
            profiles.append(part.profiles)
            identifiers.append(part.identifiers)
            holders.append(part.holders + kept)
            kept += part.profiles.height
            first += len(part.ids)
    sorted_profiles, places = _each_once(pl.concat(profiles), "profile", tables)
    rows = pl.concat(holders)
    return ProfilesTable(sorted_profiles, pl.concat(identifiers), rows if places is None else places.gather(rows))


@dataclass(frozen=True, slots=True)
class _Batch:
    """Some rows of the table: ``ids`` of all; ``profiles`` and what is known of them as ``ProfilesTable`` has it, in
    the order of the rows; and the rows in which something is wrong, by reason.
    """

    ids: pl.Series
    profiles: pl.DataFrame
    identifiers: pl.DataFrame
    holders: pl.Series
    wrong: Mapping[Reason, Sequence[int]]
    wrong_identifiers: Sequence[int]

    def count(self, rejects: Rejects, path: str, first: int) -> None:
        """Counts what is wrong; ``first`` is the number of the first row."""
        for reason, rows in self.wrong.items():
            _count(rejects, reason, path, first, rows)
        _count(rejects, Reason.ID_NOT_STRING, path, first, self.wrong_identifiers, self.ids)


def _read_batch(raw: pl.DataFrame, path: str) -> _Batch:
    ids, wrong = _ids(raw, "profile_id")
    traits, wrong_traits = _traits(raw)
    there = ids.is_not_null()
    rows, identifiers, wrong_identifiers = NO_ROWS, HELD.to_frame(), list[int]()
    if "external_ids" in raw.columns:
        rows, identifiers, wrong_identifiers = read_external_ids(raw.get_column("external_ids"), path)
    held = there.gather(rows)
    return _Batch(
        ids,
        pl.DataFrame({"id": ids, "traits": traits, "account_ids": _account_ids(raw)}).filter(there),
        identifiers.filter(held),
        (there.cast(pl.UInt32).cum_sum() - 1).gather(rows.filter(held)),
        wrong | wrong_traits,
        wrong_identifiers,
    )


def _batch_rows(schema: pl.Schema, found: Mapping[str, str]) -> int:
    """Objects of parsed JSON need more room than columns do."""
    is_parsed = any(is_text(schema[column]) for name, column in found.items() if name != "profile_id")
    return BATCH_ROWS if is_parsed else TYPED_BATCH_ROWS


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
            ids, wrong = _ids(raw, "account_id")
            traits, wrong_traits = _traits(raw)
            for reason, rows in (wrong | wrong_traits).items():
                _count(rejects, reason, table.path, first, rows)
            frame = pl.DataFrame({"account_id": ids, "traits": traits})
            accounts.append(frame.drop_nulls("account_id"))
            first += raw.height
    return _each_once(pl.concat(accounts), "account", tables)[0]


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


def _ids(raw: pl.DataFrame, name: str) -> tuple[pl.Series, dict[Reason, list[int]]]:
    ids, wrong = id_texts(raw.get_column(name))
    missing = ids.is_null() & ~wrong
    return ids, {Reason.ID_NOT_STRING: wrong.arg_true().to_list(), Reason.NO_ID: missing.arg_true().to_list()}


def _traits(raw: pl.DataFrame) -> tuple[pl.Series, dict[Reason, list[int]]]:
    if "traits" not in raw.columns:
        return pl.Series(["{}"]).new_from_index(0, raw.height), {}
    traits = document(raw.get_column("traits"))
    wrong = traits.is_wrong()
    frame = pl.DataFrame({"text": traits.texts(), "wrong": wrong})
    text = pl.col("text").str.strip_chars()
    empty = pl.col("wrong") | text.is_null() | (text == "null")
    found = frame.select(pl.when(empty).then(pl.lit("{}")).otherwise("text")).to_series()
    return found, {Reason.TRAITS_NOT_OBJECT: wrong.arg_true().to_list()}


def _account_ids(raw: pl.DataFrame) -> pl.Series:
    if "account_ids" not in raw.columns:
        return pl.Series([None], dtype=pl.List(pl.String)).new_from_index(0, raw.height)
    return read_account_ids(raw.get_column("account_ids"))


def _count(
    rejects: Rejects, reason: Reason, path: str, first: int, rows: Sequence[int], ids: pl.Series | None = None
) -> None:
    if not rows:
        return
    rejects.count(reason, len(rows))
    for row in rows[: rejects.wanted(reason)]:
        excerpt = "" if ids is None else str(ids[row])
        rejects.sample(Sample(reason.value, path, first + row, excerpt=excerpt))


def _each_once(frame: pl.DataFrame, what: str, tables: Sequence[Table]) -> tuple[pl.DataFrame, pl.Series | None]:
    """The rows sorted by their first column, the id, each once; and where each row of ``frame`` is then (UInt32), None:
    where it was.
    """
    ids = frame.to_series()
    order = None if ids.is_sorted() else ids.arg_sort()
    if order is not None:
        frame = frame.select(pl.all().gather(order))
        ids = frame.to_series()
    new = ids.ne_missing(ids.shift(1))
    if new.all():
        return frame, None if order is None else inverse(order)
    repeated = frame.filter(~new | ~new.shift(-1, fill_value=True)).unique().to_series()
    if repeated.is_duplicated().any():
        raise InputError(
            f"the {what} '{repeated.filter(repeated.is_duplicated()).sort()[0]}' has several rows that differ",
            where=tables[0].path if len(tables) == 1 else f"{tables[0].path} and {len(tables) - 1} more",
            hint=f"there must be one row for each {what}",
        )
    places = new.cast(pl.UInt32).cum_sum() - 1
    return frame.filter(new), places if order is None else places.gather(inverse(order))


def inverse(order: pl.Series) -> pl.Series:
    """Where each row went (UInt32), if ``order`` says which row is at each place."""
    places = pl.int_range(len(order), dtype=pl.UInt32, eager=True)
    return pl.zeros(len(order), dtype=pl.UInt32, eager=True).scatter(order, places)
