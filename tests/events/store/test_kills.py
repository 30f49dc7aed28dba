"""An ingest that is killed, wherever: the last good store stays, and the next ingest makes up for it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audiences.events.store import build, manifest, message_ids, refresh
from audiences.events.store.files import Files
from event_stores import TINY, files_of, from_store, outcome, read_afresh
from event_tables import AS_OF, event, needs, table

WANTED = needs("price")


class KilledError(BaseException):
    """Nothing catches it, as with a process that ends."""


def write(folder: Path, name: str, first: int) -> None:
    (folder / "events").mkdir(exist_ok=True)
    rows = [
        event(f"m{number % 25}", user_id=f"u{number % 6}", received_at=AS_OF, properties=f'{{"price": {number % 25}}}')
        for number in range(first, first + 20)
    ]
    table(rows).write_parquet(folder / "events" / f"{name}.parquet")


def killed_at(step: int, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Ends the process at the step of that number, before or in the middle of what it writes; says how many
    there were.
    """
    done = 0

    def counted(original: Callable[..., Any]) -> Callable[..., Any]:
        def stepping(*arguments: Any, **named: Any) -> Any:
            nonlocal done
            done += 1
            if done == step:
                raise KilledError
            result = original(*arguments, **named)
            done += 1
            if done == step:
                raise KilledError
            return result

        return stepping

    monkeypatch.setattr(Files, "write", counted(Files.write))
    monkeypatch.setattr(build, "write_index", counted(message_ids.write_index))
    monkeypatch.setattr(refresh, "commit", counted(manifest.commit))
    monkeypatch.setattr(os, "replace", counted(os.replace))
    return lambda: done


def ingest(folder: Path) -> None:
    from_store(folder, WANTED, limits=TINY).close()


@pytest.mark.slow
@pytest.mark.parametrize("what", ["first", "append", "rebuild"])
def test_killed_at_every_step(tmp_path: Path, what: str) -> None:
    steps = 0
    for step in range(1, 1000):
        folder = tmp_path / str(step)
        folder.mkdir()
        write(folder, "a", 0)
        if what != "first":
            ingest(folder)
        if what == "append":
            write(folder, "b", 15)
        elif what == "rebuild":
            write(folder, "a", 7)
        before = files_of(folder / "store")
        with pytest.MonkeyPatch.context() as patches:
            done = killed_at(step, patches)
            try:
                ingest(folder)
            except KilledError:
                steps += 1
            is_over = done() < step
        after = files_of(folder / "store")
        assert all(after[path] == content for path, content in before.items()), "the last good store is whole"
        assert outcome(from_store(folder, WANTED, limits=TINY)) == outcome(read_afresh(folder, WANTED))
        left = {path.name for path in (folder / "store").iterdir() if path.name != "manifests"}
        assert not any(name.startswith("unfinished") for name in left)
        if is_over:
            break
    assert steps > 6
