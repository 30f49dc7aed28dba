"""Explanations as people read them, and the command that prints them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from explanations import printed, why
from projects import write_project


def test_printed_for_a_file() -> None:
    definitions = {
        "spent": "event('Order').within(7 days).sum(property('total'))",
        "is_it": "trait('spent') >= 50 AND trait('plan') = 'pro'",
    }
    assert printed(why(definitions)).splitlines() == [
        "is_it, as of 2024-06-15 12:00 UTC",
        "ann is not a member",
        "for ever, unless a new event arrives",
        "",
        "false all of these",
        "├── true  trait('spent') >= 50",
        "│         saw 80",
        "│   └── spent = 80",
        "│       ├── event('Order').within(7 days).sum(property('total'))",
        "│       │     2 events count:",
        "│       │       2024-06-10 10:00:00.00025 UTC  m2  total=40",
        "│       │       2024-06-12 08:30:15 UTC        m3  total=40",
        "│       │     not counted: 1 outside the window",
        "│       └── more: audiences why spent ann",
        "└── false trait('plan') = 'pro'",
        '          saw "free"',
    ]


@pytest.mark.parametrize(
    ("definition", "line"),
    [
        (
            "event('Order').within(7 days).count() >= 1",
            "until 2024-06-19 08:30:15 UTC, when the event of 2024-06-12 leaves the window (Order, within 7 days), "
            "if no new event arrives; afterwards not a member",
        ),
        (
            "trait('trial_ends').within_next(1 day)",
            "until just before 2024-06-19 09:00 UTC, when trait('trial_ends') (2024-06-20 09:00 UTC) is 1 day away, "
            "if no new event arrives; afterwards a member",
        ),
        (
            "event('Order').within(7 days).count() >= 2",
            "until 2024-06-17 10:00:00.00025 UTC, when the event of 2024-06-10 leaves the window (Order, within 7 "
            "days), if no new event arrives; afterwards not a member",
        ),
    ],
)
def test_until_is_printed_exactly(definition: str, line: str) -> None:
    assert printed(why({"is_it": definition})).splitlines()[2] == line


def test_nothing_in_the_data_is_markup_or_moves_the_cursor() -> None:
    evil = "[red]\x1b[31m\x07\x9b\u202e\n[/red] ✓"
    events = [(f"id{evil}", "ann", "Order", "2024-06-10T10:00:00Z", {"sku": evil})]
    profiles = [{"profile_id": "ann", "traits": {"plan": evil}, "email": "x"}]
    definition = "event('Order').where(property('sku').exists()).count() = 1 AND trait('plan').exists()"
    explanation = why({"is_it": definition}, events=events, profiles=profiles)
    terminal: dict[str, Any]
    for terminal in ({}, {"force_terminal": True, "color_system": "truecolor", "width": 300}):
        text = printed(explanation, **terminal)
        assert text.count(r"[red]\x1b[31m\x07\x9b\u202e\n[/red] ✓") == 1, "the message id"
        assert text.count("[red]") == 3
        assert not set(text.replace("\x1b[", "")) & {"\x07", "\x9b", "\u202e"}
        assert "\x1b[31m\\" not in text
    assert "✓" in printed(explanation, force_terminal=True)


def audiences(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "audiences", *arguments],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "COLUMNS": "160", "NO_COLOR": "1"},
    )


def test_the_command(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    done = audiences(root, "why", "big_buyers", "email:ann@example.com")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[:2] == ["big_buyers, as of 2024-06-15 12:00 UTC", "p_ann is a member"]
    earlier = audiences(root, "why", "big_buyers", "p_ann", "--as-of", "2024-06-05")
    assert earlier.stdout.splitlines()[1] == "p_ann is not a member"
    assert not (root / ".audiences").exists()
    unknown = audiences(root, "why", "big_buyers", "ann@example.com")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "did you mean email:ann@example.com?" in unknown.stderr
    assert audiences(root, "why", "big_buyer", "p_ann").returncode == 2
