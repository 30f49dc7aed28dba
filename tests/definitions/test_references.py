"""What computations say of one another: order doesn't matter, cycles and broken ones do, levels must fit."""

from __future__ import annotations

import pytest

from audiences.definitions.computation import Definitions
from audiences.definitions.loader import load_mappings


def audience(key: str, definition: str, **more: object) -> dict[str, object]:
    return {"key": key, "kind": "audience", "definition": definition, **more}


def trait(key: str, definition: str, **more: object) -> dict[str, object]:
    return {"key": key, "kind": "trait", "definition": definition, **more}


def messages(definitions: Definitions) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for problem in definitions.problems:
        found.setdefault(problem.key, []).append(problem.what)
    return found


def test_a_computation_may_be_used_before_it_is_defined() -> None:
    definitions = load_mappings([audience("a", "trait('t') > 1"), trait("t", "event('A').count()")])

    assert definitions.problems == ()


def test_a_cycle_names_its_whole_path() -> None:
    definitions = load_mappings(
        [
            audience("a", "trait('b') = true"),
            audience("b", "trait('c') = true"),
            audience("c", "NOT (trait('a.x') = true)"),
            audience("d", "trait('a') = true"),
            audience("e", "trait('plan') = 1"),
        ]
    )

    assert list(definitions.computations) == ["e"]
    assert messages(definitions) == {
        "a": ["a cycle: a → b → c → a"],
        "b": ["a cycle: b → c → a → b"],
        "c": ["a cycle: c → a → b → c"],
        "d": ["it uses 'a', which is broken"],
    }


def test_a_computation_of_itself_is_a_cycle() -> None:
    definitions = load_mappings([trait("plan", "trait('plan')")])

    (problem,) = definitions.problems
    assert problem.what == "a cycle: plan → plan"
    assert "hides a custom trait of the same name" in problem.hint


def test_two_cycles_that_share_a_member() -> None:
    definitions = load_mappings(
        [
            audience("a", "trait('b') = true AND trait('c') = true"),
            audience("b", "trait('a') = true"),
            audience("c", "trait('a') = true"),
        ]
    )

    assert messages(definitions) == {
        "a": ["a cycle: a → b → a", "it uses 'c', which is broken"],
        "b": ["a cycle: b → a → b"],
        "c": ["a cycle: c → a → c"],
    }


def test_a_long_chain_is_no_problem() -> None:
    chain = [trait(f"t{number}", f"trait('t{number + 1}')") for number in range(3_000)]

    assert load_mappings(chain).problems == ()
    closed = load_mappings([*chain, trait("t3000", "trait('t0')")])
    assert len(closed.problems) == 3_001
    assert closed.computations == {}


def test_what_uses_a_broken_computation_is_broken() -> None:
    definitions = load_mappings(
        [
            trait("bad", "event('A').cuont()"),
            audience("uses", "trait('bad') > 1 OR trait('x') = 1"),
            audience("uses_that", "trait('uses') = true"),
            audience("fine", "trait('x') = 1"),
        ]
    )

    assert list(definitions.computations) == ["fine"]
    assert definitions.broken == ("bad", "uses", "uses_that")
    assert messages(definitions)["uses"] == ["it uses 'bad', which is broken"]
    assert messages(definitions)["uses_that"] == ["it uses 'uses', which is broken"]


def test_a_key_given_twice_breaks_both_and_their_users() -> None:
    definitions = load_mappings(
        [
            trait("t", "event('A').count()"),
            trait("t", "event('B').count()"),
            audience("a", "trait('t') > 1"),
        ]
    )

    assert definitions.computations == {}
    assert messages(definitions)["t"] == [
        "the key 't' is given twice: here and at computations[1]",
        "the key 't' is given twice: here and at computations[0]",
    ]
    assert messages(definitions)["a"] == ["it uses 't', which is broken"]


def test_a_disabled_computation_stays_and_can_be_used() -> None:
    definitions = load_mappings([trait("t", "event('A').count()", enabled=False), audience("a", "trait('t') > 1")])

    assert definitions.problems == ()
    assert not definitions.computations["t"].enabled


ACCOUNT: dict[str, object] = {"level": "account"}


@pytest.mark.parametrize(
    ("definition", "level", "message"),
    [
        ("trait('user_trait') = 1", "user", None),
        ("trait('user_audience') = true", "user", None),
        ("trait('account_audience') = true", "user", None),
        ("trait('account_trait') = 1", "user", "a user-level definition can't use the account-level trait"),
        (
            "event('A').where(property('p') = trait('account_trait')).count() >= 1",
            "user",
            "a user-level definition can't use the account-level trait",
        ),
        ("trait('account_trait') = 1", "account", None),
        ("trait('account_audience') = true", "account", None),
        ("trait('custom') = true", "account", None),
        ("ANY (trait('user_trait') = 1)", "account", None),
        ("ALL NOT (trait('user_audience') = true)", "account", None),
        ("ANY (trait('account_audience') = true)", "account", None),
        (
            "trait('user_trait') = 1",
            "account",
            "an account-level definition can't use the user-level trait 'user_trait' here",
        ),
        (
            "trait('user_audience') = true",
            "account",
            "an account-level definition can't use the user-level audience 'user_audience' here",
        ),
        (
            "ANY (trait('account_trait') = 1)",
            "account",
            "ANY and ALL can't use the account-level trait 'account_trait'",
        ),
    ],
)
def test_levels(definition: str, level: str, message: str | None) -> None:
    definitions = load_mappings(
        [
            trait("user_trait", "event('A').count()"),
            audience("user_audience", "trait('x') = 1"),
            trait("account_trait", "event('A').count()", level="account"),
            audience("account_audience", "trait('x') = 1", level="account"),
            audience("a", definition, level=level),
        ]
    )

    if message is None:
        assert definitions.problems == ()
    else:
        (problem,) = definitions.problems
        assert problem.key == "a"
        assert message in problem.what


@pytest.mark.parametrize(
    ("condition", "warned"),
    [
        ("trait('counter') < 5", True),
        ("trait('counter') <= 5", True),
        ("trait('counter') = 0", True),
        ("trait('counter') = '0'", True),
        ("trait('unique') = 0", True),
        ("NOT (trait('counter') < 5)", True),
        ("trait('counter') = 1", False),
        ("trait('counter') > 0", False),
        ("trait('counter') >= 0", False),
        ("trait('total') < 5", False),
        ("trait('with_default') < 5", False),
        ("trait('custom') < 5", False),
        ("event('A').count() < 5", False),
        ("event('A').count() = 0", False),
    ],
)
def test_counters_without_a_default(condition: str, warned: bool) -> None:
    definitions = load_mappings(
        [
            trait("counter", "event('A').count()"),
            trait("unique", "event('A').unique(property('p')).count()"),
            trait("total", "event('A').sum(property('p'))"),
            trait("with_default", "event('A').count()", default=0),
            audience("a", condition),
        ]
    )

    assert definitions.problems == ()
    assert bool(definitions.warnings) == warned
    for warning in definitions.warnings:
        assert warning.key == "a"
        assert "has no value where there is nothing to count" in warning.what
        assert "default: 0" in warning.hint
