"""What the loader makes of YAML: computations, destinations and the settings of a space. Frozen, and without I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from audiences.errors import Location, Problem
from audiences.language import tree

if TYPE_CHECKING:
    from audiences.definitions.written import Written


class Kind(StrEnum):
    """A trait has a value, an audience has members."""

    TRAIT = "trait"
    AUDIENCE = "audience"


class Level(StrEnum):
    """Whose values a computation gives: profiles' or accounts'."""

    USER = "user"
    ACCOUNT = "account"


class Missing:
    """The type of ``NO_DEFAULT``: a default may be any JSON value, so none of them can stand for 'not given'."""

    def __repr__(self) -> str:
        return "NO_DEFAULT"


NO_DEFAULT: Final = Missing()

JSONValue = str | int | float | bool | list[Any] | dict[str, Any] | None


class Strategy(StrEnum):
    """Which identifiers of a type a destination gets."""

    ALL = "all"
    LAST_ADDED = "last_added"
    FIRST_ADDED = "first_added"


@dataclass(frozen=True, slots=True)
class IdentifierStrategy:
    """One identifier type (``user_id``, ``email``, …) and its strategy."""

    type: str
    strategy: Strategy = Strategy.ALL


@dataclass(frozen=True, slots=True)
class DestinationEntry:
    """A computation's line in ``destinations:``. ``None`` means: the destination's own default."""

    destination: str
    send: tuple[str, ...] | None = None  # of identify, track, group
    identifiers: tuple[IdentifierStrategy, ...] | None = None
    enrich: tuple[str, ...] = ()
    event_names: Mapping[str, str] = field(default_factory=dict)  # entered, exited, computed
    key: str | None = None
    filter: str | None = None
    first_sync: str = "all"  # or changes_only
    location: Location = Location()


@dataclass(frozen=True, slots=True)
class Computation:
    """One trait or audience, checked: the tree has the right type for the kind and uses only what exists."""

    key: str
    kind: Kind
    expression: tree.Expression
    level: Level = Level.USER
    name: str = ""
    description: str = ""
    owner: str | None = None
    tags: tuple[str, ...] = ()
    enabled: bool = True
    group: str = ""  # the folder below definitions/, "" at the top
    default: JSONValue | Missing = NO_DEFAULT
    include_anonymous_users: bool = False
    events_since: datetime | None = None  # UTC; earlier events don't count
    attribute_events_by: str | None = None  # group_id; None: events count for every account of the user
    schedule: str | None = None  # cron, UTC; already merged with the space's default
    destinations: tuple[DestinationEntry, ...] = ()
    compute_without_destinations: bool = True
    written_as: str = "query"  # or "structured"
    location: Location = Location()  # of the entry; the column of its first key


@dataclass(frozen=True, slots=True)
class Destination:
    """A destination of the space. ``settings`` is what its type takes, secrets as ``{"env": NAME}``, unread."""

    name: str
    type: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    location: Location = Location()


@dataclass(frozen=True, slots=True)
class InputPaths:
    """Where the Parquet inputs are: absolute folders, files, globs or object store URLs.

    ``max_clock_skew``: how far apart an event's timestamp and the day it was received can be, in a data lake.
    """

    events: str | None = None
    profiles: str | None = None
    accounts: str | None = None
    suppressed: str | None = None
    max_clock_skew: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Space:
    """``space.yml``, with relative paths made absolute (they are relative to the project folder)."""

    root: Path  # the project folder: the parent of definitions/
    id: str = "spa_local"
    slug: str = "local"
    sources: InputPaths = InputPaths()
    state: str = ".audiences"
    as_of: datetime | None = None  # a fixed clock, UTC
    keep_history: timedelta | None = None
    identifiers: tuple[str, ...] = ("user_id", "email", "android.idfa", "ios.idfa", "anonymous_id")
    destinations: Mapping[str, Destination] = field(default_factory=dict)
    schedule: str | None = None
    environment: str | None = None
    location: Location = Location()


@dataclass(frozen=True, slots=True)
class Definitions:
    """All that was loaded: the good computations by key (in file order), and every problem found.

    A problem with a ``key`` breaks that computation only; one without breaks a file or the space.
    ``warnings`` break nothing. ``written`` knows the files, if there are any.
    """

    space: Space
    computations: Mapping[str, Computation]
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    written: Written | None = field(default=None, repr=False, compare=False)

    @property
    def broken(self) -> tuple[str, ...]:
        """The keys that failed to load, in file order."""
        return tuple(dict.fromkeys(problem.key for problem in self.problems if problem.key))
