"""External ids: reading them from a profiles table, and finding who owns what an event's ids say."""

from __future__ import annotations

from typing import Final

import orjson
import polars as pl

from audiences.events.columns import known_columns
from audiences.events.ids import id_texts
from audiences.events.instants import INSTANT, instants
from audiences.events.texts import is_text, texts
from audiences.events.value_texts import value_of
from audiences.events.values import explode_lists

IDENTIFIERS: Final = pl.Schema(
    {"profile_id": pl.String(), "type": pl.String(), "value": pl.String(), "created_at": INSTANT}
)
EXTERNAL_IDS: Final = pl.List(pl.Struct({"type": pl.String, "value": pl.String, "created_at": INSTANT}))

_FIELDS: Final = ("type", "value", "created_at")
_ALIASES: Final = {"id": "value"}


def read_external_ids(column: pl.Series, profile_ids: pl.Series, where: str) -> tuple[pl.DataFrame, list[int]]:
    """A column ``external_ids`` to ``IDENTIFIERS``, and the rows in which something is no identifier.

    The column is a list of structs ``{type, value, created_at?}``, or JSON text of such a list. A value is
    an id: text, an integer or a whole float. Type and value must both be there.
    """
    if is_text(column.dtype):
        rows, parts, wrong = _from_json(texts(column))
    elif isinstance(column.dtype, pl.List) and isinstance(column.dtype.inner, pl.Struct):
        rows, parts, wrong = _from_structs(column, where)
    elif column.dtype == pl.List(pl.Null):
        return IDENTIFIERS.to_frame(), []
    else:
        return IDENTIFIERS.to_frame(), column.is_not_null().arg_true().to_list()
    complete = parts.get_column("type").is_not_null() & parts.get_column("value").is_not_null()
    wrong += rows.filter(~complete).to_list()
    frame = parts.with_columns(profile_id=profile_ids.gather(rows)).filter(complete)
    return frame.select(list(IDENTIFIERS)), sorted(set(wrong))


def _from_structs(column: pl.Series, where: str) -> tuple[pl.Series, pl.DataFrame, list[int]]:
    rows, elements = explode_lists(column)
    fields = elements.struct.unnest()
    found = known_columns(fields.columns, _FIELDS, where=f"{where}, external_ids", aliases=_ALIASES)
    missing = pl.Series([None], dtype=pl.String).new_from_index(0, fields.height)
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
            "type": id_texts(given["type"])[0],
            "value": id_texts(given["value"])[0],
            "created_at": instants(given["created_at"]),
        }
    )


def external_ids(identifiers: pl.DataFrame) -> pl.DataFrame:
    """``IDENTIFIERS`` to one row a profile: ``id``, ``external_ids``, each identifier once, with its
    earliest time.

    Identifiers are sorted by time (missing last), then type and value.
    """
    struct = pl.struct("type", "value", "created_at").alias("external_ids")
    return (
        identifiers.group_by("profile_id", "type", "value")
        .agg(pl.col("created_at").min())
        .sort("profile_id", "created_at", "type", "value", nulls_last=True)
        .group_by("profile_id", maintain_order=True)
        .agg(struct)
        .rename({"profile_id": "id"})
        .cast({"external_ids": EXTERNAL_IDS})
    )


def is_anonymous() -> pl.Expr:
    """Whether a profile has an anonymous_id and no other identifier, by its ``external_ids``."""
    types = pl.col("external_ids").list.eval(pl.element().struct.field("type") == "anonymous_id")
    return (pl.col("external_ids").list.len() > 0) & types.list.all()


def owners(identities: pl.DataFrame, identifiers: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Who owns the rows of each identity: ``identity``, ``profile``; and how many identities several
    profiles hold.

    ``profile_id:p`` belongs to p. Another identity (``user_id:17``) belongs to the profile that holds it,
    the lowest profile id if there are several, else to the implicit profile of that name.
    """
    holders = (
        identifiers.filter(pl.col("type").is_in(["user_id", "anonymous_id"]))
        .group_by(identity=pl.format("{}:{}", "type", "value"))
        .agg(holder=pl.col("profile_id").min(), holders=pl.col("profile_id").n_unique())
    )
    identity = pl.col("identity")
    frame = identities.select("identity").join(holders, on="identity", how="left", maintain_order="left")
    given = pl.when(identity.str.starts_with("profile_id:")).then(identity.str.strip_prefix("profile_id:"))
    result = frame.select("identity", profile=pl.coalesce(given, "holder", "identity"))
    return result, int((frame.get_column("holders") > 1).sum())
