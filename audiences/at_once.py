"""Independent pieces of work on both cores, with a bounded number of them in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

AT_ONCE: Final = 2
"""Pieces that are worked on at the same time: half of the time of each goes into steps that use one core only."""

Piece = TypeVar("Piece")
Made = TypeVar("Made")


def each_at_once(
    make: Callable[[Piece], Made], pieces: Iterable[Piece], *, most: int = AT_ONCE
) -> Generator[Made, None, None]:
    """What is made of each piece, in their order.

    While ``most`` are worked on, the next one is fetched: one more is in memory. Fetching, and whatever the caller does
    with what was made, happens in the caller's thread.
    """
    waiting: deque[Future[Made]] = deque()
    with ThreadPoolExecutor(most) as pool:
        try:
            for piece in pieces:
                waiting.append(pool.submit(make, piece))
                if len(waiting) > most:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
