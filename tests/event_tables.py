"""Small events for the tests of ``audiences.events``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import polars as pl
from polars.testing import assert_frame_equal

from audiences.events import Bucket, EventNeeds, InputFrames, Limits, PreparedInputs, Source, open_inputs
from audiences.events.encoding import decoded_columns
from audiences.language.tree import Path

AS_OF = datetime(2024, 6, 15, 12, tzinfo=UTC)
Row = Mapping[str, Any]


def event(message_id: str | None = "m1", **columns: object) -> dict[str, Any]:
    """A track call of user u1 two weeks before as-of, with any column changed or added."""
    row = {
        "message_id": message_id,
        "type": "track",
        "event": "Bought",
        "user_id": "u1",
        "anonymous_id": None,
        "timestamp": datetime(2024, 6, 1, tzinfo=UTC),
        "properties": None,
    }
    return row | columns


def table(rows: Iterable[Row], **types: Any) -> pl.DataFrame:
    """Rows as a frame; columns that are missing in a row are null."""
    return pl.DataFrame(list(rows), schema_overrides=types, infer_schema_length=None)


def needs(
    *properties: str | Path,
    events: Iterable[str] = ("Bought",),
    contexts: Iterable[Path] = (),
    traits: Iterable[Path] = (),
) -> EventNeeds:
    """The needs of a run; a property may be its plain name."""
    paths = [(path,) if isinstance(path, str) else path for path in properties]
    return EventNeeds(frozenset(events), frozenset(paths), frozenset(contexts), frozenset(traits))


def prepared(
    events: Source | None = None,
    wanted: EventNeeds | None = None,
    *,
    profiles: Source | None = None,
    accounts: Source | None = None,
    suppressed: Source | None = None,
    as_of: datetime = AS_OF,
    limits: Limits | None = None,
) -> PreparedInputs:
    """Prepared inputs of frames or paths."""
    frames = InputFrames(events, profiles, accounts, suppressed)
    return open_inputs(frames).prepare(wanted or needs(), as_of=as_of, limits=limits)


def everything(inputs: PreparedInputs) -> Bucket:
    """All buckets in one, with the columns that are there to be shown, and every column of values as VALUE.

    ``profile`` is the owner's id, ``event`` is text. All is as if one bucket had everybody: profiles sorted by id, rows
    by event, profile and place, and places numbered in the order of profiles.
    """
    buckets = [shown(bucket, inputs) for bucket in inputs.buckets()]
    events = pl.concat([bucket.events for bucket in buckets]).sort("profile", "place")
    events = events.with_columns(place=pl.int_range(pl.len(), dtype=pl.UInt32))
    profiles = pl.concat([bucket.profiles for bucket in buckets]).sort("id")
    return Bucket(events.sort("event", "profile", "place"), profiles)


def shown(bucket: Bucket, inputs: PreparedInputs) -> Bucket:
    """The bucket of the same profiles as they are shown, which has to have the same events."""
    (full,) = inputs.only(bucket.profiles["id"], []).buckets()
    rows, expected = readable(full), readable(bucket)
    assert_frame_equal(rows.select(expected.columns), expected)
    assert_frame_equal(full.profiles, bucket.profiles)
    return Bucket(rows, full.profiles)


def readable(bucket: Bucket) -> pl.DataFrame:
    """The events with the ids of their owners in place of rows, names as text, and values as VALUE.

    Places are numbered from 0: their order is what counts.
    """
    rows = decoded_columns(bucket.events, bucket.forms).with_columns(pl.col("event").cast(pl.String))
    rows = rows.with_columns(place=(pl.col("place").rank("ordinal") - 1).cast(pl.UInt32))
    owners = bucket.profiles["id"].gather(rows["owner"]).alias("profile")
    return rows.drop("owner").insert_column(0, owners)


def texts(series: pl.Series) -> list[str | None]:
    """The texts of a column of values."""
    return series.struct.field("text").to_list()
