"""What the folders of a data lake say about a file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import unquote

_TABLE: Final = re.compile(r"segment_type=(.*)", re.IGNORECASE)
_DAY: Final = re.compile(r"day=([0-9]{4}-[0-9]{2}-[0-9]{2})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class LakePlace:
    """``…/<source>/segment_type=<table>/day=YYYY-MM-DD/…``: a table of a source, and the day its events were received
    (UTC; ``None`` where no folder says so).
    """

    source: str
    table: str
    day: date | None


def lake_place(path: str) -> LakePlace | None:
    """Where a file is in a data lake; ``None`` if it isn't in one."""
    folders = PurePosixPath(path).parts[:-1]
    for number, folder in enumerate(folders):
        if matched := _TABLE.fullmatch(folder):
            source = folders[number - 1] if number else ""
            return LakePlace(source, unquote(matched[1]), _day(folders[number + 1 :]))
    return None


def _day(folders: tuple[str, ...]) -> date | None:
    for folder in folders:
        if matched := _DAY.fullmatch(folder):
            try:
                return date.fromisoformat(matched[1])
            except ValueError:  # a day that no calendar has
                return None
    return None
