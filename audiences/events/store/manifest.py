"""The manifest of a store: the one small file that says which files it is made of, written last."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Final

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from audiences.events.rejects import SAMPLES, Rejects, Sample
from audiences.events.store.coverage import Coverage

FORMAT: Final = 3
"""The layout that this version reads and writes."""

_FOLDER: Final = "manifests"
_NAME: Final = re.compile(r"(\d{10})\.json")
_OURS: Final = re.compile(r"(base|later|unfinished)-.+")


class SourceFile(BaseModel):
    """A file of events that the store holds the rows of."""

    model_config = ConfigDict(frozen=True)

    name: str  # inside the source
    path: str
    size: int  # bytes
    version: str
    """Changes whenever the content does."""
    arrival: int = 0
    """Files of the same number were read together."""
    generation: str = ""
    """Which generation has its rows."""


class Bucket(BaseModel):
    """A file of rows. Instants are microseconds since 1970; None where there are no rows."""

    model_config = ConfigDict(frozen=True)

    rows: int = 0
    first: int | None = None
    last: int | None = None
    identities: int = 0
    """How many of the table of identities are in this bucket; they are in its order."""
    homes: int = 0
    """How many of the table of homes are in this bucket; they are in its order."""


class RejectSample(BaseModel):
    """A sample of a rejected row; see ``Sample``."""

    model_config = ConfigDict(frozen=True)

    reason: str
    path: str
    row: int
    message_id: str | None
    excerpt: str


class Counts(BaseModel):
    """What was read: the same as if all was read at once."""

    model_config = ConfigDict(frozen=True)

    read: int = 0
    accepted: int = 0  # without copies
    duplicates: int = 0
    rejects: Mapping[str, int] = Field(default_factory=dict)
    samples: tuple[RejectSample, ...] = ()

    def plus(self, other: Counts) -> Counts:
        """Both together. Samples are kept in the order of paths and rows."""
        samples = sorted((*self.samples, *other.samples), key=lambda one: (one.reason, one.path, one.row))
        first = [one for number, one in enumerate(samples) if _number(samples, number) < SAMPLES]
        reasons = {**self.rejects, **other.rejects}
        return Counts(
            read=self.read + other.read,
            accepted=self.accepted + other.accepted,
            duplicates=self.duplicates + other.duplicates,
            rejects={name: self.rejects.get(name, 0) + other.rejects.get(name, 0) for name in reasons},
            samples=tuple(first),
        )

    @classmethod
    def of(cls, read: int, accepted: int, duplicates: int, rejects: Rejects) -> Counts:
        """Counts of one reading."""
        samples = [RejectSample.model_validate(one) for several in rejects.samples.values() for one in several]
        return cls(read=read, accepted=accepted, duplicates=duplicates, rejects=rejects.counts, samples=tuple(samples))

    def add_to(self, rejects: Rejects, paths: Mapping[str, str]) -> None:
        """Adds what was rejected; ``paths`` says where files are now that were elsewhere."""
        for reason, rows in self.rejects.items():
            rejects.count(reason, rows)
        for one in self.samples:
            path = paths.get(one.path, one.path)
            rejects.sample(Sample(one.reason, path, one.row, one.message_id, one.excerpt))


def _number(samples: Sequence[RejectSample], place: int) -> int:
    """How many samples of the same reason are before one; they are sorted by reason."""
    return sum(1 for one in samples[:place] if one.reason == samples[place].reason)


class Generation(BaseModel):
    """What one ingest added: a base (all there was), or rows that came later.

    Files are in a folder of its name: those of each bucket that has rows (see ``base``), ``identities``, ``homes``,
    ``companions``, ``calls``, and ``index-N.arrow`` for each part of message ids; and where it replaces rows of the
    generations before it, what ``replacing`` says.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    buckets: tuple[Bucket, ...]
    parts: int = 1
    """Into how many parts the message ids are divided."""
    indexes: tuple[str, ...] = ()
    """Their files, of the parts in which there are any."""
    replaced: int = 0
    """How many rows of the generations before it don't count any more, because a copy in this one does."""

    @property
    def rows(self) -> int:
        """How many rows of needed events."""
        return sum(bucket.rows for bucket in self.buckets)

    @property
    def offsets(self) -> list[int]:
        """Where the identities of each bucket begin in the table of identities, and where they end."""
        return list(accumulate((bucket.identities for bucket in self.buckets), initial=0))


