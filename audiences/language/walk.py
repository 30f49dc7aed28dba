"""Every node of a tree, without saying what each of them has inside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any, Final

from audiences.language.tree import AllUsers, AnyUser, Node, Trait

_NAMES: Final[dict[type[Any], tuple[str, ...]]] = {}


def walk(node: Node) -> Iterator[Node]:
    """The node itself and all nodes below it, in the order in which they are written."""
    yield node
    for child in children(node):
        yield from walk(child)


def children(node: Node) -> Iterator[Node]:
    """The nodes directly inside a node."""
    for name in _names(node):
        value = getattr(node, name)
        if isinstance(value, Node):
            yield value
        elif isinstance(value, tuple):
            yield from (item for item in value if isinstance(item, Node))


def _names(node: Node) -> tuple[str, ...]:
    """The names of the fields of a node, which are those of its kind."""
    kind = type(node)
    if kind not in _NAMES:
        _NAMES[kind] = tuple(field.name for field in fields(node))
    return _NAMES[kind]


def trait_uses(node: Node, inside_users: bool = False) -> Iterator[tuple[Trait, bool]]:
    """Every ``trait('…')`` of a tree, and whether it stands inside ANY or ALL: whether it is a user's."""
    if isinstance(node, Trait):
        yield node, inside_users
    inside_users = inside_users or isinstance(node, AnyUser | AllUsers)
    for child in children(node):
        yield from trait_uses(child, inside_users)
