"""The keys of definition files and space files, with their types: pydantic models, nothing extra allowed.

The structured forms are no part of the models: ``structured`` reads them, since a condition nests and a union
of models can't say what is wrong with one. Keys that are known but not built yet are of type ``NotYet``:
giving one is an error that says so.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
)
from pydantic_core import PydanticCustomError

from audiences.definitions.durations import DurationError, duration_of
from audiences.definitions.schedules import ScheduleError, cron_of
from audiences.language.construct import seconds
from audiences.language.literals import instant_of

KEY_PATTERN: Final = r"^[a-z][a-z0-9_]{0,254}$"
DESTINATION_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$"
OWNER_PATTERN: Final = r"^(team:.+|[A-Za-z0-9_][A-Za-z0-9._%+-]*@[A-Za-z0-9.-]+\.[A-Za-z]{2,7})$"
"""Dagster refuses to load with any other owner."""
ENVIRONMENT_PATTERN: Final = r"^[A-Za-z_][A-Za-z0-9_]*$"
LONGEST: Final = timedelta(days=36_500)
MOST_WITH_ALL: Final = 3
"""Identifier types of a destination that may have the strategy ``all``."""


def wrong(what: str, hint: str = "") -> PydanticCustomError:
    """An error that is already a sentence of ours."""
    return PydanticCustomError("wrong", "{what}", {"what": what, "hint": hint})


# ── types of values ─────────────────────────────────────────────────────────────────────────────────────────


def _instant(value: object) -> datetime:
    """A date (its midnight) or timestamp, written as such or as text, in UTC."""
    if isinstance(value, str) and (found := instant_of(value)) is not None:
        return found[0]
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    written = f"'{value}' is not a date" if isinstance(value, str | int) else "this is not a date"
    raise wrong(written, "such as 2024-01-31 or 2024-01-31T00:00:00Z")


def _length(value: object, info: ValidationInfo) -> timedelta:
    if not isinstance(value, str):
        hint = f"such as {value} days" if isinstance(value, int) else "such as 400 days"
        raise wrong(f"'{info.field_name}' takes a duration", hint)
    try:
        length = seconds(duration_of(value, str(info.field_name)))
    except DurationError as error:
        raise wrong(str(error), error.hint) from error
    if length > LONGEST.total_seconds():
        raise wrong(f"the duration '{value}' is too long", f"at most {LONGEST.days} days")
    return timedelta(seconds=length)


def _schedule(value: object) -> str | None:
    try:
        return cron_of(value)
    except ScheduleError as error:
        kind = "not_yet" if error.not_yet else "wrong"
        raise PydanticCustomError(kind, "{what}", {"what": str(error), "hint": error.hint}) from error


def _owner(value: str) -> str:
    if not re.fullmatch(OWNER_PATTERN, value):
        hint = "an e-mail address such as ana@example.com, or team:marketing"
        raise wrong(f"'{value}' can't be an owner", hint)
    return value


def _not_yet(_value: object, info: ValidationInfo) -> None:
    raise PydanticCustomError("not_yet", "{what}", {"what": f"{info.field_name}: not yet", "hint": ""})


def _in_a_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _as_entry(value: object) -> object:
    return {"destination": value} if isinstance(value, str) else value


def _as_strategy(value: object) -> object:
    return {"type": value} if isinstance(value, str) else value


def _distinct(values: list[str]) -> list[str]:
    for number, value in enumerate(values):
        if value in values[:number]:
            raise wrong(f"'{value}' is in the list twice")
    return values


def _default(value: object) -> object:
    """A JSON value; dates become their text."""
    if value is None:
        raise wrong("a default can't be empty", "leave it out: then there is none")
    return _json(value)


def _json(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, list):
        return [_json(item) for item in value]
    if isinstance(value, dict):
        return {key: _json(item) for key, item in value.items()}
    return value


Text = Annotated[str, StringConstraints(min_length=1)]
Key = Annotated[str, StringConstraints(pattern=KEY_PATTERN)]
Instant = Annotated[datetime, BeforeValidator(_instant, json_schema_input_type=str)]
Length = Annotated[timedelta, BeforeValidator(_length, json_schema_input_type=str)]
Schedule = Annotated[
    str | None,
    BeforeValidator(_schedule, json_schema_input_type=str | dict[Literal["every"], str]),
]
NotYet = Annotated[None, BeforeValidator(_not_yet, json_schema_input_type=Any)]
Call = Literal["identify", "track", "group"]
Calls = Annotated[
    list[Call], BeforeValidator(_in_a_list, json_schema_input_type=Call | list[Call]), Field(min_length=1)
]


class Model(BaseModel):
    """The base of all models: what isn't declared is an error, and text is never turned into numbers."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


