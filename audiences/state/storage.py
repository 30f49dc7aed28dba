"""The place where the state is: a local folder or an object store, and what its errors mean to people."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import unquote, urlsplit

import obstore
import polars as pl
from deltalake.exceptions import DeltaError
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError
from obstore.store import LocalStore, ObjectStore, from_url

from audiences.errors import AudiencesError, StateError

if TYPE_CHECKING:
    from obstore.store import S3Config

FAILURES: Final = (OSError, DeltaError, BaseError, pl.exceptions.PolarsError)
"""What the libraries below raise when a place can't be read or written."""

PERMISSION_WORDS: Final = (
    "permission denied",
    "access denied",
    "accessdenied",
    "forbidden",
    "read-only file system",
)
FULL_WORDS: Final = ("no space left", "file too large", "disk quota", "quota exceeded")


IMPOSSIBLE: Final = re.compile(r"[%\[\]\\|^]")
"""Characters of a local path that the Delta library takes for something else."""


class Storage:
    """Files below one location. ``storage_options`` are passed to the object store's clients as they are.

    Without them, the clients take credentials and settings from the environment (``AWS_…``, ``GOOGLE_…``,
    ``AZURE_…``).
    """

    def __init__(self, location: str, storage_options: Mapping[str, str] | None = None) -> None:
        self.location = location.rstrip("/") or "/"
        self.options = dict(storage_options or {})
        self.folder = local_folder(self.location)
        if self.folder is not None and (impossible := IMPOSSIBLE.search(str(self.folder))):
            raise StateError(
                f"the path of the state can't have the character {impossible[0]!r}, because of Delta",
                where=self.location,
                hint="use another folder as `state`",
            )

    def uri(self, name: str) -> str:
        """The path or URL of something below the location."""
        return f"{self.folder or self.location}/{name}"

    def store(self) -> ObjectStore:
        """The location as a store of objects."""
        if self.folder is not None:
            return LocalStore(self.folder)
        # Options are named differently for each kind of store; whoever gave them knows which kind this is.
        return from_url(self.location, config=cast("S3Config", self.options) if self.options else None)

    def exists(self) -> bool:
        """Whether there may be something to read: for a local location, whether the folder is there.

        Raises:
            StateError: if the location is there but is not a folder, or may not be looked at.
        """
        if self.folder is None:
            return True
        with self.guarded("read"):
            if not self.folder.exists():
                return False
            if not self.folder.is_dir():
                raise StateError(
                    "the state location is not a folder",
                    where=self.location,
                    hint="give a folder or an object store URL as `state` in definitions/space.yml",
                )
            return True

    def create(self) -> None:
        """Makes a local location's folder, and makes sure that files can be written there.

        Raises:
            StateError: if the folder can't be made or written.
        """
        if self.folder is None:
            return
        self.exists()
        with self.guarded("write"):
            self.folder.mkdir(parents=True, exist_ok=True)
            probe = self.folder / f".writable-{os.getpid()}"
            probe.touch()
            probe.unlink(missing_ok=True)

    def list(self, folder: str) -> list[str]:
        """Names of the files directly in a folder below the location, sorted; none if there is no such
        folder.
        """
        if self.folder is not None and not (self.folder / folder).exists():
            return []
        found = obstore.list_with_delimiter(self.store(), prefix=folder)
        return sorted(item["path"].rsplit("/", 1)[-1] for item in found["objects"])

    def read(self, path: str) -> bytes:
        """A file's bytes."""
        return bytes(obstore.get(self.store(), path).bytes())

    def create_file(self, path: str, content: bytes) -> bool:
        """Writes a new file, whole or not at all. False, and nothing changed, if there is one already."""
        try:
            obstore.put(self.store(), path, content, mode="create")
        except AlreadyExistsError:
            return False
        return True

    def delete(self, path: str) -> None:
        """Removes a file, if it is there."""
        try:
            obstore.delete(self.store(), path)
        except (NotFoundError, FileNotFoundError):
            return

    @contextmanager
    def guarded(self, doing: str) -> Iterator[None]:
        """Turns what goes wrong inside into a ``StateError`` of one paragraph that names the location.

        ``doing`` is ``read`` or ``write``.
        """
        try:
            yield
        except AudiencesError:
            raise
        except FAILURES as error:
            raise state_error(self.location, doing, error) from error


def local_folder(location: str) -> Path | None:
    """The folder of a local location (a path or a ``file://`` URL); None for an object store."""
    if location.startswith("file://"):
        return Path(unquote(urlsplit(location).path))
    return None if "://" in location else Path(location).absolute()


def state_error(location: str, doing: str, error: BaseException) -> StateError:
    """What went wrong at a state location, in one paragraph."""
    reason = reason_of(error)
    lowered = reason.lower()
    if isinstance(error, PermissionError) or any(word in lowered for word in PERMISSION_WORDS):
        what, hint = (
            f"no permission to {doing} the state: {reason}",
            "give this user access, or use another location",
        )
    elif any(word in lowered for word in FULL_WORDS):
        what, hint = (
            f"the state can't be written, the disk is full: {reason}",
            "the last committed run is unchanged",
        )
    else:
        what, hint = f"can't {doing} the state: {reason}", ""
    return StateError(what, where=location, hint=hint)


def reason_of(error: BaseException) -> str:
    """An error's text as one line, without the debugging part that object stores append."""
    text = str(error).split("\n\nDebug source:")[0]
    short = " ".join(text.split())
    return short if len(short) <= 400 else short[:400] + "…"
