from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from audiences.errors import InputError
from event_tables import AS_OF, event, everything, needs, prepared, table


def profile(profile_id: str, *external_ids: tuple[str, str], **columns: Any) -> dict[str, Any]:
    ids = [{"type": kind, "value": value} for kind, value in external_ids]
    return {"profile_id": profile_id, "external_ids": json.dumps(ids)} | columns


def owners(rows: list[dict[str, Any]], profiles: list[dict[str, Any]] | None = None) -> list[str]:
    """The owner of each event, by message id."""
    with prepared(table(rows), profiles=None if profiles is None else table(profiles)) as inputs:
        return everything(inputs).events.sort("message_id")["profile"].to_list()


PROFILES = [
    profile("p1", ("user_id", "u1"), ("anonymous_id", "a1"), ("email", "shared")),
    profile("p2", ("user_id", "u2"), ("anonymous_id", "a1"), ("email", "shared")),
    profile("p3", ("anonymous_id", "a3")),
    profile("p4"),
]


@pytest.mark.parametrize(
    ("ids", "owner"),
    [
        ({"user_id": "u1"}, "p1"),
        ({"user_id": "u2"}, "p2"),
        ({"user_id": "u2", "anonymous_id": "a3"}, "p2"),
        ({"user_id": "u9", "anonymous_id": "a3"}, "user_id:u9"),
        ({"user_id": None, "anonymous_id": "a3"}, "p3"),
        ({"user_id": None, "anonymous_id": "a9"}, "anonymous_id:a9"),
        ({"user_id": None, "anonymous_id": "a1"}, "p1"),
        ({"user_id": "u1", "profile_id": "p4"}, "p4"),
        ({"user_id": "u1", "profile_id": "p9"}, "p9"),
        ({"user_id": "a1"}, "user_id:a1"),
        ({"user_id": "shared"}, "user_id:shared"),
        ({"user_id": "u:1"}, "user_id:u:1"),
    ],
)
def test_who_owns_an_event(ids: dict[str, Any], owner: str) -> None:
    assert owners([event(**ids)], PROFILES) == [owner]


def test_segment_id_is_profile_id() -> None:
    rows = [event(segmentId="p1")]
    profiles = [{"SEGMENT_ID": "p1"}]
    with prepared(table(rows), profiles=table(profiles)) as inputs:
        assert everything(inputs).events["profile"].to_list() == ["p1"]
        assert inputs.profiles["implicit"].to_list() == [False]


def test_conflicts_are_identifiers_on_events_that_several_profiles_hold() -> None:
    rows = [event(f"m{number}", user_id=None, anonymous_id="a1") for number in range(3)] + [event("m9")]
    with prepared(table(rows), profiles=table(PROFILES)) as inputs:
        assert inputs.statistics.identifier_conflicts == 1
    with prepared(table([event()]), profiles=table(PROFILES)) as inputs:
        assert inputs.statistics.identifier_conflicts == 0


def test_the_universe() -> None:
    rows = [
        event("m1", user_id="u9"),
        event("m2", user_id="later", timestamp=AS_OF),
        event("m3", user_id="bad", properties="[]"),
        event("m4", event="Not needed", user_id="u8"),
        event("m5", type="alias", event=None, user_id="u7"),
    ]
    with prepared(table(rows), profiles=table(PROFILES)) as inputs:
        frame = inputs.profiles
    assert frame["id"].to_list() == ["p1", "p2", "p3", "p4", "user_id:u7", "user_id:u8", "user_id:u9"]
    assert frame["implicit"].to_list() == [False] * 4 + [True] * 3
    assert frame.schema == {
        "id": pl.String,
        "external_ids": pl.List(
            pl.Struct({"type": pl.String, "value": pl.String, "created_at": pl.Datetime("us", "UTC")})
        ),
        "traits": pl.String,
        "account_ids": pl.List(pl.String),
        "implicit": pl.Boolean,
    }
    assert frame["traits"].to_list() == ["{}"] * 7
    assert frame["account_ids"].to_list() == [[]] * 7


