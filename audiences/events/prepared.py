"""What a run computes from: the profiles that exist, and their events in buckets."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Final

import polars as pl

from audiences.events.accounts import Dealing, deal
from audiences.events.buckets import Bucket, BucketPlan
from audiences.events.documents import JsonDocument
from audiences.events.identifiers import is_anonymous
from audiences.events.needs import EventNeeds, column_name
from audiences.events.rejects import Rejects
from audiences.events.shelf import Shelf
from audiences.events.values import value_expression
from audiences.language.tree import Path

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
        dealing: Dealing | None = None,
    ) -> None:
        self.profiles = profiles
        self.rejects = rejects
        self.statistics = statistics
        self._needs, self._plan, self._events = needs, plan, events
        self._accounts, self._close = accounts, close
        self._dealing = dealing or Dealing(Shelf(None))

    def buckets(self) -> Iterator[Bucket]:
        """Every profile in exactly one bucket, in the order of ids; at least one bucket, even if it is
        empty.
        """
        position = 0
        for number, (first, height) in enumerate(self._plan.slices()):
            events = self._events(number)
            yield Bucket(self._sorted(events, position), self._profiles(first, height))
            position += events.height

    def only(self, profiles: Collection[str], accounts: Collection[str], *, mark: str | None = None) -> PreparedInputs:
        """Some profiles with all their events, and some accounts, by their ids: in memory, in one bucket.

        Only the buckets that have one of the profiles are read. Events keep their order; with ``mark`` each gets a
        number, as text in a column of this name (``VALUE``).
        """
        rows = self.profiles.with_row_index("row").filter(pl.col("id").is_in(list(profiles)))
        places = rows.select(pl.col("row").alias("owner")).with_row_index("place")
        held = [
            number
            for number, (first, height) in enumerate(self._plan.slices())
            if places.get_column("owner").is_between(first, first + height, closed="left").any()
        ]
        parts = [self._events(number).join(places, on="owner", maintain_order="left") for number in held or [0]]
        events = pl.concat(parts).drop("owner").rename({"place": "owner"})
        if mark is not None:
            numbers = pl.int_range(pl.len()).cast(pl.String)
            events = events.with_columns(value_expression("string", numbers).alias(mark))
        return PreparedInputs(
            rows.drop("row"),
            self.rejects,
            self.statistics,
            needs=self._needs,
            plan=BucketPlan((0,), rows.height),
            events=lambda number: events,
            accounts=lambda: self.accounts().filter(pl.col("account_id").is_in(list(accounts))),
            close=lambda: None,
        )

    def accounts(self) -> pl.DataFrame:
        """``account_id``, ``traits`` (JSON text), sorted by id: the rows of the accounts table, else what group calls
        say, and every account that a user belongs to.

        Read when it is asked for first. Raises ``InputError`` for a table that can't be read.
        """
        return self._accounts()

    def account_buckets(self, names: Collection[str]) -> Iterator[Bucket]:
        """Every account in exactly one bucket, in the order of ids, with the events of all its users that have one of
        the ``names``; at least one bucket, even if it is empty. See ``Bucket``.
        """
        accounts = self.accounts()
        ids = accounts.get_column("account_id")
        plan = self._dealing.cut(self.profiles, ids)
        events = deal(self.buckets() if names else (), names, ids, plan, self._dealing.shelf)
        for (first, height), dealt in zip(plan.slices(), events, strict=True):
            yield Bucket(dealt, self._account_rows(accounts.slice(first, height)))

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
        frame = rows.select("id", "account_ids", anonymous=is_anonymous())
        return _with_traits(frame, rows.get_column("traits"), self._needs.traits)

    def _account_rows(self, rows: pl.DataFrame) -> pl.DataFrame:
        frame = rows.select(id="account_id")
        return _with_traits(frame, rows.get_column("traits"), self._needs.account_traits)


def _with_traits(frame: pl.DataFrame, texts: pl.Series, paths: Collection[Path]) -> pl.DataFrame:
    if not paths:
        return frame
    traits = JsonDocument(texts)
    return frame.with_columns(traits.values(path).alias(column_name("trait", path)) for path in sorted(paths))
