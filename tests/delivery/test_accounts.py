"""Account-level computations as messages: about accounts, and about the users of accounts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from audiences.definitions.computation import Computation, DestinationEntry, Level, Space
from audiences.delivery import DeliveryResult, deliver
from audiences.state import State
from stateful import audience, committed, day, profile, profiles, result, space, trait

GROUP = DestinationEntry("crm")
USERS = DestinationEntry("crm", send=("identify",))
PEOPLE = profiles(
    profile("a", ("user_id", "u0"), traits='{"name":"Al"}', account_ids=["b"]),  # an account has the same id
    profile("p1", ("user_id", "u1"), traits='{"name":"Ann","plan":"none"}', account_ids=["a", "b"]),
    profile("p2", ("email", "p2@example.com"), account_ids=["b"]),
    profile("p3", ("user_id", "u3")),
    profile("p4", account_ids=["a"]),
    profile("p5", ("anonymous_id", "cookie"), account_ids=["a"]),
)
ACCOUNTS = pl.DataFrame({"id": ["a", "b"], "traits": ['{"plan":"pro","name":"Acme"}', "{}"]})


class World:
    """A state, a folder of files, and all messages in them."""

    def __init__(self, root: Path) -> None:
        self.out = root / "out"
        self.space: Space = space(root, crm={"path": "out"})
        self.state = State.open(str(root / "state"), create=True)

    def send(
        self, number: int, computed: Mapping[Computation, Any] | Sequence[tuple[Computation, Any]], **more: Any
    ) -> tuple[DeliveryResult, ...]:
        """A run on a day, and its delivery."""
        pairs = list(computed.items()) if isinstance(computed, Mapping) else list(computed)
        run = result(day(number), pairs, more.pop("people", PEOPLE))
        committed(self.state, replace(run, accounts=ACCOUNTS))
        return deliver(self.state, self.state, [item for item, _ in pairs], self.space, **more)

    def messages(self) -> list[dict[str, Any]]:
        files = sorted(self.out.glob("*.jsonl"), key=lambda path: int(path.name.split("sync-")[1].split(".")[0]))
        return [json.loads(line) for path in files for line in path.read_text().splitlines()]

    def received(self, key: str) -> list[tuple[Any, ...]]:
        """Call, account or user, value and day of each message."""
        return [
            (
                message["type"],
                message.get("groupId") or message.get("userId") or message["traits"].get("email"),
                message["traits"][key],
                message["timestamp"][8:10],
            )
            for message in self.messages()
        ]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def of_accounts(key: str, *entries: DestinationEntry, **more: Any) -> Computation:
    return audience(key, *entries, level=Level.ACCOUNT, **more)


def test_a_group_call_byte_by_byte(world: World) -> None:
    (sent,) = world.send(1, [(of_accounts("risky", DestinationEntry("crm", enrich=("plan", "name"))), ["a"])])
    assert (sent.created, sent.delivered, sent.no_identifier, sent.conflicts) == (1, 1, 0, 0)
    (message,) = world.messages()
    assert len(message.pop("messageId")) == 64
    assert message == {
        "type": "group",
        "groupId": "a",
        "anonymousId": "a",
        "timestamp": "2024-01-01T00:00:00Z",
        "context": {
            "personas": {
                "computation_class": "audience",
                "computation_id": message["context"]["personas"]["computation_id"],
                "computation_key": "risky",
                "namespace": "spa_1",
                "space_id": "spa_1",
            }
        },
        "integrations": {"All": False, "crm": True},
        "traits": {"plan": "pro", "name": "Acme", "risky": True},
    }


def test_group_calls_of_an_audience_and_a_trait(world: World) -> None:
    risky = of_accounts("risky", GROUP)
    world.send(1, [(risky, ["a", "b"])])
    world.send(2, [(risky, ["b"])])
    world.send(3, [(risky, ["b"])])
    assert world.received("risky") == [
        *(("group", "a", True, "01"), ("group", "b", True, "01")),
        ("group", "a", False, "02"),
    ]


def test_a_trait_of_accounts_is_set_changed_and_cleared(world: World) -> None:
    seats = trait("seats", GROUP, level=Level.ACCOUNT)
    world.send(1, [(seats, {"a": "5", "b": "2"})])
    world.send(2, [(seats, {"a": "6"})])
    assert world.received("seats") == [
        *(("group", "a", 5, "01"), ("group", "b", 2, "01")),
        *(("group", "a", 6, "02"), ("group", "b", None, "02")),
    ]


def test_users_of_accounts_are_in_as_long_as_an_account_is(world: World) -> None:
    risky = of_accounts("risky", USERS)
    (sent,) = world.send(1, [(risky, ["a", "b"])])
    assert (sent.created, sent.no_identifier) == (3, 1)
    world.send(2, [(risky, ["b"])])
    world.send(3, [(risky, [])])
    assert world.received("risky") == [
        ("identify", "u0", True, "01"),
        ("identify", "u1", True, "01"),
        ("identify", "p2@example.com", True, "01"),
        ("identify", "u0", False, "03"),
        ("identify", "u1", False, "03"),
        ("identify", "p2@example.com", False, "03"),
    ]


def test_an_exit_has_the_time_at_which_the_account_left(world: World) -> None:
    risky = of_accounts("risky", USERS)
    world.send(1, [(risky, ["b"])])
    committed(world.state, result(day(2), [(risky, [])], PEOPLE))  # not delivered
    world.send(3, [(risky, ["a"])])
    assert world.received("risky")[3:] == [
        ("identify", "u0", False, "02"),
        ("identify", "p2@example.com", False, "02"),
    ]


def test_a_user_who_leaves_the_account_exits(world: World) -> None:
    risky = of_accounts("risky", USERS)
    world.send(1, [(risky, ["a"])])
    elsewhere = profiles(profile("p1", ("user_id", "u1"), account_ids=["c"]), profile("p3", ("user_id", "u3")))
    world.send(2, [(risky, ["a"])], people=elsewhere)
    assert world.received("risky") == [("identify", "u1", True, "01"), ("identify", "u1", False, "02")]


def test_a_trait_is_that_of_the_account_with_the_lowest_id_that_has_one(world: World) -> None:
    seats = trait("seats", DestinationEntry("crm", send=("identify",)), level=Level.ACCOUNT)
    (sent,) = world.send(1, [(seats, {"a": "5", "b": "2"})])
    assert (sent.created, sent.conflicts) == (3, 1)
    (sent,) = world.send(2, [(seats, {"b": "2"})])
    assert (sent.created, sent.conflicts) == (1, 0)
    assert world.received("seats") == [
        ("identify", "u0", 2, "01"),
        ("identify", "u1", 5, "01"),
        ("identify", "p2@example.com", 2, "01"),
        ("identify", "u1", 2, "01"),  # decided for account b on the first day
    ]


def test_anonymous_users_only_where_they_are_included(world: World) -> None:
    world.send(1, [(of_accounts("risky", USERS, include_anonymous_users=True), ["a"])])
    assert [message.get("userId") or message["anonymousId"] for message in world.messages()] == ["u1", "cookie"]


def test_all_calls_at_once_with_enrichment_of_their_own(world: World) -> None:
    entry = DestinationEntry("crm", send=("track", "group", "identify"), enrich=("name", "seats", "orders", "plan"))
    risky = of_accounts("risky", entry)
    seats, orders = trait("seats", level=Level.ACCOUNT), trait("orders")
    world.send(1, [(risky, ["b"]), (seats, {"b": "7"}), (orders, {"p1": "3", "b": "9"})])
    found = [
        (sent["type"], sent.get("groupId") or sent.get("userId"), sent.get("traits") or sent["properties"])
        for sent in world.messages()
        if sent.get("userId") != "u0"
    ]
    assert found == [
        ("group", "b", {"seats": 7, "risky": True}),
        ("identify", "u1", {"name": "Ann", "orders": 3, "plan": "none", "risky": True}),
        ("track", "u1", {"name": "Ann", "orders": 3, "plan": "none", "audience_key": "risky", "risky": True}),
        ("identify", None, {"email": "p2@example.com", "risky": True}),
        ("track", None, {"audience_key": "risky", "risky": True}),
    ]


def test_another_call_later_sends_only_what_it_lacks(world: World) -> None:
    world.send(1, [(of_accounts("risky", GROUP), ["a"])])
    (sent,) = world.send(2, [(of_accounts("risky", DestinationEntry("crm", send=("group", "identify"))), ["a"])])
    assert (sent.created, sent.first_sync) == (1, False)
    (sent,) = world.send(3, [(of_accounts("risky", DestinationEntry("crm", send=("group", "identify"))), [])])
    assert world.received("risky") == [
        ("group", "a", True, "01"),
        ("identify", "u1", True, "01"),
        ("group", "a", False, "03"),
        ("identify", "u1", False, "03"),
    ]
    assert world.state.acknowledged("crm").rows("risky").select("call", "strategy").unique().sort("call").rows() == [
        ("group", "group_id:all"),
        ("identify", "email:all,user_id:all"),
    ]


def test_a_dry_run_shows_both_kinds(world: World) -> None:
    entry = DestinationEntry("crm", send=("group", "identify"))
    (shown,) = world.send(1, [(of_accounts("risky", entry), ["a"])], dry_run=True)
    assert [json.loads(sample)["type"] for sample in shown.samples] == ["group", "identify"]
    assert world.messages() == []
