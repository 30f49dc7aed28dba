"""From a table of calls, as it comes, to rows of one schema; what can't be computed goes to the rejects.

The rows (all ids and texts ``String``, instants ``Datetime("us", "UTC")``):

- ``type`` (``CALLS``), ``event`` (null for identify, group and alias calls), ``timestamp``, ``received_at``;
- ``message_id``, ``profile_id``, ``user_id``, ``anonymous_id``, ``group_id``, ``source_id``, each null
  where there is none; ``identity``: which of the ids decides who owns the row, such as ``user_id:17``;
- where they are asked for, ``name``, ``properties``, ``traits``, ``context``: text, for telling copies apart;
  ``traits`` is JSON;
- where it is asked for, a column of values for each path that is needed.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from audiences.events.columns import EVENT_COLUMNS, known_columns, require
from audiences.events.documents import Document, document
from audiences.events.ids import id_texts
from audiences.events.instants import INSTANT, instants
from audiences.events.needs import EventNeeds, column_name
from audiences.events.rejects import Reason, Rejects, Sample
from audiences.events.tables import BATCH_ROWS, TYPED_BATCH_ROWS, Table
from audiences.events.texts import is_text, texts
from audiences.events.value_texts import json_text
from audiences.events.values import json_of_value, values_from_column
from audiences.language.tree import Path

TYPES: Final = ("track", "page", "screen", "identify", "group", "alias")
CALLS: Final = pl.Enum(TYPES)
IDS: Final = ("message_id", "profile_id", "user_id", "anonymous_id", "group_id")
OWNERS: Final = ("profile_id", "user_id", "anonymous_id")
"""The ids that say who a row belongs to, the first one that is there deciding."""

CONTENT: Final = (
    "type",
    "event",
    "user_id",
    "anonymous_id",
    "group_id",
    "name",
    "properties",
    "traits",
    "source_id",
    "profile_id",
    "context",
)
"""The bytes of a row, in this order, beyond its message id and instants."""

PAGE_VIEWED: Final = "Page Viewed"
SCREEN_VIEWED: Final = "Screen Viewed"

MOST_PROPERTIES: Final = 300
"""An event with more is rejected."""

_MESSAGE_ID_LENGTH, _GROUP_ID_LENGTH = 100, 500
_EXCERPT: Final = 200
_OBJECTS: Final = ("properties", "traits", "context")
_NAMED: Final[dict[Path, tuple[str, ...]]] = {
    ("name",): ("page", "screen"),
    ("page_name",): ("page",),
    ("screen_name",): ("screen",),
}


@dataclass(frozen=True, slots=True)
class Calls:
    """A batch of calls: all ``EVENT_COLUMNS``, their ``properties``, ``traits`` and ``context``, and the rows as they
    came, for samples.
    """

    columns: Mapping[str, pl.Series]
    documents: Mapping[str, Document]
    raw: pl.DataFrame


class Accepted:
    """The accepted rows of a batch.

    ``height`` is how many rows were read. ``rows`` has the columns above but for objects and values, and ``row``: the
    number of the row in its table (UInt64). The rest is made when it is asked for, of the rows for which it is.
    """

    def __init__(self, calls: Calls, rows: pl.DataFrame, accepted: pl.Series) -> None:
        self.height = calls.raw.height
        self._calls, self._accepted = calls, accepted
        self.rows = rows if accepted.all() else rows.filter(accepted)

    def values(self, needs: EventNeeds, wanted: pl.Series) -> pl.DataFrame:
        """A column for each path that is needed, of all accepted rows, filled for those that are ``wanted``.

        A column is of ``VALUE`` or ``List(VALUE)``, or of any type from which ``values_from_column`` makes the values.
        """
        everywhere = self._of_batch(wanted)
        columns, documents = self._calls.columns, self._calls.documents
        kinds = columns["type"] if not needs.properties else self._kinds()
        found = [
            property_column(path, columns, documents["properties"], kinds, everywhere)
            for path in sorted(needs.properties)
        ]
        found += [
            documents["context"].column(path, everywhere).alias(column_name("context", path))
            for path in sorted(needs.contexts)
        ]
        frame = pl.DataFrame(found) if found else pl.DataFrame(height=self.height)
        return frame if self._accepted.all() else frame.filter(self._accepted)

    def texts(self, wanted: pl.Series) -> pl.DataFrame:
        """The accepted rows that are ``wanted``, with ``name``, ``properties``, ``traits`` and ``context`` as text."""
        documents = self._calls.documents
        if not wanted.any():
            nothing = [pl.Series(name, [], dtype=pl.String) for name in ("name", *documents)]
            return self.rows.clear().with_columns(nothing)
        everywhere = self._of_batch(wanted)
        name = values_from_column(self._calls.columns["name"].filter(everywhere)).struct.field("text").alias("name")
        found = [one.texts(everywhere).filter(everywhere).alias(title) for title, one in documents.items()]
        return self.rows.filter(wanted).with_columns(name, *found)

    def digests(self, needs: EventNeeds) -> pl.Series:
        """A hash of each accepted row (UInt64): where two are equal, so is all that is needed but the message id."""
        raw = self._calls.raw.drop("message_id", strict=False)
        members = {"properties": _firsts(needs.properties), "context": _firsts(needs.contexts)}
        digests = _flat(_without_objects(raw), members).hash_rows(seed=zlib.crc32(str(raw.schema).encode()))
        return digests if self._accepted.all() else digests.filter(self._accepted)

    def _kinds(self) -> pl.Series:
        return _kind(self._calls.columns["type"])

    def _of_batch(self, wanted: pl.Series) -> pl.Series:
        """A mask of the accepted rows as one of all rows of the batch."""
        if self._accepted.all():
            return wanted
        places = self._accepted.arg_true().filter(wanted)
        return pl.zeros(self.height, dtype=pl.Boolean, eager=True).scatter(places, True)


def _without_objects(raw: pl.DataFrame) -> pl.DataFrame:
    """Python's own objects have no hash here: their text has."""
    objects = [name for name, dtype in raw.schema.items() if dtype == pl.Object]
    return raw.with_columns(document(raw.get_column(name)).texts().alias(name) for name in objects)


