"""Where the files of a store are: in a folder, or nowhere, as frames in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import polars as pl

_ROW_GROUP: Final = 131_072  # rows; files are read by event, which their statistics tell


class Files:
    """Tables by name. Without a folder they are kept in memory; with one each is a Parquet file."""

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
        frame.rechunk().write_parquet(path, compression="lz4", row_group_size=_ROW_GROUP, statistics=True)

    def scan(self, name: str) -> pl.LazyFrame:
        """A table, to be read in part."""
        if self.folder is None:
            return self._frames[name].lazy()
        return pl.scan_parquet(self.path(name), glob=False, hive_partitioning=False)

    def read(self, name: str) -> pl.DataFrame:
        """A whole table."""
        if self.folder is None:
            return self._frames[name]
        return self.scan(name).collect()

    def path(self, name: str) -> Path:
        """The file of a table; only where there is a folder."""
        return self.root / f"{name}.parquet"

    @property
    def root(self) -> Path:
        """The folder; only where there is one."""
        if self.folder is None:
            raise ValueError("tables in memory have no files")
        return self.folder
