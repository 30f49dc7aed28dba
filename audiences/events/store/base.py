"""A bucket of the store: rows sorted by event, home and place, with coded values, in tables that are read apart.

- ``bucket-N``, which is looked into in place: ``event`` (UInt16, the number among the sorted names), ``home`` (UInt32,
  the number among the sorted homes of the bucket that have rows), ``timestamp``, ``place`` (UInt32: the order of home,
  timestamp, message id, content), ``identity`` (UInt32, the row of the identity in its bucket), ``source_id``, and a
  column for each path: its values, scaled or coded, as integers that are as short as they can be, or lists of values as
  they are.
- ``bucket-N-texts``: ``TEXTS`` of each row, compressed: they are rarely looked at.
- ``bucket-N-forms``: how each column of values is to be read; ``bucket-N-values``: the values of all coded columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from audiences.events.buckets import Coded, Form, Scaled
from audiences.events.instants import INSTANT
from audiences.events.store.files import Files
from audiences.events.store.manifest import Bucket
from audiences.events.typed_encoding import encoded_column
from audiences.events.values import KIND, VALUE

IDENTITIES: Final = pl.Schema(
    {"identity": pl.String(), "home": pl.String(), "first_seen": INSTANT, "events": pl.UInt32()}
)
"""``home`` is null where it is the identity itself; ``events`` is how many rows there are, whenever they happened."""

_BITS: Final = 62  # of Int64, without the sign
_ROW_BITS: Final = 32
TEXTS: Final = ("message_id", "user_id", "anonymous_id", "group_id", "content")
"""What is kept of rows but only read where it is asked for."""

SOURCE: Final = "source_id"
_FORMS: Final = pl.Schema({"column": pl.String(), "places": pl.Int8(), "first": pl.UInt32(), "values": pl.UInt32()})
_VALUES: Final = pl.Schema({"kind": KIND, "text": pl.String(), "number": pl.Float64()})


@dataclass(frozen=True, slots=True)
class Written:
    """What a bucket's tables hold; ``homes`` in the order of their numbers."""

    rows: int
    first: int | None  # microseconds since 1970
    last: int | None
    homes: pl.Series

    def bucket(self, identities: pl.DataFrame) -> Bucket:
        """The same as the manifest says it, of a bucket with these identities."""
        return Bucket(
            rows=self.rows, first=self.first, last=self.last, identities=identities.height, homes=len(self.homes)
        )


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
    keys = pl.DataFrame(
        {
            "event": event.gather(moved),
            "home": code.gather(moved),
            "timestamp": rows.pop("timestamp").gather(moved),
            "place": by_event,
            "identity": number.gather(moved),
        }
    )
    texts = pl.DataFrame([rows.pop(one).gather(moved).cast(pl.String) for one in TEXTS])
    files.write_apart(f"{name}-texts", texts)
    del texts
    rows.pop("place", None)
    columns, forms, values, first = [], [], [], 0
    for column in sorted(rows, key=lambda column: column != SOURCE):
        coded, form = encoded_column(rows.pop(column).gather(moved))
        columns.append(shortened(coded))
        forms.append(_form_row(column, form, first))
        if isinstance(form, Coded):
            values.append(form.values.struct.unnest().cast({"kind": KIND}))
            first += len(form.values)
    files.write(name, keys.hstack(columns))
    files.write(f"{name}-forms", pl.concat([_FORMS.to_frame(), *forms]))
    files.write(f"{name}-values", pl.concat([_VALUES.to_frame(), *values]))
    micros = keys.get_column("timestamp").to_physical()
    homes = homes_of(identities).get_column("home")
    return Written(keys.height, micros.min(), micros.max(), homes)  # type: ignore[arg-type]


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


def _form_row(name: str, form: Form | None, first: int) -> pl.DataFrame:
    """The row of ``_FORMS``; ``first`` is the number of the next value in the table of values. A list has none."""
    if form is None:
        return _FORMS.to_frame()
    is_scaled = isinstance(form, Scaled)
    row = {
        "column": name,
        "places": form.places if isinstance(form, Scaled) else None,
        "first": None if is_scaled else first,
        "values": len(form.values) if isinstance(form, Coded) else None,
    }
    return pl.DataFrame([row], schema=_FORMS)


_CODES: Final = (pl.UInt8(), pl.UInt16())
_NUMBERS: Final = (pl.Int8(), pl.Int16(), pl.Int32())


def shortened(column: pl.Series) -> pl.Series:
    """The same integers, of the shortest type; what isn't UInt32 or Int64 stays."""
    if column.dtype not in (pl.UInt32, pl.Int64):
        return column
    lowest, highest = int(column.min() or 0), int(column.max() or 0)  # type: ignore[arg-type]
    for dtype in _CODES if column.dtype == pl.UInt32 else _NUMBERS:
        if _LIMITS[dtype][0] <= lowest and highest <= _LIMITS[dtype][1]:
            return column.cast(dtype)
    return column


_LIMITS: Final = {
    dtype: (int(pl.select(dtype.min()).item()), int(pl.select(dtype.max()).item())) for dtype in (*_CODES, *_NUMBERS)
}


@dataclass(frozen=True, slots=True)
class Dictionary:
    """The values of a coded column, among those of other columns: ``size`` of them, from the ``first`` on."""

    table: pl.DataFrame
    first: int
    size: int

    def gather(self, codes: pl.Series) -> pl.DataFrame:
        """The values of some codes (UInt32): ``kind``, ``text``, ``number``."""
        return self.table.select(pl.all().gather(codes + self.first))

    def whole(self) -> Coded:
        """All values."""
        rows = self.table.slice(self.first, self.size)
        return Coded(rows.select(pl.struct("kind", "text", "number").cast(VALUE).alias("values")).to_series())


StoredForm = Scaled | Dictionary
"""How a column of values in a bucket is to be read; a column of lists has none."""


def bucket_forms(files: Files, name: str) -> dict[str, StoredForm]:
    """The forms of a bucket's columns, by name."""
    table = files.mapped(f"{name}-values")
    found: dict[str, StoredForm] = {}
    for column, places, first, size in files.mapped(f"{name}-forms").iter_rows():
        found[column] = Dictionary(table, first, size) if places is None else Scaled(places)
    return found
