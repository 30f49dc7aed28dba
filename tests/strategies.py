"""Hypothesis strategies: definitions that use each other, profiles, and events with ties, edges and mixed types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from audiences.language import tree
from fakes import AS_OF
from naive import Definition

EVENTS = ("A", "B")
PATHS: tuple[tree.Path, ...] = (("v",), ("w",), ("o", "x"), ("l", "$"), ("l", "$", "x"))
TRAITS: tuple[tree.Path, ...] = (("t",), ("u",), ("o", "x"), ("l", "$"))

TEXTS = st.sampled_from(
    [
        "",
        "a",
        "b",
        "ab",
        "A",
        "é",
        "\U0001f600",
        "true",
        "5",
        "5.0",
        "-0",
        "1e2",
        " 5",
        "0.1",
        "[]",
        '"',
        "\\",
        "\n",
    ]
    + [
        "2024-06-14",
        "2024-06-14T12:00:00Z",
        "2024-06-14T14:00:00+02:00",
        "2024-06-15T12:00:00.000001",
        "2024-02-30",
    ]
)
NUMBERS = st.sampled_from(
    [
        0,
        1,
        5,
        -2,
        100,
        0.1,
        0.2,
        0.3,
        2.5,
        44.63,
        -1e16,
        1e16,
        1e-7,
        123456789012345680000,
        1e300,
        0.30000000000000004,
    ]
) | st.integers(-1000, 1000).map(lambda cents: cents / 100)
SCALARS = st.one_of(st.none(), TEXTS, NUMBERS, st.booleans())
LISTS = st.lists(st.one_of(SCALARS, st.builds(dict, x=SCALARS)), max_size=3)
VALUES = st.one_of(SCALARS, SCALARS, LISTS, st.builds(dict, x=SCALARS))

EDGES = [timedelta(), timedelta(hours=1), timedelta(days=1), timedelta(days=7), timedelta(days=30)]
AGES = st.one_of(
    st.sampled_from(EDGES),
    st.sampled_from(EDGES).map(lambda age: age + timedelta(microseconds=1)),
    st.sampled_from(EDGES).map(lambda age: age - timedelta(microseconds=1)),
    st.integers(0, 60 * 24 * 31).map(lambda minutes: timedelta(minutes=minutes)),
)


def document(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=members)


NESTED = st.one_of(st.none(), SCALARS, document(x=VALUES))
PROFILES = st.lists(
    st.fixed_dictionaries(
        {
            "anonymous": st.booleans(),
            "traits": document(t=VALUES, u=SCALARS, o=NESTED, l=st.one_of(SCALARS, LISTS)),
        }
    ),
    min_size=1,
    max_size=4,
)


@dataclass(frozen=True)
class World:
    """Everything that an evaluation needs."""

    definitions: Sequence[Definition]
    profiles: Sequence[Mapping[str, Any]]
    events: Sequence[Mapping[str, Any]]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    profiles = [{**profile, "id": f"p{number}"} for number, profile in enumerate(draw(PROFILES))]
    events = draw(
        st.lists(
            st.fixed_dictionaries(
                {
                    "profile": st.sampled_from([profile["id"] for profile in profiles]),
                    "event": st.sampled_from(EVENTS),
                    "timestamp": AGES.map(lambda age: AS_OF - age),
                    "properties": document(v=VALUES, w=SCALARS, o=NESTED, l=st.one_of(SCALARS, LISTS)),
                },
                optional={
                    "message_id": st.integers(0, 10**6).map(str),
                    "source_id": st.sampled_from(["web", "ios"]),
                    "context": document(v=SCALARS),
                },
            ),
            max_size=25,
            unique_by=lambda event: event.get("message_id", id(event)),
        )
    )
    return World(draw(definitions()), profiles, events)


@st.composite
def definitions(draw: st.DrawFn) -> list[Definition]:
    """A few definitions; each may use those before it."""
    found: list[Definition] = []
    for number in range(draw(st.integers(1, 5))):
        traits = (*TRAITS, *((definition.key,) for definition in found), *((item.key, "$") for item in found))
        audience = draw(st.booleans())
        found.append(
            Definition(
                key=f"k{number}",
                expression=draw(conditions(traits) if audience else scalars(traits)),
                audience=audience,
                default=None
                if audience
                else draw(st.one_of(st.none(), st.sampled_from([0, 0.5, "", "x", False, []]))),
                since=draw(st.one_of(st.none(), st.none(), AGES.map(lambda age: AS_OF - age))),
                include_anonymous=audience and draw(st.booleans()),
            )
        )
    return found


def conditions(traits: Sequence[tree.Path]) -> st.SearchStrategy[Any]:
    leaves = st.one_of(
        comparisons(lefts_of_profiles(traits), traits), comparisons(reductions(traits), traits)
    )
    return junctions(leaves)


def junctions(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.builds(tree.Not, inner),
            st.lists(inner, min_size=2, max_size=3).map(lambda operands: tree.And(tuple(operands))),
            st.lists(inner, min_size=2, max_size=3).map(lambda operands: tree.Or(tuple(operands))),
        ),
        max_leaves=3,
    )


def lefts_of_profiles(traits: Sequence[tree.Path]) -> st.SearchStrategy[Any]:
    return st.sampled_from(traits).map(tree.Trait)


def lefts_of_events(traits: Sequence[tree.Path]) -> st.SearchStrategy[Any]:
    return st.one_of(operands(), operands(), lefts_of_profiles(traits))


def operands() -> st.SearchStrategy[Any]:
    return st.one_of(
        st.sampled_from(PATHS).map(tree.Property),
        st.sampled_from(PATHS).map(tree.Property),
        st.just(tree.Context(("v",))),
    )


MOMENTS = st.sampled_from(EDGES).map(lambda age: AS_OF - age)
LITERALS = st.one_of(
    TEXTS.map(tree.Text),
    NUMBERS.map(lambda value: tree.Number(value)),
    st.booleans().map(tree.Boolean),
    MOMENTS.map(tree.Instant),
)
DURATIONS = st.sampled_from(
    [
        tree.Duration(0, tree.Unit.HOUR),
        tree.Duration(1, tree.Unit.HOUR),
        tree.Duration(1, tree.Unit.DAY),
        tree.Duration(24, tree.Unit.HOUR),
        tree.Duration(7, tree.Unit.DAY),
        tree.Duration(30, tree.Unit.DAY),
    ]
)
Operator = tree.Operator
RELATIVE = (Operator.WITHIN_LAST, Operator.WITHIN_NEXT, Operator.BEFORE_LAST, Operator.AFTER_NEXT)
NO_ARGUMENTS = (Operator.EXISTS, Operator.ABSENT)
MANY = (
    Operator.CONTAINS,
    Operator.OMITS,
    Operator.STARTS_WITH,
    Operator.ENDS_WITH,
    Operator.ONE_OF,
    Operator.NONE_OF,
)
DATES = (Operator.BEFORE_DATE, Operator.AFTER_DATE)


@st.composite
def comparisons(
    draw: st.DrawFn, lefts: st.SearchStrategy[Any], traits: Sequence[tree.Path]
) -> tree.Comparison:
    left = draw(lefts)
    operator = draw(st.sampled_from(Operator))
    # On the right only what has one value: a trait without `$`.
    dynamic = st.sampled_from([path for path in traits if "$" not in path]).map(tree.Trait)
    values = st.one_of(LITERALS, LITERALS, dynamic)
    if operator in RELATIVE:
        return tree.Comparison(left, operator, (draw(DURATIONS),))
    if operator in NO_ARGUMENTS:
        return tree.Comparison(left, operator)
    if operator in MANY:
        return tree.Comparison(left, operator, tuple(draw(st.lists(values, min_size=1, max_size=3))))
    if operator in DATES:
        moments = st.one_of(
            MOMENTS.map(tree.Instant), st.sampled_from(["2024-06-14", "x"]).map(tree.Text), dynamic
        )
        return tree.Comparison(left, operator, (draw(moments),))
    return tree.Comparison(left, operator, (draw(values),))


def streams(traits: Sequence[tree.Path]) -> st.SearchStrategy[tree.Stream]:
    filters = st.one_of(
        DURATIONS.map(tree.Within),
        st.tuples(DURATIONS, DURATIONS).map(lambda pair: tree.Between(*sorted(pair, key=hours))),
        junctions(comparisons(lefts_of_events(traits), traits)).map(tree.Where),
        st.sampled_from([("web",), ("ios", "web")]).map(tree.Sources),
        st.sampled_from([30, 60]).map(
            lambda amount: tree.ExpiresAfter(tree.Duration(amount, tree.Unit.MINUTE))
        ),
    )
    return st.builds(tree.Stream, st.sampled_from(EVENTS), st.lists(filters, max_size=3).map(tuple))


def hours(duration: tree.Duration) -> int:
    return duration.amount * (24 if duration.unit is tree.Unit.DAY else 1)


def reductions(traits: Sequence[tree.Path]) -> st.SearchStrategy[Any]:
    stream = streams(traits)
    operand = st.builds(tree.Operand, operands(), st.none())
    numeric = st.sampled_from(tree.Function)
    extremes = st.sampled_from([tree.Function.MINIMUM, tree.Function.MAXIMUM])
    as_text = st.builds(tree.Operand, operands(), st.just(tree.Cast.STRING))
    return st.one_of(
        st.builds(tree.Count, stream),
        st.builds(tree.Aggregate, stream, numeric, operand),
        st.builds(tree.Aggregate, stream, extremes, as_text),
        st.builds(tree.MostFrequent, stream, operand, st.integers(1, 3)),
        st.builds(tree.First, stream, operand),
        st.builds(tree.Last, stream, operand),
        st.builds(tree.UniqueList, stream, operand),
        st.builds(tree.UniqueCount, stream, operand),
    )


def scalars(traits: Sequence[tree.Path]) -> st.SearchStrategy[Any]:
    return st.one_of(reductions(traits), reductions(traits), reductions(traits), lefts_of_profiles(traits))
