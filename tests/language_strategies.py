"""Hypothesis strategies for valid trees: every node, operator and literal, wherever it may stand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from hypothesis import strategies as st

from audiences.language import tree
from audiences.language.check import MAXIMUM_PRIMARY_EXPRESSIONS, ResultType, result_type
from audiences.language.construct import between, conjunction, disjunction, seconds
from audiences.language.tree import Operator
from audiences.language.walk import walk


class Place(NamedTuple):
    """Where a condition stands, and how much deeper it may go."""

    account: bool = False
    inside_users: bool = False
    events: int = 0
    depth: int = 3

    def deeper(self) -> Place:
        return self._replace(depth=self.depth - 1)


# ── names and literals ──────────────────────────────────────────────────────────────────────────────────────

NAMES = st.one_of(
    st.sampled_from(
        [
            "Order Completed",
            "price",
            "it's",
            'say "hi"',
            "back\\slash",
            "tab\t",
            "a.b",
            "日本語",
            "AND",
            "7 days",
            "🛒",
        ]
    ),
    st.text(min_size=1, max_size=12),
)


def is_path(path: tree.Path) -> bool:
    """Whether a path leads somewhere and can be written."""
    backslash_before_dot = any("\\." in segment for segment in path) or any(
        segment.endswith("\\") for segment in path[:-1]
    )
    return path[0] != tree.EACH and not backslash_before_dot


PATHS = st.lists(st.one_of(NAMES, st.just(tree.EACH)), min_size=1, max_size=3).map(tuple).filter(is_path)

TEXTS = st.builds(tree.Text, st.one_of(st.text(max_size=12), NAMES))
NUMBERS = st.builds(
    tree.Number,
    st.one_of(
        st.integers(-(10**25), 10**25),
        st.floats(allow_nan=False, allow_infinity=False).map(
            lambda value: int(value) if value == int(value) else value
        ),
    ),
)
BOOLEANS = st.builds(tree.Boolean, st.booleans())
INSTANTS = st.one_of(
    st.builds(
        tree.Instant,
        st.datetimes(timezones=st.just(UTC)),
    ),
    st.dates().map(lambda day: tree.Instant(datetime(day.year, day.month, day.day, tzinfo=UTC), date_only=True)),
)
LITERALS = st.one_of(TEXTS, NUMBERS, BOOLEANS, INSTANTS)

DURATIONS = st.builds(tree.Duration, st.integers(1, 1_000), st.sampled_from([tree.Unit.HOUR, tree.Unit.DAY]))
SESSIONS = st.one_of(
    st.builds(tree.Duration, st.integers(1_800, 100_000), st.just(tree.Unit.SECOND)),
    st.builds(tree.Duration, st.integers(30, 1_000), st.just(tree.Unit.MINUTE)),
    st.builds(tree.Duration, st.integers(1, 90), st.sampled_from([tree.Unit.HOUR, tree.Unit.DAY])),
)

# ── values ──────────────────────────────────────────────────────────────────────────────────────────────────

TRAITS = st.builds(tree.Trait, PATHS)
PARENT_PROPERTIES = st.builds(tree.Property, PATHS, of_parent=st.just(True))
FIELDS = st.one_of(st.builds(tree.Property, PATHS), st.builds(tree.Context, PATHS))


@st.composite
def windows(draw: st.DrawFn, of_parent: bool) -> tree.Within | tree.Between:
    first = draw(DURATIONS)
    second = draw(DURATIONS)
    if seconds(first) == seconds(second) or draw(st.booleans()):
        return tree.Within(first, of_parent)
    return between(first, second, of_parent=of_parent)


@st.composite
def streams(draw: st.DrawFn, place: Place, *, of_trait: bool = False) -> tree.Stream:
    filters: list[tree.Filter] = []
    if draw(st.booleans()):
        filters.append(draw(windows(of_parent=False)))
    if place.events and draw(st.booleans()):
        filters.append(draw(windows(of_parent=True)))
    if draw(st.integers(0, 4)) == 0:
        filters.append(tree.Sources(tuple(draw(st.lists(NAMES, min_size=1, max_size=3)))))
    if of_trait and not place.events and draw(st.booleans()):
        filters.append(tree.ExpiresAfter(draw(SESSIONS)))
    if place.depth > 0:
        inside = place.deeper()._replace(events=place.events + 1)
        filters.extend(tree.Where(draw(conditions(inside))) for _ in range(draw(st.integers(0, 2))))
    return tree.Stream(draw(NAMES), tuple(draw(st.permutations(filters))))


@st.composite
def reductions(draw: st.DrawFn, place: Place, *, of_trait: bool = False) -> tree.Reduction:
    stream = draw(streams(place, of_trait=of_trait))
    field = draw(FIELDS)
    plain = tree.Operand(field)
    match draw(st.integers(0, 6)):
        case 0:
            return tree.Count(stream)
        case 1:
            function = draw(st.sampled_from(tree.Function))
            casts: list[tree.Cast | None] = [None, tree.Cast.NUMBER]
            if function in (tree.Function.MINIMUM, tree.Function.MAXIMUM):
                casts.append(tree.Cast.STRING)
            return tree.Aggregate(stream, function, tree.Operand(field, draw(st.sampled_from(casts))))
        case 2:
            cast = draw(st.sampled_from([None, *tree.Cast]))
            return tree.MostFrequent(stream, tree.Operand(field, cast), draw(st.integers(1, 10)))
        case 3:
            return tree.First(stream, plain)
        case 4:
            return tree.Last(stream, plain)
        case 5:
            return tree.UniqueList(stream, plain)
        case _:
            return tree.UniqueCount(stream, plain)


# ── conditions ──────────────────────────────────────────────────────────────────────────────────────────────


@st.composite
def comparisons(draw: st.DrawFn, place: Place) -> tree.Comparison:
    lefts: list[st.SearchStrategy[tree.Scalar]] = [TRAITS]
    if place.events:
        lefts += [FIELDS, FIELDS]
    if place.events > 1:
        lefts.append(PARENT_PROPERTIES)
    if place.depth > 0:
        comparable = reductions(place).filter(lambda value: not isinstance(value, tree.UniqueList))
        lefts.append(comparable)
    left = draw(st.one_of(lefts))
    others: list[st.SearchStrategy[tree.Argument]] = [TRAITS]
    if place.events > 1:
        others.append(PARENT_PROPERTIES)
    numeric = result_type(left) in (ResultType.INTEGER, ResultType.NUMBER)
    operators = [
        operator for operator in Operator if not (numeric and (operator in DATES or operator in RELATIVE_DATES))
    ]
    operator = draw(st.sampled_from(operators))
    return tree.Comparison(left, operator, draw(arguments(operator, numeric, st.one_of(others))))


DATES = (Operator.BEFORE_DATE, Operator.AFTER_DATE)
RELATIVE_DATES = (Operator.WITHIN_LAST, Operator.WITHIN_NEXT, Operator.BEFORE_LAST, Operator.AFTER_NEXT)
ORDERED = (Operator.GREATER_THAN, Operator.AT_LEAST, Operator.LESS_THAN, Operator.AT_MOST)
SEVERAL = (Operator.CONTAINS, Operator.OMITS, Operator.ONE_OF, Operator.NONE_OF)


def arguments(
    operator: Operator, numeric: bool, others: st.SearchStrategy[tree.Argument]
) -> st.SearchStrategy[tuple[tree.Argument, ...]]:
    """What an operator may be given."""
    if operator in (Operator.EXISTS, Operator.ABSENT):
        return st.just(())
    if operator in RELATIVE_DATES:
        return st.tuples(DURATIONS)
    if operator in DATES:
        return st.tuples(st.one_of(INSTANTS, st.just(tree.Text("2023-12-07T18:50:00Z")), others))
    if operator in SEVERAL:
        return st.lists(st.one_of(LITERALS, others), min_size=1, max_size=3).map(tuple)
    if operator in (Operator.STARTS_WITH, Operator.ENDS_WITH):
        return st.tuples(st.one_of(LITERALS, others))
    if numeric:
        return st.tuples(st.one_of(NUMBERS, st.just(tree.Text("1e3")), others))
    if operator in ORDERED:
        return st.tuples(st.one_of(TEXTS, NUMBERS, INSTANTS, others))
    return st.tuples(st.one_of(LITERALS, others))


@st.composite
def conditions(draw: st.DrawFn, place: Place) -> tree.Condition:
    choice = draw(st.integers(0, 5)) if place.depth > 0 else 0
    inside = place.deeper()
    if choice == 2:
        return conjunction(draw(st.lists(conditions(inside), min_size=2, max_size=3)))
    if choice == 3:
        return disjunction(draw(st.lists(conditions(inside), min_size=2, max_size=3)))
    if choice == 4:
        return tree.Not(draw(conditions(inside)))
    if choice == 5 and place.account and not place.inside_users and not place.events:
        condition = draw(conditions(inside._replace(inside_users=True)))
        return tree.AnyUser(condition) if draw(st.booleans()) else tree.AllUsers(condition)
    return draw(comparisons(place))


# ── whole definitions ───────────────────────────────────────────────────────────────────────────────────────


class Definition(NamedTuple):
    """A valid tree and what it defines."""

    expression: tree.Expression
    kind: str
    level: str


def is_small(definition: Definition) -> bool:
    """Within the limit of primary expressions."""
    found = sum(isinstance(node, tree.Comparison) for node in walk(definition.expression))
    return found <= MAXIMUM_PRIMARY_EXPRESSIONS


@st.composite
def any_definition(draw: st.DrawFn) -> Definition:
    level = draw(st.sampled_from(["user", "account"]))
    place = Place(account=level == "account")
    if draw(st.booleans()):
        return Definition(draw(conditions(place)), "audience", level)
    copies = TRAITS.filter(lambda trait: tree.EACH not in trait.path)
    return Definition(draw(st.one_of(copies, reductions(place, of_trait=True))), "trait", level)


def definitions() -> st.SearchStrategy[Definition]:
    """Any valid definition, user and account level, traits and audiences."""
    return any_definition().filter(is_small)
