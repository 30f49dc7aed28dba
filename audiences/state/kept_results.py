"""Results beside a local state: ``results/<folder>`` are sheets, ``results/<run id>.json`` says which a run has.

They count only if the file is there that has the id of the state's newest run. Everything else is what runs that were
killed, or are over, left behind. What is not there, or damaged, is made again from the tables.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from audiences.definitions.computation import Level
from audiences.state.chains import shortened
from audiences.state.sheets import IDS_FILE, Chain, Sheet
from audiences.state.storage import Storage

FOLDER: Final = "results"
LAYOUT: Final = 1
OURS: Final = re.compile(r"[0-9a-f]{32}(\.json)?")


class KeptResults:
    """The results of a state's runs. ``folder`` is None where there can be none: on an object store."""

    def __init__(self, storage: Storage) -> None:
        self.folder = None if storage.folder is None else storage.folder / FOLDER

    def load(self, run_id: str) -> dict[str, Chain]:
        """Where the values of computations are after a run, by key; empty if that isn't known."""
        if self.folder is None:
            return {}
        try:
            index = json.loads((self.folder / f"{run_id}.json").read_text())
            return _decoded(self.folder, index) if index["layout"] == LAYOUT else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def shortened(self, chains: Mapping[str, Chain]) -> dict[str, Chain]:
        """Chains that have become long, made shorter."""
        return {} if self.folder is None else shortened(chains, self.folder)

    def save(self, run_id: str, chains: Mapping[str, Chain]) -> dict[str, Chain]:
        """Says where the values are after a run that is about to become visible; returns where they are now."""
        if self.folder is None:
            return {}
        self.folder.mkdir(exist_ok=True)
        taken: dict[Path, Path] = {}
        kept = {key: Chain(tuple(self._taken(sheet, taken) for sheet in chain.sheets)) for key, chain in chains.items()}
        (self.folder / f"{run_id}.json").write_text(json.dumps(_encoded(kept)))
        return kept

    def clean(self, run_id: str, chains: Mapping[str, Chain]) -> None:
        """Removes what doesn't belong to a run."""
        if self.folder is None:
            return
        needed = {sheet.folder.name for chain in chains.values() for sheet in chain.sheets} | {f"{run_id}.json"}
        for path in sorted(self.folder.iterdir()):
            if path.name in needed or OURS.fullmatch(path.name) is None:
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def _taken(self, sheet: Sheet, taken: dict[Path, Path]) -> Sheet:
        """A sheet that was written elsewhere, here."""
        if self.folder is None or sheet.folder.parent == self.folder:
            return sheet
        if sheet.folder not in taken:
            taken[sheet.folder] = self.folder / uuid.uuid4().hex
            shutil.copytree(sheet.folder, taken[sheet.folder], copy_function=_linked)
        return Sheet(taken[sheet.folder], sheet.level, sheet.rows, sheet.whole, sheet.files)


def _linked(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copyfile(source, target)


def _encoded(chains: Mapping[str, Chain]) -> dict[str, object]:
    sheets = {sheet.folder.name: sheet for chain in chains.values() for sheet in chain.sheets}
    return {
        "layout": LAYOUT,
        "sheets": {
            name: {
                "level": sheet.level.value,
                "rows": sheet.rows,
                "whole": sheet.whole,
                "files": dict(sheet.files),
                "bytes": {file: _size(sheet.folder / file) for file in (IDS_FILE, *sheet.files.values())},
            }
            for name, sheet in sheets.items()
        },
        "chains": {key: [sheet.folder.name for sheet in chain.sheets] for key, chain in chains.items()},
    }


def _decoded(folder: Path, index: Mapping[str, Mapping[str, object]]) -> dict[str, Chain]:
    """Raises ValueError, KeyError or TypeError if the index is damaged, or a file isn't what it was."""
    sheets = {}
    for name, found in index["sheets"].items():
        if OURS.fullmatch(name) is None or not isinstance(found, dict):
            raise ValueError(f"{name} is not a sheet")
        if any(_size(folder / name / file) != size for file, size in found["bytes"].items()):
            raise ValueError(f"{name} was changed")
        level = Level(found["level"])
        sheets[name] = Sheet(folder / name, level, int(found["rows"]), bool(found["whole"]), dict(found["files"]))
    chains = {}
    for key, names in index["chains"].items():
        if not isinstance(names, list):
            raise TypeError(f"{key} has no sheets")
        chains[key] = Chain(tuple(sheets[name] for name in names))
    return chains


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
