from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import duckdb
import polars as pl
import pytest
import yaml

from audiences import Project
from audiences.definitions.schema import json_schema
from audiences.errors import DefinitionError, StateError
from audiences.starter.create import create_project

ROOT = Path(__file__).parents[2]
FILES = [
    ".dagster/dagster.yaml",
    ".definitions.schema.json",
    ".env",
    ".gitignore",
    "README.md",
    "data/events.parquet",
    "data/profiles.parquet",
    "definitions/audiences.yml",
    "definitions/space.yml",
    "definitions/traits.yml",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "new" / "mine"


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_it_gives_what_it_wrote(folder: Path) -> None:
    assert sorted(str(path.relative_to(folder)) for path in create_project(folder)) == FILES
    assert sorted(content(folder)) == FILES


def test_the_same_bytes_each_time(folder: Path, tmp_path: Path) -> None:
    create_project(folder)
    create_project(tmp_path / "again")
    assert content(folder) == content(tmp_path / "again")


def test_the_schema_is_the_current_one(folder: Path) -> None:
    create_project(folder)
    assert json.loads((folder / ".definitions.schema.json").read_text()) == json_schema()


def test_dagster_has_the_settings_of_the_sample_project(folder: Path) -> None:
    create_project(folder)
    settings = yaml.safe_load((folder / ".dagster" / "dagster.yaml").read_text())
    assert settings == yaml.safe_load((ROOT / "dagster_project" / "home" / "dagster.yaml").read_text())
    assert settings["telemetry"] == {"enabled": False}


def test_other_files_are_left_alone(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    create_project(folder)
    assert (folder / "notes.txt").read_text() == "mine"


def test_nothing_is_overwritten(folder: Path) -> None:
    (folder / "definitions").mkdir(parents=True)
    (folder / "definitions" / "space.yml").write_text("mine")
    with pytest.raises(DefinitionError, match=r"definitions/space\.yml would be overwritten") as caught:
        create_project(folder)
    assert caught.value.exit_code == 2
    assert content(folder) == {"definitions/space.yml": b"mine"}


def test_the_first_of_many_is_named(folder: Path) -> None:
    create_project(folder)
    with pytest.raises(DefinitionError, match=rf"definitions/space\.yml and {len(FILES) - 1} more would be"):
        create_project(folder)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")
    with pytest.raises(DefinitionError, match="this is a file, not a folder"):
        create_project(tmp_path / "mine")


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match=r"can't write definitions/space\.yml: not a directory") as caught:
        create_project(tmp_path / "file" / "mine")
    assert caught.value.exit_code == 1


def test_the_sample_is_small_and_ends_before_as_of(folder: Path) -> None:
    create_project(folder)
    project = Project.load(folder)
    events = pl.read_parquet(folder / "data" / "events.parquet")
    as_of = project.as_of()
    assert 200 <= events.height <= 600
    assert events["message_id"].is_unique().all()
    assert events.filter(pl.col("timestamp") >= as_of).is_empty()
    assert events["user_id"].null_count() > 0


# What the new project's definitions mean, in SQL over its files.
EXPECTED = {
    "revenue_90_days": """
        select replace(user_id, 'c', 'customer-') as id, sum(cast(properties ->> 'revenue' as decimal(18, 2)))
        from events where event = 'Order Completed' and at_utc >= timestamp '2026-03-03'
        group by 1""",
    "favourite_category": """
        select coalesce(replace(user_id, 'c', 'customer-'), 'anonymous_id:' || anonymous_id) as id,
            properties ->> 'category' as category
        from events where event = 'Product Viewed' group by 1, 2 having count(*) >= 2
        qualify row_number() over (partition by id order by count(*) desc, category) = 1""",
    "good_customers": """
        select replace(user_id, 'c', 'customer-') as id, true
        from events where event = 'Order Completed' and at_utc >= timestamp '2026-03-03'
        group by 1 having sum(cast(properties ->> 'revenue' as decimal(18, 2))) >= 100""",
    "undecided": """
        select profile_id, true from profiles
        where (traits ->> 'newsletter') = 'true'
            and replace(profile_id, 'customer-', 'c') in (
                select user_id from events
                where event = 'Product Viewed' and at_utc >= timestamp '2026-05-02')
            and replace(profile_id, 'customer-', 'c') not in (
                select user_id from events
                where event = 'Order Completed' and at_utc >= timestamp '2026-05-02')""",
}


@pytest.fixture
def database(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    create_project(folder)
    with duckdb.connect() as connection:
        connection.execute(f"""
            create view events as select *, make_timestamp(epoch_us(timestamp)) as at_utc
            from '{folder}/data/events.parquet'""")
        connection.execute(f"create view profiles as from '{folder}/data/profiles.parquet'")
        yield connection


def test_it_runs_and_computes_what_its_definitions_say(folder: Path, database: duckdb.DuckDBPyConnection) -> None:
    project = Project.load(folder)
    assert not project.problems
    run = project.run()
    assert sorted(result.key for result in run.results) == sorted(EXPECTED)
    for key, query in EXPECTED.items():
        expected = {
            id: float(value) if isinstance(value, Decimal) else value for id, value in database.sql(query).fetchall()
        }
        assert expected
        assert dict(run.snapshot(key).iter_rows()) == expected, key
    assert list((folder / ".audiences" / "deliveries" / "files").iterdir())
