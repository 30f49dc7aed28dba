"""Random courses of a state and a destination, for Hypothesis: runs, deliveries, and what goes wrong with them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hypothesis import strategies as st

from audiences.definitions.computation import IdentifierStrategy, Strategy
from audiences.delivery.identifiers import Chosen

IDS = tuple(f"p{number}" for number in range(5))
IDENTIFIERS = (
    *(("user_id", f"u{number}") for number in range(3)),
    *(("email", f"e{number}") for number in range(2)),
    ("anonymous_id", "a0"),
    ("phone", "1"),
)
ACCOUNTS = ("p1", "x", "y")
VALUES = ("1", "2")
STRATEGIES: tuple[Chosen, ...] = (
    (IdentifierStrategy("email"), IdentifierStrategy("user_id")),
    (IdentifierStrategy("email", Strategy.LAST_ADDED),),
    (IdentifierStrategy("user_id", Strategy.FIRST_ADDED), IdentifierStrategy("phone")),
)


@dataclass(frozen=True)
class Person:
    """A profile; identifiers in the order in which they were added."""

    identifiers: tuple[tuple[str, str], ...]
    accounts: tuple[str, ...]


class Ending(StrEnum):
    """How a delivery ends."""

    MISSED = "missed"
    DONE = "done"
    FAILED = "failed"
    KILLED_BEFORE = "killed before it counts"
    KILLED_AFTER = "killed after it counts"


@dataclass(frozen=True)
class Step:
    """A run and its delivery.

    ``people`` are those that are new or changed, None: gone. ``values`` those that are set, None: none any more.
    ``whole``: the run hands over all profiles; else it says what changed. ``folded``: what changed is written as a
    whole. ``wide``: everybody is planned, whatever changed.
    """

    people: dict[str, Person | None]
    values: dict[str, str | None]
    strategy: Chosen = STRATEGIES[0]
    calls: tuple[str, ...] = ("identify",)
    ending: Ending = Ending.DONE
    whole: bool = False
    folded: bool = False
    wide: bool = False


PEOPLE = st.builds(
    Person,
    st.lists(st.sampled_from(IDENTIFIERS), max_size=4, unique=True).map(tuple),
    st.lists(st.sampled_from(ACCOUNTS), max_size=2, unique=True).map(tuple),
)


def courses(owners: tuple[str, ...], calls: tuple[tuple[str, ...], ...]) -> st.SearchStrategy[list[Step]]:
    """Some steps; ``owners`` are who has values, ``calls`` what may be asked for. Most of it seldom changes."""
    people = st.dictionaries(st.sampled_from(IDS), st.one_of(PEOPLE, PEOPLE, st.none()), max_size=3)
    some = st.one_of(st.sampled_from(VALUES), st.sampled_from(VALUES), st.none())
    step = st.builds(
        Step,
        people=people,
        values=st.dictionaries(st.sampled_from(owners), some, max_size=4),
        strategy=st.sampled_from((STRATEGIES[0],) * 4 + STRATEGIES),
        calls=st.sampled_from((calls[0],) * 4 + calls),
        ending=st.sampled_from((Ending.DONE,) * 4 + tuple(Ending)),
        whole=st.sampled_from((False, False, False, True)),
        folded=st.sampled_from((False, False, False, True)),
        wide=st.sampled_from((False, False, False, True)),
    )
    first = st.builds(
        Step,
        people=st.dictionaries(st.sampled_from(IDS), PEOPLE, min_size=2),
        values=st.dictionaries(st.sampled_from(owners), st.sampled_from(VALUES), min_size=1),
        strategy=st.just(STRATEGIES[0]),
        calls=st.just(calls[0]),
        ending=st.sampled_from((Ending.DONE, Ending.DONE, Ending.MISSED)),
        whole=st.just(True),
        folded=st.just(False),
        wide=st.just(False),
    )
    return st.builds(lambda start, steps: [start, *steps], first, st.lists(step, min_size=1, max_size=6))
