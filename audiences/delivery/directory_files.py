"""The identifiers of all profiles in files that a reader maps into memory: looking a few up costs what these cost.

``<n>.arrow`` has those of a range of profiles, sorted by id. ``index-<n>.arrow`` has the hashes of some identifiers,
sorted, each with its place in these; ``shared.arrow`` the profiles whose identifiers are those of others, too. All of
it is derived from the state's profiles; what isn't there, or isn't what it was, is made again.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from audiences.delivery.identifiers import identifiers_of
from audiences.delivery.mapped_files import copied, write_frame
from audiences.events.store.files import mapped_file
from audiences.state.since import WrittenProfiles
from audiences.state.storage import FAILURES

FOLDER: Final = "identifiers"
"""Beside the state's tables."""

LAYOUT: Final = f"1, Polars {pl.__version__}"
"""Another version of Polars hashes in another way."""

CONTENT: Final = "content.json"
KEPT: Final = 2  # the profiles as they were before they were written as a whole are compared with how they are now
PROFILES_PER_PART: Final = 131_072  # as many as a row group of the state's table has
ROWS_PER_INDEX: Final = 2_000_000
IDENTIFIER: Final = ["type", "value"]


@dataclass(frozen=True, slots=True)
class WrittenDirectory:
    """The files in a folder. ``edges`` are the ids before which profiles are cut into parts."""

    folder: Path
    edges: tuple[str, ...]
    indexes: int

    def part(self, number: int) -> pl.DataFrame:
        """``id``, ``type``, ``value``, ``place``, ``last`` of a part, as ``identifiers.identifiers_of`` gives them.

        What is looked at counts as memory of this process until the frame, and what was taken from it, is gone.
        """
        return mapped_file(self.folder / f"{number}.arrow")

    def of(self, ids: pl.Series) -> pl.DataFrame:
        """The identifiers of some profiles (ids, unique)."""
        wanted = ids.sort()
        cuts = [0, *(int(wanted.search_sorted(edge, side="left")) for edge in self.edges), len(wanted)]
        found = [self.part(0).clear()]
        for number in range(len(self.edges) + 1):
            here = wanted[cuts[number] : cuts[number + 1]]
            if len(here):
                part = self.part(number)
                found.append(copied(part[_rows(part.get_column("id"), here)]))
        return pl.concat(found)

    def holders(self, hashes: pl.Series) -> pl.DataFrame:
        """Who has identifiers with some hashes (unique): ``hash``, ``id``."""
        found = [pl.DataFrame(schema={"hash": pl.UInt64, "part": pl.UInt32, "row": pl.UInt32})]
        for number in range(self.indexes):
            here = hashes.filter(hashes % self.indexes == number).sort()
            if len(here):
                index = self._index(number)
                found.append(index[_rows(index.get_column("hash"), here)])
        return self._with_ids(pl.concat(found))

    def shared(self) -> pl.DataFrame:
        """Who has identifiers that others have, too: ``hash``, ``id``."""
        return mapped_file(self.folder / "shared.arrow")

    def _index(self, number: int) -> pl.DataFrame:
        return mapped_file(self.folder / f"index-{number}.arrow")

    def _with_ids(self, places: pl.DataFrame) -> pl.DataFrame:
        found = [pl.DataFrame(schema={"hash": pl.UInt64, "id": pl.String})]
        for here in places.partition_by("part"):
            ids = self.part(here.item(0, "part")).get_column("id").gather(here.get_column("row"))
            found.append(copied(pl.DataFrame([here.get_column("hash"), ids])))
        return pl.concat(found)

    def write_indexes(self, places: pl.DataFrame) -> None:
        """Writes what finds identifiers: ``hash``, ``part``, ``row`` of each."""
        for number in range(self.indexes):
            here = places.filter(pl.col("hash") % self.indexes == number).sort("hash")
            write_frame(here, self.folder / f"index-{number}.arrow")
        hashes = pl.col("hash")
        twice = (hashes == hashes.shift()) | (hashes == hashes.shift(-1))
        several = pl.concat([self._index(number).filter(twice.fill_null(False)) for number in range(self.indexes)])
        write_frame(self._with_ids(several), self.folder / "shared.arrow")