# ── a computation ───────────────────────────────────────────────────────────────────────────────────────────


class IdentifierModel(Model):
    """An identifier type that a destination gets."""

    type: Text = Field(description="user_id, email, … : one of the space's identifiers.")
    strategy: Literal["all", "last_added", "first_added"] = Field(
        "all", description="Which identifiers of the type: all, or the one added last or first."
    )


def _identifiers(values: list[IdentifierModel]) -> list[IdentifierModel]:
    _distinct([value.type for value in values])
    if sum(value.strategy == "all" for value in values) > MOST_WITH_ALL:
        hint = "give the others strategy: last_added or first_added"
        raise wrong(f"at most {MOST_WITH_ALL} identifier types may have the strategy 'all'", hint)
    return values


def _as_strategies(value: object) -> object:
    return [_as_strategy(item) for item in value] if isinstance(value, list) else value


Identifiers = Annotated[
    list[IdentifierModel],
    BeforeValidator(_as_strategies, json_schema_input_type=list[str | IdentifierModel]),
    AfterValidator(_identifiers),
    Field(min_length=1),
]


class EventNamesModel(Model):
    """Names of track events that replace the usual ones."""

    entered: Text | None = Field(None, description="Instead of 'Audience Entered'.")
    exited: Text | None = Field(None, description="Instead of 'Audience Exited'.")
    computed: Text | None = Field(None, description="Instead of 'Trait Computed'.")


class DestinationEntryModel(Model):
    """A destination that gets this computation."""

    destination: Text = Field(description="The name of a destination of space.yml.")
    send: Calls | None = Field(None, description="Which calls: identify, track, and group at account level.")
    identifiers: Identifiers | None = Field(None, description="Which identifiers of a profile it gets.")
    enrich: list[Text] = Field(default_factory=list, description="Traits that are added to each message.")
    event_names: EventNamesModel | None = Field(None, description="Names of the track events.")
    key: Text | None = Field(None, description="The name used at the destination instead of the key.")
    filter: NotYet = Field(None, description="Messages that are sent at all. Not yet.")
    first_sync: Literal["all", "changes_only"] = Field(
        "all", description="changes_only: what is true at the first sync counts as sent already."
    )


class ComputationModel(Model):
    """What traits and audiences have in common."""

    key: Key = Field(description="Unique in the space: traits and audiences share one namespace.")
    name: Text | None = Field(None, description="For people.")
    description: str | None = Field(None, description="One line, plain text.")
    owner: Annotated[Text, BeforeValidator(lambda value: _owner(value) if isinstance(value, str) else value)] | (
        None
    ) = Field(None, description="An e-mail address, or team:name.")
    tags: list[Text] = Field(default_factory=list, description="Any words.")
    enabled: bool = Field(default=True, description="false: not computed; those that use it see its last state.")
    level: Literal["user", "account"] = Field("user", description="Whose value it is.")
    definition: Text | None = Field(None, description="The definition in the query language.")
    include_anonymous_users: bool = Field(
        default=False,
        description="true: profiles with nothing but an anonymous_id can be members, or count as users of an account.",
    )
    events_since: Instant | None = Field(None, description="A date: earlier events don't count.")
    schedule: Schedule = Field(None, description="A cron expression in UTC, or manual.")
    destinations: list[
        Annotated[
            DestinationEntryModel,
            BeforeValidator(_as_entry, json_schema_input_type=str | DestinationEntryModel),
        ]
    ] = Field(default_factory=list, description="Who gets it: names of destinations, or mappings.")
    compute_without_destinations: bool = Field(
        default=True, description="false: computed only if it has a destination."
    )
    attribute_events_by: Literal["group_id"] | None = Field(
        None,
        description="Account level: an event counts only for the account of its context.groupId, else its group_id. "
        "Without it, for every account of the user.",
    )
    export: NotYet = Field(None, description="CSV after each run. Not yet.")
    alerts: NotYet = Field(None, description="Limits that raise an alarm. Not yet.")
    max_exit_share: NotYet = Field(None, description="Holds a sync back when more would leave. Not yet.")
    on_delete: NotYet = Field(None, description="nothing or exit: what happens when it is removed. Not yet.")


