"""All profiles with everything that is known of them: in memory, or in files that are put together when asked for."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
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
"""So many profiles are put together at once."""


class People:
    """Profiles (``UNIVERSE``), sorted by id: in memory if they are few, else in files that are removed together with
    this object.
    """

    def __init__(self, frame: pl.DataFrame, identifiers: pl.DataFrame | None = None) -> None:
        """Takes a whole frame; or one without ``external_ids``, and the identifiers, and puts both down as they are."""
        self._frame = frame if identifiers is None else None
        self._parts: list[_Part] = []
        self._lock = Lock()
        if identifiers is not None:
            folder = Path(tempfile.mkdtemp(prefix="audiences-"))
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            self._parts = list(each_at_once(_Part.put_down, _cut(folder, frame, identifiers)))

    def scan(self) -> pl.LazyFrame:
        """All of them, read when they are needed, as long as this object is there."""
        if self._frame is not None:
            return self._frame.lazy()
        with self._lock:
            return pl.scan_ipc(list(each_at_once(_Part.whole, self._parts)), glob=False)


@dataclass(frozen=True, slots=True)
class _Part:
    """Some profiles in files: first as they are given, with the identifiers apart, and then as ``UNIVERSE``."""

    first: int  # the row of the first of them
    profiles: Path
    identifiers: Path
    together: Path

    @classmethod
    def put_down(cls, part: tuple[Path, int, pl.DataFrame, pl.DataFrame]) -> _Part:
        """Writes the first two."""
        folder, first, profiles, identifiers = part
        made = cls(first, *(folder / f"{first:010}-{name}.arrow" for name in ("profiles", "identifiers", "together")))
        profiles.write_ipc(made.profiles)
        identifiers.write_ipc(made.identifiers)
        return made

    def whole(self) -> Path:
        """Writes the last, if it isn't there yet."""
        if not self.together.exists():
            profiles, identifiers = pl.read_ipc(self.profiles), pl.read_ipc(self.identifiers)
            _with_external_ids(profiles, identifiers, self.first).write_ipc(self.together)
        return self.together


def _cut(
    folder: Path, profiles: pl.DataFrame, identifiers: pl.DataFrame
) -> Iterator[tuple[Path, int, pl.DataFrame, pl.DataFrame]]:
    if not identifiers.get_column("row").is_sorted():
        identifiers = identifiers.sort("row", maintain_order=True)
    row = identifiers.get_column("row")
    for first in range(0, profiles.height, ROWS_AT_ONCE):
        start, end = (int(row.search_sorted(edge)) for edge in (first, first + ROWS_AT_ONCE))
        yield folder, first, profiles.slice(first, ROWS_AT_ONCE), identifiers.slice(start, end - start)


def put_together(profiles: pl.DataFrame, identifiers: pl.DataFrame, most: int = ROWS_AT_ONCE) -> People:
    """All that is known of profiles: ``UNIVERSE`` without ``external_ids``, and these out of their identifiers.

    ``identifiers``: ``row`` (UInt32, of ``profiles``), ``type``, ``value``, ``created_at``, in any order. If there are
    more profiles than ``most``, all is put down as it is; lists of identifiers are made in parts, and only if somebody
    asks for them: those of all profiles take more memory than all else.
    """
    if profiles.height <= most:
        return People(_with_external_ids(profiles, identifiers, 0))
    return People(profiles, identifiers)


def _with_external_ids(profiles: pl.DataFrame, identifiers: pl.DataFrame, first: int) -> pl.DataFrame:
    row = identifiers.get_column("row") - first
    return profiles.with_columns(external_ids(identifiers, row, profiles.height)).select(list(UNIVERSE))
