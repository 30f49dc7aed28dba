"""Hypothesis strategies: sets of definitions of users and accounts that use each other, with all that the language has.

All of them are valid, and so few values occur in them that most conditions can go either way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from audiences.language import tree
from audiences.language.tree import Operator
from choices import Choices
from fakes import AS_OF
from file_strategies import AGES, DATES
from naive import Definition, length

Literals = tuple[tree.Literal, ...]

DEEPEST: Final = 3
EVENTS: Final = (*("A",) * 6, *("B",) * 4, "C", "C", "Page Viewed", "Screen Viewed")
PATHS: Final[tuple[tree.Path, ...]] = (
    *(*(("v",),) * 6, *(("w",),) * 3, ("o", "x"), ("l", "$"), ("l", "$", "x"), ("l",)),
    *(("o",), ("d.e",)),
)
NAMES: Final[tuple[tree.Path, ...]] = (("page_name",), ("screen_name",), ("name",), ("v",))
CONTEXTS: Final[tuple[tree.Path, ...]] = (("v",), ("v",), ("groupId",))
TRAITS: Final[tuple[tree.Path, ...]] = (("t",), ("t",), ("u",), ("o", "x"), ("l", "$"))

NUMBERS: Final[Literals] = tuple(tree.Number(value) for value in (0, 1, 1, 2, 2, 3, 5, 5, 7, 10, 0.1, -2, 44.63))
COMMON: Final[Literals] = (
    *map(tree.Number, (5, 5, 7)),
    *map(tree.Text, ("5", "a", "a")),
    *map(tree.Instant, (AS_OF, AS_OF.replace(hour=11))),
)
LITERALS: Final[Literals] = (
    *NUMBERS,
    *map(tree.Text, ("5", "5.0", "a", "a", "b", "ab", "", "true", "é", '"\\\n', *DATES)),
    *map(tree.Boolean, (True, False)),
    tree.Instant(AS_OF),
    tree.Instant(AS_OF.replace(hour=11)),
    tree.Instant(AS_OF.replace(hour=0), date_only=True),
)
IN_ORDER: Final[Literals] = tuple(item for item in LITERALS if not isinstance(item, tree.Boolean))
INSTANTS: Final[Literals] = (
    *(item for item in LITERALS if isinstance(item, tree.Instant)),
    *map(tree.Text, DATES[:-1]),
)

NOTHING: Final = tree.Duration(0, tree.Unit.HOUR)
DURATIONS: Final = (
    *(tree.Duration(amount, tree.Unit.HOUR) for amount in (1, 1, 2, 2, 3, 4, 24)),
    *(tree.Duration(amount, tree.Unit.DAY) for amount in (1, 7)),
)
NEAR: Final = tuple(tree.Duration(amount, tree.Unit.HOUR) for amount in (1, 1, 1, 2, 2, 3, 23))
SESSIONS: Final = (
    tree.Duration(30, tree.Unit.MINUTE),
    tree.Duration(3600, tree.Unit.SECOND),
    tree.Duration(1, tree.Unit.HOUR),
    tree.Duration(2, tree.Unit.HOUR),
    tree.Duration(1, tree.Unit.DAY),
)

RELATIVE: Final = (Operator.WITHIN_LAST, Operator.WITHIN_NEXT, Operator.BEFORE_LAST, Operator.AFTER_NEXT)
OF_DATES: Final = (Operator.BEFORE_DATE, Operator.AFTER_DATE)
ORDERED: Final = (Operator.GREATER_THAN, Operator.AT_LEAST, Operator.LESS_THAN, Operator.AT_MOST)
SEVERAL: Final = (Operator.CONTAINS, Operator.OMITS, Operator.ONE_OF, Operator.NONE_OF)
OPERATORS: Final[tuple[Operator, ...]] = (
    *Operator,
    *(Operator.EQUALS,) * 6,
    *ORDERED,
    Operator.DIFFERS,
    Operator.ONE_OF,
)
OF_NUMBERS: Final = tuple(operator for operator in OPERATORS if operator not in (*RELATIVE, *OF_DATES))
COUNTED: Final[tuple[Operator, ...]] = (*ORDERED, Operator.AT_LEAST, Operator.EQUALS, Operator.EQUALS)


DEFINITION_SIZE: Final = 200
"""Bytes that a definition is made of, at most."""


@dataclass(frozen=True)
class Scope:
    """What may be used at a place: traits, and inside ANY or ALL those of ``users``; it is ``level`` events deep."""

    traits: tuple[tree.Path, ...]
    users: tuple[tree.Path, ...] = ()
    account: bool = False
    level: int = 0
    depth: int = 0

    def nested(self) -> Scope:
        return replace(self, level=self.level + 1, account=False, depth=self.depth + 1)


def definitions(draw: Choices, *, accounts: bool, most: int = 8) -> list[Definition]:
    """Each uses only those before it."""
    found: list[Definition] = []
    hidden = draw.chance(1, 3)  # a computation that has the name of a custom trait
    for number in range(3 + draw.place(most)):
        account = accounts and draw.chance(1, 2)
        hides = hidden and not account and number < 2 and all(item.key != "u" for item in found)
        scope = scope_of(found, account=account, custom=[path for path in TRAITS if not hidden or path != ("u",)])
        found.append(definition(draw.part(DEFINITION_SIZE), "u" if hides else f"k{number}", scope))
    return found


def scope_of(found: Sequence[Definition], *, account: bool, custom: Sequence[tree.Path]) -> Scope:
    users = [item.key for item in found if not item.account or item.audience]
    of_accounts = [item.key for item in found if item.account]
    paths = [*custom, *(path for key in users for path in into(key))]
    if not account:
        return Scope(tuple(paths))
    own = [*custom, *(path for key in of_accounts for path in into(key))]
    return Scope(tuple(own), tuple(paths), account=True)


def into(key: str) -> tuple[tree.Path, ...]:
    """A computation's value, and what is inside it if it is an array or object."""
    return (key,), (key,), (key,), (key, "$"), (key, "x")