def _firsts(paths: Iterable[Path]) -> frozenset[str]:
    """The members of an object that some paths begin with."""
    return frozenset(path[0] for path in paths) | {"name"}  # which is what a page or a screen is named, too


def _flat(raw: pl.DataFrame, members: Mapping[str, Collection[str]]) -> pl.DataFrame:
    """Structs as their fields, and whether they are there: columns are hashed faster than structs. Of some, only a few
    fields are looked at.
    """
    columns: list[pl.Series] = []
    for column in raw.get_columns():
        if isinstance(column.dtype, pl.Struct):
            fields = column.struct.unnest().get_columns()
            wanted = members.get(column.name)
            fields = fields if wanted is None else [field for field in fields if field.name in wanted]
            columns += [column.is_not_null(), *fields]
        else:
            columns.append(column)
    return pl.DataFrame([column.alias(str(number)) for number, column in enumerate(columns)])


def read_rows(
    table: Table, needs: EventNeeds, rejects: Rejects, first: int = 0, count: int | None = None
) -> Iterator[Accepted]:
    """The accepted rows of a table, batch by batch; only among ``count`` rows from the ``first`` on.

    Raises ``InputError`` where the table has no type, no timestamp or no id column at all, or two columns
    of one name.
    """
    found = known_columns(table.schema.names(), EVENT_COLUMNS, where=table.path)
    if found or table.rows:
        require(found, "type", where=table.path, what="events")
        require(found, "timestamp", where=table.path, what="events")
        require(found, *OWNERS, where=table.path, what="events")
    if not needs.contexts:
        found.pop("context", None)
    has_texts = any(is_text(table.schema[found[name]]) for name in _OBJECTS if name in found)
    rows = BATCH_ROWS if has_texts else TYPED_BATCH_ROWS
    for batch in table.batches(list(found.values()), rows, first, count):
        raw = batch.rename({name: known for known, name in found.items()})
        columns = {name: _column(raw, name) for name in EVENT_COLUMNS}
        documents = {name: document(columns[name]) for name in _OBJECTS}
        yield accepted_rows(Calls(columns, documents, raw), rejects, table, first)
        first += raw.height