def test_profiles_are_in_code_point_order() -> None:
    ids = ["b", "B", "é", "z", "10", "9", "😀", "\uff5e"]
    with prepared(table([event(str(number), profile_id=one) for number, one in enumerate(ids)])) as inputs:
        assert inputs.profiles["id"].to_list() == sorted(ids)
        assert everything(inputs).profiles["id"].to_list() == sorted(ids)


def test_every_profile_is_in_a_bucket_with_its_traits() -> None:
    profiles = [
        profile("p1", ("anonymous_id", "a1"), traits='{"plan":"pro","tags":["x","y"],"n":{"m":7.0}}'),
        profile("p2", ("anonymous_id", "a2"), ("email", "e"), traits=None),
        profile("p3", traits="{}"),
    ]
    wanted = needs(traits=[("plan",), ("tags", "$"), ("n", "m"), ("absent",)])
    with prepared(table([event("m1", user_id=None, anonymous_id="a1")]), wanted, profiles=table(profiles)) as inputs:
        frame = everything(inputs).profiles
    assert frame["id"].to_list() == ["p1", "p2", "p3"]
    assert frame["anonymous"].to_list() == [True, False, False]
    assert frame["trait:plan"].struct.field("text").to_list() == ["pro", None, None]
    assert frame["trait:n.m"].struct.field("text").to_list() == ["7", None, None]
    assert [[one["text"] for one in row] for row in frame["trait:tags.$"].to_list()] == [["x", "y"], [], []]
    assert frame["trait:absent"].null_count() == 3


def test_implicit_profiles_hold_their_own_identifier_since_their_first_event() -> None:
    first = datetime(2024, 5, 1, tzinfo=UTC)
    rows = [
        event("m1", user_id="u1", anonymous_id="a1"),
        event("m2", user_id="u1", timestamp=first),
        event("m3", user_id=None, anonymous_id="a1"),
    ]
    with prepared(table(rows)) as inputs:
        ids = dict(zip(inputs.profiles["id"], inputs.profiles["external_ids"].to_list(), strict=True))
        anonymous = everything(inputs).profiles["anonymous"].to_list()
    assert ids["user_id:u1"] == [{"type": "user_id", "value": "u1", "created_at": first}]
    assert [one["value"] for one in ids["anonymous_id:a1"]] == ["a1"]
    assert anonymous == [True, False]


def test_profiles_that_events_name_hold_the_ids_of_those_events() -> None:
    rows = [
        event("m1", profile_id="p1", user_id="u1", anonymous_id="a1"),
        event("m2", profile_id="p1", user_id="u1", anonymous_id="a2"),
        event("m3", user_id="u1"),
        event("m4", user_id=None, anonymous_id="a2"),
        event("m5", user_id="u2"),
        event("m6", profile_id="p2", user_id="u1"),
    ]
    with prepared(table(rows)) as inputs:
        events = everything(inputs).events.sort("message_id")
        external_ids = inputs.profiles["external_ids"].to_list()
        assert inputs.statistics.identifier_conflicts == 1
    assert events["profile"].to_list() == ["p1", "p1", "p1", "p1", "user_id:u2", "p2"]
    assert inputs.profiles["id"].to_list() == ["p1", "p2", "user_id:u2"]
    assert [(one["type"], one["value"]) for one in external_ids[0]] == [
        ("anonymous_id", "a1"),
        ("anonymous_id", "a2"),
        ("user_id", "u1"),
    ]


def identify(message_id: str | None, day: int, traits: object, **columns: Any) -> dict[str, Any]:
    at = datetime(2024, 6, day, tzinfo=UTC)
    return event(message_id, type="identify", event=None, timestamp=at, traits=json.dumps(traits), **columns)


