"""Which members objects have: the paths of a column, for telling somebody what there is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final

import polars as pl

from audiences.events.documents import document
from audiences.events.json_columns import parse_objects
from audiences.events.texts import is_text, texts
from audiences.events.values import explode_lists
from audiences.language.tree import EACH, Path

MOST_MEMBERS: Final = 500
"""An object with so many different members is a table of its own: beyond, only the most frequent ones are told."""

_DEEPEST: Final = 6


def member_paths(column: pl.Series) -> Counter[Path]:
    """The paths at which there are values in a column of objects (JSON text, structs, maps), each with how many.

    Members of objects, of objects in objects, and of objects in arrays (through ``EACH``). A member that is always null
    is not there. The number is of values; of those inside an array at most as many as there are arrays.
    """
    if is_text(column.dtype):
        return Counter(dict(_of_objects(parse_objects(texts(column)), ())))
    if isinstance(column.dtype, pl.Struct):
        return Counter(dict(_of_struct(column, ())))
    return Counter(dict(_of_objects(parse_objects(document(column).texts()), ())))


def _of_objects(objects: Sequence[object], around: Path) -> Iterator[tuple[Path, int]]:
    """Member by member: all values of one member are looked at together."""
    found = [value for value in objects if type(value) is dict]
    members = Counter(chain.from_iterable(found)) if found else Counter()
    deep = len(around) < _DEEPEST
    for name, count in members.most_common(MOST_MEMBERS):
        if not isinstance(name, str):
            continue
        path = (*around, name)
        if len(members) > MOST_MEMBERS:
            yield path, count
            continue
        values = [value[name] for value in found if name in value]
        yield from _of_values(values, path, deep=deep)


def _of_values(values: Sequence[object], path: Path, *, deep: bool) -> Iterator[tuple[Path, int]]:
    types = set(map(type, values))
    there = len(values) - values.count(None) if type(None) in types else len(values)
    if not there:
        return
    yield path, there
    if deep and dict in types:
        yield from _of_objects(values, path)
    if deep and list in types:
        elements = [element for value in values if type(value) is list for element in value]
        inside = list(_of_objects(elements, (*path, EACH)))
        if elements and not inside:
            inside = [((*path, EACH), there)]
        yield from ((one, min(count, there)) for one, count in inside)


def _of_struct(column: pl.Series, around: Path) -> Iterator[tuple[Path, int]]:
    for field in column.struct.fields:
        member = column.struct.field(field).drop_nulls()
        if len(member):
            yield (*around, field), len(member)
            yield from _of_typed(member, (*around, field))


def _of_typed(member: pl.Series, path: Path) -> Iterator[tuple[Path, int]]:
    dtype = member.dtype
    if len(path) >= _DEEPEST:
        return
    if isinstance(dtype, pl.Struct):
        yield from _of_struct(member, path)
    elif isinstance(dtype, pl.List):
        elements = explode_lists(member)[1].drop_nulls()
        if len(elements):
            inside = list(_of_typed(elements, (*path, EACH))) or [((*path, EACH), len(member))]
            yield from ((one, min(count, len(member))) for one, count in inside)
