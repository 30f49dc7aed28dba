"""Planned messages as the JSON that goes out: calls of the Segment spec, made column by column.

What every message says of its computation is made once; per message only identifiers, values, times and
enrichment differ. Keys come in a fixed order, so the same plan gives the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from audiences.definitions.computation import Computation, DestinationEntry, Kind, Space
from audiences.delivery.identifiers import ANONYMOUS_ID, EMAIL, USER_ID
from audiences.events.instants import instant_text_of
from audiences.events.values import json_of_value, json_text, value_expression

IDENTIFY: Final = "identify"
TRACK: Final = "track"
GROUP: Final = "group"

EVENT_NAMES: Final[Mapping[str, str]] = {
    "entered": "Audience Entered",
    "exited": "Audience Exited",
    "computed": "Trait Computed",
}
"""Names of track events, unless the destination's entry has its own."""

COMPUTATION_ID_LENGTH: Final = 24


@dataclass(frozen=True, slots=True)
class Envelope:
    """What all messages of one computation to one destination have in common.

    ``key`` is the name used at the destination; ``enrich`` are the names of the columns of enrichment.
    """

    space: str
    destination: str
    computation: str
    kind: Kind
    key: str
    enrich: tuple[str, ...] = ()
    event_names: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, computation: Computation, entry: DestinationEntry, space: Space) -> Envelope:
        """The envelope of a computation's line in ``destinations:``."""
        return cls(
            space=space.id,
            destination=entry.destination,
            computation=computation.key,
            kind=computation.kind,
            key=entry.key or computation.key,
            enrich=entry.enrich,
            event_names=entry.event_names,
        )

    def personas(self) -> str:
        """``context.personas`` as JSON. ``computation_id`` is the same for the same key, whatever its
        definition.
        """
        return json_text(
            {
                "computation_class": self.kind.value,
                "computation_id": computation_id(self.space, self.computation, self.kind),
                "computation_key": self.key,
                "namespace": self.space,
                "space_id": self.space,
            }
        )


def computation_id(space: str, key: str, kind: Kind) -> str:
    """``aud_…`` or ``tra_…``: derived from the space and the key, and so stable."""
    prefix = "aud" if kind is Kind.AUDIENCE else "tra"
    return f"{prefix}_{hashlib.sha256(json_text([space, key]).encode()).hexdigest()[:COMPUTATION_ID_LENGTH]}"


def with_message_ids(messages: pl.DataFrame, envelope: Envelope) -> pl.DataFrame:
    """Adds ``message_id``: the same attempt at the same value for the same identifier has the same id.

    It is the SHA-256 (hex) of the JSON array [space, destination, computation, call, identifier type,
    identifier, value, attempt number].
    """
    common = json_text([envelope.space, envelope.destination, envelope.computation])[:-1]
    seeds = messages.select(
        pl.concat_str(
            pl.lit(common),
            _quoted("call"),
            _quoted("identifier_type"),
            _quoted("identifier_value"),
            pl.col("value").fill_null("null"),
            pl.col("attempt").cast(pl.String) + "]",
            separator=",",
        )
    ).to_series()
    ids = [hashlib.sha256(seed.encode()).hexdigest() for seed in seeds.to_list()]
    return messages.with_columns(pl.Series("message_id", ids, dtype=pl.String))


def render(messages: pl.DataFrame, envelope: Envelope, enrichment: pl.DataFrame) -> pl.Series:
    """The messages as JSON texts, in the order of the rows.

    In: planned messages (see ``planner.MESSAGES``) with ``message_id``; ``enrichment`` with ``id`` and a
    String column of JSON text (null: no value) for each name in ``envelope.enrich``.
    """
    columns = {name: f"enrich {number}" for number, name in enumerate(envelope.enrich)}
    rows = messages.join(
        enrichment.select("id", *(pl.col(name).alias(column) for name, column in columns.items())),
        left_on="profile_id",
        right_on="id",
        how="left",
        maintain_order="left",
    )
    call = pl.col("call")
    text = (
        pl.when(call == IDENTIFY).then(_identify(envelope, columns))
        .when(call == GROUP).then(_group(envelope, columns))
        .otherwise(_track(envelope, columns))
    )  # fmt: skip
    return rows.select(text.alias("message")).to_series()


def _identify(envelope: Envelope, columns: Mapping[str, str]) -> pl.Expr:
    email = _in_traits(envelope)
    body = _object(
        *_enrichment(columns, {envelope.key}, hidden=(EMAIL, email)),
        pl.when(email).then(_member(EMAIL, _quoted("identifier_value"))),
        _member(envelope.key, pl.col("value").fill_null("null")),
    )
    context = _object(pl.lit('"personas":' + envelope.personas()), _external_ids(~email))
    return _object(
        pl.lit('"type":"identify"'),
        *_head(),
        pl.lit('"context":') + context,
        _integrations(envelope),
        pl.lit('"traits":') + body,
    )


