"""Whole deliveries to files: what arrives is the difference, once, whatever happens in between."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import polars as pl
import pytest

from audiences.definitions.computation import Computation, DestinationEntry, Space
from audiences.delivery import DeliveryResult, deliver
from audiences.delivery.destinations.base import Batch, EventDestination, Sync
from audiences.delivery.destinations.jsonl import LocalFolder
from audiences.errors import DeliveryError, StateError
from audiences.state import Acknowledged, State
from audiences.state.acknowledged import ACKNOWLEDGED, Recording
from audiences.state.tables import Table
from stateful import audience, committed, day, profile, profiles, result, space, trait

ENTRY = DestinationEntry("crm")
BIG = audience("big", ENTRY)
SPENT = trait("spent", ENTRY)
PEOPLE = profiles(
    profile("p1", ("user_id", "u1"), traits='{"first_name":"Ann","address":{"city":"Köln"},"age":30}'),
    profile("p2", ("user_id", "u2")),
    profile("p3", ("user_id", "u3")),
)


class World:
    """A state and a folder of files, and what the receiver of the files knows."""

    def __init__(self, root: Path, **settings: Any) -> None:
        self.root = root
        self.out = root / "out"
        self.space: Space = space(root, crm={"path": "out", **settings})
        self.state = State.open(str(root / "state"), create=True)

    def run(self, number: int, computed: Sequence[tuple[Computation, Any]], people: pl.DataFrame = PEOPLE) -> None:
        committed(self.state, result(day(number), computed, people))

    def deliver(self, *computations: Computation, **more: Any) -> tuple[DeliveryResult, ...]:
        return deliver(self.state, self.state, computations, self.space, **more)

    def messages(self) -> list[dict[str, Any]]:
        """All messages, file by file, in the order in which files came."""
        files = sorted(self.out.glob("*.jsonl"), key=lambda path: int(path.name.split("sync-")[1].split(".")[0]))
        return [json.loads(line) for path in files for line in path.read_text().splitlines()]

    def received(self, key: str = "big") -> list[tuple[str, Any, str]]:
        """User, value and day of each message of a computation."""
        return [
            (message["userId"], message["traits"][key], message["timestamp"][:10])
            for message in self.messages()
            if key in message["traits"]
        ]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_the_difference_of_every_run_is_delivered_once(world: World) -> None:
    world.run(1, [(BIG, ["p1", "p2"])])
    (first,) = world.deliver(BIG)
    assert (first.created, first.delivered, first.first_sync, first.problem) == (2, 2, True, None)
    assert world.deliver(BIG)[0].created == 0
    world.run(2, [(BIG, ["p2", "p3"])])
    (second,) = world.deliver(BIG)
    assert (second.created, second.delivered, second.first_sync) == (2, 2, False)
    assert world.deliver(BIG)[0].created == 0
    assert world.received() == [
        ("u1", True, "2024-01-01"),
        ("u2", True, "2024-01-01"),
        ("u1", False, "2024-01-02"),
        ("u3", True, "2024-01-02"),
    ]


def test_files_are_named_by_computation_as_of_run_and_sync(world: World) -> None:
    world.run(1, [(BIG, ["p1"]), (SPENT, {"p1": "5"})])
    results = world.deliver(BIG, SPENT)
    assert sorted(path.name for path in world.out.iterdir()) == [
        "big.2024-01-01T000000Z.run-1.sync-1.jsonl",
        "spent.2024-01-01T000000Z.run-1.sync-1.jsonl",
    ]
    assert results[0].where == str(world.out / "big.2024-01-01T000000Z.run-1.sync-1.jsonl")
    assert (world.out / "big.2024-01-01T000000Z.run-1.sync-1.jsonl").read_bytes().endswith(b"}\n")


def test_missed_deliveries_are_caught_up_with_the_times_of_the_decisions(world: World) -> None:
    world.run(1, [(BIG, ["p1", "p2"])])
    world.deliver(BIG)
    world.run(2, [(BIG, ["p2"])])  # p1 leaves
    world.run(3, [(BIG, ["p2", "p3"])])  # p3 comes
    world.run(4, [(BIG, ["p2", "p3"])])
    world.deliver(BIG)
    assert world.received()[2:] == [("u1", False, "2024-01-02"), ("u3", True, "2024-01-03")]


def test_a_value_that_went_and_came_back_meanwhile_sends_nothing(world: World) -> None:
    world.run(1, [(SPENT, {"p1": "5"})])
    world.deliver(SPENT)
    world.run(2, [(SPENT, {"p1": "6"})])
    world.run(3, [(SPENT, {"p1": "5"})])
    assert world.deliver(SPENT)[0].created == 0


def test_message_ids_are_new_for_the_same_value_again(world: World) -> None:
    for number, members in enumerate([["p1"], [], ["p1"], []], start=1):
        world.run(number, [(BIG, members)])
        world.deliver(BIG)
    ids = [message["messageId"] for message in world.messages()]
    assert len(set(ids)) == len(ids) == 4
    assert [value for _, value, _ in world.received()] == [True, False, True, False]


def test_an_identifier_added_later_is_synced_at_the_next_run(world: World) -> None:
    world.run(1, [(BIG, ["p1"])])
    world.deliver(BIG)
    grown = profiles(profile("p1", ("user_id", "u1"), ("email", "a@example.com")))
    world.run(2, [(BIG, ["p1"])], grown)
    assert world.deliver(BIG)[0].created == 1
    assert world.messages()[-1]["traits"] == {"email": "a@example.com", "big": True}
    assert world.messages()[-1]["timestamp"] == "2024-01-01T00:00:00Z"


def test_enrichment_is_read_when_a_message_is_made_and_never_sends_by_itself(world: World) -> None:
    enriched = audience("big", replace(ENTRY, enrich=("first_name", "address.city", "spent", "other", "unknown")))
    other = audience("other")
    world.run(1, [(enriched, ["p1"]), (SPENT, {"p1": "7.5"}), (other, ["p2"])])
    world.deliver(enriched)
    assert world.messages()[0]["traits"] == {
        "first_name": "Ann",
        "address.city": "Köln",
        "spent": 7.5,
        "other": False,
        "big": True,
    }
    world.run(2, [(enriched, ["p1"]), (SPENT, {"p1": "9"}), (other, ["p1"])])
    assert world.deliver(enriched)[0].created == 0


def test_a_first_sync_of_more_than_a_thousand_messages_is_held(tmp_path: Path) -> None:
    world = World(tmp_path)
    many = profiles(*(profile(f"p{number:04d}", ("user_id", f"u{number}")) for number in range(1001)))
    ids = many.get_column("id").to_list()
    small = audience("small", ENTRY)
    world.run(1, [(BIG, ids), (small, ids[:1])], many)
    held = world.deliver(BIG, small)
    assert [(one.held, one.created, one.delivered) for one in held] == [(True, 1001, 0), (True, 1, 0)]
    assert "1,002 messages: run again with --confirm" in held[0].note
    assert not world.out.exists()
    confirmed = world.deliver(BIG, small, confirm=True)
    assert [(one.held, one.delivered) for one in confirmed] == [(False, 1001), (False, 1)]
    world.run(2, [(BIG, []), (small, ids[:1])], many)  # not the first sync any more
    assert [one.delivered for one in world.deliver(BIG, small)] == [1001, 0]


def test_exactly_a_thousand_messages_go_out_unasked(world: World) -> None:
    many = profiles(*(profile(f"p{number:04d}", ("user_id", f"u{number}")) for number in range(1000)))
    world.run(1, [(BIG, many.get_column("id").to_list())], many)
    assert world.deliver(BIG)[0].delivered == 1000


def test_confirmed_in_the_settings(tmp_path: Path) -> None:
    world = World(tmp_path, confirmed=True)
    many = profiles(*(profile(f"p{number:04d}", ("user_id", f"u{number}")) for number in range(1001)))
    world.run(1, [(BIG, many.get_column("id").to_list())], many)
    assert world.deliver(BIG)[0].delivered == 1001


def test_changes_only_takes_note_of_the_first_state_and_sends_what_comes_later(world: World) -> None:
    later = audience("big", replace(ENTRY, first_sync="changes_only"))
    world.run(1, [(later, ["p1", "p2"])])
    (first,) = world.deliver(later)
    assert (first.created, first.delivered, first.unsent) == (0, 0, 2)
    assert not world.out.exists()
    world.run(2, [(later, ["p2", "p3"])])
    assert world.deliver(later)[0].delivered == 2
    assert world.received() == [("u1", False, "2024-01-02"), ("u3", True, "2024-01-02")]


def test_changes_only_of_an_empty_audience_sends_its_first_member(world: World) -> None:
    later = audience("big", replace(ENTRY, first_sync="changes_only"))
    world.run(1, [(later, [])])
    assert world.deliver(later)[0].unsent == 0
    world.run(2, [(later, ["p1"])])
    assert world.deliver(later)[0].delivered == 1


def test_changes_only_is_never_held(world: World) -> None:
    later = audience("big", replace(ENTRY, first_sync="changes_only"))
    many = profiles(*(profile(f"p{number:04d}", ("user_id", f"u{number}")) for number in range(1001)))
    world.run(1, [(later, many.get_column("id").to_list())], many)
    (first,) = world.deliver(later)
    assert (first.held, first.unsent) == (False, 1001)


def test_a_dry_run_shows_ten_messages_and_writes_nothing(world: World) -> None:
    many = profiles(*(profile(f"p{number:02d}", ("user_id", f"u{number}")) for number in range(25)))
    state = State.open(str(world.root / "state"))
    draft = state.draft(result(day(1), [(BIG, many.get_column("id").to_list())], many))
    before = sorted(path.name for path in world.root.rglob("*"))
    (shown,) = deliver(draft, state, [BIG], world.space, dry_run=True)
    assert (shown.created, shown.delivered, len(shown.samples), shown.first_sync) == (25, 0, 10, True)
    assert json.loads(shown.samples[0])["traits"] == {"big": True}
    assert sorted(path.name for path in world.root.rglob("*")) == before


def test_a_dry_run_says_what_would_be_held(world: World) -> None:
    many = profiles(*(profile(f"p{number:04d}", ("user_id", f"u{number}")) for number in range(1001)))
    world.run(1, [(BIG, many.get_column("id").to_list())], many)
    (shown,) = world.deliver(BIG, dry_run=True)
    assert (shown.held, shown.created, len(shown.samples)) == (True, 1001, 10)


def test_the_samples_are_the_messages_that_are_sent_then(world: World) -> None:
    world.run(1, [(BIG, ["p1", "p2"])])
    (shown,) = world.deliver(BIG, dry_run=True)
    world.deliver(BIG)
    assert [json.loads(sample) for sample in shown.samples] == world.messages()


def test_profiles_without_an_identifier_and_conflicts_are_counted(world: World) -> None:
    people = profiles(profile("p1", ("email", "x")), profile("p2", ("email", "x")), profile("p3"))
    world.run(1, [(SPENT, {"p1": "1", "p2": "2", "p3": "3"})], people)
    (found,) = world.deliver(SPENT)
    assert (found.created, found.no_identifier, found.conflicts) == (1, 1, 1)
    assert "1 without an identifier; 1 identifiers shared by several profiles" in str(found)


def test_anonymous_members_are_sent_with_include_anonymous_users(world: World) -> None:
    people = profiles(profile("p1", ("anonymous_id", "a1")))
    visitors, known_only = audience("visitors", ENTRY, include_anonymous_users=True), BIG
    world.run(1, [(visitors, ["p1"]), (known_only, ["p1"])], people)
    results = world.deliver(visitors, known_only)
    assert [(one.delivered, one.no_identifier) for one in results] == [(1, 0), (0, 1)]
    assert world.messages()[0]["anonymousId"] == "a1"


def test_only_what_was_computed_is_delivered(world: World) -> None:
    assert world.deliver(BIG) == ()
    world.run(1, [(BIG, ["p1"])])
    assert [one.computation for one in world.deliver(BIG, SPENT)] == ["big"]


def test_destinations_and_computations_keep_apart(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.space = space(tmp_path, crm={"path": "out"}, ads={"path": "ads"})
    both = audience("big", ENTRY, DestinationEntry("ads", send=("track",)))
    world.run(1, [(both, ["p1"]), (SPENT, {"p1": "1"})])
    results = world.deliver(both, SPENT)
    assert [(one.destination, one.computation, one.delivered) for one in results] == [
        ("crm", "big", 1),
        ("crm", "spent", 1),
        ("ads", "big", 1),
    ]
    (line,) = (tmp_path / "ads" / "big.2024-01-01T000000Z.run-1.sync-1.jsonl").read_text().splitlines()
    assert json.loads(line)["event"] == "Audience Entered"
    assert json.loads(line)["integrations"] == {"All": False, "ads": True}


def test_what_cannot_be_delivered_is_a_problem_and_the_rest_goes_out(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.space = space(tmp_path, hook={"type": "webhook"}, crm={"path": "out"})
    wrong = audience("wrong", DestinationEntry("hook"), DestinationEntry("nowhere"))
    filtered = audience("filtered", DestinationEntry("crm", filter="type = 'track'"))
    world.run(1, [(wrong, ["p1"]), (filtered, ["p2"]), (BIG, ["p1"])])
    results = world.deliver(wrong, filtered, BIG)
    assert [(one.destination, one.computation, one.problem and one.problem.what) for one in results] == [
        ("hook", "wrong", "destination 'hook': destinations of type webhook: not yet"),
        ("crm", "filtered", "`filter` of a destination: not yet"),
        ("crm", "big", None),
        ("nowhere", "wrong", "unknown destination 'nowhere'"),
    ]


def test_a_destination_that_cannot_be_written_does_not_stop_the_others(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.space = space(tmp_path, broken={"path": "file"}, crm={"path": "out"})
    (tmp_path / "file").write_text("not a folder")
    both = audience("big", DestinationEntry("broken"), ENTRY)
    world.run(1, [(both, ["p1"])])
    failed, fine = world.deliver(both)
    assert failed.problem is not None
    assert f"{tmp_path}/file: can't write to destination 'broken'" in failed.problem.what
    assert fine.delivered == 1
    (tmp_path / "file").unlink()
    assert [one.delivered for one in world.deliver(both)] == [1, 0]


@pytest.mark.parametrize("table", ["snapshots", "profiles"])
def test_a_state_that_cannot_be_read_fails_with_its_place(table: str, world: World) -> None:
    world.run(1, [(BIG, ["p1"])])
    for path in (world.root / "state" / table).rglob("*.parquet"):
        path.unlink()
    (failed,) = world.deliver(BIG)
    assert failed.problem is not None
    assert f"{world.root}/state: can't read the state" in failed.problem.what


def test_progress_is_reported(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audiences.delivery.syncs.ROWS_PER_BATCH", 2)
    world.run(1, [(BIG, ["p1", "p2", "p3"])])
    seen: list[tuple[str, str, int, int]] = []
    world.deliver(BIG, progress=lambda *report: seen.append(report))
    assert seen == [("crm", "big", 2, 3), ("crm", "big", 3, 3)]
    assert len(world.messages()) == 3


class Posting(EventDestination):
    """Takes two batches, and then fails."""

    type = "jsonl"
    taken: ClassVar[list[str]] = []

    @classmethod
    def mistakes(cls, settings: Mapping[str, Any]) -> list[str]:
        return []

    def send(self, sync: Sync, batches: Iterable[Batch]) -> Iterator[pl.DataFrame]:
        for number, batch in enumerate(batches):
            if number == 2:
                raise DeliveryError("the line is down")
            self.taken.extend(batch.messages.to_list())
            yield batch.rows


def test_of_a_destination_that_takes_messages_one_by_one_what_arrived_counts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audiences.delivery.syncs.ROWS_PER_BATCH", 1)
    monkeypatch.setattr("audiences.delivery.syncs.TYPES", {"jsonl": Posting})
    monkeypatch.setattr(Posting, "taken", [])
    world.run(1, [(BIG, ["p1", "p2", "p3"])])
    assert [str(one.problem.what) for one in world.deliver(BIG) if one.problem] == ["the line is down"]
    assert len(Posting.taken) == 2
    world.run(2, [(BIG, ["p1"])])  # p2 is known to be in, p3 isn't
    world.deliver(BIG)
    sent = [(json.loads(text)["userId"], json.loads(text)["traits"]["big"]) for text in Posting.taken]
    assert sent == [("u1", True), ("u2", True), ("u2", False)]


# ── being killed ────────────────────────────────────────────────────────────────────────────────────────────


class KilledError(BaseException):
    """Stands for the end of the process."""


def _dies(*_: Any, **__: Any) -> Any:
    raise KilledError


class Dying:
    """A file in which the process dies."""

    write = _dies


@contextmanager
def _dies_in_the_middle_of_the_file(self: LocalFolder, name: str) -> Iterator[Any]:
    self.folder.mkdir(parents=True, exist_ok=True)
    (self.folder / name).write_bytes(b'{"half a')
    yield Dying()


@contextmanager
def _dies_at_the_end_of_the_file(self: LocalFolder, name: str) -> Iterator[Any]:
    self.folder.mkdir(parents=True, exist_ok=True)
    with (self.folder / name).open("wb") as file:
        yield file
    raise KilledError


MOMENTS: Mapping[str, tuple[object, str, Any]] = {
    "before the file": (LocalFolder, "writing", _dies),
    "in the file": (LocalFolder, "writing", _dies_in_the_middle_of_the_file),
    "at the end of the file": (LocalFolder, "writing", _dies_at_the_end_of_the_file),
    "before it is recorded": (Recording, "commit", _dies),
    "before what is recorded counts": (Table, "add_files", _dies),
    "before it is renamed": (LocalFolder, "rename", _dies),
    "after everything": (Acknowledged, "tidy", _dies),
}


def killed_at(moment: str, world: World, patch: pytest.MonkeyPatch) -> None:
    owner, name, dies = MOMENTS[moment]
    with patch.context() as now:
        now.setattr(owner, name, dies)
        with pytest.raises(KilledError):
            world.deliver(BIG)
    world.state = State.open(str(world.root / "state"), create=True)


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_next_delivery_sends_exactly_what_is_missing(
    moment: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.run(1, [(BIG, ["p1", "p2"])])
    killed_at(moment, world, monkeypatch)
    world.deliver(BIG)
    assert world.received() == [("u1", True, "2024-01-01"), ("u2", True, "2024-01-01")]
    assert [path.name for path in world.out.iterdir()] == ["big.2024-01-01T000000Z.run-1.sync-1.jsonl"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_membership_that_flipped_back_before_the_restart_ends_right(
    moment: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether or not the receiver saw the entry: in the end it knows that p1 is no member, and p2 is one."""
    world.run(1, [(BIG, ["p1", "p2"])])
    killed_at(moment, world, monkeypatch)
    world.run(2, [(BIG, ["p2"])])
    world.deliver(BIG)
    last = {user: value for user, value, _ in world.received()}
    assert last.get("u1", False) is False
    assert last["u2"] is True
    assert len({message["messageId"] for message in world.messages()}) == len(world.messages())