def definition(draw: Choices, key: str, scope: Scope) -> Definition:
    audience = draw.chance(2, 5)
    expression = condition(draw, scope) if audience else trait(draw, scope)
    return Definition(
        key=key,
        expression=expression,
        audience=audience,
        default=None if audience else default(draw, expression),
        since=AS_OF - draw.one_of(AGES) if draw.chance(1, 6) else None,
        include_anonymous=draw.chance(1, 2),
        account=scope.account,
        by_group=scope.account and draw.chance(1, 3),
    )


def default(draw: Choices, expression: Any) -> Any:
    """What fits the definition, or nothing."""
    if draw.chance(1, 2):
        return None
    match expression:
        case tree.Count() | tree.UniqueCount():
            return draw.one_of((0, 0, 0, 5))
        case tree.Aggregate(operand=tree.Operand(cast=tree.Cast.STRING)) | tree.MostFrequent():
            return draw.one_of(("", "a"))
        case tree.Aggregate():
            return draw.one_of((0, 0.5))
        case tree.UniqueList():
            return draw.one_of(([], ["a"]))
    return draw.one_of((0, 0.5, "", "a", False, [], ["a"]))


def trait(draw: Choices, scope: Scope) -> Any:
    if draw.chance(1, 8):
        return tree.Trait(draw.one_of([path for path in scope.traits if tree.EACH not in path]))
    return reduction(draw, scope, of_trait=True)


# ── conditions ──────────────────────────────────────────────────────────────────────────────────────────────


def condition(draw: Choices, scope: Scope) -> Any:
    """What an audience, ANY, ALL or ``where`` may have."""
    form = draw.place(12) if scope.depth < 4 else 0
    inside = replace(scope, depth=scope.depth + 1)
    if form in (4, 5) and 1 <= scope.level < DEEPEST:
        return funnel(draw, scope)
    if form in (6, 10) and scope.account:
        users = replace(inside, traits=scope.users, users=(), account=False)
        asks: Any = draw.one_of((tree.AnyUser, tree.AllUsers))(condition(draw, users))
        return tree.Not(asks) if draw.chance(1, 4) else asks
    if form == 7:
        return tree.Not(condition(draw, inside))
    if form in (8, 9):
        junction = tree.And if form == 8 else tree.Or
        operands = [condition(draw, inside) for _ in range(2 + draw.place(2))]
        flat = [part for item in operands for part in (item.operands if isinstance(item, junction) else (item,))]
        return junction(tuple(flat))
    return comparison(draw, scope)


def funnel(draw: Choices, scope: Scope) -> tree.Comparison:
    """How many later events there are."""
    number = tree.Number(draw.one_of((0, 1, 1, 2)))
    return tree.Comparison(tree.Count(stream(draw, scope, of_trait=False)), draw.one_of(COUNTED), (number,))


def comparison(draw: Choices, scope: Scope) -> tree.Comparison:
    value = left(draw, scope)
    if isinstance(value, tree.Count | tree.UniqueCount):
        operator = draw.one_of(OF_NUMBERS if draw.chance(1, 5) else COUNTED)
        if operator in COUNTED and draw.chance(2, 3):
            return tree.Comparison(value, operator, (tree.Number(draw.one_of((0, 1, 1, 1, 2))),))
        return tree.Comparison(value, operator, arguments(draw, operator, scope, numeric=True))
    numeric = isinstance(value, tree.Aggregate) and value.operand.cast is not tree.Cast.STRING
    if not numeric and draw.chance(1, 6):
        return tree.Comparison(value, draw.one_of(RELATIVE), (draw.one_of(DURATIONS),))
    if not numeric and draw.chance(1, 2):
        return tree.Comparison(value, Operator.EQUALS, (argument(draw, COMMON, scope),))
    operator = draw.one_of(OF_NUMBERS if numeric else OPERATORS)
    return tree.Comparison(value, operator, arguments(draw, operator, scope, numeric=numeric))


