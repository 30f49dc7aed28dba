"""Shared work is divided among those that share it; the clock is a list of times."""

from __future__ import annotations

import pytest

from audiences.definitions.loader import load_mappings
from audiences.engines import meter as meters
from audiences.engines.meter import Meter
from audiences.plan import make_plan
from audiences.stages import measures


def test_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = make_plan(
        load_mappings(
            [
                {"key": "orders", "kind": "trait", "definition": "event('Order').count()"},
                {"key": "buyers", "kind": "audience", "definition": "event('Order').count() >= 1"},
                {"key": "revenue", "kind": "trait", "definition": "event('Order').sum(property('total'))"},
            ]
        ).computations
    )
    times = iter([10.0, 14.0, 20.0, 21.0])
    monkeypatch.setattr(meters, "perf_counter", lambda: next(times))
    meter = Meter(plan)
    count, total = dict.fromkeys(part for item in plan.order for part in measures(item))
    with meter.running([count, total]):  # 4 seconds: 2 for each, those of the count shared by two
        pass
    with meter.running(["buyers"]):  # 1 second of its own
        pass
    assert meter.seconds == {"orders": 1.0, "buyers": 2.0, "revenue": 2.0}


def test_parts_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    definitions = [{"key": "orders", "kind": "trait", "definition": "event('Order').count()"}]
    times = iter([1.0, 3.0, 5.0, 6.0])
    monkeypatch.setattr(meters, "perf_counter", lambda: next(times))
    meter = Meter(make_plan(load_mappings(definitions).computations))
    for part in (meter.part(), meter.part()):
        with part.running(["orders"]):
            pass
        meter.add(part)
    assert meter.seconds == {"orders": 3.0}
