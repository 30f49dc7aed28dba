"""Nothing holds more than it should: what is read from files is streamed, what is computed at once is a bucket.

A plan with an ``in-memory-map`` leaves the streaming engine: all that comes there is put into memory first. So every
plan that a run compiles itself is looked at. The engine works on frames, on purpose: a bucket is bounded. So what is
checked there is that no frame it works on has more rows than a bucket.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from audiences import Project, clock
from audiences.clock import parse_as_of
from audiences.engines.polars_segments import Segments
from audiences.events import Bucket, Limits, Place, PreparedInputs, open_inputs
from audiences.state import Computed, RunResult, State
from benchmarks.course import FIRST, FULL, write_definitions
from benchmarks.history import History, write_history
from benchmarks.test_benchmark import keys

PACKAGE = str(Path(__file__).parents[1] / "audiences") + "/"
FALLBACK = "in-memory-map"
EVENTS = 20_000
ROWS_IN_BUCKET = 500


@dataclass
class Seen:
    """What a run did. ``plans``: where each plan was compiled, and its graph; ``heights``: the rows of frames that were
    worked on, by the place in the engine; ``buckets``: the rows of each bucket.
    """

    plans: list[tuple[str, str]] = field(default_factory=list)
    heights: dict[str, int] = field(default_factory=dict)
    buckets: list[int] = field(default_factory=list)

    def compiled(self, plan: pl.LazyFrame) -> None:
        graph = plan.show_graph(plan_stage="physical", engine="streaming", raw_output=True, show=False)
        self.plans.append((place(), str(graph)))

    def worked_on(self, frame: pl.DataFrame) -> None:
        where = place()
        if where.startswith("engines/"):
            self.heights[where] = max(self.heights.get(where, 0), frame.height)


def place() -> str:
    """Which file and function of the package, the innermost, called what calls this."""
    frame = sys._getframe(2)
    while frame.f_back is not None and not frame.f_code.co_filename.startswith(PACKAGE):
        frame = frame.f_back
    return f"{frame.f_code.co_filename.removeprefix(PACKAGE)}: {frame.f_code.co_name}"


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    found = Seen()
    for name in ("collect", "collect_batches", "sink_parquet", "sink_ipc"):
        original = getattr(pl.LazyFrame, name)

        def compiled(plan: pl.LazyFrame, *args: Any, original: Any = original, **options: Any) -> Any:
            found.compiled(plan)
            return original(plan, *args, **options)

        monkeypatch.setattr(pl.LazyFrame, name, compiled)
    lazy = pl.DataFrame.lazy

    def worked_on(frame: pl.DataFrame) -> pl.LazyFrame:
        found.worked_on(frame)
        return lazy(frame)

    monkeypatch.setattr(pl.DataFrame, "lazy", worked_on)
    for name in ("buckets", "account_buckets"):
        for owner in (PreparedInputs, *PreparedInputs.__subclasses__()):
            if name in vars(owner):
                monkeypatch.setattr(owner, name, counted(found, getattr(owner, name)))
    return found


def counted(found: Seen, buckets: Any) -> Any:
    def each(*args: Any, **options: Any) -> Iterator[Bucket]:
        for bucket in buckets(*args, **options):
            found.buckets.append(max(bucket.events.height, bucket.profiles.height))
            yield bucket

    return each


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("history")
    write_history(History(folder, EVENTS))
    write_definitions(folder / "definitions", keys())
    return Project.load(folder)


def run(project: Project, as_of: str, state: State, store: Path) -> None:
    """A run as ``audiences run`` does it, with small buckets."""
    plan = project.plan()
    results = state.results(plan.order, kept=True)
    limits = Limits(rows_in_memory=ROWS_IN_BUCKET, rows_in_bucket=ROWS_IN_BUCKET)
    moment = parse_as_of(as_of)
    inputs = open_inputs(project.space.sources)
    with inputs.prepare(plan.needs, as_of=moment, limits=limits, store=Place(store)) as prepared:
        project.engine.compute_into(results, plan, prepared, moment)
        results.finish()
        draft = state.draft(
            RunResult(
                as_of=moment,
                inputs=as_of,
                computed={item.key: Computed(item, item.key) for item in plan.order},
                results=results,
                profiles=prepared.profiles.lazy(),
                accounts=prepared.accounts().rename({"account_id": "id"}),
                computed_at=clock.now(),
            )
        )
    state.commit(draft)


def test_plans_over_files_are_streamed_and_the_engine_works_on_buckets(
    project: Project, tmp_path: Path, seen: Seen
) -> None:
    state = State.open(str(tmp_path / "state"), create=True)
    for as_of in (FIRST, FULL):
        with state.exclusive():
            run(project, as_of, state, tmp_path / "store")
    assert {where.split("/")[0] for where, graph in seen.plans if "scan" in graph} == {"events", "state"}
    assert [where for where, graph in seen.plans if FALLBACK in graph] == []
    largest = max(seen.buckets)
    assert sum(seen.buckets) > 20 * largest, "small buckets, or the next line says nothing"
    assert {where: height for where, height in seen.heights.items() if height > largest} == {}
    assert len(seen.heights) > 30, "the engine works on frames, and all are looked at"


def test_a_plan_that_leaves_the_streaming_engine_is_seen(tmp_path: Path, seen: Seen) -> None:
    pl.DataFrame({"owner": [1, 1, 2], "number": [1, 2, 3]}).write_parquet(tmp_path / "some.parquet")
    scan = pl.scan_parquet(tmp_path / "some.parquet")
    scan.group_by("owner").agg(pl.col("number").sum()).collect()
    scan.group_by("owner").agg(pl.col("number").median()).collect()
    assert [("scan" in graph, FALLBACK in graph) for _, graph in seen.plans[-2:]] == [(True, False), (True, True)]


def test_the_rows_that_the_engine_works_on_are_seen(seen: Seen) -> None:
    rows = pl.Series([0, 0, 1], dtype=pl.UInt32)
    Segments(rows, 2).sums(pl.DataFrame({"number": [1, 2, 3]}), {"number": pl.col("number")})
    assert seen.heights["engines/polars_segments.py: sums"] == 3
