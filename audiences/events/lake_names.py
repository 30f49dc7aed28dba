"""Names in a data lake: an exact match first, then the snake_case form that Segment gives tables and columns."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from audiences.errors import DefinitionError, InputError
from audiences.language.tree import EACH, Path

_WORD: Final = re.compile(r"[A-Z0-9]*[a-z0-9]*")
_UNTOUCHED: Final = re.compile(r"(?:[a-z0-9]|_(?=[a-z0-9]))*")
_NEITHER_LETTER_NOR_DIGIT: Final = re.compile(r"[^A-Za-z0-9]*")


def snake(name: str) -> str:
    """The name as Segment writes it in tables and columns: ``Page Viewed`` is ``page_viewed``, ``cartId`` ``cart_id``.

    The rules are those of Segment's own package go-snakecase, oddities included (``URLPath`` is ``urlpath``,
    ``line2Text`` is ``line_2text``; letters beyond ASCII are left out).
    """
    matched = _UNTOUCHED.match(name)
    place = matched.end() if matched else 0
    if place == len(name):
        return name
    if place and name[place - 1].isdigit():
        place -= 1  # a digit goes with the capital letter after it
    words = [name[:place]] if place else []
    while True:
        separator = _NEITHER_LETTER_NOR_DIGIT.match(name, place)
        place = separator.end() if separator else place
        word = _WORD.match(name, place)
        if word is None or not word[0]:
            return "_".join(words)
        words.append(word[0].lower())
        place = word.end()


def events_of_tables(events: Collection[str], tables: Collection[str], where: str) -> dict[str, str]:
    """Which of the needed events each table holds: table → event. Tables that hold none are left out.

    Raises ``InputError`` where an event may be one of two tables, ``DefinitionError`` where two events are one table.
    """
    by_snake = _by_snake(tables)
    found: dict[str, str] = {}
    for event in sorted(events):
        matches = _matches(event, tables, by_snake)
        if len(matches) > 1:
            raise _two("tables", matches[0], matches[1], f"event '{event}'", where)
        for table in matches:
            if table in found:
                raise _same("events", found[table], event, f"table '{table}'", where)
            found[table] = event
    return found


def needed_event(name: str, events: Collection[str], where: str) -> str:
    """The needed event that a row's own name means, else that name. Raises as ``events_of_tables``."""
    if name in events:
        return name
    form = snake(name)
    found = sorted(event for event in events if form and snake(event) == form)
    if len(found) > 1:
        raise _same("events", found[0], found[1], f"event '{name}'", where)
    return found[0] if found else name


@dataclass(frozen=True, slots=True)
class FlatPath:
    """Where the values at a path are: in columns, each with its places in the arrays on the way, in their order.

    ``rest`` is the path from there on, inside of an only column that holds objects or arrays.
    """

    columns: tuple[tuple[tuple[int, ...], str], ...]
    rest: Path = ()


class FlatNames:
    """Members of objects, flattened to columns: ``products.0.sku`` is the column ``products_0_sku``.

    ``what`` and ``where`` are for messages.
    """

    def __init__(self, columns: Iterable[str], what: str, where: str) -> None:
        self._columns = frozenset(columns)
        self._what, self._where = what, where
        self._snaked = _by_snake(self._columns)
        self._known: dict[Path, tuple[FlatPath, ...]] = {}

    def find(self, path: Path) -> tuple[FlatPath, ...]:
        """Where the values at a path may be, the best place first: a row has them in the first that isn't empty.

        That is a column of the whole path; or, through ``EACH``, columns with numbers in its place; then columns that
        hold an outer part of the path. Raises ``InputError`` where two columns are the same.
        """
        if path not in self._known:
            self._known[path] = tuple(self._found(path))
        return self._known[path]

    def find_all(self, paths: Iterable[Path]) -> dict[Path, tuple[FlatPath, ...]]:
        """``find`` for those of the paths that are anywhere."""
        return {path: found for path in sorted(paths) if (found := self.find(path))}

    def check(self, paths: Iterable[Path]) -> None:
        """Raise ``DefinitionError`` if two of the paths are the same column, ``InputError`` as ``find``."""
        known: dict[FlatPath, Path] = {}
        for path, found in self.find_all(paths).items():
            other = known.setdefault(found[0], path)
            if other != path:
                column = f"column '{found[0].columns[0][1]}'"
                raise _same(self._what, ".".join(other), ".".join(path), column, self._where)

    def _found(self, path: Path) -> Iterator[FlatPath]:
        if EACH in path:
            if columns := self._numbered(path):
                yield FlatPath(columns)
        elif (column := self._column(path)) is not None:
            yield FlatPath((((), column),))
        for length in range(len(path) - 1, 0, -1):
            outer = path[:length]
            if EACH not in outer and (column := self._column(outer)) is not None:
                yield FlatPath((((), column),), path[length:])

    def _column(self, path: Path) -> str | None:
        matches = _matches("_".join(path), self._columns, self._snaked)
        if len(matches) > 1:
            raise self._ambiguous(matches[0], matches[1], path)
        return matches[0] if matches else None

    def _numbered(self, path: Path) -> tuple[tuple[tuple[int, ...], str], ...]:
        snaked = tuple(segment if segment == EACH else snake(segment) for segment in path)
        return self._at_numbers(path, path, {name: name for name in self._columns}) or self._at_numbers(
            path, snaked, {name: form for form, names in self._snaked.items() for name in names}
        )

    def _at_numbers(
        self, path: Path, segments: Path, forms: Mapping[str, str]
    ) -> tuple[tuple[tuple[int, ...], str], ...]:
        pattern = re.compile("_".join("([0-9]+)" if segment == EACH else re.escape(segment) for segment in segments))
        found: dict[tuple[int, ...], str] = {}
        for name, form in sorted(forms.items()):
            matched = pattern.fullmatch(form)
            if matched is None:
                continue
            places = tuple(map(int, matched.groups()))
            if places in found:
                raise self._ambiguous(found[places], name, path)
            found[places] = name
        return tuple(sorted(found.items()))

    def _ambiguous(self, one: str, two: str, path: Path) -> InputError:
        wanted = f"{'.'.join(path)} of the {self._what}"
        return _two("columns", one, two, wanted, self._where)


def _by_snake(names: Iterable[str]) -> Mapping[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        found[snake(name)].append(name)
    return found


def _matches(name: str, known: Collection[str], by_snake: Mapping[str, list[str]]) -> list[str]:
    if name in known:
        return [name]
    form = snake(name)
    return by_snake.get(form, []) if form else []


def _two(what: str, one: str, two: str, wanted: str, where: str) -> InputError:
    return InputError(
        f"the {what} '{one}' and '{two}' are both the {wanted}",
        where=where,
        hint="rename one of them, or write one of the names exactly",
    )


def _same(what: str, one: str, two: str, place: str, where: str) -> DefinitionError:
    return DefinitionError(
        f"the {what} '{one}' and '{two}' are both the {place} of the data lake",
        where=where,
        hint="use one of the two names in all definitions",
    )
