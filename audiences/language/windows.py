"""Checks of a chain's filters: windows, sessions, durations and sources."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from audiences.language import tree
from audiences.language.construct import seconds
from audiences.language.findings import Finding, Scope
from audiences.language.print import duration
from audiences.language.values import name_findings

SHORTEST_SESSION: Final = tree.Duration(30, tree.Unit.MINUTE)
LONGEST_SESSION: Final = tree.Duration(90, tree.Unit.DAY)
LONGEST_DURATION: Final = tree.Duration(365_000, tree.Unit.DAY)
"""About a thousand years: longer ones would leave the calendar."""

Placed = Iterator[tuple[tree.Node, Finding]]


def filter_findings(kept: tree.Sources | tree.Within | tree.Between | tree.ExpiresAfter, scope: Scope) -> Placed:
    """What is wrong with one filter at its place."""
    match kept:
        case tree.Sources():
            yield from _sources(kept)
        case tree.Within():
            yield from _relative(kept, "within", scope)
            yield from duration_findings(kept.duration)
        case tree.Between():
            yield from _relative(kept, "between", scope)
            yield from duration_findings(kept.nearest, allow_zero=True)
            yield from duration_findings(kept.farthest, allow_zero=True)
            if seconds(kept.nearest) == seconds(kept.farthest):
                yield kept, Finding("both bounds of between(…) are the same: no event is in it")
        case tree.ExpiresAfter():
            yield from _session(kept, scope)


def window_findings(stream: tree.Stream) -> Placed:
    """A chain has one window before the as-of, one after the parent event and one session."""
    seen: set[str] = set()
    for kept in stream.filters:
        match kept:
            case tree.Within(of_parent=True) | tree.Between(of_parent=True):
                name, hint = "window after the parent event", "between(parent: a, b) has both ends"
            case tree.Within() | tree.Between():
                name, hint = "window", "between(a, b) has both ends"
            case tree.ExpiresAfter():
                name, hint = "session window", "the shorter or the longer"
            case _:
                continue
        if name in seen:
            yield kept, Finding(f"a second {name} of event '{stream.event}'", f"keep one; {hint}")
        seen.add(name)


def duration_findings(length: tree.Duration, *, allow_zero: bool = False) -> Placed:
    """A window or relative date: in hours or days, from 1 to very many."""
    if length.unit not in (tree.Unit.HOUR, tree.Unit.DAY):
        hours = tree.Duration(max(1, round(seconds(length) / 3_600)), tree.Unit.HOUR)
        yield (
            length,
            Finding(
                f"a duration is in hours or days here, not {length.unit}s",
                f"such as {duration(hours)}; session windows take seconds and minutes, too",
            ),
        )
    elif length.amount < 0:
        yield length, Finding("a duration can't be negative", f"write {-length.amount}")
    elif length.amount == 0 and not allow_zero:
        yield length, Finding(f"a window of {duration(length)} is empty", "such as 7 days")
    elif seconds(length) > seconds(LONGEST_DURATION):
        yield length, Finding(f"{duration(length)} is too long", f"at most {duration(LONGEST_DURATION)}")


def _sources(kept: tree.Sources) -> Placed:
    example = "sources({exclude: 'source id'})"
    if not kept.exclude:
        yield kept, Finding("sources(…) excludes nothing", f"such as {example}")
    for source in kept.exclude:
        for finding in name_findings(source, "source id", example):
            yield kept, finding


def _relative(window: tree.Within | tree.Between, word: str, scope: Scope) -> Placed:
    """``parent:`` needs a parent."""
    if window.of_parent and not scope.events:
        yield (
            window,
            Finding(
                f"'parent:' in {word}, and there is no event around this one",
                "leave 'parent:' out, or put the event into the 'where' of another one",
            ),
        )


def _session(kept: tree.ExpiresAfter, scope: Scope) -> Placed:
    if scope.events or not scope.is_trait:
        yield (
            kept,
            Finding(
                "a session window is for the events of a trait",
                "in an audience or a condition, a window of events is within",
            ),
        )
    if not seconds(SHORTEST_SESSION) <= seconds(kept.duration) <= seconds(LONGEST_SESSION):
        yield (
            kept.duration,
            Finding(
                f"a session can't last {duration(kept.duration)}",
                f"from {duration(SHORTEST_SESSION)} to {duration(LONGEST_SESSION)}",
            ),
        )
