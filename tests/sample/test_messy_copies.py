"""The shop's definitions give the same over messy copies of its events as over the one clean file."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from audiences import evaluate
from audiences.definitions.loader import load_project
from audiences.plan import make_plan
from messy import write_messy_copies

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SHOP = ROOT / "data" / "online_retail"
AS_OF = "2010-12-10T00:00:00Z"
DEFINITIONS = load_project(ROOT).computations
KEYS = [key for key, computation in DEFINITIONS.items() if computation.group == "shop"]
# These the identify calls say as well; the others only the profiles table.
IN_CALLS = {("country",)}
WITHOUT_THE_TABLE = [key for key in KEYS if make_plan(DEFINITIONS, [key]).needs.traits <= IN_CALLS]

Snapshots = dict[str, pl.DataFrame]


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the shop's definitions only."""
    folder = tmp_path_factory.mktemp("shop")
    shutil.copytree(ROOT / "definitions" / "shop", folder / "definitions" / "shop")
    shutil.copy(ROOT / "definitions" / "space.yml", folder / "definitions")
    return folder


@pytest.fixture(scope="module")
def clean(definitions: Path) -> Snapshots:
    return evaluate(definitions, events=SHOP / "events.parquet", profiles=SHOP / "profiles.parquet", as_of=AS_OF)


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    events = pl.read_parquet(SHOP / "events.parquet")
    return write_messy_copies(tmp_path_factory.mktemp("messy") / "events", events)


@pytest.fixture(scope="module")
def messy(definitions: Path, copies: Path) -> Snapshots:
    return evaluate(definitions, events=copies, profiles=SHOP / "profiles.parquet", as_of=AS_OF)


@pytest.fixture(scope="module")
def without_the_table(definitions: Path, copies: Path) -> Snapshots:
    return evaluate(definitions, events=copies, as_of=AS_OF)


def test_the_copies_are_messy(copies: Path) -> None:
    files = sorted(copies.iterdir())
    schemas = [pl.read_parquet_schema(file) for file in files]
    assert len(files) == 14
    assert len({tuple(schema.items()) for schema in schemas}) >= 10
    rows = sum(pl.scan_parquet(file).select(pl.len()).collect().item() for file in files)
    assert rows > pl.read_parquet(SHOP / "events.parquet").height + 20_000


@pytest.mark.parametrize("key", KEYS)
def test_with_the_profiles_table(clean: Snapshots, messy: Snapshots, key: str) -> None:
    assert clean[key].height
    assert_frame_equal(messy[key], clean[key])


@cache
def user_ids() -> pl.DataFrame:
    """The profile of each user id, which is what a customer is called without the profiles table."""
    table = pl.read_parquet(SHOP / "profiles.parquet", columns=["profile_id"])
    return table.select(id="profile_id", user="user_id:" + pl.col("profile_id").str.strip_prefix("prof_"))


def by_user_id(snapshot: pl.DataFrame) -> pl.DataFrame:
    named = snapshot.join(user_ids(), on="id", how="left").with_columns(id=pl.coalesce("user", "id"))
    return named.select("id", "value").sort("id")


@pytest.mark.parametrize("key", WITHOUT_THE_TABLE)
def test_without_the_profiles_table_the_same_by_user_id(
    clean: Snapshots, without_the_table: Snapshots, key: str
) -> None:
    assert_frame_equal(without_the_table[key], by_user_id(clean[key]))


def test_most_definitions_do_without_the_profiles_table() -> None:
    assert set(KEYS) - set(WITHOUT_THE_TABLE) == {
        "new_customers",
        "one_time_buyers",
        "customers_since_last_winter",
        "large_guest_orders",
    }
