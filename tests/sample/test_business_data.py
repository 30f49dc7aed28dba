"""The generated sample is what its generator makes, and has what its README says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

FOLDER = Path(__file__).parents[2] / "data" / "business"
TABLES = ("events", "profiles", "accounts")


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("business")
    command = [sys.executable, str(FOLDER / "generate.py"), str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.mark.parametrize("table", TABLES)
def test_the_generator_makes_the_same_table_again(generated: Path, table: str) -> None:
    assert_frame_equal(pl.read_parquet(generated / f"{table}.parquet"), pl.read_parquet(FOLDER / f"{table}.parquet"))


def test_the_readme_counts_rows_and_events() -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    for table in TABLES:
        rows = pl.read_parquet(FOLDER / f"{table}.parquet").height
        assert f"| {table}.parquet | {rows:,} |" in readme
    events = pl.read_parquet(FOLDER / "events.parquet")
    listed = re.search(r"^Events: (.*?)\.$", readme, flags=re.MULTILINE | re.DOTALL)
    assert listed is not None
    documented = dict(entry.rsplit(" ", 1) for entry in listed.group(1).replace("\n", " ").split("; "))
    name = pl.col("event").fill_null(
        pl.when(pl.col("type") == "track").then(pl.lit("without a name")).otherwise(pl.col("type"))
    )
    assert documented == {key: f"{count:,}" for key, count in events.group_by(name).len().iter_rows()}


def test_users_of_two_accounts_and_users_without_a_profile() -> None:
    profiles = pl.read_parquet(FOLDER / "profiles.parquet")
    accounts = pl.read_parquet(FOLDER / "accounts.parquet")
    assert set(profiles["account_ids"].explode()) == set(accounts["account_id"])
    users = set(pl.read_parquet(FOLDER / "events.parquet")["user_id"].drop_nulls())
    assert len(users - {profile.removeprefix("prof_") for profile in profiles["profile_id"]}) == 6