def read_identities(table: Table, known: Mapping[str, str]) -> Iterator[tuple[int, pl.Series]]:
    """The identity of every row of a table, accepted or not, null where there is none: batches, each with the number of
    its first row. ``known`` says which columns are the ids that are ``OWNERS``.
    """
    found = {name: known[name] for name in OWNERS if name in known}
    first = 0
    for batch in table.batches(list(found.values()), TYPED_BATCH_ROWS) if found else ():
        ids = [id_texts(batch.get_column(column))[0].alias(name) for name, column in found.items()]
        yield first, pl.DataFrame(ids).select(_identity(list(found))).to_series()
        first += batch.height


def _identity(names: Sequence[str]) -> pl.Expr:
    return pl.coalesce([pl.format(f"{name}:{{}}", pl.col(name)) for name in names]).alias("identity")


def accepted_rows(calls: Calls, rejects: Rejects, table: Table, first: int) -> Accepted:
    """The accepted rows of a batch; ``first`` is the number of its first row in the table."""
    rows, wrong_id = _rows(calls.columns, first)
    reason = rows.select(_reason(calls.columns, calls.documents, wrong_id)).to_series()
    accepted = reason.is_null()
    if not accepted.all():
        _reject(calls.raw, reason, rows.get_column("message_id"), rejects, table, first)
    return Accepted(calls, rows, accepted)


def _column(raw: pl.DataFrame, name: str) -> pl.Series:
    return raw.get_column(name) if name in raw.columns else pl.Series(name, [None]).new_from_index(0, raw.height)


def _rows(columns: Mapping[str, pl.Series], first: int) -> tuple[pl.DataFrame, pl.Series]:
    """All rows, normalised, and which have something in an id column that is no id."""
    ids = {name: id_texts(columns[name]) for name in IDS}
    wrong_id = pl.select(pl.any_horizontal([wrong for _, wrong in ids.values()])).to_series()
    named = kinds_and_events(columns)
    frame = pl.DataFrame(
        {
            "row": pl.int_range(first, first + named.height, dtype=pl.UInt64, eager=True),
            **named.to_dict(),
            "timestamp": instants(columns["timestamp"]),
            "received_at": instants(columns["received_at"]),
            **{name: text for name, (text, _) in ids.items()},
            "source_id": _value_texts(columns["source_id"]),
        }
    )
    return frame.with_columns(_identity(OWNERS)), wrong_id


def kinds_and_events(columns: Mapping[str, pl.Series]) -> pl.DataFrame:
    """``type`` (``CALLS``) and ``event`` of a batch of calls, both null where there is none."""
    named = pl.DataFrame({"type": _kind(columns["type"]), "event": _text(columns["event"])})
    return named.with_columns(event=_named_event())


def _kind(column: pl.Series) -> pl.Series:
    text = _text(column)
    kind = text.cast(CALLS, strict=False)
    if kind.null_count() == text.null_count():
        return kind
    return text.str.to_lowercase().str.strip_chars().cast(CALLS, strict=False)


def _named_event() -> pl.Expr:
    """The event that a call is."""
    kind = pl.col("type")
    return (
        pl.when(kind == "track").then("event")
        .when(kind == "page").then(pl.lit(PAGE_VIEWED))
        .when(kind == "screen").then(pl.lit(SCREEN_VIEWED))
    )  # fmt: skip


def _value_texts(column: pl.Series) -> pl.Series:
    """The texts of values of any type."""
    return texts(column) if is_text(column.dtype) else values_from_column(column).struct.field("text")


def _text(column: pl.Series) -> pl.Series:
    return texts(column) if is_text(column.dtype) else pl.Series([None], dtype=pl.String).new_from_index(0, len(column))


