"""A plan as a tree for people: what is read and computed once, and which definitions share it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from audiences.clock import readable
from audiences.costs import Cost, Costs
from audiences.definitions.computation import Computation, Level
from audiences.language import tree
from audiences.language.print import query
from audiences.language.selections import Measure, Selection, Statistic, measure, reductions
from audiences.plan import Plan
from audiences.stages import Stage, Step, measures

HOUR, DAY = 3_600_000_000, 86_400_000_000
LONGEST_TEXT = 100

WHOSE = {Level.USER: "users", Level.ACCOUNT: "accounts"}


@dataclass(frozen=True, slots=True)
class Branch:
    """A line of the tree and what is below it.

    ``shared`` is how many definitions use it, where more than one does; ``cost`` what it cost in the last run, and
    ``share`` a definition's part of all computing (0 to 1), where they are known.
    """

    text: str
    below: tuple[Branch, ...] = ()
    shared: int = 0
    cost: Cost | None = None
    share: float | None = None


def explained(plan: Plan, costs: Costs | None = None) -> tuple[Branch, ...]:
    """The plan, a branch for each pass over users or accounts; with what the last run cost, if it is given."""
    found = [of_stage(stage, plan, costs) for stage in plan.stages()]
    if plan.given:
        names = ", ".join(item.key for item in plan.given)
        found.insert(0, Branch(f"read: the last values of {names} (disabled, used by others)"))
    return tuple(found)


def of_stage(stage: Stage, plan: Plan, costs: Costs | None) -> Branch:
    """One pass: the events it looks at, then the definitions in the order in which they are computed."""
    steps = [step for layer in stage.layers for step in layer]
    users = users_of(steps)
    names = list(dict.fromkeys(item.selection.event for item in users))
    below = [of_event(name, stage.level, users, costs) for name in names]
    for number, layer in enumerate(stage.layers, start=1):
        title = "definitions" if len(stage.layers) == 1 else f"definitions, step {number} of {len(stage.layers)}"
        below.append(Branch(title, tuple(of_step(step, plan, costs) for step in layer)))
    computed, asked = len(stage.computations), len(steps) - len(stage.computations)
    text = f"pass over {WHOSE[stage.level]}: {counted(computed, 'definition')}"
    text += f" and {counted(asked, 'question')} of account-level definitions" if asked else ""
    text += f" from {counted(len(users), 'measure')} of {counted(len(names), 'event')}" if users else ", no events"
    return Branch(text, tuple(below))


def users_of(steps: Iterable[Step]) -> dict[Measure, list[str]]:
    """Who uses each measure, in reading order."""
    found: dict[Measure, list[str]] = {}
    for step in steps:
        for item in measures(step):
            found.setdefault(item, []).append(name_of(step))
    return found


def of_event(name: str, level: Level, users: Mapping[Measure, Sequence[str]], costs: Costs | None) -> Branch:
    """All that is computed of the events of one name, which are read once."""
    own = [item for item in users if item.selection.event == name]
    by_selection: dict[Selection, list[Measure]] = {}
    for item in own:
        by_selection.setdefault(item.selection, []).append(item)
    keys = dict.fromkeys(key for item in own for key in users[item])
    below = tuple(of_selection(selected, items, users) for selected, items in by_selection.items())
    cost = None if costs is None else costs.of_event(level, name)
    return Branch(f"event {name!r}, read once", below, len(keys) if len(keys) > 1 else 0, cost)


def of_selection(selected: Selection, items: Sequence[Measure], users: Mapping[Measure, Sequence[str]]) -> Branch:
    """The events that a window and conditions leave, and what is computed of them."""
    found = [Branch(f"{of_measure(item)} → {', '.join(users[item])}", shared=several(users[item])) for item in items]
    nested = tuple(of_nested(selected))
    text = of_events(selected)
    if len(found) == 1 and not nested:
        return Branch(f"{text}: {found[0].text}", shared=found[0].shared)
    keys = dict.fromkeys(key for item in items for key in users[item])
    return Branch(text, (*nested, *found), shared=several(list(keys)) if len(found) > 1 else 0)


def of_nested(selected: Selection) -> Iterator[Branch]:
    """The events that are looked for after each event of a funnel."""
    for condition in selected.conditions:
        for reduction in reductions(condition):
            item = measure(reduction, selected.since)
            text = f"after each: {of_measure(item)} of {item.selection.event!r}, {of_events(item.selection)}"
            yield Branch(text, tuple(of_nested(item.selection)))


def of_step(step: Step, plan: Plan, costs: Costs | None) -> Branch:
    """A definition, or what is asked of each user of an account."""
    if not isinstance(step, Computation):
        return Branch(f"of each user: {shortened(query(step.condition))}")
    others = plan.dependents[step.key]
    text = f"{step.key} = {shortened(query(step.expression))}" + (f", used by {', '.join(others)}" if others else "")
    if costs is None or step.key not in costs.definitions:
        return Branch(text)
    return Branch(text, cost=Cost(seconds=costs.definitions[step.key]), share=costs.share(step.key))


def of_measure(item: Measure) -> str:
    """``count``, ``sum of revenue``, ``first of utm.source``."""
    operand = "" if item.operand is None else f" of {'.'.join(item.operand.path)}"
    often = item.statistic is Statistic.MOST_FREQUENT and item.minimum_frequency > 1
    return item.statistic.value + operand + (f" (at least {item.minimum_frequency} times)" if often else "")


def of_events(item: Selection) -> str:
    """The window and what narrows it: ``last 30 days, where property('price') > 20``."""
    parts = [window(item)]
    where = " AND ".join(query(condition) for condition in item.conditions if not has_nested(condition))
    parts += [f"where {shortened(where)}"] if where else []
    if item.excluded_sources:
        parts.append(f"not from {', '.join(item.excluded_sources)}")
    if item.session is not None:
        parts.append("last session")
    return ", ".join(parts)


def has_nested(condition: tree.Condition) -> bool:
    """Whether it asks for events after the event."""
    return any(True for _ in reductions(condition))


def window(item: Selection) -> str:
    """The ages of the events that count, and how long after their parent they are."""
    found = []
    if item.parent_farthest is not None:
        start = f"from {length(item.parent_nearest)} " if item.parent_nearest else ""
        found.append(f"{start}within {length(item.parent_farthest)} after")
    if item.oldest is not None:
        found.append(
            f"{length(item.newest)} to {length(item.oldest)} old" if item.newest else f"last {length(item.oldest)}"
        )
    if item.since is not None:
        found.append(f"since {readable(item.since)}")
    return ", ".join(found) or "all history"


def length(microseconds: int) -> str:
    """``30 days``, ``36 hours``."""
    if microseconds % DAY == 0 and microseconds:
        return counted(microseconds // DAY, "day")
    return counted(microseconds // HOUR, "hour")


def counted(number: int, noun: str) -> str:
    """``1 day``, ``2 days``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def several(keys: Sequence[str]) -> int:
    """How many there are, if it is more than one."""
    return len(keys) if len(keys) > 1 else 0


def name_of(step: Step) -> str:
    """The key; what is asked of users has none."""
    return step.key if isinstance(step, Computation) else "the accounts of the users"


def shortened(text: str) -> str:
    """The text, cut off where it gets long."""
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1].rstrip() + "…"
