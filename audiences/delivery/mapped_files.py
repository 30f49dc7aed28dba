"""Frames in files that are mapped into memory when they are read: only what is looked at is read from the disk."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import polars as pl


def write_frame(frame: pl.DataFrame, path: Path) -> None:
    """Writes a frame in one piece, not compressed."""
    from pyarrow import ipc  # type: ignore[import-untyped]  # imported where it is used: most deliveries have no files

    table = frame.rechunk().to_arrow(compat_level=pl.CompatLevel.newest())
    with path.open("wb") as file, ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def copied(frame: pl.DataFrame) -> pl.DataFrame:
    """The same frame with texts of its own: those of a few rows would keep all of a file mapped."""
    return cast(pl.DataFrame, pl.from_arrow(frame.to_arrow(compat_level=pl.CompatLevel.oldest())))
