"""YAML as small frozen nodes: every scalar, list and mapping knows the file, line and column of its beginning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from audiences.definitions.plain_scalars import ScalarValue
from audiences.errors import Location

MAXIMUM_DEPTH: Final = 100
"""Lists and mappings inside one another; a definition that people read has a dozen."""


@dataclass(frozen=True, slots=True)
class YamlScalar:
    """One value. ``start`` and ``end`` are offsets into the file's text (-1: not from a file)."""

    value: ScalarValue
    where: Location
    text: str = ""  # as written, with quotes and escapes resolved
    style: str = ""  # of "", ', ", | and >
    start: int = -1
    end: int = -1


@dataclass(frozen=True, slots=True)
class YamlList:
    """A sequence."""

    items: tuple[YamlNode, ...]
    where: Location
    start: int = -1
    end: int = -1


@dataclass(frozen=True, slots=True)
class YamlEntry:
    """A key of a mapping and its value."""

    key: YamlScalar
    value: YamlNode

    @property
    def name(self) -> str:
        """The key as text."""
        return str(self.key.value)


@dataclass(frozen=True, slots=True)
class YamlMapping:
    """A mapping, its entries in the order in which they are written."""

    entries: tuple[YamlEntry, ...]
    where: Location
    start: int = -1
    end: int = -1

    def get(self, name: str) -> YamlNode | None:
        """The value of a key, or None where the key isn't given."""
        for entry in self.entries:
            if entry.name == name:
                return entry.value
        return None

    def key(self, name: str) -> YamlScalar | None:
        """The key itself, for its place."""
        for entry in self.entries:
            if entry.name == name:
                return entry.key
        return None

    def names(self) -> tuple[str, ...]:
        """All keys, in file order."""
        return tuple(entry.name for entry in self.entries)


YamlNode = YamlScalar | YamlList | YamlMapping


def kind_of(node: YamlNode) -> str:
    """What a node is, in words for messages: text, a number, a list and so on."""
    if isinstance(node, YamlList):
        return "a list"
    if isinstance(node, YamlMapping):
        return "a mapping"
    value = node.value
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, date):  # a datetime is a date, too
        return "a date"
    return "text"


def plain(node: YamlNode) -> object:
    """The node as Python's own dicts, lists and scalars."""
    if isinstance(node, YamlScalar):
        return node.value
    if isinstance(node, YamlList):
        return [plain(item) for item in node.items]
    return {entry.name: plain(entry.value) for entry in node.entries}


def node_of(value: object, name: str, depth: int = 0) -> YamlNode:
    """The node of a Python value; its place is the path to it: ``computations[0].where[1].property``.

    Raises ``TypeError`` for what YAML has no value for.
    """
    where = Location(name)
    if depth > MAXIMUM_DEPTH:
        raise TypeError(f"nested more than {MAXIMUM_DEPTH} deep")
    if value is None or isinstance(value, str | bool | int | float | date):
        return YamlScalar(value, where, "" if value is None else str(value))
    if isinstance(value, Mapping):
        entries = []
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"a key must be text, {key!r} is not")
            path = f"{name}.{key}"
            entries.append(YamlEntry(YamlScalar(key, Location(path), key), node_of(item, path, depth + 1)))
        return YamlMapping(tuple(entries), where)
    if isinstance(value, list | tuple):
        items = tuple(node_of(item, f"{name}[{number}]", depth + 1) for number, item in enumerate(value))
        return YamlList(items, where)
    raise TypeError(f"{name} is of type {type(value).__name__}, which a definition can't have")