class TraitModel(ComputationModel):
    """A computed trait: a value per profile or account."""

    default: Annotated[Any, BeforeValidator(_default)] = Field(
        None, description="The value of everyone without one, such as 0 for a counter."
    )


class AudienceModel(ComputationModel):
    """An audience: the profiles or accounts for which its condition holds."""


# ── the space ───────────────────────────────────────────────────────────────────────────────────────────────


class SecretModel(Model):
    """A secret, read from an environment variable when it is needed."""

    env: Annotated[str, StringConstraints(pattern=ENVIRONMENT_PATTERN)] = Field(
        description="The name of the environment variable."
    )


class JsonlModel(Model):
    """Messages as JSON lines, a new file per sync."""

    type: Literal["jsonl"]
    path: Text = Field(description="A folder, relative to the project, or an object store URL.")
    send: Calls | None = Field(None, description="Which calls, where a computation doesn't say.")
    identifiers: Identifiers | None = Field(None, description="Which identifiers, likewise.")
    confirmed: bool = Field(
        default=False, description="true: a first sync of more than 1,000 messages needs no --confirm."
    )


DESTINATION_MODELS: Final[dict[str, type[Model]]] = {"jsonl": JsonlModel}
"""The types of destination that work."""

DESTINATION_TYPES_NOT_YET: Final = ("webhook", "segment", "postgres", "csv_list", "kafka")


class SpaceNameModel(Model):
    """What the space is called in messages."""

    id: Text = Field("spa_local", description="context.personas.space_id of every message.")
    slug: Text = Field("local", description="A short name.")


class SourcesModel(Model):
    """The Parquet inputs: folders, files, globs or object store URLs; relative to the project."""

    events: Text | None = Field(None, description="Events: one table, or a data lake's folder.")
    profiles: Text | None = Field(None, description="Profiles with traits and external ids.")
    accounts: Text | None = Field(None, description="Accounts with traits.")
    suppressed: Text | None = Field(None, description="Identifiers that are left out of everything.")
    max_clock_skew: Length | None = Field(
        None,
        description="How far apart an event's timestamp and the day it was received can be, such as 2 days: of a data "
        "lake, days that no window reaches are then read for their ids and times only.",
    )


class OverlayModel(Model):
    """space.<environment>.yml: what differs in that environment."""

    sources: SourcesModel = Field(default_factory=SourcesModel, description="Where the Parquet inputs are.")
    state: Text = Field(".audiences", description="The state's folder, or an object store URL.")
    destinations: dict[Annotated[str, StringConstraints(pattern=DESTINATION_PATTERN)], Any] = Field(
        default_factory=dict, description="Destinations by name; secrets as {env: NAME}."
    )


class SpaceModel(OverlayModel):
    """space.yml: the settings of a project."""

    space: SpaceNameModel = Field(default_factory=SpaceNameModel, description="What the space is called.")
    as_of: Instant | None = Field(None, description="A fixed clock, for sample and test data.")
    keep_history: Length | None = Field(None, description="How long changes are kept, such as 400 days.")
    identifiers: Annotated[list[Text], AfterValidator(_distinct), Field(min_length=1)] = Field(
        default=["user_id", "email", "android.idfa", "ios.idfa", "anonymous_id"],
        description="Identifier types, the most telling first.",
    )
    schedule: Schedule = Field(None, description="The schedule of computations that have none of their own.")
