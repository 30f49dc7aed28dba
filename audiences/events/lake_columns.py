"""Which columns of a data lake's table are which: ids and times, and the flattened members of one object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from audiences.errors import InputError
from audiences.events.lake_names import snake

CALL_TABLES: Final[Mapping[str, str]] = {
    name: call
    for call, names in {
        "identify": ("identify", "identifies"),
        "group": ("group", "groups"),
        "page": ("page", "pages"),
        "screen": ("screen", "screens"),
        "alias": ("alias", "aliases"),
        "track": ("track", "tracks"),
    }.items()
    for name in names
}
"""Tables that are named after their calls; every other table is an event's."""

KNOWN: Final = (
    "message_id",
    "event",
    "user_id",
    "anonymous_id",
    "group_id",
    "profile_id",
    "timestamp",
    "received_at",
    "source_id",
)
_ALIASES: Final = {"message_id": "id", "profile_id": "segment_id"}
_ALSO_PROPERTIES: Final = ("profile_id", "source_id")
"""Segment has no such columns: where they are, they may as well be what an event says of something else."""

_ENVELOPE: Final = frozenset({"sentat", "originaltimestamp", "eventtext", "uuid", "uuidts"})
_SEGMENTS_OWN: Final = frozenset({"channel", "projectid", "type", "version"})
_SEGMENTS_OWN_OBJECTS: Final = ("metadata_", "integrations_")
_CONTEXT: Final = "context_"
_TRAITS: Final = "traits_"


def call_of_table(table: str, columns: Iterable[str]) -> tuple[str, bool]:
    """Which call the rows of a table are, and whether the table is one event's, whose name it has.

    ``identifies`` or ``identify`` are identify calls, and so on; ``tracks`` are those of all events, which the column
    ``event`` names. A table that has this column is never one of the other calls: it is an event of that name.
    """
    names_event = any(_bare(column) in ("event", "eventtext") for column in columns)
    call = CALL_TABLES.get(table.lower(), "track")
    if call == "track":
        return call, not (names_event and table.lower() in CALL_TABLES)
    return ("track", True) if names_event else (call, False)


@dataclass(frozen=True)
class LakeColumns:
    """The columns of a table, by name, whatever their casing. Raises ``InputError`` where two are the same.

    ``known`` has ids and times (``KNOWN`` name → column). All but these, ``context_…`` and what Segment adds to each
    call are members: of the properties, or in identify and group calls of the traits.
    """

    columns: Sequence[str]
    where: str

    @cached_property
    def known(self) -> dict[str, str]:
        """Columns of ids and times: ``id`` is the message id, ``segment_id`` the profile id."""
        found: dict[str, str] = {}
        for name in KNOWN:
            for spelling in filter(None, (name, _ALIASES.get(name))):
                column = self._spelled(spelling)
                if column is not None:
                    found[name] = column
                    break
        return found

    @cached_property
    def contexts(self) -> dict[str, str]:
        """Fields of the context: ``page_url`` → ``context_page_url``."""
        return {
            (name if name.lower().startswith(_CONTEXT) else snake(name))[len(_CONTEXT) :]: name
            for name in self.columns
            if snake(name).startswith(_CONTEXT)
        }

    @cached_property
    def properties(self) -> dict[str, str]:
        """Properties by name."""
        ids = {column for name, column in self.known.items() if name not in _ALSO_PROPERTIES}
        return {name: name for name in self._members(ids)}

    @cached_property
    def traits(self) -> dict[str, str]:
        """Traits by name: where there are columns ``traits_x``, these; else all members."""
        names = self._members(set(self.known.values()))
        prefixed = {name[len(_TRAITS) :]: name for name in names if name.lower().startswith(_TRAITS)}
        return prefixed or {name: name for name in names}

    @cached_property
    def shape(self) -> tuple[bool, bool]:
        """What else says which columns are members: Segment's own columns, and traits that have a prefix."""
        return self._has_segments_own, any(name.lower().startswith(_TRAITS) for name in self.columns)

    def name_of(self, column: str) -> str | None:
        """The column of that name, in any casing."""
        return self._spelled(column)

    def _spelled(self, name: str) -> str | None:
        if name in self.columns:
            return name
        found = [column for column in self.columns if _bare(column) == _bare(name)]
        if len(found) > 1:
            raise InputError(
                f"the columns '{found[0]}' and '{found[1]}' are both {name}",
                where=self.where,
                hint="rename or remove one of them",
            )
        return found[0] if found else None

    def _members(self, ids: set[str]) -> list[str]:
        # Segment writes its own columns together: without the project's, they are what somebody sent.
        added = _ENVELOPE | (_SEGMENTS_OWN if self._has_segments_own else frozenset())
        objects = _SEGMENTS_OWN_OBJECTS if self._has_segments_own else ()
        left_out = ids | set(self.contexts.values())
        return [
            name
            for name in self.columns
            if name not in left_out and _bare(name) not in added and not f"{snake(name)}_".startswith(objects)
        ]

    @cached_property
    def _has_segments_own(self) -> bool:
        return any(_bare(name) == "projectid" for name in self.columns)


def _bare(name: str) -> str:
    return name.replace("_", "").lower()
