"""Asks DuckDB: one query per definition, each from the files.

python -m benchmarks.duckdb_queries FOLDER OUTPUT --as-of 2025-01-01T01:00:00Z --keys big_spenders,recent_buyers
"""

from __future__ import annotations

from typing import Final

import duckdb

from benchmarks.queries import Dialect, ask, asked

STRUCTS: Final = Dialect(
    name="duckdb",
    decimal=lambda name, places: f"cast(properties.{name} as decimal(18, {places}))",
    integer=lambda name: f"properties.{name}",
    text=lambda name: f"properties.{name}",
    trait=lambda name: f"traits.{name}",
)
JSON: Final = Dialect(
    name="duckdb",
    decimal=lambda name, places: f"try_cast(properties ->> '{name}' as decimal(18, {places}))",
    integer=lambda name: f"try_cast(properties ->> '{name}' as bigint)",
    text=lambda name: f"(properties ->> '{name}')",
    trait=lambda name: f"(traits ->> '{name}')",
)


def main() -> None:
    """Asks what the command line says."""
    wanted = asked("DuckDB, one query per definition.")
    with duckdb.connect(":memory:") as connection:
        connection.execute(f"set temp_directory = '{wanted.output / 'spilled'}'")
        ask(
            JSON if wanted.as_json else STRUCTS,
            wanted,
            connection.execute,
            lambda query, path: connection.execute(f"copy ({query}) to '{path}' (format parquet)"),
        )


if __name__ == "__main__":
    main()