def left(draw: Choices, scope: Scope) -> Any:
    form = draw.place(8)
    if scope.level and form < 4 + (scope.level > 1):
        return parent(draw) if scope.level > 1 and form == 4 else field(draw)
    if form == 5:
        return tree.Trait(draw.one_of(scope.traits))
    if scope.level < DEEPEST:
        found = reduction(draw, scope, of_trait=False)
        return tree.Count(found.stream) if isinstance(found, tree.UniqueList) else found
    return field(draw)


def arguments(draw: Choices, operator: Operator, scope: Scope, *, numeric: bool) -> tuple[tree.Argument, ...]:
    if operator in (Operator.EXISTS, Operator.ABSENT):
        return ()
    if operator in RELATIVE:
        with_zero = operator in (Operator.BEFORE_LAST, Operator.AFTER_NEXT)
        return (draw.one_of((NOTHING, *DURATIONS) if with_zero else DURATIONS),)
    if operator in OF_DATES:
        return (argument(draw, INSTANTS, scope),)
    if operator in SEVERAL:
        return tuple(argument(draw, LITERALS, scope) for _ in range(1 + draw.place(2)))
    if numeric and operator not in (Operator.STARTS_WITH, Operator.ENDS_WITH):
        return (argument(draw, (*NUMBERS, tree.Text("5")), scope),)
    return (argument(draw, IN_ORDER if operator in ORDERED else LITERALS, scope),)


def argument(draw: Choices, literals: Sequence[tree.Argument], scope: Scope) -> tree.Argument:
    form = draw.place(8)
    if form < 3 and scope.level > 1:
        return parent(draw)
    return tree.Trait(draw.one_of(scope.traits)) if form == 3 else draw.one_of(literals)


def field(draw: Choices, paths: Sequence[tree.Path] = PATHS) -> tree.Property | tree.Context:
    return tree.Context(draw.one_of(CONTEXTS)) if draw.chance(1, 8) else tree.Property(draw.one_of(paths))


def parent(draw: Choices) -> tree.Property:
    return tree.Property(draw.one_of(PATHS), of_parent=True)


# ── events ──────────────────────────────────────────────────────────────────────────────────────────────────


def reduction(draw: Choices, scope: Scope, *, of_trait: bool) -> Any:
    events = stream(draw, scope, of_trait=of_trait)
    operand = tree.Operand(field(draw, NAMES if " " in events.event else PATHS))
    form = draw.place(14)
    if form < 5:
        return tree.Count(events)
    if form < 8:
        cast = draw.one_of((None, None, None, tree.Cast.NUMBER))
        return tree.Aggregate(events, draw.one_of(tuple(tree.Function)), replace(operand, cast=cast))
    if form == 8:
        extreme = draw.one_of((tree.Function.MINIMUM, tree.Function.MAXIMUM))
        return tree.Aggregate(events, extreme, replace(operand, cast=tree.Cast.STRING))
    if form == 9:
        cast = draw.one_of((None, None, None, *tree.Cast))
        return tree.MostFrequent(events, replace(operand, cast=cast), 1 + draw.place(3))
    return draw.one_of((tree.First, tree.Last, tree.UniqueCount, tree.UniqueList))(events, operand)


def stream(draw: Choices, scope: Scope, *, of_trait: bool) -> tree.Stream:
    filters: list[tree.Filter] = []
    if draw.chance(1, 5 if scope.level else 3):
        filters.append(window(draw, of_parent=False))
    if scope.level and draw.chance(2, 3):
        filters.append(window(draw, of_parent=True))
    if draw.chance(1, 12):
        filters.append(tree.Sources(draw.one_of((("web",), ("ios", "web")))))
    if of_trait and draw.chance(1, 4):
        filters.append(tree.ExpiresAfter(draw.one_of(SESSIONS)))
    for _ in range(draw.one_of((0, 1, 1, 2)) if scope.level < DEEPEST and scope.depth < 5 else 0):
        filters.insert(draw.place(len(filters) + 1), tree.Where(condition(draw, scope.nested())))
    return tree.Stream(draw.one_of(EVENTS), tuple(filters))


def window(draw: Choices, *, of_parent: bool) -> tree.Within | tree.Between:
    pool = NEAR if of_parent else DURATIONS
    if draw.chance(1, 2):
        return tree.Within(draw.one_of(pool), of_parent=of_parent)
    first, second = sorted((draw.one_of((NOTHING, *pool)), draw.one_of(pool)), key=length)
    if length(first) == length(second):
        return tree.Within(second, of_parent=of_parent)
    return tree.Between(first, second, of_parent=of_parent)
