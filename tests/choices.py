"""Choices read from bytes: a test case of many small choices that Hypothesis draws at once.

Drawn one by one, most cases would be an earlier one with two choices swapped, and most of the time would go into
drawing. All bytes 0 is the simplest case, so Hypothesis makes a failing one simpler byte by byte.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from hypothesis import strategies as st

Element = TypeVar("Element")
Case = TypeVar("Case")


class Choices:
    """Reads bytes; where they end, every choice is the first one."""

    def __init__(self, data: bytes) -> None:
        self._data, self._next = data, 0

    def place(self, size: int) -> int:
        """A number below ``size``, which is at most 256."""
        byte = self._data[self._next] if self._next < len(self._data) else 0
        self._next += 1
        return byte * size >> 8

    def one_of(self, pool: Sequence[Element]) -> Element:
        return pool[self.place(len(pool))]

    def chance(self, times: int, of: int) -> bool:
        return self.place(of) >= of - times

    def part(self, size: int) -> Choices:
        """The next ``size`` bytes for one part of the case: what it leaves unread changes nothing in the next."""
        read = self._data[self._next : self._next + size]
        self._next += size
        return Choices(read)


def made_of(make: Callable[[Choices], Case], size: int) -> st.SearchStrategy[Case]:
    """The cases that are made of ``size`` bytes."""
    return st.binary(min_size=size, max_size=size).map(lambda data: make(Choices(data)))
