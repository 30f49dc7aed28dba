"""Planned messages on their way: in memory while they are few, else in temporary files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import polars as pl

from audiences.delivery.mapped_files import write_frame
from audiences.delivery.planner import MESSAGES, ORDER
from audiences.events.store.files import mapped_file
from audiences.state.results import temporary_folder
from audiences.state.selections import Between

ROWS_IN_MEMORY: Final = 200_000


class Spool:
    """Takes frames of messages (see ``planner.MESSAGES``) and gives them back in the same order.

    ``rows`` is how many there are.
    """

    def __init__(self) -> None:
        self.rows = 0
        self._waiting: list[pl.DataFrame] = []
        self._waiting_rows = 0
        self._files: list[Path] = []
        self._folder: Path | None = None

    def add(self, messages: pl.DataFrame) -> None:
        """Takes messages that come after those before."""
        if messages.is_empty():
            return
        self._waiting.append(messages)
        self._waiting_rows += messages.height
        self.rows += messages.height
        if self._waiting_rows > ROWS_IN_MEMORY:
            self._write()

    def slices(self, size: int) -> Iterator[pl.DataFrame]:
        """All messages, at most ``size`` at a time."""
        for frame in self._frames():
            yield from frame.iter_slices(size)

    def head(self, count: int) -> pl.DataFrame:
        """The first messages."""
        found = pl.DataFrame(schema=MESSAGES)
        for frame in self._frames():
            found = pl.concat([found, frame.head(count - found.height)])
            if found.height == count:
                break
        return found

    def about(self, profiles: Between) -> pl.DataFrame:
        """The messages about some profiles, in the order of messages."""
        inside = profiles.of("profile_id")
        frames = [frame.filter(inside) for frame in self._frames()]
        return pl.concat([pl.DataFrame(schema=MESSAGES), *frames]).sort(ORDER)

    def _frames(self) -> Iterator[pl.DataFrame]:
        for path in self._files:
            yield mapped_file(path)
        yield from self._waiting

    def _write(self) -> None:
        if self._folder is None:
            self._folder = temporary_folder(self)
        path = self._folder / f"{len(self._files)}.arrow"
        write_frame(pl.concat(self._waiting), path)
        self._files.append(path)
        self._waiting, self._waiting_rows = [], 0
