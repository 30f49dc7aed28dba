"""Messages, field by field, against dictionaries written by hand from the Segment spec."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl
import pytest

from audiences.definitions.computation import Kind
from audiences.delivery.messages import Envelope, computation_id, render, with_message_ids
from audiences.delivery.planner import MESSAGES
from stateful import day

AUDIENCE = Envelope("spa_1", "crm", "big_spenders", Kind.AUDIENCE, "big_spenders")
TRAIT = Envelope("spa_1", "crm", "revenue", Kind.TRAIT, "revenue")


def planned(**changes: Any) -> pl.DataFrame:
    row = {
        "call": "identify",
        "identifier_type": "user_id",
        "identifier_value": "u1",
        "profile_id": "p1",
        "value": "true",
        "as_of": day(5),
        "attempt": 1,
        "user_id": "u1",
        "anonymous_id": None,
    }
    return pl.DataFrame([row | changes], schema=MESSAGES)


def texts(
    messages: pl.DataFrame, envelope: Envelope, enrichment: Mapping[str, Sequence[str | None]] | None = None
) -> list[str]:
    columns: dict[str, Sequence[str | None]] = {"id": ["p1"], **(enrichment or {})}
    frame = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
    return render(with_message_ids(messages, envelope), envelope, frame).to_list()


def message(envelope: Envelope, enrichment: Mapping[str, Sequence[str | None]] | None = None, **changes: Any) -> Any:
    """The one message as a dictionary; a name that is there twice fails."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        assert len(names) == len(set(names)), names
        return dict(pairs)

    (text,) = texts(planned(**changes), envelope, enrichment)
    return json.loads(text, object_pairs_hook=once)


AUDIENCE_PERSONAS = {
    "computation_class": "audience",
    "computation_id": "aud_" + hashlib.sha256(b'["spa_1","big_spenders"]').hexdigest()[:24],
    "computation_key": "big_spenders",
    "namespace": "spa_1",
    "space_id": "spa_1",
}
TRAIT_PERSONAS = {
    "computation_class": "trait",
    "computation_id": "tra_" + hashlib.sha256(b'["spa_1","revenue"]').hexdigest()[:24],
    "computation_key": "revenue",
    "namespace": "spa_1",
    "space_id": "spa_1",
}
INTEGRATIONS = {"All": False, "crm": True}


def message_id(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()


def test_an_audience_as_identify() -> None:
    assert message(AUDIENCE) == {
        "type": "identify",
        "messageId": message_id("spa_1", "crm", "big_spenders", "identify", "user_id", "u1", True, 1),
        "userId": "u1",
        "timestamp": "2024-01-05T00:00:00Z",
        "context": {"personas": AUDIENCE_PERSONAS},
        "integrations": INTEGRATIONS,
        "traits": {"big_spenders": True},
    }


def test_an_audience_entered_as_track() -> None:
    assert message(AUDIENCE, call="track") == {
        "type": "track",
        "event": "Audience Entered",
        "messageId": message_id("spa_1", "crm", "big_spenders", "track", "user_id", "u1", True, 1),
        "userId": "u1",
        "timestamp": "2024-01-05T00:00:00Z",
        "context": {"personas": AUDIENCE_PERSONAS},
        "integrations": INTEGRATIONS,
        "properties": {"audience_key": "big_spenders", "big_spenders": True},
    }


def test_an_audience_exited_as_track() -> None:
    found = message(AUDIENCE, call="track", value="false", attempt=2)
    assert found["event"] == "Audience Exited"
    assert found["properties"] == {"audience_key": "big_spenders", "big_spenders": False}
    assert found["messageId"] == message_id("spa_1", "crm", "big_spenders", "track", "user_id", "u1", False, 2)


def test_a_trait_as_identify() -> None:
    assert message(TRAIT, value="450.5") == {
        "type": "identify",
        "messageId": message_id("spa_1", "crm", "revenue", "identify", "user_id", "u1", 450.5, 1),
        "userId": "u1",
        "timestamp": "2024-01-05T00:00:00Z",
        "context": {"personas": TRAIT_PERSONAS},
        "integrations": INTEGRATIONS,
        "traits": {"revenue": 450.5},
    }


def test_a_trait_as_track() -> None:
    found = message(TRAIT, call="track", value="450")
    assert found["event"] == "Trait Computed"
    assert found["properties"] == {"trait_key": "revenue", "revenue": 450}
    assert "traits" not in found


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("5", 5),
        ("17.5", 17.5),
        ("1e+21", 1e21),
        ("12345678901234567890", 12345678901234567890),
        ("true", True),
        ('"shoes"', "shoes"),
        ('"5"', "5"),
        ('"2024-01-31T00:00:00Z"', "2024-01-31T00:00:00Z"),
        ('["a","b"]', ["a", "b"]),
        ("[]", []),
        ('{"a":[1,{"b":null}]}', {"a": [1, {"b": None}]}),
        ('"quote \\" backslash \\\\ line\\nend \\u0001 £ 😀"', 'quote " backslash \\ line\nend \x01 £ 😀'),
    ],
)
def test_values_keep_their_json_types(value: str, sent: object) -> None:
    found = message(TRAIT, value=value)["traits"]["revenue"]
    assert found == sent
    assert type(found) is type(sent)


