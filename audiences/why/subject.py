"""Whom an explanation is about: the profile or account that an identifier names, and whose events it needs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import polars as pl

from audiences.definitions.computation import Level
from audiences.errors import DefinitionError
from audiences.events import PreparedInputs
from audiences.language.suggest import nearest
from audiences.plan import Plan

COMPARED: Final = 5_000
"""To how many ids an unknown one is compared: more would take longer than the explanation."""

PROFILE_TYPES: Final = ("profile_id", "segment_id")
ACCOUNT_TYPES: Final = ("account_id", "group_id")


@dataclass(frozen=True, slots=True)
class Subject:
    """A profile or an account. ``notes`` say how it was found."""

    id: str
    level: Level
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scope:
    """The profiles and accounts that the subject's answer depends on."""

    profiles: frozenset[str]
    accounts: frozenset[str]


def find_subject(identifier: str, level: Level, prepared: PreparedInputs) -> Subject:
    """The profile or account that ``identifier`` names: its id, or ``type:value`` of an identifier that it holds.

    An identifier that several profiles hold is the lowest profile id's, as its events are.

    Raises:
        DefinitionError: there is none; the hint has what is nearest.
    """
    if level is Level.ACCOUNT:
        return _find_account(identifier, prepared)
    return _find_profile(identifier, prepared.profiles)


def _find_profile(identifier: str, profiles: pl.DataFrame) -> Subject:
    kind, _, value = identifier.partition(":")
    for candidate in (identifier, value) if kind in PROFILE_TYPES else (identifier,):
        if candidate in profiles["id"]:
            return Subject(candidate, Level.USER)
    held = holders(profiles, pl.element().struct.field("type") == kind, pl.element().struct.field("value") == value)
    if not held:
        raise DefinitionError(f"no profile is or holds '{identifier}'", hint=_nearest_profile(identifier, profiles))
    if len(held) == 1:
        return Subject(held[0], Level.USER)
    shown = ", ".join(held[:10]) + (", …" if len(held) > 10 else "")
    note = f"{identifier} is held by {len(held)} profiles ({shown}); the lowest id, {held[0]}, gets its events"
    return Subject(held[0], Level.USER, (note,))


def holders(profiles: pl.DataFrame, *conditions: pl.Expr) -> list[str]:
    """The ids of the profiles with an external id for which all conditions on ``pl.element()`` hold, sorted."""
    hit = conditions[0]
    for condition in conditions[1:]:
        hit = hit & condition
    found = pl.col("external_ids").list.eval(hit).list.any()
    return profiles.filter(found)["id"].sort().to_list()


def _nearest_profile(identifier: str, profiles: pl.DataFrame) -> str:
    """What was probably meant: an identifier without its type, else an id that looks alike."""
    value = identifier.rpartition(":")[2]
    same = holders(profiles, pl.element().struct.field("value") == value)
    if same:
        rows = profiles.filter(pl.col("id") == same[0])["external_ids"].explode()
        types = [row["type"] for row in rows.to_list() if row["value"] == value]
        return f"did you mean {types[0]}:{value}?"
    near = nearest(identifier, _alike(identifier, profiles["id"]))
    return f"did you mean {near}?" if near else "an ID is a profile id, or type:value such as email:x@y.z"


def _alike(word: str, ids: pl.Series) -> Iterable[str]:
    """Ids to compare a word with: all if they are few, else those that begin or end as it does."""
    if len(ids) <= COMPARED:
        return ids.to_list()
    half = max(1, len(word) // 2)
    alike = ids.filter(ids.str.starts_with(word[:half]) | ids.str.ends_with(word[-half:]))
    return alike.head(COMPARED).to_list()


def _find_account(identifier: str, prepared: PreparedInputs) -> Subject:
    profiles = prepared.profiles
    members = profiles["account_ids"].explode(empty_as_null=False, keep_nulls=False)
    known = pl.concat([prepared.accounts()["account_id"], members.alias("account_id")]).unique().sort()
    kind, _, value = identifier.partition(":")
    for candidate in (identifier, value) if kind in ACCOUNT_TYPES else (identifier,):
        if candidate in known:
            return Subject(candidate, Level.ACCOUNT)
    user = profiles.filter(pl.col("id") == identifier)
    if user.height:
        accounts = ", ".join(user["account_ids"].item().to_list()) or "none"
        raise DefinitionError(
            f"'{identifier}' is a profile, and the computation is about accounts", hint=f"its accounts: {accounts}"
        )
    near = nearest(identifier, _alike(identifier, known))
    raise DefinitionError(f"no account has the id '{identifier}'", hint=f"did you mean {near}?" if near else "")


def scope_of(subject: Subject, plan: Plan, profiles: pl.DataFrame) -> Scope:
    """Whose events the plan's answers for the subject depend on.

    Account-level computations look at all users of an account, and user-level ones may use them: each of them in a
    plan may reach one step further.
    """
    users = frozenset([subject.id] if subject.level is Level.USER else [])
    accounts = frozenset([subject.id] if subject.level is Level.ACCOUNT else [])
    joined = profiles.select("id", "account_ids")
    for _ in range(sum(item.level is Level.ACCOUNT for item in plan.order)):
        mine = joined.filter(pl.col("id").is_in(list(users)))["account_ids"]
        accounts |= frozenset(mine.explode(empty_as_null=False, keep_nulls=False).to_list())
        among = pl.col("account_ids").list.eval(pl.element().is_in(list(accounts))).list.any()
        users |= frozenset(joined.filter(among)["id"].to_list())
    return Scope(users, accounts)
