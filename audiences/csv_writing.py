"""A snapshot written as CSV, range by range, to a stream.

How many columns a layout has is known when the last range was read; until then, ranges wait in files. So everything is
read once, and memory does not grow with the audience.
"""

from __future__ import annotations

import csv
import hashlib
import io
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Final

import polars as pl

from audiences.csv_identifiers import email_addresses, held, width
from audiences.csv_layouts import (
    EXTERNAL_IDS,
    KEY,
    VALUE,
    as_columns,
    as_rows,
    cells,
    column_headings,
    guarded,
    unformatted,
)
from audiences.csv_ranges import Range, Snapshot, in_order
from audiences.definitions.computation import Kind

LINE_END: Final = "\r\n"
_HELD: Final = "held "  # begins the names of columns of identifiers in a file; the others are numbers


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


def write(
    found: Snapshot,
    stream: BinaryIO,
    layout: Format,
    identifiers: Sequence[str],
    traits: Sequence[str],
    *,
    raw: bool,
) -> int:
    """Writes a header and the rows; how many rows there are.

    ``identifiers`` are the identifier types of the space, whose columns come first, in this order; ``traits`` are
    further columns. Cells that a spreadsheet would run as a formula get a leading ``'`` unless ``raw``.

    Raises:
        StateError: if the snapshot or its profiles can't be read.
        DefinitionError: if there can't be such a trait column (see ``trait_values``).
        OSError: if it can't be written.
    """
    if layout is Format.ADS:
        return _write_hashes(found, stream)
    own = [VALUE] if found.record.kind is Kind.TRAIT else []
    content = _Content(found, own, traits, raw)
    headings = [KEY, *own, EXTERNAL_IDS, *_guarded_headings(traits, raw=raw)]
    if layout is Format.UNFORMATTED:
        _write_header(stream, headings)
        return sum(_write_rows(stream, rows) for rows in in_order(content.unformatted, found.ranges()))
    with tempfile.TemporaryDirectory() as folder:
        kept = list(in_order(lambda item: content.keep(Path(folder), *item), enumerate(found.ranges())))
        widths = _widths(kept, identifiers)
        further = column_headings(widths) if layout is Format.COLUMNS else list(widths)
        _write_header(stream, [*headings, *_guarded_headings(further, raw=raw)])
        formatted = in_order(lambda part: content.formatted(part, layout, widths), kept)
        return sum(_write_rows(stream, rows) for rows in formatted)


@dataclass(frozen=True, slots=True)
class _Kept:
    """A range in a file, until it is known how many columns all ranges need. ``widths``: by identifier type."""

    path: Path
    widths: dict[str, int]


@dataclass(frozen=True, slots=True)
class _Content:
    """The rows of a download, range by range. ``own``: the column of the computation's values, if it has one."""

    found: Snapshot
    own: Sequence[str]
    traits: Sequence[str]
    raw: bool

    def unformatted(self, part: Range) -> pl.DataFrame:
        """A range in the layout that needs to know nothing of the others."""
        return unformatted(*self._read(part), self._place)

    def keep(self, folder: Path, number: int, part: Range) -> _Kept:
        """Reads a range and puts it into a file of the folder."""
        cells, identifiers = self._read(part)
        path = folder / f"{number}.arrow"
        lists = [values.alias(f"{_HELD}{name}") for name, values in identifiers.items()]
        cells.with_columns(lists).write_ipc(path, compression="uncompressed")
        return _Kept(path, {name: width(values) for name, values in identifiers.items()})

    def formatted(self, kept: _Kept, layout: Format, widths: Mapping[str, int]) -> pl.DataFrame:
        """A range that was kept, as ``columns`` or as ``rows``."""
        frame = pl.read_ipc(kept.path)
        identifiers = {name: frame.get_column(f"{_HELD}{name}") for name in kept.widths}
        cells = frame.drop(f"{_HELD}{name}" for name in kept.widths)
        start = unformatted(cells, identifiers, self._place)
        if layout is Format.COLUMNS:
            return as_columns(start, identifiers, widths)
        return as_rows(start, identifiers, list(widths))

    @property
    def _place(self) -> int:
        """Where ``external_ids`` are: after the key and the value."""
        return 1 + len(self.own)

    def _read(self, part: Range) -> tuple[pl.DataFrame, dict[str, pl.Series]]:
        rows = self.found.rows(part, self.traits)
        return cells(rows, [*self.own, *self.traits], raw=self.raw), held(rows.get_column(EXTERNAL_IDS))


def _write_rows(stream: BinaryIO, rows: pl.DataFrame) -> int:
    """How many were written."""
    rows.write_csv(stream, include_header=False, line_terminator=LINE_END)
    return rows.height


def _write_header(stream: BinaryIO, headings: Sequence[str]) -> None:
    line = io.StringIO()
    csv.writer(line, lineterminator=LINE_END).writerow(headings)
    stream.write(line.getvalue().encode())


def _guarded_headings(headings: Sequence[str], *, raw: bool) -> list[str]:
    names = pl.DataFrame({"name": list(headings)}, schema={"name": pl.String})
    return names.select(guarded(pl.col("name"), raw=raw)).to_series().to_list()


def _widths(kept: Iterable[_Kept], identifiers: Sequence[str]) -> dict[str, int]:
    """How many columns each identifier type needs: the space's types first, in its order; only those that
    occur.
    """
    most: dict[str, int] = {}
    for part in kept:
        for name, count in part.widths.items():
            most[name] = max(most.get(name, 0), count)
    order = [*(name for name in identifiers if name in most), *sorted(set(most) - set(identifiers))]
    return {name: most[name] for name in order}


def _write_hashes(found: Snapshot, stream: BinaryIO) -> int:
    """Hashes go to a file per first two digits, then file by file, each sorted, to the stream."""
    _write_header(stream, ["email"])
    written = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for digests in in_order(lambda part: _hashes(found, part), found.ranges()):
            by_start: dict[str, list[str]] = {}
            for digest in digests:
                by_start.setdefault(digest[:2], []).append(digest)
            for start, alike in by_start.items():
                with (folder / start).open("a", encoding="ascii") as part:
                    part.writelines(f"{digest}\n" for digest in alike)
        for part_path in sorted(folder.iterdir()):
            distinct = sorted(set(part_path.read_text(encoding="ascii").split()))
            stream.writelines(f"{digest}{LINE_END}".encode() for digest in distinct)
            written += len(distinct)
    return written


def _hashes(found: Snapshot, part: Range) -> list[str]:
    """The SHA-256, upper-case hex, of each e-mail address of a range."""
    addresses = email_addresses(found.rows(part).get_column(EXTERNAL_IDS))
    return [hashlib.sha256(address.encode()).hexdigest().upper() for address in addresses.to_list()]
