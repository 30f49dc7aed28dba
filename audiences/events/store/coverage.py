"""What a store holds of the events: which of them as rows, and which paths of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from pydantic import BaseModel, ConfigDict

from audiences.events.needs import EventNeeds
from audiences.language.event_uses import EventUse
from audiences.language.tree import Path

_SETS: Final = ("events", "properties", "contexts", "traits", "account_traits")


class Coverage(BaseModel):
    """Names of events and paths, sorted. Of a data lake also which paths are used of which event, as columns of its
    tables are looked for by name.
    """

    model_config = ConfigDict(frozen=True)

    events: tuple[str, ...] = ()
    properties: tuple[Path, ...] = ()
    contexts: tuple[Path, ...] = ()
    traits: tuple[Path, ...] = ()
    account_traits: tuple[Path, ...] = ()
    uses: tuple[tuple[str, tuple[Path, ...], tuple[Path, ...]], ...] = ()

    @classmethod
    def of(cls, needs: EventNeeds, *, is_lake: bool) -> Coverage:
        """What has to be held for these needs; whole history."""
        uses = {(use.event, tuple(sorted(use.properties)), tuple(sorted(use.contexts))) for use in needs.uses}
        return cls(
            events=tuple(sorted(needs.events)),
            properties=tuple(sorted(needs.properties)),
            contexts=tuple(sorted(needs.contexts)),
            traits=tuple(sorted(needs.traits)) if is_lake else (),
            account_traits=tuple(sorted(needs.account_traits)) if is_lake else (),
            uses=tuple(sorted(uses)) if is_lake else (),
        )

    def lacks(self, other: Coverage) -> list[str]:
        """What the other has beyond this one, in words; nothing if this is enough."""
        missing = [
            f"{_SINGULAR[name]} {_words(one)}"
            for name in _SETS
            for one in sorted(set(getattr(other, name)) - set(getattr(self, name)))
        ]
        return missing or (["a use of an event"] if set(other.uses) - set(self.uses) else [])

    def union(self, other: Coverage) -> Coverage:
        """What both have together."""
        both = {name: tuple(sorted({*getattr(self, name), *getattr(other, name)})) for name in (*_SETS, "uses")}
        return Coverage(**both)

    def needs(self) -> EventNeeds:
        """What has to be read of the events."""
        return EventNeeds(
            events=frozenset(self.events),
            properties=frozenset(self.properties),
            contexts=frozenset(self.contexts),
            traits=frozenset(self.traits),
            account_traits=frozenset(self.account_traits),
            uses=frozenset(
                replace(EventUse(event), properties=frozenset(properties), contexts=frozenset(contexts))
                for event, properties, contexts in self.uses
            ),
        )


_SINGULAR: Final = {
    "events": "the event",
    "properties": "the property",
    "contexts": "the context field",
    "traits": "the trait",
    "account_traits": "the account trait",
}


def _words(name: str | Sequence[str]) -> str:
    return f"'{name if isinstance(name, str) else '.'.join(name)}'"