def test_the_latest_trait_wins_key_by_key() -> None:
    rows = [
        identify("m3", 3, {"plan": "pro", "age": 31}),
        identify("m1", 1, {"plan": "free", "city": "Oslo", "age": 30}),
        identify("m2", 5, {"age": None}),
        identify("m4", 7, {"b": "m4"}),
        identify("m5", 7, {"b": "m5"}),
        identify(None, 8, {"c": "without id is later"}),
        identify("m6", 8, {"c": "m6"}),
        identify("m7", 20, {"plan": "from after as-of"}),
        identify("m8", 9, {"plan": "of another"}, user_id="u2"),
        event("m9", traits='{"plan":"not an identify call"}'),
    ]
    with prepared(table(rows)) as inputs:
        traits = [json.loads(text) for text in inputs.profiles["traits"].to_list()]
    assert inputs.profiles["id"].to_list() == ["user_id:u1", "user_id:u2"]
    assert traits[0] == {"plan": "pro", "city": "Oslo", "age": 31, "b": "m5", "c": "without id is later"}
    assert traits[1] == {"plan": "of another"}


def test_a_profile_of_the_table_has_the_tables_traits() -> None:
    profiles = [profile("p1", ("user_id", "u1"), traits='{"plan":"free"}')]
    rows = [identify("m1", 1, {"plan": "pro"}), identify("m2", 1, {"plan": "trial"}, user_id="u2")]
    with prepared(table(rows), profiles=table(profiles)) as inputs:
        assert inputs.profiles["traits"].to_list() == ['{"plan":"free"}', '{"plan":"trial"}']


def group(message_id: str, account: str, **columns: Any) -> dict[str, Any]:
    return event(message_id, type="group", event=None, group_id=account, **columns)


def test_group_calls_make_members_where_the_table_says_nothing() -> None:
    profiles = [
        profile("p1", ("user_id", "u1"), account_ids=None),
        profile("p2", ("user_id", "u2"), account_ids=["g7", "g1", "g7"]),
        profile("p3", ("user_id", "u3"), account_ids=[]),
    ]
    rows = [
        group("m1", "g2"),
        group("m2", "g1"),
        group("m3", "g1"),
        group("m4", "g9", user_id="u2"),
        group("m5", "g9", user_id="u3"),
        group("m6", "g9", timestamp=AS_OF),
        group("m7", "g3", user_id="u4"),
    ]
    with prepared(table(rows), profiles=table(profiles)) as inputs:
        accounts = dict(zip(inputs.profiles["id"], inputs.profiles["account_ids"].to_list(), strict=True))
        assert everything(inputs).profiles["account_ids"].to_list() == list(accounts.values())
    assert accounts == {"p1": ["g1", "g2"], "p2": ["g1", "g7"], "p3": [], "user_id:u4": ["g3"]}


def test_accounts_from_group_calls() -> None:
    rows = [
        group("m1", "g2", traits='{"plan":"free"}'),
        group("m2", "g2", traits='{"plan":"pro"}'),
        group("m3", "g1", traits=None),
        group("m4", "g3", traits='{"plan":"pro"}', timestamp=AS_OF),
    ]
    with prepared(table(rows)) as inputs:
        assert inputs.accounts().rows() == [("g1", "{}"), ("g2", '{"plan":"pro"}')]


def test_accounts_from_the_table() -> None:
    accounts = pl.DataFrame({"groupId": [2, 1], "traits": [{"plan": "pro"}, {"plan": None}]})
    with prepared(table([group("m1", "2", traits='{"plan":"free"}')]), accounts=accounts) as inputs:
        assert inputs.accounts().rows() == [("1", "{}"), ("2", '{"plan":"pro"}')]
        assert inputs.accounts().rows() == inputs.accounts().rows()


def test_an_account_with_users_exists_without_a_row_in_the_table() -> None:
    profiles = [
        profile("p1", ("user_id", "u1"), account_ids=["g1", "g2"]),
        profile("p2", ("user_id", "u2"), account_ids=None),
    ]
    rows = [
        group("m1", "g3", user_id="u2", traits='{"plan":"pro"}'),
        group("m2", "g1", user_id="u2", traits='{"plan":"pro"}'),
        group("m3", "g4", user_id="u1"),  # what the table says of p1 replaces it: nobody belongs to g4
    ]
    accounts = pl.DataFrame({"account_id": ["g1"], "traits": ['{"plan":"free"}']})
    expected = [("g1", '{"plan":"free"}'), ("g2", "{}"), ("g3", '{"plan":"pro"}')]
    with prepared(table(rows), profiles=table(profiles), accounts=accounts) as inputs:
        assert inputs.accounts().rows() == expected
    with prepared(table(rows), profiles=table(profiles)) as inputs:
        assert inputs.accounts().rows() == [("g1", '{"plan":"pro"}'), *expected[1:], ("g4", "{}")]


