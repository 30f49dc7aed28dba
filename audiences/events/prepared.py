"""What a run computes from: the profiles that exist, and their events in buckets."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from types import TracebackType
from typing import Final, Self

import polars as pl

from audiences.events.accounts import GROUP_ID, Dealing, Members, deal
from audiences.events.buckets import Bucket, BucketPlan
from audiences.events.documents import JsonDocument
from audiences.events.encoding import encoded_columns
from audiences.events.identifiers import is_anonymous
from audiences.events.needs import EventNeeds, column_name
from audiences.events.rejects import Rejects
from audiences.events.shelf import Shelf
from audiences.events.values import VALUE, value_expression
from audiences.language.tree import Path

FIRST_COLUMNS: Final = ("owner", "event", "timestamp", "place", "source_id", "group_id")
NOBODY: Final = pl.DataFrame(schema={"account_ids": pl.List(pl.String), "anonymous": pl.Boolean})
SHOWN: Final = ("message_id", "user_id", "anonymous_id")
"""What is only there to be shown."""


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
    List(String), ``implicit`` Boolean. Suppressed profiles are not among them. ``note`` says in a sentence what was
    done about a store of events, where somebody may wonder.
    """

    note = ""

    def __init__(
        self,
        profiles: Callable[[], pl.DataFrame],
        rejects: Rejects,
        statistics: Statistics,
        *,
        needs: EventNeeds,
        plan: BucketPlan | None,
        events: Callable[[int], pl.DataFrame],
        accounts: Callable[[], pl.DataFrame],
        close: Callable[[], None],
        dealing: Dealing | None = None,
        shows: bool = False,
    ) -> None:
        self._universe = profiles
        self.rejects = rejects
        self.statistics = statistics
        self._needs, self._given_plan, self._events = needs, plan, events
        self._accounts, self._close = accounts, close
        self._dealing = dealing or Dealing(Shelf(None))
        self._shows = shows

    @cached_property
    def profiles(self) -> pl.DataFrame:
        """The universe, sorted by id; see above."""
        return self._universe()

    @cached_property
    def _plan(self) -> BucketPlan:
        return self._given_plan or BucketPlan((0,), self.profiles.height)

    @property
    def members(self) -> pl.DataFrame:
        """``id``, ``account_ids`` and ``anonymous`` (has an anonymous_id and no other identifier) of all profiles."""
        return self.profiles.select("id", "account_ids", anonymous=is_anonymous())

    def buckets(self) -> Iterator[Bucket]:
        """Every profile in exactly one bucket; at least one bucket, even if it is empty."""
        left_out = SHOWN if GROUP_ID in self._needs.contexts else (*SHOWN, "group_id")
        for number, (first, height) in enumerate(self._plan.slices()):
            events = self._events(number).with_columns(pl.col("owner") - first)
            yield self._bucket(events, self._profiles(first, height), () if self._shows else left_out)

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
            lambda: rows.drop("row"),
            self.rejects,
            self.statistics,
            needs=self._needs,
            plan=BucketPlan((0,), rows.height),
            events=lambda number: events,
            accounts=lambda: self.accounts().filter(pl.col("account_id").is_in(list(accounts))),
            close=lambda: None,
            shows=True,
        )

    def accounts(self) -> pl.DataFrame:
        """``account_id``, ``traits`` (JSON text), sorted by id: the rows of the accounts table, else what group calls
        say, and every account that a user belongs to.

        Read when it is asked for first. Raises ``InputError`` for a table that can't be read.
        """
        return self._accounts()

    def account_buckets(
        self, names: Collection[str], columns: Collection[str] | None = None, *, in_order: bool = True
    ) -> Iterator[Bucket]:
        """Every account in exactly one bucket, in the order of ids, with the events of all its users that have one of
        the ``names``; at least one bucket, even if it is empty. See ``Bucket``.

        Of the columns of values there are at least ``columns`` (None: all). Without ``in_order`` events of one account
        at the same time are in no particular order.
        """
        accounts = self.accounts()
        users = self.members if names else NOBODY
        members = Members.of(users, accounts.get_column("account_id"))
        parts = self._dealt(names, columns, in_order) if names else ()
        for (first, height), events in deal(parts, names, members, self._dealing):
            yield encoded_bucket(events, self._account_rows(accounts.slice(first, height)))

    def _dealt(self, names: Collection[str], columns: Collection[str] | None, in_order: bool) -> Iterator[pl.DataFrame]:
        """The events of each bucket as they are read, at least those with one of the names."""
        for number, _ in enumerate(self._plan.slices()):
            yield self._events(number)

    def close(self) -> None:
        """Remove the temporary folder, if there is one."""
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _bucket(self, events: pl.DataFrame, profiles: pl.DataFrame, left_out: Sequence[str]) -> Bucket:
        """Put in order on the few columns that say the order, then move the rows once; then encode the values."""
        keys = events.select("owner", "timestamp", "message_id", "content", "event").with_row_index("row")
        ordered = (
            keys.sort("owner", "timestamp", "message_id", "content", nulls_last=True)
            .select("row", "owner", pl.col("event").cast(pl.Enum(sorted(self._needs.events))))
            .with_row_index("place")
            .sort("event", "owner", "place")
        )
        moved = events.drop("content", *left_out).select(pl.all().gather(ordered.get_column("row")))
        moved = moved.with_columns(ordered.drop("row"))
        return encoded_bucket(moved, profiles)

    def _profiles(self, first: int, height: int) -> pl.DataFrame:
        """Profiles as a bucket has them."""
        rows = self.profiles.slice(first, height)
        frame = rows.select("id", "account_ids", anonymous=is_anonymous())
        return with_traits(frame, lambda: rows.get_column("traits"), self._needs.traits)

    def _account_rows(self, rows: pl.DataFrame) -> pl.DataFrame:
        return with_traits(rows.select(id="account_id"), lambda: rows.get_column("traits"), self._needs.account_traits)


def encoded_bucket(events: pl.DataFrame, profiles: pl.DataFrame) -> Bucket:
    """A bucket of events that are in order, with columns of VALUE or List(VALUE)."""
    first = [name for name in FIRST_COLUMNS if name in events.columns]
    paths = [name for name, dtype in events.schema.items() if dtype == VALUE]
    coded, forms = encoded_columns(events.select(*first, pl.exclude(first)), paths)
    return Bucket(coded, profiles, forms)


def with_traits(frame: pl.DataFrame, texts: Callable[[], pl.Series], paths: Collection[Path]) -> pl.DataFrame:
    """Profiles or accounts with a column for each path into their traits, whose JSON ``texts`` are only made for it."""
    if not paths:
        return frame
    traits = JsonDocument(texts())
    return frame.with_columns(traits.values(path).alias(column_name("trait", path)) for path in sorted(paths))
