from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from audiences import Project
from dagster_project.definitions import build

THREE = """\
traits:
  - {key: one, schedule: "0 */8 * * *", definition: event('X').count()}
  - {key: two, schedule: "00  */8 * * *", definition: event('Y').count()}
  - {key: paused, schedule: "0 */8 * * *", enabled: false, definition: event('Y').count()}
  - {key: wrong, schedule: "0 */8 * * *", definition: event('Y').cuont()}
  - {key: three, schedule: "0 0 * * *", definition: event('Z').count()}
  - {key: by_hand, schedule: manual, definition: event('Z').count()}
"""
SUNDAY = """\
traits:
  - {key: zero, schedule: "0 6 * * 0", definition: event('X').count()}
  - {key: seven, schedule: "0 6 * * 7", definition: event('X').count()}
"""


def schedules_of(folder: Path) -> dict[str, dg.ScheduleDefinition]:
    repository = build(Project.load(folder)).get_repository_def()
    return {schedule.name: schedule for schedule in repository.schedule_defs}


def request_of(folder: Path, name: str, tick: datetime) -> dg.RunRequest:
    repository = build(Project.load(folder)).get_repository_def()
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(instance=instance, scheduled_execution_time=tick, repository_def=repository)
        requests = repository.get_schedule_def(name).evaluate_tick(context).run_requests
    assert requests is not None
    assert len(requests) == 1
    return requests[0]


def keys_of(folder: Path, name: str) -> set[str]:
    """The computations that a schedule runs: in one step, so in one pass."""
    repository = build(Project.load(folder)).get_repository_def()
    job = repository.get_job(repository.get_schedule_def(name).job_name)
    assert len(job.nodes) == 1
    return {key.path[-1] for key in job.asset_layer.selected_asset_keys}


def test_one_schedule_per_distinct_cron(make_project: Callable[[dict[str, str]], Path]) -> None:
    folder = make_project({"all.yml": THREE})
    schedules = schedules_of(folder)

    assert {name: one.cron_schedule for name, one in schedules.items()} == {
        "every_8_hours": "0 */8 * * *",
        "daily_at_00_00": "0 0 * * *",
    }
    assert {one.execution_timezone for one in schedules.values()} == {"UTC"}


def test_a_schedule_runs_what_is_due_in_one_pass(make_project: Callable[[dict[str, str]], Path]) -> None:
    folder = make_project({"all.yml": THREE})

    assert keys_of(folder, "every_8_hours") == {"one", "two"}
    assert keys_of(folder, "daily_at_00_00") == {"three"}


def test_two_spellings_of_sunday_are_one_schedule(make_project: Callable[[dict[str, str]], Path]) -> None:
    folder = make_project({"all.yml": SUNDAY})

    assert list(schedules_of(folder)) == ["weekly_on_sunday_at_06_00"]
    assert keys_of(folder, "weekly_on_sunday_at_06_00") == {"zero", "seven"}


def test_a_fixed_clock_stays_fixed_and_its_schedules_start_switched_off(
    make_project: Callable[[dict[str, str]], Path],
) -> None:
    folder = make_project({"all.yml": THREE})
    schedule = schedules_of(folder)["every_8_hours"]

    assert request_of(folder, "every_8_hours", datetime(2024, 5, 1, 8, tzinfo=UTC)).run_config == {}
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
    assert "fixed: as of 2024-03-01 00:00 UTC" in (schedule.description or "")


def test_without_a_fixed_clock_the_tick_is_the_as_of_and_schedules_are_on(
    make_project: Callable[[dict[str, str]], Path],
) -> None:
    folder = make_project({"all.yml": THREE})
    space = folder / "definitions" / "space.yml"
    space.write_text(space.read_text().replace("as_of: 2024-03-01T00:00:00Z\n", ""))
    request = request_of(folder, "every_8_hours", datetime(2024, 5, 1, 8, tzinfo=UTC))

    assert request.run_config == {"ops": {"audiences": {"config": {"as_of": "2024-05-01T08:00:00Z"}}}}
    assert schedules_of(folder)["every_8_hours"].default_status is dg.DefaultScheduleStatus.RUNNING
