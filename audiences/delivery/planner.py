"""What has to be sent: the values a destination should have, minus those that it has acknowledged. Pure, no I/O.

From that one difference follow first sync, enter, exit, value change, clearing, a new identifier, catching up
after missed runs with only the net difference, and that no message is sent twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import polars as pl

from audiences.definitions.computation import Kind
from audiences.delivery.identifiers import (
    ANONYMOUS_ID,
    USER_ID,
    Chosen,
    choose,
    choose_each,
    senders,
    strategy_text,
)
from audiences.events.instants import INSTANT

MESSAGES: Final[dict[str, pl.DataType]] = {
    "call": pl.String(),
    "identifier_type": pl.String(),
    "identifier_value": pl.String(),
    "profile_id": pl.String(),
    "value": pl.String(),
    "as_of": INSTANT,
    "attempt": pl.Int64(),
    "user_id": pl.String(),
    "anonymous_id": pl.String(),
}
"""A planned message. ``value`` is JSON text: ``false`` for an audience's exit, null for a trait that is
cleared.

``as_of`` is that of the run which decided the value; ``attempt`` counts the messages made for the identifier;
``user_id`` and ``anonymous_id`` are the profile's first ones, or null.
"""

IDENTIFIER: Final = ["identifier_type", "identifier_value"]
ROW: Final = ["call", *IDENTIFIER]
ORDER: Final = ["profile_id", *IDENTIFIER, "call"]
"""The order of messages."""

KNOWN: Final = [*ROW, "profile_id", "value", "attempts", "run", "strategy"]
"""The columns of what was acknowledged that a plan follows from."""


@dataclass(frozen=True, slots=True)
class Situation:
    """All that a plan follows from, for one computation and one destination: of all profiles, or of some.

    A plan of some profiles is their part of the plan of all if they are closed: nobody else has, or is whom a
    destination knows to have, an identifier that one of them has, or is known to have.

    - ``snapshot``: ``id``, ``value`` (JSON text), ``as_of`` (of the run that decided the value).
    - ``departures``: ``id``, ``as_of``: when ids last left the audience or lost the trait's value.
    - ``identifiers``: every identifier of every profile (see ``identifiers.identifiers_of``).
    - ``acknowledged``: the rows of the computation (see ``audiences.state.acknowledged``), at least ``KNOWN``.
    - ``calls``: identify, track; ``strategy``: which identifiers; ``as_of``: of the current run.
    """

    kind: Kind
    snapshot: pl.DataFrame
    departures: pl.DataFrame
    identifiers: pl.DataFrame
    acknowledged: pl.DataFrame
    calls: Sequence[str]
    strategy: Chosen
    as_of: datetime


@dataclass(frozen=True, slots=True)
class DeliveryPlan:
    """``messages``: what to send (see ``MESSAGES``), sorted by profile, identifier and call.

    ``no_identifier``: profiles with a value and no identifier that the destination takes. ``conflicts``:
    identifiers that several profiles with a value have, so that a trait's value was taken from the one with
    the lowest id. ``earlier_strategies``: whether a profile was last sent by another strategy than today's.
    """

    messages: pl.DataFrame
    no_identifier: int
    conflicts: int
    earlier_strategies: bool = False


def plan(situation: Situation) -> DeliveryPlan:
    """The messages that make a destination have what it should have.

    - An identifier that several profiles have: an audience is true if any of them is a member; a trait takes
      the
      value of the one with the lowest id, among those that have a value.
    - What was acknowledged and isn't wanted any more gets ``false`` or null, whatever the strategy says now.
    - A changed strategy applies to later changes only: a profile that has nothing else to send keeps the
      identifiers
      that were chosen for it before.
    """
    before = _strategies_before(situation)
    chosen = _chosen_identifiers(situation, before)
    wanted, conflicts = _wanted(situation, chosen)
    unreachable = situation.snapshot.join(chosen, on="id", how="anti").height
    return DeliveryPlan(
        messages=_difference(situation, wanted),
        no_identifier=unreachable,
        conflicts=conflicts if situation.kind is Kind.TRAIT else 0,
        earlier_strategies=not before.is_empty(),
    )


def leaving(situation: Situation) -> pl.Series:
    """The ids whose departures make a difference to the plan: of all others, none need to be in the situation."""
    chosen = _chosen_identifiers(situation, _strategies_before(situation))
    different = _different(situation, _wanted(situation, chosen)[0])
    lost = _with_holders(situation, different.filter(pl.col("wanted").is_null()))
    return pl.concat([lost.get_column("profile_id"), lost.get_column("known_profile")]).unique()


def acknowledging(situation: Situation, messages: pl.DataFrame, run: int) -> Situation:
    """The situation when these messages of the plan have arrived, in a run."""
    arrived = messages.with_columns(
        attempts="attempt", run=pl.lit(run, dtype=pl.Int64), strategy=pl.lit(strategy_text(situation.strategy))
    )
    others = situation.acknowledged.select(KNOWN).join(messages, on=ROW, how="anti")
    return replace(situation, acknowledged=pl.concat([others, arrived.select(KNOWN)]))


def _chosen_identifiers(situation: Situation, before: pl.DataFrame) -> pl.DataFrame:
    if before.is_empty():
        return choose(situation.identifiers, situation.strategy)
    as_before = choose_each(situation.identifiers, before, situation.strategy)
    messages = _difference(situation, _wanted(situation, as_before)[0])
    unchanged = before.join(messages, left_on="id", right_on="profile_id", how="anti")
    return choose_each(situation.identifiers, unchanged, situation.strategy)


def _strategies_before(situation: Situation) -> pl.DataFrame:
    """``id`` and ``strategy`` of the profiles whose last acknowledged row has another strategy than now."""
    today = strategy_text(situation.strategy)
    return (
        situation.acknowledged.select("strategy", "run", id="profile_id", now=pl.col("strategy") == today)
        .sort("id", "run", "now", "strategy")
        .unique("id", keep="last", maintain_order=True)
        .filter(~pl.col("now"))
        .select("id", "strategy")
    )


def _wanted(situation: Situation, chosen: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """What each identifier should have: one row per identifier; and how many identifiers have several
    holders.
    """
    held = chosen.join(situation.snapshot, on="id", how="inner").sort("id")
    wanted = held.group_by(identifier_type="type", identifier_value="value", maintain_order=True).agg(
        profile_id=pl.col("id").first(),
        wanted=pl.col("value_right").first(),
        decided=pl.col("as_of").first(),
        holders=pl.len(),
    )
    return wanted.drop("holders"), wanted.filter(pl.col("holders") > 1).height


def _different(situation: Situation, wanted: pl.DataFrame) -> pl.DataFrame:
    """The identifiers, by call, that have another value than they should have: ``wanted`` and ``value``."""
    calls = pl.DataFrame({"call": list(situation.calls)}, schema={"call": pl.String})
    acknowledged = situation.acknowledged.join(calls, on="call", how="semi").select(
        *ROW, "value", "attempts", known_profile="profile_id"
    )
    if situation.kind is Kind.AUDIENCE:  # an acknowledged exit is the same as never having been a member
        acknowledged = acknowledged.with_columns(value=pl.when(pl.col("value") == "true").then("value"))
    return (
        calls.join(wanted, how="cross")
        .join(acknowledged, on=ROW, how="full", coalesce=True)
        .filter(pl.col("wanted").ne_missing(pl.col("value")))
    )


def _difference(situation: Situation, wanted: pl.DataFrame) -> pl.DataFrame:
    """Wanted minus acknowledged, as messages."""
    different = _different(situation, wanted)
    kept = different.filter(pl.col("wanted").is_not_null())
    lost = _lost(situation, different.filter(pl.col("wanted").is_null()))
    value = pl.col("wanted")
    return (
        pl.concat([kept, lost])
        .join(_senders(situation), left_on="profile_id", right_on="id", how="left")
        .select(
            *ROW,
            "profile_id",
            value=value.fill_null(pl.lit("false")) if situation.kind is Kind.AUDIENCE else value,
            as_of="decided",
            attempt=pl.col("attempts").fill_null(0) + 1,
            user_id=USER_ID,
            anonymous_id=ANONYMOUS_ID,
        )
        .select(pl.col(name).cast(dtype) for name, dtype in MESSAGES.items())
        .sort(ORDER)
    )


def _with_holders(situation: Situation, different: pl.DataFrame) -> pl.DataFrame:
    """Whose messages they are: of the profile that has the identifier now, else of the one that was known to."""
    names = {"type": "identifier_type", "value": "identifier_value"}
    held = situation.identifiers.rename(names).join(different, on=IDENTIFIER, how="semi")
    now = held.group_by(IDENTIFIER).agg(holder=pl.col("id").min())
    holders = different.join(now, on=IDENTIFIER, how="left")
    return holders.with_columns(profile_id=pl.coalesce("holder", "known_profile"))


def _lost(situation: Situation, different: pl.DataFrame) -> pl.DataFrame:
    """Adds whose message it is where a value goes away, and when that was decided.

    It is the profile that has the identifier now, else the one that had it when the value was acknowledged. It was
    decided when that profile lost its value; now, if it didn't, and the identifier moved or is gone.
    """
    if different.is_empty():
        return different
    departures = situation.departures.select("id", departed=pl.col("as_of").cast(INSTANT))
    present = situation.snapshot.select("id", present=pl.lit(True))
    today = pl.lit(situation.as_of).cast(INSTANT)
    departed = pl.coalesce("departed", "departed_before", today)
    return (
        _with_holders(situation, different)
        .join(present, left_on="profile_id", right_on="id", how="left")
        .join(departures, left_on="profile_id", right_on="id", how="left")
        .join(departures, left_on="known_profile", right_on="id", how="left", suffix="_before")
        .with_columns(decided=pl.when(pl.col("present").is_null()).then(departed).otherwise(today))
        .select(different.columns)
    )


def _senders(situation: Situation) -> pl.DataFrame:
    """``id``, ``user_id``, ``anonymous_id``; of profiles that are gone, as they were acknowledged."""
    remembered = (
        situation.acknowledged.select(id="profile_id", type="identifier_type", value="identifier_value")
        .join(situation.identifiers, on="id", how="anti")
        .unique()
        .sort("id", "type", "value")
        .with_columns(place=pl.int_range(pl.len()).over("id", "type"))
    )
    return pl.concat([senders(situation.identifiers), senders(remembered)])
