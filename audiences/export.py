"""A snapshot as CSV: UTF-8, RFC 4180 (so lines end in CR LF), with a header, sorted by key.

Profiles are read and written a range of ids at a time: memory does not grow with the audience.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import polars as pl

from audiences.csv_ranges import Snapshot
from audiences.csv_writing import Format, write
from audiences.definitions.computation import Definitions, Kind, Level
from audiences.errors import DefinitionError, DeliveryError, StateError
from audiences.events.value_texts import instant_text
from audiences.language.suggest import did_you_mean
from audiences.state import ComputationRecord, Manifest, State
from audiences.state.source import Source

__all__ = ["Export", "Format", "export", "file_name"]


@dataclass(frozen=True, slots=True)
class Export:
    """A download: ``rows`` without the header; ``as_of`` and ``computed_at`` (UTC) of the snapshot."""

    path: Path | None  # None: it went to a stream
    rows: int
    as_of: datetime
    computed_at: datetime
    run: int


def file_name(key: str, format: Format | str, as_of: datetime) -> str:
    """The name of a download: ``big_spenders_columns_2010-12-10T000000Z.csv``."""
    return f"{key}_{Format(format)}_{instant_text(as_of).replace(':', '')}.csv"


def export(
    source: Source,
    definitions: Definitions,
    key: str,
    format: Format | str,
    target: Path | str | BinaryIO,
    *,
    traits: Sequence[str] = (),
    users: bool = False,
    raw: bool = False,
    run: int | None = None,
    as_of: datetime | None = None,
) -> Export:
    """Writes a snapshot as CSV to a file, into a folder (under ``file_name``), or to a binary stream.

    ``source`` is a state or a draft; of a state, the snapshot of an earlier ``run``, or the one known at an
    earlier ``as_of``, can be had (identifiers are always the newest). ``traits`` are computations or custom
    traits of users to add as columns. Of an account-level audience accounts are listed, which have no identifiers,
    or with ``users`` the users of these accounts. Cells that a spreadsheet would run as a formula get a leading
    ``'`` unless ``raw``; numbers and identifiers are left as they are. A file appears when it is whole.

    Raises:
        DefinitionError: an unknown key or format, or a format or trait that doesn't fit the computation.
        StateError: it was never computed, or the earlier run can't be had any more.
        DeliveryError: the file can't be written.
    """
    layout = _format(format)
    found = _find(source, definitions, key, run=run, as_of=as_of)
    _check(found.record, layout, traits, users=users)
    if users:
        known = definitions.computations.get(key)
        with_anonymous = known is not None and known.include_anonymous_users
        found = replace(found, users=True, with_anonymous=with_anonymous)
    identifiers = definitions.space.identifiers
    if not isinstance(target, str | Path):
        rows = write(found, target, layout, identifiers, traits, raw=raw)
        path = None
    else:
        path = Path(target)
        name = file_name(f"{key}_users" if users else key, layout, found.record.as_of)
        path = path / name if path.is_dir() else path
        with _whole_file(path) as stream:
            rows = write(found, stream, layout, identifiers, traits, raw=raw)
    record = found.record
    return Export(path, rows, as_of=record.as_of, computed_at=record.computed_at, run=record.run)


def _format(format: Format | str) -> Format:
    try:
        return Format(format)
    except ValueError:
        hint = did_you_mean(format, Format) or f"one of {', '.join(Format)}"
        raise DefinitionError(f"unknown CSV format '{format}'", hint=hint) from None


def _find(source: Source, definitions: Definitions, key: str, *, run: int | None, as_of: datetime | None) -> Snapshot:
    manifest = source.manifest
    if run is not None or as_of is not None:
        if not isinstance(source, State):
            raise StateError("the snapshot of an earlier run can be had from a state only")
        manifest = source.manifest_at(run=run, as_of=as_of)
        if manifest.run != source.run:
            source = _Earlier(source, manifest)
    record = manifest.computations.get(key) if manifest is not None else None
    if record is not None:
        return Snapshot(source, key, record)
    known = {*definitions.computations, *(source.manifest.computations if source.manifest else ())}
    if key not in known:
        raise DefinitionError(f"no computation has the key '{key}'", hint=did_you_mean(key, sorted(known)))
    when = f" by run {manifest.run}" if manifest is not None else ""
    raise StateError(f"'{key}' was not computed{when}", hint=f"run it: audiences run {key}")


def _check(record: ComputationRecord, layout: Format, traits: Sequence[str], *, users: bool) -> None:
    if users and (record.level is Level.USER or record.kind is Kind.TRAIT):
        what = "user-level" if record.level is Level.USER else "a trait"
        raise DefinitionError(f"'{record.key}' is {what}: the users of accounts are listed for account-level audiences")
    if record.level is Level.ACCOUNT and not users:
        _check_accounts(record, layout, traits)
    if layout is Format.ADS and record.kind is not Kind.AUDIENCE:
        raise DefinitionError(
            f"'{record.key}' is a trait: the format 'ads' is for audiences",
            hint="use unformatted, columns or rows",
        )
    if layout is Format.ADS and traits:
        raise DefinitionError("the format 'ads' has no trait columns", hint="use unformatted, columns or rows")
    twice = sorted({name for name in traits if traits.count(name) > 1})
    if twice:
        raise DefinitionError(f"the trait '{twice[0]}' is named twice")


def _check_accounts(record: ComputationRecord, layout: Format, traits: Sequence[str]) -> None:
    """What a list of accounts doesn't have."""
    hint = "--users lists the users of the accounts" if record.kind is Kind.AUDIENCE else ""
    if layout is Format.ADS and record.kind is Kind.AUDIENCE:
        raise DefinitionError(f"'{record.key}' is account-level: accounts have no e-mail addresses", hint=hint)
    if traits:
        raise DefinitionError(f"'{record.key}' is account-level: trait columns are for users", hint=hint)


class _Earlier:
    """An earlier run of a state: its values, with the profiles of today."""

    def __init__(self, state: State, manifest: Manifest) -> None:
        self.manifest, self.as_of, self.run = manifest, manifest.as_of, manifest.run
        self.departures, self.profiles, self.location = state.departures, state.profiles, state.location
        self.accounts = state.accounts
        self._state = state
        self._snapshots: dict[str, pl.DataFrame] = {}

    def scan_snapshot(self, key: str) -> pl.LazyFrame:
        if key not in self._snapshots:
            self._snapshots[key] = self._state.snapshot_at(key, run=self.run)
        return self._snapshots[key].lazy()


@contextmanager
def _whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file that gets its name when it is whole; nothing is left of it otherwise."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as stream:
            yield stream
        partial.replace(path)
    except OSError as error:
        raise DeliveryError(f"can't write the CSV: {error.strerror or error}", where=str(path)) from error
    finally:
        partial.unlink(missing_ok=True)
