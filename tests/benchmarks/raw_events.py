"""Made-up events as a table like an export's: text ids, and properties as a struct or as JSON text."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]

from benchmarks.behaviour import NAMES, Chunk, Integers
from benchmarks.people import user_ids

CATEGORIES: Final = (
    "garden", "kitchen", "toys", "books", "lamps", "candles", "bags", "cards", "clocks", "mugs",
    "paper", "ribbon", "signs", "tins", "wool", "baskets", "frames", "hooks", "jars", "rugs",
)  # fmt: skip
DEVICES: Final = ("web", "ios", "android", "tv")
SOURCES: Final = ("src_server", "src_web", "src_ios", "src_android")
MIXING: Final = 0x9E3779B97F4A7C15
"""An odd number: times it, modulo 2**64, no two message numbers become the same."""
TEXTUAL_PRICES: Final = 500
"""In JSON, every so many-th price is text that is a number, and as many are text that is none."""


def raw_events(made: Chunk, *, as_json: bool) -> pl.DataFrame:
    """``message_id``, ``type``, ``event``, ``user_id``, ``timestamp``, ``received_at`` (microseconds, UTC without a
    zone), ``source_id``, ``properties``: a struct, or JSON text without the properties that an event doesn't have.
    """
    properties = _properties(made)
    return pl.DataFrame(
        {
            "message_id": _message_ids(made.message),
            "event": made.name,
            "user_id": made.user,
            "timestamp": made.happened,
            "received_at": made.received,
            "source_id": made.source,
            "properties": _json_texts(properties, made.message) if as_json else properties.to_struct(),
        }
    ).select(
        "message_id",
        pl.lit("track").alias("type"),
        _named(NAMES, "event"),
        user_ids(pl.col("user_id")),
        pl.col("timestamp", "received_at").cast(pl.Datetime("us")),
        _named(SOURCES, "source_id"),
        "properties",
    )


def _message_ids(numbers: Integers) -> pl.Series:
    """16 hexadecimal digits for each number, without order, none twice."""
    mixed = numbers.astype(np.uint64) * np.uint64(MIXING)
    digits = mixed.astype(">u8").tobytes().hex().encode()
    offsets = np.arange(len(numbers) + 1, dtype=np.int32) * 16
    texts = pa.StringArray.from_buffers(len(numbers), pa.py_buffer(offsets), pa.py_buffer(digits))
    return pl.Series("message_id", texts)


def _named(names: tuple[str, ...], column: str) -> pl.Expr:
    return pl.lit(pl.Series(names)).gather(pl.col(column)).alias(column)


def _properties(made: Chunk) -> pl.DataFrame:
    """The properties; -1 becomes null. NumPy divides, because Polars rounds twice when dividing by one number."""
    numbers = pl.DataFrame(
        {
            "price": made.price / 100,
            "quantity": made.quantity,
            "product": made.product,
            "category": made.category,
            "cart_id": made.cart,
            "revenue": made.revenue / 100,
            "coupon": made.coupon,
            "page": made.page,
            "duration": made.duration / 1000,
            "device": made.device,
        }
    ).select(pl.when(pl.all() >= 0).then(pl.all()))
    return numbers.select(
        "price",
        "quantity",
        product=pl.format("sku_{}", pl.col("product").cast(pl.String).str.zfill(5)),
        category=_named(CATEGORIES, "category"),
        cart_id=pl.format("cart_{}", "cart_id"),
        revenue="revenue",
        coupon=pl.format("SAVE{}", "coupon"),
        page=pl.format("/content/{}", "page"),
        duration="duration",
        device=_named(DEVICES, "device"),
        # Nothing uses these two: exports hold more than definitions need.
        url=pl.format("https://shop.example.com/content/{}?utm_source=newsletter", "page"),
        title=pl.format("The title of page {} of the shop", "page"),
    )


def _json_texts(properties: pl.DataFrame, messages: Integers) -> pl.Series:
    number = pl.Series(messages) % TEXTUAL_PRICES
    price = pl.col("price").cast(pl.String)
    written = properties.with_columns(
        price=pl.when(number == 1).then(pl.format('"{}"', price)).when((number == 2) & price.is_not_null())
        .then(pl.lit('"on request"')).otherwise(price)
    )  # fmt: skip
    members = [
        pl.when(pl.col(name).is_not_null()).then(
            pl.format(f',"{name}":"{{}}"' if dtype == pl.String else f',"{name}":{{}}', name)
        )
        for name, dtype in properties.schema.items()
    ]
    inside = pl.concat_str(members, ignore_nulls=True).str.slice(1)
    return written.select(pl.concat_str(pl.lit("{"), inside, pl.lit("}"))).to_series()
