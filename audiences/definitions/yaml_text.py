"""Plain values → YAML that reads back as the same values.

Short lists and mappings are written on one line, longer ones in blocks. Texts are quoted where YAML would
read something else in them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Final

import yaml

from audiences.definitions.plain_scalars import is_text_when_plain
from audiences.language.literals import instant_text, number_text

ONE_LINE: Final = 76
"""A list or mapping is written on one line up to about this width."""

_CORE: Final = "tag:yaml.org,2002:"

Plain = str | int | float | bool | date | datetime | Sequence["Plain"] | Mapping[str, "Plain"]
"""Python's own values; an instant that is a date alone is a ``date``."""


def yaml_text(value: Mapping[str, Plain]) -> str:
    """The mapping as a YAML document, keys in the order in which they are given, ends with a line break."""
    node = _node(value, top=True)
    return str(yaml.serialize(node, Dumper=_Dumper, width=1_000_000, allow_unicode=True))


class _Dumper(yaml.SafeDumper):
    """Indents lists below their key."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless=False)


def _node(value: Plain, *, top: bool = False) -> yaml.Node:
    if isinstance(value, Mapping):
        pairs = [(_node(key), _node(item)) for key, item in value.items()]
        return yaml.MappingNode(f"{_CORE}map", pairs, flow_style=not top and _fits(value))
    if isinstance(value, str):
        return yaml.ScalarNode(f"{_CORE}str", value, style=_style(value))
    if isinstance(value, bool):
        return yaml.ScalarNode(f"{_CORE}bool", "true" if value else "false")
    if isinstance(value, int):
        return yaml.ScalarNode(f"{_CORE}int", str(value))
    if isinstance(value, float):
        return yaml.ScalarNode(f"{_CORE}float", _float_text(value))
    if isinstance(value, datetime):
        return yaml.ScalarNode(f"{_CORE}timestamp", instant_text(value))
    if isinstance(value, date):
        return yaml.ScalarNode(f"{_CORE}timestamp", value.isoformat())
    return yaml.SequenceNode(f"{_CORE}seq", [_node(item) for item in value], flow_style=_fits(value))


def _style(value: str) -> str | None:
    """The quotes of a text; None leaves it to PyYAML whether there must be some."""
    if not value.isprintable():
        return '"'  # the only style with escapes: line breaks in the others don't come back as they were
    return None if is_text_when_plain(value) else "'"


def _float_text(value: float) -> str:
    """A number that YAML 1.1 takes for one, too: its exponents need a point before them."""
    text = number_text(value)
    mantissa, exponent, power = text.partition("e")
    return f"{mantissa}.0e{power}" if exponent and "." not in mantissa else text


def _fits(value: Plain) -> bool:
    """Whether a list or mapping goes on one line."""
    # PyYAML tags timestamps inside brackets, since it takes their colons for indicators.
    return not _has(value, _is_time) and not _has(value, _is_list_of_mappings) and _width(value) <= ONE_LINE


def _has(value: Plain, wanted: Callable[[Plain], bool]) -> bool:
    """Whether the value, or anything inside it, is what is looked for."""
    if wanted(value):
        return True
    if isinstance(value, Mapping):
        return any(_has(item, wanted) for item in value.values())
    if isinstance(value, str) or not isinstance(value, Sequence):
        return False
    return any(_has(item, wanted) for item in value)


def _is_time(value: Plain) -> bool:
    return isinstance(value, datetime)


def _is_list_of_mappings(value: Plain) -> bool:
    """Several conditions read better below one another."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        return False
    return len(value) > 1 and any(isinstance(item, Mapping) for item in value)


def _width(value: Plain) -> int:
    """About how wide a value is on one line."""
    if isinstance(value, Mapping):
        return sum(len(key) + 4 + _width(item) for key, item in value.items())
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Sequence):
        return sum(2 + _width(item) for item in value) + 2
    return len(str(value))
