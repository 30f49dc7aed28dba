from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from audiences.definitions.computation import (
    Computation,
    DestinationEntry,
    IdentifierStrategy,
    Level,
    Strategy,
)
from audiences.delivery import check_destinations
from audiences.delivery.checks import calls_of, strategy_of
from audiences.delivery.identifiers import DEFAULT, DEFAULT_WITH_ANONYMOUS
from stateful import audience, space, trait

GOOD = {"path": "out"}


def problems(computation: Computation, **destinations: Mapping[str, Any]) -> list[str]:
    made = destinations or {"crm": GOOD}
    return [problem.what for problem in check_destinations(space(Path("/project"), **made), [computation])]


def test_a_plain_definition_is_fine() -> None:
    assert problems(audience("a", DestinationEntry("crm", send=("track", "identify")))) == []


def test_without_send_identify_is_sent_for_traits_and_audiences() -> None:
    assert calls_of(audience("a"), DestinationEntry("crm")) == ("identify",)
    both = DestinationEntry("crm", send=("track", "identify", "track"))
    assert calls_of(trait("t"), both) == ("identify", "track")


def test_without_send_accounts_are_sent_as_group() -> None:
    accounts = audience("a", level=Level.ACCOUNT)
    assert calls_of(accounts, DestinationEntry("crm")) == ("group",)
    every = DestinationEntry("crm", send=("track", "identify", "group"))
    assert calls_of(accounts, every) == ("group", "identify", "track")
    assert problems(audience("a", every, level=Level.ACCOUNT)) == []


def test_without_identifiers_every_user_id_and_email() -> None:
    entry = DestinationEntry("crm")
    assert strategy_of(audience("a", entry), entry) == DEFAULT
    assert strategy_of(audience("a", entry, include_anonymous_users=True), entry) == DEFAULT_WITH_ANONYMOUS
    own = DestinationEntry("crm", identifiers=(IdentifierStrategy("email"),))
    assert strategy_of(audience("a", own, include_anonymous_users=True), own) == (IdentifierStrategy("email"),)


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        (DestinationEntry("crn"), "unknown destination 'crn'"),
        (DestinationEntry("crm", send=("group",)), "`send: group` is for account-level computations"),
        (DestinationEntry("crm", send=("tarck",)), "unknown call 'tarck' in `send`"),
        (DestinationEntry("crm", send=()), "`send` names no call"),
        (DestinationEntry("crm", filter="type = 'track'"), "`filter` of a destination: not yet"),
        (DestinationEntry("crm", identifiers=()), "`identifiers` names no identifier type"),
        (
            DestinationEntry("crm", identifiers=tuple(IdentifierStrategy(name) for name in "abcd")),
            "4 identifier types have the strategy `all`: a, b, c, d",
        ),
        (
            DestinationEntry("crm", identifiers=(IdentifierStrategy("a"), IdentifierStrategy("a"))),
            "the identifier type 'a' is listed 2 times",
        ),
    ],
)
def test_mistakes_of_an_entry(entry: DestinationEntry, what: str) -> None:
    found = check_destinations(space(Path("/project"), crm=GOOD), [trait("t", entry)])
    assert [problem.what for problem in found] == [what]
    assert found[0].key == "t"


def test_three_types_with_all_and_more_with_one_value_are_fine() -> None:
    identifiers = (
        *(IdentifierStrategy(name) for name in "abc"),
        IdentifierStrategy("d", Strategy.LAST_ADDED),
        IdentifierStrategy("e", Strategy.FIRST_ADDED),
    )
    assert problems(trait("t", DestinationEntry("crm", identifiers=identifiers))) == []


def test_one_destination_twice() -> None:
    entries = (DestinationEntry("crm", key="one"), DestinationEntry("crm", key="two"))
    assert problems(trait("t", *entries)) == ["the destination 'crm' is listed 2 times"]


@pytest.mark.parametrize("type_", ["webhook", "segment", "postgres", "csv_list", "kafka"])
def test_types_that_are_known_are_refused_by_name(type_: str) -> None:
    found = check_destinations(space(Path("/project"), crm={"type": type_}), [])
    assert found[0].not_yet
    assert found[0].what == f"destination 'crm': destinations of type {type_}: not yet"


def test_an_unknown_type_says_what_was_meant() -> None:
    (found,) = check_destinations(space(Path("/project"), crm={"type": "json"}), [])
    assert (found.what, found.hint) == ("destination 'crm': unknown type 'json'", "did you mean 'jsonl'?")


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({}, "`path` is needed"),
        ({"path": ""}, "`path` is needed"),
        ({"path": 5}, "`path` is needed"),
        ({"path": "out", "confirmed": "yes"}, "`confirmed` must be true or false"),
        ({"path": "out", "pathh": "x"}, "unknown setting 'pathh', did you mean 'path'?"),
    ],
)
def test_mistakes_in_the_settings_of_jsonl(settings: dict[str, Any], what: str) -> None:
    (found,) = problems(audience("a"), crm=settings)
    assert what in found


def test_two_destinations_in_one_folder() -> None:
    found = problems(audience("a"), crm={"path": "out"}, ads={"path": "./other/../out/"}, third={"path": "third"})
    assert found == ["destination 'ads' has the same place as 'crm': /project/out"]
