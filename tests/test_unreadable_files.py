"""A file that can't be read stops a run before anything is written, unless it is to be skipped."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from audiences import Project
from audiences.errors import InputError
from projects import EVENTS, SPACE, write_events, write_project


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with its events in two files, the second of which is cut off."""
    write_project(tmp_path, space=SPACE.replace("data/events.parquet", "data/events"))
    (tmp_path / "data/events.parquet").unlink()
    (tmp_path / "data/events").mkdir()
    write_events(tmp_path / "data/events/1.parquet", EVENTS[:2])
    write_events(broken(tmp_path), EVENTS[2:])
    broken(tmp_path).write_bytes(broken(tmp_path).read_bytes()[:-20])
    return tmp_path


def broken(root: Path) -> Path:
    return root / "data/events/2.parquet"


def test_a_run_stops_before_anything_is_written(root: Path) -> None:
    with pytest.raises(InputError, match="can't be read") as caught:
        Project.load(root).run()
    assert caught.value.where == str(broken(root))
    assert not (root / ".audiences").exists()
    with pytest.raises(InputError, match="can't be read"):
        Project.load(root).preview("orders")


def test_a_skipped_file_is_rejected_and_read_once_it_is_whole(root: Path) -> None:
    run = Project.load(root).run(skip_unreadable=True)
    assert run.committed
    assert run.rejects == {"unreadable_file": 1}
    assert [sample["path"] for sample in run.samples["unreadable_file"]] == [str(broken(root))]
    assert run.snapshot("orders").rows() == [("p_ann", 2)]
    assert not Project.load(root).run(skip_unreadable=True).committed
    write_events(broken(root), EVENTS[2:])
    again = Project.load(root).run()
    assert again.rejects == {}
    assert again.snapshot("orders").rows() == [("p_ann", 2), ("p_bob", 1)]


def test_a_preview_without_the_file(root: Path) -> None:
    (preview,) = Project.load(root).preview("orders", skip_unreadable=True)
    assert preview.rows == (("p_ann", "2"),)


def test_the_commands(root: Path) -> None:
    def audiences(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "COLUMNS": "160", "NO_COLOR": "1"}
        command = [sys.executable, "-m", "audiences", *arguments]
        return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, env=environment)

    failed = audiences("run")
    assert failed.returncode == 1
    assert str(broken(root)) in failed.stderr.replace("\n", "")
    done = audiences("run", "--skip-unreadable")
    assert done.returncode == 0
    assert "unreadable_file" in done.stdout
    assert audiences("preview", "orders").returncode == 1
    assert "p_ann" in audiences("preview", "orders", "--skip-unreadable").stdout