def test_killed_at_every_moment_in_turn(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.run(1, [(BIG, ["p1"])])
    world.deliver(BIG)
    for number, moment in enumerate(MOMENTS, start=2):
        world.run(number, [(BIG, ["p1", f"p{2 + number % 2}"])])
        killed_at(moment, world, monkeypatch)
    world.run(9, [(BIG, ["p3"])])
    world.deliver(BIG)
    last = {user: value for user, value, _ in world.received()}
    assert {user for user, value in last.items() if value} == {"u3"}
    assert not list(world.out.glob(".*"))


def test_a_deleted_folder_of_files_does_not_stop_later_deliveries(world: World) -> None:
    world.run(1, [(BIG, ["p1"])])
    world.deliver(BIG)
    shutil.rmtree(world.out)
    world.run(2, [(BIG, ["p1", "p2"])])
    assert world.deliver(BIG)[0].delivered == 1


def test_two_deliveries_of_the_same_thing_at_once(world: World) -> None:
    """Without a lock, as on an object store: the second to record is refused, its file never appears."""
    world.run(1, [(BIG, ["p1"])])
    other = Acknowledged(world.state._storage, "crm")
    world.deliver(BIG)
    with pytest.raises(StateError, match="another run"):
        other.record("big", pl.DataFrame(schema=ACKNOWLEDGED), sync=1)
