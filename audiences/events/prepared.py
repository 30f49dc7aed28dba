"""What a run computes from: the profiles that exist, and their events in buckets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Final

import polars as pl

from audiences.events.documents import JsonDocument
from audiences.events.needs import EventNeeds, column_name
from audiences.events.rejects import Rejects

SORTED_BY: Final = ("profile", "event", "timestamp", "message_id", "position")


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a run read. ``rows_read`` = ``rows_accepted`` + ``duplicates`` + the rejected events."""

    rows_read: int = 0
    rows_accepted: int = 0
    duplicates: int = 0
    identifier_conflicts: int = 0  # user or anonymous ids on events that several profiles hold
    bytes_read: int = 0
    files: int = 0

    def as_mapping(self) -> dict[str, int]:
        """The numbers by name."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A range of profiles, and all their events.

    ``events``: ``profile`` (id of the owner), ``event`` String, ``timestamp`` Datetime(us, UTC),
    ``message_id`` String or null, ``position`` Int64 (unique in the run; orders what timestamp and message
    id leave open, the same whatever files the rows are in), ``source_id``, ``group_id``, ``user_id``,
    ``anonymous_id`` String or null, and for each needed path a column ``column_name("property" | "context",
    path)`` of ``VALUE`` or ``List(VALUE)``. Only needed events before as-of, each once, sorted by profile,
    event, timestamp, message id (null last), position.

    ``profiles``: ``id`` (sorted), a column ``column_name("trait", path)`` for each needed trait path,
    ``anonymous`` (has an anonymous_id and no other identifier), ``account_ids`` List(String).
    """

    events: pl.DataFrame
    profiles: pl.DataFrame


@dataclass(frozen=True, slots=True)
class BucketPlan:
    """Buckets are runs of rows of the universe: the first row of each, and one past the last."""

    firsts: tuple[int, ...]
    end: int

    def slices(self) -> Iterator[tuple[int, int]]:
        """First row and number of rows of each bucket."""
        for first, after in zip(self.firsts, (*self.firsts[1:], self.end), strict=True):
            yield first, after - first


class PreparedInputs:
    """The inputs as of one instant. A context manager: leaving it removes what was spilled to disk.

    ``profiles`` (the universe, sorted by id): ``id`` String, ``external_ids`` List(Struct{type, value:
    String, created_at: Datetime(us, UTC)}), ``traits`` String (JSON text of an object), ``account_ids``
    List(String), ``implicit`` Boolean. Suppressed profiles are not among them.
    """

    def __init__(
        self,
        profiles: pl.DataFrame,
        rejects: Rejects,
        statistics: Statistics,
        *,
        needs: EventNeeds,
        plan: BucketPlan,
        events: Callable[[int], pl.DataFrame],
        accounts: Callable[[], pl.DataFrame],
        close: Callable[[], None],
    ) -> None:
        self.profiles = profiles
        self.rejects = rejects
        self.statistics = statistics
        self._needs, self._plan, self._events = needs, plan, events
        self._accounts, self._close = accounts, close

    def buckets(self) -> Iterator[Bucket]:
        """Every profile in exactly one bucket, in the order of ids; at least one bucket, even if it is
        empty.
        """
        position = 0
        for number, (first, height) in enumerate(self._plan.slices()):
            events = self._events(number)
            yield Bucket(self._sorted(events, position), self._profiles(first, height))
            position += events.height

    def accounts(self) -> pl.DataFrame:
        """``account_id``, ``traits`` (JSON text), sorted by id: the accounts table, else what group calls
        say.
        """
        return self._accounts()

    def close(self) -> None:
        """Remove the temporary folder, if there is one."""
        self._close()

    def __enter__(self) -> PreparedInputs:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _sorted(self, events: pl.DataFrame, position: int) -> pl.DataFrame:
        """Put in order on the few columns that say the order, then move the rows once."""
        keys = events.select("owner", "timestamp", "message_id", "content", "event").with_row_index("row")
        ordered = (
            keys.sort("owner", "timestamp", "message_id", "content", nulls_last=True)
            .select("row", "owner", pl.col("event").cast(pl.Enum(sorted(self._needs.events))))
            .with_row_index("position", offset=position)
            .sort("owner", "event", "position")
        )
        moved = events.drop("content", "owner").select(pl.all().gather(ordered.get_column("row")))
        names = self.profiles.get_column("id").gather(ordered.get_column("owner"))
        moved = moved.with_columns(
            names.alias("profile"), ordered.get_column("position").cast(pl.Int64).alias("position")
        )
        return moved.select(*SORTED_BY, pl.exclude(SORTED_BY))

    def _profiles(self, first: int, height: int) -> pl.DataFrame:
        rows = self.profiles.slice(first, height)
        types = pl.col("external_ids").list.eval(pl.element().struct.field("type") == "anonymous_id")
        anonymous = (pl.col("external_ids").list.len() > 0) & types.list.all()
        frame = rows.select("id", "account_ids", anonymous=anonymous)
        if not self._needs.traits:
            return frame
        traits = JsonDocument(rows.get_column("traits"))
        return frame.with_columns(
            traits.values(path).alias(column_name("trait", path)) for path in sorted(self._needs.traits)
        )
