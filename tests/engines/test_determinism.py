"""The same data and definitions give the same result, however rows, buckets and threads fall."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fakes import Event, computation, snapshots

DEFINITIONS = [
    "event('A').count()",
    "event('A').within(3 days).sum(property('n'))",
    "event('A').avg(property('n'))",
    "event('A').mode(property('t'), 1)",
    "event('A').first(property('t'))",
    "event('A').last(property('n'))",
    "event('A').unique(property('t'))",
    "event('A').unique(property('n')).count()",
    "event('A').where(property('n') > 3).max(property('n'))",
    "event('A').expires_after(1 hour).count()",
    "event('A').within(3 days).count() >= 2 OR trait('k1') > 50",
    "trait('k0') < 5",
]


def rows() -> list[Event]:
    numbers = [0.1, 0.2, 1e16, -1e16, 7, "3.3", None]
    return [
        {
            "profile": f"p{number * 7919 % 40:02}",
            "event": "A",
            "timestamp": timedelta(minutes=number * 104_729 % (60 * 24 * 9)),
            "message_id": f"m{number:04}",
            "properties": {
                "n": numbers[number // 40 % 7],
                "t": "xyzéé "[number // 3 % 6],
            },
        }
        for number in range(1_500)
    ]


def digest(seed: int, parts: int) -> str:
    events = rows()
    profiles: list[dict[str, Any]] = [{"id": f"p{number:02}"} for number in range(45)]
    random.seed(seed)
    random.shuffle(events)
    random.shuffle(profiles)
    computations = [computation(f"k{number}", text) for number, text in enumerate(DEFINITIONS)]
    found = snapshots(computations, events, profiles, parts=parts)
    return hashlib.sha256(repr(found).encode()).hexdigest()


@pytest.mark.parametrize(("seed", "parts"), [(1, 1), (2, 1), (3, 4), (4, 45), (5, 60)])
def test_shuffled_rows_and_any_number_of_buckets(seed: int, parts: int) -> None:
    assert digest(seed, parts) == digest(0, 1)


def test_ids_are_sorted_across_buckets() -> None:
    events = rows()
    profiles = [{"id": f"p{number:02}"} for number in range(45)]
    found = snapshots([computation("it", DEFINITIONS[0])], events, profiles, parts=7)["it"]
    assert list(found) == sorted(found)


@pytest.mark.parametrize("threads", [1, 8])
def test_any_number_of_threads(threads: int) -> None:
    tests = Path(__file__).parent.parent
    code = f"import sys; sys.path[:0] = {[str(tests), str(tests / 'engines'), str(tests.parent)]!r}\n"
    code += "import test_determinism\nsys.stdout.write(test_determinism.digest(9, 3))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "POLARS_MAX_THREADS": str(threads)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == digest(0, 1)
