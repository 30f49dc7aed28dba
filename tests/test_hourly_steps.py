"""Runs that compute only what may have changed say the same as plain Python does, anew, after each."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from unittest import mock

import pytest

from audiences import incremental, run
from audiences.events.store import keeping, prepare
from audiences.language.print import query
from audiences.project import Project
from event_stores import TINY
from examples import types
from hourly import Values, change_sets, choices, next_step, situation, typed_run

WORLDS = 200 if os.environ.get("HYPOTHESIS_PROFILE") == "long" else 14
STEPS = 6


class Watched:
    """Counts the passes over some profiles, and over all of them."""

    def __init__(self) -> None:
        self.passes: Counter[str] = Counter()

    def __call__(self, *arguments: object) -> tuple[incremental.Pass, ...]:
        found = incremental.passes(*arguments)  # type: ignore[arg-type]
        self.passes.update("whole" if one.users is None else "some" for one in found)
        return found


def drive(seed: int, steps: int, *, accounts_too: bool) -> Counter[str]:
    """Many runs, every snapshot and every change of each compared; returns which passes there were."""
    draw = choices(seed, 40_000 * (steps + 1))
    now = situation(draw.part(30_000), accounts_too=accounts_too)
    before: Values = {}
    watched = Watched()
    with ExitStack() as stack:
        name = stack.enter_context(tempfile.TemporaryDirectory())
        stack.enter_context(mock.patch.object(run, "passes", watched))
        stack.enter_context(mock.patch.object(incremental, "MOST", 2.0))  # in these small worlds few are many
        if seed % 3 == 0:  # several buckets, and a store that is often put in order
            stack.enter_context(mock.patch.object(prepare, "Limits", lambda: TINY))
        elif seed % 3 == 1:  # generations that come later are often put together
            stack.enter_context(mock.patch.object(keeping, "MOST_GENERATIONS", 2))
        folder = Path(name)
        for number in range(1, steps + 1):
            now.write(folder)
            project = Project.load(folder)
            assert not project.problems
            some = draw.chance(1, 6) and number > 1
            keys = [now.definitions[draw.place(len(now.definitions))].key] if some else None
            done = project.run(as_of=now.as_of, keys=keys, full=draw.chance(1, 20), verify=draw.one_of((0.0, 0.0, 0.5)))
            found, wanted = typed_run(done), now.expected()
            for item in now.definitions:
                if item.key not in found:
                    continue
                shown = f"seed {seed}, step {number}: {now.happened}, {item.key}: {query(item.expression)}"
                assert found[item.key] == wanted[item.key], shown
                assert types(found[item.key]) == types(wanted[item.key]), shown
                said = set(done.changes(item.key).select("id", "change").iter_rows())
                earlier = {} if done.number is not None and not done.committed else before.get(item.key, {})
                if done.committed:
                    assert said == change_sets(earlier, wanted[item.key], audience=item.audience), shown
                before[item.key] = wanted[item.key]
            now = next_step(now, draw.part(39_000), number, accounts_too=accounts_too)
    return watched.passes


@pytest.mark.parametrize("seed", range(WORLDS))
def test_random_steps(seed: int) -> None:
    drive(seed, STEPS, accounts_too=seed % 2 == 1)


def test_sixty_hourly_steps() -> None:
    passes = drive(1_000, 60, accounts_too=True)
    assert passes["some"] > 30, "most runs compute only what may have changed"
