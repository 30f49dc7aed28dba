"""Defaults, missing values, anonymous profiles, and computations that use others."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from fakes import Event, Profile, computation, members, snapshots, values

DAY = timedelta(days=1)
PROFILES: list[Profile] = [
    {"id": "a", "traits": {"plan": "pro"}},
    {"id": "b"},
    {"id": "c", "traits": {"plan": "free"}},
    {"id": "guest", "anonymous": True},
]
EVENTS: list[Event] = [
    {
        "profile": "a",
        "event": "Bought",
        "timestamp": DAY,
        "properties": {"total": 50, "item": {"color": "red"}},
    },
    {
        "profile": "a",
        "event": "Bought",
        "timestamp": 9 * DAY,
        "properties": {"total": 60, "item": {"color": "blue"}},
    },
    {"profile": "c", "event": "Bought", "timestamp": 9 * DAY, "properties": {"total": 5}},
    {"profile": "guest", "event": "Bought", "timestamp": DAY, "properties": {"total": 500}},
]


def test_counting_nothing_is_no_value_in_a_trait_and_0_in_an_audience() -> None:
    assert values("event('Bought').within(5 days).count()", EVENTS, PROFILES) == {"a": 1, "guest": 1}
    assert members("event('Bought').within(5 days).count() = 0", EVENTS, PROFILES) == ["b", "c"]
    assert members("event('Bought').within(5 days).count() < 1", EVENTS, PROFILES) == ["b", "c"]
    assert members("event('Bought').within(5 days).count().exists()", EVENTS, PROFILES) == ["a", "b", "c"]
    assert members("event('Bought').unique(property('total')).count() = 0", EVENTS, PROFILES) == ["b"]
    assert members("event('Bought').sum(property('total')) = 0", EVENTS, PROFILES) == []
    assert members("event('Bought').sum(property('total')).absent()", EVENTS, PROFILES) == ["b"]


def test_a_counter_without_events_is_missing_to_conditions() -> None:
    found = snapshots(
        [
            computation("orders", "event('Bought').within(5 days).count()"),
            computation("few", "trait('orders') < 1"),
            computation("zero", "trait('orders') = 0"),
            computation("none_known", "trait('orders').absent()"),
        ],
        EVENTS,
        PROFILES,
    )
    assert found["few"] == found["zero"] == {}
    assert list(found["none_known"]) == ["b", "c"]


def test_a_default_is_everyones_value_without_another() -> None:
    found = snapshots(
        [
            computation("orders", "event('Bought').within(5 days).count()", default=0),
            computation("few", "trait('orders') < 1"),
            computation("colour", "event('Bought').last(property('item.color'))", default="none"),
            computation("colours", "event('Bought').unique(property('item.color'))", default=[]),
        ],
        EVENTS,
        PROFILES,
    )
    assert found["orders"] == {"a": "1", "b": "0", "c": "0", "guest": "1"}
    assert list(found["few"]) == ["b", "c"]
    assert found["colour"] == {"a": '"red"', "b": '"none"', "c": '"none"', "guest": '"none"'}
    assert found["colours"] == {"a": '["blue","red"]', "b": "[]", "c": "[]", "guest": "[]"}


def test_a_default_of_null_is_none() -> None:
    assert values("event('Bought').count()", EVENTS, PROFILES, default=None) == {"a": 2, "c": 1, "guest": 1}


def test_anonymous_profiles_are_members_only_where_they_are_included() -> None:
    assert members("event('Bought').count() >= 1", EVENTS, PROFILES) == ["a", "c"]
    included = members("event('Bought').count() >= 1", EVENTS, PROFILES, include_anonymous_users=True)
    assert included == ["a", "c", "guest"]
    assert "guest" in values("event('Bought').count()", EVENTS, PROFILES)


def test_an_audience_sees_the_final_members_of_another() -> None:
    found = snapshots(
        [
            computation("buyers", "event('Bought').count() >= 1"),
            computation("not_buyers", "NOT (trait('buyers') = 'true')", include_anonymous_users=True),
            computation("false_buyers", "trait('buyers') = false", include_anonymous_users=True),
            computation("everyone", "trait('buyers').exists()", include_anonymous_users=True),
            computation("copied", "trait('buyers')"),
        ],
        EVENTS,
        PROFILES,
    )
    assert list(found["not_buyers"]) == ["b", "guest"]
    assert list(found["false_buyers"]) == ["b", "guest"]
    assert list(found["everyone"]) == ["a", "b", "c", "guest"]
    assert found["copied"] == {"a": "true", "b": "false", "c": "true", "guest": "false"}


def test_a_chain_of_computations_whatever_the_order_they_are_written_in() -> None:
    definitions = [
        computation("big_and_recent", "trait('big') = true AND event('Bought').within(5 days).count() >= 1"),
        computation("big", "trait('spent') > 100"),
        computation("spent", "event('Bought').sum(property('total'))"),
    ]
    for order in (definitions, definitions[::-1]):
        found = snapshots(order, EVENTS, PROFILES)
        assert list(found["big_and_recent"]) == ["a"]
        assert found["spent"] == {"a": "110", "c": "5", "guest": "500"}


def test_a_computation_in_the_condition_of_another_ones_events() -> None:
    found = snapshots(
        [
            computation("average", "event('Bought').avg(property('total'))"),
            computation("above", "event('Bought').where(property('total') > trait('average')).count()"),
            computation("of_the_free", "event('Bought').where(trait('plan') = 'free').count()"),
        ],
        EVENTS,
        PROFILES,
    )
    assert found["above"] == {"a": "1"}
    assert found["of_the_free"] == {"c": "1"}


def test_a_key_hides_a_custom_trait_of_the_same_name_even_where_it_has_no_value() -> None:
    profiles = [{"id": "a", "traits": {"n": 1}}, {"id": "b", "traits": {"n": 1}}]
    events = [{"profile": "a", "event": "A", "timestamp": DAY}]
    found = snapshots([computation("n", "event('A').count()"), computation("uses", "trait('n') = 1")], events, profiles)
    assert list(found["uses"]) == ["a"]


def test_paths_into_the_value_of_a_computation() -> None:
    found = snapshots(
        [
            computation("item", "event('Bought').first(property('item'))"),
            computation("color", "trait('item.color')"),
            computation("totals", "event('Bought').unique(property('total'))"),
            computation("has_60", "trait('totals.$') = '60'"),
            computation("has_6", "trait('totals.$') = '6'"),
            computation("as_text", "trait('totals').contains('\"6')"),
            computation("no_inside", "trait('totals.x').exists()"),
        ],
        EVENTS,
        PROFILES,
    )
    assert found["item"] == {"a": '{"color":"blue"}'}
    assert found["color"] == {"a": '"blue"'}
    assert list(found["has_60"]) == list(found["as_text"]) == ["a"]
    assert found["has_6"] == found["no_inside"] == {}


def test_copies_keep_the_type() -> None:
    profiles = [{"id": key, "traits": {"v": value}} for key, value in {"n": 5, "t": "5", "b": True, "z": None}.items()]
    assert snapshots([computation("it", "trait('v')")], profiles=profiles)["it"] == {
        "b": "true",
        "n": "5",
        "t": '"5"',
    }


def test_disabled_computations_keep_their_last_snapshot() -> None:
    definitions = [
        computation("old_trait", "event('Bought').count()", enabled=False),
        computation("old_audience", "event('Bought').count() > 5", enabled=False),
        computation("copy", "trait('old_trait')"),
        computation("outside", "trait('old_audience') = false", include_anonymous_users=True),
    ]
    given = {
        "old_trait": pl.DataFrame({"id": ["a", "gone"], "value": ["42", "1"]}),
        "old_audience": pl.DataFrame({"id": ["b"], "value": ["true"]}),
    }
    found = snapshots(definitions, EVENTS, PROFILES, given=given)
    assert found == {"copy": {"a": "42"}, "outside": {"a": "true", "c": "true", "guest": "true"}}
    found = snapshots(definitions, EVENTS, PROFILES)
    assert found["copy"] == {}
    assert len(found["outside"]) == 4


def test_junctions() -> None:
    profiles = [{"id": f"{x}{y}", "traits": {"x": x, "y": y}} for x in (1, 0) for y in (1, 0)]
    assert members("trait('x') = 1 AND trait('y') = 1", profiles=profiles) == ["11"]
    assert members("trait('x') = 1 OR trait('y') = 1", profiles=profiles) == ["01", "10", "11"]
    assert members("NOT (trait('x') = 1 OR trait('y') = 1)", profiles=profiles) == ["00"]
    assert members("NOT trait('x') = 1 AND trait('y') = 1", profiles=profiles) == ["01"]


def test_no_profiles_and_no_events() -> None:
    assert values("event('A').count()") == {}
    assert members("event('A').count() = 0 AND trait('x').absent()") == []
    assert values("event('A').unique(property('v.$.w'))", [], [{"id": "a"}]) == {}
    assert values("event('A').expires_after(1 hour).sum(property('v'))", [], [{"id": "a"}]) == {}