def _reason(columns: Mapping[str, pl.Series], documents: Mapping[str, Document], wrong_id: pl.Series) -> pl.Expr:
    """The first reason that applies, in the order of ``Reason``; null for an accepted row."""
    kind = pl.col("type")
    has_event = pl.lit(columns["event"].is_not_null())
    untold = pl.col("event").is_null() | (pl.col("event") == "")
    has_properties = kind.is_in(["track", "page", "screen"])
    has_traits = kind.is_in(["identify", "group"])
    properties = documents["properties"]
    checks: dict[Reason, pl.Expr] = {
        Reason.ID_NOT_STRING: pl.lit(wrong_id),
        Reason.NO_ID: pl.col("identity").is_null(),
        Reason.MESSAGE_ID_TOO_LONG: pl.col("message_id").str.len_chars() > _MESSAGE_ID_LENGTH,
        Reason.BAD_TIMESTAMP: pl.col("timestamp").is_null() | (pl.col("timestamp") < pl.lit(0).cast(INSTANT)),
        Reason.EVENT_NOT_STRING: (kind == "track") & pl.col("event").is_null() & has_event,
        Reason.EVENT_NOT_DEFINED: kind.is_null() | ((kind == "track") & untold),
        Reason.BAD_GROUP_ID: (kind == "group")
        & (pl.col("group_id").is_null() | (pl.col("group_id").str.len_chars() > _GROUP_ID_LENGTH)),
        Reason.PROPERTIES_NOT_OBJECT: has_properties & pl.lit(properties.is_wrong()),
        Reason.TOO_MANY_PROPERTIES: has_properties & (pl.lit(properties.sizes()) > MOST_PROPERTIES),
        Reason.TRAITS_NOT_OBJECT: has_traits & pl.lit(documents["traits"].is_wrong()),
    }
    return pl.coalesce([pl.when(check).then(pl.lit(reason.value)) for reason, check in checks.items()])


def _reject(raw: pl.DataFrame, reason: pl.Series, ids: pl.Series, rejects: Rejects, table: Table, first: int) -> None:
    wrong = reason.is_not_null().arg_true()
    rejected = pl.DataFrame({"row": wrong, "reason": reason.gather(wrong)})
    samples: list[tuple[str, int]] = []
    for code, found in rejected.group_by("reason", maintain_order=True):
        name = str(code[0])
        rejects.count(name, found.height)
        samples += [(name, row) for row in found.get_column("row").head(rejects.wanted(name)).to_list()]
    if not samples:
        return
    raw = raw.drop("context", strict=False)  # it is only read where a definition needs it
    excerpts = _excerpts(raw[[row for _, row in samples]])
    for (name, row), excerpt in zip(samples, excerpts, strict=True):
        rejects.sample(Sample(name, *table.place(first + row), ids[row], excerpt))


def _excerpts(rows: pl.DataFrame) -> list[str]:
    """The beginnings of rows as JSON, without what is missing."""
    there = [column for column in rows.get_columns() if column.null_count() < rows.height]
    values = pl.DataFrame([values_from_column(column) for column in there])
    members = [pl.lit(json_text(name) + ":") + json_of_value(pl.col(name)) for name in values.columns]
    body = pl.concat_str(members, separator=",", ignore_nulls=True)
    whole = values.select(pl.format("{{{}}}", body) if members else pl.lit("{}"))
    return whole.to_series().str.slice(0, _EXCERPT).to_list()


def property_column(
    path: Path, columns: Mapping[str, pl.Series], properties: Document, kind: pl.Series, wanted: pl.Series
) -> pl.Series:
    """The values of a property, as ``Document.column`` gives them; page and screen calls have their ``name`` as
    ``page_name`` and ``screen_name``, too.
    """
    name = column_name("property", path)
    if path not in _NAMED:
        return properties.column(path, wanted).alias(name)
    named = kind.is_in(list(_NAMED[path])).fill_null(False) & wanted
    if not named.any():
        return properties.column(path, wanted).alias(name)
    own = values_from_column(properties.column(path, wanted))
    values = [values_from_column(columns["name"]), properties.values(("name",), wanted), own]
    return pl.select(pl.when(named).then(pl.coalesce(values)).otherwise(own)).to_series().alias(name)
