"""Rows on their way into the store: columns as the inputs have them, put together whatever their types are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

import polars as pl

from audiences.events.values import values_from_column

_AS_THEY_ARE: Final = (pl.Null, pl.Boolean, pl.String, pl.Decimal, pl.Date, pl.Datetime, pl.Float32, pl.Float64)
_CODED: Final = (pl.Categorical, pl.Enum)
_TEXTS: Final = (pl.String, pl.Categorical, pl.Enum)
_INTEGERS: Final = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32)


def keepable(column: pl.Series) -> pl.Series:
    """The same column if its type is simple, so that values can be made of it later; else its values."""
    simple = isinstance(column.dtype, _AS_THEY_ARE) or column.dtype in _INTEGERS
    return column if simple else values_from_column(column)


def together(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Frames of the same columns under one another. At least one frame must be given.

    Columns of different types become values, or text if they are text and categories. A column without anything in it
    has the type of the others.
    """
    if len(frames) == 1:
        return frames[0]
    types: dict[str, set[pl.DataType]] = defaultdict(set)
    for frame in frames:
        for name, dtype in frame.schema.items():
            types[name].add(dtype)
    for name, found in types.items():
        some = found - {pl.Null()}
        if len(found) == 1:
            continue
        if len(some) == 1:
            one = next(iter(some))
            frames = [frame.cast({name: one}) if frame.schema[name] == pl.Null else frame for frame in frames]
        elif all(isinstance(one, _TEXTS) for one in some):
            frames = [frame.cast({name: pl.String}) for frame in frames]
        else:
            frames = [frame.with_columns(values_from_column(frame.get_column(name))) for frame in frames]
    return pl.concat(frames, rechunk=False)


class Spill:
    """Frames by name and number, in memory or in files of a folder, until they are taken."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._frames: dict[tuple[str, int], list[pl.DataFrame]] = defaultdict(list)
        self._pieces: dict[tuple[str, int], list[_Piece]] = defaultdict(list)

    def put(self, name: str, number: int, frame: pl.DataFrame) -> None:
        """Put a frame down. One without rows is not kept."""
        if self._folder is None:
            self._keep(name, number, frame)
        else:
            self._write(name, number, *_physical(frame))

    def share(self, name: str, frame: pl.DataFrame, number: str) -> None:
        """Put the rows of a frame down by the number in one of its columns, which they lose."""
        if not frame.height:
            return
        written, coded = (frame, frame.clear()) if self._folder is None else _physical(frame)
        parts = written.partition_by(number, as_dict=True, include_key=False, maintain_order=True)
        for key, part in parts.items():
            if self._folder is None:
                self._keep(name, int(key[0]), part)
            else:
                self._write(name, int(key[0]), part, coded)

    def _keep(self, name: str, number: int, frame: pl.DataFrame) -> None:
        if frame.height:
            self._frames[name, number].append(frame)

    def _write(self, name: str, number: int, frame: pl.DataFrame, coded: pl.DataFrame) -> None:
        if self._folder is None or not frame.height:
            return
        # Straight into the file and as it is: these few seconds aren't worth compressing for.
        with self._path(name, number).open("ab", buffering=0) as file:
            frame.write_ipc_stream(file, compression="uncompressed", compat_level=pl.CompatLevel.oldest())
        self._pieces[name, number].append(_Piece(frame.schema, coded))

    def _path(self, name: str, number: int) -> Path:
        if self._folder is None:
            raise ValueError("frames in memory have no files")
        return self._folder / f"{name}-{number}.arrows"

    def numbers(self, name: str) -> list[int]:
        """The numbers under which there is something of this name, in order."""
        keys = {*self._frames, *self._pieces}
        return sorted(number for one, number in keys if one == name)

    def get(self, name: str, number: int) -> list[pl.DataFrame]:
        """The rows in the order in which they were put down; frames of the same columns may have become one."""
        found = list(self._frames.get((name, number), ()))
        pieces = self._pieces.get((name, number))
        if pieces:
            with _streams(self._path(name, number)) as streams:
                groups = groupby(pieces, lambda piece: (piece.schema, piece.coded.schema))
                found += [_read(streams, list(alike)) for _, alike in groups]
        return found

    def take(self, name: str, number: int) -> list[pl.DataFrame]:
        """``get``, and forget them."""
        found = self.get(name, number)
        self._frames.pop((name, number), None)
        if self._pieces.pop((name, number), ()):
            self._path(name, number).unlink()
        return found


@dataclass(frozen=True, slots=True)
class _Piece:
    """A frame in a file, after those before it. Its categories are numbers there; ``coded`` has these columns without
    rows: the texts of categories only live as long as a column does.
    """

    schema: pl.Schema
    coded: pl.DataFrame


def _physical(frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    coded = [column for column in frame.get_columns() if isinstance(column.dtype, _CODED)]
    numbers = frame.with_columns(column.to_physical() for column in coded)
    return numbers, pl.DataFrame([column.clear() for column in coded])


@contextmanager
def _streams(path: Path) -> Iterator[Iterator[pl.DataFrame]]:
    """The frames that were written to a file one after the other; their columns are the file itself, not copies."""
    import pyarrow as pa  # type: ignore[import-untyped]

    with pa.memory_map(str(path)) as file:

        def frames() -> Iterator[pl.DataFrame]:
            while file.tell() < file.size():
                yield pl.DataFrame(pa.ipc.open_stream(file).read_all())

        yield frames()


def _read(streams: Iterator[pl.DataFrame], pieces: Sequence[_Piece]) -> pl.DataFrame:
    frames = [frame for _, frame in zip(pieces, streams, strict=False)]
    coded = pieces[0].coded.schema
    together = pl.concat(frames, rechunk=True)  # rows are gathered from it, which is slow in many chunks
    return together.with_columns(pl.col(name).cat.to(dtype) for name, dtype in coded.items())
