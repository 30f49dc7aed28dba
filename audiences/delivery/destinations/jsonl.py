"""``type: jsonl``: one message a line, a new file per sync and computation, in a folder or an object store.

A file appears only when it is whole and what it says is recorded: it is written under a hidden name
(``.<name>.staged``), recorded as acknowledged, then renamed. A process killed in between leaves a hidden file
that the next sync either renames (recorded) or removes (not recorded), so no message is lost and none is
there twice.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol

import obstore
import polars as pl
from obstore.exceptions import BaseError
from obstore.store import from_url

from audiences.delivery.destinations.base import Batch, EventDestination, Sync
from audiences.errors import DeliveryError
from audiences.events.value_texts import instant_text
from audiences.language.suggest import nearest
from audiences.state.storage import local_folder, reason_of

SETTINGS: Final = ("path", "confirmed")
STAGED: Final = re.compile(r"\.(?P<key>[a-z][a-z0-9_]*)\..+\.sync-(?P<number>\d+)\.jsonl\.staged")


class Writable(Protocol):
    """A file that is being written."""

    def write(self, content: bytes, /) -> object:
        """Adds to it."""


class Folder(Protocol):
    """Where files are written, on disk or in an object store."""

    def names(self) -> list[str]:
        """All file names."""

    def writing(self, name: str) -> AbstractContextManager[Writable]:
        """Writes a file; it is there, whole and safely on disk, when this ends without an error."""

    def rename(self, name: str, new: str) -> None:
        """Renames a file, over another one if need be."""

    def remove(self, name: str) -> None:
        """Removes a file."""


class JsonLines(EventDestination):
    """Files named ``<computation>.<as-of>.run-<n>.sync-<n>.jsonl``. Settings: ``path``, a folder or URL."""

    type: ClassVar[str] = "jsonl"
    whole: ClassVar[bool] = True

    @classmethod
    def mistakes(cls, settings: Mapping[str, Any]) -> list[str]:
        """``path`` is needed; ``confirmed`` is true or false; nothing else is known."""
        found = []
        for name in settings:
            if name not in SETTINGS:
                near = nearest(str(name), SETTINGS)
                found.append(f"unknown setting '{name}'" + (f", did you mean '{near}'?" if near else ""))
        path = settings.get("path")
        if not isinstance(path, str) or not path:
            found.append("`path` is needed: the folder (or object store URL) that files are written to")
        if not isinstance(settings.get("confirmed", False), bool):
            found.append("`confirmed` must be true or false")
        return found

    def place(self) -> str:
        """The folder or URL: two destinations in one folder would take each other's files for their own."""
        path = str(self.settings["path"])
        folder = local_folder(path)
        return path.rstrip("/") if folder is None else str(Path(os.path.normpath(self.root / Path(path).expanduser())))

    def settle(self, computation: str, recorded: int) -> None:
        """Renames the staged files of recorded syncs, removes those of others."""
        with self._guarded():
            folder = self._folder()
            for name in folder.names():
                match = STAGED.fullmatch(name)
                if match is None or match["key"] != computation:
                    continue
                if int(match["number"]) <= recorded:
                    folder.rename(name, _final_name(name))
                else:
                    folder.remove(name)

    def send(self, sync: Sync, batches: Iterable[Batch]) -> Iterator[pl.DataFrame]:
        """Writes the staged file. It is whole, and on disk, when this comes to its end."""
        with self._guarded(), self._folder().writing(_staged_name(sync)) as file:
            for batch in batches:
                file.write((batch.messages.str.join("\n").item() + "\n").encode())
                yield batch.rows

    def finish(self, sync: Sync) -> str:
        """Gives the file its final name; returns its path or URL."""
        with self._guarded():
            self._folder().rename(_staged_name(sync), file_name(sync))
        return f"{self.place()}/{file_name(sync)}"

    def _folder(self) -> Folder:
        place = self.place()
        return LocalFolder(Path(place)) if local_folder(place) is not None else ObjectFolder(place)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except (OSError, BaseError) as error:
            raise DeliveryError(
                f"can't write to destination '{self.name}': {reason_of(error)}",
                where=self.place(),
                hint="what is not delivered now is delivered by the next run",
            ) from error


class LocalFolder:
    """A folder on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> list[str]:
        """All file names, sorted; none if there is no folder yet."""
        return sorted(path.name for path in self.folder.iterdir()) if self.folder.exists() else []

    @contextmanager
    def writing(self, name: str) -> Iterator[Writable]:
        """Writes a file and waits until the disk has it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / name).open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())

    def rename(self, name: str, new: str) -> None:
        """Renames a file; a crash leaves it under the old name or the new one."""
        (self.folder / name).replace(self.folder / new)
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def remove(self, name: str) -> None:
        """Removes a file."""
        (self.folder / name).unlink(missing_ok=True)


class ObjectFolder:
    """A prefix in an object store; settings and credentials come from the environment."""

    def __init__(self, url: str) -> None:
        self.store = from_url(url)

    def names(self) -> list[str]:
        """All object names directly below the prefix, sorted."""
        return sorted(item["path"].rsplit("/", 1)[-1] for item in obstore.list_with_delimiter(self.store)["objects"])

    @contextmanager
    def writing(self, name: str) -> Iterator[Writable]:
        """Uploads an object, in parts; it appears when it is closed, which after an error is too early."""
        with obstore.open_writer(self.store, name) as file:
            yield file

    def rename(self, name: str, new: str) -> None:
        """Copies an object, then removes the old one: a crash leaves both, and it is done again."""
        obstore.rename(self.store, name, new)

    def remove(self, name: str) -> None:
        """Removes an object."""
        obstore.delete(self.store, name)


def file_name(sync: Sync) -> str:
    """The name of a sync's file; colons are left out of the time, for file systems that don't take them."""
    as_of = instant_text(sync.as_of).replace(":", "")
    return f"{sync.computation}.{as_of}.run-{sync.run}.sync-{sync.number}.jsonl"


def _staged_name(sync: Sync) -> str:
    return f".{file_name(sync)}.staged"


def _final_name(staged: str) -> str:
    return staged.removeprefix(".").removesuffix(".staged")
