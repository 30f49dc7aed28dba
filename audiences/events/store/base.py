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
from audiences.events.instants import INSTANT
from audiences.events.store.files import Files
from audiences.events.typed_encoding import encoded_column
from audiences.events.values import KIND, VALUE

IDENTITIES: Final = pl.Schema(
    {"identity": pl.String(), "home": pl.String(), "first_seen": INSTANT, "events": pl.UInt32()}
)
"""``home`` is null where it is the identity itself; ``events`` is how many rows there are, whenever they happened."""

_BITS: Final = 62  # of Int64, without the sign
_ROW_BITS: Final = 32
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
    files: Files,
    name: str,
    rows: dict[str, pl.Series],
    identities: pl.DataFrame,
    events: Sequence[str],
    kept: pl.Series | None = None,
) -> Written:
    """Writes ``rows``; only those whose numbers (UInt32) are ``kept``, if given. Their columns are taken out of it, so
    that they aren't in memory twice.

    They have ``identity`` (UInt32, the row in ``identities``), ``event``, ``timestamp``, the ids, ``content``, and
    columns of values. ``identities`` (``IDENTITIES``, ``home`` filled) are sorted.
    """
    number = rows.pop("identity")
    home = identities.select("home").join(homes_of(identities), on="home", how="left", maintain_order="left")
    code = home.get_column("code").gather(number)
    event = rows.pop("event").cast(pl.Enum(events)).to_physical().cast(pl.UInt16)
    order = in_order(pl.DataFrame([code, *(rows[name] for name in ("timestamp", "message_id", "content"))]), kept)
    by_event = sorted_by(event.gather(order))
    moved = order.gather(by_event)
    frame = pl.DataFrame(
        {
            "event": event.gather(moved),
            "home": code.gather(moved),
            "timestamp": rows.pop("timestamp").gather(moved),
            "place": by_event,
            "identity": number.gather(moved),
            **{one: rows.pop(one).gather(moved).cast(pl.String) for one in _COLD},
        }
    )
    columns, forms = [], []
    rows.pop("place", None)
    for column in list(rows):
        coded, form = encoded_column(rows.pop(column).gather(moved))
        columns.append(coded)
        forms.append(_form_rows(column, form))
    files.write(name, frame.hstack(columns))
    files.write(f"{name}-values", pl.concat([_FORMS.to_frame(), *forms]))
    micros = frame.get_column("timestamp").to_physical()
    return Written(frame.height, micros.min(), micros.max())  # type: ignore[arg-type]


def homes_of(identities: pl.DataFrame) -> pl.DataFrame:
    """The homes that have rows, sorted: ``home``, ``code`` (UInt32). In: ``IDENTITIES``."""
    homes = identities.filter(pl.col("events") > 0).select(
        pl.coalesce("home", "identity").alias("home").unique().sort()
    )
    return homes.with_row_index("code").select("home", "code")


def in_order(keys: pl.DataFrame, kept: pl.Series | None = None) -> pl.Series:
    """The rows in the order of the four columns (nulls last), as their numbers (UInt32); only those that are ``kept``.

    The first two are numbers without nulls; the others are texts, which are only looked at where the numbers are the
    same.
    """
    numbers = keys.select(pl.nth(0, 1).to_physical().cast(pl.Int64).name.map(lambda name: f"key {name}"))
    if kept is not None:
        numbers = numbers.select(pl.all().gather(kept))
    order, tied = _by_two(*numbers.get_columns())
    rows = order if kept is None else kept.gather(order)
    if not tied.any():
        return rows
    ties = keys.select(pl.all().gather(rows.filter(tied))).with_columns(row=rows.filter(tied))
    sorted_ties = ties.sort(*ties.columns, nulls_last=True)
    return rows.scatter(tied.arg_true(), sorted_ties.get_column("row"))


def _by_two(first: pl.Series, second: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The order by two columns of Int64 (UInt32), and which in this order have the same two as another one."""
    if first.is_empty():
        return first.cast(pl.UInt32), pl.Series(dtype=pl.Boolean)
    lowest = int(second.min())  # type: ignore[arg-type]
    width = (int(second.max()) - lowest).bit_length()  # type: ignore[arg-type]
    fits = width + int(first.max()).bit_length() <= _BITS  # type: ignore[arg-type]
    if fits:  # one number is sorted much faster than two
        keys = [first * 2**width + (second - lowest)]
        order = keys[0].arg_sort().cast(pl.UInt32)
    else:
        keys = [first, second]
        frame = pl.DataFrame(keys)
        order = frame.select(pl.arg_sort_by(frame.columns)).to_series().cast(pl.UInt32)
    sorted_keys = pl.DataFrame([key.gather(order).alias(str(number)) for number, key in enumerate(keys)])
    same = pl.all_horizontal(pl.all() == pl.all().shift(1)).fill_null(False)
    return order, sorted_keys.select(same | same.shift(-1).fill_null(False)).to_series()


def sorted_by(numbers: pl.Series) -> pl.Series:
    """The rows in the order of a column of small numbers (UInt32), rows of the same number as they were."""
    rows = pl.int_range(len(numbers), dtype=pl.Int64, eager=True)
    keys = numbers.cast(pl.Int64).alias("key").to_frame().select((pl.col("key") * 2**_ROW_BITS + rows).sort())
    return keys.select((pl.col("key") % 2**_ROW_BITS).cast(pl.UInt32)).to_series()


# ── values ──────────────────────────────────────────────────────────────────────────────────────────────────


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
