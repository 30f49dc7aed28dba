"""What a run needs to read of the events and profiles, and how the columns that hold it are named."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from audiences.language.event_uses import EventUse
from audiences.language.tree import Path

PathKind = Literal["property", "context", "trait"]


@dataclass(frozen=True, slots=True)
class EventNeeds:
    """The event names and paths that the definitions of a run use; nothing else is read out of the inputs.

    ``uses`` says more, for a data lake, which is read by event and by day: what is used of which event, and how far
    back. An event without any is used with all its history.
    """

    events: frozenset[str] = frozenset()
    properties: frozenset[Path] = field(default=frozenset())
    contexts: frozenset[Path] = field(default=frozenset())
    traits: frozenset[Path] = field(default=frozenset())  # of profiles
    uses: frozenset[EventUse] = field(default=frozenset())
    account_traits: frozenset[Path] = field(default=frozenset())


def column_name(kind: PathKind, path: Path) -> str:
    """The bucket's column for a path: ``property:cart.total``, dots inside a segment escaped by a
    backslash.
    """
    return f"{kind}:" + ".".join(segment.replace("\\", "\\\\").replace(".", "\\.") for segment in path)
