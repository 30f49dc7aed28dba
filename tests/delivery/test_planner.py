"""One situation a test: what a destination has, what it should have, and the messages that follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from audiences.definitions.computation import IdentifierStrategy, Kind, Strategy
from audiences.delivery.identifiers import (
    DEFAULT,
    DEFAULT_WITH_ANONYMOUS,
    Chosen,
    identifiers_of,
    strategy_text,
)
from audiences.delivery.planner import MESSAGES, DeliveryPlan, Situation, plan
from audiences.events.instants import INSTANT
from audiences.state.acknowledged import ACKNOWLEDGED
from stateful import day, profile, profiles

NOW = day(10)
EMAIL_LAST = (IdentifierStrategy("email", Strategy.LAST_ADDED),)
EMAIL_ALL = (IdentifierStrategy("email"),)

P1 = profile("p1", ("user_id", "u1"), ("email", "one@example.com"))
P2 = profile("p2", ("user_id", "u2"), ("email", "two@example.com"))


def planned(
    people: Sequence[dict[str, Any]],
    values: Mapping[str, str] | Sequence[str],
    acknowledged: Sequence[dict[str, Any]] = (),
    *,
    left: Mapping[str, datetime] | None = None,
    decided: datetime = NOW,
    calls: Sequence[str] = ("identify",),
    strategy: Chosen = DEFAULT,
) -> DeliveryPlan:
    """The plan for a trait (values by id) or an audience (its members)."""
    audience = not isinstance(values, Mapping)
    wanted = dict(values) if isinstance(values, Mapping) else dict.fromkeys(values, "true")
    snapshot = {"id": list(wanted), "value": list(wanted.values()), "as_of": [decided] * len(wanted)}
    departures = {"id": list(left or {}), "as_of": list((left or {}).values())}
    return plan(
        Situation(
            kind=Kind.AUDIENCE if audience else Kind.TRAIT,
            snapshot=pl.DataFrame(snapshot, schema={"id": pl.String, "value": pl.String, "as_of": INSTANT}),
            departures=pl.DataFrame(departures, schema={"id": pl.String, "as_of": INSTANT}),
            identifiers=identifiers_of(profiles(*people).lazy()),
            acknowledged=pl.DataFrame(list(acknowledged), schema=ACKNOWLEDGED),
            calls=calls,
            strategy=strategy,
            as_of=NOW,
        )
    )


def known(
    type_: str,
    identifier: str,
    value: str | None,
    profile_id: str = "p1",
    *,
    call: str = "identify",
    attempts: int = 1,
    run: int = 1,
    strategy: Chosen = DEFAULT,
) -> dict[str, Any]:
    """An acknowledged row."""
    return {
        "computation": "c",
        "call": call,
        "identifier_type": type_,
        "identifier_value": identifier,
        "profile_id": profile_id,
        "value": value,
        "attempts": attempts,
        "as_of": day(run),
        "run": run,
        "message_id": "m",
        "strategy": strategy_text(strategy),
    }


def sent(found: DeliveryPlan) -> list[tuple[Any, ...]]:
    """Identifier type, identifier, profile, value and attempt of each message."""
    columns = ["identifier_type", "identifier_value", "profile_id", "value", "attempt"]
    return found.messages.select(columns).rows()


BOTH_OF_P1 = [known("user_id", "u1", "true"), known("email", "one@example.com", "true")]


# ── the course of one profile ───────────────────────────────────────────────────────────────────────────────


def test_first_sync_goes_to_every_user_id_and_email() -> None:
    found = planned([P1, P2], ["p1", "p2"])
    assert found.messages.rows(named=True)[0] == {
        "call": "identify",
        "identifier_type": "email",
        "identifier_value": "one@example.com",
        "profile_id": "p1",
        "value": "true",
        "as_of": NOW,
        "attempt": 1,
        "user_id": "u1",
        "anonymous_id": None,
    }
    assert sent(found) == [
        ("email", "one@example.com", "p1", "true", 1),
        ("user_id", "u1", "p1", "true", 1),
        ("email", "two@example.com", "p2", "true", 1),
        ("user_id", "u2", "p2", "true", 1),
    ]
    assert found.messages.schema == MESSAGES
    assert (found.no_identifier, found.conflicts) == (0, 0)


def test_nothing_to_send_when_everything_is_acknowledged() -> None:
    assert sent(planned([P1, P2], ["p1"], BOTH_OF_P1)) == []


def test_enter() -> None:
    assert sent(planned([P1, P2], ["p1", "p2"], BOTH_OF_P1)) == [
        ("email", "two@example.com", "p2", "true", 1),
        ("user_id", "u2", "p2", "true", 1),
    ]


def test_exit_is_false_and_carries_the_run_that_decided_it() -> None:
    found = planned([P1], [], BOTH_OF_P1, left={"p1": day(4)})
    assert sent(found) == [
        ("email", "one@example.com", "p1", "false", 2),
        ("user_id", "u1", "p1", "false", 2),
    ]
    assert found.messages.get_column("as_of").to_list() == [day(4), day(4)]
    assert found.messages.get_column("user_id").to_list() == ["u1", "u1"]


def test_an_acknowledged_exit_is_not_sent_again() -> None:
    after = [
        known("user_id", "u1", "false", attempts=2),
        known("email", "one@example.com", "false", attempts=2),
    ]
    assert sent(planned([P1], [], after, left={"p1": day(4)})) == []


def test_re_entry_counts_attempts_on() -> None:
    after = [
        known("user_id", "u1", "false", attempts=2),
        known("email", "one@example.com", "false", attempts=6),
    ]
    assert sent(planned([P1], ["p1"], after)) == [
        ("email", "one@example.com", "p1", "true", 7),
        ("user_id", "u1", "p1", "true", 3),
    ]


def test_a_changed_value() -> None:
    before = [known("user_id", "u1", "5"), known("email", "one@example.com", "7.5")]
    assert sent(planned([P1], {"p1": "7.5"}, before)) == [("user_id", "u1", "p1", "7.5", 2)]


def test_a_cleared_value_is_null() -> None:
    before = [known("user_id", "u1", "5"), known("email", "one@example.com", None, attempts=2)]
    found = planned([P1], {}, before, left={"p1": day(6)})
    assert sent(found) == [("user_id", "u1", "p1", None, 2)]
    assert found.messages.get_column("as_of").to_list() == [day(6)]


def test_a_value_that_comes_back_after_it_was_cleared() -> None:
    assert sent(planned([P1], {"p1": '"shoes"'}, [known("user_id", "u1", None, attempts=2)], strategy=USER_IDS)) == [
        ("user_id", "u1", "p1", '"shoes"', 3)
    ]


USER_IDS = (IdentifierStrategy("user_id"),)


def test_catching_up_sends_only_the_net_difference() -> None:
    """Missed: p1 left and came back (nothing to say), p2 entered on day 3, p3 entered and left (nothing)."""
    p3 = profile("p3", ("user_id", "u3"))
    found = planned(
        [P1, P2, p3],
        ["p1", "p2"],
        BOTH_OF_P1,
        left={"p1": day(2), "p3": day(4)},
        decided=day(3),
        strategy=USER_IDS,
    )
    assert sent(found) == [("user_id", "u2", "p2", "true", 1)]
    assert found.messages.get_column("as_of").to_list() == [day(3)]


# ── identifiers that come and go ────────────────────────────────────────────────────────────────────────────


def test_a_new_identifier_of_a_member_is_synced_with_the_time_of_the_decision() -> None:
    grown = profile("p1", ("user_id", "u1"), ("email", "one@example.com"), ("email", "new@example.com"))
    found = planned([grown], ["p1"], BOTH_OF_P1, decided=day(1))
    assert sent(found) == [("email", "new@example.com", "p1", "true", 1)]
    assert found.messages.get_column("as_of").to_list() == [day(1)]


def test_an_identifier_that_is_gone_exits_though_its_profile_is_a_member() -> None:
    shrunk = profile("p1", ("user_id", "u1"))
    found = planned([shrunk], ["p1"], BOTH_OF_P1)
    assert sent(found) == [("email", "one@example.com", "p1", "false", 2)]
    assert found.messages.get_column("as_of").to_list() == [NOW]


def test_an_identifier_that_is_gone_has_its_trait_cleared() -> None:
    before = [known("user_id", "u1", "5"), known("email", "one@example.com", "5")]
    assert sent(planned([profile("p1", ("user_id", "u1"))], {"p1": "5"}, before)) == [
        ("email", "one@example.com", "p1", None, 2)
    ]


def test_several_identifiers_of_a_type() -> None:
    many = profile("p1", ("email", "b@example.com"), ("email", "a@example.com"), ("user_id", "z"), ("user_id", "y"))
    found = planned([many], ["p1"])
    assert sent(found) == [
        ("email", "a@example.com", "p1", "true", 1),
        ("email", "b@example.com", "p1", "true", 1),
        ("user_id", "y", "p1", "true", 1),
        ("user_id", "z", "p1", "true", 1),
    ]
    assert found.messages.get_column("user_id").unique().to_list() == ["z"]  # the first in the list


def test_a_profile_that_is_gone_exits_from_all_that_was_acknowledged() -> None:
    found = planned([P2], [], BOTH_OF_P1, left={"p1": day(5)})
    assert sent(found) == [
        ("email", "one@example.com", "p1", "false", 2),
        ("user_id", "u1", "p1", "false", 2),
    ]
    assert found.messages.get_column("user_id").to_list() == [
        "u1",
        "u1",
    ]  # remembered from what was acknowledged


def test_a_user_id_that_its_profile_lost_is_not_carried_any_more() -> None:
    found = planned([profile("p1", ("email", "one@example.com"))], ["p1"], BOTH_OF_P1)
    assert sent(found) == [("user_id", "u1", "p1", "false", 2)]
    assert found.messages.get_column("user_id").to_list() == [None]


def test_profiles_without_an_identifier_are_counted() -> None:
    nobody, phone_only = profile("p3"), profile("p4", ("phone", "+331"))
    found = planned([P1, nobody, phone_only], ["p1", "p3", "p4", "not a profile"])
    assert found.no_identifier == 3
    assert {row[2] for row in sent(found)} == {"p1"}


def test_anonymous_ids_only_where_the_strategy_has_them() -> None:
    visitor = profile("p5", ("anonymous_id", "a5"))
    assert sent(planned([visitor], ["p5"])) == []
    found = planned([visitor], ["p5"], strategy=DEFAULT_WITH_ANONYMOUS)
    assert sent(found) == [("anonymous_id", "a5", "p5", "true", 1)]
    assert found.messages.select("user_id", "anonymous_id").rows() == [(None, "a5")]


# ── strategies ──────────────────────────────────────────────────────────────────────────────────────────────

TWO_EMAILS = profile("p1", ("email", "old@example.com", day(1)), ("email", "new@example.com", day(2)))


def test_last_added() -> None:
    assert sent(planned([TWO_EMAILS], ["p1"], strategy=EMAIL_LAST)) == [("email", "new@example.com", "p1", "true", 1)]


def test_first_added() -> None:
    first = (IdentifierStrategy("email", Strategy.FIRST_ADDED),)
    assert sent(planned([TWO_EMAILS], ["p1"], strategy=first)) == [("email", "old@example.com", "p1", "true", 1)]


def test_a_newer_email_takes_the_place_of_the_one_before_under_last_added() -> None:
    before = [known("email", "old@example.com", "true", strategy=EMAIL_LAST)]
    assert sent(planned([TWO_EMAILS], ["p1"], before, strategy=EMAIL_LAST)) == [
        ("email", "new@example.com", "p1", "true", 1),
        ("email", "old@example.com", "p1", "false", 2),
    ]


def test_exits_go_to_every_acknowledged_identifier_whatever_the_strategy_says() -> None:
    before = [
        known("email", "old@example.com", "true", strategy=EMAIL_ALL),
        known("email", "new@example.com", "true", strategy=EMAIL_ALL),
    ]
    assert sent(planned([TWO_EMAILS], [], before, strategy=EMAIL_LAST)) == [
        ("email", "new@example.com", "p1", "false", 2),
        ("email", "old@example.com", "p1", "false", 2),
    ]


def test_a_narrower_strategy_changes_nothing_by_itself() -> None:
    before = [
        known("email", "old@example.com", "5", strategy=EMAIL_ALL),
        known("email", "new@example.com", "5", strategy=EMAIL_ALL),
    ]
    assert sent(planned([TWO_EMAILS], {"p1": "5"}, before, strategy=EMAIL_LAST)) == []


def test_a_wider_strategy_changes_nothing_by_itself() -> None:
    before = [known("email", "new@example.com", "5", strategy=EMAIL_LAST)]
    assert sent(planned([TWO_EMAILS], {"p1": "5"}, before, strategy=EMAIL_ALL)) == []


def test_a_changed_strategy_applies_when_the_value_changes() -> None:
    before = [
        known("email", "old@example.com", "5", strategy=EMAIL_ALL),
        known("email", "new@example.com", "5", strategy=EMAIL_ALL),
    ]
    assert sent(planned([TWO_EMAILS], {"p1": "6"}, before, strategy=EMAIL_LAST)) == [
        ("email", "new@example.com", "p1", "6", 2),
        ("email", "old@example.com", "p1", None, 2),
    ]


def test_a_changed_strategy_applies_to_the_changed_profiles_only() -> None:
    other = profile("p2", ("email", "a@example.com", day(1)), ("email", "b@example.com", day(2)))
    before = [
        known("email", "new@example.com", "5", strategy=EMAIL_LAST),
        known("email", "b@example.com", "5", "p2", strategy=EMAIL_LAST),
    ]
    found = planned([TWO_EMAILS, other], {"p1": "5", "p2": "8"}, before, strategy=EMAIL_ALL)
    assert sent(found) == [("email", "a@example.com", "p2", "8", 1), ("email", "b@example.com", "p2", "8", 2)]


def test_the_strategy_of_a_profile_is_that_of_its_last_message() -> None:
    """The value changed under ``all`` (run 2) after ``last_added`` (run 1): nothing is left to catch up with."""
    before = [
        known("email", "old@example.com", "5", strategy=EMAIL_ALL, run=2),
        known("email", "new@example.com", "5", strategy=EMAIL_LAST, run=1),
    ]
    assert sent(planned([TWO_EMAILS], {"p1": "5"}, before, strategy=EMAIL_ALL)) == []


# ── shared identifiers and merges ───────────────────────────────────────────────────────────────────────────

SHARED_1 = profile("p1", ("email", "family@example.com"), ("user_id", "u1"))
SHARED_2 = profile("p2", ("email", "family@example.com"), ("user_id", "u2"))


def test_a_shared_identifier_is_a_member_if_any_holder_is() -> None:
    found = planned([SHARED_1, SHARED_2], ["p2"], strategy=EMAIL_ALL)
    assert sent(found) == [("email", "family@example.com", "p2", "true", 1)]
    assert found.conflicts == 0


def test_a_shared_identifier_does_not_exit_while_a_holder_is_a_member() -> None:
    before = [known("email", "family@example.com", "true", "p1")]
    assert sent(planned([SHARED_1, SHARED_2], ["p2"], before, left={"p1": day(5)}, strategy=EMAIL_ALL)) == []


def test_a_shared_identifier_exits_with_its_last_holder() -> None:
    before = [known("email", "family@example.com", "true", "p2")]
    left = {"p1": day(5), "p2": day(6)}
    found = planned([SHARED_1, SHARED_2], [], before, left=left, strategy=EMAIL_ALL)
    assert sent(found) == [("email", "family@example.com", "p1", "false", 2)]


def test_a_shared_identifier_takes_the_trait_of_the_lowest_id_and_counts_the_conflict() -> None:
    found = planned([SHARED_1, SHARED_2], {"p1": "5", "p2": "9"})
    assert sent(found) == [
        ("email", "family@example.com", "p1", "5", 1),
        ("user_id", "u1", "p1", "5", 1),
        ("user_id", "u2", "p2", "9", 1),
    ]
    assert found.conflicts == 1


def test_a_merge_of_two_members_sends_nothing() -> None:
    merged = profile("p1", ("user_id", "u1"), ("user_id", "u2"))
    before = [known("user_id", "u1", "true"), known("user_id", "u2", "true", "p2")]
    assert sent(planned([merged], ["p1"], before, left={"p2": day(9)}, strategy=USER_IDS)) == []


def test_a_merge_of_a_member_into_a_profile_that_is_none_exits() -> None:
    merged = profile("p1", ("user_id", "u1"), ("user_id", "u2"))
    before = [known("user_id", "u2", "true", "p2")]
    found = planned([merged], [], before, left={"p2": day(9)}, strategy=USER_IDS)
    assert sent(found) == [("user_id", "u2", "p1", "false", 2)]
    assert found.messages.select("user_id", "as_of").rows() == [("u1", day(9))]


def test_a_merge_gives_a_trait_the_value_of_the_merged_profile() -> None:
    merged = profile("p1", ("user_id", "u1"), ("user_id", "u2"))
    before = [known("user_id", "u1", "5"), known("user_id", "u2", "9", "p2")]
    assert sent(planned([merged], {"p1": "14"}, before, strategy=USER_IDS)) == [
        ("user_id", "u1", "p1", "14", 2),
        ("user_id", "u2", "p1", "14", 2),
    ]


# ── calls ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_calls_are_acknowledged_apart() -> None:
    found = planned([P1], ["p1"], [known("user_id", "u1", "true")], calls=["identify", "track"], strategy=USER_IDS)
    assert found.messages.select("call", "identifier_value", "attempt").rows() == [("track", "u1", 1)]


def test_a_call_that_is_not_asked_for_any_more_sends_nothing() -> None:
    before = [known("user_id", "u1", "true"), known("user_id", "u1", "true", call="track")]
    found = planned([P1], [], before, calls=["identify"], strategy=USER_IDS)
    assert found.messages.get_column("call").to_list() == ["identify"]


def test_a_destination_that_was_forgotten_gets_everything_anew() -> None:
    assert len(sent(planned([P1, P2], ["p1", "p2"], []))) == 4


def test_nobody_anywhere() -> None:
    found = planned([], [])
    assert found.messages.is_empty()
    assert found.messages.schema == MESSAGES
