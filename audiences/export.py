"""A snapshot as CSV: UTF-8, RFC 4180 (so lines end in CR LF), with a header, sorted by key.

Profiles are read and written a range of ids at a time: memory does not grow with the audience.
"""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Final

import polars as pl

from audiences.csv_layouts import (
    EXTERNAL_IDS,
    KEY,
    VALUE,
    as_columns,
    as_rows,
    column_headings,
    email_hashes,
    guarded,
    leading,
)
from audiences.definitions.computation import Definitions, Kind, Level
from audiences.delivery.identifiers import identifiers_of
from audiences.errors import DefinitionError, DeliveryError, StateError
from audiences.events.value_texts import instant_text
from audiences.language.suggest import did_you_mean
from audiences.state import ComputationRecord, Manifest, State
from audiences.state.account_users import account_users
from audiences.state.source import Source, reading, trait_values

LINE_END: Final = "\r\n"
PROFILES_PER_BATCH: Final = 100_000
SAMPLE_EVERY: Final = 1_000  # of the ids, to find where batches begin and end


class Format(StrEnum):
    """The layouts of a download."""

    UNFORMATTED = "unformatted"
    """``key``, the trait's ``value``, ``external_ids`` (a JSON object of lists)."""
    COLUMNS = "columns"
    """And a column per identifier type; further values go to ``email_1``, ``email_2``, …"""
    ROWS = "rows"
    """And a column per identifier type; each further value is another row."""
    ADS = "ads"
    """One column ``email``: SHA-256 of addresses, as advertising networks take them. Audiences only."""


@dataclass(frozen=True, slots=True)
class Export:
    """A download: ``rows`` without the header; ``as_of`` and ``computed_at`` (UTC) of the snapshot."""

    path: Path | None  # None: it went to a stream
    rows: int
    as_of: datetime
    computed_at: datetime
    run: int


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """What is exported: a computation's values, and the source of everything else about the profiles.

    ``users`` (of an account-level audience): the users of the accounts, ``with_anonymous`` ones or without.
    """

    source: Source
    key: str
    record: ComputationRecord
    users: bool = False
    with_anonymous: bool = False

    def values(self) -> pl.LazyFrame:
        """``id``, ``value``."""
        snapshot = self.source.scan_snapshot(self.key)
        if self.users:
            users = account_users(self.source.profiles(), include_anonymous=self.with_anonymous)
            found = users.join(snapshot.select(account="id"), on="account", how="semi").select("id").unique()
            return found.with_columns(value=pl.lit("true"))
        return snapshot.select("id", "value")

    def profiles(self) -> pl.LazyFrame:
        """``id``, ``external_ids``, ``traits`` of those that the values may be of; accounts are no profiles."""
        profiles = self.source.profiles().select("id", "external_ids", "traits")
        return profiles if self.users or self.record.level is Level.USER else profiles.clear()


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
        rows = _write(found, target, layout, identifiers, traits, raw=raw)
        path = None
    else:
        path = Path(target)
        name = file_name(f"{key}_users" if users else key, layout, found.record.as_of)
        path = path / name if path.is_dir() else path
        with _whole_file(path) as stream:
            rows = _write(found, stream, layout, identifiers, traits, raw=raw)
    record = found.record
    return Export(path, rows, as_of=record.as_of, computed_at=record.computed_at, run=record.run)


def _format(format: Format | str) -> Format:
    try:
        return Format(format)
    except ValueError:
        hint = did_you_mean(format, Format) or f"one of {', '.join(Format)}"
        raise DefinitionError(f"unknown CSV format '{format}'", hint=hint) from None


def _find(source: Source, definitions: Definitions, key: str, *, run: int | None, as_of: datetime | None) -> _Snapshot:
    manifest = source.manifest
    if run is not None or as_of is not None:
        if not isinstance(source, State):
            raise StateError("the snapshot of an earlier run can be had from a state only")
        manifest = source.manifest_at(run=run, as_of=as_of)
        if manifest.run != source.run:
            source = _Earlier(source, manifest)
    record = manifest.computations.get(key) if manifest is not None else None
    if record is not None:
        return _Snapshot(source, key, record)
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