class StoreManifest(BaseModel):
    """A complete store."""

    model_config = ConfigDict(frozen=True)

    format: int = FORMAT
    polars: str = pl.__version__
    number: int = 0
    coverage: Coverage = Coverage()
    files: tuple[SourceFile, ...] = ()
    arrivals: tuple[int, ...] = ()
    """How many rows were read together each time."""
    base: Generation = Generation(name="", buckets=())
    later: tuple[Generation, ...] = ()
    counts: Counts = Counts()

    @property
    def generations(self) -> tuple[Generation, ...]:
        """All of them, the base first."""
        return (self.base, *self.later)


def newest(folder: Path) -> tuple[StoreManifest | None, str]:
    """The newest manifest that is complete and of this format; else ``None``, and why in words."""
    problem = ""
    for number in reversed(_numbers(folder)):
        try:
            found = StoreManifest.model_validate_json(_path(folder, number).read_bytes())
        except (OSError, ValidationError):
            problem = problem or "its manifest can't be read"
            continue
        if found.format != FORMAT or found.polars != pl.__version__:
            return None, "it was written by another version"
        if found.number == number and _is_whole(folder, found):
            return found, ""
        problem = problem or "files of it are missing"
    return None, problem


def known_versions(folder: Path) -> frozenset[str]:
    """The versions of all files that a store holds the rows of; none where there is no store."""
    known, _ = newest(folder)
    return frozenset(file.version for file in known.files) if known else frozenset()


def _is_whole(folder: Path, manifest: StoreManifest) -> bool:
    return all((folder / one.name).is_dir() for one in (manifest.base, *manifest.later))


def commit(folder: Path, manifest: StoreManifest) -> StoreManifest:
    """Makes a store the newest one, in one step. Returns it with its number."""
    numbers = _numbers(folder)
    numbered = manifest.model_copy(update={"number": (numbers[-1] if numbers else 0) + 1})
    path = _path(folder, numbered.number)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_bytes(numbered.model_dump_json().encode())
    os.replace(unfinished, path)  # noqa: PTH105 (a rename that replaces)
    return numbered


def free_name(folder: Path, kind: str) -> str:
    """A name for a new generation, that no manifest names."""
    numbers = _numbers(folder)
    return f"{kind}-{(numbers[-1] if numbers else 0) + 1:010d}"


def _numbers(folder: Path) -> list[int]:
    path = folder / _FOLDER
    names = [entry.name for entry in path.iterdir()] if path.is_dir() else []
    return sorted(int(match[1]) for name in names if (match := _NAME.fullmatch(name)))


def _path(folder: Path, number: int) -> Path:
    return folder / _FOLDER / f"{number:010d}.json"


def tidy(folder: Path, manifest: StoreManifest | None) -> None:
    """Removes what the manifest doesn't name: older stores, and what an ingest that was killed left."""
    import shutil

    if not folder.is_dir():
        return
    kept = {one.name for one in (manifest.base, *manifest.later)} if manifest else set()
    for entry in folder.iterdir():
        if entry.is_dir() and _OURS.fullmatch(entry.name) and entry.name not in kept:
            shutil.rmtree(entry)
    names = folder / _FOLDER
    for entry in names.iterdir() if names.is_dir() else ():
        match = _NAME.fullmatch(entry.name)
        if match is None or manifest is None or int(match[1]) != manifest.number:
            entry.unlink()
