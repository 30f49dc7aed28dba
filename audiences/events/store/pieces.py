"""Rows on their way into the store: columns as the inputs have them, put together whatever their types are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import polars as pl

from audiences.events.values import values_from_column

_AS_THEY_ARE: Final = (pl.Null, pl.Boolean, pl.String, pl.Decimal, pl.Date, pl.Datetime, pl.Float32, pl.Float64)
_INTEGERS: Final = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32)


def keepable(column: pl.Series) -> pl.Series:
    """The same column if its type is simple, so that values can be made of it later; else its values."""
    simple = isinstance(column.dtype, _AS_THEY_ARE) or column.dtype in _INTEGERS
    return column if simple else values_from_column(column)


def together(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Frames of the same columns under one another. Columns of different types become values.

    A column without anything in it has the type of the others. At least one frame must be given.
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
        else:
            frames = [frame.with_columns(values_from_column(frame.get_column(name))) for frame in frames]
    return pl.concat(frames, rechunk=False)


class Spill:
    """Frames by name and number, in memory or in files of a folder, until they are taken."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._frames: dict[tuple[str, int], list[pl.DataFrame]] = defaultdict(list)
        self._files: dict[tuple[str, int], list[Path]] = defaultdict(list)

    def put(self, name: str, number: int, frame: pl.DataFrame) -> None:
        """Put a frame down. One without rows is not kept."""
        if not frame.height:
            return
        if self._folder is None:
            self._frames[name, number].append(frame)
            return
        files = self._files[name, number]
        path = self._folder / f"{name}-{number}-{len(files)}.arrow"
        frame.write_ipc(path, compression="lz4")
        files.append(path)

    def share(self, name: str, frame: pl.DataFrame, number: str) -> None:
        """Put the rows of a frame down by the number in one of its columns, which they lose."""
        if not frame.height:
            return
        parts = frame.partition_by(number, as_dict=True, include_key=False, maintain_order=True)
        for key, part in parts.items():
            self.put(name, int(key[0]), part)

    def numbers(self, name: str) -> list[int]:
        """The numbers under which there is something of this name, in order."""
        keys = {*self._frames, *self._files}
        return sorted(number for one, number in keys if one == name)

    def get(self, name: str, number: int) -> list[pl.DataFrame]:
        """The frames, in the order in which they were put down."""
        files = self._files.get((name, number), ())
        return [*self._frames.get((name, number), ()), *(pl.read_ipc(path) for path in files)]

    def take(self, name: str, number: int) -> list[pl.DataFrame]:
        """``get``, and forget them."""
        found = self.get(name, number)
        self._frames.pop((name, number), None)
        for path in self._files.pop((name, number), ()):
            path.unlink()
        return found
