"""Where the files of a store are: in a folder, or nowhere, as frames in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import polars as pl

_ROW_GROUP: Final = 131_072  # rows


class Files:
    """Tables by name. Without a folder they are kept in memory; with one each is a file.

    Arrow files, not compressed, so that what is looked at, and nothing else, is read; and Parquet files for tables that
    are large and rarely looked at.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._frames: dict[str, pl.DataFrame] = {}

    def write(self, name: str, frame: pl.DataFrame) -> None:
        """Write a table. The same rows give the same bytes."""
        if self.folder is None:
            self._frames[name] = frame
            return
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.rechunk().write_ipc(path, compression="uncompressed", record_batch_size=max(1, frame.height))

    def sink(self, name: str, rows: pl.LazyFrame) -> None:
        """Write a table that is never in memory as a whole."""
        if self.folder is None:
            self._frames[name] = rows.collect()
            return
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        rows.sink_ipc(path, compression="uncompressed")

    def mapped(self, name: str) -> pl.DataFrame:
        """A table whose columns are the file: only what is looked at is read."""
        return self._frames[name] if self.folder is None else mapped_file(self.path(name))

    def write_apart(self, name: str, frame: pl.DataFrame) -> None:
        """Write a table that is rarely looked at."""
        if self.folder is None:
            self._frames[name] = frame
            return
        path = self.path(name, "parquet")
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.rechunk().write_parquet(path, compression="lz4", row_group_size=_ROW_GROUP, statistics=False)

    def scan_apart(self, name: str) -> pl.LazyFrame:
        """A table that is rarely looked at, to be read in part."""
        if self.folder is None:
            return self._frames[name].lazy()
        return pl.scan_parquet(self.path(name, "parquet"), glob=False, hive_partitioning=False)

    def path(self, name: str, kind: str = "arrow") -> Path:
        """The file of a table; only where there is a folder."""
        return self.root / f"{name}.{kind}"

    @property
    def root(self) -> Path:
        """The folder; only where there is one."""
        if self.folder is None:
            raise ValueError("tables in memory have no files")
        return self.folder


def mapped_file(path: Path) -> pl.DataFrame:
    """The table in an Arrow file that isn't compressed: it is the file. It stays valid when the file is removed."""
    import pyarrow as pa  # type: ignore[import-untyped]  # imported where it is used: it takes a while

    found = pl.from_arrow(pa.ipc.open_file(pa.memory_map(str(path))).read_all())
    if not isinstance(found, pl.DataFrame):
        raise TypeError(f"{path} is no table")
    return found
