"""Rows of several buckets of a store as those of one: their columns of integers under one form each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from audiences.events.buckets import Coded, Form, Scaled
from audiences.events.encoding import coded, decoded
from audiences.events.scaling import LARGEST
from audiences.events.store.base import Dictionary, StoredForm
from audiences.events.typed_encoding import encoded_column


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows with columns of integers, as short as they are stored, and how to read these; lists have no form."""

    rows: pl.DataFrame
    forms: Mapping[str, StoredForm]


@dataclass(frozen=True, slots=True)
class Merged:
    """Rows with columns as ``Bucket`` has them."""

    rows: pl.DataFrame
    forms: Mapping[str, Form]


def merged(pieces: Sequence[Piece], columns: Sequence[str]) -> Merged:
    """The rows of some pieces under one another; ``columns`` are those of values. There is at least one piece."""
    forms = {name: [piece.forms.get(name) for piece in pieces] for name in columns}
    found = {name: _column([piece.rows.get_column(name) for piece in pieces], forms[name]) for name in columns}
    others = pl.concat([piece.rows.drop(columns) for piece in pieces], rechunk=False)
    rows = others.with_columns(column for column, _ in found.values())
    return Merged(rows, {name: form for name, (_, form) in found.items() if form is not None})


def _column(parts: Sequence[pl.Series], forms: Sequence[StoredForm | None]) -> tuple[pl.Series, Form | None]:
    if len(parts) == 1:
        return _alone(parts[0], forms[0])
    told = [form for part, form in zip(parts, forms, strict=True) if part.null_count() < len(part)]
    if all(form is None for form in forms):
        return pl.concat(parts, rechunk=False), None
    if all(isinstance(form, Scaled) for form in told):
        places = [form.places if isinstance(form, Scaled) else 0 for form in forms]
        scaled = _scaled(parts, places)
        if scaled is not None:
            return scaled
    if told and all(isinstance(form, Dictionary) for form in told):
        return _coded(parts, forms)
    values = [decoded(*_alone(part, form)) for part, form in zip(parts, forms, strict=True)]
    return encoded_column(pl.concat(values, rechunk=False))


def _alone(part: pl.Series, form: StoredForm | None) -> tuple[pl.Series, Form | None]:
    match form:
        case None:
            return part, None
        case Scaled():
            return part.cast(pl.Int64), form
        case Dictionary():
            return part.cast(pl.UInt32), form.whole()


def _scaled(parts: Sequence[pl.Series], places: Sequence[int]) -> tuple[pl.Series, Scaled] | None:
    """All with as many places as those that have most; nothing where numbers would become too long."""
    most = max(places)
    found = []
    for part, own in zip(parts, places, strict=True):
        numbers = part.cast(pl.Int64)
        if own < most and numbers.null_count() < len(numbers):
            lowest, highest = int(numbers.min()), int(numbers.max())  # type: ignore[arg-type]
            if max(-lowest, highest) * 10 ** (most - own) >= LARGEST:
                return None
            numbers = numbers * 10 ** (most - own)
        found.append(numbers)
    return pl.concat(found, rechunk=False), Scaled(most)


def _coded(parts: Sequence[pl.Series], forms: Sequence[StoredForm | None]) -> tuple[pl.Series, Coded]:
    """The codes of one dictionary, of the values that there are. A part without a dictionary has none."""
    used: list[pl.Series] = []
    values: list[pl.DataFrame] = []
    for part, form in zip(parts, forms, strict=True):
        codes = part.drop_nulls().unique().sort() if isinstance(form, Dictionary) else part.clear()
        used.append(codes)
        if isinstance(form, Dictionary):
            values.append(form.gather(codes.cast(pl.UInt32)))
    name = parts[0].name
    numbers, dictionary = coded(pl.concat(values, rechunk=False), name)
    found, first = [], 0
    for part, codes in zip(parts, used, strict=True):
        if not len(codes):
            found.append(pl.Series(name, [None], dtype=pl.UInt32).new_from_index(0, len(part)))
            continue
        places = codes.search_sorted(part.fill_null(codes[0])).cast(pl.UInt32).alias("place")
        shown = pl.DataFrame([places, part.is_not_null().alias("there")]).select(pl.when("there").then("place"))
        found.append(numbers.slice(first, len(codes)).gather(shown.to_series()).alias(name))
        first += len(codes)
    return pl.concat(found, rechunk=False), dictionary
