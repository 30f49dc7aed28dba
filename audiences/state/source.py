"""What exports and deliveries read: a committed state or a draft, the same questions to both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Protocol

import polars as pl

from audiences.definitions.computation import Kind, Level
from audiences.errors import DefinitionError
from audiences.events.json_columns import parse_objects, values_at
from audiences.events.values import json_of_value
from audiences.language.parse import parse_path
from audiences.language.tree import EACH
from audiences.state.manifest import ComputationRecord, Manifest
from audiences.state.storage import FAILURES, state_error


class Located(Protocol):
    """Something that is read at a state location."""

    @property
    def location(self) -> str:
        """The state location, for messages."""


class Source(Located, Protocol):
    """Values of computations and the profiles they belong to, at the as-of of one run."""

    @property
    def manifest(self) -> Manifest | None:
        """The run's manifest; None before the first."""

    @property
    def as_of(self) -> datetime:
        """The instant of the run, UTC."""

    @property
    def run(self) -> int:
        """The run's number."""

    def scan_snapshot(self, key: str) -> pl.LazyFrame:
        """``id``, ``value`` (JSON text), ``as_of`` (of the run that decided the value)."""

    def departures(self, key: str) -> pl.DataFrame:
        """When ids last left the audience, or lost the trait's value: ``id``, ``as_of``."""

    def profiles(self) -> pl.LazyFrame:
        """``id``, ``external_ids``, ``traits`` (JSON text), ``account_ids``."""

    def accounts(self) -> pl.LazyFrame:
        """``id``, ``traits`` (JSON text)."""


@contextmanager
def reading(source: Located) -> Iterator[None]:
    """Turns what goes wrong inside, where a source's lazy frames are collected, into a ``StateError``."""
    try:
        yield
    except FAILURES as error:
        raise state_error(source.location, "read", error) from error


def trait_values(
    source: Source, profiles: pl.DataFrame, names: Sequence[str], level: Level = Level.USER
) -> pl.DataFrame:
    """The values of some traits of some profiles, or with ``level`` of some accounts.

    In: ``profiles`` with ``id`` and ``traits`` (JSON text); names of computations, or of custom traits (a
    path such as ``address.city`` walks into an object). Out: ``id`` and a String column of JSON text per
    name, null where there is no value; an audience is ``true`` or ``false`` for everyone.

    Raises:
        DefinitionError: if a name is that of a computation of the other level, or a path into every element of an
        array.
    """
    result = profiles.select("id")
    known = source.manifest.computations if source.manifest else {}
    custom = [name for name in names if name not in known]
    objects = parse_objects(profiles.get_column("traits")) if custom else []
    records = [item if isinstance(item, dict) else {} for item in objects]
    columns = []
    for name in names:
        values = _custom(records, name) if name in custom else _computed(source, result, known[name], level)
        columns.append(values.alias(name))
    return result.with_columns(columns)


def _computed(source: Source, profiles: pl.DataFrame, record: ComputationRecord, level: Level) -> pl.Series:
    if record.level is not level:
        whose = "profiles" if level is Level.USER else "accounts"
        raise DefinitionError(f"'{record.key}' is {record.level}-level: its values can't be added to {whose}")
    ids = profiles.lazy()
    with reading(source):
        snapshot = source.scan_snapshot(record.key).select("id", "value").join(ids, on="id", how="semi").collect()
    values = profiles.join(snapshot, on="id", how="left", maintain_order="left").get_column("value")
    return values.fill_null("false") if record.kind is Kind.AUDIENCE else values


def _custom(records: list[dict[str, object]], name: str) -> pl.Series:
    path = parse_path(name)
    if EACH in path:
        raise DefinitionError(f"the trait '{name}' reaches into arrays: name the array itself")
    values = values_at(records, path)
    return values.alias("value").to_frame().select(json_of_value(pl.col("value"))).to_series()
