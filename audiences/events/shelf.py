"""Where rows are put down between two steps: in memory, or in Parquet files of a temporary folder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import polars as pl


def shares(frame: pl.DataFrame) -> Iterator[tuple[int, pl.DataFrame]]:
    """A frame cut by its column ``number``, which the parts don't have."""
    parts = frame.partition_by("number", as_dict=True, include_key=False, maintain_order=True)
    for key, part in parts.items():
        yield int(key[0]), part


class Shelf:
    """Frames by name and number. With a folder each ``put`` writes a file, and memory holds none of them."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._frames: dict[tuple[str, int], list[pl.DataFrame]] = defaultdict(list)
        self._files: dict[tuple[str, int], list[Path]] = defaultdict(list)

    def put(self, name: str, number: int, frame: pl.DataFrame) -> None:
        """Add rows; all frames of a name must have one schema. An empty frame is kept for its schema only."""
        key = (name, number)
        if self._folder is None:
            self._frames[key].append(frame)
        elif frame.height or not self._files[key]:
            path = self._folder / f"{name}-{number}-{len(self._files[key])}.parquet"
            frame.write_parquet(path, compression="lz4", statistics=False)
            self._files[key].append(path)

    def get(self, name: str, number: int) -> pl.DataFrame | None:
        """All rows put under this name and number, in that order; ``None`` if there never were any."""
        key = (name, number)
        frames = self._frames.get(key) or [pl.read_parquet(path, glob=False) for path in self._files.get(key, ())]
        return pl.concat(frames, rechunk=False) if frames else None

    def take(self, name: str, number: int) -> pl.DataFrame | None:
        """``get``, and forget them."""
        frame = self.get(name, number)
        self._frames.pop((name, number), None)
        for path in self._files.pop((name, number), ()):
            path.unlink()
        return frame