@pytest.mark.parametrize(
    ("kind", "value", "left"),
    [
        ("user_id", "u1", ["p2", "p3", "p4", "user_id:u9"]),
        ("email", "shared", ["p3", "p4", "user_id:u9"]),
        ("user_id", "u9", ["p1", "p2", "p3", "p4"]),
        ("profile_id", "p4", ["p1", "p2", "p3", "user_id:u9"]),
        ("anonymous_id", "a1", ["p3", "p4", "user_id:u9"]),
        ("email", "u1", ["p1", "p2", "p3", "p4", "user_id:u9"]),
    ],
)
@pytest.mark.parametrize("names", [("type", "value"), ("identifier_type", "identifierValue")])
def test_suppressed_profiles_are_left_out_with_their_events(
    kind: str, value: str, left: list[str], names: tuple[str, str]
) -> None:
    suppressed = pl.DataFrame({names[0]: [kind], names[1]: [value]})
    rows = [event("m1"), event("m2", user_id="u2"), event("m3", user_id="u9")]
    with prepared(table(rows), profiles=table(PROFILES), suppressed=suppressed) as inputs:
        bucket = everything(inputs)
    assert inputs.profiles["id"].to_list() == bucket.profiles["id"].to_list() == left
    assert set(bucket.events["profile"]) == {"p1", "p2", "user_id:u9"} & set(left)


EXTERNAL: list[tuple[Any, list[tuple[str, str, datetime | None]]]] = [
    (
        [{"type": "email", "value": "x", "created_at": "2024-01-01T00:00:00Z"}],
        [("email", "x", datetime(2024, 1, 1, tzinfo=UTC))],
    ),
    (
        [{"type": "email", "value": "x", "createdAt": datetime(2024, 1, 1, tzinfo=UTC)}],
        [("email", "x", datetime(2024, 1, 1, tzinfo=UTC))],
    ),
    ([{"type": "email", "id": "x"}], [("email", "x", None)]),
    ([{"type": "user_id", "value": 17}], [("user_id", "17", None)]),
    (
        [{"type": "b", "value": "2"}, {"type": "a", "value": "1"}, {"type": "b", "value": "2"}],
        [("a", "1", None), ("b", "2", None)],
    ),
    ([], []),
    (None, []),
    (
        '[{"type":"email","value":"x","created_at":"2024-01-01"}]',
        [("email", "x", datetime(2024, 1, 1, tzinfo=UTC))],
    ),
    ('[{"type":"user_id","value":17.0}]', [("user_id", "17", None)]),
    ('[{"type":"email","id":"x"}]', [("email", "x", None)]),
    ("[]", []),
    ("null", []),
]


@pytest.mark.parametrize(("column", "expected"), EXTERNAL, ids=str)
def test_external_ids(column: Any, expected: list[tuple[str, str, datetime | None]]) -> None:
    profiles = pl.DataFrame({"profile_id": ["p1"], "externalIds": [column]})
    with prepared(profiles=profiles) as inputs:
        found = inputs.profiles["external_ids"].to_list()[0]
        assert not inputs.rejects.counts
    assert [(one["type"], one["value"], one["created_at"]) for one in found] == expected


@pytest.mark.parametrize(
    "column",
    [
        "{",
        "{}",
        "5",
        '["x"]',
        '[{"type":"email"}]',
        '[{"type":"email","value":1.5}]',
        '[{"value":"x"}]',
        5,
        [1],
        [{"type": "email"}],
        [{"type": "email", "value": ""}],
    ],
    ids=str,
)
def test_external_ids_that_are_none(column: Any) -> None:
    profiles = pl.DataFrame({"profile_id": ["p1"], "external_ids": [column]})
    with prepared(profiles=profiles) as inputs:
        assert inputs.profiles["external_ids"].to_list() == [[]]
        assert inputs.rejects.counts == {"id_not_string": 1}


