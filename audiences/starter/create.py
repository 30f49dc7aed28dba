"""Makes a small project of one's own: definitions, sample data, and nothing that has to be set up first."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Final

from audiences.definitions.schema import json_schema
from audiences.errors import DefinitionError, StateError
from audiences.starter.sample import sample_events, sample_profiles

# Package data has no dot files: packaging tools and version control would take the template's for their own.
TEXTS: Final = {
    "definitions/space.yml": "definitions/space.yml",
    "definitions/traits.yml": "definitions/traits.yml",
    "definitions/audiences.yml": "definitions/audiences.yml",
    "README.md": "README.md",
    ".gitignore": "gitignore",
    ".env": "env",
    ".dagster/dagster.yaml": "dagster.yaml",
}
SCHEMA: Final = ".definitions.schema.json"


def create_project(folder: Path) -> list[Path]:
    """Writes a new project into ``folder``, which is made if it is missing, and gives the files it wrote.

    The same files each time, to the byte: YAML with two traits and two audiences, the YAML's JSON Schema for
    editors, and a few hundred made-up events in Parquet. Other files in the folder are left alone.

    Raises:
        DefinitionError: if one of the files is there already, or ``folder`` is a file. Nothing is written.
        StateError: if the folder can't be written.
    """
    writers = _writers()
    if folder.exists() and not folder.is_dir():
        raise DefinitionError("this is a file, not a folder", where=str(folder), hint="name a new folder")
    existing = [name for name in writers if (folder / name).exists()]
    if existing:
        others = f" and {len(existing) - 1} more" if len(existing) > 1 else ""
        raise DefinitionError(
            f"{existing[0]}{others} would be overwritten",
            where=str(folder.resolve()),
            hint="name a new or empty folder",
        )
    written = []
    for name, write in writers.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise StateError(f"can't write {name}: {reason}", where=str(folder)) from error
        written.append(path)
    return written


def _writers() -> dict[str, Callable[[Path], object]]:
    """What writes each file, by its path in the project."""
    writers: dict[str, Callable[[Path], object]] = {
        name: _text_writer(_template(source)) for name, source in TEXTS.items()
    }
    writers[SCHEMA] = _text_writer(json.dumps(json_schema(), indent=2) + "\n")
    writers["data/events.parquet"] = lambda path: sample_events().write_parquet(path)
    writers["data/profiles.parquet"] = lambda path: sample_profiles().write_parquet(path)
    return writers


def _template(name: str) -> str:
    return files("audiences.starter").joinpath("template", name).read_text(encoding="utf-8")


def _text_writer(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(text, encoding="utf-8", newline="\n")
