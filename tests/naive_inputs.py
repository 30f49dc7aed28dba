"""From rows of calls, as files have them, to profiles and accounts with their events, in plain Python.

It shares no code with the package. A row is a dict of columns in snake_case as Python has their values: ids are text,
whole numbers or floats; instants ``datetime`` (UTC) or ISO 8601 text; objects a dict or JSON text.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from naive import Subject, order
from naive_values import compact, instant

IDS: Final = ("message_id", "profile_id", "user_id", "anonymous_id", "group_id")
TYPES: Final = ("track", "page", "screen", "identify", "group", "alias")
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# The bytes of a row, for copies and events that nothing else puts in order: these columns, in this order.
CONTENT: Final = (
    "type",
    "event",
    "user_id",
    "anonymous_id",
    "group_id",
    "name",
    "properties",
    "traits",
    "source_id",
    "profile_id",
    "context",
)

Row = Mapping[str, Any]


class RejectedError(Exception):
    """The row can't be computed."""


@dataclass(frozen=True)
class Call:
    """An accepted row. ``ids`` has those that are there; ``content`` is what copies are compared by last."""

    kind: str
    event: str | None
    timestamp: datetime
    received_at: datetime | None
    ids: Mapping[str, str]
    source_id: str | None
    properties: Mapping[str, Any]
    traits: Mapping[str, Any]
    context: Mapping[str, Any]
    content: str

    @property
    def message_id(self) -> str | None:
        return self.ids.get("message_id")

    @property
    def group(self) -> str | None:
        """The account that it was made for."""
        return context_id(self.context.get("groupId")) or self.ids.get("group_id")

    @property
    def time_order(self) -> tuple[Any, ...]:
        return self.timestamp, self.message_id is None, self.message_id or "", self.content


def population(
    rows: Iterable[Row], profiles: Sequence[Row] | None, accounts: Sequence[Row] | None, as_of: datetime
) -> tuple[list[Subject], list[Subject]]:
    """All profiles and all accounts as of an instant, each sorted by id.

    Rows of ``profiles`` have ``profile_id``, ``traits``, ``external_ids`` (pairs of type and value) and
    ``account_ids`` (or None); rows of ``accounts`` have ``account_id`` and ``traits``. None: there is no table.
    """
    calls = [call for call in once(accepted(rows)) if call.timestamp < as_of]
    table = {row["profile_id"]: row for row in profiles or ()}
    held = {(name, value, id) for id, row in table.items() for name, value in row["external_ids"]}
    for call in calls:  # a profile that only events name holds the ids next to its own
        id = call.ids.get("profile_id")
        if id is not None and id not in table:
            held |= {(name, call.ids[name], id) for name in ("user_id", "anonymous_id") if name in call.ids}
    owned: dict[str, list[Call]] = {id: [] for id in table}
    for call in calls:
        id = owner(call, held)
        owned.setdefault(id, []).append(call)
        if id not in table and "profile_id" not in call.ids and f"{id_type(call)}:{call.ids[id_type(call)]}" == id:
            held.add((id_type(call), call.ids[id_type(call)], id))
    people = [person(id, table.get(id), owned[id], held) for id in sorted(owned)]
    return people, made_accounts(calls, people, accounts)


def id_type(call: Call) -> str:
    return "user_id" if "user_id" in call.ids else "anonymous_id"


def owner(call: Call, held: Iterable[tuple[str, str, str]]) -> str:
    if "profile_id" in call.ids:
        return call.ids["profile_id"]
    name = id_type(call)
    value = call.ids[name]
    return min((id for other, one, id in held if (other, one) == (name, value)), default=f"{name}:{value}")


def person(id: str, row: Row | None, calls: Sequence[Call], held: Iterable[tuple[str, str, str]]) -> Subject:
    types = {name for name, _, holder in held if holder == id}
    joined = {call.ids["group_id"] for call in calls if call.kind == "group"}
    given = None if row is None else row["account_ids"]
    return Subject(
        id,
        traits=latest_traits(call for call in calls if call.kind == "identify") if row is None else row["traits"] or {},
        events=sorted((as_event(call, id) for call in calls if call.event is not None), key=order),
        anonymous=types == {"anonymous_id"},
        accounts=frozenset(joined if given is None else map(str, given)),
    )


