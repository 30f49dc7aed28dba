"""The commands as a user runs them: what they print, their exit codes, and that mistakes leave the state alone."""

from __future__ import annotations

import csv
import ctypes
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from projects import DEFINITIONS, SPACE, write_project


def audiences(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the command in a project folder."""
    return subprocess.run(
        [sys.executable, "-m", "audiences", *arguments],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "COLUMNS": "160", "NO_COLOR": "1"},
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_project(tmp_path)


def test_run_prints_a_table(root: Path) -> None:
    done = audiences(root, "run")
    assert (done.returncode, done.stderr) == (0, "")
    table = done.stdout.split("Events:")[0]
    rows = {line.split()[0]: line.split() for line in table.splitlines() if line.strip()}
    assert rows["orders"][:6] == ["orders", "2", "values", "+2", "0", "0"]
    assert rows["big_buyers"][:5] == ["big_buyers", "1", "members", "+1", "0"]
    assert "2024-06-15 12:00 UTC" in done.stdout and "fixed" in done.stdout


def test_list_and_show(root: Path) -> None:
    audiences(root, "run")
    listed = audiences(root, "list")
    assert listed.returncode == 0 and "2024-06-15 12:00 UTC" in listed.stdout
    shown = audiences(root, "show", "big_buyers")
    assert shown.returncode == 0
    for part in (
        "trait('buyers') = true AND trait('revenue') >= 100",
        "depends on   buyers, revenue",
        "run 1",
    ):
        assert part in shown.stdout


def test_export(root: Path) -> None:
    audiences(root, "run")
    done = audiences(root, "export", "orders", "--output", "out.csv")
    assert done.returncode == 0 and "2 rows" in done.stdout
    with (root / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["key"], row["value"], row["user_id"], row["email"]) for row in rows] == [
        ("p_ann", "2", "ann", "ann@example.com"),
        ("p_bob", "1", "bob", "bob@example.com"),
    ]
    printed = audiences(root, "export", "orders", "--output", "-")
    assert printed.stdout.splitlines() == (root / "out.csv").read_text().splitlines()


def test_validate(root: Path) -> None:
    done = audiences(root, "validate")
    assert done.returncode == 0 and "4 definitions are valid" in done.stdout


def test_init_and_run(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    assert audiences(tmp_path, "init", str(folder)).returncode == 0
    done = audiences(folder, "run")
    assert (done.returncode, done.stderr) == (0, "")


def test_help_is_quick_to_read(root: Path) -> None:
    done = audiences(root, "--help")
    assert done.returncode == 0
    for command in ("run", "preview", "validate", "list", "show", "export", "schema", "init"):
        assert f" {command} " in done.stdout


# ── mistakes ────────────────────────────────────────────────────────────────────────────────────────────────

Break = Callable[[Path], object]


def define(text: str) -> Break:
    """Replaces all definitions."""
    return lambda root: (root / "definitions/shop.yml").write_text(text)


def space(before: str, after: str) -> Break:
    """Changes the space file."""
    return lambda root: (root / "definitions/space.yml").write_text(SPACE.replace(before, after))


def truncate(root: Path) -> None:
    file = root / "data/events.parquet"
    file.write_bytes(file.read_bytes()[:-20])


def empty_folder(root: Path) -> None:
    (root / "data/empty").mkdir()
    space("data/events.parquet", "data/empty")(root)


def add_broken(text: str) -> Break:
    """Adds a file whose definition is wrong to the good ones; the state must not know it."""
    return lambda root: (root / "definitions/more.yml").write_text(text)


MISTAKES: list[tuple[str, Break, tuple[str, ...], int, tuple[str, ...]]] = [
    (
        "unknown key on the command line",
        lambda root: None,
        ("run", "buyer"),
        2,
        ("no computation has the key 'buyer'", "did you mean 'buyers'"),
    ),
    (
        "unknown key in YAML",
        define("traits:\n  - key: a\n    wihtin: 3 days\n    definition: event('X').count()\n"),
        ("run",),
        2,
        ("definitions/shop.yml:3:5", "unknown key 'wihtin'", "did you mean 'within'"),
    ),
    (
        "wrong type",
        define("audiences:\n  - key: a\n    definition: event('X').count()\n"),
        ("run",),
        2,
        ("definitions/shop.yml:3:17", "audience"),
    ),
    (
        "missing property operand",
        define("traits:\n  - key: a\n    definition: event('X').sum()\n"),
        ("run",),
        2,
        ("definitions/shop.yml:3:", "sum", "property"),
    ),
    (
        "duplicate key",
        define("traits:\n  - {key: a, definition: event('X').count()}\n  - {key: a, definition: event('Y').count()}\n"),
        ("run",),
        2,
        ("definitions/shop.yml:3:", "'a'", "definitions/shop.yml:2"),
    ),
    (
        "cycle",
        define(
            "audiences:\n  - {key: a, definition: trait('b') = true}\n  - {key: b, definition: trait('a') = true}\n"
        ),
        ("run",),
        2,
        ("definitions/shop.yml:2:", "a → b → a"),
    ),
    ("not YAML", define("traits: [\n"), ("run",), 2, ("definitions/shop.yml:",)),
    (
        "funnels come later, by name",
        define(DEFINITIONS),
        ("run", "--as-of", "yesterday"),
        2,
        ("'yesterday'",),
    ),
    (
        "missing Parquet file",
        space("data/events.parquet", "data/nothing.parquet"),
        ("run",),
        1,
        ("nothing.parquet",),
    ),
    ("truncated Parquet file", truncate, ("run",), 1, ("data/events.parquet",)),
    ("empty folder", empty_folder, ("run",), 1, ("data/empty",)),
    (
        "no project",
        lambda root: (root / "definitions/space.yml").unlink(),
        ("run",),
        2,
        ("space.yml", "audiences init"),
    ),
    ("export before a run", lambda root: None, ("export", "orders"), 1, ("nothing has been computed",)),
]


@pytest.mark.parametrize(
    ("break_it", "command", "code", "said"),
    [case[1:] for case in MISTAKES],
    ids=[case[0] for case in MISTAKES],
)
def test_mistakes(root: Path, break_it: Break, command: tuple[str, ...], code: int, said: tuple[str, ...]) -> None:
    break_it(root)
    done = audiences(root, *command)
    assert done.returncode == code, done.stderr
    for part in said:
        assert part in done.stderr
    assert "Traceback" not in done.stderr
    assert not (root / ".audiences").exists()


def test_no_permission_on_the_state_folder(root: Path) -> None:
    # A file where the folder should be: the tests may run as root, whom no permission bit stops.
    (root / ".audiences").write_text("in the way")
    done = audiences(root, "run")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert str(root / ".audiences") in done.stderr
    assert (root / ".audiences").read_text() == "in the way"


def without_rights() -> None:
    """Takes from a test that runs as root what lets root write everywhere (CAP_DAC_OVERRIDE); else does nothing."""
    if os.geteuid() == 0:
        drop_from_bounding_set, dac_override = 24, 1
        ctypes.CDLL(None, use_errno=True).prctl(drop_from_bounding_set, dac_override, 0, 0, 0)


def test_read_only_state_folder(root: Path) -> None:
    (root / ".audiences").mkdir(mode=0o500)
    done = subprocess.run(
        [sys.executable, "-m", "audiences", "run"],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        preexec_fn=without_rights,
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stdout + done.stderr
    assert ".audiences" in done.stderr
    assert list((root / ".audiences").iterdir()) == []
