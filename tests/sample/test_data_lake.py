"""The shop's first two months, as one table and as a data lake, give the same to the last value."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from audiences import Project
from audiences.definitions.loader import load_project
from audiences.run import Run
from lakes import write_lake

ROOT = Path(__file__).parents[2]
SHOP = ROOT / "data" / "online_retail"
KEYS = [key for key, item in load_project(ROOT).computations.items() if item.group == "shop"]
UNTIL = datetime(2010, 2, 1, tzinfo=UTC)
AS_OF = datetime(2010, 1, 25, 12, tzinfo=UTC)

SPACE = """\
sources: {{{sources}}}
identifiers: [user_id, email, anonymous_id]
destinations:
  crm: {{type: jsonl, path: messages}}
"""


@pytest.fixture(scope="module")
def events() -> pl.DataFrame:
    """A tenth of the customers and guests, and all rows without any of them."""
    whoever = pl.coalesce("user_id", "anonymous_id").fill_null("7")
    return pl.read_parquet(SHOP / "events.parquet").filter((pl.col("timestamp") < UNTIL) & whoever.str.ends_with("7"))


@pytest.fixture(scope="module")
def lake(events: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lake(tmp_path_factory.mktemp("lake"), events.drop("source_id"))


def run(folder: Path, sources: str) -> Run:
    shutil.copytree(ROOT / "definitions" / "shop", folder / "definitions" / "shop")
    (folder / "definitions" / "space.yml").write_text(SPACE.format(sources=sources))
    return Project.load(folder).run(as_of=AS_OF, deliver=False)


@pytest.fixture(scope="module", params=["with a profiles table", "without"])
def profiles(request: pytest.FixtureRequest) -> str:
    return f", profiles: {SHOP / 'profiles.parquet'}" if request.param == "with a profiles table" else ""


@pytest.fixture(scope="module")
def one_table(events: pl.DataFrame, profiles: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("table")
    events.write_parquet(folder / "events.parquet")
    return run(folder, f"events: events.parquet{profiles}")


@pytest.fixture(scope="module")
def data_lake(lake: Path, profiles: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(tmp_path_factory.mktemp("lake"), f"events: {lake}{profiles}")


@pytest.fixture(scope="module")
def by_day(lake: Path, profiles: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(tmp_path_factory.mktemp("days"), f"events: {lake}{profiles}, max_clock_skew: 1 day")


def test_the_data_lake_is_one(lake: Path, events: pl.DataFrame) -> None:
    files = sorted(lake.rglob("*.parquet"))
    assert len(files) > 500
    assert {file.parts[-4] for file in files} == {
        "segment_type=identify",
        "segment_type=inventory_adjusted",
        "segment_type=order_cancelled",
        "segment_type=order_completed",
        "segment_type=product_purchased",
        "segment_type=product_returned",
    }
    schemas = [pl.read_parquet_schema(file) for file in files if "order_completed" in str(file)]
    columns = {name for schema in schemas for name in schema}
    assert {
        "order_id",
        "total",
        "num_items",
        "products_0_sku",
        "products_9_price",
        "context_location_country",
    } <= columns
    assert {dtype for schema in schemas for dtype in schema.values()} == {
        pl.String(),
        pl.Int64(),
        pl.Decimal(38, 6),
        pl.Datetime("us", "UTC"),
    }
    assert events.height > 5_000


@pytest.mark.parametrize("key", KEYS)
def test_values(one_table: Run, data_lake: Run, by_day: Run, key: str) -> None:
    expected = one_table.snapshot(key)
    assert_frame_equal(data_lake.snapshot(key), expected)
    assert_frame_equal(by_day.snapshot(key), expected)


def test_counts(one_table: Run, data_lake: Run, by_day: Run, events: pl.DataFrame) -> None:
    names = ("rows_read", "rows_accepted", "duplicates", "identifier_conflicts")
    assert [data_lake.statistics[name] for name in names] == [one_table.statistics[name] for name in names]
    assert data_lake.rejects == one_table.rejects
    assert one_table.rejects["no_user_anon_id"] > 100
    # What was received from 27 January on can't have happened before 25 January, 12:00.
    day = AS_OF.replace(hour=0) + timedelta(days=2)
    assert by_day.statistics["rows_read"] == events.filter(pl.col("timestamp") < day).height
