"""What the checks hand to one another: findings without a place, and where in a definition a node stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple


class Finding(NamedTuple):
    """What is wrong, and what was probably meant."""

    what: str
    hint: str = ""


MINIMUM_FREQUENCY: Final = Finding("the minimum frequency must be at least 1", "2 is the usual one")


@dataclass(frozen=True, slots=True)
class Scope:
    """Where in a definition a node stands."""

    is_trait: bool
    at_account_level: bool
    inside_users: bool = False  # of ANY or ALL
    events: int = 0  # how many where(…) are around it: 1 inside an event, 2 inside a nested one
    nesting: int = 0