def _write(
    found: _Snapshot,
    stream: BinaryIO,
    layout: Format,
    identifiers: Sequence[str],
    traits: Sequence[str],
    *,
    raw: bool,
) -> int:
    if layout is Format.ADS:
        return _write_hashes(found, stream)
    values = [VALUE, *traits] if found.record.kind is Kind.TRAIT else list(traits)
    widths = {} if layout is Format.UNFORMATTED else _widths(found, identifiers)
    own = [VALUE] if found.record.kind is Kind.TRAIT else []
    headings = [KEY, *own, EXTERNAL_IDS, *_guarded_headings(traits, raw=raw)]
    further = column_headings(widths) if layout is Format.COLUMNS else list(widths)
    _write_header(stream, [*headings, *_guarded_headings(further, raw=raw)])
    written = 0
    for batch, profiles in _batches(found):
        rows = batch.drop(VALUE) if found.record.kind is Kind.AUDIENCE else batch
        rows = rows.join(_traits(found.source, profiles, rows, traits), on="id", how="left", maintain_order="left")
        held = identifiers_of(profiles.lazy())
        start = leading(rows, held, values, raw=raw)
        if layout is Format.COLUMNS:
            cells = as_columns(start, held, widths)
        elif layout is Format.ROWS:
            cells = as_rows(start, held, list(widths))
        else:
            cells = start.drop("id")
        cells.write_csv(stream, include_header=False, line_terminator=LINE_END)
        written += cells.height
    return written


def _traits(source: Source, profiles: pl.DataFrame, rows: pl.DataFrame, traits: Sequence[str]) -> pl.DataFrame:
    """The trait columns; a profile that is gone has the computed ones only."""
    ids = rows.select("id")
    everyone = ids.join(profiles.select("id", "traits"), on="id", how="left", maintain_order="left")
    return trait_values(source, everyone, traits) if traits else ids


def _write_header(stream: BinaryIO, headings: Sequence[str]) -> None:
    line = io.StringIO()
    csv.writer(line, lineterminator=LINE_END).writerow(headings)
    stream.write(line.getvalue().encode())


def _guarded_headings(headings: Sequence[str], *, raw: bool) -> list[str]:
    names = pl.DataFrame({"name": list(headings)}, schema={"name": pl.String})
    return names.select(guarded(pl.col("name"), raw=raw)).to_series().to_list()


def _widths(found: _Snapshot, identifiers: Sequence[str]) -> dict[str, int]:
    """How many columns each identifier type needs: the space's types first, in its order; only those that
    occur.
    """
    most: dict[str, int] = {}
    for _, profiles in _batches(found):
        held = identifiers_of(profiles.lazy())
        for name, count in held.group_by("type").agg(pl.col("place").max() + 1).iter_rows():
            most[name] = max(most.get(name, 0), int(count))
    order = [*(name for name in identifiers if name in most), *sorted(set(most) - set(identifiers))]
    return {name: most[name] for name in order}


def _batches(found: _Snapshot) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """The snapshot (``id``, ``value``) in ranges of ids, sorted, each with the profiles of these ids."""
    snapshot, profiles = found.values(), found.profiles()
    with reading(found.source):
        ranges = _ranges(snapshot)
    for inside in ranges:
        with reading(found.source):
            batch = snapshot.filter(inside).collect().sort("id")
            people = profiles.filter(inside).join(batch.lazy(), on="id", how="semi").collect()
        if batch.height:
            yield batch, people


def _ranges(snapshot: pl.LazyFrame) -> list[pl.Expr]:
    """Conditions that cut the ids into ranges of about ``PROFILES_PER_BATCH``, in order."""
    sample = snapshot.select("id").gather_every(SAMPLE_EVERY).collect(engine="streaming").get_column("id").sort()
    bounds = sample.gather_every(PROFILES_PER_BATCH // SAMPLE_EVERY).to_list()[1:]
    ranges = []
    for low, high in zip([None, *bounds], [*bounds, None], strict=True):
        inside = pl.lit(True) if low is None else pl.col("id") >= low
        ranges.append(inside if high is None else inside & (pl.col("id") < high))
    return ranges


def _write_hashes(found: _Snapshot, stream: BinaryIO) -> int:
    """Hashes go to a file per first two digits, then file by file, each sorted, to the stream."""
    _write_header(stream, ["email"])
    written = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for _, profiles in _batches(found):
            by_start: dict[str, list[str]] = {}
            for digest in email_hashes(identifiers_of(profiles.lazy())):
                by_start.setdefault(digest[:2], []).append(digest)
            for start, digests in by_start.items():
                with (folder / start).open("a", encoding="ascii") as part:
                    part.writelines(f"{digest}\n" for digest in digests)
        for part_path in sorted(folder.iterdir()):
            digests = sorted(set(part_path.read_text(encoding="ascii").split()))
            stream.writelines(f"{digest}{LINE_END}".encode() for digest in digests)
            written += len(digests)
    return written


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
