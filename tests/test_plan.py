from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from audiences.definitions.computation import Computation
from audiences.engines.refusals import refusals
from audiences.errors import DefinitionError, Location, Problem
from audiences.plan import Plan, make_plan, usable
from audiences.stages import measures
from fakes import computation


def space(**definitions: str) -> dict[str, Computation]:
    return {key: computation(key, text) for key, text in definitions.items()}


def keys(computations: tuple[Computation, ...]) -> list[str]:
    return [item.key for item in computations]


def levels(plan: Plan) -> list[list[str]]:
    """The keys of each layer of the one pass over users."""
    (stage,) = plan.stages()
    return [[step.key for step in layer if isinstance(step, Computation)] for layer in stage.layers]


CHAIN = space(
    last="trait('middle') = true AND trait('other') > 3",
    middle="trait('first') > 1",
    other="event('B').count()",
    first="event('A').count()",
    alone="trait('custom') = 'x'",
)


def test_each_comes_after_what_it_uses_else_in_file_order() -> None:
    plan = make_plan(CHAIN)
    assert keys(plan.order) == ["other", "first", "middle", "last", "alone"]
    assert levels(plan) == [["other", "first", "alone"], ["middle"], ["last"]]
    assert plan.dependencies == {
        "last": ("middle", "other"),
        "middle": ("first",),
        "other": (),
        "first": (),
        "alone": (),
    }
    assert plan.dependents == {
        "last": (),
        "middle": ("last",),
        "other": ("last",),
        "first": ("middle",),
        "alone": (),
    }


def test_only_what_is_asked_for_and_what_it_depends_on() -> None:
    assert keys(make_plan(CHAIN, ["middle"]).order) == ["first", "middle"]
    assert keys(make_plan(CHAIN, ["alone", "middle", "alone"]).order) == ["first", "middle", "alone"]
    assert keys(make_plan(CHAIN, []).order) == []


def test_needs_are_the_union_and_keys_are_no_custom_traits() -> None:
    plan = make_plan(
        space(
            a="event('A').where(property('p.q') = trait('custom.x')).sum(property('n'))",
            b="event('B').where(context('page.url').exists()).unique(property('l.$.s'))",
            c="trait('a') > trait('b.$') OR trait('plan') = 'x'",
        )
    )
    assert plan.needs.events == {"A", "B"}
    assert plan.needs.properties == {("p", "q"), ("n",), ("l", "$", "s")}
    assert plan.needs.contexts == {("page", "url")}
    assert plan.needs.traits == {("custom", "x"), ("plan",)}


def test_a_long_chain() -> None:
    chain = {f"k{number}": computation(f"k{number}", f"trait('k{number - 1}')") for number in range(2_000, 0, -1)}
    chain["k0"] = computation("k0", "event('A').count()")
    assert keys(make_plan(chain).order) == [f"k{number}" for number in range(2_001)]


@pytest.mark.parametrize(
    ("definitions", "path"),
    [
        (space(a="trait('b') = 1", b="trait('a') = true"), "a → b → a"),
        (space(a="trait('a') = true"), "a → a"),
        (space(x="trait('c') = 1", c="trait('b') = 1", b="trait('a') = 1", a="trait('c') = 1"), "c → b → a → c"),
        (space(ok="trait('y') = 1", a="trait('b') = 1", y="trait('custom')", b="trait('a') = 1"), "a → b → a"),
    ],
)
def test_a_circle_is_an_error_that_names_the_path(definitions: dict[str, Computation], path: str) -> None:
    with pytest.raises(DefinitionError) as raised:
        make_plan(definitions)
    (problem,) = raised.value.problems
    assert problem.what.endswith(path)
    assert problem.key == path.split()[0]


def test_an_unknown_key_is_an_error_with_the_nearest_one() -> None:
    with pytest.raises(DefinitionError, match=r"'midle' \(did you mean 'middle'\?\), 'zzz'"):
        make_plan(CHAIN, ["midle", "first", "zzz"])


def test_disabled_ones_are_given_not_computed_unless_asked_for() -> None:
    definitions = {**CHAIN, "first": replace(CHAIN["first"], enabled=False)}
    plan = make_plan(definitions)
    assert keys(plan.order) == ["middle", "other", "last", "alone"]
    assert keys(plan.given) == ["first"]
    assert plan.dependents["first"] == ("middle",)
    assert "A" not in plan.needs.events
    plan = make_plan(definitions, ["first", "middle"])
    assert keys(plan.order) == ["first", "middle"]
    assert plan.given == ()


def test_equal_questions_are_one_measure_however_they_are_written() -> None:
    one = "event('A').within(7 days).where(property('x') = 1).where(property('y') = 2).count()"
    other = "event('A').where(property('y') = 2 AND property('x') = 1).within(168 hours).count()"
    assert measures(computation("a", one)) == measures(computation("b", other))
    since = datetime(2024, 1, 1, tzinfo=UTC)
    assert measures(computation("a", one)) != measures(computation("b", one, events_since=since))


def test_what_uses_something_that_cannot_be_computed_is_left_out() -> None:
    def refuses_a(item: Computation) -> list[Problem]:
        what = "this: not yet"
        return [Problem(Location("f"), what, key="a", not_yet=True)] if item.key == "a" else []

    definitions = space(
        c="trait('b') = 1",
        a="event('A').count()",
        b="trait('a') = 1",
        d="trait('broken') = 1",
        e="event('A').count()",
    )
    good, problems = usable(definitions, broken=["broken"], refusals=refuses_a)
    assert list(good) == ["e"]
    assert [(problem.key, problem.what, problem.not_yet) for problem in problems] == [
        ("c", "it uses 'b', which is not computed yet", True),
        ("a", "this: not yet", True),
        ("b", "it uses 'a', which is not computed yet", True),
        ("d", "it uses 'broken', whose definition is broken", False),
    ]


def test_a_disabled_computation_is_not_refused() -> None:
    definitions = {
        "account": replace(computation("account", "ANY (event('A').count() >= 1)"), enabled=False),
        "uses": computation("uses", "trait('account') = true"),
    }
    good, problems = usable(definitions, refusals=refusals)
    assert list(good) == ["account", "uses"]
    assert problems == []