def test_a_cleared_value_is_null_in_the_same_place() -> None:
    assert message(TRAIT, value=None)["traits"] == {"revenue": None}
    assert message(TRAIT, value=None, call="track")["properties"] == {"trait_key": "revenue", "revenue": None}


def test_a_profile_without_a_user_id_is_anonymous() -> None:
    found = message(AUDIENCE, identifier_type="anonymous_id", identifier_value="a1", user_id=None, anonymous_id="a1")
    assert found["anonymousId"] == "a1"
    assert "userId" not in found
    assert "externalIds" not in found["context"]


def test_a_profile_without_either_has_its_own_id_as_anonymous_id() -> None:
    found = message(AUDIENCE, identifier_type="email", identifier_value="a@example.com", user_id=None)
    assert found["anonymousId"] == "p1"
    assert found["traits"] == {"email": "a@example.com", "big_spenders": True}


def test_an_email_is_in_traits_of_an_identify_call() -> None:
    found = message(AUDIENCE, identifier_type="email", identifier_value="a@example.com")
    assert found["userId"] == "u1"
    assert found["traits"] == {"email": "a@example.com", "big_spenders": True}
    assert found["context"] == {"personas": AUDIENCE_PERSONAS}


def test_an_email_is_in_context_traits_of_a_track_call() -> None:
    found = message(AUDIENCE, call="track", identifier_type="email", identifier_value="a@example.com")
    assert found["properties"] == {"audience_key": "big_spenders", "big_spenders": True}
    assert found["context"] == {"personas": AUDIENCE_PERSONAS, "traits": {"email": "a@example.com"}}


@pytest.mark.parametrize("call", ["identify", "track"])
@pytest.mark.parametrize(
    ("type_", "value"), [("android.idfa", "x-1"), ("user_id", "second"), ("anonymous_id", "a2"), ("p", 'a"b')]
)
def test_any_other_identifier_is_in_external_ids(call: str, type_: str, value: str) -> None:
    found = message(AUDIENCE, call=call, identifier_type=type_, identifier_value=value, anonymous_id="a1")
    assert found["userId"] == "u1"
    assert found["context"]["externalIds"] == [{"id": value, "type": type_, "collection": "users", "encoding": "none"}]


def test_enrichment_is_added_and_left_out_where_there_is_none() -> None:
    envelope = Envelope(
        "spa_1", "crm", "big_spenders", Kind.AUDIENCE, "big_spenders", enrich=("first_name", "tags", "age")
    )
    values: dict[str, list[str | None]] = {"first_name": ['"Zoë \\"Z\\""'], "tags": ['["a",1]'], "age": [None]}
    assert message(envelope, values)["traits"] == {
        "first_name": 'Zoë "Z"',
        "tags": ["a", 1],
        "big_spenders": True,
    }
    assert message(envelope, values, call="track")["properties"] == {
        "first_name": 'Zoë "Z"',
        "tags": ["a", 1],
        "audience_key": "big_spenders",
        "big_spenders": True,
    }
    assert message(envelope, values, profile_id="gone")["traits"] == {"big_spenders": True}


def test_enrichment_never_takes_the_place_of_what_the_message_says_itself() -> None:
    envelope = Envelope("spa_1", "crm", "big", Kind.AUDIENCE, "big", enrich=("big", "email", "audience_key"))
    values = {"big": ['"wrong"'], "email": ['"trait@example.com"'], "audience_key": ['"wrong"']}
    email = {"identifier_type": "email", "identifier_value": "id@example.com"}
    assert message(envelope, values, **email)["traits"] == {
        "email": "id@example.com",
        "audience_key": "wrong",
        "big": True,
    }
    assert message(envelope, values)["traits"]["email"] == "trait@example.com"
    assert message(envelope, values, call="track", **email)["properties"] == {
        "email": "trait@example.com",
        "audience_key": "big",
        "big": True,
    }


