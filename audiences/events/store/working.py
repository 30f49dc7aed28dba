"""Where rows wait while a generation is written."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audiences.events.store.pieces import Spill


@contextmanager
def working(folder: Path, *, in_memory: bool) -> Iterator[Spill]:
    """A place to put rows down: in memory, or in a folder of the store that is removed afterwards.

    What a process that was killed leaves there, ``manifest.tidy`` removes.
    """
    if in_memory:
        yield Spill(None)
        return
    folder.mkdir(parents=True, exist_ok=True)
    path = Path(tempfile.mkdtemp(prefix="unfinished-", dir=folder))
    try:
        yield Spill(path)
    finally:
        shutil.rmtree(path, ignore_errors=True)
