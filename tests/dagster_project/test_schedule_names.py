from __future__ import annotations

import pytest

from dagster_project.schedule_names import normalise, schedule_name


@pytest.mark.parametrize(
    ("cron", "name"),
    [
        ("0 * * * *", "hourly"),
        ("15 * * * *", "hourly_at_minute_15"),
        ("*/15 * * * *", "every_15_minutes"),
        ("0 */8 * * *", "every_8_hours"),
        ("5 */8 * * *", "every_8_hours_at_minute_05"),
        ("30 6 * * *", "daily_at_06_30"),
        ("00 06 * * *", "daily_at_06_00"),
        ("0 6 * * 1", "weekly_on_monday_at_06_00"),
        ("0 6 * * MON", "weekly_on_monday_at_06_00"),
        ("0 6 * * 7", "weekly_on_sunday_at_06_00"),
        ("0 6 1 * *", "monthly_on_day_1_at_06_00"),
        ("0 6 * * 1-5", "cron_0_6_any_any_1_to_5"),
        ("0 6,18 * * *", "cron_0_6_and_18_any_any_any"),
        ("0 6 1 1 *", "cron_0_6_1_1_any"),
        ("0 6 1 jan *", "cron_0_6_1_jan_any"),
        ("0 6 1 * 1", "cron_0_6_1_any_1"),
        ("*/5 9-17 * * *", "cron_any_every_5_9_to_17_any_any_any"),
    ],
)
def test_names_are_readable(cron: str, name: str) -> None:
    assert schedule_name(cron) == name


def test_spellings_of_one_cron_are_the_same() -> None:
    assert normalise("0  */08 * * mon") == normalise("00 */8 * * MON")