def test_a_computation_called_email_keeps_the_identifier_apart() -> None:
    envelope = Envelope("spa_1", "crm", "email", Kind.TRAIT, "email")
    found = message(envelope, identifier_type="email", identifier_value="a@example.com", value="5")
    assert found["traits"] == {"email": 5}
    assert found["context"]["externalIds"][0]["id"] == "a@example.com"


@pytest.mark.parametrize("key", ["trait_key", "audience_key"])
def test_a_computation_with_the_key_of_a_property_has_its_value_there(key: str) -> None:
    kind = Kind.TRAIT if key == "trait_key" else Kind.AUDIENCE
    assert message(Envelope("s", "crm", key, kind, key), call="track")["properties"] == {key: True}


def test_a_key_of_its_own_at_the_destination() -> None:
    envelope = Envelope("spa_1", "crm", "big_spenders", Kind.AUDIENCE, "VIP")
    found = message(envelope, call="track")
    assert found["properties"] == {"audience_key": "VIP", "VIP": True}
    assert found["context"]["personas"]["computation_key"] == "VIP"
    assert found["context"]["personas"]["computation_id"] == AUDIENCE_PERSONAS["computation_id"]


def test_event_names_of_its_own() -> None:
    names = {"entered": 'Became "VIP"', "exited": "Lost VIP"}
    envelope = Envelope("s", "crm", "a", Kind.AUDIENCE, "a", event_names=names)
    assert message(envelope, call="track")["event"] == 'Became "VIP"'
    assert message(envelope, call="track", value="false")["event"] == "Lost VIP"
    computed = Envelope("s", "crm", "t", Kind.TRAIT, "t", event_names={"computed": "Score Updated"})
    assert message(computed, call="track")["event"] == "Score Updated"
    partly = Envelope("s", "crm", "a", Kind.AUDIENCE, "a", event_names={"entered": "In"})
    assert message(partly, call="track", value="false")["event"] == "Audience Exited"


def test_a_timestamp_with_a_fraction() -> None:
    as_of = datetime.fromisoformat("2024-01-05T06:07:08.120000Z")
    assert message(AUDIENCE, as_of=as_of)["timestamp"] == "2024-01-05T06:07:08.12Z"


def test_everything_that_makes_a_message_makes_its_id() -> None:
    base = planned()
    others = [
        planned(call="track"),
        planned(identifier_type="email"),
        planned(identifier_value="u2"),
        planned(value="false"),
        planned(value=None),
        planned(attempt=2),
    ]
    envelopes = [
        Envelope("spa_2", "crm", "big_spenders", Kind.AUDIENCE, "big_spenders"),
        Envelope("spa_1", "ads", "big_spenders", Kind.AUDIENCE, "big_spenders"),
        Envelope("spa_1", "crm", "other", Kind.AUDIENCE, "big_spenders"),
    ]
    frames = [with_message_ids(frame, AUDIENCE) for frame in [base, *others]]
    frames += [with_message_ids(base, envelope) for envelope in envelopes]
    ids = [frame.get_column("message_id").item() for frame in frames]
    assert len(set(ids)) == len(ids)
    assert all(len(one) <= 100 for one in ids)


def test_time_profile_and_enrichment_do_not_change_the_id() -> None:
    one = with_message_ids(planned(), AUDIENCE)
    other = with_message_ids(planned(as_of=day(9), profile_id="p9", user_id="u9"), AUDIENCE)
    assert one.get_column("message_id").item() == other.get_column("message_id").item()


def test_the_same_plan_gives_the_same_bytes_on_one_line() -> None:
    enriched = Envelope("s", "crm", "a", Kind.AUDIENCE, "a", enrich=("x",))
    first = texts(planned(), enriched, {"x": ['"line\\nbreak"']})
    assert first == texts(planned(), enriched, {"x": ['"line\\nbreak"']})
    assert "\n" not in first[0]


def test_computation_ids_are_stable_and_apart() -> None:
    assert computation_id("s", "k", Kind.AUDIENCE).startswith("aud_")
    assert computation_id("s", "k", Kind.TRAIT).startswith("tra_")
    assert computation_id("s", "k", Kind.TRAIT) != computation_id("s2", "k", Kind.TRAIT)
