"""The limit: how long it takes to read the columns that the definitions need, and do next to nothing with them.

    python -m benchmarks.scan FOLDER [--json]

DuckDB reads them (it is quicker at it than Polars), adds up numbers and lengths of texts, and the best of three times
counts. Prints its seconds and CPU seconds. Properties that are JSON text are read as text, and not parsed.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Final

import duckdb

from benchmarks.queries import NUMBERS, TEXTS

REPEATS: Final = 3


def statement(folder: str, *, as_json: bool) -> str:
    """The query that reads all needed columns."""
    texts = ["event", "user_id", *(["properties"] if as_json else [f"properties.{name}" for name in TEXTS])]
    numbers = [] if as_json else [f"properties.{name}" for name in (*NUMBERS, "quantity")]
    columns = ['max("timestamp")', *(f"sum(strlen({name}))" for name in texts), *(f"sum({name})" for name in numbers)]
    return f"select {', '.join(columns)} from read_parquet('{folder}/events/*.parquet')"


def main() -> None:
    """Prints the best time."""
    parser = argparse.ArgumentParser(description="A bare scan of the needed columns.")
    parser.add_argument("folder")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    query = statement(options.folder, as_json=options.json)
    best = float("inf"), float("inf")
    with duckdb.connect(":memory:") as connection:
        for _ in range(REPEATS):
            start, used = time.perf_counter(), time.process_time()
            connection.execute(query).fetchall()
            best = min(best, (time.perf_counter() - start, time.process_time() - used))
    sys.stdout.write("{} {}\n".format(*best))


if __name__ == "__main__":
    main()
