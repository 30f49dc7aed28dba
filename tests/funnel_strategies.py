"""Hypothesis strategies: funnels up to three levels deep, over events with ties and edges and values of all
kinds.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from audiences.language import tree
from audiences.language.tree import Operator
from fakes import AS_OF
from naive import Definition
from strategies import MICROSECOND, World, chance, hours, one_of, place

DEEPEST: Final = 3
EVENTS: Final = ("A", "A", "B", "B", "C")
PATHS: Final[tuple[tree.Path, ...]] = (("v",), ("v",), ("v",), ("w",), ("w",), ("l", "$"), ("m", "$"))

# Few values, spelt in many ways: most comparisons of two of them could go either way.
SPELT: Final[tuple[Any, ...]] = (
    None,
    5,
    5.0,
    "5",
    "5.0",
    "05",
    7,
    "7",
    "a",
    "b",
    "ab",
    "",
    True,
    "true",
    [],
    ["a"],
    {"x": 1},
)
NUMBERS: Final = (5, 5, 7, -2, 0.1, 0.2, 0.30000000000000004, "0.1", "-7", 1e300, 9007199254740993)
DATES: Final = ("2024-06-15", "2024-06-15T00:00:00Z", "2024-06-15T01:00:00+01:00", "2024-06-15 12:00", "2024-06-14")
VALUES: Final = (*SPELT, *SPELT, *NUMBERS, *DATES)
LISTS: Final[tuple[Any, ...]] = (
    None,
    "a",
    [],
    ["a"],
    ["a", "a"],
    ["a", "b"],
    ["5", 5, None],
    [5, 0.1, 7],
    ["b", {"x": 1}],
)

AGES: Final = tuple(timedelta(hours=hour) + tick * MICROSECOND for hour in range(1, 9) for tick in (0, 0, 0, 0, 1, -1))
DURATIONS: Final = tuple(tree.Duration(amount, tree.Unit.HOUR) for amount in (1, 1, 2, 3, 24))
NOTHING: Final = tree.Duration(0, tree.Unit.HOUR)
LOOKBACKS: Final = tuple(tree.Duration(amount, tree.Unit.HOUR) for amount in (2, 4, 6, 8))
LITERALS: Final = (
    *(tree.Number(value) for value in (0, 1, 2, 5, 5, 7, 0.1)),
    *map(tree.Text, ("5", "5.0", "a", "a", "b", "", "true", *DATES)),
    *map(tree.Boolean, (True, False)),
    tree.Instant(AS_OF - timedelta(hours=12)),
)

RELATIVE: Final = (Operator.WITHIN_LAST, Operator.WITHIN_NEXT, Operator.BEFORE_LAST, Operator.AFTER_NEXT)
SEVERAL: Final = (
    Operator.CONTAINS,
    Operator.OMITS,
    Operator.STARTS_WITH,
    Operator.ENDS_WITH,
    Operator.ONE_OF,
    Operator.NONE_OF,
)
LINKS: Final = (
    *(Operator.EQUALS,) * 6,
    *(Operator.DIFFERS, Operator.ONE_OF, Operator.NONE_OF) * 2,
    *(Operator.GREATER_THAN, Operator.AT_LEAST, Operator.LESS_THAN, Operator.AT_MOST),
    *(Operator.BEFORE_DATE, Operator.AFTER_DATE, Operator.CONTAINS, Operator.STARTS_WITH, Operator.ENDS_WITH),
)


@st.composite
def worlds(draw: DrawFn) -> World:
    profiles = [{"id": f"p{number}", "traits": {"t": one_of(draw, VALUES)}} for number in range(1 + draw(place(2)))]
    ids = ("p0", *(f"p{number}" for number in range(len(profiles))))
    events = [event(draw, ids) for _ in range(3 + draw(place(20)))]
    definitions = [definition(draw, f"k{number}") for number in range(1 + draw(place(3)))]
    return World(definitions, profiles, events)


@st.composite
def linked_worlds(draw: DrawFn) -> World:
    """Worlds in which one event is chosen among those that are compared with their parent in several ways."""
    world = draw(worlds())
    return World([linked(draw, f"k{number}") for number in range(1 + draw(place(3)))], world.profiles, world.events)


def linked(draw: DrawFn, key: str) -> Definition:
    nested = tree.Stream(one_of(draw, EVENTS), (tree.Where(links(draw)),))
    operand = tree.Operand(field(draw), one_of(draw, (None, tree.Cast.STRING)))
    chosen = draw(place(4))
    if chosen < 2:
        left: Any = one_of(draw, (tree.First, tree.Last))(nested, tree.Operand(operand.value))
    else:
        extreme = one_of(draw, (tree.Function.MINIMUM, tree.Function.MAXIMUM))
        left = tree.Aggregate(nested, extreme, operand)
    outer = tree.Stream(one_of(draw, EVENTS), (tree.Where(comparison(draw, left, 1)),))
    return Definition(key, tree.Count(outer), audience=False, default=0)


def links(draw: DrawFn, depth: int = 0) -> Any:
    """A condition of comparisons with the parent."""
    form = draw(place(8)) if depth < 2 else 0
    if form < 4:
        return tree.Comparison(field(draw), one_of(draw, LINKS), (parent(draw),))
    if form == 4:
        return tree.Not(links(draw, depth + 1))
    inner = tuple(links(draw, depth + 1) for _ in range(2))
    return tree.And(inner) if form < 6 else tree.Or(inner)


def event(draw: DrawFn, ids: tuple[str, ...]) -> dict[str, Any]:
    return {
        "profile": one_of(draw, ids),
        "event": one_of(draw, EVENTS),
        "timestamp": AS_OF - one_of(draw, AGES),
        "message_id": one_of(draw, (None, "a", "b", "c")),
        "source_id": one_of(draw, (None, "web", "ios")),
        "properties": {
            "v": one_of(draw, VALUES),
            "w": one_of(draw, VALUES),
            "l": one_of(draw, LISTS),
            "m": one_of(draw, LISTS),
        },
        "context": {"v": one_of(draw, VALUES)},
    }


def definition(draw: DrawFn, key: str) -> Definition:
    """The number of events with something nested in them."""
    since = AS_OF - one_of(draw, AGES) if chance(draw, 1, 4) else None
    events = stream(draw, 1)
    events = tree.Stream(events.event, (*events.filters, tree.Where(funnel(draw, 1))))
    return Definition(key, tree.Count(events), audience=False, default=0, since=since)


def stream(draw: DrawFn, level: int) -> tree.Stream:
    """Events at a level of nesting; 1 is the outermost."""
    number = one_of(draw, (0, 1, 1, 2))
    return tree.Stream(one_of(draw, EVENTS), tuple(event_filter(draw, level) for _ in range(number)))


def event_filter(draw: DrawFn, level: int) -> tree.Filter:
    form = draw(place(10))
    if level > 1 and form < 3:
        return tree.Within(one_of(draw, DURATIONS), of_parent=True)
    if level > 1 and form < 5:
        return between(draw, DURATIONS, of_parent=True)
    if form == 5:
        return tree.Sources(one_of(draw, (("web",), ("ios", "web"))))
    if form == 6:
        return tree.Within(one_of(draw, LOOKBACKS))
    if form == 7:
        return between(draw, LOOKBACKS, of_parent=False)
    return tree.Where(condition(draw, level))


def between(draw: DrawFn, pool: tuple[tree.Duration, ...], *, of_parent: bool) -> tree.Between:
    nearest, farthest = sorted((one_of(draw, (NOTHING, *pool)), one_of(draw, pool)), key=hours)
    return tree.Between(nearest, farthest, of_parent=of_parent)


def condition(draw: DrawFn, level: int, depth: int = 0) -> Any:
    """What may stand in a ``where``."""
    form = draw(place(9)) if depth < 2 else 0
    if form < 5:
        return leaf(draw, level)
    if form == 5:
        return tree.Not(condition(draw, level, depth + 1))
    inner = tuple(condition(draw, level, depth + 1) for _ in range(2 + draw(place(2))))
    return tree.And(inner) if form < 8 else tree.Or(inner)


def leaf(draw: DrawFn, level: int) -> tree.Comparison:
    form = draw(place(8))
    if level > 1 and form < 4:
        left = reduction(draw, level + 1) if level < DEEPEST and chance(draw, 1, 6) else field(draw)
        return tree.Comparison(left, one_of(draw, LINKS), (parent(draw),))
    if level > 1 and form == 4:
        return comparison(draw, parent(draw), level)
    if level < DEEPEST and form == 5:
        return funnel(draw, level)
    return comparison(draw, field(draw), level)


def funnel(draw: DrawFn, level: int) -> tree.Comparison:
    """A comparison of nested events."""
    if chance(draw, 1, 2):
        operator = one_of(draw, (Operator.AT_LEAST, Operator.EQUALS, Operator.AT_MOST))
        return tree.Comparison(
            tree.Count(stream(draw, level + 1)), operator, (tree.Number(one_of(draw, (0, 1, 1, 2))),)
        )
    return comparison(draw, reduction(draw, level + 1), level)


def field(draw: DrawFn) -> tree.Property | tree.Context:
    return tree.Context(("v",)) if chance(draw, 1, 8) else tree.Property(one_of(draw, PATHS))


def parent(draw: DrawFn) -> tree.Property:
    return tree.Property(one_of(draw, PATHS), of_parent=True)


def comparison(draw: DrawFn, left: Any, level: int) -> tree.Comparison:
    operator = one_of(draw, (*Operator, *(Operator.EQUALS, Operator.AT_LEAST, Operator.LESS_THAN) * 3))
    if operator in RELATIVE:
        return tree.Comparison(left, operator, (one_of(draw, DURATIONS),))
    if operator in (Operator.EXISTS, Operator.ABSENT):
        return tree.Comparison(left, operator)
    number = 1 + draw(place(3)) if operator in SEVERAL else 1
    return tree.Comparison(left, operator, tuple(argument(draw, level) for _ in range(number)))


def argument(draw: DrawFn, level: int) -> Any:
    form = draw(place(8))
    if level > 1 and form < 3:
        return parent(draw)
    return tree.Trait(("t",)) if form == 3 else one_of(draw, LITERALS)


def reduction(draw: DrawFn, level: int) -> Any:
    events = stream(draw, level)
    operand = tree.Operand(field(draw))
    form = draw(place(10))
    if form < 2:
        return tree.Count(events)
    if form < 5:
        return tree.Aggregate(events, one_of(draw, tuple(tree.Function)), operand)
    if form == 5:
        extreme = one_of(draw, (tree.Function.MINIMUM, tree.Function.MAXIMUM))
        return tree.Aggregate(events, extreme, tree.Operand(operand.value, tree.Cast.STRING))
    if form == 6:
        return tree.MostFrequent(events, operand, 1 + draw(place(3)))
    return one_of(draw, (tree.First, tree.Last, tree.UniqueList, tree.UniqueCount))(events, operand)
