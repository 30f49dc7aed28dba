"""Explanations of small definitions over a few events, for the tests of ``audiences.why``."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from rich.console import Console

from audiences.definitions.computation import Computation
from audiences.definitions.loader import load_mappings
from audiences.engines.polars import PolarsEngine
from audiences.events import InputFrames, open_inputs
from audiences.why import Evidence, Explanation, Step, explain
from audiences.why.printing import print_explanation

AS_OF = datetime(2024, 6, 15, 12, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

Event = tuple[str, str, str, str, Mapping[str, object]]
"""Message id, profile id, event name, ISO timestamp, properties."""

Definitions = Mapping[str, Any]
"""By key: query text, or the keys of the YAML; ``is_…`` keys are audiences, ``…of_accounts`` keys at account level."""

ORDERS: tuple[Event, ...] = (
    ("m1", "ann", "Order", "2024-03-01T10:00:00Z", {"total": 80.5, "sku": "a", "at": "2024-06-20"}),
    ("m2", "ann", "Order", "2024-06-10T10:00:00.000250Z", {"total": 40, "sku": "b", "at": "2024-06-12"}),
    ("m3", "ann", "Order", "2024-06-12T08:30:15Z", {"total": 40, "sku": "b"}),
    ("m4", "ann", "Return", "2024-06-13T00:00:00Z", {"total": 5}),
    ("m5", "bob", "Order", "2024-06-11T10:00:00Z", {"total": 7, "sku": "c"}),
    ("m6", "ann", "Order", "2024-06-16T00:00:00Z", {"total": 1_000, "sku": "z"}),  # after as-of
)
PROFILES: tuple[Mapping[str, object], ...] = (
    {"profile_id": "ann", "traits": {"plan": "free", "trial_ends": "2024-06-20T09:00:00Z"}, "email": "ann@x.org"},
    {"profile_id": "bob", "traits": {}, "email": "office@x.org"},
    {"profile_id": "cleo", "traits": {}, "email": "office@x.org"},
)


def at(text: str) -> datetime:
    """A UTC instant."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def frames(events: Sequence[Event], profiles: Sequence[Mapping[str, object]]) -> InputFrames:
    """Inputs as a run reads them. A profile may have ``accounts``; every account is of the tier gold."""
    texts = ("message_id", "profile_id", "event", "timestamp", "properties")
    rows = [(*event[:4], json.dumps(event[4])) for event in events]
    accounts = {account for profile in profiles for account in _accounts(profile)}
    return InputFrames(
        events=pl.DataFrame(rows, schema=dict.fromkeys(texts, pl.String()), orient="row").with_columns(
            type=pl.lit("track")
        ),
        profiles=pl.DataFrame(
            {
                "profile_id": [profile["profile_id"] for profile in profiles],
                "traits": [json.dumps(profile["traits"]) for profile in profiles],
                "external_ids": [json.dumps([{"type": "email", "value": profile["email"]}]) for profile in profiles],
                "account_ids": [_accounts(profile) for profile in profiles],
            },
            schema={
                "profile_id": pl.String(),
                "traits": pl.String(),
                "external_ids": pl.String(),
                "account_ids": pl.List(pl.String),
            },
        ),
        accounts=pl.DataFrame(
            {"account_id": sorted(accounts), "traits": ['{"tier": "gold"}'] * len(accounts)},
            schema={"account_id": pl.String(), "traits": pl.String()},
        ),
    )


def _accounts(profile: Mapping[str, object]) -> list[str]:
    found = profile.get("accounts", [])
    assert isinstance(found, list)
    return found


def why(
    definitions: Definitions,
    who: str = "ann",
    *,
    events: Sequence[Event] = ORDERS,
    profiles: Sequence[Mapping[str, object]] = PROFILES,
    as_of: datetime = AS_OF,
) -> Explanation:
    """Explains the last of some definitions; see ``loaded``."""
    return explained(loaded(definitions), [*definitions][-1], who, frames(events, profiles), as_of)


def loaded(definitions: Definitions) -> Mapping[str, Computation]:
    """Definitions as they are after loading."""
    entries = []
    for name, definition in definitions.items():
        more = {"definition": definition} if isinstance(definition, str) else definition
        kind = "audience" if name.startswith("is_") else "trait"
        level = "account" if name.endswith("of_accounts") else "user"
        entries.append({"kind": kind, "key": name, "level": level, **more})
    found = load_mappings(entries)
    assert not found.problems, found.problems
    return found.computations


def explained(
    computations: Mapping[str, Computation],
    key: str,
    who: str,
    inputs: InputFrames,
    as_of: datetime = AS_OF,
    given: Mapping[str, pl.DataFrame] | None = None,
) -> Explanation:
    """An explanation by the Polars engine."""
    return explain(computations, key, who, engine=PolarsEngine(), inputs=open_inputs(inputs), as_of=as_of, given=given)


def evidence(step: Step) -> Evidence:
    assert step.evidence is not None
    return step.evidence


def ids(step: Step) -> list[str | None]:
    """The message ids of the events that are shown."""
    return [event.message_id for event in evidence(step).events]


def printed(explanation: Explanation, **settings: Any) -> str:
    out = io.StringIO()
    print_explanation(explanation, Console(file=out, highlight=False, **settings))
    return out.getvalue()
