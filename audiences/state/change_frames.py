"""The changes of a run by computation: in memory while they are few, else in temporary files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import polars as pl

from audiences import changes as changing
from audiences.state.results import temporary_folder

ROWS_IN_MEMORY: Final = 300_000


class ChangeFrames:
    """Frames of changes (``id``, ``change``, ``value``, ``previous``) by key. Put once, read as often as needed."""

    def __init__(self) -> None:
        self._frames: dict[str, pl.DataFrame] = {}
        self._files: dict[str, Path] = {}
        self._rows = 0
        self._folder: Path | None = None

    def put(self, key: str, changes: pl.DataFrame) -> None:
        """Takes the changes of a computation."""
        if changes.is_empty():
            return
        self._frames[key] = changes
        self._rows += changes.height
        if self._rows > ROWS_IN_MEMORY:
            self._move_to_files()

    def scan(self, key: str) -> pl.LazyFrame:
        """The changes of a computation; none if none were put."""
        if key in self._files:
            return pl.scan_ipc(self._files[key])
        return self._frames.get(key, changing.empty()).lazy()

    def names(self) -> Iterator[str]:
        """The computations that have changes, sorted."""
        return iter(sorted({*self._frames, *self._files}))

    def _move_to_files(self) -> None:
        if self._folder is None:
            self._folder = temporary_folder(self)
        for key, frame in self._frames.items():
            self._files[key] = self._folder / f"{len(self._files)}.arrow"
            frame.write_ipc(self._files[key])
        self._frames.clear()
        self._rows = 0