def made_accounts(calls: Sequence[Call], people: Sequence[Subject], table: Sequence[Row] | None) -> list[Subject]:
    """The accounts of the table, or of group calls, and all that somebody belongs to."""
    groups = [call for call in calls if call.kind == "group"]
    traits = {row["account_id"]: row["traits"] or {} for row in table or ()}
    named = {account for person in people for account in person.accounts}
    named |= set() if table is not None else {call.ids["group_id"] for call in groups}
    for id in named - set(traits):
        traits[id] = latest_traits(call for call in groups if call.ids["group_id"] == id)
    return [Subject(id, traits=traits[id]) for id in sorted(traits)]


def latest_traits(calls: Iterable[Call]) -> dict[str, Any]:
    """The latest value of each trait; null says nothing."""
    found: dict[str, Any] = {}
    for call in sorted(calls, key=lambda call: call.time_order):
        found |= {name: value for name, value in call.traits.items() if value is not None}
    return found


def as_event(call: Call, profile: str) -> dict[str, Any]:
    return {
        "profile": profile,
        "event": call.event,
        "timestamp": call.timestamp,
        "message_id": call.message_id,
        "source_id": call.source_id,
        "properties": call.properties,
        "context": call.context,
        "group": call.group,
        "place": (profile, call.content),
    }


# ── rows ────────────────────────────────────────────────────────────────────────────────────────────────────


def accepted(rows: Iterable[Row]) -> list[Call]:
    found = []
    for row in rows:
        try:
            found.append(read(row))
        except RejectedError:
            continue
    return found


def once(calls: Iterable[Call]) -> list[Call]:
    """The copy of each message id that counts: the first received, then the earliest, then by its bytes."""
    kept: dict[str, Call] = {}
    others = []
    for call in calls:
        if call.message_id is None:
            others.append(call)
        elif call.message_id not in kept or copy_order(call) < copy_order(kept[call.message_id]):
            kept[call.message_id] = call
    return others + list(kept.values())


def copy_order(call: Call) -> tuple[Any, ...]:
    return call.received_at is None, call.received_at or call.timestamp, call.timestamp, call.content


def read(row: Row) -> Call:
    ids = {name: value for name in IDS if (value := read_id(row.get(name))) is not None}
    if not {"profile_id", "user_id", "anonymous_id"} & set(ids) or len(ids.get("message_id", "")) > 100:
        raise RejectedError
    timestamp = instant(row.get("timestamp"))
    if timestamp is None or timestamp < EPOCH:
        raise RejectedError
    kind, event = row.get("type"), row.get("event")
    if kind not in TYPES or (kind == "track" and not event):
        raise RejectedError
    if kind == "group" and not 1 <= len(ids.get("group_id", "")) <= 500:
        raise RejectedError
    has_properties, has_traits = kind in ("track", "page", "screen"), kind in ("identify", "group")
    properties = read_object(row.get("properties"), needed=has_properties)
    if has_properties and len(properties) > 300:
        raise RejectedError
    name = row.get("name")
    if kind in ("page", "screen") and name is None:
        name = properties.get("name")
    if kind in ("page", "screen") and name is not None:
        properties = properties | {"name": name, f"{kind}_name": name}
    return Call(
        kind=kind,
        event={"track": event, "page": "Page Viewed", "screen": "Screen Viewed"}.get(kind),
        timestamp=timestamp,
        received_at=instant(row.get("received_at")),
        ids=ids,
        source_id=row.get("source_id"),
        properties=properties,
        traits=read_object(row.get("traits"), needed=has_traits),
        context=read_object(row.get("context"), needed=False),
        content="\0".join(content(row, name, ids) for name in CONTENT),
    )


def content(row: Row, name: str, ids: Mapping[str, str]) -> str:
    value = row.get(name)
    if name == "event" and row["type"] in ("page", "screen"):
        return "Page Viewed" if row["type"] == "page" else "Screen Viewed"
    if name == "event" and row["type"] != "track":
        return ""
    if name in IDS:
        return ids.get(name, "")
    return "" if value is None else value if isinstance(value, str) else compact(value)


def read_id(value: Any) -> str | None:
    """Text, or a whole number as text; nothing where there is none."""
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or value % 1:
        raise RejectedError
    return str(int(value))


def context_id(value: Any) -> str | None:
    """An id in a JSON object; what is no id says nothing."""
    try:
        return read_id(value)
    except RejectedError:
        return None


def read_object(value: Any, *, needed: bool) -> dict[str, Any]:
    """An object, or JSON text of one; missing, or wrong where it isn't needed, it is empty."""
    try:
        found = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        found = value
    if found is not None and not isinstance(found, dict) and needed:
        raise RejectedError
    return found if isinstance(found, dict) else {}
