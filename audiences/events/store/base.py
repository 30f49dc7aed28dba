"""A bucket of the store: rows sorted by event, home and place, with coded values, in a file and a dictionary beside it.

The file: ``event`` (UInt16, the number among the sorted names), ``home`` (UInt32, the number among the sorted homes of
the bucket that have rows), ``timestamp``, ``place`` (UInt32: the order of home, timestamp, message id, content),
``identity`` (UInt32, the row of the identity in its bucket), the ids, and a column for each path: its values, scaled
or coded, or lists of values as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from audiences.events.buckets import Coded, Form, Scaled
from audiences.events.encoding import encoded
from audiences.events.instants import INSTANT
from audiences.events.store.files import Files
from audiences.events.values import KIND, VALUE, values_from_column

IDENTITIES: Final = pl.Schema(
    {"identity": pl.String(), "home": pl.String(), "first_seen": INSTANT, "events": pl.UInt32()}
)
"""``home`` is null where it is the identity itself; ``events`` is how many rows there are, whenever they happened."""

_COLD: Final = ("message_id", "user_id", "anonymous_id", "group_id", "source_id", "content")
_FORMS: Final = pl.Schema(
    {"column": pl.String(), "places": pl.Int8(), "kind": pl.String(), "text": pl.String(), "number": pl.Float64()}
)


@dataclass(frozen=True, slots=True)
class Written:
    """What a bucket's file holds."""

    rows: int
    first: int | None  # microseconds since 1970
    last: int | None


def write_bucket(
    files: Files, name: str, rows: pl.DataFrame, identities: pl.DataFrame, events: Sequence[str]
) -> Written:
    """Writes ``rows`` (``identity``, ``event``, ``timestamp``, the ids, ``content``, columns of values) of the sorted
    ``identities`` (``IDENTITIES``, ``home`` filled).
    """
    homes = homes_of(identities)
    who = identities.select("identity", "home").with_row_index("number")
    who = who.join(homes, on="home", how="left", maintain_order="left")
    keys = rows.select("identity", "event", "timestamp", "message_id", "content").join(
        who.select("identity", "number", "code"), on="identity", how="left", maintain_order="left"
    )
    numbers = pl.DataFrame({"event": list(events), "number": range(len(events))}, schema=_EVENTS)
    event = keys.select(pl.col("event").replace_strict(numbers["event"], numbers["number"], return_dtype=pl.UInt16))
    order = in_order(keys.select("code", "timestamp", "message_id", "content"))
    by_event = sorted_by(event.to_series().gather(order))
    moved = order.gather(by_event)
    frame = pl.DataFrame(
        {
            "event": event.to_series().gather(moved),
            "home": keys.get_column("code").gather(moved),
            "timestamp": rows.get_column("timestamp").gather(moved),
            "place": by_event.cast(pl.UInt32),
            "identity": keys.get_column("number").cast(pl.UInt32).gather(moved),
            **{one: rows.get_column(one).gather(moved) for one in _COLD},
        }
    )
    columns, forms = [], []
    for column in rows.select(pl.exclude("place", "identity", "event", "timestamp", *_COLD)).get_columns():
        coded, form = encode(column.gather(moved))
        columns.append(coded)
        forms.append(_form_rows(column.name, form))
    files.write(name, frame.hstack(columns))
    files.write(f"{name}-values", pl.concat([_FORMS.to_frame(), *forms]))
    micros = rows.get_column("timestamp").to_physical()
    return Written(rows.height, micros.min(), micros.max())  # type: ignore[arg-type]


_EVENTS: Final = pl.Schema({"event": pl.String(), "number": pl.UInt16()})


def homes_of(identities: pl.DataFrame) -> pl.DataFrame:
    """The homes that have rows, sorted: ``home``, ``code`` (UInt32). In: ``IDENTITIES``."""
    homes = identities.filter(pl.col("events") > 0).select(
        pl.coalesce("home", "identity").alias("home").unique().sort()
    )
    return homes.with_row_index("code").select("home", "code")


def in_order(keys: pl.DataFrame) -> pl.Series:
    """The rows in the order of the four columns (nulls last), as their numbers (UInt32).

    The first two are numbers; the others are texts, which are only looked at where the numbers are the same.
    """
    first, second, *texts = keys.columns
    numbers = keys.select(first, second).with_row_index("row").sort(first, second, maintain_order=True)
    same = pl.all_horizontal(pl.col(name) == pl.col(name).shift(1) for name in (first, second)).fill_null(False)
    tied = numbers.select(same | same.shift(-1).fill_null(False)).to_series()
    order = numbers.get_column("row")
    if not tied.any():
        return order
    rows = order.filter(tied)
    ties = keys.select(pl.all().gather(rows)).with_columns(row=rows)
    sorted_ties = ties.sort(first, second, *texts, nulls_last=True, maintain_order=True)
    return order.scatter(tied.arg_true(), sorted_ties.get_column("row"))


def sorted_by(numbers: pl.Series) -> pl.Series:
    """The rows in the order of a column, rows of the same number as they were."""
    frame = numbers.alias("number").to_frame().with_row_index("row")
    return frame.sort("number", maintain_order=True).get_column("row")


# ── values ──────────────────────────────────────────────────────────────────────────────────────────────────


def encode(column: pl.Series) -> tuple[pl.Series, Form | None]:
    """A column of values, or from which values are made, coded. Lists of values stay as they are."""
    if isinstance(column.dtype, pl.List):
        return column, None
    if column.dtype == VALUE:
        return encoded(column)
    different = column.drop_nulls().unique().sort()
    values, form = encoded(values_from_column(different).alias(column.name))
    numbers = different.alias("value").to_frame().with_row_index("number")
    rows = column.alias("value").to_frame().join(numbers, on="value", how="left", maintain_order="left")
    return values.gather(rows.get_column("number")).alias(column.name), form


def _form_rows(name: str, form: Form | None) -> pl.DataFrame:
    if isinstance(form, Scaled):
        return pl.DataFrame({"column": [name], "places": [form.places]}, schema_overrides=_FORMS).select(
            "column",
            pl.col("places").cast(pl.Int8),
            kind=pl.lit(None, pl.String),
            text=pl.lit(None, pl.String),
            number=pl.lit(None, pl.Float64),
        )
    if isinstance(form, Coded):
        fields = form.values.struct.unnest()
        return fields.select(
            pl.lit(name).alias("column"),
            pl.lit(None, pl.Int8).alias("places"),
            pl.col("kind").cast(pl.String),
            "text",
            "number",
        )
    return _FORMS.to_frame()


def read_forms(files: Files, name: str, columns: Sequence[str]) -> dict[str, Form]:
    """The forms of some columns of a bucket, which aren't lists."""
    rows = files.scan(f"{name}-values").filter(pl.col("column").is_in(list(columns))).collect()
    found: dict[str, Form] = {name: Coded(pl.Series([], dtype=VALUE)) for name in columns}
    for key, part in rows.group_by("column", maintain_order=True):
        places = part.get_column("places")[0]
        if places is not None:
            found[str(key[0])] = Scaled(int(places))
        else:
            values = part.select(pl.struct(pl.col("kind").cast(KIND), "text", "number")).to_series()
            found[str(key[0])] = Coded(values.cast(VALUE))
    return found
