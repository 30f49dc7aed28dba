from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from audiences import Project
from dagster_project.assets import project_assets
from dagster_project.resources import ProjectFolder

BROKEN = """\
traits:
  - key: broken
    definition: event('Order Completed').cuont()
"""


def materialize(
    folder: Path, keys: Sequence[str], instance: dg.DagsterInstance, **config: object
) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        project_assets(Project.load(folder)),
        selection=[dg.AssetKey(["audiences", key]) for key in keys],
        instance=instance,
        resources={"project": ProjectFolder(folder)},
        run_config={"ops": {"audiences": {"config": config}}},
        raise_on_error=False,
    )


def metadata_of(result: dg.ExecuteInProcessResult, key: str) -> dict[str, object]:
    """The latest metadata of an asset in a run; tables and schemas as they are."""
    events = [
        event.step_materialization_data.materialization
        for event in result.all_events
        if event.is_step_materialization and event.asset_key == dg.AssetKey(["audiences", key])
    ]
    assert len(events) == 1, f"{key} was materialised {len(events)} times"
    return {name: getattr(value, "value", value) for name, value in events[0].metadata.items()}


def tags_of(result: dg.ExecuteInProcessResult, key: str) -> dict[str, str]:
    [event] = [
        event
        for event in result.all_events
        if event.is_step_materialization and event.asset_key == dg.AssetKey(["audiences", key])
    ]
    return dict(event.step_materialization_data.materialization.tags or {})


def failure_of(result: dg.ExecuteInProcessResult) -> str:
    failed = [event for event in result.all_events if event.is_step_failure]
    assert len(failed) == 1
    failure = failed[0].step_failure_data.user_failure_data
    assert failure is not None
    return failure.description or ""


def numbers(metadata: dict[str, object], *names: str) -> tuple[object, ...]:
    return tuple(metadata[name] for name in names)


@pytest.fixture
def instance() -> dg.DagsterInstance:
    return dg.DagsterInstance.ephemeral()


def test_sizes_and_changes_over_two_runs(project_folder: Path, instance: dg.DagsterInstance) -> None:
    keys = ["orders", "revenue", "buyers", "big_buyers"]
    january = materialize(project_folder, keys, instance, as_of="2024-02-01")
    february = materialize(project_folder, keys, instance, as_of="2024-03-01T00:00:00Z")

    assert january.success
    assert february.success
    # January: p1 and p2 ordered, p2 for more than 90.
    assert numbers(metadata_of(january, "orders"), "dagster/row_count", "set", "changed", "cleared") == (2, 2, 0, 0)
    assert numbers(metadata_of(january, "buyers"), "dagster/row_count", "entered", "exited") == (2, 2, 0)
    assert numbers(metadata_of(january, "big_buyers"), "dagster/row_count", "entered", "exited") == (1, 1, 0)
    # February: p1, p3 and ann ordered (once each, so p1's count is what it was), ann for more than 90.
    assert numbers(metadata_of(february, "orders"), "dagster/row_count", "set", "changed", "cleared") == (3, 2, 0, 1)
    assert numbers(metadata_of(february, "revenue"), "dagster/row_count", "set", "changed", "cleared") == (4, 2, 1, 0)
    assert numbers(metadata_of(february, "buyers"), "dagster/row_count", "entered", "exited") == (3, 2, 1)
    assert numbers(metadata_of(february, "big_buyers"), "dagster/row_count", "entered", "exited") == (1, 1, 1)


def test_the_page_shows_as_of_preview_deliveries_and_rejects(
    project_folder: Path, instance: dg.DagsterInstance
) -> None:
    buyers = metadata_of(materialize(project_folder, ["buyers"], instance), "buyers")

    assert buyers["as_of"] == "2024-03-01 00:00 UTC (fixed by definitions/space.yml)"
    assert buyers["preview"] == "- `p1`\n- `p3`\n- `user_id:(hidden)`"
    # p1 and p3 have a user id and an e-mail address, ann a user id: five identify calls.
    assert numbers(buyers, "messages_created", "messages_delivered", "rejected_events") == (5, 5, 0)
    assert isinstance(buyers["seconds"], float)


def test_given_as_of_is_shown_as_such(project_folder: Path, instance: dg.DagsterInstance) -> None:
    orders = metadata_of(materialize(project_folder, ["orders"], instance, as_of="2024-02-01"), "orders")

    assert orders["as_of"] == "2024-02-01 00:00 UTC (given to the run)"


