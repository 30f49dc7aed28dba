"""Asks ClickHouse, in the process (chdb): one query per definition, each from the files.

python -m benchmarks.clickhouse_queries FOLDER OUTPUT --as-of 2025-01-01T01:00:00Z --keys big_spenders
"""

from __future__ import annotations

from typing import Any, Final

from chdb.session import Session

from benchmarks.queries import Dialect, ask, asked

STRUCTS: Final = Dialect(
    name="clickhouse",
    # A cast of a Float64 cuts digits off; as whole cents (or thousandths) it is exact.
    decimal=lambda name, places: (
        f"toDecimal64(round(properties.{name} * {10**places}), 0) * toDecimal64('{1 / 10**places}', {places})"
    ),
    integer=lambda name: f"properties.{name}",
    text=lambda name: f"properties.{name}",
    trait=lambda name: f"traits.{name}",
)
JSON: Final = Dialect(
    name="clickhouse",
    decimal=lambda name, places: f"toDecimal64OrNull(JSONExtract(properties, '{name}', 'Nullable(String)'), {places})",
    integer=lambda name: f"JSONExtract(properties, '{name}', 'Nullable(Int64)')",
    text=lambda name: f"JSONExtract(properties, '{name}', 'Nullable(String)')",
    trait=lambda name: f"JSONExtract(traits, '{name}', 'Nullable(String)')",
)


def main() -> None:
    """Asks what the command line says."""
    wanted = asked("ClickHouse, one query per definition.")
    session: Any = Session()  # type: ignore[no-untyped-call]
    ask(
        JSON if wanted.as_json else STRUCTS,
        wanted,
        session.query,
        lambda query, path: session.query(f"{query} into outfile '{path}' truncate format Parquet"),
    )
    session.close()


if __name__ == "__main__":
    main()
