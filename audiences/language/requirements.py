"""What a definition reads: the events, paths and other computations it can't be computed without."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from audiences.language import tree
from audiences.language.walk import walk


@dataclass(frozen=True, slots=True)
class Requirements:
    """The data a definition reads. Nothing in it says on which side or how deep a thing is used."""

    events: frozenset[str] = frozenset()
    properties: frozenset[tree.Path] = frozenset()
    contexts: frozenset[tree.Path] = frozenset()
    traits: frozenset[tree.Path] = frozenset()  # custom traits and computations alike
    source_ids: bool = False  # whether events are told apart by their source


def requirements(expression: tree.Expression) -> Requirements:
    """Everything a definition reads, nested events and both sides of comparisons included."""
    events: set[str] = set()
    properties: set[tree.Path] = set()
    contexts: set[tree.Path] = set()
    traits: set[tree.Path] = set()
    source_ids = False
    for node in walk(expression):
        match node:
            case tree.Stream():
                events.add(node.event)
            case tree.Property():
                properties.add(node.path)
            case tree.Context():
                contexts.add(node.path)
            case tree.Trait():
                traits.add(node.path)
            case tree.Sources():
                source_ids = True
    return Requirements(frozenset(events), frozenset(properties), frozenset(contexts), frozenset(traits), source_ids)


def references(expression: tree.Expression, keys: Collection[str]) -> tuple[str, ...]:
    """Those of ``keys`` that a definition uses as ``trait('key')`` or ``trait('key.inside')``, sorted."""
    used = {node.path[0] for node in walk(expression) if isinstance(node, tree.Trait) and node.path}
    return tuple(sorted(used.intersection(keys)))
