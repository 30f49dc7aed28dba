from __future__ import annotations

from datetime import datetime
from random import Random

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from audiences.definitions.computation import IdentifierStrategy, Strategy
from audiences.delivery.identifiers import (
    DEFAULT,
    DEFAULT_WITH_ANONYMOUS,
    choose,
    choose_each,
    identifiers_of,
    parse_strategy,
    senders,
    strategy_text,
)
from stateful import day, profile, profiles, rows

EMAILS = profiles(
    profile(
        "p1",
        ("email", "second@example.com", day(2)),
        ("email", "undated@example.com"),
        ("email", "first@example.com", day(1)),
        ("user_id", "u1", day(3)),
        ("phone", "+331", day(1)),
    )
)


def found(people: pl.DataFrame) -> list[tuple[object, ...]]:
    return rows(identifiers_of(people.lazy()))


def test_identifiers_come_in_the_order_of_adding_undated_ones_last() -> None:
    assert found(EMAILS) == [
        ("p1", "email", "first@example.com", 0, False),
        ("p1", "email", "second@example.com", 1, False),
        ("p1", "email", "undated@example.com", 2, True),
        ("p1", "phone", "+331", 0, True),
        ("p1", "user_id", "u1", 0, True),
    ]


def test_without_dates_the_order_of_the_list_counts() -> None:
    people = profiles(profile("p", ("email", "z"), ("email", "a"), ("email", "m")))
    assert [row[2] for row in found(people)] == ["z", "a", "m"]


def test_the_same_identifier_twice_counts_once_and_empty_ones_do_not_count() -> None:
    people = profiles(profile("p", ("email", "a", day(2)), ("email", ""), ("email", "a", day(1)), ("", "x")))
    assert found(people) == [("p", "email", "a", 0, True)]


IDENTIFIERS = st.tuples(st.sampled_from(["a", "b", ""]), st.sampled_from(["x", "y", "z", ""]), st.integers(0, 3))


@given(st.lists(st.lists(IDENTIFIERS, max_size=6), max_size=4), st.randoms())
def test_against_plain_python(people: list[list[tuple[str, str, int]]], chance: Random) -> None:
    """Each identifier is a type, a value and a day; day 0: it isn't known."""
    expected: list[tuple[object, ...]] = []
    for number, identifiers in enumerate(people):
        for type_ in ("a", "b"):
            known = [item for item in identifiers if item[0] == type_ and item[1]]
            values = list(dict.fromkeys(item[1] for item in sorted(known, key=lambda item: item[2] or 9)))
            expected += [
                (f"p{number}", type_, value, place, place == len(values) - 1) for place, value in enumerate(values)
            ]
    made = [
        profile(f"p{number}", *((type_, value, day(at) if at else None) for type_, value, at in identifiers))
        for number, identifiers in enumerate(people)
    ]
    chance.shuffle(made)
    assert found(profiles(*made)) == expected


def test_profiles_without_identifiers_have_no_rows() -> None:
    assert found(profiles(profile("p"))) == []


def chosen_values(*strategies: IdentifierStrategy) -> list[str]:
    return choose(identifiers_of(EMAILS.lazy()), strategies).get_column("value").to_list()


def test_strategies() -> None:
    emails = ["first@example.com", "second@example.com", "undated@example.com"]
    assert chosen_values(IdentifierStrategy("email", Strategy.ALL)) == emails
    assert chosen_values(IdentifierStrategy("email", Strategy.FIRST_ADDED)) == emails[:1]
    assert chosen_values(IdentifierStrategy("email", Strategy.LAST_ADDED)) == emails[2:]
    assert chosen_values(*DEFAULT) == [*emails, "u1"]
    assert chosen_values(IdentifierStrategy("idfa", Strategy.ALL)) == []
    assert chosen_values() == []


def test_a_strategy_is_the_same_text_whatever_its_order_and_comes_back() -> None:
    one = (IdentifierStrategy("email", Strategy.LAST_ADDED), IdentifierStrategy("android.idfa"))
    assert strategy_text(one) == strategy_text(one[::-1]) == "android.idfa:all,email:last_added"
    assert set(parse_strategy(strategy_text(one))) == set(one)
    odd = (IdentifierStrategy("type:with:colons", Strategy.FIRST_ADDED),)
    assert parse_strategy(strategy_text(odd)) == odd


def test_profiles_may_have_a_strategy_of_their_own() -> None:
    people = profiles(*(profile(name, ("email", f"{name}1"), ("email", f"{name}2")) for name in ("p", "q", "r")))
    own = pl.DataFrame({"id": ["p", "q"], "strategy": ["email:first_added", "email:last_added"]})
    chosen = choose_each(identifiers_of(people.lazy()), own, DEFAULT)
    assert sorted(chosen.get_column("value").to_list()) == ["p1", "q2", "r1", "r2"]


def test_senders_are_the_first_user_id_and_the_first_anonymous_id() -> None:
    people = profiles(
        profile("p1", ("user_id", "late", day(2)), ("user_id", "early", day(1)), ("anonymous_id", "a")),
        profile("p2", ("anonymous_id", "b")),
        profile("p3", ("email", "e")),
    )
    assert sorted(rows(senders(identifiers_of(people.lazy())))) == [("p1", "early", "a"), ("p2", None, "b")]


def test_anonymous_ids_are_in_the_default_only_for_computations_with_anonymous_users() -> None:
    assert {item.type for item in DEFAULT} == {"email", "user_id"}
    assert {item.type for item in DEFAULT_WITH_ANONYMOUS} == {"email", "user_id", "anonymous_id"}


def test_dates_with_zones_are_compared_as_instants() -> None:
    early = datetime.fromisoformat("2024-01-01T10:00:00+02:00")
    late = datetime.fromisoformat("2024-01-01T09:00:00+00:00")
    people = profiles(profile("p", ("email", "late", late), ("email", "early", early)))
    assert [row[2] for row in found(people)] == ["early", "late"]
