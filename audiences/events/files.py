"""Finding the Parquet files of a source: a file, a folder, a glob or an object store's URL."""

from __future__ import annotations

import fnmatch
import glob
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from audiences.errors import InputError
from audiences.events.lake_places import lake_place

if TYPE_CHECKING:
    from obstore import ObjectMeta

_SUFFIXES: Final = (".parquet", ".pq")
_WILDCARDS: Final = re.compile(r"[*?\[]")
_MAGIC: Final = (b"PAR1", b"PARE")
_TAIL: Final = 8  # a Parquet file ends with the length of its footer in four bytes, and four bytes of magic


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A Parquet file: what opens it, its name inside the source, and what tells one version from the next."""

    path: str
    name: str
    size: int  # bytes
    modified: str  # nanoseconds since 1970, or the object store's ETag or time
    is_remote: bool = False


def find_files(location: str, what: str = "events") -> list[FoundFile]:
    """The Parquet files at ``location``, sorted by path; never an empty list.

    A folder gives the ``.parquet`` and ``.pq`` files in it and below, without those whose name, or a
    folder's on the way, starts with ``_`` or ``.``; a file or a glob gives what it names. ``what`` names
    the source in messages.

    Raises ``InputError`` where nothing is there or it may not be read, and for folders ``segment_type=…`` of anything
    but events: only these have the data lake layout.
    """
    found = _remote(location, what) if "://" in location else _local(location, what)
    for file in found if what != "events" else ():
        if lake_place(file.path) is not None:
            raise InputError(
                f"the {what} are in folders of a data lake",
                where=file.path,
                hint="only events have this layout; others are one table, without folders segment_type=…",
            )
    return sorted(found, key=lambda file: file.path)


def _local(location: str, what: str) -> list[FoundFile]:
    path = Path(location)
    try:
        if path.is_dir():
            paths = list(_in_folder(path))
            if not paths:
                raise InputError(
                    f"the folder of the {what} has no Parquet files",
                    where=location,
                    hint="put .parquet files there, or change sources in space.yml",
                )
            return [_found(file, str(file.relative_to(path))) for file in paths]
        if path.exists():
            return [_found(path, path.name)]
        matches = [Path(match) for match in sorted(glob.glob(location, recursive=True))]  # noqa: PTH207 (absolute)
        paths = [file for match in matches for file in (_in_folder(match) if match.is_dir() else (match,))]
        base = Path(_before_wildcards(location) or "/")
        if paths:
            return [_found(file, str(file.relative_to(base))) for file in dict.fromkeys(paths)]
    except PermissionError as error:
        raise _not_permitted(str(error.filename or location), what) from error
    problem = "no file matches the glob" if _WILDCARDS.search(location) else "there is no such file or folder"
    raise InputError(f"{problem} of the {what}", where=location, hint="check the path under sources in space.yml")


def _in_folder(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith(("_", ".")):
            continue
        if entry.is_dir():
            yield from _in_folder(entry)
        elif entry.name.lower().endswith(_SUFFIXES):
            yield entry


def _found(path: Path, name: str) -> FoundFile:
    status = path.stat()
    return FoundFile(str(path), name, status.st_size, str(status.st_mtime_ns))


def _before_wildcards(location: str) -> str:
    """The folders of a glob before the first part with a wildcard."""
    parts = takewhile(lambda part: not _WILDCARDS.search(part), location.split("/"))
    return "/".join(parts)


def _not_permitted(path: str, what: str) -> InputError:
    return InputError(
        f"no permission to read the {what}", where=path, hint="give the user who runs this read permission"
    )


def _remote(location: str, what: str) -> list[FoundFile]:
    """List an object store. Credentials come from the environment, as the store's own tools read them."""
    from obstore.exceptions import BaseError

    parts = urlsplit(location)
    root = f"{parts.scheme}://{parts.netloc}"
    wanted = parts.path.strip("/")
    try:
        listed = _listed(root, wanted)
    except FileNotFoundError:
        listed = []
    except (BaseError, OSError, ValueError) as error:
        raise InputError(
            f"the object store of the {what} can't be listed: {error}",
            where=location,
            hint="check the URL and the credentials in the environment",
        ) from error
    if not listed:
        raise InputError(f"there are no Parquet files of the {what}", where=location, hint="check sources in space.yml")
    return [
        FoundFile(
            f"{root}/{item['path']}",
            item["path"].removeprefix(_before_wildcards(wanted)).lstrip("/") or PurePosixPath(wanted).name,
            item["size"],
            item["e_tag"] or item["last_modified"].isoformat(),
            is_remote=True,
        )
        for item in listed
    ]


def _listed(root: str, wanted: str) -> list[ObjectMeta]:
    from obstore.store import from_url

    store = from_url(root + "/")
    if _WILDCARDS.search(wanted):
        prefix = _before_wildcards(wanted)
        every = [item for page in store.list(prefix or None) for item in page]
        return [item for item in every if _matches(item["path"].split("/"), wanted.split("/"))]
    if wanted.lower().endswith(_SUFFIXES):
        return [store.head(wanted)]
    every = [item for page in store.list(wanted or None) for item in page]
    below = [(item, item["path"].removeprefix(wanted)) for item in every]
    return [item for item, key in below if key.lower().endswith(_SUFFIXES) and not _is_hidden(key)]


def _matches(key: list[str], pattern: list[str]) -> bool:
    """A glob as a file system reads it: ``*`` stays inside a folder, ``**`` is any number of folders."""
    if not key or not pattern:
        return not key and not pattern
    if pattern[0] == "**":
        return _matches(key, pattern[1:]) or _matches(key[1:], pattern)
    return fnmatch.fnmatchcase(key[0], pattern[0]) and _matches(key[1:], pattern[1:])


def _is_hidden(key: str) -> bool:
    return any(part.startswith(("_", ".")) for part in key.split("/"))


def footer_digest(file: FoundFile, what: str) -> str:
    """A digest of a local file's footer, where Parquet keeps row counts and statistics; cheap at any size.

    Raises ``InputError`` for a file that isn't Parquet or is cut off. A remote file's footer isn't fetched:
    the object store's ETag changes with the content.
    """
    if file.is_remote:
        return ""
    try:
        with Path(file.path).open("rb") as stream:
            stream.seek(max(0, file.size - _TAIL))
            tail = stream.read(_TAIL)
            length = int.from_bytes(tail[:4], "little")
            if len(tail) < _TAIL or tail[4:] not in _MAGIC or length + _TAIL > file.size:
                raise unreadable(file.path, what, "it doesn't end as a Parquet file does")
            stream.seek(file.size - _TAIL - length)
            return hashlib.sha256(stream.read(length)).hexdigest()
    except PermissionError as error:
        raise _not_permitted(file.path, what) from error
    except OSError as error:
        raise unreadable(file.path, what, str(error)) from error


def unreadable(path: str, what: str, reason: str) -> InputError:
    """The error for a file that can't be read, whatever reads it."""
    first_line = reason.strip().splitlines()[0] if reason.strip() else "unknown reason"
    return InputError(
        f"this file of the {what} can't be read: {first_line}",
        where=path,
        hint="it is truncated or not Parquet: replace it, or take it out of the source",
    )
