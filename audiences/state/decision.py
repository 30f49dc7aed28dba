"""What a run at some instant means for a state, decided before anything is computed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from audiences.definitions.computation import Computation
from audiences.errors import Problem
from audiences.events.value_texts import instant_text
from audiences.state.manifest import Manifest


class Occasion(StrEnum):
    """How a run relates to what is there already."""

    FIRST = "first"
    """Nothing was ever committed."""
    NEW = "new"
    """A later as-of than the latest committed one."""
    REVISION = "revision"
    """The latest as-of again, with other inputs, definitions or computations."""
    NOTHING_NEW = "nothing_new"
    """The latest as-of, same inputs, same definitions: everything asked for is there."""
    PAST = "past"
    """Before the latest committed as-of: it can be shown and exported, and changes nothing."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done. ``run`` is the number the run would get; for nothing new, the run that has the
    result.
    """

    occasion: Occasion
    run: int | None
    revision: int
    note: str = ""

    @property
    def commits(self) -> bool:
        """Whether the run changes the state."""
        return self.occasion in (Occasion.FIRST, Occasion.NEW, Occasion.REVISION)


def decide(
    manifest: Manifest | None, *, as_of: datetime, definitions: Mapping[str, str], inputs: str, again: bool = False
) -> Decision:
    """What a run of some definitions at ``as_of`` means, given the current manifest.

    ``definitions`` are the fingerprints of all that the run would compute, by key; ``inputs`` is the
    fingerprint of the inputs. The same as-of, inputs and definitions again is a no-op; the same as-of with
    others, or asked for ``again``, is a new revision; an as-of before the latest committed one is a look into the past.
    """
    if manifest is None:
        return Decision(Occasion.FIRST, run=1, revision=1)
    latest = instant_text(manifest.as_of)
    if as_of < manifest.as_of:
        return Decision(
            Occasion.PAST,
            run=None,
            revision=0,
            note=f"a look into the past: run {manifest.run} is at {latest}, so this is not kept or delivered",
        )
    if as_of > manifest.as_of:
        return Decision(Occasion.NEW, run=manifest.run + 1, revision=1)
    if not again and all(_computed(manifest, key, fingerprint, inputs) for key, fingerprint in definitions.items()):
        return Decision(
            Occasion.NOTHING_NEW,
            run=manifest.run,
            revision=manifest.revision,
            note=f"nothing new since run {manifest.run} at {latest}",
        )
    return Decision(
        Occasion.REVISION,
        run=manifest.run + 1,
        revision=manifest.revision + 1,
        note=f"revision {manifest.revision + 1} of {latest}",
    )


def _computed(manifest: Manifest, key: str, fingerprint: str, inputs: str) -> bool:
    record = manifest.computations.get(key)
    return (
        record is not None
        and record.as_of == manifest.as_of
        and record.fingerprint == fingerprint
        and record.inputs == inputs
    )


def reused(manifest: Manifest | None, computations: Iterable[Computation]) -> list[Problem]:
    """A problem for every key that was used for something else before: the other kind, or the other level.

    Destinations confuse an audience with a trait of the same key, so a key can't change what it is.
    """
    known = {} if manifest is None else manifest.computations
    problems = []
    for computation in computations:
        record = known.get(computation.key)
        if record is None or (record.kind, record.level) == (computation.kind, computation.level):
            continue
        before = f"{record.level}-level {record.kind}"
        problems.append(
            Problem(
                computation.location,
                f"'{computation.key}' was the key of a {before} until run {record.run}; "
                "a key can't be used again for something else",
                hint="choose another key",
                key=computation.key,
            )
        )
    return problems