@pytest.mark.parametrize(
    ("traits", "text"),
    [
        (pl.Series(['{"a": 1}']), '{"a": 1}'),
        (pl.Series([None], dtype=pl.String), "{}"),
        (pl.Series(["null"]), "{}"),
        (pl.Series([{"a": 1.0, "b": None, "c": {"d": "x"}}]), '{"a":1,"c":{"d":"x"}}'),
        (pl.Series([{"a": datetime(2024, 1, 1, tzinfo=UTC)}]), '{"a":"2024-01-01T00:00:00Z"}'),
        (pl.Series([{"a": "1"}], dtype=pl.Map(pl.String, pl.String)), '{"a":"1"}'),
        (pl.Series([[{"key": "a", "value": 1}]]), '{"a":1}'),
        (pl.Series([None]), "{}"),
    ],
    ids=lambda value: str(getattr(value, "dtype", "")),
)
def test_traits_of_the_table(traits: pl.Series, text: str) -> None:
    with prepared(profiles=pl.DataFrame({"profile_id": ["p1"], "traits": traits})) as inputs:
        assert inputs.profiles["traits"].to_list() == [text]


def test_a_profile_with_broken_traits_stays_and_is_counted() -> None:
    profiles = pl.DataFrame({"profile_id": ["p1", "p2"], "traits": ["[]", '{"a":1}']})
    with prepared(profiles=profiles) as inputs:
        assert inputs.profiles["traits"].to_list() == ["{}", '{"a":1}']
        assert inputs.rejects.counts == {"traits_not_object": 1}


def test_rows_of_the_table_without_an_id_are_counted() -> None:
    with prepared(profiles=pl.DataFrame({"profile_id": ["p1", None, ""]})) as inputs:
        assert inputs.profiles["id"].to_list() == ["p1"]
        assert inputs.rejects.counts == {"no_user_anon_id": 2}
    with prepared(profiles=pl.DataFrame({"profile_id": [1.0, 2.5]})) as inputs:
        assert inputs.profiles["id"].to_list() == ["1"]
        assert inputs.rejects.counts == {"id_not_string": 1}


@pytest.mark.parametrize(
    ("account_ids", "expected"),
    [
        (pl.Series([["g2", "g1"]]), ["g1", "g2"]),
        (pl.Series([[2, 1]]), ["1", "2"]),
        (pl.Series(['["g2",1]']), ["1", "g2"]),
        (pl.Series([[]], dtype=pl.List(pl.String)), []),
        (pl.Series([None], dtype=pl.List(pl.String)), []),
    ],
)
def test_account_ids_of_the_table(account_ids: pl.Series, expected: list[str]) -> None:
    with prepared(profiles=pl.DataFrame({"profile_id": ["p1"], "account_ids": account_ids})) as inputs:
        assert inputs.profiles["account_ids"].to_list() == [expected]


def test_one_row_for_each_profile() -> None:
    rows = [{"profile_id": "p1", "traits": '{"a":1}'}, {"profile_id": "p1", "traits": '{"a":2}'}]
    with pytest.raises(InputError, match="profile 'p1' has several rows that differ"):
        prepared(profiles=table(rows))
    with prepared(profiles=table([rows[0], rows[0]])) as inputs:
        assert inputs.profiles.height == 1
    with pytest.raises(InputError, match="account 'g1' has several rows"):
        accounts = pl.DataFrame({"account_id": ["g1", "g1"], "traits": ['{"a":1}', '{"a":2}']})
        prepared(accounts=accounts).accounts()


def test_a_profiles_table_needs_an_id() -> None:
    with pytest.raises(InputError, match="the profiles have no column profile_id"):
        prepared(profiles=pl.DataFrame({"traits": ["{}"]}))


def test_no_sources_at_all() -> None:
    with prepared() as inputs:
        assert inputs.profiles.height == 0
        assert [bucket.events.height for bucket in inputs.buckets()] == [0]
        assert inputs.accounts().height == 0
