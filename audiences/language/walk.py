"""Every node of a tree, without saying what each of them has inside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from audiences.language.tree import Node


def walk(node: Node) -> Iterator[Node]:
    """The node itself and all nodes below it, in the order in which they are written."""
    yield node
    for child in children(node):
        yield from walk(child)


def children(node: Node) -> Iterator[Node]:
    """The nodes directly inside a node."""
    for field in fields(node):
        value = getattr(node, field.name)
        if isinstance(value, Node):
            yield value
        elif isinstance(value, tuple):
            yield from (item for item in value if isinstance(item, Node))