def test_a_child_alone_gets_its_parents_and_their_pages_say_so(
    project_folder: Path, instance: dg.DagsterInstance
) -> None:
    result = materialize(project_folder, ["big_buyers"], instance)

    assert result.success
    assert metadata_of(result, "big_buyers")["dagster/row_count"] == 1
    assert metadata_of(result, "buyers")["dagster/row_count"] == 3
    # Only what was asked for is delivered.
    assert "messages_created" not in metadata_of(result, "buyers")
    assert not (project_folder / "out").exists()


def test_what_was_computed_from_new_inputs_is_not_shown_as_out_of_date(
    project_folder: Path, instance: dg.DagsterInstance
) -> None:
    materialize(project_folder, ["orders", "buyers"], instance, as_of="2024-02-01")
    result = materialize(project_folder, ["buyers"], instance, as_of="2024-03-01")
    used = tags_of(result, "buyers")["dagster/input_data_version/audiences/orders"]

    assert used == tags_of(result, "orders")["dagster/data_version"]


def test_the_data_version_is_that_of_the_contents(project_folder: Path, instance: dg.DagsterInstance) -> None:
    days = ["2024-02-01", "2024-02-02", "2024-03-01"]
    runs = [materialize(project_folder, ["orders"], instance, as_of=day) for day in days]
    first, next_day, next_month = (tags_of(run, "orders")["dagster/data_version"] for run in runs)

    assert first == next_day
    assert first != next_month


def test_deliver_false_sends_nothing(project_folder: Path, instance: dg.DagsterInstance) -> None:
    result = materialize(project_folder, ["buyers"], instance, deliver=False)

    assert result.success
    assert not (project_folder / "out").exists()


def test_the_same_run_again_changes_nothing(project_folder: Path, instance: dg.DagsterInstance) -> None:
    materialize(project_folder, ["buyers"], instance)
    again = metadata_of(materialize(project_folder, ["buyers"], instance), "buyers")

    assert numbers(again, "dagster/row_count", "entered", "exited", "messages_created") == (3, 0, 0, 0)


def test_a_broken_definition_fails_at_the_end_and_names_its_line(
    project_folder: Path, instance: dg.DagsterInstance
) -> None:
    (project_folder / "definitions" / "shop" / "broken.yml").write_text(BROKEN)
    result = materialize(project_folder, ["broken", "orders"], instance)

    assert not result.success
    assert metadata_of(result, "orders")["dagster/row_count"] == 3
    assert "definitions/shop/broken.yml:3" in failure_of(result)
    assert "cuont" in failure_of(result)


def test_a_first_sync_that_needs_a_confirmation_fails_at_the_end(
    project_folder: Path, instance: dg.DagsterInstance
) -> None:
    space = project_folder / "definitions" / "space.yml"
    space.write_text(space.read_text().replace(", confirmed: true", ""))
    orders = pl.DataFrame({"user_id": [f"customer-{number}" for number in range(1001)]}).with_columns(
        message_id=pl.col("user_id"),
        type=pl.lit("track"),
        event=pl.lit("Order Completed"),
        timestamp=pl.lit("2024-02-10T00:00:00Z"),
        properties=pl.lit('{"revenue": 1}'),
    )
    orders.write_parquet(project_folder / "data" / "events.parquet")

    held = materialize(project_folder, ["buyers"], instance)
    assert metadata_of(held, "buyers")["dagster/row_count"] == 1001
    assert "1,001 messages held" in failure_of(held)
    confirmed = materialize(project_folder, ["buyers"], instance, confirm=True)
    assert confirmed.success
    assert metadata_of(confirmed, "buyers")["messages_delivered"] == 1001


def test_a_definition_that_is_gone_since_the_location_was_loaded_says_so(
    project_folder: Path, instance: dg.DagsterInstance
) -> None:
    assets = project_assets(Project.load(project_folder))
    (project_folder / "definitions" / "shop" / "audiences.yml").unlink()
    result = dg.materialize(
        assets,
        selection=[dg.AssetKey(["audiences", "buyers"]), dg.AssetKey(["audiences", "orders"])],
        instance=instance,
        resources={"project": ProjectFolder(project_folder)},
        raise_on_error=False,
    )

    assert failure_of(result) == "buyers is not defined any more: reload the definitions"
    assert metadata_of(result, "orders")["dagster/row_count"] == 3


