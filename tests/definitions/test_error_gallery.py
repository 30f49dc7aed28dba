"""What somebody sees who got a definition wrong, whole: the files, then what `audiences validate` prints.

`pytest tests/definitions/test_error_gallery.py --refresh` writes the printed parts of error_gallery.txt anew.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from audiences import cli

GALLERY = Path(__file__).with_name("error_gallery.txt")
SPACE = "definitions/space.yml"
SPACE_TEXT = "destinations: {crm: {type: jsonl, path: out}}\n"
DEFAULT_FILE = "definitions/shop.yml"
HEADING = re.compile(r"^=== (.*)\n", re.MULTILINE)
FILE = re.compile(r"^>>> (.*)\n", re.MULTILINE)
PRINTED = "--- prints\n"


def _cases() -> dict[str, tuple[str, str]]:
    """What is written under each heading: the files, and what is printed."""
    _, *parts = HEADING.split(GALLERY.read_text(encoding="utf-8"))
    names, texts = parts[::2], parts[1::2]
    assert len(set(names)) == len(names)
    cases = {}
    for name, text in zip(names, texts, strict=True):
        files, _, printed = text.partition(PRINTED)
        cases[name] = (files, printed.rstrip("\n") + "\n")
    return cases


def _printed(root: Path, text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """What the command prints for the files of a case."""
    first, *others = FILE.split(text)
    files = {SPACE: SPACE_TEXT, DEFAULT_FILE: first, **dict(zip(others[::2], others[1::2], strict=True))}
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content.rstrip("\n") + "\n", encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["audiences", "validate", "--project", str(root)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    printed = capsys.readouterr()
    told = printed.err + printed.out + ("" if ended.value.code == 2 else f"exit code {ended.value.code}\n")
    return told.replace(str(root), "/project")


def _write(name: str, printed: str) -> None:
    """Puts what is printed now under a heading."""
    preface, *_ = HEADING.split(GALLERY.read_text(encoding="utf-8"))
    cases = _cases()
    cases[name] = (cases[name][0], printed)
    blocks = [f"=== {one}\n{files.rstrip()}\n{PRINTED}{told}" for one, (files, told) in cases.items()]
    GALLERY.write_text(preface + "\n".join(blocks), encoding="utf-8")


@pytest.mark.parametrize("name", _cases())
def test_what_is_printed(
    name: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    files, expected = _cases()[name]
    printed = _printed(tmp_path, files, capsys, monkeypatch)
    if request.config.getoption("--refresh"):
        _write(name, printed)
    else:
        assert printed == expected
