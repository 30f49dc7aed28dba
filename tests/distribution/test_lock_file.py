"""The lock file pins everything with hashes, and names no place that a copy of the project would not have."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PINS = re.findall(r"^([a-z0-9][a-z0-9._-]*)(?:\[[a-z,]+\])?==(\S+)(.*(?:\n    .*)*)", LOCK, flags=re.MULTILINE)


def test_every_package_is_pinned_and_has_hashes() -> None:
    assert len(PINS) > 50
    for name, _, rest in PINS:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", rest), name
    unexplained = [line for line in LOCK.splitlines() if not re.match(r"[a-z0-9._\[\]-]+==|    --hash=|    +#|#", line)]
    assert unexplained == []


def test_no_host_and_no_local_path_is_named() -> None:
    assert not re.search(r"://|index|find-links|trusted-host|@ ", re.sub(r"(?m)^[a-z0-9._\[\]-]+==.*", "", LOCK))
    assert not re.search(r"(?m)(^|\s)(/|\.\.?/|~|file:|[A-Za-z]:\\)", LOCK)


def test_what_the_project_asks_for_is_in_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    asked = project["project"]["dependencies"] + project["dependency-groups"]["dev"]
    asked += project["build-system"]["requires"]
    names = {re.split(r"[^A-Za-z0-9._-]", entry)[0] for entry in asked}
    assert names <= {name for name, _, _ in PINS}
