"""What a destination gets of a computation where the definition doesn't say, and what can't be delivered at
all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from audiences.definitions.computation import (
    Computation,
    Destination,
    DestinationEntry,
    Level,
    Space,
    Strategy,
)
from audiences.delivery.destinations import NOT_YET, TYPES
from audiences.delivery.identifiers import DEFAULT, DEFAULT_WITH_ANONYMOUS, MOST_WITH_ALL, Chosen
from audiences.delivery.messages import GROUP, IDENTIFY, TRACK
from audiences.errors import Location, Problem
from audiences.language.suggest import did_you_mean

CALLS: Final[dict[Level, tuple[str, ...]]] = {
    Level.USER: (IDENTIFY, TRACK),
    Level.ACCOUNT: (GROUP, IDENTIFY, TRACK),
}
"""The calls that a computation can be sent as. Without ``send`` it is the first of them.

For users that is as in Segment, where Identify is on and Track is switched on: an identify call says what is true of
somebody and can be repeated, while "Audience Entered" starts campaigns, which nobody should do by leaving out a line.
"""


def calls_of(computation: Computation, entry: DestinationEntry) -> tuple[str, ...]:
    """The calls that an entry asks for, each once, in the order group, identify, track."""
    possible = CALLS[computation.level]
    return possible[:1] if entry.send is None else tuple(call for call in possible if call in entry.send)


def strategy_of(computation: Computation, entry: DestinationEntry) -> Chosen:
    """Which identifiers an entry asks for; without ``identifiers``, the default strategy."""
    if entry.identifiers is not None:
        return entry.identifiers
    return DEFAULT_WITH_ANONYMOUS if computation.include_anonymous_users else DEFAULT


def check_destinations(space: Space, computations: Sequence[Computation]) -> list[Problem]:
    """Everything that would keep these computations from being delivered, found without any I/O.

    Problems with a destination itself come first; those of a computation's entry have its key.
    """
    problems = [problem for name in space.destinations for problem in check_destination(space, name)]
    for computation in computations:
        for entry in computation.destinations:
            problems += check_entry(space, computation, entry)
    return problems


def check_destination(space: Space, name: str) -> list[Problem]:
    """What is wrong with one destination of the space, or with its being next to the others."""
    destination = space.destinations[name]
    return list(_destination(destination)) or list(_shared_place(space, destination))


def check_entry(space: Space, computation: Computation, entry: DestinationEntry) -> list[Problem]:
    """What is wrong with one line of a computation's ``destinations:``; the problems have the computation's
    key.
    """
    return [*_entry(space, computation, entry), *_twice(computation, entry)]


def _destination(destination: Destination) -> Iterator[Problem]:
    known = TYPES.get(destination.type)
    if known is not None:
        for mistake in known.mistakes(destination.settings):
            yield Problem(destination.location, f"destination '{destination.name}': {mistake}")
    elif destination.type in NOT_YET:
        what = f"destination '{destination.name}': destinations of type {destination.type}: not yet"
        yield Problem(destination.location, what, not_yet=True)
    else:
        hint = did_you_mean(destination.type, [*TYPES, *NOT_YET])
        what = f"destination '{destination.name}': unknown type '{destination.type}'"
        yield Problem(destination.location, what, hint=hint)


def _shared_place(space: Space, destination: Destination) -> Iterator[Problem]:
    place = _place(space, destination)
    for other in space.destinations.values():
        if other.name == destination.name:
            return  # the first of two has the place, the second has the problem
        if other.type != destination.type or list(_destination(other)):
            continue
        if place and _place(space, other) == place:
            yield Problem(
                destination.location,
                f"destination '{destination.name}' has the same place as '{other.name}': {place}",
                hint="give each destination a place of its own",
            )


def _place(space: Space, destination: Destination) -> str:
    return TYPES[destination.type](destination.name, destination.settings, space.root).place()


def _entry(space: Space, computation: Computation, entry: DestinationEntry) -> Iterator[Problem]:
    def problem(what: str, hint: str = "", *, not_yet: bool = False) -> Problem:
        where = entry.location if entry.location != Location() else computation.location
        return Problem(where, what, hint=hint, key=computation.key, not_yet=not_yet)

    if entry.destination not in space.destinations:
        hint = did_you_mean(entry.destination, space.destinations)
        yield problem(f"unknown destination '{entry.destination}'", hint)
    possible = CALLS[computation.level]
    for call in entry.send or ():
        if call == GROUP and call not in possible:
            yield problem("`send: group` is for account-level computations", "use identify or track")
        elif call not in possible:
            hint = did_you_mean(call, possible) or " or ".join(possible)
            yield problem(f"unknown call '{call}' in `send`", hint)
    if entry.send == ():
        yield problem("`send` names no call", f"leave it out for {possible[0]}")
    if entry.filter is not None:
        yield problem("`filter` of a destination: not yet", not_yet=True)
    yield from (problem(what, hint) for what, hint in _strategy_mistakes(strategy_of(computation, entry)))


def _strategy_mistakes(chosen: Chosen) -> Iterator[tuple[str, str]]:
    if not chosen:
        yield "`identifiers` names no identifier type", "leave it out for every user_id and every email"
    for type_, count in Counter(item.type for item in chosen).items():
        if count > 1:
            yield f"the identifier type '{type_}' is listed {count} times", ""
    everything = [item.type for item in chosen if item.strategy is Strategy.ALL]
    if len(everything) > MOST_WITH_ALL:
        yield (
            f"{len(everything)} identifier types have the strategy `all`: {', '.join(everything)}",
            f"at most {MOST_WITH_ALL} may; use last_added or first_added for the others",
        )


def _twice(computation: Computation, entry: DestinationEntry) -> Iterator[Problem]:
    same = [other for other in computation.destinations if other.destination == entry.destination]
    if len(same) > 1 and same[0] is not entry:
        what = f"the destination '{entry.destination}' is listed {len(same)} times"
        yield Problem(entry.location, what, key=computation.key)