def test_a_wrong_as_of_is_one_readable_failure(project_folder: Path, instance: dg.DagsterInstance) -> None:
    result = materialize(project_folder, ["orders"], instance, as_of="tomorrow")

    assert failure_of(result) == (
        "as-of: 'tomorrow' is not a date or timestamp (write it as 2010-12-10 or 2010-12-10T08:00:00Z)"
    )
    assert not (project_folder / ".audiences").exists()


def test_inputs_that_cannot_be_read_are_one_readable_failure(
    project_folder: Path, instance: dg.DagsterInstance
) -> None:
    (project_folder / "data" / "events.parquet").write_bytes(b"no Parquet")
    result = materialize(project_folder, ["orders"], instance)

    assert "events.parquet" in failure_of(result)
    assert "Traceback" not in failure_of(result)


def test_a_look_into_the_past_is_shown_but_not_kept(project_folder: Path, instance: dg.DagsterInstance) -> None:
    materialize(project_folder, ["buyers"], instance)
    past = metadata_of(materialize(project_folder, ["buyers"], instance, as_of="2024-02-01"), "buyers")

    assert past["dagster/row_count"] == 2
    assert "[" not in str(past["download"])
    state = Project.load(project_folder).state()
    assert state is not None
    assert state.snapshot("buyers").height == 3


@pytest.fixture
def log_folder_instance(tmp_path: Path) -> dg.DagsterInstance:
    """An instance with a local folder for the captured logs, which is where downloads are."""
    home = tmp_path / "home"
    home.mkdir()
    return dg.DagsterInstance.local_temp(str(home))


def test_downloads_are_what_export_writes(
    project_folder: Path, tmp_path: Path, log_folder_instance: dg.DagsterInstance
) -> None:
    buyers = metadata_of(materialize(project_folder, ["buyers"], log_folder_instance), "buyers")
    project = Project.load(project_folder)

    for layout in ("unformatted", "columns", "rows", "ads"):
        stem = f"{layout}_2024-03-01T000000Z_run_1"
        assert f"[{layout}](/logs/exports/buyers/{stem}/csv)" in str(buyers["download"])
        expected = tmp_path / f"{layout}.csv"
        project.export("buyers", format=layout, output=expected)
        [written] = (tmp_path / "home").rglob(f"buyers/{stem}.csv")
        assert written.read_bytes() == expected.read_bytes()


def test_downloads_after_a_new_start_are_those_of_the_new_state(
    project_folder: Path, tmp_path: Path, log_folder_instance: dg.DagsterInstance
) -> None:
    materialize(project_folder, ["orders"], log_folder_instance, as_of="2024-02-01")
    [written] = (tmp_path / "home").rglob("orders/unformatted_2024-02-01T000000Z_run_1.csv")
    before = written.read_bytes()
    shutil.rmtree(project_folder / ".audiences")
    pl.read_parquet(project_folder / "data" / "events.parquet").head(1).write_parquet(
        project_folder / "data" / "events.parquet"
    )
    materialize(project_folder, ["orders"], log_folder_instance, as_of="2024-02-01")
    materialize(project_folder, ["orders"], log_folder_instance, as_of="2024-02-01")

    assert before.count(b"\r\n") == 3
    assert written.read_bytes().count(b"\r\n") == 2


def test_only_the_files_of_the_newest_runs_are_kept(
    project_folder: Path, tmp_path: Path, log_folder_instance: dg.DagsterInstance
) -> None:
    days = [f"2024-02-{day:02}" for day in range(1, 8)]
    for day in days:
        materialize(project_folder, ["orders"], log_folder_instance, as_of=day)

    kept = {path.stem for path in (tmp_path / "home").rglob("columns_*.csv")}
    assert kept == {f"columns_{day}T000000Z_run_{number}" for number, day in enumerate(days, start=1) if number > 2}


def test_a_definition_that_is_broken_since_the_location_was_loaded_fails_with_its_message(
    project_folder: Path, instance: dg.DagsterInstance
) -> None:
    assets = project_assets(Project.load(project_folder))
    file = project_folder / "definitions" / "shop" / "traits.yml"
    file.write_text(file.read_text().replace(".count()", ".cuont()"))
    result = dg.materialize(
        assets,
        selection=[dg.AssetKey(["audiences", "orders"]), dg.AssetKey(["audiences", "revenue"])],
        instance=instance,
        resources={"project": ProjectFolder(project_folder)},
        raise_on_error=False,
    )

    assert "cuont" in failure_of(result)
    assert metadata_of(result, "revenue")["dagster/row_count"] == 4
