"""The workload as SQL: what is prepared, and one query per definition, with the places of the data put in."""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

WORKLOAD: Final = Path(__file__).parent / "workload"
TIMES: Final = "seconds.json"

NUMBERS: Final = {"price": 2, "revenue": 2, "duration": 3}
"""The properties that are decimals, with their number of places."""
TEXTS: Final = ("product", "category", "cart_id", "coupon", "page", "device")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a database reads properties and traits; the functions take a name (and a number of decimal places)."""

    name: str
    decimal: Callable[[str, int], str]
    integer: Callable[[str], str]
    text: Callable[[str], str]
    trait: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Asked:
    """The command line of a database: the data, when to evaluate, which definitions, where results go."""

    folder: Path
    as_of: datetime
    keys: tuple[str, ...]
    output: Path
    as_json: bool


def asked(description: str) -> Asked:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("folder", type=Path)
    parser.add_argument("output", type=Path, help="a folder for one Parquet file per definition, and the seconds")
    parser.add_argument("--as-of", type=datetime.fromisoformat, required=True)
    parser.add_argument("--keys", required=True, help="separated by commas")
    parser.add_argument("--json", action="store_true", help="properties and traits are JSON text")
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    return Asked(given.folder, given.as_of.astimezone(UTC), tuple(given.keys.split(",")), given.output, given.json)


def preparation(dialect: Dialect, wanted: Asked) -> list[str]:
    """The statements to run first."""
    columns = [f"{dialect.decimal(name, places)} as {name}" for name, places in NUMBERS.items()]
    columns += [f"{dialect.integer('quantity')} as quantity", *(f"{dialect.text(name)} as {name}" for name in TEXTS)]
    texts = {
        "folder": str(wanted.folder),
        "as_of": f"{wanted.as_of:%Y-%m-%d %H:%M:%S}",
        "properties": ",\n    ".join(columns),
        "country": dialect.trait("country"),
        "plan": dialect.trait("plan"),
    }
    script = _without_comments((WORKLOAD / f"{dialect.name}_prepare.sql").read_text(encoding="utf-8"))
    for name, text in texts.items():
        script = script.replace(f"{{{name}}}", text)
    return [statement for statement in script.split(";") if statement.strip()]


def queries(dialect: Dialect) -> dict[str, str]:
    """The query of each definition, by key."""
    script = (WORKLOAD / f"{dialect.name}_queries.sql").read_text(encoding="utf-8")
    parts = re.split(r"(?m)^-- key: (\w+)$", script)
    return {
        key: _without_comments(text).strip().rstrip(";") for key, text in zip(parts[1::2], parts[2::2], strict=True)
    }


def _without_comments(script: str) -> str:
    return re.sub(r"(?m)^\s*--.*\n?", "", script)


def ask(dialect: Dialect, wanted: Asked, run: Callable[[str], object], write: Callable[[str, Path], object]) -> None:
    """Prepares and asks, one query after the other, and writes the seconds of each to a file beside the results."""
    start = time.perf_counter()
    for statement in preparation(dialect, wanted):
        run(statement)
    prepared, used = time.perf_counter(), time.process_time()
    known = queries(dialect)
    seconds = {}
    for key in wanted.keys:
        begin = time.perf_counter()
        write(known[key], wanted.output / f"{key}.parquet")
        seconds[key] = time.perf_counter() - begin
    found = {"preparation": prepared - start, "definitions": seconds, "cpu": time.process_time() - used}
    (wanted.output / TIMES).write_text(json.dumps(found, indent=1), encoding="utf-8")