def hashes_of(identifiers: pl.DataFrame) -> pl.Series:
    """A number (UInt64) for each ``type`` and ``value``; different ones seldom have the same."""
    return identifiers.select(pl.struct(IDENTIFIER).hash(seed=0).alias("hash")).to_series()


def written(profiles: WrittenProfiles, temporary: Path) -> WrittenDirectory:
    """The files for a state's profiles: those that are there, else new ones, in a ``temporary`` folder at need."""
    if profiles.folder is None or not profiles.files:
        return _write(profiles.rows, temporary)
    place = profiles.folder / FOLDER
    for folder in _folders(place):
        found = _found(folder, profiles.files)
        if found is not None:
            return found
    if not profiles.writable:
        return _write(profiles.rows, temporary)
    made = _write(profiles.rows, place / uuid.uuid4().hex)
    _say(made, profiles.files)
    for folder in _folders(place)[KEPT:]:
        shutil.rmtree(folder, ignore_errors=True)
    return made


def _folders(place: Path) -> list[Path]:
    """The latest first, those that never became whole last."""
    if not place.exists():
        return []

    def age(folder: Path) -> float:
        content = folder / CONTENT
        return -content.stat().st_mtime if content.exists() else 0

    return sorted((path for path in place.iterdir() if path.is_dir()), key=age)


def _write(profiles: pl.LazyFrame, folder: Path) -> WrittenDirectory:
    folder.mkdir(parents=True, exist_ok=True)
    edges: list[str] = []
    places: list[pl.DataFrame] = []
    for number, (first, identifiers) in enumerate(_parts(profiles)):
        edges += [first] if number else []
        write_frame(identifiers, folder / f"{number}.arrow")
        hashes = hashes_of(identifiers)
        part = pl.repeat(number, len(hashes), dtype=pl.UInt32, eager=True).alias("part")
        row = pl.int_range(len(hashes), dtype=pl.UInt32, eager=True).alias("row")
        places.append(pl.DataFrame([hashes, part, row]))
    together = pl.concat(places)
    made = WrittenDirectory(folder, tuple(edges), together.height // ROWS_PER_INDEX + 1)
    made.write_indexes(together)
    return made


def _parts(profiles: pl.LazyFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """The identifiers of ranges of profiles, each with the first id of its range; one without any if there are none."""
    wanted = profiles.select("id", "external_ids")
    rows, last = 0, ""
    while True:
        part = wanted.slice(rows, PROFILES_PER_PART).collect()
        ids = part.get_column("id")
        if part.is_empty():
            break
        if not ids.is_sorted() or (rows and ids[0] <= last):
            raise ValueError("profiles are not sorted by id")
        rows, last = rows + part.height, ids[-1]
        yield ids[0], identifiers_of(part.lazy())
    if not rows:
        yield "", identifiers_of(wanted.head(0))


def _say(made: WrittenDirectory, files: tuple[str, ...]) -> None:
    """Says what the files are, now that they are whole."""
    content = {
        "layout": LAYOUT,
        "profiles": list(files),
        "edges": list(made.edges),
        "indexes": made.indexes,
        "bytes": {path.name: path.stat().st_size for path in sorted(made.folder.iterdir())},
    }
    unfinished = made.folder / f"{CONTENT}.new"
    unfinished.write_text(json.dumps(content))
    unfinished.replace(made.folder / CONTENT)


def _found(folder: Path, files: tuple[str, ...]) -> WrittenDirectory | None:
    """What is there, if it is of the same profiles, whole, and can be read."""
    try:
        content = json.loads((folder / CONTENT).read_text())
        if content["layout"] != LAYOUT or content["profiles"] != list(files):
            return None
        if any((folder / name).stat().st_size != size for name, size in content["bytes"].items()):
            return None
        return WrittenDirectory(folder, tuple(content["edges"]), int(content["indexes"]))
    except (*FAILURES, ValueError, KeyError, TypeError):
        return None


def _rows(column: pl.Series, wanted: pl.Series) -> pl.Series:
    """The rows of a sorted column that have one of the values wanted (sorted, unique)."""
    bounds = pl.DataFrame(
        {"first": column.search_sorted(wanted, side="left"), "end": column.search_sorted(wanted, side="right")}
    ).filter(pl.col("first") < pl.col("end"))
    return bounds.select(pl.int_ranges("first", "end").explode()).to_series().cast(pl.UInt32)
