"""Ctrl-C stops a run wherever it is, and leaves the state what it was."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from audiences.state import State

ROOT = Path(__file__).resolve().parents[1]
COMMAND = [sys.executable, "-m", "audiences", "run"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The sample, which takes a few seconds, as a project of its own."""
    for name in ("definitions", "data"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


def heeds_interrupts() -> None:
    """A shell that has started the tests in the background has them, and what they start, ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def stopped_when(path: Path, project: Path) -> tuple[int, str]:
    """Runs until a file or folder is there, then presses Ctrl-C; returns the exit code and what was printed."""
    running = subprocess.Popen(
        COMMAND, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=heeds_interrupts
    )
    while not path.exists():
        assert running.poll() is None, "the run ended before it could be stopped"
        time.sleep(0.005)
    running.send_signal(signal.SIGINT)
    printed, _ = running.communicate(timeout=60)
    return running.returncode, printed


@pytest.mark.slow
@pytest.mark.parametrize("reached", [".lock", "events", "results"])
def test_a_run_that_is_stopped_changes_nothing(reached: str, project: Path) -> None:
    state = project / ".audiences"
    assert stopped_when(state / reached, project) == (130, "Stopped; nothing was changed.\n")
    assert State.open(str(state)).manifest is None
    again = subprocess.run(COMMAND, cwd=project, capture_output=True, text=True, timeout=300, check=False)
    assert again.returncode == 0, again.stderr
    assert "run 1, as of 2010-12-10" in again.stdout
    manifest = State.open(str(state)).manifest
    assert manifest is not None
    assert manifest.computations["big_spenders"].size == 476  # as DuckDB counts them in tests/sample
