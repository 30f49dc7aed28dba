"""Reading rows of a store: of those who are in place bucket by bucket, of those who moved put in order again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from audiences.events.accounts import GROUP_ID
from audiences.events.buckets import Form
from audiences.events.encoding import decoded
from audiences.events.instants import INSTANT
from audiences.events.needs import EventNeeds, column_name
from audiences.events.store.base import homes_of, in_order, read_forms, sorted_by
from audiences.events.store.files import Files
from audiences.events.store.homes import bucket_of
from audiences.events.store.layout import Known, Layout
from audiences.events.store.manifest import Generation, StoreManifest
from audiences.events.store.pieces import Spill
from audiences.events.store.reading import told_ids, value_columns
from audiences.events.store.replacing import Replaced
from audiences.events.typed_encoding import encoded_column
from audiences.events.universe import Universe
from audiences.events.values import VALUE
from audiences.language.tree import EACH

TEXTS: Final = ("message_id", "user_id", "anonymous_id", "group_id", "content")
"""What is kept of rows but only read where it is asked for."""

_ORDERED_BY: Final = ("message_id", "content")
_MOVED_SEED: Final = 13


@dataclass(frozen=True, slots=True)
class Part:
    """Some profiles (``rows`` of the universe, UInt32, ascending) with their events, as ``Bucket`` has them."""

    rows: pl.Series
    events: pl.DataFrame
    forms: Mapping[str, Form]


class StoredRows:
    """The rows of a store that are needed, before an instant, by who owns them now."""

    def __init__(
        self,
        files: Files,
        manifest: StoreManifest,
        known: Known,
        universe: Universe,
        layout: Layout,
        needs: EventNeeds,
        as_of: datetime,
        spill: Spill,
        rows_in_bucket: int,
    ) -> None:
        self._files, self._manifest, self._known = files, manifest, known
        self._universe, self._layout, self._needs, self._as_of = universe, layout, needs, as_of
        self._columns = value_columns(needs)
        self._lists = {column_name("property", path) for path in needs.properties if EACH in path}
        self._lists |= {column_name("context", path) for path in needs.contexts if EACH in path}
        self._replaced = Replaced(files, manifest.generations)
        self._spill = spill
        self._is_spilled = False
        self._moved_parts = max(1, -(-layout.moved_rows // rows_in_bucket))

    @property
    def numbers(self) -> range:
        """The numbers of all parts."""
        return range(len(self._manifest.base.buckets) + self._moved_parts)

    def part(
        self,
        number: int,
        *,
        events: Collection[str] | None = None,
        wanted: pl.Series | None = None,
        texts: Collection[str] = (),
    ) -> Part:
        """A part: every profile is in exactly one of them.

        ``events`` are the names that are read (all that are needed); ``wanted`` says for each row of the universe
        whether it is; ``texts`` are those of ``TEXTS`` that are read, too.
        """
        names = self._needs.events if events is None else self._needs.events.intersection(events)
        in_place = number < len(self._manifest.base.buckets)
        rows = self._layout.rows_of(number) if in_place else self._moved(number)
        if wanted is not None:
            rows = rows.filter(wanted.gather(rows))
        read = self._in_place if in_place else self._put_in_order
        return read(number, rows, names, texts)

    # ── those who are in place ──────────────────────────────────────────────────────────────────────────────

    def _in_place(self, number: int, rows: pl.Series, names: Collection[str], texts: Collection[str]) -> Part:
        base = self._manifest.base
        if not base.buckets[number].rows or rows.is_empty():
            return Part(rows, self.no_events(texts), {})
        identities = self._identities(0, number)
        homes = homes_of(identities)
        owners = pl.DataFrame({"home": self._universe.profiles.get_column("id").gather(rows)}).with_row_index("owner")
        owner = homes.join(owners, on="home", how="left", maintain_order="left").get_column("owner")
        columns = ["home", "event", "timestamp", "place", "source_id", *self._texts(texts), *self._columns]
        found = self._scan(base, number, names)
        if owner.null_count() > len(owner) // 2:
            found = found.filter(pl.col("home").is_in(owner.is_not_null().arg_true().implode()))
        frame = _with_told_ids(found, columns, identities)
        frame = frame.with_columns(owner=owner.gather(frame.get_column("home")), event=self._event(frame)).drop("home")
        if owner.null_count():
            frame = frame.filter(pl.col("owner").is_not_null())
        forms = self._forms(base, number)
        return Part(rows, frame.select("owner", pl.exclude("owner")), forms)

    # ── those who moved ─────────────────────────────────────────────────────────────────────────────────────

    def _moved(self, number: int) -> pl.Series:
        moved = self._layout.places.filter("moved").get_column("row")
        return moved.filter(self._moved_numbers(moved) == number - len(self._manifest.base.buckets))

    def _moved_numbers(self, rows: pl.Series) -> pl.Series:
        ids = self._universe.profiles.get_column("id").gather(rows)
        return bucket_of(ids, self._moved_parts, seed=_MOVED_SEED)

    def _put_in_order(self, number: int, rows: pl.Series, names: Collection[str], texts: Collection[str]) -> Part:
        self._spill_moved()
        frames = self._spill.get("moved", number - len(self._manifest.base.buckets))
        owners = pl.DataFrame({"row": rows}).with_row_index("owner")
        events = pl.concat(frames).join(owners, on="row", maintain_order="left") if frames else None
        if events is not None and len(names) < len(self._needs.events):
            events = events.filter(pl.col("event").cast(pl.String).is_in(list(names)))
        if events is None or not events.height:
            return Part(rows, self.no_events(texts), {})
        order = in_order(events.select("owner", "timestamp", *_ORDERED_BY))
        by_event = sorted_by(events.get_column("event").to_physical().gather(order))
        columns = ["owner", "event", "timestamp", "source_id", *self._texts(texts), *self._columns]
        frame = events.select(pl.col(columns).gather(order.gather(by_event)))
        frame = frame.insert_column(3, by_event.cast(pl.UInt32).alias("place"))
        coded = {name: encoded_column(frame.get_column(name)) for name in self._columns}
        frame = frame.with_columns(column for column, _ in coded.values())
        return Part(rows, frame, {name: form for name, (_, form) in coded.items() if form is not None})

    def _spill_moved(self) -> None:
        """Takes the rows of those who moved out of everywhere, once."""
        if self._is_spilled or not len(self._layout.moved):
            return
        self._is_spilled = True
        generations = (self._manifest.base, *self._manifest.later)
        for place, generation in enumerate(generations):
            for number, bucket in enumerate(generation.buckets):
                if bucket.rows:
                    rows = self._out_of_place(place, generation, number)
                    if rows is not None:
                        part = self._moved_numbers(rows.get_column("row"))
                        self._spill.share("moved", rows.with_columns(part=part), "part")

    def _out_of_place(self, place: int, generation: Generation, number: int) -> pl.DataFrame | None:
        identities = self._identities(place, number)
        found = self._scan(generation, number, self._needs.events)
        if not place:
            homes = homes_of(identities)
            codes = homes.filter(pl.col("home").is_in(self._layout.moved.implode())).get_column("code")
            if codes.is_empty():
                return None
            found = found.filter(pl.col("home").is_in(codes.implode()))
        owners = identities.join(self._universe.owners, on="identity", how="left", maintain_order="left")
        columns = ["event", "timestamp", "source_id", *TEXTS, *self._columns, "identity"]
        frame = _with_told_ids(found, columns, identities)
        forms = self._forms(generation, number)
        values = [decoded(frame.get_column(name), forms.get(name)) for name in self._columns]
        row = owners.get_column("owner").gather(frame.get_column("identity"))
        frame = frame.with_columns(*values, row=row, event=self._event(frame)).drop("identity")
        return frame.filter(pl.col("row").is_not_null())

    # ── files ───────────────────────────────────────────────────────────────────────────────────────────────

    def _identities(self, place: int, number: int) -> pl.DataFrame:
        generation = (self._manifest.base, *self._manifest.later)[place]
        first, end = generation.offsets[number : number + 2]
        return self._known.identities[place].slice(first, end - first)

    def _scan(self, generation: Generation, number: int, names: Collection[str]) -> pl.LazyFrame:
        covered = self._manifest.coverage.events
        rows = self._files.scan(f"{generation.name}/bucket-{number:03}")
        found = self._replaced.without(rows, generation.name, number)
        if len(names) < len(covered):
            codes = [code for code, name in enumerate(covered) if name in names]
            found = found.filter(pl.col("event").is_in(pl.Series(codes, dtype=pl.UInt16).implode()))
        last = generation.buckets[number].last
        before = round(self._as_of.timestamp() * 1_000_000)
        if last is not None and last >= before:
            found = found.filter(pl.col("timestamp") < pl.lit(self._as_of).cast(INSTANT))
        return found

    def _event(self, frame: pl.DataFrame) -> pl.Series:
        """The names of events, of the numbers among all that are covered."""
        needed = sorted(self._needs.events)
        numbers = {name: number for number, name in enumerate(needed)}
        covered = pl.Series([numbers.get(name) for name in self._manifest.coverage.events], dtype=pl.UInt32)
        return covered.gather(frame.get_column("event")).cat.to(pl.Enum(needed)).alias("event")

    def _forms(self, generation: Generation, number: int) -> dict[str, Form]:
        coded = [name for name in self._columns if name not in self._lists]
        return read_forms(self._files, f"{generation.name}/bucket-{number:03}", coded) if coded else {}

    def _texts(self, texts: Collection[str]) -> list[str]:
        needed = {*texts, "group_id"} if column_name("context", GROUP_ID) in self._columns else set(texts)
        return [name for name in TEXTS if name in needed]

    def no_events(self, texts: Collection[str] = ()) -> pl.DataFrame:
        """The columns of a part, without rows; values as ``VALUE`` or ``List(VALUE)``."""
        schema: dict[str, pl.DataType] = {
            "owner": pl.UInt32(),
            "event": pl.Enum(sorted(self._needs.events)),
            "timestamp": INSTANT,
            "place": pl.UInt32(),
            "source_id": pl.String(),
        }
        schema |= {name: pl.String() for name in self._texts(texts)}
        schema |= {name: pl.List(VALUE) if name in self._lists else VALUE for name in self._columns}
        return pl.DataFrame(schema=schema)


def _with_told_ids(found: pl.LazyFrame, columns: Sequence[str], identities: pl.DataFrame) -> pl.DataFrame:
    """Some columns of the rows of a bucket of these identities."""
    ids = [name for name in ("user_id", "anonymous_id") if name in columns]
    if not ids:
        return found.select(columns).collect()
    frame = found.select(list(dict.fromkeys([*columns, "user_id", "anonymous_id", "identity"]))).collect()
    identity = identities.get_column("identity").gather(frame.get_column("identity"))
    return frame.with_columns(told_ids(pl.lit(identity))).select(columns)


def with_values(part: Part) -> pl.DataFrame:
    """The events of a part, with values instead of integers."""
    return part.events.with_columns(decoded(part.events.get_column(name), form) for name, form in part.forms.items())