def _track(envelope: Envelope, columns: Mapping[str, str]) -> pl.Expr:
    names = {**EVENT_NAMES, **envelope.event_names}
    if envelope.kind is Kind.AUDIENCE:
        key_name = "audience_key"
        entered = pl.col("value") == "true"
        event = pl.when(entered).then(pl.lit(json_text(names["entered"]))).otherwise(pl.lit(json_text(names["exited"])))
    else:
        key_name = "trait_key"
        event = pl.lit(json_text(names["computed"]))
    body = _object(
        *_enrichment(columns, {envelope.key, key_name}),
        pl.lit(f'"{key_name}":{json_text(envelope.key)}') if envelope.key != key_name else pl.lit(None, pl.String),
        _member(envelope.key, pl.col("value").fill_null("null")),
    )
    email = pl.col("identifier_type") == EMAIL
    context = _object(
        pl.lit('"personas":' + envelope.personas()),
        pl.when(email).then(pl.lit('"traits":') + _object(_member(EMAIL, _quoted("identifier_value")))),
        _external_ids(~email),
    )
    return _object(
        pl.lit('"type":"track"'),
        pl.lit('"event":') + event,
        *_head(),
        pl.lit('"context":') + context,
        _integrations(envelope),
        pl.lit('"properties":') + body,
    )


def _group(envelope: Envelope, columns: Mapping[str, str]) -> pl.Expr:
    """About an account: its id is the identifier, and stands for the user that there isn't."""
    body = _object(*_enrichment(columns, {envelope.key}), _member(envelope.key, pl.col("value").fill_null("null")))
    return _object(
        pl.lit('"type":"group"'),
        _member("groupId", _quoted("identifier_value")),
        *_head(),
        pl.lit('"context":') + _object(pl.lit('"personas":' + envelope.personas())),
        _integrations(envelope),
        pl.lit('"traits":') + body,
    )


def _head() -> tuple[pl.Expr, ...]:
    """The id, who it is about, and when: userId, else anonymousId, else the profile's id as anonymousId."""
    who = (
        pl.when(pl.col("user_id").is_not_null())
        .then(_member("userId", _quoted("user_id")))
        .otherwise(_member("anonymousId", _quoted_text(pl.coalesce("anonymous_id", "profile_id"))))
    )
    return (
        _member("messageId", _quoted("message_id")),
        who,
        _member("timestamp", '"' + instant_text_of(pl.col("as_of")) + '"'),
    )


def _external_ids(elsewhere: pl.Expr) -> pl.Expr:
    """``context.externalIds`` for an identifier that isn't carried as userId, anonymousId or e-mail; else
    null.
    """
    carried = pl.coalesce(
        pl.when(pl.col("user_id").is_not_null()).then(
            (pl.col("identifier_type") == USER_ID) & (pl.col("identifier_value") == pl.col("user_id"))
        ),
        (pl.col("identifier_type") == ANONYMOUS_ID) & pl.col("identifier_value").eq_missing(pl.col("anonymous_id")),
    )
    one = _object(
        _member("id", _quoted("identifier_value")),
        _member("type", _quoted("identifier_type")),
        pl.lit('"collection":"users","encoding":"none"'),
    )
    return pl.when(elsewhere & ~carried).then(pl.lit('"externalIds":[') + one + "]")


def _in_traits(envelope: Envelope) -> pl.Expr:
    """Whether the e-mail goes to ``traits.email``: not if that is where the computation's own value goes."""
    return (pl.col("identifier_type") == EMAIL) & pl.lit(envelope.key != EMAIL)


def _integrations(envelope: Envelope) -> pl.Expr:
    return pl.lit('"integrations":' + json_text({"All": False, envelope.destination: True}))


def _enrichment(
    columns: Mapping[str, str], taken: set[str], hidden: tuple[str, pl.Expr] | None = None
) -> list[pl.Expr]:
    """A member for each trait that has a value, but never a second one of a name that the message uses
    itself.
    """
    members: list[pl.Expr] = []
    for name, column in columns.items():
        if name in taken:
            continue
        shown = pl.col(column).is_not_null()
        if hidden is not None and hidden[0] == name:
            shown &= ~hidden[1]
        members.append(pl.when(shown).then(_member(name, pl.col(column))))
    return members


def _member(name: str, json: pl.Expr) -> pl.Expr:
    return pl.lit(json_text(name) + ":") + json


def _object(*members: pl.Expr) -> pl.Expr:
    """A JSON object of the members that aren't null."""
    return pl.lit("{") + pl.concat_str(members, separator=",", ignore_nulls=True) + "}"


def _quoted(column: str) -> pl.Expr:
    return _quoted_text(pl.col(column))


def _quoted_text(text: pl.Expr) -> pl.Expr:
    return json_of_value(value_expression("string", text))
