"""All profiles with everything that is known of them: in memory, or in a file that is read in part."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, partial
from pathlib import Path
from typing import Final

import polars as pl

from audiences.at_once import each_at_once
from audiences.events.identifiers import EXTERNAL_IDS, external_ids

UNIVERSE: Final = pl.Schema(
    {
        "id": pl.String(),
        "external_ids": EXTERNAL_IDS,
        "traits": pl.String(),
        "account_ids": pl.List(pl.String),
        "implicit": pl.Boolean(),
    }
)

ROWS_AT_ONCE: Final = 100_000


class People:
    """Profiles (``UNIVERSE``), sorted by id: a frame, or Arrow files one after another, which are removed together with
    this object.
    """

    def __init__(self, source: pl.DataFrame | Iterable[Callable[[], pl.DataFrame]]) -> None:
        """Takes a frame as it is; parts are made when it is their turn, and put down."""
        self._frame = source if isinstance(source, pl.DataFrame) else None
        self._files: list[Path] = []
        if isinstance(source, pl.DataFrame):
            return
        folder = tempfile.mkdtemp(prefix="audiences-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        numbered = ((Path(folder) / f"profiles-{number:05}.arrow", part) for number, part in enumerate(source))
        self._files = list(each_at_once(_put_down, numbered))

    def scan(self) -> pl.LazyFrame:
        """All of them, read when they are needed, as long as this object is there."""
        return pl.scan_ipc(self._files, glob=False) if self._frame is None else self._frame.lazy()

    @cached_property
    def frame(self) -> pl.DataFrame:
        """All of them in memory."""
        return self.scan().collect() if self._frame is None else self._frame


def _put_down(part: tuple[Path, Callable[[], pl.DataFrame]]) -> Path:
    path, make = part
    make().write_ipc(path)
    return path


def put_together(profiles: pl.DataFrame, identifiers: pl.DataFrame, most: int = ROWS_AT_ONCE) -> People:
    """All that is known of profiles: ``UNIVERSE`` without ``external_ids``, and these out of their identifiers.

    ``identifiers``: ``row`` (UInt32, of ``profiles``), ``type``, ``value``, ``created_at``, in any order. If there are
    more profiles than ``most``, they are put down so many at once: neither all lists of identifiers are ever in memory,
    nor is what nobody needs before the end.
    """
    if profiles.height <= most:
        return People(_with_external_ids(profiles, identifiers, 0))
    return People(_parts(profiles, identifiers, most))


def _parts(profiles: pl.DataFrame, identifiers: pl.DataFrame, rows: int) -> Iterator[Callable[[], pl.DataFrame]]:
    if not identifiers.get_column("row").is_sorted():
        identifiers = identifiers.sort("row", maintain_order=True)
    row = identifiers.get_column("row")
    for first in range(0, profiles.height, rows):
        start, end = (int(row.search_sorted(edge)) for edge in (first, first + rows))
        yield partial(_with_external_ids, profiles.slice(first, rows), identifiers.slice(start, end - start), first)


def _with_external_ids(profiles: pl.DataFrame, identifiers: pl.DataFrame, first: int) -> pl.DataFrame:
    row = identifiers.get_column("row") - first
    return profiles.with_columns(external_ids(identifiers, row, profiles.height)).select(list(UNIVERSE))
